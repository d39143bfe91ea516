"""The reader's worklist: `/api/v1/worklist`."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import ColumnElement, Select, and_, bindparam, false, or_, select
from sqlalchemy.orm import Session

from gateway.database import plan_anew, plan_as_usual
from gateway.finding import (
    COUNTED_LIMIT,
    Found,
    Order,
    count_up_to_limit,
    counting_each,
    on_days,
    read_counts,
)
from gateway.lab.counting import Sign, shows
from gateway.typed import read_typed
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_next
from gateway.web.shapes import Page, WorklistItem
from gateway.web.showing import show_tasks
from worklists.access import Subject, tasks_read_by
from worklists.base import UtcDateTime
from worklists.directory import Institution, Kind, Role
from worklists.duty import UNCLAIMED
from worklists.examinations import Examination
from worklists.reading import OPEN_STATES, ReadingTask, TaskState, awaits_final

router = APIRouter(prefix="/api/v1", tags=["reading"])

ReaderDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER))]
_READERS = (int, datetime.fromisoformat, uuid.UUID)
URGENT_FIRST = Order(
    keys=[(ReadingTask.rank, False), (ReadingTask.waiting_since, False), (ReadingTask.id, False)],
    readers=_READERS,
)
_REMEMBERED = 64  # statements that are remembered: what some readers ask for all day; one takes 0.1 MB
_NOW = "now"
_ONE_BY_ONE = (
    100  # people: to meet everything that was ever made of them takes less than to meet what is open
)
_CLOSED = (TaskState.SIGNED, TaskState.SENT_BACK)
States = tuple[TaskState, ...]
_COUNTED = (
    TaskState.ARRIVING,
    TaskState.WAITING,
    TaskState.CLAIMED,
    TaskState.SUBMITTED,
    TaskState.SIGNED,
    TaskState.SENT_BACK,
)


class Assigned(StrEnum):
    """Whose it is to be, before anybody has begun."""

    ME = "me"
    POOL = "pool"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What of the worklist is asked for, all but the states."""

    centre: uuid.UUID | None = None
    kind: Kind | None = None
    modality: Annotated[str, Query(max_length=16)] = ""
    site: Annotated[str, Query(max_length=64)] = ""
    first: Annotated[date | None, Query(alias="from")] = None
    last: Annotated[date | None, Query(alias="to")] = None
    q: Annotated[str, Query(max_length=100)] = ""
    lab: Sign | None = None
    mine: bool = False
    assigned: Assigned | None = None
    subspecialty: Annotated[str, Query(max_length=64)] = ""
    awaiting_final: bool = False

    def of_examinations(self, sites: Sequence[uuid.UUID]) -> list[ColumnElement[bool]]:
        """All but what was typed; `sites` are those that `find_sites` said."""
        found = on_days(Examination.received_at, self.first, self.last)
        if self.kind is not None:
            found.append(Examination.kind == self.kind)
        if self.modality:
            found.append(
                ("\\" + Examination.modality + "\\").contains(f"\\{self.modality}\\", autoescape=True)
            )
        if self.site:
            found.append(or_(false(), *(Examination.institution_id == one for one in sites)))
        if self.lab is not None:
            found += [Examination.kind == Kind.LABORATORY, shows(self.lab)]
        return found

    def of_tasks(self, subject: Subject) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = []
        if self.centre is not None:
            found.append(ReadingTask.centre_id == self.centre)
        if self.subspecialty:
            found.append(ReadingTask.subspecialty == self.subspecialty)
        if self.assigned is Assigned.ME:
            found.append(ReadingTask.assigned_to_id == subject.person_id)
        if self.assigned is Assigned.POOL:
            found.append(ReadingTask.assigned_to_id.is_(None))
        if self.awaiting_final:
            found.append(awaits_final())
        return found

    def find_sites(self, session: Session) -> tuple[uuid.UUID, ...]:
        """By id or by code. A database that is told which one knows how much of everything came from there."""
        if not self.site:
            return ()
        coded = session.scalar(select(Institution.id).where(Institution.code == self.site))
        return tuple(one for one in (coded, _read_id(self.site)) if one is not None)


@router.get("/worklist")
def list_worklist(
    caller: ReaderDep,
    runtime: RuntimeDep,
    asked: Annotated[Filter, Depends()],
    state: Annotated[list[TaskState] | None, Query()] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[WorklistItem]:
    """Urgent first, then oldest; without a state the open ones."""
    with runtime.reading() as session:
        every = _Tasks(session, caller.subject, asked, runtime.now())
        page = _Page(states=tuple(state) if state else OPEN_STATES, cursor=read_cursor(cursor), limit=limit)
        found, counts = every.find(page)
        plan_as_usual(session)
        return Page(
            items=show_tasks(session, found.ids), next_cursor=write_next(found.next_key), counts=counts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """Which of them are shown."""

    states: States
    cursor: str | None
    limit: int


class _Tasks:
    """Tasks of the caller's centres, through the one door. Examinations are only looked at where they are asked for."""

    def __init__(self, session: Session, subject: Subject, asked: Filter, now: datetime):
        self._session, self._now = session, now
        self._typed = read_typed(session, asked.q, subject)
        sites = asked.find_sites(session)
        self._asked = _Asked(
            subject=subject, filter=replace(asked, q=""), sites=sites, typed=bool(self._typed.words)
        )
        if asked.of_examinations(sites):
            plan_anew(session)

    def find(self, page: _Page) -> tuple[Found, dict[str, int]]:
        """A page and the counts of every tab."""
        typed = self._typed
        if typed.people is not None and typed.people <= _ONE_BY_ONE:
            return self._meet(page, tuple(TaskState), typed.found)
        if typed.words:
            return self._meet(page, (*OPEN_STATES, TaskState.SENT_BACK), typed.tested)
        if self._asked.of_examinations:
            return self._meet(page, OPEN_STATES, [])
        counts = self._session.execute(_counted(self._asked), {_NOW: self._now}).one()
        return self._list(page), read_counts(counts)

    def _meet(
        self, page: _Page, met: States, typed: Sequence[ColumnElement[bool]]
    ) -> tuple[Found, dict[str, int]]:
        """Tasks of these states are looked at once, for the page and for all tabs; closed ones are counted apart."""
        counts = self._count_closed(tuple(state for state in _CLOSED if state not in met))
        meeting = _meeting(self._asked, page.states, met)
        if page.cursor is not None:
            meeting = _put_meeting_together(self._asked, page.states, met, page.cursor)
        found, of_met = URGENT_FIRST.find_counted(
            self._session, meeting.where(*typed), page.limit, **{_NOW: self._now}
        )
        if not set(page.states) <= set(met):
            found = self._list(page)
        return found, of_met | counts

    def _list(self, page: _Page) -> Found:
        """In the order of the list, which meets what was typed on its way."""
        query = _listed(self._asked, page.states).where(*self._typed.listed)
        return URGENT_FIRST.find(self._session, query, ReadingTask.id, page.cursor, page.limit)

    def _count_closed(self, states: States) -> dict[str, int]:
        if not states:
            return {}
        if not self._typed.words:
            return read_counts(self._session.execute(_closed(self._asked, states)).one())
        return {state.value: self._count_typed(_listed(self._asked, (state,))) for state in states}

    def _count_typed(self, closed: Select[ReadingTask]) -> int:
        """Years of them: those of the first who are called so are mostly more than are counted."""
        for typed in self._typed.ways:
            count = count_up_to_limit(self._session, closed.where(*typed()))
            if count == COUNTED_LIMIT:
                break
        return count


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a statement goes by, all but what was typed: whether something was."""

    subject: Subject
    filter: Filter
    sites: tuple[uuid.UUID, ...]
    typed: bool

    @property
    def of_examinations(self) -> list[ColumnElement[bool]]:
        return self.filter.of_examinations(self.sites)

    def tasks(self) -> Select[ReadingTask]:
        """All but what was typed."""
        found = select(ReadingTask).where(tasks_read_by(self.subject), *self.filter.of_tasks(self.subject))
        if not self.typed and not self.of_examinations:
            return found
        joined = found.join(Examination, Examination.id == ReadingTask.examination_id)
        return joined.where(*self.of_examinations)

    def listed(self, states: States) -> ColumnElement[bool]:
        listed = ReadingTask.state.in_(states)
        return (
            and_(listed, ReadingTask.claimed_by_id == self.subject.person_id) if self.filter.mine else listed
        )

    def tabs(self) -> dict[str, ColumnElement[bool]]:
        mine = ReadingTask.claimed_by_id == self.subject.person_id
        final, now = awaits_final(), bindparam(_NOW, type_=UtcDateTime())
        tabs: dict[str, ColumnElement[bool]] = {state.value: ReadingTask.state == state for state in _COUNTED}
        if self.filter.mine:
            tabs = {name: and_(tab, mine) for name, tab in tabs.items()}
        return tabs | {
            "mine": and_(mine, ReadingTask.state.in_(OPEN_STATES)),
            "assigned": and_(
                ReadingTask.assigned_to_id == self.subject.person_id, ReadingTask.state.in_(UNCLAIMED)
            ),
            "awaiting_final": final,
            "final_overdue": and_(final, ReadingTask.due_at < now, ReadingTask.paused_at.is_(None)),
        }


# To put a statement together takes longer than to ask it; who asks and what for is all that it goes by.


@lru_cache(maxsize=_REMEMBERED)
def _listed(asked: _Asked, states: States) -> Select[ReadingTask]:
    return asked.tasks().where(asked.listed(states))


@lru_cache(maxsize=_REMEMBERED)
def _counted(asked: _Asked) -> Select[Any]:
    """Each tab up to the limit, by an index of its own."""
    return counting_each({name: asked.tasks().where(tab) for name, tab in asked.tabs().items()})


@lru_cache(maxsize=_REMEMBERED)
def _closed(asked: _Asked, states: States) -> Select[Any]:
    return counting_each({state.value: _listed(asked, (state,)) for state in states})


@lru_cache(maxsize=_REMEMBERED)
def _meeting(asked: _Asked, states: States, met: States) -> Select[Any]:
    """The first page."""
    return _put_meeting_together(asked, states, met, None)


def _put_meeting_together(asked: _Asked, states: States, met: States, cursor: str | None) -> Select[Any]:
    apart = set(_CLOSED) - set(met)
    tabs = {name: tab for name, tab in asked.tabs().items() if name not in apart}
    tasks = asked.tasks().where(ReadingTask.state.in_(met))
    return URGENT_FIRST.counted(tasks, ReadingTask.id, listed=asked.listed(states), tabs=tabs, cursor=cursor)


def _read_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
