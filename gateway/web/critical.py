"""Critical values: `/api/v1/critical`, and saying that a task shows one."""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, StringConstraints
from sqlalchemy import Select, select
from sqlalchemy.orm import Session, joinedload

from gateway import critical as use_cases
from gateway.finding import Order, on_days
from gateway.reading import Who
from gateway.runtime import Runtime
from gateway.typed import read_typed
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import PatientShape, PersonShape, ReasonBody, SiteShape
from gateway.web.showing import made_on, show_patient, show_person, show_site
from gateway.web.tasks import who_is
from gateway.web.worklist import ReaderDep
from worklists.access import Subject, critical_visible_to
from worklists.critical import OPEN, Channel, CriticalAction, CriticalEvent, CriticalState, CriticalStep
from worklists.directory import Kind
from worklists.examinations import Examination
from worklists.reports import Report, ReportState

router = APIRouter(prefix="/api/v1", tags=["critical values"])

Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
NEWEST_FIRST = Order(
    keys=[(CriticalEvent.found_at, True), (CriticalEvent.id, True)],
    readers=(datetime.fromisoformat, uuid.UUID),
)


class Asked(StrEnum):
    OPEN = "open"
    ENDED = "ended"
    ALL = "all"


class StepShape(BaseModel):
    id: uuid.UUID
    action: CriticalAction
    at: datetime
    person: PersonShape | None
    channel: Channel
    recipient: str
    detail: dict[str, Any]


class EventShape(BaseModel):
    id: uuid.UUID
    examination_id: uuid.UUID
    kind: Kind
    description: str
    accession_number: str
    site: SiteShape
    patient: PatientShape
    found: dict[str, Any]
    found_at: datetime
    state: CriticalState
    due_at: datetime | None
    level: int
    must_act: bool
    of_centre: bool
    may_answer: bool
    called_me: int  # how often the chain came to the caller
    report_id: uuid.UUID | None  # None: nothing is signed yet, so that this is a preliminary notice
    steps: list[StepShape]


class EventsPage(BaseModel):
    items: list[EventShape]
    next_cursor: str | None


class NewCritical(BaseModel):
    value: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NoteBody(BaseModel):
    note: Said = ""


class CallBody(BaseModel):
    recipient: Said
    channel: Channel = Channel.PHONE
    note: Said = ""


class ReadBackBody(BaseModel):
    read_back: Said


class TreatmentBody(BaseModel):
    treatment: Said


@router.get("/critical")
def list_critical(
    caller: CallerDep,
    runtime: RuntimeDep,
    state: Asked = Asked.OPEN,
    kind: Kind | None = None,
    examination: uuid.UUID | None = None,
    q: Annotated[str, Query(max_length=100)] = "",
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> EventsPage:
    """Newest first, with every step: `must_act` says that the next one is the caller's."""
    query = _visible(caller.subject).where(*on_days(CriticalEvent.found_at, first, last))
    if state is not Asked.ALL:
        is_open = CriticalEvent.state.in_(OPEN)
        query = query.where(is_open if state is Asked.OPEN else ~is_open)
    if kind is not None:
        query = query.where(CriticalEvent.kind == kind)
    if examination is not None:
        query = query.where(CriticalEvent.examination_id == examination)
    with runtime.reading() as session:
        query = query.where(*read_typed(session, q, caller.subject).found)
        rows = session.scalars(NEWEST_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        shown = rows[:limit]
        more = (
            write_cursor(NEWEST_FIRST.key_of((shown[-1].found_at, shown[-1].id)))
            if len(rows) > limit
            else None
        )
        return EventsPage(items=[_show(session, who_is(caller), row) for row in shown], next_cursor=more)


@router.get("/critical/mine")
def list_mine(caller: CallerDep, runtime: RuntimeDep) -> list[EventShape]:
    """Whose next step is the caller's, the longest waiting first: what stands across every page of theirs."""
    who = who_is(caller)
    query = _visible(caller.subject).where(CriticalEvent.state.in_(OPEN)).order_by(CriticalEvent.found_at)
    with runtime.reading() as session:
        waiting = session.scalars(query).unique()
        return [_show(session, who, row) for row in waiting if use_cases.must_act(session, who, row)]


@router.get("/critical/{event_id}")
def read_critical(event_id: uuid.UUID, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    return _read(runtime, caller, event_id)


@router.post("/tasks/{task_id}/critical", status_code=201)
def report_critical(
    task_id: uuid.UUID, body: NewCritical, caller: ReaderDep, runtime: RuntimeDep
) -> EventShape:
    """Before any signature: the sender is told at once, and reads `value` back."""
    return _read(runtime, caller, use_cases.report_critical(runtime, who_is(caller), task_id, body.value))


@router.post("/critical/{event_id}/review")
def review(event_id: uuid.UUID, body: NoteBody, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    use_cases.review(runtime, who_is(caller), event_id, body.note)
    return _read(runtime, caller, event_id)


@router.post("/critical/{event_id}/withdraw")
def withdraw(event_id: uuid.UUID, body: ReasonBody, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    use_cases.withdraw(runtime, who_is(caller), event_id, body.reason)
    return _read(runtime, caller, event_id)


@router.post("/critical/{event_id}/call")
def note_call(event_id: uuid.UUID, body: CallBody, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    """Somebody was told by telephone or in person."""
    use_cases.note_call(
        runtime, who_is(caller), event_id, recipient=body.recipient, channel=body.channel, note=body.note
    )
    return _read(runtime, caller, event_id)


@router.post("/critical/{event_id}/receive")
def receive(event_id: uuid.UUID, body: ReadBackBody, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    """422 when what was read back is not the value."""
    use_cases.receive(runtime, who_is(caller), event_id, body.read_back)
    return _read(runtime, caller, event_id)


@router.post("/critical/{event_id}/handle")
def handle(event_id: uuid.UUID, body: TreatmentBody, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    use_cases.handle(runtime, who_is(caller), event_id, body.treatment)
    return _read(runtime, caller, event_id)


@router.post("/critical/{event_id}/close")
def close(event_id: uuid.UUID, body: NoteBody, caller: CallerDep, runtime: RuntimeDep) -> EventShape:
    use_cases.close(runtime, who_is(caller), event_id, body.note)
    return _read(runtime, caller, event_id)


def _visible(subject: Subject) -> Select[CriticalEvent]:
    return (
        select(CriticalEvent)
        .join(Examination, Examination.id == CriticalEvent.examination_id)
        .where(critical_visible_to(subject))
        .options(joinedload(CriticalEvent.examination).joinedload(Examination.institution))
    )


def _read(runtime: Runtime, caller: Caller, event_id: uuid.UUID) -> EventShape:
    with runtime.reading() as session:
        return _show(session, who_is(caller), use_cases.get_event(session, who_is(caller), event_id))


def _show(session: Session, who: Who, event: CriticalEvent) -> EventShape:
    examination = event.examination
    return EventShape(
        id=event.id,
        examination_id=examination.id,
        kind=event.kind,
        description=examination.description,
        accession_number=examination.accession_number,
        site=show_site(examination.institution),
        patient=show_patient(examination.patient, made_on(examination)),
        found=event.found,
        found_at=event.found_at,
        state=event.state,
        due_at=event.due_at,
        level=event.level,
        must_act=use_cases.must_act(session, who, event),
        of_centre=use_cases.is_of_centre(session, who, event),
        may_answer=use_cases.is_answerer(session, who, event),
        called_me=sum(
            step.recipient_person_id is not None and step.recipient_person_id == who.subject.person_id
            for step in event.steps
        ),
        report_id=session.scalars(
            select(Report.id).where(
                Report.examination_id == examination.id, Report.state == ReportState.SIGNED
            )
        ).first(),
        steps=[_show_step(step) for step in event.steps],
    )


def _show_step(step: CriticalStep) -> StepShape:
    return StepShape(
        id=step.id,
        action=step.action,
        at=step.at,
        person=show_person(step.person),
        channel=step.channel,
        recipient=step.recipient,
        detail=step.detail,
    )
