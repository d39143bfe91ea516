"""What stands on a printed tracing besides the curves, in Chinese and English."""

from typing import Literal

Language = Literal["zh", "en"]

WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "filters": "设备滤波 {range}",
        "filters_unknown": "设备未说明滤波",
        "notch": "工频 {hz:g} Hz",
        "rate": "采样 {hz:g} Hz",
        "shown": "{start}–{stop} s / {whole} s",
        "derived": "* 由其他导联计算",
        "no_signal": "无信号",
        "not_recorded": "未记录",
        "not_shown": "此版式未显示的导联：{leads}",
        "caution": "注意：{text}",
        "more": "等",
        "separator": "；",
        "title": "心电图",
        "nameless": "姓名未知",
        "sex_M": "男",
        "sex_F": "女",
        "sex_O": "其他",
        "age": "{years}岁",
        "patient_id": "患者编号",
        "accession": "检查号",
        "started": "记录时间",
        "institution": "检查机构",
        "device": "设备",
        "measurements": "设备测量值（未经医师确认）",
        "statements": "设备自动分析（未经医师确认）",
        "cut_off": "只打印了前 {pages} 页",
    },
    "en": {
        "filters": "Device filters {range}",
        "filters_unknown": "Device filters not stated",
        "notch": "notch {hz:g} Hz",
        "rate": "{hz:g} samples/s",
        "shown": "{start}–{stop} s of {whole} s",
        "derived": "* calculated from the other leads",
        "no_signal": "no signal",
        "not_recorded": "not recorded",
        "not_shown": "Leads not shown in this layout: {leads}",
        "caution": "Caution: {text}",
        "more": "etc.",
        "separator": "; ",
        "title": "Electrocardiogram",
        "nameless": "Name unknown",
        "sex_M": "male",
        "sex_F": "female",
        "sex_O": "other",
        "age": "{years} years",
        "patient_id": "Patient ID",
        "accession": "Accession no.",
        "started": "Recorded",
        "institution": "Examined at",
        "device": "Device",
        "measurements": "Measured by the device (not confirmed)",
        "statements": "Said by the device (not confirmed)",
        "cut_off": "Only the first {pages} pages are printed",
    },
}
# Code of a Caution → its words; {about} is what it concerns.
CAUTIONS: dict[str, dict[Language, str]] = {}


def say_caution(code: str, about: str, language: Language) -> str:
    """A caution in words; one that has none yet by its code, for a reader must see it in any case."""
    words = CAUTIONS.get(code)
    if words is None:
        return f"{code} {about}".strip()
    return words[language].format(about=about).strip()
