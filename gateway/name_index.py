"""The index of names: the words of patients who are new or called otherwise, written down beside the drain."""

from sqlalchemy import select

from gateway.runtime import Runtime
from worklists import bulk
from worklists.name_words import PatientWord, ends_of
from worklists.patients import Patient

TOGETHER = 500  # patients in one transaction


def index_new(runtime: Runtime) -> bool:
    """Index some who are not indexed yet; says whether there may be more. Until then they are found without it."""
    with runtime.sessions.begin() as session:
        rows = session.execute(
            select(Patient.id, Patient.name, Patient.search_text, Patient.national_id)
            .where(Patient.worded_at.is_(None))
            .order_by(Patient.id)
            .limit(TOGETHER)
            .with_for_update(skip_locked=True)
        ).all()
        words = [
            {"word": end, "patient_id": row.id}
            for row in rows
            for end in sorted(ends_of(row.name, row.search_text, row.national_id))
        ]
        bulk.insert_rows(session, PatientWord, words, on_conflict=bulk.NOTHING_ON_CONFLICT)
        now = runtime.now()
        bulk.update_rows(session, Patient, [{"worded_at": now, "id": row.id} for row in rows])
    return len(rows) == TOGETHER
