"""A member's month of image quality as a workbook."""

from adapters.xlsx import Cell, Share
from gateway.web.quality_shapes import SheetShape
from worklists.base import COUNTY_TIME
from worklists.grading import Grade

_GRADES = {Grade.A: ("甲", "A"), Grade.B: ("乙", "B"), Grade.C: ("丙", "C")}


def sheets_of(sheet: SheetShape, english: bool) -> dict[str, list[list[Cell]]]:
    """Counts and shares, reasons, the 丙 ones."""

    def say(zh: str, en: str) -> str:
        return en if english else zh

    counts: list[list[Cell]] = [
        [sheet.institution.name, sheet.month],
        [say("等级", "Grade"), say("数量", "Count"), say("占比", "Share")],
        *([_GRADES[one][english], sheet.grades[one], _share(sheet.shares[one])] for one in Grade),
        [say("合计", "Total"), sheet.graded, ""],
    ]
    reasons: list[list[Cell]] = [[say("原因", "Reason"), say("次数", "Times")]]
    reasons += [[one.name_en if english else one.name, one.count] for one in sheet.reasons]
    poor: list[list[Cell]] = [
        [
            say("评定时间", "Graded"), say("检查类型", "Modality"), say("检查项目", "Examination"),
            say("检查号", "Accession number"), say("姓名", "Patient"), say("原因", "Reasons"), say("说明", "Note"),
        ]
    ]  # fmt: skip
    poor += [
        [
            one.graded_at.astimezone(COUNTY_TIME).strftime("%Y-%m-%d %H:%M"), one.modality, one.description,
            one.accession_number, (one.patient.name or "") if one.patient else "",
            "；".join(row.name_en if english else row.name for row in one.reasons), one.note,
        ]
        for one in sheet.poor
    ]  # fmt: skip
    return {
        say("图像质量", "Image quality"): counts,
        say("原因", "Reasons"): reasons,
        say("丙级明细", "Grade C"): poor,
    }


def _share(share: float | None) -> Cell:
    return None if share is None else Share(share)
