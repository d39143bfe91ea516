"""Lines: what lists show of reading tasks and of what stands around them, as columns, one statement for a page.

Whether somebody may see a task was decided before its id came here.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Result, Row, Select, and_, exists, func, select
from sqlalchemy.orm import Session, aliased

from gateway.index import Held
from gateway.lab.counting import LabCounts, count_results
from gateway.text_doubts import DoubtState, TextDoubt
from worklists.among import among, among_those, write_ids
from worklists.directory import Centre, Device, Institution, Kind, Person
from worklists.drafts import Draft
from worklists.examinations import Examination, IdentityChange
from worklists.grading import GradeReason, ImageGrade
from worklists.patients import Patient
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn, ReportState, ReturnState, find_renamed

Line = Row[Any]  # as the columns below are labelled

_CLAIMER, _ASSIGNEE, _HANDER, _VILLAGE = (
    aliased(Person, name="claimer"),
    aliased(Person, name="assignee"),
    aliased(Person, name="hander"),
    aliased(Institution, name="village"),
)
_NEWEST_REPORT = (
    select(Report.id)
    .where(Report.examination_id == Examination.id)
    .order_by(Report.version.desc())
    .limit(1)
    .correlate(Examination)
    .scalar_subquery()
)
_HELD = (
    select(func.count())
    .where(Held.examination_id == Examination.id, Held.resolved_at.is_(None))
    .correlate(Examination)
    .scalar_subquery()
)
_WAS_CORRECTED = exists().where(IdentityChange.examination_id == Examination.id).correlate(Examination)

_TASK: tuple[Any, ...] = (
    ReadingTask.id.label("task_id"), ReadingTask.state.label("state"), ReadingTask.waiting_reason,
    ReadingTask.due_at, ReadingTask.claimed_until, ReadingTask.subspecialty, ReadingTask.assigned_because,
    ReadingTask.reserved, ReadingTask.hand_over_note, ReadingTask.amends_id, ReadingTask.amendment_kind,
    ReadingTask.amendment_reason, ReadingTask.paused_at, ReadingTask.pause_reason, ReadingTask.preliminary_at,
    ReadingTask.late_instances, ReadingTask.sent_back_reason,
    Draft.revision.label("draft_revision"), Draft.rejection_reason,
    Centre.id.label("centre_id"), Centre.name.label("centre_name"),
    _CLAIMER.id.label("claimer_id"), _CLAIMER.name.label("claimer_name"),
    _ASSIGNEE.id.label("assignee_id"), _ASSIGNEE.name.label("assignee_name"),
    _HANDER.id.label("hander_id"), _HANDER.name.label("hander_name"),
)  # fmt: skip
_EXAMINATION: tuple[Any, ...] = (
    Examination.id.label("examination_id"), Examination.kind.label("kind"), Examination.modality,
    Examination.body_part, Examination.description, Examination.priority, Examination.accession_number,
    Examination.study_instance_uid, Examination.instances, Examination.expected_instances,
    Examination.complete, Examination.received_at, Examination.studied_at, Examination.clinical_information,
    Patient.name.label("patient_name"), Patient.sex, Patient.birth_date, Patient.patient_id,
    Institution.id.label("site_id"), Institution.code.label("site_code"), Institution.name.label("site_name"),
)  # fmt: skip
_AROUND: tuple[Any, ...] = (
    _NEWEST_REPORT.label("report_id"), _WAS_CORRECTED.label("corrected"),
    TextDoubt.id.label("doubt_id"), TextDoubt.declared, TextDoubt.overridden, TextDoubt.proposed,
    TextDoubt.name_as_declared, TextDoubt.name_as_proposed,
    ImageGrade.grade.label("grade"), ImageGrade.reasons.label("grade_reasons"),
    ImageGrade.note.label("grade_note"), ImageGrade.graded_at,
)  # fmt: skip
_ORIGIN: tuple[Any, ...] = (
    Device.id.label("device_id"), Device.ae_title, Device.name.label("device_name"),
    _VILLAGE.id.label("village_id"), _VILLAGE.name.label("village_name"), _HELD.label("held"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What few lines of a page have, and is asked of those alone."""

    lab: Mapping[uuid.UUID, LabCounts]  # by examination: of specimens
    renamed: frozenset[
        uuid.UUID
    ]  # examinations whose standing report names the patient as before a correction
    grade_reasons: Mapping[str, GradeReason]
    returns: Mapping[
        uuid.UUID, Row[Any]
    ]  # by examination: how its report came back to the institution that asks


def find_lines(session: Session, task_ids: Sequence[uuid.UUID]) -> list[Line]:
    """As readers see them, in the order of the ids."""
    return _find(session, task_ids, with_origin=False)


def find_sent_lines(session: Session, task_ids: Sequence[uuid.UUID]) -> list[Line]:
    """As who sent them sees them: with the device, the village, and what of them is held."""
    return _find(session, task_ids, with_origin=True)


def look_beside(session: Session, lines: Sequence[Line], *, recipient_id: uuid.UUID | None = None) -> Beside:
    """Returns are those to one institution."""
    reported = [line.examination_id for line in lines if line.report_id]
    return Beside(
        lab=count_results(session, [line.examination_id for line in lines if line.kind is Kind.LABORATORY]),
        renamed=_find_renamed(session, [line.examination_id for line in lines if line.corrected]),
        grade_reasons=_reasons_of(session, {code for line in lines for code in line.grade_reasons or ()}),
        returns=returns_to(session, reported, recipient_id) if recipient_id else {},
    )


def newest_reports(session: Session, examination_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """The id of the newest version, by examination."""
    rows = session.execute(
        select(Report.examination_id, Report.id)
        .where(among(session, Report.examination_id, examination_ids))
        .order_by(Report.version)
    )
    return {row.examination_id: row.id for row in rows}


def returns_to(
    session: Session, examination_ids: Sequence[uuid.UUID], recipient_id: uuid.UUID
) -> dict[uuid.UUID, Row[Any]]:
    """How the newest version came back to an institution, by examination."""
    if not examination_ids:
        return {}
    rows: Result[Any] = session.execute(
        select(
            Report.examination_id, Report.signed_at, ReportReturn.id.label("return_id"), ReportReturn.report_id,
            ReportReturn.state,
        )
        .join_from(ReportReturn, Report, Report.id == ReportReturn.report_id)
        .where(among(session, Report.examination_id, examination_ids))
        .where(ReportReturn.recipient_id == recipient_id, ReportReturn.state != ReturnState.PENDING)
        .order_by(Report.version)
    )  # fmt: skip
    return {row.examination_id: row for row in rows}


def _find(session: Session, task_ids: Sequence[uuid.UUID], *, with_origin: bool) -> list[Line]:
    if not task_ids:
        return []
    postgresql = session.get_bind().dialect.name == "postgresql"
    asked = {"task_ids": write_ids(session, task_ids).written}
    by_id = {row.task_id: row for row in session.execute(_statement(postgresql, with_origin), asked)}
    return [by_id[one] for one in task_ids]


@cache  # to put it together takes longer than to ask it
def _statement(postgresql: bool, with_origin: bool) -> Select[Any]:
    found = (
        select(*_TASK, *_EXAMINATION, *_AROUND)
        .select_from(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .join(Patient, Patient.id == Examination.patient_id)
        .join(Institution, Institution.id == Examination.institution_id)
        .outerjoin(Draft, Draft.task_id == ReadingTask.id)
        .outerjoin(ImageGrade, and_(ImageGrade.examination_id == Examination.id, ImageGrade.counts))
        .outerjoin(TextDoubt, and_(TextDoubt.examination_id == Examination.id, TextDoubt.state == DoubtState.OPEN))
        .outerjoin(Centre, Centre.id == ReadingTask.centre_id)
        .outerjoin(_CLAIMER, _CLAIMER.id == ReadingTask.claimed_by_id)
        .outerjoin(_ASSIGNEE, _ASSIGNEE.id == ReadingTask.assigned_to_id)
        .outerjoin(_HANDER, _HANDER.id == ReadingTask.handed_over_by_id)
        .where(among_those(ReadingTask.id, "task_ids", postgresql=postgresql))
    )  # fmt: skip
    if not with_origin:
        return found
    return (
        found.add_columns(*_ORIGIN)
        .outerjoin(Device, Device.id == Examination.device_id)
        .outerjoin(_VILLAGE, _VILLAGE.id == Examination.village_id)
    )


def _find_renamed(session: Session, examination_ids: Sequence[uuid.UUID]) -> frozenset[uuid.UUID]:
    if not examination_ids:
        return frozenset()
    standing = session.scalars(
        select(Report).where(Report.examination_id.in_(examination_ids), Report.state == ReportState.SIGNED)
    ).all()
    renamed = find_renamed(session, standing)
    return frozenset(report.examination_id for report in standing if report.id in renamed)


def _reasons_of(session: Session, codes: Iterable[str]) -> dict[str, GradeReason]:
    if not codes:
        return {}
    return {row.code: row for row in session.scalars(select(GradeReason).where(GradeReason.code.in_(codes)))}
