"""Whose specimen is registered: by the identity card, by the township's own number, or by what was asked at the desk.

A person stands there and can be asked. So what contradicts is refused field by field: nobody becomes somebody else,
and no second row is made beside a known one.
"""

import uuid
from dataclasses import replace
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.cards import Card, masked_number, read_card
from worklists.errors import FieldsRefused
from worklists.patients import (
    Patient,
    PatientIdentity,
    choose_or_create,
    contradictions,
    create,
    find,
    matches,
)

MOST_FOUND = 8
_NOT_IN_NAMES = frozenset("=^\\\r\n\t")  # they have a meaning in DICOM and HL7


def find_known(session: Session, institution_id: uuid.UUID, text: str) -> list[Patient]:
    """Patients of the institution by card, number, name or pinyin: what is typed or read into one field."""
    card = read_card(text)
    found = _by_card(session, institution_id, card) if card else []
    found += find(session, institution_id, text)
    if not found and card is None and len(text) > 1:
        query = select(Patient).where(Patient.institution_id == institution_id, *matches(text))
        found = list(session.scalars(query.order_by(Patient.id.desc()).limit(MOST_FOUND)))
    return list({one.id: one for one in found}.values())[:MOST_FOUND]


def identify(session: Session, institution_id: uuid.UUID, stated: PatientIdentity, today: date) -> Patient:
    """The patient of this institution, made when not known. Raises FieldsRefused."""
    card = read_card(stated.national_id, today)
    _require_sound(stated, card, today)
    claimed = stated
    if card is not None:
        claimed = replace(stated, national_id=card.number, sex=card.sex, birth_date=card.birth_date)
    known = _find_one(session, institution_id, claimed, card)
    if known is None:
        number = claimed.patient_id or (card.number if card else "")
        return create(session, institution_id, replace(claimed, patient_id=number))
    number = claimed.patient_id or known.patient_id
    return choose_or_create(session, institution_id, replace(claimed, patient_id=number), [known])


def _require_sound(stated: PatientIdentity, card: Card | None, today: date) -> None:
    reasons: dict[str, str] = {}
    if not stated.name.strip():
        reasons["name"] = "required"
    elif _NOT_IN_NAMES & set(stated.name):
        reasons["name"] = "unusable"
    if stated.national_id and card is None:
        reasons["national_id"] = "card_checksum"
    if stated.birth_date is not None and stated.birth_date > today:
        reasons["birth_date"] = "future"
    if card is not None and stated.sex and stated.sex != card.sex:
        reasons["sex"] = f"card_says_{card.sex}"
    if card is not None and stated.birth_date and stated.birth_date != card.birth_date:
        reasons["birth_date"] = "card_birth_date"
    if not stated.national_id and not stated.patient_id and not (stated.sex and stated.birth_date):
        reasons["national_id"] = "who_is_it"
    if reasons:
        raise FieldsRefused(_of_patient(reasons), card_birth_date=card.birth_date if card else "")


def _find_one(
    session: Session, institution_id: uuid.UUID, claimed: PatientIdentity, card: Card | None
) -> Patient | None:
    numbered = find(session, institution_id, claimed.patient_id)
    borne = _by_card(session, institution_id, card) if card else []
    fitting = [one for one in (*numbered, *borne) if not _differences(one, claimed)]
    if numbered and not any(one in fitting for one in numbered):
        raise _contradicts(numbered[0], claimed)
    if borne and not any(one in fitting for one in borne):
        raise _contradicts(borne[0], claimed)
    if claimed.patient_id:  # a number that is new belongs to a row of its own; the patient index links them
        return next((one for one in fitting if one in numbered), None)
    return next((one for one in fitting if one.patient_id), None)


def _by_card(session: Session, institution_id: uuid.UUID, card: Card) -> list[Patient]:
    return list(
        session.scalars(
            select(Patient)
            .where(Patient.institution_id == institution_id, Patient.national_id == card.number)
            .order_by(Patient.id.desc())
        )
    )


def _differences(known: Patient, claimed: PatientIdentity) -> list[str]:
    found = list(contradictions(known.identity, claimed))
    if known.national_id and claimed.national_id and known.national_id != claimed.national_id:
        found.append("national_id")
    return found


def _contradicts(known: Patient, claimed: PatientIdentity) -> FieldsRefused:
    return FieldsRefused(
        _of_patient({name: f"known_{name}" for name in _differences(known, claimed)}),
        number=known.patient_id,
        known_name=known.display_name,
        known_birth_date=known.birth_date or "",
        known_card=masked_number(known.national_id) or "",
    )


def _of_patient(reasons: dict[str, str]) -> dict[str, str]:
    return {f"patient.{name}": reason for name, reason in reasons.items()}
