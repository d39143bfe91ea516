"""Patients as their institution knows them: an id is qualified by its issuer, and nobody is merged by likeness.

Which of them are one person is the question of `patient_index`.
"""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    ForeignKey,
    Index,
    and_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column, relationship, validates

from worklists import name_words
from worklists.base import Base, new_id, only_where
from worklists.directory import Institution
from worklists.name_words import PatientWord
from worklists.names import display_name, has_han, names_contradict, pinyin_of

_FEWEST_DIGITS, _MOBILE_DIGITS = 7, 11
_CARD_TAIL = re.compile(r"[0-9]{3,17}[0-9Xx]")  # as people read it out; shorter ones are everybody's


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
    issuer: str = ""  # what the device names as issuer of the number, within its institution
    phone: str = ""
    proposed_name: str = ""  # how the name reads in the character set that was probably meant

    @property
    def names(self) -> tuple[str, ...]:
        """The name, and how else it may read."""
        return (self.name, self.proposed_name) if self.proposed_name else (self.name,)

    def as_json(self) -> dict[str, Any]:
        return {
            "patient_id": self.patient_id,
            "name": self.name,
            "sex": self.sex,
            "birth_date": self.birth_date.isoformat() if self.birth_date else None,
        }


def _own_id(context: Any) -> uuid.UUID:
    own: uuid.UUID = context.get_current_parameters()["id"]
    return own


class Patient(Base):
    """One person under one issuer's number. The same number with a contradicting identity is another row."""

    __tablename__ = "patient"
    __table_args__ = (
        Index("ix_patient_issuer", "patient_id", "institution_id"),
        Index("ix_patient_institution", "institution_id", "id"),
        Index("ix_patient_birth", "birth_date", "sex"),
        Index("ix_patient_unworded", "id", **only_where("worded_at IS NULL")),
        Index("ix_patient_linked", "master_id", "id", **only_where("master_id <> id")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    patient_id: Mapped[str]
    name: Mapped[str]
    sex: Mapped[str | None]
    birth_date: Mapped[date | None]
    national_id: Mapped[str | None] = mapped_column(index=True)
    search_text: Mapped[str] = mapped_column(default="")
    issuer: Mapped[str] = mapped_column(default="")
    phone: Mapped[str] = mapped_column(default="", index=True)
    proposed_name: Mapped[str] = mapped_column(default="")
    # Rows of one person share it; see `patient_index`. Alone, it is the row's own id.
    master_id: Mapped[uuid.UUID] = mapped_column(index=True, default=_own_id)
    matched_at: Mapped[datetime | None] = mapped_column(
        index=True
    )  # None: the patient index is to look at it

    worded_at: Mapped[datetime | None]  # None: what it is found by is not in `name_words` yet

    institution: Mapped[Institution] = relationship()

    @validates("name", "search_text", "national_id")
    def _is_found_otherwise(self, _key: str, value: str | None) -> str | None:
        self.worded_at = None
        return value

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
            issuer=self.issuer,
            phone=self.phone,
            proposed_name=self.proposed_name,
        )


_UNWORDED = aliased(Patient)  # made once: it takes longer than what it is used in


def contradictions(known: PatientIdentity, claimed: PatientIdentity) -> tuple[str, ...]:
    """Which of name, sex and birth date cannot both be true of one person. Absent values contradict nothing."""
    found = []
    if known.birth_date and claimed.birth_date and known.birth_date != claimed.birth_date:
        found.append("birth_date")
    if known.sex in {"M", "F"} and claimed.sex in {"M", "F"} and known.sex != claimed.sex:
        found.append("sex")
    if all(names_contradict(one, other) for one in known.names for other in claimed.names):
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
        if not same_issuer(patient.issuer, identity.issuer):
            continue
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
    return find_all(session, [(institution_id, patient_id)]) if patient_id else []


def same_issuer(one: str, other: str) -> bool:
    """The institution is the issuer of a number. Where its systems name issuers of their own, two that differ are
    two; who names none may be either."""
    return not one or not other or one == other


def create(session: Session, institution_id: uuid.UUID, identity: PatientIdentity) -> Patient:
    own_id = new_id()
    patient = Patient(
        id=own_id,
        master_id=own_id,
        institution_id=institution_id,
        patient_id=identity.patient_id,
        name=identity.name,
        sex=identity.sex,
        birth_date=identity.birth_date,
        national_id=identity.national_id,
        search_text=search_text(identity),
        issuer=identity.issuer,
        phone=plain_phone(identity.phone),
        proposed_name=identity.proposed_name,
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
    patient.proposed_name = ""
    patient.search_text = search_text(patient.identity)
    patient.matched_at = None


def search_text(identity: PatientIdentity) -> str:
    """What a reader may type to find somebody: name, pinyin, initials, number. Lower case, blank-separated."""
    shown = display_name(identity.name)
    syllables = pinyin_of(shown)
    initials = "".join(syllable[0] for syllable in syllables)
    latin = identity.name.split("=")[0].replace("^", " ")
    parts = (shown, "".join(syllables), initials, latin, latin.replace(" ", ""), identity.patient_id)
    return " ".join(dict.fromkeys(part.lower() for part in parts if part))


def matches(q: str, patient: type[Patient] = Patient) -> list[ColumnElement[bool]]:
    """Predicates over `Patient`: every word typed is in the name, pinyin, initials or number, or ends the card's."""
    return [matches_word(word, patient) for word in q.lower().split()]


def matches_word(word: str, patient: type[Patient] = Patient) -> ColumnElement[bool]:
    found, indexed = is_called(word, patient), indexed_as(word)
    return found if indexed is None else and_(patient.id.in_(indexed), found)


def is_called(word: str, patient: type[Patient]) -> ColumnElement[bool]:
    """The same of one row, without the index."""
    found = patient.search_text.contains(word.lower(), autoescape=True)
    if ends_card(word):
        found = or_(found, patient.national_id.endswith(word.upper()))
    return found


def indexed_as(word: str) -> CompoundSelect[uuid.UUID] | None:
    """Ids that the index answers: at least of all of whom the word is true. None where it would be nearly everybody."""
    if len(word) == 1 and not has_han(word):
        return None
    ends = name_words.begins(word)
    return _indexed(or_(ends, name_words.ends_card(word)) if ends_card(word) else ends)


def ends_card(word: str) -> bool:
    """A word may be the last places of a card."""
    return _CARD_TAIL.fullmatch(word) is not None


def indexed_by_parameters(*, card: bool) -> CompoundSelect[uuid.UUID]:
    """Like `indexed_as`, for a statement that is made once; its parameters are `name_words.asked_words`."""
    return _indexed(name_words.any_between(card=card))


def may_be_called(text: str) -> ColumnElement[bool]:
    """A predicate over `Patient` that the index answers: true at least for all whose name or number the text,
    perhaps with wildcards, can match."""
    word = name_words.longest_word(text)
    return true() if word is None else Patient.id.in_(_indexed(name_words.begins(word)))


def _indexed(ends: ColumnElement[bool]) -> CompoundSelect[uuid.UUID]:
    """Those of the index, and those who are not in it yet."""
    indexed = select(PatientWord.patient_id).where(ends)
    return union_all(indexed, select(_UNWORDED.id).where(_UNWORDED.worded_at.is_(None)))


def plain_phone(text: str) -> str:
    """The digits that identify a line, without +86; nothing for what is too short to."""
    digits = re.sub(r"[^0-9]", "", text)
    digits = digits.removeprefix("0086") if digits.startswith("0086") else digits
    digits = digits[2:] if len(digits) == _MOBILE_DIGITS + 2 and digits.startswith("86") else digits
    return digits if len(digits) >= _FEWEST_DIGITS else ""


def _complete(patient: Patient, identity: PatientIdentity) -> None:
    """What the row left open; and a name that was declared rightly, where the row's own is in doubt."""
    before = patient.identity
    patient.sex = patient.sex or identity.sex
    patient.birth_date = patient.birth_date or identity.birth_date
    patient.national_id = patient.national_id or identity.national_id
    patient.issuer = patient.issuer or identity.issuer
    patient.phone = patient.phone or plain_phone(identity.phone)
    if not patient.name and identity.name:
        patient.name, patient.proposed_name = identity.name, identity.proposed_name
    elif patient.proposed_name and identity.name and not identity.proposed_name:
        patient.name, patient.proposed_name = identity.name, ""
    if patient.identity != before:
        patient.search_text = search_text(patient.identity)
        patient.matched_at = None
