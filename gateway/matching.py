"""The patient index at work: whoever came or changed is looked at, and linked where a rule says so."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.runtime import Runtime
from worklists import patient_index
from worklists.patients import Patient

Said = tuple[Any, ...]

BATCH = 200  # patients in one run of the task: its lease is two minutes
TOGETHER = 50  # patients who are looked at before anything is written


def match_new(runtime: Runtime, *, limit: int = BATCH) -> int:
    """Match those at whom nobody has looked. Answers how many.

    Nearly everybody is alone: that is found out without keeping other writers waiting, and written down for many.
    """
    with runtime.reading() as session:
        ids = patient_index.find_unmatched(session, limit=limit)
    for start in range(0, len(ids), TOGETHER):
        some = ids[start : start + TOGETHER]
        with runtime.reading() as session:
            patients = [session.get_one(Patient, patient_id) for patient_id in some]
            alone = {one.id: _said_of(one) for one in patients if patient_index.is_alone(session, one)}
        changed = _note_looked_at(runtime, alone)
        for patient_id in some:
            if patient_id not in alone or patient_id in changed:
                with runtime.sessions.begin() as session:
                    _match_one(runtime, session, patient_id)
    return len(ids)


def _note_looked_at(runtime: Runtime, alone: Mapping[uuid.UUID, Said]) -> set[uuid.UUID]:
    """Write down that these were looked at; answers those who are said to be somebody else than a moment ago."""
    if not alone:
        return set()
    with runtime.sessions.begin() as session:
        rows = session.scalars(select(Patient).where(Patient.id.in_(alone)).with_for_update()).all()
        changed = {row.id for row in rows if _said_of(row) != alone[row.id]}
        for row in rows:
            if row.id not in changed:
                row.matched_at = runtime.now()
    return changed


def _said_of(patient: Patient) -> Said:
    """All that the rules look at."""
    return (
        patient.master_id, patient.institution_id, patient.patient_id, patient.issuer, patient.national_id,
        patient.phone, patient.sex, patient.birth_date, patient.identity.names,
    )  # fmt: skip


def _match_one(runtime: Runtime, session: Session, patient_id: uuid.UUID) -> None:
    now = runtime.now()
    if patient_index.match(session, patient_id, now):
        detail = {"patient_id": str(patient_id)}
        audit.record(session, "patients_linked", actor=audit.Actor(name="gateway"), now=now, detail=detail)
        live.bump(session, "worklist")
    live.bump(session, "patients")
