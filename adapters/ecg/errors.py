"""Why a file is not taken as an electrocardiogram: a stable code and a sentence that a technician understands."""

from adapters.errors import Malformed

# Code: what is wrong and what to do, in English and in Chinese. `{about}` is a name, a number or a detail.
REFUSALS: dict[str, tuple[str, str]] = {
    "empty": ("The file is empty.", "文件是空的。"),
    "unknown_format": (
        "This is no ECG format that we know{about}; export it as DICOM, SCP-ECG, HL7 aECG or PDF.",
        "无法识别的心电文件格式{about}；请导出为 DICOM、SCP-ECG、HL7 aECG 或 PDF。",
    ),
    "truncated": (
        "The file ends before what it announces{about}; send it again.",
        "文件不完整，内容比文件头声明的少{about}；请重新发送。",
    ),
    "crc_wrong": (
        "The checksum is wrong{about}: the file was damaged on its way; send it again.",
        "校验和错误{about}：文件在传输中损坏；请重新发送。",
    ),
    "damaged": ("The file contradicts itself{about}; export it again.", "文件内容自相矛盾{about}；请重新导出。"),
    "no_leads": (
        "The file holds no ECG lead with samples{about}.",
        "文件中没有任何心电导联的采样数据{about}。",
    ),
    "too_many_leads": ("The file claims more leads than an ECG has{about}.", "文件声明的导联数超出心电图范围{about}。"),
    "absurd_rate": ("The sampling rate is none of an ECG{about}.", "采样率不可能是心电图的{about}。"),
    "scale_unknown": (
        "The file does not say how many microvolts a step is{about}; nothing could be drawn at true scale.",
        "文件未说明每个数值对应多少微伏{about}，无法按真实比例绘图。",
    ),
    "too_large": ("The file claims more than we take{about}.", "文件声明的数据量超出上限{about}。"),
    "unsupported": ("This variant is not supported{about}; export it another way.",
                    "不支持此种变体{about}；请换一种方式导出。"),
    "xml_entities": (
        "The XML declares entities, which no ECG needs; it is refused for safety.",
        "该 XML 声明了实体，心电文件不需要；出于安全考虑拒收。",
    ),
    "encrypted_zip": ("The zip is encrypted; send it without a password.", "压缩包已加密；请发送不带密码的压缩包。"),
    "zip_too_large": ("The zip unpacks to more than we take{about}.", "压缩包解压后超出上限{about}。"),
    "zip_unsafe": ("The zip holds a name that leads out of it{about}.", "压缩包内含越界的文件名{about}。"),
    "zip_without_ecg": ("The zip holds no ECG that we know.", "压缩包内没有可识别的心电文件。"),
    "several_recordings": ("There is more than one ECG in it{about}; send them one by one.",
                           "其中有多份心电图{about}；请逐份发送。"),
    "waits_for": (
        "A file that belongs to it is missing{about}; send them together, or as one zip.",
        "缺少配套文件{about}；请一起发送，或打成一个压缩包。",
    ),
    "not_an_ecg": ("This DICOM object is no ECG{about}.", "该 DICOM 对象不是心电图{about}。"),
    "document_damaged": ("The document cannot be opened{about}; export it again.", "文档无法打开{about}；请重新导出。"),
    "document_encrypted": ("The document asks for a password; export it without.", "文档有密码保护；请导出不带密码的文档。"),
}  # fmt: skip


class NotAnEcg(Malformed):
    """A file that is not taken. `code` is a key of REFUSALS; `about` may name a file, a section, a number."""

    def __init__(self, code: str, about: str = "") -> None:
        english, chinese = REFUSALS[code]
        self.code, self.about = code, about
        self.chinese = chinese.format(about=f"（{about}）" if about else "")
        super().__init__(english.format(about=f" ({about})" if about else ""))

    def __reduce__(self) -> tuple[type["NotAnEcg"], tuple[str, str]]:
        return type(self), (self.code, self.about)
