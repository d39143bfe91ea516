"""Specimens: what was taken from whom, which tests are wanted of it, and where it is.

A specimen and its order are one row: an order of several tubes is several rows with one `order_number`.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship
from sqlalchemy.orm.attributes import set_committed_value

from worklists.base import Base, new_id, only_where
from worklists.directory import Institution, Person
from worklists.errors import Conflict, Invalid
from worklists.examinations import Examination, Priority
from worklists.patients import Patient


class SpecimenState(StrEnum):
    REGISTERED = "registered"  # ordered, taken or about to be
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"  # where it is tested
    REJECTED = "rejected"  # cannot be tested: a new one is asked for
    CANCELLED = "cancelled"


_BEFORE_RECEIPT = (SpecimenState.REGISTERED, SpecimenState.IN_TRANSIT)


class SpecimenSource(StrEnum):
    PAGE = "page"
    ORDER = "order"  # by HL7
    ANALYSER = "analyser"  # tested without an order; the analyser said whose it is


class SpecimenStateForbids(Conflict):
    """Where the specimen is, or what became of it, does not allow that."""

    def __init__(self, specimen: "LabSpecimen"):
        super().__init__(specimen.state)
        in_work = specimen.examination_id is not None and specimen.state in _BEFORE_RECEIPT
        self.barcode = specimen.barcode
        self.state = "specimen_in_work" if in_work else f"specimen_{specimen.state.value}"


class LabSpecimen(Base):
    """One tube. Each of its transitions adds a step: what, when, by whom."""

    __tablename__ = "lab_specimen"
    __table_args__ = (
        UniqueConstraint("institution_id", "barcode"),
        Index("ix_lab_specimen_barcode", "barcode"),
        Index("ix_lab_specimen_order", "institution_id", "order_number"),
        Index("ix_lab_specimen_state", "institution_id", "state", "registered_at"),
        Index("ix_lab_specimen_registered", "registered_at"),
        Index("ix_lab_specimen_on_the_way", "sent_at", **only_where("state = 'in_transit'")),
        Index("ix_lab_specimen_replaces", "replaces_id", **only_where("replaces_id IS NOT NULL")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))  # that took it
    barcode: Mapped[str]
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"), index=True)
    examination_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("examination.id"), unique=True)
    state: Mapped[SpecimenState] = mapped_column(default=SpecimenState.REGISTERED)
    source: Mapped[SpecimenSource] = mapped_column(default=SpecimenSource.PAGE)
    kind: Mapped[str] = mapped_column(default="")  # 全血, 血清, 尿…
    panels: Mapped[list[Any]] = mapped_column(default=list)  # codes, as ordered
    items: Mapped[list[Any]] = mapped_column(default=list)  # codes of every item that is wanted
    unknown_tests: Mapped[list[Any]] = mapped_column(default=list)  # ordered by HL7, in no dictionary
    order_number: Mapped[str] = mapped_column(default="")
    priority: Mapped[Priority] = mapped_column(default=Priority.ROUTINE)
    clinical_information: Mapped[str] = mapped_column(default="")
    requester: Mapped[str] = mapped_column(default="")
    department: Mapped[str] = mapped_column(default="")
    bed: Mapped[str] = mapped_column(default="")
    collected_at: Mapped[datetime | None]
    registered_at: Mapped[datetime]
    registered_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    transport_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("lab_transport.id"), index=True)
    sent_at: Mapped[datetime | None]
    received_at: Mapped[datetime | None]
    received_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str] = mapped_column(default="")  # of a rejection or cancellation
    replaces_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("lab_specimen.id"))  # a rejected one
    steps: Mapped[list[Any]] = mapped_column(
        default=list
    )  # [{"step", "at", "by", "detail"}], the first first
    version: Mapped[int] = mapped_column()

    institution: Mapped[Institution] = relationship()
    patient: Mapped[Patient] = relationship(lazy="joined")
    examination: Mapped[Examination | None] = relationship()
    transport: Mapped["LabTransport | None"] = relationship(back_populates="specimens")
    registered_by: Mapped[Person | None] = relationship(foreign_keys=[registered_by_id])
    received_by: Mapped[Person | None] = relationship(foreign_keys=[received_by_id])

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 (SQLAlchemy reads it from the class)

    def send(self, transport: "LabTransport", person: Person, now: datetime) -> None:
        self._require(SpecimenState.REGISTERED)
        self.state, self.transport, self.sent_at = SpecimenState.IN_TRANSIT, transport, now
        self.note_step("sent", person, now, transport.number)

    def take_back(self, person: Person, now: datetime) -> None:
        """It was found where it was taken: it is not on its way after all."""
        self._require(SpecimenState.IN_TRANSIT)
        self.state, self.transport, self.sent_at = SpecimenState.REGISTERED, None, None
        self.note_step("taken_back", person, now)

    def receive(self, person: Person, now: datetime) -> None:
        """Where it is tested; also one that somebody carried there without a transport."""
        self._require(*_BEFORE_RECEIPT)
        self.state, self.received_at, self.received_by = SpecimenState.RECEIVED, now, person
        self.note_step("received", person, now)

    def note_tested(self, device: str, tested_at: datetime, now: datetime) -> None:
        """An analyser reported on it: wherever it was thought to be, it stood on that bench.

        It was there when it was tested, however late the result came; a clock that says it was tested before it was
        taken, or after now, is not believed.
        """
        if self.state in _BEFORE_RECEIPT:
            believed = tested_at <= now and not (self.collected_at and tested_at < self.collected_at)
            self.state, self.received_at = SpecimenState.RECEIVED, tested_at if believed else now
            self.steps = [
                *(self.steps or []),
                {"step": "tested", "at": now.isoformat(), "by": device, "detail": ""},
            ]

    def reject(self, person: Person, reason: str, now: datetime) -> None:
        """It cannot be tested; whoever took it is asked for another one."""
        self._require(*_BEFORE_RECEIPT, SpecimenState.RECEIVED)
        self.state, self.reason = SpecimenState.REJECTED, _stated(reason)
        self.note_step("rejected", person, now, self.reason)

    def cancel(self, person: Person, reason: str, now: datetime) -> None:
        """Not wanted any more: before it is received, or instead of another one for a rejected one."""
        self._require(*_BEFORE_RECEIPT, SpecimenState.REJECTED)
        if self.examination_id is not None and self.state is not SpecimenState.REJECTED:
            raise SpecimenStateForbids(self)  # the township's own bench has tested it
        self.state, self.reason = SpecimenState.CANCELLED, _stated(reason)
        self.note_step("cancelled", person, now, self.reason)

    def note_step(self, step: str, person: Person, now: datetime, detail: str = "") -> None:
        one = {"step": step, "at": now.isoformat(), "by": person.name, "detail": detail}
        self.steps = [*(self.steps or []), one]

    def _require(self, *states: SpecimenState) -> None:
        if self.state not in states:
            raise SpecimenStateForbids(self)


class LabTransport(Base):
    """Specimens on their way to the county together."""

    __tablename__ = "lab_transport"
    __table_args__ = (Index("ix_lab_transport_sent", "institution_id", "sent_at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    number: Mapped[str] = mapped_column(unique=True)
    courier: Mapped[str] = mapped_column(default="")
    sent_at: Mapped[datetime]
    sent_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    expected_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")

    institution: Mapped[Institution] = relationship()
    sent_by: Mapped[Person] = relationship()
    specimens: Mapped[list[LabSpecimen]] = relationship(back_populates="transport")


def find_by_barcodes(session: Session, barcodes: Collection[str]) -> dict[str, list[LabSpecimen]]:
    """Of whatever institution; which of them a bench may have in hand is asked with `for_bench`."""
    found: dict[str, list[LabSpecimen]] = {barcode: [] for barcode in barcodes}
    rows = session.scalars(
        select(LabSpecimen)
        .where(LabSpecimen.barcode.in_(barcodes))
        .options(joinedload(LabSpecimen.institution), joinedload(LabSpecimen.examination))
        .order_by(LabSpecimen.id)
    )
    for row in rows:
        found[row.barcode].append(row)
    return found


def for_bench(specimens: Sequence[LabSpecimen], institution_id: uuid.UUID) -> list[LabSpecimen]:
    """Those of one barcode that a bench of this institution may have in hand.

    Those that the institution took itself, and those of the members that it leads which were sent or have come there;
    where neither is, whatever the members have.
    """
    own = [one for one in specimens if one.institution_id == institution_id]
    members = [one for one in specimens if one.institution.lead_id == institution_id]
    come = [one for one in members if one.sent_at or one.received_by_id] if own else []
    return own + come if own else members


def find_for_bench(session: Session, institution_id: uuid.UUID, barcode: str) -> list[LabSpecimen]:
    return for_bench(find_by_barcodes(session, [barcode])[barcode], institution_id)


def make_from_analyser(session: Session, barcode: str, patient: Patient, *, now: datetime) -> LabSpecimen:
    """A specimen that nobody ordered, of a patient whom the analyser's operator entered. Whole before it is written:
    what comes behind it in a batch finds it as it is."""
    specimen = LabSpecimen(
        id=new_id(),
        institution_id=patient.institution_id,
        institution=session.get_one(Institution, patient.institution_id),
        barcode=barcode,
        patient=patient,
        state=SpecimenState.RECEIVED,
        source=SpecimenSource.ANALYSER,
        panels=[],
        items=[],
        unknown_tests=[],
        priority=Priority.ROUTINE,
        clinical_information="",
        registered_at=now,
        received_at=now,
    )
    session.add(specimen)
    return specimen


_WRITTEN_BY_FILING = ("examination_id", "state", "received_at", "steps")


def note_as_written(specimen: LabSpecimen) -> dict[str, Any]:
    """What filing changed of it, for `bulk.update_versions`: the session does not write it any more."""
    written = {name: getattr(specimen, name) for name in _WRITTEN_BY_FILING}
    row = {**written, "id": specimen.id, "version": specimen.version}
    for name, value in (*written.items(), ("version", specimen.version + 1)):
        set_committed_value(specimen, name, value)
    set_committed_value(specimen, "examination", specimen.examination)
    return row


def _stated(reason: str) -> str:
    if not reason.strip():
        raise Invalid("reason", "required")
    return reason.strip()
