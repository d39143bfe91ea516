"""How critical events begin: found in results, said by whoever reads, or signed as critical."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists import critical
from worklists.critical import CriticalEvent, CriticalState, Finding
from worklists.directory import Person
from worklists.errors import Invalid
from worklists.reading import ReadingTask, tasks_of

LONGEST_VALUE = 60  # what is read back aloud and typed must be short


def open_of_task(session: Session, task: ReadingTask, value: str, now: datetime) -> CriticalEvent:
    """Raises Invalid when there is nothing short enough to be read back."""
    said = " ".join(value.split())
    if not said or len(said) > LONGEST_VALUE:
        raise Invalid("value", "too_long" if said else "required")
    examination = task.examination
    found = {"name": examination.description or examination.modality, "value": said, "unit": ""}
    finding = Finding(examination_id=examination.id, kind=examination.kind, source_id=task.id, found=found)
    return critical.open_event(session, finding, now=now)


def note_signed(session: Session, task: ReadingTask, impression: str, person: Person, now: datetime) -> None:
    """A critical report was signed: what nobody had reported before is an event now."""
    known = session.scalars(
        select(CriticalEvent.id).where(CriticalEvent.examination_id == task.examination_id).limit(1)
    ).first()
    if known is None:
        event = open_of_task(session, task, impression[:LONGEST_VALUE], now)
        stand(session, event, person, "", now)


def note_verified(session: Session, result_ids: Sequence[uuid.UUID], person: Person, now: datetime) -> None:
    """Critical results were verified by a person: that is the second look."""
    for event in session.scalars(
        select(CriticalEvent)
        .where(CriticalEvent.source_id.in_(result_ids), CriticalEvent.state == CriticalState.FOUND)
        .order_by(CriticalEvent.id)
    ):
        stand(session, event, person, "", now)


def stand(session: Session, event: CriticalEvent, person: Person, note: str, now: datetime) -> None:
    """It stands: its sender is told on their page in the same moment."""
    event.review(person, note, now)
    event.notify(now, recipient=event.examination.institution.name)


def centre_of(session: Session, event: CriticalEvent) -> uuid.UUID | None:
    """The centre that reads it."""
    task = session.scalars(tasks_of(event.examination_id)).first()
    return task.centre_id if task is not None else None
