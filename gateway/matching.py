"""The patient index at work: whoever came or changed is looked at, and linked where a rule says so."""

import uuid

from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.runtime import Runtime
from worklists import patient_index

BATCH = 200  # patients in one run of the task: its lease is two minutes


def match_new(runtime: Runtime, *, limit: int = BATCH) -> int:
    """Match those at whom nobody has looked, each in a transaction of its own. Answers how many."""
    with runtime.reading() as session:
        ids = patient_index.find_unmatched(session, limit=limit)
    for patient_id in ids:
        with runtime.sessions.begin() as session:
            _match_one(runtime, session, patient_id)
    return len(ids)


def _match_one(runtime: Runtime, session: Session, patient_id: uuid.UUID) -> None:
    now = runtime.now()
    if patient_index.match(session, patient_id, now):
        detail = {"patient_id": str(patient_id)}
        audit.record(session, "patients_linked", actor=audit.Actor(name="gateway"), now=now, detail=detail)
        live.bump(session, "worklist")
    live.bump(session, "patients")
