"""Critical values (危急值): found, reviewed, notified, received with a read-back, handled, closed.

An event opens the moment something critical is found, before any signature. What was found stays as it was; every step
is a row that is never changed, so that an event's trace is unbroken. Who is silent is passed by: the next of the chain
is called, up to the duty desk of the lead hospital.

危急值报告制度 is one of the eighteen core systems (国卫医发〔2018〕8号); its minutes are local and stand in a rule book.
"""

import unicodedata
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, ForeignKey, Index, event, exists, select
from sqlalchemy.orm import Mapped, Mapper, Session, aliased, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Institution, Kind, Person
from worklists.errors import Conflict, Invalid
from worklists.examinations import Examination


class CriticalState(StrEnum):
    FOUND = "found"
    REVIEWED = "reviewed"
    NOTIFIED = "notified"
    RECEIVED = "received"
    HANDLED = "handled"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"  # the value was corrected, was none of this patient, or did not stand the review


OPEN = (
    CriticalState.FOUND,
    CriticalState.REVIEWED,
    CriticalState.NOTIFIED,
    CriticalState.RECEIVED,
    CriticalState.HANDLED,
)


class CriticalAction(StrEnum):
    """What a step is. The first six bring an event into the state of their name."""

    FOUND = "found"
    REVIEWED = "reviewed"
    NOTIFIED = "notified"
    RECEIVED = "received"
    HANDLED = "handled"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"
    CALLED = "called"  # somebody was told by telephone or in person
    MISREAD = "misread"  # the read-back differed
    ESCALATED = "escalated"  # whoever was to answer did not; the next of the chain was called
    EXHAUSTED = "exhausted"  # nobody is left to be called


class Channel(StrEnum):
    PAGE = "page"  # the banner of this system
    PHONE = "phone"
    IN_PERSON = "in_person"
    SYSTEM = "system"


class CriticalStateForbids(Conflict):
    """The event is in a state in which this cannot be done; carries the state."""

    def __init__(self, state: CriticalState):
        super().__init__(state)
        self.state = state


class ReadBackDiffers(Invalid):
    """What was read back is not the value that was found."""

    def __init__(self) -> None:
        super().__init__("read_back", "read_back_differs")


class CriticalContact(Base):
    """Who is called for an institution, in the order of `position`, and how long they may be silent."""

    __tablename__ = "critical_contact"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), index=True)
    position: Mapped[int] = mapped_column(default=1)
    title: Mapped[str]  # 申请医师, 科室值班电话, 卫生院值班领导, 总值班
    phone: Mapped[str] = mapped_column(default="")
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    minutes: Mapped[int] = mapped_column(default=5)

    person: Mapped[Person | None] = relationship()


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something critical, as it was found."""

    examination_id: uuid.UUID
    kind: Kind
    source_id: uuid.UUID
    found: dict[str, Any]


class CriticalEvent(Base):
    """What was found in one examination. The snapshot stays as it was found."""

    __tablename__ = "critical_event"
    __table_args__ = (Index("ix_critical_event_open", "state", "found_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    kind: Mapped[Kind]
    source_id: Mapped[uuid.UUID | None] = mapped_column(unique=True)  # the result or the task it was found in
    found: Mapped[dict[str, Any]]  # name, value, unit, …
    state: Mapped[CriticalState] = mapped_column(default=CriticalState.FOUND)
    found_at: Mapped[datetime]
    due_at: Mapped[datetime | None]  # when whoever is to act next has been silent for too long
    level: Mapped[int] = mapped_column(default=0)  # how many of the chain were called
    version: Mapped[int] = mapped_column()

    examination: Mapped[Examination] = relationship()
    steps: Mapped[list["CriticalStep"]] = relationship(
        back_populates="event", order_by="CriticalStep.id", cascade="save-update, merge"
    )

    # Two who answer at once both read the same version; only one finds it still there.
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (SQLAlchemy reads it from the class)

    @classmethod
    def open(cls, finding: Finding, now: datetime) -> "CriticalEvent":
        opened = cls(
            id=new_id(),
            examination_id=finding.examination_id,
            kind=finding.kind,
            source_id=finding.source_id,
            found=finding.found,
            state=CriticalState.FOUND,
            found_at=now,
            level=0,
        )
        opened._step(CriticalAction.FOUND, now)
        return opened

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def is_exhausted(self) -> bool:
        """Nobody is left to be called for the present state."""
        for step in reversed(self.steps):
            if step.action is CriticalAction.EXHAUSTED:
                return True
            if step.action.value == self.state.value:
                return False
        return False

    def review(self, person: Person, note: str, now: datetime) -> None:
        """复核: a second look says that it stands."""
        self._require(CriticalState.FOUND)
        self._step(CriticalAction.REVIEWED, now, person=person, detail=_said(note=note))

    def notify(
        self, now: datetime, *, recipient: str, person: Person | None = None, channel: Channel = Channel.PAGE
    ) -> None:
        """通知: those who sent the patient are told; before the signature, so it is preliminary."""
        self._require(CriticalState.REVIEWED)
        self._step(CriticalAction.NOTIFIED, now, person=person, channel=channel, recipient=recipient)

    def note_call(
        self, person: Person, *, recipient: str, channel: Channel, note: str, now: datetime
    ) -> None:
        """Somebody was told by telephone or in person; it does not stand for their read-back."""
        if not self.is_open:
            raise CriticalStateForbids(self.state)
        if not recipient.strip():
            raise Invalid("recipient")
        self._step(
            CriticalAction.CALLED, now, person=person, channel=channel, recipient=recipient.strip(),
            detail=_said(note=note),
        )  # fmt: skip

    def receive(self, person: Person, read_back: str, now: datetime, *, channel: Channel) -> None:
        """接收: who is told writes down what they heard. Raises ReadBackDiffers."""
        self._require(CriticalState.NOTIFIED)
        if not self.is_read_back(read_back):
            raise ReadBackDiffers
        self._step(
            CriticalAction.RECEIVED,
            now,
            person=person,
            channel=channel,
            detail={"read_back": read_back.strip()},
        )

    def note_misread(self, person: Person, read_back: str, now: datetime) -> None:
        self._step(
            CriticalAction.MISREAD, now, person=person, channel=Channel.PAGE, detail={"read_back": read_back}
        )

    def handle(self, person: Person, treatment: str, now: datetime) -> None:
        """处置: what was done for the patient."""
        self._require(CriticalState.RECEIVED)
        if not treatment.strip():
            raise Invalid("treatment")
        self._step(CriticalAction.HANDLED, now, person=person, detail={"treatment": treatment.strip()})

    def close(self, person: Person, note: str, now: datetime) -> None:
        self._require(CriticalState.HANDLED)
        self._step(CriticalAction.CLOSED, now, person=person, detail=_said(note=note))

    def withdraw(self, person: Person | None, reason: str, now: datetime) -> None:
        """It was none. Whoever was told already sees that, and why."""
        if not self.is_open:
            raise CriticalStateForbids(self.state)
        if not reason.strip():
            raise Invalid("reason")
        self._step(CriticalAction.WITHDRAWN, now, person=person, detail={"reason": reason.strip()})

    def escalate(self, chain: Sequence[CriticalContact], now: datetime) -> CriticalContact | None:
        """Call the next of the chain; once nobody is left, that is kept, once. Answers who was called."""
        if not self.is_open:
            raise CriticalStateForbids(self.state)
        if self.level >= len(chain):
            if not self.is_exhausted:
                self._step(CriticalAction.EXHAUSTED, now)
            self.due_at = None
            return None
        contact = chain[self.level]
        self.level += 1
        self._step(
            CriticalAction.ESCALATED,
            now,
            channel=Channel.PAGE if contact.person_id is not None else Channel.PHONE,
            recipient=contact.title if contact.person is None else f"{contact.title} {contact.person.name}",
            recipient_person_id=contact.person_id,
            detail={"phone": contact.phone, "silent_in": self.state.value},
        )
        self.due_at = now + timedelta(minutes=contact.minutes)
        return contact

    def is_read_back(self, said: str) -> bool:
        """The value, with its unit or without; blanks, width of signs and case do not count."""
        value, unit = str(self.found.get("value", "")), str(self.found.get("unit") or "")
        return bool(_plain(said)) and _plain(said) in {_plain(value), _plain(value + unit)}

    def _require(self, state: CriticalState) -> None:
        if self.state is not state:
            raise CriticalStateForbids(self.state)

    def _step(
        self,
        action: CriticalAction,
        now: datetime,
        *,
        person: Person | None = None,
        channel: Channel = Channel.SYSTEM,
        recipient: str = "",
        recipient_person_id: uuid.UUID | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        if action.value in CriticalState.__members__.values():
            self.state, self.level, self.due_at = CriticalState(action.value), 0, None
        self.steps.append(
            CriticalStep(
                id=new_id(),
                action=action,
                at=now,
                person_id=person.id if person else None,
                channel=Channel.PAGE if person is not None and channel is Channel.SYSTEM else channel,
                recipient=recipient,
                recipient_person_id=recipient_person_id,
                detail=dict(detail or {}),
            )
        )


def had_step(*actions: CriticalAction) -> ColumnElement[bool]:
    """A predicate over `CriticalEvent`: whether one of these was done about it."""
    step = aliased(CriticalStep)
    return exists(
        select(step.id)
        .where(step.event_id == CriticalEvent.id, step.action.in_(actions))
        .correlate(CriticalEvent)
    )


class CriticalStep(Base):
    """One thing that was done about an event. Never changed, never removed."""

    __tablename__ = "critical_step"
    __table_args__ = (Index("ix_critical_step_recipient", "recipient_person_id", "action"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("critical_event.id"), index=True)
    action: Mapped[CriticalAction]
    at: Mapped[datetime]
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))  # None: the gateway itself
    channel: Mapped[Channel] = mapped_column(default=Channel.SYSTEM)
    recipient: Mapped[str] = mapped_column(default="")
    recipient_person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)

    event: Mapped[CriticalEvent] = relationship(back_populates="steps")
    person: Mapped[Person | None] = relationship(foreign_keys=[person_id])


class StepImmutable(Exception):
    """A step was about to be changed or removed: a fault in our own code."""


@event.listens_for(CriticalStep, "before_update")
@event.listens_for(CriticalStep, "before_delete")
def _refuse_change(_mapper: Mapper[CriticalStep], _connection: Connection, step: CriticalStep) -> None:
    raise StepImmutable(step.id)


def open_events(session: Session, findings: Sequence[Finding], *, now: datetime) -> None:
    """What was found in one source is one event, however often it is looked at."""
    if not findings:
        return
    sources = {one.source_id for one in findings}
    known = set(session.scalars(select(CriticalEvent.source_id).where(CriticalEvent.source_id.in_(sources))))
    for one in findings:
        if one.source_id not in known:
            known.add(one.source_id)
            session.add(CriticalEvent.open(one, now))
    session.flush()


def open_event(session: Session, finding: Finding, *, now: datetime) -> CriticalEvent:
    """The event of one source, opened now if there is none."""
    open_events(session, [finding], now=now)
    return session.scalars(select(CriticalEvent).where(CriticalEvent.source_id == finding.source_id)).one()


def withdraw(session: Session, source_ids: Collection[uuid.UUID], *, now: datetime) -> None:
    """What these said was wrong, or was nobody's."""
    if not source_ids:
        return
    for found in session.scalars(select(CriticalEvent).where(CriticalEvent.source_id.in_(source_ids))):
        if found.is_open:
            found.withdraw(None, "corrected", now)


def exhausted_events(session: Session) -> list[CriticalEvent]:
    """Those that are open and that nobody is left to be called about, the longest waiting first."""
    found = (
        select(CriticalEvent)
        .where(CriticalEvent.state.in_(OPEN), CriticalEvent.due_at.is_(None))
        .where(CriticalEvent.steps.any(CriticalStep.action == CriticalAction.EXHAUSTED))
        .order_by(CriticalEvent.found_at)
    )
    return [event for event in session.scalars(found) if event.is_exhausted]


def chain_of(session: Session, institution: Institution) -> list[CriticalContact]:
    """Who is called one after the other: the institution's own, then those of its lead hospital."""
    ids = [one for one in (institution.id, institution.lead_id) if one is not None]
    rows = session.scalars(
        select(CriticalContact)
        .where(CriticalContact.institution_id.in_(ids))
        .order_by(CriticalContact.position, CriticalContact.id)
    ).all()
    return sorted(rows, key=lambda row: ids.index(row.institution_id))


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def _said(*, note: str) -> dict[str, str]:
    return {"note": note.strip()} if note.strip() else {}
