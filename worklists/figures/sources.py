"""Where each figure comes from: the rows, and what of them is added up.

A report is counted on the day of its signature, what was sent back, graded or found critical on the day of that. A
void report is nobody's work; a superseded version was work all the same, but says nothing of what was found.
"""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal_column, select
from sqlalchemy.orm import InstrumentedAttribute

from worklists.critical import OPEN, CriticalAction, CriticalEvent, CriticalState, CriticalStep
from worklists.examinations import Examination
from worklists.figures.asking import By
from worklists.figures.clock import minutes_between, tested
from worklists.figures.counting import Expression, Source
from worklists.grading import Grade, ImageGrade
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportState
from worklists.reviewing import Grade as Difference
from worklists.reviewing import ReportDiscrepancy
from worklists.sent_back import SentBack

# The clock of the book that was in force ran out: a fact of that moment, which no later change of the book moves.
PASSED_BY = (CriticalAction.ESCALATED, CriticalAction.EXHAUSTED)


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
    minutes={"taken": Report.taken_min},
    where=(Report.state != ReportState.VOID) & Report.taken_min.is_not(None),
)
POSITIVE = _of_reports(
    Report.writer_id,
    sums={"known": func.count(), "positive": _number(Report.positive)},
    where=(tested(Report.state) == ReportState.SIGNED) & Report.positive.is_not(None),
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
    where=tested(ImageGrade.counts).is_(True),
)


def _first(*actions: CriticalAction) -> ColumnElement[Any]:
    """When one of these steps was taken first."""
    return func.min(case((CriticalStep.action.in_(actions), CriticalStep.at)))


# Each event once, with the moments of its steps: met in sets, because asking each event for each of them takes seconds
# for years of them. What narrows the events goes inside the grouping in both databases.
_TRACE = (
    select(
        CriticalEvent.id,
        CriticalEvent.examination_id,
        CriticalEvent.kind,
        CriticalEvent.state,
        CriticalEvent.found_at,
        Examination.institution_id,
        Examination.modality,
        _first(CriticalAction.NOTIFIED).label("notified_at"),
        _first(CriticalAction.RECEIVED).label("received_at"),
        _first(CriticalAction.CLOSED).label("closed_at"),
        _first(CriticalAction.ESCALATED).label("escalated_at"),
        _first(*PASSED_BY).label("passed_by_at"),
    )
    .join(Examination, Examination.id == CriticalEvent.examination_id)
    .join(CriticalStep, CriticalStep.event_id == CriticalEvent.id)
    .group_by(CriticalEvent.id, Examination.id)
    .subquery("trace")
)
TRACE = _TRACE.c
_STANDS = TRACE.state != CriticalState.WITHDRAWN


def _read_at(centre_ids: frozenset[uuid.UUID]) -> ColumnElement[bool]:
    return exists(
        select(ReadingTask.id)
        .where(ReadingTask.examination_id == TRACE.examination_id, ReadingTask.centre_id.in_(centre_ids))
        .correlate(_TRACE)
    )


def _until(done_at: Expression) -> ColumnElement[Any]:
    """How long it took from the finding to this step."""
    return case((_STANDS, minutes_between(TRACE.found_at, done_at)))


def _in_time(name: str, done_at: Expression) -> dict[str, ColumnElement[Any]]:
    """Those in time, and those of which that is known: done, or not done and somebody was silent for too long.

    In time is what was done before somebody had been silent for longer than the book allowed, or with nobody silent.
    """
    late = TRACE.passed_by_at.is_not(None) & (done_at.is_(None) | (TRACE.passed_by_at < done_at))
    return {
        f"{name}_in_time": _number(_STANDS & done_at.is_not(None) & ~late),
        f"{name}_judged": _number(_STANDS & (done_at.is_not(None) | late)),
    }


CRITICAL = Source(
    row=_TRACE,
    examination_id=TRACE.examination_id,
    at=TRACE.found_at,
    institution_id=TRACE.institution_id,
    modality=TRACE.modality,
    keys={By.TOWNSHIP: TRACE.institution_id, By.MODALITY: TRACE.modality, By.KIND: TRACE.kind},
    of_centres=_read_at,
    by_centre=False,
    known_there=TRACE.notified_at.is_not(None),
    sums={
        "found": func.count(),
        "withdrawn": _number(TRACE.state == CriticalState.WITHDRAWN),
        "open": _number(TRACE.state.in_(OPEN)),
        "closed": _number(TRACE.state == CriticalState.CLOSED),
        "escalated": func.count(TRACE.escalated_at),
        **_in_time("notified", TRACE.notified_at),
        **_in_time("closed", TRACE.closed_at),
    },
    minutes={
        "notified": _until(TRACE.notified_at),
        "received": _until(TRACE.received_at),
        "closed_after": _until(TRACE.closed_at),
    },
)
