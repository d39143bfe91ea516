"""The reader's worklist: `/api/v1/worklist`."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session, joinedload

from gateway.finding import Order, count_each_up_to_limit, look_around, on_days, typed
from gateway.lab.counting import Sign, shows
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import Page, WorklistItem
from gateway.web.showing import show_task
from worklists.access import Subject, tasks_read_by
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
_WITH_SITE = joinedload(ReadingTask.examination).joinedload(Examination.institution)
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


class Filter:
    """What of the worklist is asked for, all but the states."""

    def __init__(
        self,
        centre: uuid.UUID | None = None,
        kind: Kind | None = None,
        modality: Annotated[str, Query(max_length=16)] = "",
        site: Annotated[str, Query(max_length=64)] = "",
        first: Annotated[date | None, Query(alias="from")] = None,
        last: Annotated[date | None, Query(alias="to")] = None,
        q: Annotated[str, Query(max_length=100)] = "",
        lab: Sign | None = None,
        mine: bool = False,
        assigned: Assigned | None = None,
        subspecialty: Annotated[str, Query(max_length=64)] = "",
        awaiting_final: bool = False,
    ):
        self.centre, self.kind, self.modality, self.site = centre, kind, modality, site
        self.first, self.last, self.q, self.lab, self.mine = first, last, q, lab, mine
        self.assigned, self.subspecialty = assigned, subspecialty
        self.awaiting_final = awaiting_final

    def of_examinations(self, session: Session, subject: Subject) -> list[ColumnElement[bool]]:
        found = [
            *on_days(Examination.received_at, self.first, self.last),
            *typed(session, self.q, subject),
        ]
        if self.kind is not None:
            found.append(Examination.kind == self.kind)
        if self.modality:
            found.append(
                ("\\" + Examination.modality + "\\").contains(f"\\{self.modality}\\", autoescape=True)
            )
        if self.site:
            found.append(_of_site(self.site))
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
        every = _tasks(session, caller, asked)
        query = every.where(ReadingTask.state.in_(state or OPEN_STATES))
        if asked.mine:
            query = query.where(ReadingTask.claimed_by_id == caller.person_id)
        tasks = URGENT_FIRST.page(session, query, ReadingTask.id, read_cursor(cursor), limit, _WITH_SITE)
        shown = tasks[:limit]
        around = look_around(session, [task.examination_id for task in shown])
        return Page(
            items=[show_task(task, around) for task in shown],
            next_cursor=_cursor_of(shown[-1]) if len(tasks) > limit else None,
            counts=_count(session, caller, asked, every, runtime.now()),
        )


def _tasks(session: Session, caller: Caller, asked: Filter) -> Select[ReadingTask]:
    """Tasks of the caller's centres, through the one door. Examinations are only looked at where they are asked for."""
    query = select(ReadingTask).where(tasks_read_by(caller.subject), *asked.of_tasks(caller.subject))
    of_examinations = asked.of_examinations(session, caller.subject)
    if not of_examinations:
        return query
    return query.join(Examination, Examination.id == ReadingTask.examination_id).where(*of_examinations)


def _count(
    session: Session, caller: Caller, asked: Filter, query: Select[ReadingTask], now: datetime
) -> dict[str, int]:
    mine = ReadingTask.claimed_by_id == caller.person_id
    tabs = {state.value: query.where(ReadingTask.state == state) for state in _COUNTED}
    if asked.mine:
        tabs = {name: tab.where(mine) for name, tab in tabs.items()}
    tabs["mine"] = query.where(mine, ReadingTask.state.in_(OPEN_STATES))
    tabs["assigned"] = query.where(
        ReadingTask.assigned_to_id == caller.person_id, ReadingTask.state.in_(UNCLAIMED)
    )
    final = query.where(awaits_final())
    tabs["awaiting_final"] = final
    tabs["final_overdue"] = final.where(ReadingTask.due_at < now, ReadingTask.paused_at.is_(None))
    return count_each_up_to_limit(session, tabs)


def _of_site(site: str) -> ColumnElement[bool]:
    """By id or by code."""
    ids = select(Institution.id).where(Institution.code == site)
    try:
        return or_(Examination.institution_id == uuid.UUID(site), Examination.institution_id.in_(ids))
    except ValueError:
        return Examination.institution_id.in_(ids)


def _cursor_of(task: ReadingTask) -> str:
    return write_cursor(URGENT_FIRST.key_of((task.rank, task.waiting_since, task.id)))
