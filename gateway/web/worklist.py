"""The reader's worklist: `/api/v1/worklist`."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from sqlalchemy import ColumnElement, Select, and_, bindparam, false, literal, or_, select
from sqlalchemy.orm import Session

from gateway.database import plan_anew
from gateway.finding import (
    COUNTED_LIMIT,
    Order,
    count_at_once,
    count_up_to_limit,
    counting_at_once,
    counting_each,
    on_days,
    read_counts,
)
from gateway.lab.counting import Sign, shows
from gateway.typed import Size, read_typed
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
        every = _Tasks(session, caller.subject, asked)
        counts = every.count(runtime.now())
        query = every.met(tuple(state) if state else OPEN_STATES)
        found = URGENT_FIRST.find(session, query, ReadingTask.id, read_cursor(cursor), limit)
        return Page(
            items=show_tasks(session, found.ids), next_cursor=write_next(found.next_key), counts=counts
        )


class _Tasks:
    """Tasks of the caller's centres, through the one door. Examinations are only looked at where they are asked for."""

    def __init__(self, session: Session, subject: Subject, asked: Filter):
        self._session, self._subject, self._asked = session, subject, asked
        self._sites = asked.find_sites(session)
        self._typed = read_typed(session, asked.q, subject)
        if asked.of_examinations(self._sites):
            plan_anew(session)

    def met(self, states: tuple[TaskState, ...]) -> Select[ReadingTask]:
        """In the order of the list, which meets what was typed on its way."""
        asked = _listed(self._subject, self._asked, self._sites, states)
        return asked.where(*self._typed.tested) if self._typed.words else asked

    def count(self, now: datetime) -> dict[str, int]:
        """Of every tab."""
        if not self._typed.words:
            statement = _counted(self._subject, self._asked, self._sites)
            return read_counts(self._session.execute(statement, {_NOW: now}).one())
        return self._count_typed(now)

    def _count_typed(self, now: datetime) -> dict[str, int]:
        """What few people have is counted at once; what many have, all but the signed ones."""
        asked = _tasks(self._subject, self._asked, self._sites)
        tabs = _tabs(self._subject, self._asked, literal(now, UtcDateTime()))
        if self._typed.size is Size.FEW:
            return count_at_once(self._session, asked.where(*self._typed.tested), tabs)
        signed = tabs.pop(TaskState.SIGNED)
        others = asked.where(*self._typed.tested, ReadingTask.state.in_([*OPEN_STATES, TaskState.SENT_BACK]))
        counts = count_at_once(self._session, others, tabs)
        return counts | {TaskState.SIGNED.value: self._count_signed(asked.where(signed))}

    def _count_signed(self, signed: Select[ReadingTask]) -> int:
        """Years of them: those of the first who are called so are mostly more than are counted."""
        for typed in (self._typed.some, self._typed.found):
            count = count_up_to_limit(self._session, signed.where(*typed))
            if count == COUNTED_LIMIT:
                break
        return count


# To put a statement together takes longer than to ask it; who asks and what for is all that it goes by.


@lru_cache(maxsize=_REMEMBERED)
def _listed(
    subject: Subject, asked: Filter, sites: tuple[uuid.UUID, ...], states: tuple[TaskState, ...]
) -> Select[ReadingTask]:
    found = _tasks(subject, asked, sites).where(ReadingTask.state.in_(states))
    return found.where(ReadingTask.claimed_by_id == subject.person_id) if asked.mine else found


@lru_cache(maxsize=_REMEMBERED)
def _counted(subject: Subject, asked: Filter, sites: tuple[uuid.UUID, ...]) -> Select[Any]:
    """Each tab up to the limit. Where examinations are to be looked at, those of open tasks are once, for all tabs."""
    found = _tasks(subject, asked, sites)
    tabs = _tabs(subject, asked, bindparam(_NOW, type_=UtcDateTime()))
    if not asked.of_examinations(sites):
        return counting_each({name: found.where(tab) for name, tab in tabs.items()})
    closed = {
        name.value: found.where(tabs.pop(name.value)) for name in (TaskState.SIGNED, TaskState.SENT_BACK)
    }
    return counting_at_once(found.where(ReadingTask.state.in_(OPEN_STATES)), tabs, besides=closed)


def _tasks(subject: Subject, asked: Filter, sites: Sequence[uuid.UUID]) -> Select[ReadingTask]:
    """All but what was typed."""
    found = select(ReadingTask).where(tasks_read_by(subject), *asked.of_tasks(subject))
    conditions = asked.of_examinations(sites)
    if not conditions and not asked.q.split():
        return found
    return found.join(Examination, Examination.id == ReadingTask.examination_id).where(*conditions)


def _tabs(subject: Subject, asked: Filter, now: ColumnElement[datetime]) -> dict[str, ColumnElement[bool]]:
    mine = ReadingTask.claimed_by_id == subject.person_id
    final = awaits_final()
    tabs: dict[str, ColumnElement[bool]] = {state.value: ReadingTask.state == state for state in _COUNTED}
    if asked.mine:
        tabs = {name: and_(tab, mine) for name, tab in tabs.items()}
    return tabs | {
        "mine": and_(mine, ReadingTask.state.in_(OPEN_STATES)),
        "assigned": and_(ReadingTask.assigned_to_id == subject.person_id, ReadingTask.state.in_(UNCLAIMED)),
        "awaiting_final": final,
        "final_overdue": and_(final, ReadingTask.due_at < now, ReadingTask.paused_at.is_(None)),
    }


def _read_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
