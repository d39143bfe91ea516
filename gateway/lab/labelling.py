"""What stands on the label of a specimen, in the language of who prints it."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.lab.label import Label, write_labels
from gateway.fonts import fonts_of
from gateway.runtime import Runtime
from worklists.base import COUNTY_TIME, local_date
from worklists.examinations import Priority, age_text
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.specimens import LabSpecimen

_WORDS = {
    "zh-CN": {"M": "男", "F": "女", "O": "", "urgent": "急", "and": "、"},
    "en": {"M": "M", "F": "F", "O": "", "urgent": "STAT", "and": ", "},
}


def print_labels(
    runtime: Runtime, session: Session, specimens: Sequence[LabSpecimen], language: str
) -> bytes:
    """A PDF with a page for each, in their order. Raises Unavailable."""
    now = runtime.now()
    labels = [_label(session, one, language, local_date(now)) for one in specimens]
    return write_labels(labels, fonts=fonts_of(runtime), printed_at=now)


def _label(session: Session, one: LabSpecimen, language: str, today: date) -> Label:
    words = _WORDS[language]
    person = (words.get(one.patient.sex or "", ""), age_text(one.patient.birth_date, today) or "")
    tests, tube = _tests(session, one, language)
    return Label(
        barcode=one.barcode,
        name=one.patient.display_name,
        person=" ".join(part for part in person if part),
        tests=words["and"].join(tests),
        specimen=" · ".join(part for part in (one.kind, tube, one.department, one.bed) if part),
        taken=f"{_clock(one.collected_at or one.registered_at)} {one.institution.name}",
        urgent="" if one.priority is Priority.ROUTINE else words["urgent"],
    )


def _tests(session: Session, one: LabSpecimen, language: str) -> tuple[list[str], str]:
    """The names of its panels and of items that are in none of them, and the colour of the tube."""
    panels = {row.code: row for row in session.scalars(select(LabPanel).where(LabPanel.code.in_(one.panels)))}
    of_panels = {code for row in panels.values() for code in row.items}
    loose = [code for code in one.items if code not in of_panels]
    items = {row.code: row for row in session.scalars(select(LabItem).where(LabItem.code.in_(loose)))}
    rows = [*(panels.get(code) or code for code in one.panels), *(items.get(code) or code for code in loose)]
    tube = next((row.tube for row in panels.values() if row.tube), "")
    return [_name(row, language) for row in rows] + list(map(str, one.unknown_tests)), tube


def _name(row: LabPanel | LabItem | str, language: str) -> str:
    if isinstance(row, str):
        return row
    return (row.name_en if language == "en" else "") or row.name


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(COUNTY_TIME):%m-%d %H:%M}"
