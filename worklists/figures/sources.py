"""Where each figure comes from: the rows, and what of them is added up.

A report is counted on the day of its signature, what was sent back, graded or found critical on the day of that. A
void report is nobody's work; a superseded version was work all the same, but says nothing of what was found.
"""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from worklists.critical import OPEN, CriticalAction, CriticalEvent, CriticalState, CriticalStep, had_step
from worklists.examinations import Examination
from worklists.figures.asking import By
from worklists.figures.clock import minutes_between
from worklists.figures.counting import Source
from worklists.grading import Grade, ImageGrade
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportState
from worklists.reviewing import Grade as Difference
from worklists.reviewing import ReportDiscrepancy
from worklists.sent_back import SentBack

# The clock of the book that was in force ran out: a fact of that moment, which no later change of the book moves.
PASSED_BY = (CriticalAction.ESCALATED, CriticalAction.EXHAUSTED)
_STANDS = CriticalEvent.state != CriticalState.WITHDRAWN


def _number(condition: Any) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


def _of_reports(reader: InstrumentedAttribute[uuid.UUID], **of: Any) -> Source:
    return Source(
        row=Report,
        examination_id=Report.examination_id,
        at=Report.signed_at,
        institution_id=Report.institution_id,
        modality=Report.modality,
        keys={
            By.TOWNSHIP: Report.institution_id,
            By.READER: reader,
            By.MODALITY: Report.modality,
            By.KIND: Report.centre_id,
            By.PRIORITY: Report.rank,
        },
        of_centres=Report.centre_id.in_,
        **of,
    )


WORK = _of_reports(
    Report.writer_id,
    sums={"signed": func.count(), "weighted": func.sum(Report.weight), "reviewed": _number(Report.reviewed)},
    where=Report.state != ReportState.VOID,
)
WRITTEN = _of_reports(
    Report.writer_id,
    sums={"signed": func.count(), "weighted": func.sum(Report.weight)},
    where=Report.state != ReportState.VOID,
)
REVIEWED = _of_reports(
    Report.signed_by_id,
    sums={"reviewed": func.count()},
    where=(Report.state != ReportState.VOID) & Report.reviewed,
)
TURNAROUND = _of_reports(
    Report.writer_id,
    sums={"first": func.count(), "due": func.count(Report.in_time), "in_time": _number(Report.in_time)},
    minutes=("taken", Report.taken_min),
    where=(Report.state != ReportState.VOID) & Report.taken_min.is_not(None),
)
POSITIVE = _of_reports(
    Report.writer_id,
    sums={"known": func.count(), "positive": _number(Report.positive)},
    where=(Report.state == ReportState.SIGNED) & Report.positive.is_not(None),
)

_VOID = select(Report.id).where(
    Report.state == literal_column(f"'{ReportState.VOID}'")
)  # as its index says it
DISCREPANCIES = Source(
    row=ReportDiscrepancy,
    examination_id=ReportDiscrepancy.examination_id,
    at=ReportDiscrepancy.graded_at,
    institution_id=ReportDiscrepancy.institution_id,
    modality=ReportDiscrepancy.modality,
    keys={
        By.TOWNSHIP: ReportDiscrepancy.institution_id,
        By.READER: ReportDiscrepancy.writer_id,
        By.MODALITY: ReportDiscrepancy.modality,
        By.KIND: ReportDiscrepancy.centre_id,
        By.PRIORITY: ReportDiscrepancy.rank,
    },
    of_centres=ReportDiscrepancy.centre_id.in_,
    sums={
        "compared": func.count(),
        **{grade.value: _number(ReportDiscrepancy.grade == grade) for grade in Difference},
        "differing": _number(ReportDiscrepancy.grade != Difference.NONE),
    },
    where=ReportDiscrepancy.report_id.not_in(_VOID),
)

SENT_BACKS = Source(
    row=SentBack,
    examination_id=SentBack.examination_id,
    at=SentBack.at,
    institution_id=SentBack.institution_id,
    modality=SentBack.modality,
    keys={
        By.TOWNSHIP: SentBack.institution_id,
        By.READER: SentBack.by_id,
        By.MODALITY: SentBack.modality,
        By.KIND: SentBack.centre_id,
    },
    of_centres=SentBack.centre_id.in_,
    sums={"sent_back": func.count(), "remade": func.count(SentBack.remade_at)},
)

GRADES = Source(
    row=ImageGrade,
    examination_id=ImageGrade.examination_id,
    at=ImageGrade.graded_at,
    institution_id=ImageGrade.institution_id,
    modality=ImageGrade.modality,
    keys={
        By.TOWNSHIP: ImageGrade.institution_id,
        By.READER: ImageGrade.person_id,
        By.MODALITY: ImageGrade.modality,
        By.KIND: ImageGrade.centre_id,
    },
    of_centres=ImageGrade.centre_id.in_,
    sums={grade.value: _number(ImageGrade.grade == grade) for grade in Grade},
    where=ImageGrade.counts,
)


def _read_at(centre_ids: frozenset[uuid.UUID]) -> ColumnElement[bool]:
    return exists(
        select(ReadingTask.id)
        .where(
            ReadingTask.examination_id == CriticalEvent.examination_id, ReadingTask.centre_id.in_(centre_ids)
        )
        .correlate(CriticalEvent)
    )


def _was_late_before(action: CriticalAction) -> ColumnElement[bool]:
    """Whether somebody was silent for longer than the book allowed before this was done, or while it is not done."""
    late, done = aliased(CriticalStep), aliased(CriticalStep)
    done_before = exists(
        select(done.id)
        .where(done.event_id == late.event_id, done.action == action, done.at <= late.at)
        .correlate(late)
    )
    return exists(
        select(late.id)
        .where(late.event_id == CriticalEvent.id, late.action.in_(PASSED_BY), ~done_before)
        .correlate(CriticalEvent)
    )


def _of_critical(**of: Any) -> Source:
    return Source(
        row=CriticalEvent,
        examination_id=CriticalEvent.examination_id,
        at=CriticalEvent.found_at,
        institution_id=Examination.institution_id,
        modality=Examination.modality,
        keys={
            By.TOWNSHIP: Examination.institution_id,
            By.MODALITY: Examination.modality,
            By.KIND: CriticalEvent.kind,
        },
        of_centres=_read_at,
        known_there=had_step(CriticalAction.NOTIFIED),
        **of,
    )


def _with_examination(query: Select[Any]) -> Select[Any]:
    return query.join(Examination, Examination.id == CriticalEvent.examination_id)


def _until(name: str, action: CriticalAction) -> Source:
    """How long it took from the finding to this step."""

    def joined(query: Select[Any]) -> Select[Any]:
        return _with_examination(query).join(CriticalStep, CriticalStep.event_id == CriticalEvent.id)

    return _of_critical(
        minutes=(name, minutes_between(CriticalEvent.found_at, CriticalStep.at)),
        where=(CriticalStep.action == action) & _STANDS,
        joined=joined,
    )


def _in_time(name: str, action: CriticalAction) -> dict[str, ColumnElement[Any]]:
    """Those in time, and those of which that is known: done, or not done and somebody was silent for too long."""
    late = _was_late_before(action)
    return {
        f"{name}_in_time": _number(_STANDS & had_step(action) & ~late),
        f"{name}_judged": _number(_STANDS & (had_step(action) | late)),
    }


CRITICAL = _of_critical(
    sums={
        "found": func.count(),
        "withdrawn": _number(CriticalEvent.state == CriticalState.WITHDRAWN),
        "open": _number(CriticalEvent.state.in_(OPEN)),
        "closed": _number(CriticalEvent.state == CriticalState.CLOSED),
        "escalated": _number(had_step(CriticalAction.ESCALATED)),
        **_in_time("notified", CriticalAction.NOTIFIED),
        **_in_time("closed", CriticalAction.CLOSED),
    },
    joined=_with_examination,
)
NOTIFIED = _until("notified", CriticalAction.NOTIFIED)
RECEIVED = _until("received", CriticalAction.RECEIVED)
CLOSED = _until("closed_after", CriticalAction.CLOSED)
