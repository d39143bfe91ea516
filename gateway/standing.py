"""What waits at this moment, as far as somebody oversees it: open, late, critical, unread, not final."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.orm import Session

from gateway.overlooking import Overlook
from worklists.critical import OPEN, CriticalAction, CriticalEvent, had_step
from worklists.examinations import Examination
from worklists.reading import OPEN_STATES, Purpose, ReadingTask
from worklists.reports import Report, ReportReturn, ReportState, unread_since

UNREAD_FOR = timedelta(hours=24)


def count_standing(session: Session, sight: Overlook, now: datetime) -> dict[str, int]:
    tasks = [ReadingTask.state.in_(OPEN_STATES), ReadingTask.purpose == Purpose.READ]
    tasks += _of(sight, ReadingTask.centre_id)
    late = (ReadingTask.due_at < now, ReadingTask.paused_at.is_(None))
    events: list[ColumnElement[bool]] = [CriticalEvent.state.in_(OPEN)]
    if sight.centre_ids is not None:
        read = select(ReadingTask.examination_id).where(ReadingTask.centre_id.in_(sight.centre_ids))
        events.append(CriticalEvent.examination_id.in_(read))
    if sight.institution_id is not None:
        events.append(had_step(CriticalAction.NOTIFIED))  # what it was told of, as its list shows it
    signed = Report.state == literal_column(f"'{ReportState.SIGNED}'")  # as its index says it
    reports = [signed, *_of(sight, Report.centre_id)]
    return {
        "open": _count(session, ReadingTask, sight, *tasks),
        "late": _count(session, ReadingTask, sight, *tasks, *late),
        "paused": _count(session, ReadingTask, sight, *tasks, ReadingTask.paused_at.is_not(None)),
        "critical_open": _count(session, CriticalEvent, sight, *events),
        "unread": _unread(session, sight, now),
        "preliminary": _count(session, Report, sight, *reports, Report.preliminary),
    }


def _of(sight: Overlook, centre_id: Any) -> list[ColumnElement[bool]]:
    return [] if sight.centre_ids is None else [centre_id.in_(sight.centre_ids)]


def _count(session: Session, row: Any, sight: Overlook, *conditions: Any) -> int:
    query = select(func.count()).select_from(row).where(*conditions)
    if sight.institution_id is not None:
        query = query.join(Examination, Examination.id == row.examination_id).where(
            Examination.institution_id == sight.institution_id
        )
    return session.scalar(query) or 0


def _unread(session: Session, sight: Overlook, now: datetime) -> int:
    query = (
        select(func.count())
        .select_from(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .where(unread_since(now - UNREAD_FOR), *_of(sight, Report.centre_id))
    )
    if sight.institution_id is not None:
        query = query.where(ReportReturn.recipient_id == sight.institution_id)
    return session.scalar(query) or 0
