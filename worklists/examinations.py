"""Examinations: what a township made of one patient, from its first arrived object to its last."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.accession import Backwards, Folded, WithoutLetters
from worklists.base import Base, UtcDateTime, new_id, only_where
from worklists.directory import Device, Institution, Kind, Person
from worklists.errors import Invalid, NotFound
from worklists.names import display_name
from worklists.patients import (
    Patient,
    PatientIdentity,
    choose_or_create,
    contradictions,
    create,
    find,
    get_or_create,
    rewrite,
    says,
)


class Priority(StrEnum):
    """How urgent an examination is, as it is read: chest pain, critical (危急), urgent (急), routine (平)."""

    ROUTINE = "routine"
    URGENT = "urgent"
    CRITICAL = "critical"
    CHEST_PAIN = "chest_pain"

    @property
    def rank(self) -> int:
        """Lower is read first."""
        return _RANKS[self]


_RANKS = {Priority.CHEST_PAIN: 0, Priority.CRITICAL: 1, Priority.URGENT: 2, Priority.ROUTINE: 3}


class Examination(Base):
    """One examination of one patient at one institution; an imaging one is one study (PS3.3 §A.1.2)."""

    __tablename__ = "examination"
    __table_args__ = (
        UniqueConstraint("study_instance_uid"),
        Index("ix_examination_sent", "institution_id", "received_at"),
        Index("ix_examination_patient", "patient_id", "institution_id", "id"),
        Index(
            "ix_examination_incomplete",
            "institution_id",
            **only_where("expected_instances IS NOT NULL AND instances < expected_instances"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    kind: Mapped[Kind]
    study_instance_uid: Mapped[str | None]
    accession_number: Mapped[str] = mapped_column(default="", index=True)
    modality: Mapped[str] = mapped_column(default="")
    body_part: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(default="")
    procedure_code: Mapped[str] = mapped_column(default="")
    studied_at: Mapped[datetime | None]
    clinical_information: Mapped[str] = mapped_column(default="")
    priority: Mapped[Priority] = mapped_column(default=Priority.ROUTINE)
    village_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"))
    received_at: Mapped[datetime]
    last_received_at: Mapped[datetime]
    instances: Mapped[int] = mapped_column(default=0)
    expected_instances: Mapped[int | None]
    complete: Mapped[bool] = mapped_column(default=False)
    completed_at: Mapped[datetime | None]
    patient_as_received: Mapped[dict[str, Any]] = mapped_column(default=dict)

    institution: Mapped[Institution] = relationship(foreign_keys=[institution_id])
    village: Mapped[Institution | None] = relationship(foreign_keys=[village_id])
    patient: Mapped[Patient] = relationship(lazy="joined")
    device: Mapped[Device | None] = relationship()

    def note_arrival(self, *, instances: int, received_at: datetime) -> None:
        """More of it arrived; whether it is whole must be judged again."""
        self.instances += instances
        self.last_received_at = max(self.last_received_at, received_at)
        self.complete = False

    def mark_complete(self, now: datetime) -> None:
        self.complete = True
        self.completed_at = now


for _name, _form in (("begins", Folded), ("digits", WithoutLetters), ("ends", Backwards)):
    Index(f"ix_examination_number_{_name}", _form(Examination.accession_number))


class ExaminationAlias(Base):
    """An id minted at the door for a file that turned out to belong to an examination already known."""

    __tablename__ = "examination_alias"

    alias: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)


class Association(Base):
    """One conversation of a device with us, as the journal told it; completeness is judged by its end."""

    __tablename__ = "association"

    id: Mapped[str] = mapped_column(primary_key=True)
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"), index=True)
    peer_address: Mapped[str] = mapped_column(default="")
    calling_ae_title: Mapped[str] = mapped_column(default="")
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    how: Mapped[str] = mapped_column(default="")
    stored: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)


class ExaminationAssociation(Base):
    """Which associations carried objects of an examination."""

    __tablename__ = "examination_association"

    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), primary_key=True)
    association_id: Mapped[str] = mapped_column(primary_key=True, index=True)


class IdentityChange(Base):
    """A person corrected who the patient is. Rows are never changed; the device's own statement stays."""

    __tablename__ = "identity_change"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    changed_at: Mapped[datetime]
    reason: Mapped[str]
    before: Mapped[dict[str, Any]]
    after: Mapped[dict[str, Any]]

    person: Mapped[Person] = relationship()


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Objects of one study that arrived together, in the worklists' words."""

    examination_id: uuid.UUID
    institution_id: uuid.UUID
    device_id: uuid.UUID | None
    kind: Kind
    study_instance_uid: str | None
    patient: PatientIdentity
    accession_number: str
    modality: str
    body_part: str
    description: str
    procedure_code: str
    studied_at: datetime | None
    instances: int
    expected_instances: int | None
    first_received_at: datetime
    last_received_at: datetime
    association_ids: frozenset[str]


def note_arrivals(session: Session, arrived: Sequence[tuple[Arrival, Examination]]) -> None:
    """Record that more objects of examinations arrived."""
    for arrival, examination in arrived:
        examination.note_arrival(instances=arrival.instances, received_at=arrival.last_received_at)
        for name in ("accession_number", "body_part", "description", "procedure_code", "studied_at"):
            if not getattr(examination, name):
                setattr(examination, name, getattr(arrival, name))
        examination.modality = _joined_modalities(examination.modality, arrival.modality)
        if arrival.expected_instances:
            examination.expected_instances = max(
                examination.expected_instances or 0, arrival.expected_instances
            )
    session.flush()
    _link_associations(
        session,
        [(examination.id, one) for arrival, examination in arrived for one in arrival.association_ids],
    )


def settle_times(
    session: Session,
    found: Sequence[Examination],
    *,
    quiet_period: timedelta,
    unreleased_quiet_period: timedelta,
) -> dict[uuid.UUID, datetime]:
    """When nothing more is to be expected, in receive time: a quiet period after the last release, a longer one otherwise.

    An electrocardiogram is one object: it is whole when the conversation that brought it has ended.
    """
    link = ExaminationAssociation
    released = case((Association.how == "released", Association.closed_at))
    rows = session.execute(
        select(
            link.examination_id, func.count(), func.count(released), func.max(released, type_=UtcDateTime())
        )
        .outerjoin(Association, Association.id == link.association_id)
        .where(link.examination_id.in_([examination.id for examination in found]))
        .group_by(link.examination_id)
    )
    carried = {examination_id: counts for examination_id, *counts in rows}
    times = {}
    for examination in found:
        linked, ended, last_release = carried.get(examination.id, (0, 0, None))
        last = examination.last_received_at
        if linked > ended:
            times[examination.id] = last + unreleased_quiet_period
        else:
            quiet = timedelta(0) if examination.kind is Kind.ECG else quiet_period
            times[examination.id] = max(last, last_release or last) + quiet
    return times


def is_whole(examination: Examination) -> bool:
    """A stated total was reached."""
    return (
        examination.expected_instances is not None and examination.instances >= examination.expected_instances
    )


def find_by_study(session: Session, study_instance_uid: str) -> Examination | None:
    return session.scalars(
        select(Examination).where(Examination.study_instance_uid == study_instance_uid)
    ).first()


def get_examination(session: Session, examination_id: uuid.UUID) -> Examination:
    """By its id or an alias minted at the door. Raises NotFound."""
    examination = session.get(Examination, examination_id)
    if examination is None:
        alias = session.get(ExaminationAlias, examination_id)
        examination = session.get(Examination, alias.examination_id) if alias else None
    if examination is None:
        raise NotFound("examination")
    return examination


def is_taken(session: Session, examination_id: uuid.UUID) -> bool:
    """The id leads to an examination already."""
    return any(session.get(row, examination_id) is not None for row in (Examination, ExaminationAlias))


def add_alias(session: Session, alias: uuid.UUID, examination: Examination) -> None:
    """An id minted at the door leads to the examination that the file joined; to the first, when it is of two."""
    if not is_taken(session, alias):
        session.add(ExaminationAlias(alias=alias, examination_id=examination.id))
        session.flush()


def correct_identity(
    session: Session,
    examination: Examination,
    *,
    identity: PatientIdentity,
    reason: str,
    person: Person,
    now: datetime,
) -> IdentityChange:
    """Say who the patient really is. The device's statement and every earlier correction stay readable.

    Of this examination only: what others of the same patient row say stays as it is.
    """
    if not reason.strip():
        raise Invalid("reason")
    if not identity.name.strip("^= "):
        raise Invalid("name")
    session.refresh(examination.patient, with_for_update=True)  # nobody joins the row meanwhile
    before = examination.patient.identity
    examination.patient = _patient_said(session, examination, identity)
    change = IdentityChange(
        id=new_id(),
        examination_id=examination.id,
        person_id=person.id,
        changed_at=now,
        reason=reason.strip(),
        before=before.as_json(),
        after=examination.patient.identity.as_json(),
    )
    session.add(change)
    return change


def _patient_said(session: Session, examination: Examination, said: PatientIdentity) -> Patient:
    """The row that says this: this one, another that does, this one rewritten if nobody shares it, or a new one."""
    current = examination.patient
    if display_name(said.name) == current.display_name:
        said = replace(said, name=current.name)  # people are shown, and type, one spelling of several
    if says(current, said):
        return current
    for patient in find(session, examination.institution_id, said.patient_id):
        # Under another number an empty field says nothing; under the same one it was emptied by a person.
        if says(patient, said, silence_agrees=said.patient_id != current.patient_id):
            return patient
    same_person = said.patient_id == current.patient_id and not contradictions(current.identity, said)
    if same_person and not _is_shared(session, examination):
        rewrite(current, said)
        return current
    if same_person:
        said = replace(
            said,
            national_id=said.national_id or current.national_id,
            issuer=said.issuer or current.issuer,
            phone=said.phone or current.phone,
        )
    return create(session, examination.institution_id, said)


def _is_shared(session: Session, examination: Examination) -> bool:
    """Other examinations say of their patient what this row says."""
    others = select(Examination.id).where(
        Examination.patient_id == examination.patient_id, Examination.id != examination.id
    )
    return session.scalars(others.limit(1)).first() is not None


def age_text(birth_date: date | None, on: date) -> str | None:
    """An age as Chinese reports print it: 3天, 5月, 47岁."""
    if birth_date is None or birth_date > on:
        return None
    months = (on.year - birth_date.year) * 12 + on.month - birth_date.month - (on.day < birth_date.day)
    if months >= 36:
        return f"{months // 12}岁"
    days = (on - birth_date).days
    return f"{days}天" if days < 60 else f"{months}月"


def begin(session: Session, arrival: Arrival, issued: list[Patient] | None = None) -> Examination:
    """A new examination of which nothing is counted yet; `note_arrivals` follows.

    `issued`: everybody whom the issuer calls by the arrival's number, if that was asked before; a new patient is
    added to them.
    """
    patient = (
        get_or_create(session, arrival.institution_id, arrival.patient)
        if issued is None
        else choose_or_create(session, arrival.institution_id, arrival.patient, issued)
    )
    examination = Examination(
        id=arrival.examination_id,
        institution_id=arrival.institution_id,
        patient=patient,
        device_id=arrival.device_id,
        kind=arrival.kind,
        study_instance_uid=arrival.study_instance_uid,
        accession_number="",
        body_part="",
        description="",
        procedure_code="",
        modality="",
        priority=Priority.ROUTINE,
        instances=0,
        complete=False,
        received_at=arrival.first_received_at,
        last_received_at=arrival.last_received_at,
        patient_as_received=arrival.patient.as_json(),
    )
    session.add(examination)
    return examination


def _joined_modalities(known: str, arrived: str) -> str:
    return "\\".join(sorted({part for text in (known, arrived) for part in text.split("\\") if part}))


def _link_associations(session: Session, links: Sequence[tuple[uuid.UUID, str]]) -> None:
    if links:
        dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
        session.execute(
            dialect.insert(ExaminationAssociation).on_conflict_do_nothing(),
            [{"examination_id": examination, "association_id": one} for examination, one in sorted(links)],
        )
