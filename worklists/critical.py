"""Critical values (危急值): an event opens the moment something critical is found, before any signature."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Kind
from worklists.examinations import Examination


class CriticalState(StrEnum):
    FOUND = "found"
    WITHDRAWN = "withdrawn"  # the value was corrected, or was none of this patient


class CriticalEvent(Base):
    """What was found in one examination. The snapshot stays as it was found."""

    __tablename__ = "critical_event"
    __table_args__ = (Index("ix_critical_event_open", "state", "found_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    kind: Mapped[Kind]
    source_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)  # the result it was found in
    found: Mapped[dict[str, Any]]  # item, value, unit, limit
    state: Mapped[CriticalState] = mapped_column(default=CriticalState.FOUND)
    found_at: Mapped[datetime]

    examination: Mapped[Examination] = relationship()


def open_event(
    session: Session,
    examination: Examination,
    *,
    kind: Kind,
    source_id: uuid.UUID,
    found: dict[str, Any],
    now: datetime,
) -> CriticalEvent:
    """What was found in one source is one event, however often it is looked at."""
    known = session.scalars(select(CriticalEvent).where(CriticalEvent.source_id == source_id)).one_or_none()
    if known is not None:
        return known
    event = CriticalEvent(
        id=new_id(),
        examination_id=examination.id,
        kind=kind,
        source_id=source_id,
        found=found,
        state=CriticalState.FOUND,
        found_at=now,
    )
    session.add(event)
    session.flush()
    return event


def withdraw(session: Session, source_ids: Sequence[uuid.UUID]) -> None:
    """What these said was wrong, or was nobody's."""
    for event in session.scalars(select(CriticalEvent).where(CriticalEvent.source_id.in_(source_ids))):
        event.state = CriticalState.WITHDRAWN
