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
CAUTIONS: dict[str, dict[Language, str]] = {
    "lead_flat": {"zh": "{about} 无电压变化", "en": "{about}: no voltage changes"},
    "lead_missing_samples": {"zh": "{about} 有未记录的片段", "en": "{about}: partly not recorded"},
    "saturated": {"zh": "{about} 超出量程", "en": "{about}: at the end of its range"},
    "lead_unknown": {"zh": "{about} 不是标准导联名", "en": "{about}: no standard name of a lead"},
    "lead_left_out": {"zh": "{about} 未能读入", "en": "{about}: in the file but not readable as a lead"},
    "clock_absurd": {"zh": "设备时钟未设置", "en": "the device's clock was not set"},
    "clock_missing": {"zh": "文件未记录检查时间", "en": "the file does not say when it was recorded"},
    "clock_of_file": {
        "zh": "时间为文件时间，非记录时间",
        "en": "the time is the file's, not the recording's",
    },
    "scale_doubtful": {"zh": "幅值比例可疑", "en": "the amplitudes are doubtful"},
    "not_calibrated": {"zh": "文件未定标，幅值无意义", "en": "not calibrated: amplitudes mean nothing"},
    "rate_assumed": {
        "zh": "文件未给出采样率，走纸速度为推定",
        "en": "the sampling rate, and so the speed, is assumed",
    },
    "crc_wrong": {"zh": "部分数据校验和错误 {about}", "en": "a checksum is wrong {about}"},
    "cut_short": {"zh": "文件不完整，记录被截断", "en": "the file ends before it says"},
    "patient_unreadable": {"zh": "患者信息无法解读", "en": "the patient's details cannot be read"},
    "segments_joined": {
        "zh": "由多段拼接，间隔显示为未记录",
        "en": "joined of parts; what is between was not recorded",
    },
    "median_only": {"zh": "仅为平均心搏，不是节律", "en": "average beats only, no rhythm"},
}
# Said on the tracing in another way: by the stars at the leads' names.
QUIET_CAUTIONS = frozenset(["leads_derived"])


def say_caution(code: str, about: str, language: Language) -> str:
    """A caution in words; one that has none yet by its code, for a reader must see it in any case."""
    words = CAUTIONS.get(code)
    if words is None:
        return f"{code} {about}".strip()
    return words[language].format(about=about).strip()
