"""The loop of critical values: what people do about one, each in one transaction, audited with the deed."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from gateway import audit
from gateway.critical_events import LONGEST_VALUE, centre_of, open_of_task, stand
from gateway.reading import Who, get_person, get_task, in_one
from gateway.runtime import Runtime
from worklists.access import critical_visible_to
from worklists.critical import Channel, CriticalEvent, CriticalState, CriticalStep, ReadBackDiffers
from worklists.directory import Person, Role
from worklists.errors import NotAllowed, NotFound
from worklists.examinations import Examination

Deed = Callable[[Session, CriticalEvent, Person, datetime], dict[str, Any]]


def get_event(session: Session, who: Who, event_id: uuid.UUID) -> CriticalEvent:
    """Raises NotFound."""
    found = session.scalars(
        select(CriticalEvent)
        .join(Examination, Examination.id == CriticalEvent.examination_id)
        .where(CriticalEvent.id == event_id, critical_visible_to(who.subject))
    ).one_or_none()
    if found is None:
        raise NotFound("critical")
    return found


def report_critical(runtime: Runtime, who: Who, task_id: uuid.UUID, value: str) -> uuid.UUID:
    """Whoever reads a task says that it shows something critical: reviewed by them, and the sender is told at once."""

    def deed(session: Session) -> uuid.UUID:
        now = runtime.now()
        task, person = get_task(session, who.subject, task_id), get_person(session, who)
        task.renew(person, now)
        event = open_of_task(session, task, value, now)
        if event.state is CriticalState.FOUND:
            stand(session, event, person, "", now)
        _record(session, who, "critical_reported", event, now, {"task_id": str(task_id)})
        return event.id

    return in_one(runtime, deed)


def review(runtime: Runtime, who: Who, event_id: uuid.UUID, note: str) -> None:
    def deed(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        _require_centre(session, who, event)
        stand(session, event, person, note, now)
        return {}

    _change(runtime, who, event_id, "critical_reviewed", deed)


def withdraw(runtime: Runtime, who: Who, event_id: uuid.UUID, reason: str) -> None:
    def deed(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        _require_centre(session, who, event)
        event.withdraw(person, reason, now)
        return {"reason": reason}

    _change(runtime, who, event_id, "critical_withdrawn", deed)


def note_call(
    runtime: Runtime, who: Who, event_id: uuid.UUID, *, recipient: str, channel: Channel, note: str
) -> None:
    def deed(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        event.note_call(person, recipient=recipient, channel=channel, note=note, now=now)
        return {"channel": channel.value}

    _change(runtime, who, event_id, "critical_called", deed)


def receive(runtime: Runtime, who: Who, event_id: uuid.UUID, read_back: str) -> None:
    """Raises ReadBackDiffers; that somebody misread is kept all the same."""

    def deed(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        _require_answerer(session, who, event)
        event.receive(person, read_back, now, channel=Channel.PAGE)
        return {}

    def misread(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        event.note_misread(person, read_back[:LONGEST_VALUE], now)
        return {}

    try:
        _change(runtime, who, event_id, "critical_received", deed)
    except ReadBackDiffers:
        _change(runtime, who, event_id, "critical_misread", misread)
        raise


def handle(runtime: Runtime, who: Who, event_id: uuid.UUID, treatment: str) -> None:
    def deed(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        _require_answerer(session, who, event)
        event.handle(person, treatment, now)
        return {}

    _change(runtime, who, event_id, "critical_handled", deed)


def close(runtime: Runtime, who: Who, event_id: uuid.UUID, note: str) -> None:
    def deed(session: Session, event: CriticalEvent, person: Person, now: datetime) -> dict[str, Any]:
        _require_centre(session, who, event)
        event.close(person, note, now)
        return {}

    _change(runtime, who, event_id, "critical_closed", deed)


def must_act(session: Session, who: Who, event: CriticalEvent) -> bool:
    """Whether the next step is the caller's, so that they cannot put the banner away."""
    if event.state in {CriticalState.FOUND, CriticalState.REVIEWED, CriticalState.HANDLED}:
        return is_of_centre(session, who, event) or _was_called(session, who, event)
    if event.state in {CriticalState.NOTIFIED, CriticalState.RECEIVED}:
        return is_answerer(session, who, event)
    return False


def is_of_centre(session: Session, who: Who, event: CriticalEvent) -> bool:
    reads = bool(who.subject.roles & {Role.READER, Role.REVIEWER})
    return reads and centre_of(session, event) in who.subject.centre_ids


def is_answerer(session: Session, who: Who, event: CriticalEvent) -> bool:
    """Those who sent the patient, and whoever was called since."""
    own = event.examination.institution_id == who.subject.institution_id
    return (own and Role.RADIOGRAPHER in who.subject.roles) or _was_called(session, who, event)


def _was_called(session: Session, who: Who, event: CriticalEvent) -> bool:
    called: ColumnElement[bool] = CriticalStep.recipient_person_id == who.subject.person_id
    found = select(CriticalStep.id).where(CriticalStep.event_id == event.id, called).limit(1)
    return who.subject.person_id is not None and session.scalars(found).first() is not None


def _require_centre(session: Session, who: Who, event: CriticalEvent) -> None:
    if not is_of_centre(session, who, event) and not _was_called(session, who, event):
        raise NotAllowed(Role.READER)


def _require_answerer(session: Session, who: Who, event: CriticalEvent) -> None:
    if not is_answerer(session, who, event):
        raise NotAllowed(Role.RADIOGRAPHER)


def _change(runtime: Runtime, who: Who, event_id: uuid.UUID, action: audit.Action, deed: Deed) -> None:
    def change(session: Session) -> None:
        now = runtime.now()
        event = get_event(session, who, event_id)
        detail = deed(session, event, get_person(session, who), now)
        _record(session, who, action, event, now, detail)

    in_one(runtime, change)


def _record(
    session: Session,
    who: Who,
    action: audit.Action,
    event: CriticalEvent,
    now: datetime,
    detail: dict[str, Any],
) -> None:
    audit.record(
        session, action, actor=who.actor, now=now, examination_id=event.examination_id,
        detail={"event_id": str(event.id), **detail},
    )  # fmt: skip
