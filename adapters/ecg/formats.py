"""The formats that an ECG can come in: names for people, how each is known by its content, and its reader.

Order is that of asking: what has a reliable signature first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from adapters.ecg import (
    aecg_reading,
    dicom_reading,
    documents,
    edan_reading,
    edf_reading,
    ishne_reading,
    mfer_reading,
    muse_reading,
    scp_reading,
    wfdb_reading,
    xml_reading,
)
from adapters.ecg.content import Companions, Content
from adapters.ecg.recording import EcgRecording


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format. `detects` looks at content, never at a name alone."""

    key: str
    chinese: str
    english: str
    detects: Callable[[Content], bool]
    read: Callable[[Content, Companions], EcgRecording]


def _format(key: str, chinese: str, english: str, detects: Callable[[Content], bool],
            read: Callable[[Content, Companions], EcgRecording]) -> Format:  # fmt: skip
    return Format(key=key, chinese=chinese, english=english, detects=detects, read=read)


FORMATS: tuple[Format, ...] = (
    _format("dicom", "DICOM 心电", "DICOM ECG", dicom_reading.is_dicom, dicom_reading.read_dicom),
    _format("pdf", "PDF 文档", "PDF document", documents.is_pdf, documents.read_pdf),
    _format("jpeg", "JPEG 扫描件", "JPEG scan", documents.is_jpeg, documents.read_image),
    _format("png", "PNG 扫描件", "PNG scan", documents.is_png, documents.read_image),
    _format("aecg", "HL7 aECG", "HL7 aECG", xml_reading.is_aecg, aecg_reading.read_aecg),
    _format("muse", "GE MUSE XML", "GE MUSE XML", xml_reading.is_muse, muse_reading.read_muse),
    _format(
        "sierra", "飞利浦 Sierra XML", "Philips Sierra XML", xml_reading.is_sierra, xml_reading.read_sierra
    ),
    _format(
        "mortara", "Mortara ELI XML", "Mortara ELI XML", xml_reading.is_mortara, xml_reading.read_mortara
    ),
    _format("ishne", "ISHNE 动态心电", "ISHNE Holter", ishne_reading.is_ishne, ishne_reading.read_ishne),
    _format("edf", "EDF/EDF+/BDF", "EDF, EDF+, BDF", edf_reading.is_edf, edf_reading.read_edf),
    _format("scpecg", "SCP-ECG", "SCP-ECG", scp_reading.is_scp, scp_reading.read_scp),
    _format("edan", "理邦动态心电", "Edan Holter", edan_reading.is_edan, edan_reading.read_edan),
    _format("mfer", "MFER", "MFER", mfer_reading.is_mfer, mfer_reading.read_mfer),
    _format("wfdb", "WFDB 记录", "WFDB record", wfdb_reading.is_wfdb, wfdb_reading.read_wfdb),
)


def find_format(content: Content) -> Format | None:
    """The first that knows the content."""
    return next((known for known in FORMATS if known.detects(content)), None)
