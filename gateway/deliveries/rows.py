"""Where reports are sent besides the inboxes, what is to be sent there, and every attempt that was made."""

import uuid
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, UniqueConstraint, event, inspect
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.directory import Institution
from worklists.errors import Conflict
from worklists.reports import Report

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=5), timedelta(minutes=30)
GIVE_UP_AFTER = timedelta(days=7)  # a township may be closed over the Spring Festival
ANSWER_CHARACTERS = 500


class EndpointWire(StrEnum):
    """How an endpoint is spoken to."""

    HL7_ORU = "hl7_oru"
    HL7_MDM = "hl7_mdm"
    DICOM_PDF = "dicom_pdf"
    DICOM_SR = "dicom_sr"
    FHIR = "fhir"
    WEBHOOK = "webhook"
    MAIL = "mail"


class DeliveryEvent(StrEnum):
    """What the peer is told."""

    REPORT = "report"
    VOID = "void"  # the report that it was sent does not count


class DeliveryState(StrEnum):
    PENDING = "pending"
    SENT = "sent"  # the peer said so
    REFUSED = "refused"  # the peer will not take this one: a person must look
    GAVE_UP = "gave_up"
    SKIPPED = "skipped"  # overtaken by a later version before it went


class AttemptOutcome(StrEnum):
    """How one attempt went. None in its row: whoever made it died before the answer was noted."""

    SENT = "sent"
    REFUSED = "refused"
    BUSY = "busy"
    UNREACHABLE = "unreachable"


def retry_after(failures: int, asked: timedelta | None = None) -> timedelta:
    """Later and later; not before the peer wants to be asked again."""
    doubled: int = 2 ** min(max(failures - 1, 0), 16)
    return max(min(FIRST_RETRY * doubled, LONGEST_RETRY), asked or timedelta())


class Endpoint(Base):
    """A system of an institution that gets the reports which the institution gets, or signs."""

    __tablename__ = "endpoint"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), index=True)
    name: Mapped[str]
    wire: Mapped[EndpointWire]
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    secret: Mapped[bytes | None] = mapped_column(LargeBinary)  # sealed
    client_key: Mapped[bytes | None] = mapped_column(LargeBinary)  # of `settings.certificate_pem`, sealed
    kinds: Mapped[list[Any]] = mapped_column(default=list)  # empty: of every kind
    enabled: Mapped[bool] = mapped_column(default=True)
    made_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)  # in a row, of the endpoint as a whole
    failing_since: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]  # before that nothing is sent there
    last_answer: Mapped[str] = mapped_column(default="")
    last_cause: Mapped[str] = mapped_column(default="")  # of `causes`; "": its own words are all there is
    last_sent_at: Mapped[datetime | None]

    institution: Mapped[Institution] = relationship(lazy="joined")

    @property
    def has_secret(self) -> bool:
        return self.secret is not None

    @property
    def has_client_key(self) -> bool:
        return self.client_key is not None

    def answered(self) -> None:
        """It is there."""
        self.failures, self.failing_since, self.retry_at = 0, None, None

    def failed(self, answer: str, now: datetime, asked: timedelta | None = None, cause: str = "") -> None:
        """It is not there, or takes nothing from us: everything for it waits."""
        self.failures += 1
        self.failing_since = self.failing_since or now
        self.retry_at = now + retry_after(self.failures, asked)
        self.last_answer, self.last_cause = answer[:ANSWER_CHARACTERS], cause


class Delivery(Base):
    """One report, or its withdrawal, on its way to one endpoint."""

    __tablename__ = "delivery"
    __table_args__ = (
        UniqueConstraint("report_id", "endpoint_id", "event"),
        Index("ix_delivery_due", "endpoint_id", "next_at", **only_where("state = 'pending'")),
        Index("ix_delivery_state", "state", "id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    report_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("report.id"))
    endpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("endpoint.id"))
    event: Mapped[DeliveryEvent] = mapped_column(default=DeliveryEvent.REPORT)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)  # since it was asked for
    queued_at: Mapped[datetime]
    asked_at: Mapped[datetime]  # when it was queued, or a person asked for it again
    next_at: Mapped[datetime]
    answer: Mapped[str] = mapped_column(default="")
    cause: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[datetime | None]

    report: Mapped[Report] = relationship()
    endpoint: Mapped[Endpoint] = relationship()

    def begin(self, now: datetime) -> "DeliveryAttempt":
        """An attempt that is about to be made."""
        self.attempts += 1
        return DeliveryAttempt(id=new_id(), delivery_id=self.id, number=self.attempts, begun_at=now)

    def note(
        self,
        outcome: AttemptOutcome,
        answer: str,
        now: datetime,
        asked: timedelta | None = None,
        cause: str = "",
    ) -> None:
        """How the attempt went; `asked`: for how long the peer wants to be left alone."""
        self.answer, self.cause = answer[:ANSWER_CHARACTERS], cause
        if outcome is AttemptOutcome.SENT:
            self.state, self.sent_at, self.failures = DeliveryState.SENT, now, 0
        elif outcome is AttemptOutcome.REFUSED:
            self.state = DeliveryState.REFUSED
        else:
            self.failures += 1
            self.next_at = now + retry_after(self.failures, asked)
            if now - self.asked_at > GIVE_UP_AFTER:
                self.state = DeliveryState.GAVE_UP

    def skip(self) -> None:
        self.state = DeliveryState.SKIPPED

    def ask_again(self, now: datetime) -> None:
        """A person wants it sent, again perhaps: with the same identifiers. Raises Conflict for one that waits."""
        if self.state is DeliveryState.PENDING and self.next_at <= now:
            raise Conflict("delivery")
        self.state, self.failures = DeliveryState.PENDING, 0
        self.asked_at = self.next_at = now


class DeliveryAttempt(Base):
    """One attempt: written before anything is sent, its end noted once, and nothing else ever changed."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (UniqueConstraint("delivery_id", "number"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    delivery_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("delivery.id"))
    number: Mapped[int]
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[AttemptOutcome | None]
    answer: Mapped[str] = mapped_column(default="")
    cause: Mapped[str] = mapped_column(default="")

    def end(self, outcome: AttemptOutcome, answer: str, now: datetime, cause: str = "") -> None:
        self.outcome, self.ended_at = outcome, now
        self.answer, self.cause = answer[:ANSWER_CHARACTERS], cause


class AttemptImmutable(Exception):
    """An attempt that has ended was about to be changed: a fault in our own code."""


@event.listens_for(DeliveryAttempt, "before_update")
def _refuse_change(_mapper: Mapper[DeliveryAttempt], _connection: object, attempt: DeliveryAttempt) -> None:
    before = inspect(attempt).attrs["ended_at"].history.deleted
    if not before or before[0] is not None:
        raise AttemptImmutable(attempt.id)


@event.listens_for(DeliveryAttempt, "before_delete")
def _refuse_deletion(_mapper: Mapper[DeliveryAttempt], _connection: object, attempt: DeliveryAttempt) -> None:
    raise AttemptImmutable(attempt.id)
