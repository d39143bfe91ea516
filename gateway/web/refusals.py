"""Why something was turned away at the door, and what to do about it, in the words of the people who sent it."""

from collections.abc import Mapping

from adapters.ecg.errors import REFUSALS as ECG_REFUSALS

# code: reason (zh, en), advice (zh, en). Codes: DIMSE statuses (PS3.4 Table B.2-1, PS3.7 Annex C), source/reason of
# A-ASSOCIATE-RJ (PS3.8 Table 9-21; the result only says whether trying again may help) and our own for files.
_Pair = tuple[str, str]
_CHECK_FILE: _Pair = ("请在设备上重新导出该文件。", "Export the file again on the device.")
_ASK_MAKER: _Pair = ("请联系设备厂家检查网络设置。", "Ask the device's maker to check its network settings.")
_SEND_LATER: _Pair = ("请稍后再发送。", "Send it again later.")
_WAIT: _Pair = (
    "设备会自动重发；若持续出现请联系信息科。",
    "The device will try again; if it goes on, tell the IT staff.",
)
_ONLY_RESULTS: _Pair = (
    "请在设备的通信设置中选择发送检验结果（ORU^R01、OUL^R22）。",
    "Let the device's communication settings send results (ORU^R01, OUL^R22).",
)
EXPLANATIONS: Mapping[tuple[str, str], tuple[_Pair, _Pair]] = {
    ("association", "1/2"): (
        ("设备提出的不是 DICOM 应用上下文", "The device does not propose the DICOM application context"),
        _ASK_MAKER,
    ),
    ("association", "1/3"): (
        (
            "设备的 AE 标题未登记，或来自未登记的地址",
            "The device's AE title is not registered, or not at this address",
        ),
        (
            "请管理员核对设备的 AE 标题和地址。",
            "Ask the administrator to check the device's AE title and address.",
        ),
    ),
    ("association", "1/7"): (
        ("设备呼叫的 AE 标题不是本网关", "The device called another AE title than this gateway's"),
        (
            "请在设备上把目标 AE 标题改为本网关的。",
            "Set the destination AE title on the device to this gateway's.",
        ),
    ),
    ("association", "1/1"): (("网关暂时不能核对设备", "The gateway could not look the device up"), _WAIT),
    ("association", "2/1"): (("连接请求没有被接受", "The request for an association was not taken"), _WAIT),
    ("association", "2/2"): (
        ("设备使用的 DICOM 协议版本不受支持", "The device speaks another version of the DICOM protocol"),
        _ASK_MAKER,
    ),
    ("association", "3/1"): (("网关暂时忙", "The gateway was busy"), _WAIT),
    ("association", "3/2"): (
        ("同时的连接过多", "Too many associations at the same time"),
        (
            "稍后自动恢复；若总是这样，请把设备的并发发送数调小。",
            "It passes by itself; if it goes on, let the device send over fewer associations.",
        ),
    ),
    ("instance", "0117"): (
        ("图像的 SOP 实例 UID 不合格", "The image's SOP Instance UID is not valid"),
        ("请联系设备厂家检查 UID 设置。", "Ask the device's maker to check its UID settings."),
    ),
    ("instance", "0122"): (
        ("图像类型与协商的不一致", "The image's class is not the one agreed on"),
        ("请联系设备厂家检查存储设置。", "Ask the device's maker to check its storage settings."),
    ),
    ("instance", "0124"): (
        ("该设备或机构已停用，不能发送", "The device or its institution is disabled"),
        ("请管理员启用设备。", "Ask the administrator to enable the device."),
    ),
    ("instance", "A700"): (
        ("网关暂时没有空间", "The gateway had no room"),
        (
            "设备会自动重发；若持续出现请联系信息科。",
            "The device will send again; if it goes on, tell the IT staff.",
        ),
    ),
    ("instance", "A900"): (
        ("图像内容与请求不一致", "The image is not the one that was announced"),
        (
            "请在设备上重新发送；若仍被拒，请联系厂家。",
            "Send it again; if it is refused again, ask the maker.",
        ),
    ),
    ("instance", "C000"): (
        ("图像数据不完整或已损坏", "The image is cut short or damaged"),
        ("请在设备上重新发送该图像。", "Send the image again from the device."),
    ),
    ("message", "100"): (
        (
            "消息的段顺序不对，或不是 HL7 消息",
            "The message's segments are out of order, or it is no HL7 message",
        ),
        _ASK_MAKER,
    ),
    ("message", "101"): (("消息缺少必填内容", "The message lacks something required"), _ASK_MAKER),
    ("message", "102"): (("消息内容不能读取", "The message cannot be read"), _ASK_MAKER),
    ("message", "103"): (("消息用了不认识的代码", "The message uses a code that is in no table"), _ASK_MAKER),
    ("message", "200"): (
        ("不接收这种类型的消息", "Messages of this type are not taken"),
        _ONLY_RESULTS,
    ),
    ("message", "201"): (("不接收这种事件的消息", "Messages of this event are not taken"), _ONLY_RESULTS),
    ("message", "202"): (
        ("消息的处理标识（MSH-11）不认识", "The message's processing ID (MSH-11) is none"),
        _ASK_MAKER,
    ),
    ("message", "203"): (("HL7 版本不支持", "This version of HL7 is not supported"), _ASK_MAKER),
    ("message", "204"): (
        ("设备未登记", "The device is not registered"),
        ("请管理员登记这台设备。", "Ask the administrator to register the device."),
    ),
    ("message", "205"): (
        (
            "同一消息编号（MSH-10）发来了不同内容",
            "Another message came under the same control ID (MSH-10)",
        ),
        (
            "请在设备上重新发送该结果；若总是这样，请厂家检查消息编号。",
            "Send the result again; if it goes on, have the maker check how messages are numbered.",
        ),
    ),
    ("message", "207"): (("消息没有收全，或超过接收上限", "The message is not whole, or too large"), _WAIT),
    ("message", "malformed"): (
        ("消息内容不完整或已损坏", "The message is cut short or damaged"),
        (
            "请检查串口线、串口服务器和波特率设置；仍被拒请联系厂家。",
            "Check the cable, the serial server and its baud rate; if it goes on, ask the maker.",
        ),
    ),
    ("message", "too_long"): (("消息超过接收上限", "The message is larger than is taken"), _ASK_MAKER),
    ("file", "name_too_long"): (
        ("文件名过长（最多 255 字节）", "The file's name is too long (255 bytes at most)"),
        ("请改短文件名后再上传。", "Give it a shorter name and upload it again."),
    ),
    ("file", "not_dicom"): (("不是 DICOM 文件", "It is not a DICOM file"), _CHECK_FILE),
    ("file", "malformed"): (("文件内容不完整或已损坏", "The file is cut short or damaged"), _CHECK_FILE),
    ("file", "0110"): (("网关处理时出错", "The gateway failed at it"), _SEND_LATER),
    ("file", "0117"): (
        ("文件的 SOP 实例 UID 缺失或不合格", "The file's SOP Instance UID is missing or not valid"),
        _CHECK_FILE,
    ),
    ("file", "0122"): (
        (
            "不是影像一类的 DICOM 文件（如 DICOMDIR）",
            "It is no DICOM object that is stored (a DICOMDIR, say)",
        ),
        ("不必上传。", "It need not be uploaded."),
    ),
    ("file", "A700"): (("网关暂时没有空间", "The gateway had no room"), _SEND_LATER),
    ("file", "A900"): (
        ("文件头与内容不是同一幅图像", "The file's header and its content are not the same instance"),
        _CHECK_FILE,
    ),
    ("file", "A901"): (
        ("属于另一项检查", "It belongs to another study than the one it was sent to"),
        ("请把它发送到它自己的检查。", "Send it to the study that it belongs to."),
    ),
    ("file", "C000"): (("不是完整的 DICOM 文件", "It is not a whole DICOM file"), _CHECK_FILE),
    ("file", "C122"): (
        ("文件的传输语法不受支持", "The file's transfer syntax is not known here"),
        ("请在设备上以标准格式重新导出。", "Export it again in a transfer syntax of the standard."),
    ),
    ("file", "signal_alone"): (
        ("只有信号文件，没有它的头文件（.hea）", "A signal file without its header (.hea)"),
        ("请把头文件和信号文件一起发送。", "Send the header and its signal files together."),
    ),
    ("file", "takes_too_long"): (
        ("读取文件用时过长，已放弃", "Reading the file took too long and was given up"),
        _CHECK_FILE,
    ),
    ("file", "reader_died"): (
        ("文件无法读取：读取程序因它而中止", "The file cannot be read: the reader broke at it"),
        _CHECK_FILE,
    ),
    ("file", "lab_file_unfit"): (
        ("既不是结果表格，也不是完整的 PDF", "It is neither a table of results nor a whole PDF"),
        (
            "请核对设备的导出格式：表格（CSV、TSV、XLSX）或 PDF；列的含义由检验中心在页面上对照。",
            "Check the device's export format: a table (CSV, TSV, XLSX) or a PDF. What its columns mean is said on a page.",
        ),
    ),
    ("file", "unavailable"): (
        ("网关暂时无法接收", "The gateway cannot take it just now"),
        ("请稍后再上传。", "Upload it again later."),
    ),
}
# Our own words for why, where the standard's reasons say too little.
_ISSUE: _Pair = (
    "请用 gateway certificate issue 为该设备签发证书并装到设备上。",
    "Issue a certificate for this device with `gateway certificate issue` and install it there.",
)
_TLS_VERSION: _Pair = (
    "请厂家工程师升级设备；确实不能的，请管理员为该设备登记有期限的例外。",
    "Have the maker update the device; if that cannot be, the administrator enters a dated exception for it.",
)
CAUSES: Mapping[str, tuple[_Pair, _Pair]] = {
    "ae_title_unknown": (
        ("设备的 AE 标题未登记", "The device's AE title is not registered"),
        ("请管理员登记这台设备。", "Ask the administrator to register the device."),
    ),
    "address_wrong": (
        ("设备来自登记以外的地址", "The device calls from another address than the registered one"),
        (
            "设备换了地址就请管理员改登记；没有换过，请查是谁在冒用。",
            "If the device has moved, have its address changed; if not, find out who uses its name.",
        ),
    ),
    "sender_unknown": (
        ("检验设备未登记", "The analyser is not registered"),
        (
            "请管理员在“管理 › 设备”登记：填设备自报的发送方名称，或它的地址。",
            "Have it registered under Administration › Devices: by the name that it gives itself, or its address.",
        ),
    ),
    "sender_ambiguous": (
        (
            "登记的检验设备中有多台符合，不能确定是哪一台",
            "Several registered analysers fit; which one it is cannot be told",
        ),
        (
            "请管理员在设备上补填发送方名称或地址，使各台可以区分。",
            "Have sender names or addresses entered that tell the analysers apart.",
        ),
    ),
    "device_disabled": (
        ("该检验设备已停用", "The analyser is disabled"),
        ("请管理员启用设备。", "Ask the administrator to enable the device."),
    ),
    "institution_disabled": (
        ("该设备所属机构已停用", "The analyser's institution is disabled"),
        ("请管理员启用机构。", "Ask the administrator to enable the institution."),
    ),
    "directory_missing": (("网关暂时不能核对设备", "The gateway could not look the device up"), _WAIT),
    "no_enquiry": (
        (
            "设备没有按 ASTM 规程先询问（ENQ）就发送数据",
            "The device sends data without asking first (ENQ), as ASTM wants it",
        ),
        (
            "请核对设备的通信协议设置：应为 ASTM E1381/LIS1-A 双向应答；HL7 设备请改用 HL7 端口。",
            "Set the device to ASTM E1381/LIS1-A with handshake; a device that speaks HL7 uses the HL7 port.",
        ),
    ),
    "no_mllp": (
        ("连到 HL7 端口的不是 HL7（MLLP）", "What came to the HL7 port is no HL7 (MLLP)"),
        (
            "请核对设备的协议和端口：ASTM 设备请改用 ASTM 端口。",
            "Check the device's protocol and port: a device that speaks ASTM uses the ASTM port.",
        ),
    ),
    "strangers": (
        ("未登记设备的连接过多", "Too many connections of devices that are not registered"),
        ("请管理员登记这些设备，或查是谁在连接。", "Have the devices registered, or find out who connects."),
    ),
    "limit_of_peer": (
        ("同一地址的连接过多", "Too many connections from one address"),
        (
            "请检查设备或串口服务器是否反复重连而不断开。",
            "Check whether the device or serial server connects again and again without closing.",
        ),
    ),
    "limit": EXPLANATIONS[("association", "3/2")],
    "limit_of_device": (
        ("这台设备同时的连接过多", "Too many associations of this device at the same time"),
        (
            "稍后自动恢复；若总是这样，请把设备的并发发送数调小。",
            "It passes by itself; if it goes on, let the device send over fewer associations.",
        ),
    ),
    "tls_required": (
        ("设备没有加密：本县要求用 TLS 连接", "The device came without encryption; TLS is required here"),
        (
            "请在设备上启用 TLS 并改用 TLS 端口；确实不能的，请管理员为该设备登记有期限的例外。",
            "Switch TLS on at the device and send to the TLS port; if it cannot, the administrator enters an exception.",
        ),
    ),
    "exception_over": (
        ("这台设备的 TLS 例外已到期", "This device's exception from TLS has ended"),
        (
            "请让设备改用 TLS 和证书，或请管理员延长例外。",
            "Let the device use TLS and a certificate, or have the exception prolonged.",
        ),
    ),
    "certificate_missing": (("设备没有出示证书", "The device presented no certificate"), _ISSUE),
    "certificate_wrong": (
        ("设备出示的证书不是它的", "The device presented a certificate that is not its own"),
        (
            "请核对设备上装的证书；证书换过的，请管理员改设备登记的证书。",
            "Check which certificate the device has; if it was changed, have the device's entry changed.",
        ),
    ),
    "certificate_revoked": (("设备出示的证书已吊销", "The device's certificate is revoked"), _ISSUE),
    "authority_revoked": (
        ("签发设备证书的机构已被吊销", "The authority that issued the device's certificate is revoked"),
        _ISSUE,
    ),
    "certificate_expired": (("设备出示的证书已过期", "The device's certificate has expired"), _ISSUE),
    "certificate_not_yet_valid": (
        ("设备出示的证书尚未生效", "The device's certificate is not in force yet"),
        ("请核对设备和网关的时钟。", "Check the clocks of the device and of the gateway."),
    ),
    "certificate_unknown": (
        (
            "设备出示的证书不是本县认可的机构签发的",
            "The device's certificate is not issued by an authority known here",
        ),
        _ISSUE,
    ),
    "certificate_purpose": (
        ("设备出示的证书不能用于客户端", "The device's certificate is not meant for a client"),
        _ISSUE,
    ),
    "certificate_weak": (("设备出示的证书强度不够", "The device's certificate is too weak"), _ISSUE),
    "certificate_unusable": (("设备出示的证书不能使用", "The device's certificate cannot be used"), _ISSUE),
    "revocation_list_over": (
        (
            "证书吊销列表已过期，不能核对设备的证书",
            "The revocation list is out of date; certificates cannot be checked",
        ),
        ("请信息科更新吊销列表文件。", "Ask the IT staff to renew the revocation list."),
    ),
    "gateway_not_trusted": (
        ("设备不信任网关的证书", "The device does not trust the gateway's certificate"),
        (
            "请把 authority.pem 装到设备的受信任机构里，并核对设备上填的网关地址与证书一致。",
            "Install authority.pem among the device's trusted authorities; check by which name it calls the gateway.",
        ),
    ),
    "tls_version": (
        ("设备只会过旧的 TLS 版本", "The device speaks only outdated versions of TLS"),
        _TLS_VERSION,
    ),
    "tls_suites": (("设备没有可用的加密套件", "The device offers no usable cipher suite"), _TLS_VERSION),
    "plain_on_tls_port": (
        ("设备没有加密就连到了 TLS 端口", "The device came to the TLS port without TLS"),
        (
            "请在设备上启用 TLS，或改用普通端口。",
            "Switch TLS on at the device, or let it use the plain port.",
        ),
    ),
    "tls_on_plain_port": (
        ("设备用 TLS 连到了普通端口", "The device came to the plain port with TLS"),
        ("请在设备上把端口改为 TLS 端口。", "Set the TLS port at the device."),
    ),
}
_OTHERWISE: _Pair = ("请联系信息科。", "Tell the IT staff.")


def explain(what: str, reason: str, detail: str, language: str, *, cause: str = "") -> tuple[str, str]:
    """The reason and the advice, by our own word for the cause where there is one. An unknown code is told as it came."""
    place = 1 if language == "en" else 0
    known = CAUSES.get(cause) or EXPLANATIONS.get((what, _code(what, reason)))
    if known is None and what == "file" and reason in ECG_REFUSALS:
        english, chinese = ECG_REFUSALS[reason]
        if place == 0:
            return chinese.format(about=f"（{detail}）" if detail else ""), _CHECK_FILE[0]
        return english.format(about=f" ({detail})" if detail else ""), _CHECK_FILE[1]
    if known is None:
        return detail or reason, _OTHERWISE[place]
    text = known[0][place]
    return (f"{text}（{detail}）" if place == 0 else f"{text} ({detail})") if detail else text, known[1][
        place
    ]


def _code(what: str, reason: str) -> str:
    if what != "association":
        return reason
    # Early rows kept the reason alone; those that were given then belong to the source 1, the service user.
    source, _, number = reason.rpartition("/")
    return f"{source[-1:] or '1'}/{number}"
