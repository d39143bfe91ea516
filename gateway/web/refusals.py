"""Why something was turned away at the door, and what to do about it, in the words of the people who sent it."""

from collections.abc import Mapping

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
    ("file", "unavailable"): (
        ("网关暂时无法接收", "The gateway cannot take it just now"),
        ("请稍后再上传。", "Upload it again later."),
    ),
}
_OTHERWISE: _Pair = ("请联系信息科。", "Tell the IT staff.")


def explain(what: str, reason: str, detail: str, language: str) -> tuple[str, str]:
    """The reason and the advice. An unknown code is told as it came."""
    place = 1 if language == "en" else 0
    known = EXPLANATIONS.get((what, _code(what, reason)))
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
