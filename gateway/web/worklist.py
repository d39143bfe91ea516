"""The reader's worklist: `/api/v1/worklist`."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import ColumnElement, Select, and_, false, or_, select
from sqlalchemy.orm import Session

from gateway.database import plan_anew
from gateway.finding import COUNTED_LIMIT, Order, count_tabs, count_up_to_limit, on_days
from gateway.lab.counting import Sign, shows
from gateway.typed import Size, read_typed
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_next
from gateway.web.shapes import Page, WorklistItem
from gateway.web.showing import show_tasks
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

    def of_examinations(self, session: Session) -> list[ColumnElement[bool]]:
        """All but what was typed."""
        found = on_days(Examination.received_at, self.first, self.last)
        if self.kind is not None:
            found.append(Examination.kind == self.kind)
        if self.modality:
            found.append(
                ("\\" + Examination.modality + "\\").contains(f"\\{self.modality}\\", autoescape=True)
            )
        if self.site:
            found.append(_of_site(session, self.site))
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
        every = _Tasks(session, caller, asked)
        counts = every.count(runtime.now())
        query = every.met.where(ReadingTask.state.in_(state or OPEN_STATES))
        if asked.mine:
            query = query.where(ReadingTask.claimed_by_id == caller.person_id)
        found = URGENT_FIRST.find(session, query, ReadingTask.id, read_cursor(cursor), limit)
        return Page(
            items=show_tasks(session, found.ids), next_cursor=write_next(found.next_key), counts=counts
        )


class _Tasks:
    """Tasks of the caller's centres, through the one door. Examinations are only looked at where they are asked for."""

    def __init__(self, session: Session, caller: Caller, asked: Filter):
        self._session, self._caller, self._asked = session, caller, asked
        self._base = select(ReadingTask).where(tasks_read_by(caller.subject), *asked.of_tasks(caller.subject))
        self._of_examinations = asked.of_examinations(session)
        self._typed = read_typed(session, asked.q, caller.subject)
        if self._of_examinations:
            plan_anew(session)

    @property
    def met(self) -> Select[ReadingTask]:
        """In the order of the list, which meets what was typed on its way."""
        return self._where(self._typed.tested)

    def _where(self, typed: list[ColumnElement[bool]]) -> Select[ReadingTask]:
        conditions = [*self._of_examinations, *typed]
        if not conditions:
            return self._base
        return self._base.join(Examination, Examination.id == ReadingTask.examination_id).where(*conditions)

    def count(self, now: datetime) -> dict[str, int]:
        """Of every tab. What few people have is counted at once; what many have, all but the signed ones."""
        tabs = self._tabs(now)
        if self._typed.size is Size.FEW or not self._typed.words:
            return count_tabs(self._session, self.met, tabs, at_once=bool(self._typed.words))
        signed = tabs.pop(TaskState.SIGNED)
        others = self.met.where(ReadingTask.state.in_([*OPEN_STATES, TaskState.SENT_BACK]))
        counts = count_tabs(self._session, others, tabs, at_once=True)
        return counts | {TaskState.SIGNED.value: self._count_signed(signed)}

    def _count_signed(self, signed: ColumnElement[bool]) -> int:
        """Years of them: those of the first who are called so are mostly more than are counted."""
        for typed in (self._typed.some, self._typed.found):
            count = count_up_to_limit(self._session, self._where(typed).where(signed))
            if count == COUNTED_LIMIT:
                break
        return count

    def _tabs(self, now: datetime) -> dict[str, ColumnElement[bool]]:
        mine = ReadingTask.claimed_by_id == self._caller.person_id
        final = awaits_final()
        tabs: dict[str, ColumnElement[bool]] = {state.value: ReadingTask.state == state for state in _COUNTED}
        if self._asked.mine:
            tabs = {name: and_(tab, mine) for name, tab in tabs.items()}
        return tabs | {
            "mine": and_(mine, ReadingTask.state.in_(OPEN_STATES)),
            "assigned": and_(
                ReadingTask.assigned_to_id == self._caller.person_id, ReadingTask.state.in_(UNCLAIMED)
            ),
            "awaiting_final": final,
            "final_overdue": and_(final, ReadingTask.due_at < now, ReadingTask.paused_at.is_(None)),
        }


def _of_site(session: Session, site: str) -> ColumnElement[bool]:
    """By id or by code. A database that is told which one knows how much of everything came from there."""
    found = session.scalar(select(Institution.id).where(Institution.code == site))
    ways = [Examination.institution_id == one for one in (found, _read_id(site)) if one is not None]
    return or_(*ways) if ways else false()


def _read_id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
