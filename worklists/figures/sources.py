"""Where each figure comes from: the rows, and what of them is added up.

A report is counted on the day of its signature, what was sent back, graded or found critical on the day of that. A
void report is nobody's work; a superseded version was work all the same, but says nothing of what was found.
"""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, case, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, aliased

from worklists.critical import OPEN, CriticalAction, CriticalEvent, CriticalState, CriticalStep
from worklists.examinations import Examination
from worklists.figures.asking import By
from worklists.figures.clock import minutes_between
from worklists.figures.counting import Source
from worklists.grading import Grade, ImageGrade
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportState
from worklists.sent_back import SentBack


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


def _had(action: CriticalAction) -> ColumnElement[bool]:
    step = aliased(CriticalStep)
    return exists(
        select(step.id)
        .where(step.event_id == CriticalEvent.id, step.action == action)
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
        where=(CriticalStep.action == action) & (CriticalEvent.state != CriticalState.WITHDRAWN),
        joined=joined,
    )


CRITICAL = _of_critical(
    sums={
        "found": func.count(),
        "withdrawn": _number(CriticalEvent.state == CriticalState.WITHDRAWN),
        "open": _number(CriticalEvent.state.in_(OPEN)),
        "closed": _number(CriticalEvent.state == CriticalState.CLOSED),
        "escalated": _number(_had(CriticalAction.ESCALATED)),
    },
    joined=_with_examination,
)
NOTIFIED = _until("notified", CriticalAction.NOTIFIED)
RECEIVED = _until("received", CriticalAction.RECEIVED)
CLOSED = _until("closed_after", CriticalAction.CLOSED)
