"""Text in doubt: examinations whose text makes no sense as declared, noted as they arrive; see `character_sets`."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from adapters.dicom.header import InstanceHeader
from gateway import live, work
from gateway.known import Incoming
from gateway.work import Work
from worklists.base import Base, new_id
from worklists.directory import Device, Person
from worklists.examinations import Examination

READ_AGAIN = "read_text_again"  # an examination, as was said of it
FOLLOW_DEVICE = "follow_device"  # a device: everything of it since its last decision …
READ_AS_DEVICE = "read_as_device"  # … each examination, unless something was said of it alone


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
    overridden: Mapped[str | None]  # by the device's character set, when it was read so
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

    @property
    def is_own(self) -> bool:
        """Somebody decided about this examination, not with its device."""
        return self.state is not DoubtState.OPEN and self.decided_with_id is None

    @property
    def term(self) -> str:
        """What its examination is read with by what was said; "" as it declares itself."""
        return self.proposed if self.state is DoubtState.CONFIRMED else self.overridden or ""

    def decide(
        self, state: DoubtState, person: Person, now: datetime, *, with_id: uuid.UUID | None = None
    ) -> None:
        self.state, self.decided_at, self.decided_by_id, self.decided_with_id = state, now, person.id, with_id

    def reopen(self) -> None:
        self.state, self.decided_at, self.decided_by_id = DoubtState.OPEN, None, None
        self.decided_with_id = self.device_before = None

    def ask(self, header: InstanceHeader, override: str | None, *, now: datetime) -> None:
        """Put the question, again perhaps, that text raises which was read so."""
        self.reopen()
        self.declared, self.overridden = header.specific_character_set, override
        self.proposed = header.proposed_character_set
        self.name_as_declared, self.name_as_proposed = header.patient_name, header.proposed_patient_name
        self.found_at = now


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
            override = item.record.origin.get("character_set")
            doubt = TextDoubt(
                id=new_id(),
                examination_id=examination_id,
                institution_id=item.record.institution_id,
                device_id=item.record.device_id,
            )
            doubt.ask(item.header, str(override) if override else None, now=now)
            session.add(doubt)
            live.bump(session, "held")
        elif doubt.state is DoubtState.CONFIRMED and doubt.decided_by_id is not None:
            schedule_reading(session, doubt, doubt.decided_by_id, now=now)


def schedule_reading(session: Session, doubt: TextDoubt, person_id: uuid.UUID, *, now: datetime) -> None:
    arguments = {"person_id": str(person_id)}
    work.schedule(session, READ_AGAIN, doubt.examination_id, due_at=now, arguments=arguments)


def schedule_following(
    session: Session,
    device: Device,
    was_set_to: str | None,
    person_id: uuid.UUID,
    *,
    since: datetime,
    now: datetime,
) -> None:
    """What a device sent since then and was read with what it was set to is read as it is set now."""
    terms = {was_set_to or ""}
    waiting = session.scalars(
        select(Work).where(Work.task == FOLLOW_DEVICE, Work.subject == str(device.id), Work.done_at.is_(None))
    ).first()
    if waiting is not None:
        since = min(since, datetime.fromisoformat(str(waiting.arguments["since"])))
        terms |= set(waiting.arguments["was_set_to"])
    arguments = {"person_id": str(person_id), "since": since.isoformat(), "was_set_to": sorted(terms)}
    work.schedule(session, FOLLOW_DEVICE, device.id, due_at=now, arguments=arguments)
