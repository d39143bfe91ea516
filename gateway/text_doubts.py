"""Text in doubt: examinations whose text makes no sense as declared, noted as they arrive; see `character_sets`."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from gateway import live, work
from gateway.known import Incoming
from worklists.base import Base, new_id
from worklists.directory import Device, Person
from worklists.examinations import Examination

READ_AGAIN = "read_text_again"


class DoubtState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"
    REJECTED = "rejected"


class TextDoubt(Base):
    """One examination whose text makes no sense as declared, the character set proposed for it, and what was said."""

    __tablename__ = "text_doubt"
    __table_args__ = (Index("ix_text_doubt_open", "institution_id", "state", "found_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), unique=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"), index=True)
    declared: Mapped[str]
    overridden: Mapped[str | None]  # by the device's character set, when it arrived
    proposed: Mapped[str]
    name_as_declared: Mapped[str]
    name_as_proposed: Mapped[str]
    state: Mapped[DoubtState] = mapped_column(default=DoubtState.OPEN)
    found_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    decided_with_id: Mapped[uuid.UUID | None]  # the doubt with which a whole device was decided
    device_before: Mapped[str | None]  # the device's character set before that decision

    examination: Mapped[Examination] = relationship()
    device: Mapped[Device | None] = relationship()
    decided_by: Mapped[Person | None] = relationship()


def note_doubts(session: Session, placed: Mapping[uuid.UUID, Sequence[Incoming]], *, now: datetime) -> None:
    """Keep what arrived with text in doubt; what joins a study that was decided is read again by itself."""
    doubtful = {
        examination_id: next(item for item in items if item.header.proposed_character_set)
        for examination_id, items in placed.items()
        if any(item.header.proposed_character_set for item in items)
    }
    if not doubtful:
        return
    known = {
        doubt.examination_id: doubt
        for doubt in session.scalars(select(TextDoubt).where(TextDoubt.examination_id.in_(doubtful)))
    }
    for examination_id, item in doubtful.items():
        doubt = known.get(examination_id)
        if doubt is None:
            session.add(_doubt_of(examination_id, item, now))
            live.bump(session, "held")
        elif doubt.state is DoubtState.CONFIRMED and doubt.decided_by_id is not None:
            schedule_reading(session, doubt, doubt.decided_by_id, confirm=True, now=now)


def _doubt_of(examination_id: uuid.UUID, item: Incoming, now: datetime) -> TextDoubt:
    header, record = item.header, item.record
    override = record.origin.get("character_set")
    return TextDoubt(
        id=new_id(),
        examination_id=examination_id,
        institution_id=record.institution_id,
        device_id=record.device_id,
        declared=header.specific_character_set,
        overridden=str(override) if override else None,
        proposed=header.proposed_character_set,
        name_as_declared=header.patient_name,
        name_as_proposed=header.proposed_patient_name,
        state=DoubtState.OPEN,
        found_at=now,
    )


def find_doubts(session: Session, examination_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, TextDoubt]:
    """The doubts that are open, by examination."""
    rows = session.scalars(
        select(TextDoubt).where(
            TextDoubt.examination_id.in_(list(examination_ids)), TextDoubt.state == DoubtState.OPEN
        )
    )
    return {row.examination_id: row for row in rows}


def schedule_reading(
    session: Session, doubt: TextDoubt, person_id: uuid.UUID, *, confirm: bool, now: datetime
) -> None:
    arguments: dict[str, Any] = {
        "character_set": doubt.proposed if confirm else None, "person_id": str(person_id),
    }  # fmt: skip
    work.schedule(session, READ_AGAIN, doubt.examination_id, due_at=now, arguments=arguments)
