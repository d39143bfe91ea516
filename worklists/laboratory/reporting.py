"""What a laboratory report says: every released result in its order, what is still pending, what changed since the last.

`Report.content` of a specimen, fixed at the signature:

    {"results": [snapshot…], "pending": [{"item_code", "name", "reason", "earlier"}], "panels": […], "specimen": {…}}

A result that waits for a person keeps the report from being signed; one that is tested again is pending.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from worklists.directory import Device, Person
from worklists.errors import Conflict, Invalid
from worklists.examinations import Examination
from worklists.laboratory.dictionary import Section
from worklists.laboratory.layout import Line, find_panels, lay_out
from worklists.laboratory.marking import marks_of
from worklists.laboratory.releasing import RELEASED
from worklists.laboratory.results import LabResult, Verification
from worklists.laboratory.specimens import LabSpecimen
from worklists.reading import Purpose, ReadingTask, ReportIncomplete
from worklists.recognition import Mark
from worklists.reports import Report, ReportState

# Why an item has no result.
NOT_RESULTED, RERUN, UNKNOWN_TEST, NOT_REPORTED = "not_resulted", "rerun", "unknown_test", "not_reported"
# Here an analyser measures a panel in one go: what did not come with the rest of it will not come.
AT_ONCE = frozenset({Section.HAEMATOLOGY, Section.URINE, Section.BLOOD_GAS})
CORRECTED, ADDED = "corrected", "added"  # against the version before


class ResultsWaiting(Invalid):
    """Results that nobody has released; carries their names."""

    def __init__(self, lines: Sequence[Line]):
        super().__init__("results", "waiting")
        self.waiting = {line.item.code: line.item.name for line in lines}
        self.items = "、".join(self.waiting.values())


class ResultsPending(Conflict):
    """Items that have no result yet, where only a whole report may be signed; carries their names."""

    def __init__(self, names: Sequence[str]):
        super().__init__("pending")
        self.items = "、".join(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is signed. `message_ids`: those that the results came in."""

    content: dict[str, Any]
    marks: tuple[Mark, ...]
    critical: bool
    message_ids: frozenset[uuid.UUID]

    @property
    def pending(self) -> list[str]:
        """Names of what is still to come."""
        return [one["name"] for one in self.content["pending"] if one["reason"] != NOT_REPORTED]


def state_results(
    session: Session, examination: Examination, *, print_community_mark: bool = False
) -> Statement:
    """Raises ResultsWaiting; ReportIncomplete when nothing is there to be reported."""
    specimen = session.scalars(
        select(LabSpecimen).where(LabSpecimen.examination_id == examination.id)
    ).one_or_none()
    results = session.scalars(
        select(LabResult)
        .where(LabResult.examination_id == examination.id, LabResult.current)
        .options(
            joinedload(LabResult.device).joinedload(Device.institution), joinedload(LabResult.verified_by)
        )
    ).all()
    lines = lay_out(session, specimen, results)
    waiting = [one for one in lines if one.result and one.result.verification is Verification.WAITING]
    if waiting:
        raise ResultsWaiting(waiting)
    released = [one for one in lines if one.result and one.result.verification in RELEASED]
    if not released:
        raise ReportIncomplete("results")
    stated = [one.result for one in released if one.result]
    marks = marks_of(session, stated, print_community_mark=print_community_mark)
    before = _last_version(session, examination.id)
    content = {
        "results": [_snapshot(one, marks, before) for one in released],
        "pending": _pending(lines, specimen, before),
        "panels": [
            {"code": one.code, "name": one.name, "name_en": one.name_en, "loinc": one.loinc}
            for one in find_panels(session, specimen)
        ],
        "specimen": _specimen(specimen) if specimen else None,
    }
    return Statement(
        content=content,
        marks=tuple(_named(one, marks) for one in stated if one.id in marks and marks[one.id].item_code),
        critical=any(one.critical for one in stated),
        message_ids=frozenset(one.message_id for one in stated if one.message_id),
    )


def _named(result: LabResult, marks: Mapping[uuid.UUID, Mark]) -> Mark:
    """One item of the catalogue may be several of the dictionary: a report names them by the latter."""
    return replace(marks[result.id], item_name=result.item.name)


def begin_from_last(session: Session, task: ReadingTask, writer: Person, now: datetime) -> None:
    """A next version begins with the words of the one before it; what was written already stays."""
    if task.draft is not None or task.purpose is not Purpose.READ:
        return
    last = _last_report(session, task.examination_id)
    if last is None or not (last.findings or last.impression):
        return
    task.begin_draft(writer, now, findings=last.findings, impression=last.impression)
    session.flush()


def _last_report(session: Session, examination_id: uuid.UUID) -> Report | None:
    return session.scalars(
        select(Report)
        .where(Report.examination_id == examination_id, Report.state != ReportState.VOID)
        .order_by(Report.version.desc())
        .limit(1)
    ).first()


def _last_version(session: Session, examination_id: uuid.UUID) -> Mapping[str, Any] | None:
    """The results of the version before this one, by item."""
    report = _last_report(session, examination_id)
    return {one["item_code"]: one for one in (report.content or {}).get("results", ())} if report else None


def _pending(
    lines: Sequence[Line], specimen: LabSpecimen | None, before: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    begun = {line.panel.code for line in lines if line.panel and line.result}
    found = [
        {
            "item_code": line.item.code,
            "name": line.item.name,
            "reason": _why_pending(line, begun),
            "earlier": ((before or {}).get(line.item.code) or {}).get("value"),
        }
        for line in lines
        if line.result is None or line.result.verification is Verification.RERUN
    ]
    unknown = specimen.unknown_tests if specimen else []
    return found + [
        {"item_code": "", "name": str(name), "reason": UNKNOWN_TEST, "earlier": None} for name in unknown
    ]


def _why_pending(line: Line, begun: set[str]) -> str:
    if line.result is not None:
        return RERUN
    came_without = line.panel is not None and line.panel.code in begun and line.panel.section in AT_ONCE
    return NOT_REPORTED if came_without else NOT_RESULTED


def _snapshot(
    line: Line, marks: Mapping[uuid.UUID, Mark], before: Mapping[str, Any] | None
) -> dict[str, Any]:
    one, item = line.result, line.item
    if one is None:
        raise AssertionError("only what was released is stated")
    mark = marks.get(one.id)
    return {
        "result_id": str(one.id),
        "message_id": str(one.message_id) if one.message_id else None,
        "item_code": item.code,
        "loinc": item.loinc,
        "name": item.name,
        "name_en": item.name_en,
        "abbreviation": item.abbreviation,
        "section": item.section.value,
        "scale": item.scale.value,
        "panel": line.panel.code if line.panel else None,
        "value": one.value,
        "number": one.number,
        "comparator": one.comparator,
        "unit": one.unit,
        "range": {"low": one.range_low, "high": one.range_high, "text": one.range_text},
        "abnormal": one.abnormal.value,
        "critical": one.critical,
        "status": one.status.value,
        "run": one.run,
        "version": one.version,
        "method": one.method or item.method,
        "dilution": one.dilution,
        "instrument_flags": list(one.instrument_flags),
        "comments": list(one.comments),
        "remark": one.remark,
        "operator": one.operator,
        "device": _device(one.device),
        "observed_at": one.observed_at.isoformat(),
        "received_at": one.received_at.isoformat(),
        "control_state": one.control_state.value,
        "verification": one.verification.value,
        "rules_version": one.rules_version,
        "verified_at": _iso(one.verified_at),
        "verified_by": one.verified_by.name if one.verified_by else None,
        "mark": mark.as_json() if mark else None,
        "change": _change(one, before),
    }


def _change(one: LabResult, before: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Against the version before: another value of the same item, or one that it did not have."""
    if before is None:
        return None
    earlier = before.get(one.item_code)
    if earlier is None:
        return {"kind": ADDED}
    same = (earlier["value"], earlier["unit"], earlier["abnormal"])
    if same == (one.value, one.unit, one.abnormal.value):
        return None
    return {"kind": CORRECTED, "value": earlier["value"], "unit": earlier["unit"]}


def _device(device: Device | None) -> dict[str, Any] | None:
    """With the institution that it stands in: whose result it is."""
    if device is None:
        return None
    institution = device.institution
    return {
        "id": str(device.id),
        "name": device.name,
        "institution": {"code": institution.code, "name": institution.name},
    }


def _specimen(specimen: LabSpecimen) -> dict[str, Any]:
    return {
        "barcode": specimen.barcode,
        "kind": specimen.kind,
        "collected_at": _iso(specimen.collected_at),
        "received_at": _iso(specimen.received_at),
        "requester": specimen.requester,
        "department": specimen.department,
        "bed": specimen.bed,
        "order_number": specimen.order_number,
    }


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
