"""Critical values (危急值): an event opens the moment something critical is found, before any signature."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something critical, as it was found."""

    examination_id: uuid.UUID
    kind: Kind
    source_id: uuid.UUID
    found: dict[str, Any]


def open_events(session: Session, findings: Sequence[Finding], *, now: datetime) -> None:
    """What was found in one source is one event, however often it is looked at."""
    if not findings:
        return
    sources = {one.source_id for one in findings}
    known = set(session.scalars(select(CriticalEvent.source_id).where(CriticalEvent.source_id.in_(sources))))
    for one in findings:
        if one.source_id not in known:
            known.add(one.source_id)
            session.add(
                CriticalEvent(
                    id=new_id(),
                    examination_id=one.examination_id,
                    kind=one.kind,
                    source_id=one.source_id,
                    found=one.found,
                    state=CriticalState.FOUND,
                    found_at=now,
                )
            )
    session.flush()


def withdraw(session: Session, source_ids: Collection[uuid.UUID]) -> None:
    """What these said was wrong, or was nobody's."""
    if not source_ids:
        return
    for event in session.scalars(select(CriticalEvent).where(CriticalEvent.source_id.in_(source_ids))):
        event.state = CriticalState.WITHDRAWN
