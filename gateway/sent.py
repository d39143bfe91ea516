"""What an institution made, as it lists it: a page, newest first, and how many each tab has."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, select, true
from sqlalchemy.orm import Session

from gateway.finding import (
    Found,
    Order,
    counting_each,
    day_begin,
    newest_read_task,
    on_days,
    read_counts,
)
from gateway.index import Held
from gateway.typed import Size, read_typed
from worklists.access import Subject, made_by
from worklists.base import UtcDateTime, local_date
from worklists.examinations import Examination
from worklists.reading import ReadingTask, TaskState

NEWEST_FIRST = Order(
    keys=[(Examination.received_at, True), (Examination.id, True)],
    readers=(datetime.fromisoformat, uuid.UUID),
)


def lacks_instances() -> Any:
    """A total was stated, and not all of it is here."""
    return and_(
        Examination.expected_instances.is_not(None), Examination.instances < Examination.expected_instances
    )


def has_held() -> ColumnElement[bool]:
    """Something that belongs to it waits for a person."""
    return Examination.id.in_(
        select(Held.examination_id).where(Held.examination_id.is_not(None), Held.resolved_at.is_(None))
    )


_REMEMBERED = 64  # statements: to put one together takes longer than to ask it
_TODAY = "today_began"
_TABS: dict[str, ColumnElement[bool]] = {
    **{state.value: ReadingTask.state == state for state in TaskState},
    "today": Examination.received_at >= bindparam(_TODAY, type_=UtcDateTime()),
    "incomplete": lacks_instances(),
}
Days = tuple[date | None, date | None]


class Sent:
    """What an institution made: a page, and how many each tab has."""

    def __init__(self, session: Session, subject: Subject, q: str, days: Days, now: datetime):
        self._session, self._subject, self._days = session, subject, days
        self._today = {_TODAY: day_begin(local_date(now))}
        self._typed = read_typed(session, q, subject, made_at=subject.institution_id)

    def find(
        self, listed: Sequence[ColumnElement[bool]], cursor: str | None, limit: int
    ) -> tuple[Found, dict[str, int]]:
        """Of people everything is met once for both; else each tab is counted for itself, up to the limit."""
        asked = _made_here(self._subject, self._days).where(*self._typed.found)
        if self._typed.size is not Size.NEARLY_ALL:
            on_page = and_(true(), *listed)
            counted = NEWEST_FIRST.counted(asked, ReadingTask.id, listed=on_page, tabs=_TABS, cursor=cursor)
            return NEWEST_FIRST.find_counted(self._session, counted, limit, **self._today)
        counts = self._session.execute(self._counted(), self._today).one()
        found = NEWEST_FIRST.find(self._session, asked.where(*listed), ReadingTask.id, cursor, limit)
        return found, read_counts(counts)

    def _counted(self) -> Select[Any]:
        if not self._typed.words:
            return _counted(self._subject, self._days)
        asked = _made_here(self._subject, self._days).where(*self._typed.found)
        return counting_each({name: asked.where(tab) for name, tab in _TABS.items()})


@lru_cache(maxsize=_REMEMBERED)
def _made_here(subject: Subject, days: Days) -> Select[ReadingTask]:
    return (
        select(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(made_by(subject), newest_read_task(), *on_days(Examination.received_at, *days))
    )


@lru_cache(maxsize=_REMEMBERED)
def _counted(subject: Subject, days: Days) -> Select[Any]:
    return counting_each({name: _made_here(subject, days).where(tab) for name, tab in _TABS.items()})
