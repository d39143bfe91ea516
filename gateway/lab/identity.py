"""Whom a message of a laboratory wire speaks of, in the worklists' words, and whether that is the specimen's patient."""

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
    """Which fields cannot both be true. An analyser that repeats the barcode where a number belongs says nothing."""
    if stated is None:
        return []
    said = identity_of(stated)
    found = list(contradictions(patient.identity, said))
    numbers = {patient.patient_id, patient.national_id, barcode, ""}
    same_card = said.national_id is not None and said.national_id == patient.national_id
    if patient.patient_id and said.patient_id not in numbers and not same_card:
        found.append("patient_id")
    if said.national_id and patient.national_id and not same_card:
        found.append("national_id")
    return found
