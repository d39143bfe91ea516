"""Patients as their institution knows them: an id is qualified by its issuer, and nobody is merged by likeness."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Institution
from worklists.names import display_name, names_contradict, pinyin_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientIdentity:
    """Who somebody is said to be: by a device, or by the person who corrected it.

    `name` is in the DICOM PN form: alphabetic=ideographic=phonetic, family^given (PS3.5 §6.2.1).
    """

    patient_id: str
    name: str
    sex: str | None
    birth_date: date | None
    national_id: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "patient_id": self.patient_id,
            "name": self.name,
            "sex": self.sex,
            "birth_date": self.birth_date.isoformat() if self.birth_date else None,
        }


class Patient(Base):
    """One person under one issuer's number. The same number with a contradicting identity is another row."""

    __tablename__ = "patient"
    __table_args__ = (Index("ix_patient_issuer", "patient_id", "institution_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    patient_id: Mapped[str]
    name: Mapped[str]
    sex: Mapped[str | None]
    birth_date: Mapped[date | None]
    national_id: Mapped[str | None]
    search_text: Mapped[str] = mapped_column(default="")

    institution: Mapped[Institution] = relationship()

    @property
    def display_name(self) -> str:
        return display_name(self.name)

    @property
    def identity(self) -> PatientIdentity:
        return PatientIdentity(
            patient_id=self.patient_id,
            name=self.name,
            sex=self.sex,
            birth_date=self.birth_date,
            national_id=self.national_id,
        )


def contradictions(known: PatientIdentity, claimed: PatientIdentity) -> tuple[str, ...]:
    """Which of name, sex and birth date cannot both be true of one person. Absent values contradict nothing."""
    found = []
    if known.birth_date and claimed.birth_date and known.birth_date != claimed.birth_date:
        found.append("birth_date")
    if known.sex in {"M", "F"} and claimed.sex in {"M", "F"} and known.sex != claimed.sex:
        found.append("sex")
    if names_contradict(known.name, claimed.name):
        found.append("name")
    return tuple(found)


def get_or_create(session: Session, institution_id: uuid.UUID, identity: PatientIdentity) -> Patient:
    """The patient of this issuer whom the identity does not contradict, or a new one."""
    issued = find(session, institution_id, identity.patient_id)
    return choose_or_create(session, institution_id, identity, issued)


def choose_or_create(
    session: Session, institution_id: uuid.UUID, identity: PatientIdentity, issued: list[Patient]
) -> Patient:
    """The one whom the identity does not contradict of those who have this number, or a new one, added to them.

    Without a patient id nobody can be known again: always a new row.
    """
    for patient in issued if identity.patient_id else ():
        if not contradictions(patient.identity, identity):
            _complete(patient, identity)
            return patient
    issued.append(create(session, institution_id, identity))
    return issued[-1]


def find_all(session: Session, keys: Iterable[tuple[uuid.UUID, str]]) -> list[Patient]:
    """Everybody whom one of these issuers calls by its number."""
    if not (wanted := set(keys)):
        return []
    issuers, numbers = {key[0] for key in wanted}, {key[1] for key in wanted}
    found = session.scalars(
        select(Patient)
        .where(Patient.institution_id.in_(issuers), Patient.patient_id.in_(numbers))
        .order_by(Patient.id)
    )
    return [patient for patient in found if (patient.institution_id, patient.patient_id) in wanted]


def find(session: Session, institution_id: uuid.UUID, patient_id: str) -> list[Patient]:
    """Everybody whom this issuer calls by this number; more than one means a conflict that a person settled."""
    if not patient_id:
        return []
    return list(
        session.scalars(
            select(Patient)
            .where(Patient.institution_id == institution_id, Patient.patient_id == patient_id)
            .order_by(Patient.id)
        )
    )


def create(session: Session, institution_id: uuid.UUID, identity: PatientIdentity) -> Patient:
    patient = Patient(
        id=new_id(),
        institution_id=institution_id,
        patient_id=identity.patient_id,
        name=identity.name,
        sex=identity.sex,
        birth_date=identity.birth_date,
        national_id=identity.national_id,
        search_text=search_text(identity),
    )
    session.add(patient)
    return patient


def says(patient: Patient, identity: PatientIdentity, *, silence_agrees: bool = False) -> bool:
    """A patient's row says the same; `silence_agrees`: what the identity leaves empty may be known."""
    if patient.patient_id != identity.patient_id:
        return False
    if display_name(identity.name) != patient.display_name:
        return False
    return all(
        claimed == known or (silence_agrees and claimed is None)
        for claimed, known in ((identity.sex, patient.sex), (identity.birth_date, patient.birth_date))
    )


def rewrite(patient: Patient, identity: PatientIdentity) -> None:
    """Say better who somebody is whom the identity does not contradict, and of whom no other examination speaks."""
    patient.name, patient.sex, patient.birth_date = identity.name, identity.sex, identity.birth_date
    patient.national_id = identity.national_id or patient.national_id
    patient.search_text = search_text(patient.identity)


def search_text(identity: PatientIdentity) -> str:
    """What a reader may type to find somebody: name, pinyin, initials, number. Lower case, blank-separated."""
    shown = display_name(identity.name)
    syllables = pinyin_of(shown)
    initials = "".join(syllable[0] for syllable in syllables)
    latin = identity.name.split("=")[0].replace("^", " ")
    parts = (shown, "".join(syllables), initials, latin, latin.replace(" ", ""), identity.patient_id)
    return " ".join(dict.fromkeys(part.lower() for part in parts if part))


def _complete(patient: Patient, identity: PatientIdentity) -> None:
    patient.sex = patient.sex or identity.sex
    patient.birth_date = patient.birth_date or identity.birth_date
    patient.national_id = patient.national_id or identity.national_id
    if not patient.name and identity.name:
        patient.name = identity.name
        patient.search_text = search_text(patient.identity)
