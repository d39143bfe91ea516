"""Who there is: the community's institutions, their centres, devices, people, and the agreements between them."""

import uuid
from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id


class InstitutionKind(StrEnum):
    LEAD_HOSPITAL = "lead_hospital"
    TOWNSHIP = "township"
    VILLAGE = "village"


class Kind(StrEnum):
    """What was examined, and so which kind of centre reads it."""

    IMAGING = "imaging"
    ECG = "ecg"
    LABORATORY = "laboratory"
    PATHOLOGY = "pathology"


class Role(StrEnum):
    RADIOGRAPHER = "radiographer"
    VILLAGE = "village"
    READER = "reader"
    REVIEWER = "reviewer"
    IT = "it"
    ADMIN = "admin"
    AUDITOR = "auditor"


class TlsException(StrEnum):
    """What a device is let off, until a day, because it cannot do better."""

    NONE = "none"
    PLAIN = "plain"  # it cannot do TLS
    NO_CERTIFICATE = "no_certificate"  # it cannot present a certificate


class Institution(Base):
    """A separate legal person of the community: a lead hospital, a township health centre, a village clinic."""

    __tablename__ = "institution"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[InstitutionKind]
    lead_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("institution.id"))
    region: Mapped[str] = mapped_column(default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    accept_unknown_devices: Mapped[bool] = mapped_column(default=False)
    phone: Mapped[str] = mapped_column(default="")
    share_reports: Mapped[bool] = mapped_column(default=False)  # each that it gets back has a code at once
    share_days: Mapped[int] = mapped_column(default=30)  # so long a code is good

    lead: Mapped["Institution | None"] = relationship(remote_side=[id])


class Centre(Base):
    """A diagnostic centre of a lead hospital, for one kind of examination."""

    __tablename__ = "centre"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), index=True)
    kind: Mapped[Kind]
    name: Mapped[str]
    review_required: Mapped[bool] = mapped_column(default=True)
    chest_pain_minutes: Mapped[int] = mapped_column(
        default=3
    )  # unclaimed so long, the next on duty is called
    phone: Mapped[str] = mapped_column(default="")  # whom a patient or a village calls about a report
    enabled: Mapped[bool] = mapped_column(default=True)

    institution: Mapped[Institution] = relationship()


class Device(Base):
    """Something in an institution that sends: known by its AE title and, when given, its address and certificates.

    What hands over files (an ECG cart) has an account: the name of its folder and of its FTP user.
    """

    __tablename__ = "device"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), index=True)
    ae_title: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(default="")
    modality: Mapped[str] = mapped_column(default="")
    address: Mapped[str | None]
    character_set: Mapped[str | None]
    certificates: Mapped[list[Any]] = mapped_column(default=list)  # SHA-256 fingerprints or subjects
    tls_exception: Mapped[TlsException] = mapped_column(default=TlsException.NONE)
    tls_exception_reason: Mapped[str] = mapped_column(default="")
    tls_exception_until: Mapped[date | None]  # its last day
    account: Mapped[str | None] = mapped_column(unique=True)
    account_password_hash: Mapped[str | None]  # without one nobody signs in by FTP
    sender: Mapped[str] = mapped_column(
        default=""
    )  # of an analyser: MSH-3, or MSH-3^MSH-4, or the name in H-5
    profile_code: Mapped[str | None] = mapped_column(ForeignKey("analyser_profile.code"))
    without_order: Mapped[bool] = mapped_column(
        default=False
    )  # what it says of the patient makes the specimen
    enabled: Mapped[bool] = mapped_column(default=True)
    last_heard_at: Mapped[datetime | None]
    last_sop_instance_uid: Mapped[str | None]

    institution: Mapped[Institution] = relationship()

    @property
    def has_account_password(self) -> bool:
        return self.account_password_hash is not None


class Person(Base):
    """Somebody who signs in. What they may do hangs on their roles, each at their institution or at a centre."""

    __tablename__ = "person"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), index=True)
    enabled: Mapped[bool] = mapped_column(default=True)

    institution: Mapped[Institution] = relationship()
    roles: Mapped[list["PersonRole"]] = relationship(
        back_populates="person", cascade="all, delete-orphan", lazy="selectin"
    )

    def has_role(self, role: Role, centre_id: uuid.UUID | None = None) -> bool:
        return any(r.role is role and (centre_id is None or r.centre_id == centre_id) for r in self.roles)

    def centre_ids(self, roles: Iterable[Role] = (Role.READER, Role.REVIEWER)) -> frozenset[uuid.UUID]:
        return frozenset(r.centre_id for r in self.roles if r.centre_id is not None and r.role in set(roles))


class PersonRole(Base):
    __tablename__ = "person_role"
    __table_args__ = (UniqueConstraint("person_id", "role", "centre_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), index=True)
    role: Mapped[Role]
    centre_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("centre.id"))

    person: Mapped[Person] = relationship(back_populates="roles")
    centre: Mapped[Centre | None] = relationship(lazy="joined")


class Agreement(Base):
    """A cooperation agreement: without one in force, a member's studies are not routed to the lead's centres."""

    __tablename__ = "agreement"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    lead_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    member_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"), index=True)
    kind: Mapped[Kind | None]
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]


def find_agreement(
    session: Session, *, lead_id: uuid.UUID, member_id: uuid.UUID, kind: Kind, on: date
) -> Agreement | None:
    """The agreement in force between two institutions for a kind of examination on a day, both ends inclusive."""
    return session.scalars(
        select(Agreement)
        .where(Agreement.lead_id == lead_id, Agreement.member_id == member_id)
        .where(or_(Agreement.kind.is_(None), Agreement.kind == kind))
        .where(Agreement.valid_from <= on, or_(Agreement.valid_to.is_(None), Agreement.valid_to >= on))
        .limit(1)
    ).first()
