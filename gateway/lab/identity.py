"""Whom a message of a laboratory wire speaks of, in the worklists' words, and whether that is the specimen's patient."""

from sqlalchemy import select
from sqlalchemy.orm import object_session

from adapters.lab.said import StatedPatient
from worklists.cards import read_card
from worklists.patients import Patient, PatientIdentity, contradictions


def identity_of(stated: StatedPatient) -> PatientIdentity:
    card = read_card(stated.national_id) or read_card(stated.patient_id)
    return PatientIdentity(
        patient_id=stated.patient_id,
        name=stated.name,
        sex=stated.sex or (card.sex if card else None),
        birth_date=stated.birth_date or (card.birth_date if card else None),
        national_id=card.number if card else None,
        issuer=stated.issuer,
        phone=stated.phone,
    )


def contradictions_of(patient: Patient, stated: StatedPatient | None, barcode: str) -> list[str]:
    """Which fields cannot both be true. An analyser that repeats the barcode where a number belongs says nothing.

    What fits another row of the institution that was found to be the same person fits.
    """
    if stated is None:
        return []
    said = identity_of(stated)
    found = _differences(patient, said, barcode)
    if found and any(not _differences(one, said, barcode) for one in _others_of(patient)):
        return []
    return found


def _others_of(patient: Patient) -> list[Patient]:
    session = object_session(patient)
    if session is None:
        return []
    query = select(Patient).where(
        Patient.master_id == patient.master_id,
        Patient.institution_id == patient.institution_id,
        Patient.id != patient.id,
    )
    return list(session.scalars(query))


def _differences(patient: Patient, said: PatientIdentity, barcode: str) -> list[str]:
    found = list(contradictions(patient.identity, said))
    numbers = {patient.patient_id, patient.national_id, barcode, ""}
    same_card = said.national_id is not None and said.national_id == patient.national_id
    if patient.patient_id and said.patient_id not in numbers and not same_card:
        found.append("patient_id")
    if said.national_id and patient.national_id and not same_card:
        found.append("national_id")
    return found
