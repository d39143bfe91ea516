"""The words of figures in a workbook: Chinese and English."""

from adapters.xlsx import Cell, Share
from worklists.directory import Kind
from worklists.examinations import Priority
from worklists.figures.asking import By, Measure
from worklists.figures.tallies import Number

MEASURES_SAID: dict[Measure, tuple[str, str]] = {
    Measure.WORKLOAD: ("工作量", "Workload"),
    Measure.TURNAROUND: ("报告时限", "Turnaround"),
    Measure.POSITIVE: ("阳性率", "Positive rate"),
    Measure.RETURNS: ("退回重做", "Returned to the township"),
    Measure.CRITICAL: ("危急值", "Critical values"),
    Measure.QUALITY: ("图像质量", "Image quality"),
    Measure.DISCREPANCY: ("审核差异", "Discrepancies in review"),
}
_HEADINGS: dict[By, tuple[str, str]] = {
    By.TOWNSHIP: ("机构", "Institution"),
    By.READER: ("医师", "Reader"),
    By.MODALITY: ("检查类型", "Modality"),
    By.KIND: ("诊断中心", "Centre"),
    By.PRIORITY: ("紧急程度", "Priority"),
    By.MONTH: ("月份", "Month"),
    By.DAY: ("日期", "Day"),
    By.HOUR: ("时段", "Hour of the day"),
}
COLUMNS: dict[str, tuple[str, str]] = {
    "signed": ("签发报告", "Signed"),
    "reviewed": ("审核报告", "Reviewed"),
    "weighted": ("加权工作量", "Weighted"),
    "first": ("首份报告", "First reports"),
    "p50": ("时间中位数（分钟）", "Median time (min)"),
    "p90": ("P90（分钟）", "P90 (min)"),
    "p95": ("P95（分钟）", "P95 (min)"),
    "in_time_share": ("及时率", "In time"),
    "late": ("超时", "Late"),
    "known": ("报告数", "Reports"),
    "positive": ("阳性", "Positive"),
    "positive_share": ("阳性率", "Positive rate"),
    "sent_back": ("退回重做", "Sent back"),
    "sent_back_share": ("退回率", "Return rate"),
    "remade": ("已重做", "Made again"),
    "remade_share": ("重做率", "Retake rate"),
    "found": ("发现", "Found"),
    "withdrawn": ("撤销", "Withdrawn"),
    "open": ("未关闭", "Open"),
    "closed": ("已关闭", "Closed"),
    "closed_share": ("关闭率", "Closed share"),
    "escalated": ("逐级上报", "Escalated"),
    "notified_in_time_share": ("通知及时率", "Notified in time"),
    "closed_in_time_share": ("及时关闭率", "Closed in time"),
    "notified_p50": ("通知中位数（分钟）", "Notified, median (min)"),
    "received_p50": ("接收中位数（分钟）", "Received, median (min)"),
    "received_p90": ("接收 P90（分钟）", "Received, P90 (min)"),
    "closed_p50": ("关闭中位数（分钟）", "Closed, median (min)"),
    "graded": ("已评级", "Graded"),
    "A": ("甲", "A"),
    "B": ("乙", "B"),
    "C": ("丙", "C"),
    "A_share": ("甲级率", "Share of A"),
    "C_share": ("丙级率", "Share of C"),
    "compared": ("审核对照", "Compared"),
    "none": ("无差异", "None"),
    "minor": ("轻微差异", "Minor"),
    "major": ("重大差异", "Major"),
    "differing_share": ("差异率", "Differing"),
    "major_share": ("重大差异率", "Share of major"),
}


_PRIORITIES: dict[str, tuple[str, str]] = {
    Priority.ROUTINE: ("普通", "Routine"),
    Priority.URGENT: ("急", "Urgent"),
    Priority.CRITICAL: ("危急", "Critical"),
    Priority.CHEST_PAIN: ("胸痛", "Chest pain"),
}
_KINDS: dict[str, tuple[str, str]] = {
    Kind.IMAGING: ("影像", "Imaging"),
    Kind.ECG: ("心电", "ECG"),
    Kind.LABORATORY: ("检验", "Laboratory"),
    Kind.PATHOLOGY: ("病理", "Pathology"),
}


def line_name(by: By, name: str, english: bool) -> str:
    """A line as its page says it: machines' words and bare hours are nothing to read in a table."""
    if by is By.HOUR:
        return f"{name}:00–{(int(name) + 1) % 24:02d}:00"
    said = {By.PRIORITY: _PRIORITIES, By.KIND: _KINDS}.get(by, {}).get(name)
    return said[english] if said else name or ("Unknown" if english else "不明")


def heading(by: By, english: bool) -> str:
    return _HEADINGS[by][english]


def cell(column: str, number: Number) -> Cell:
    return Share(number) if number is not None and column.endswith("_share") else number
