"""The task: look into a recording that was indexed; say what was recorded, what can be measured, or what is wrong."""

import uuid
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy.orm import Session

from adapters.ecg.description import describe
from adapters.ecg.measuring import describe_proposal, propose
from adapters.errors import Malformed
from gateway import audit, live
from gateway.ecg.recordings import Found, Recordings, find_by_record
from gateway.ecg.rows import EcgDescription
from gateway.ecg.tiles import prepare
from gateway.runtime import Runtime
from gateway.sweep import Leased
from worklists import routing
from worklists.examinations import Examination, Priority

log = structlog.get_logger()


def describe_recording(runtime: Runtime, leased: Leased) -> None:
    """Write the description of one record. Raises Unavailable when its original is away."""
    with runtime.reading() as session:
        found = find_by_record(session, uuid.UUID(leased.subject))
    if found is None:
        return  # replaced or discarded meanwhile
    row = look_into(runtime, found)
    with runtime.sessions.begin() as session:
        session.merge(row)
        if (row.description or {}).get("acute"):
            _put_first(session, found.examination_id, runtime.now())
        live.bump(session, "worklist")


def look_into(runtime: Runtime, found: Found) -> EcgDescription:
    """What there is to say about a recording now, not yet written."""
    description: dict[str, Any] | None = None
    proposal, problem = None, ""
    try:
        recordings = Recordings(runtime)
        recording = recordings.open(found)
        prepare(recordings, found, recording)
        description = describe(recording)
        proposed = propose(recording)
        proposal = describe_proposal(proposed) if proposed is not None else None
    except Malformed as error:
        problem = str(error)
        log.warning("recording_not_read", record=str(found.record_id), error=type(error).__name__)
    return EcgDescription(
        record_id=found.record_id,
        description=description,
        proposal=proposal,
        problem=problem,
        described_at=runtime.now(),
    )


def _put_first(session: Session, examination_id: uuid.UUID, now: datetime) -> None:
    """The cart says acute infarction: nobody waits until the township has said so, too."""
    examination = session.get_one(Examination, examination_id)
    if examination.priority is Priority.CHEST_PAIN:
        return
    before = examination.priority
    routing.set_priority(session, examination, Priority.CHEST_PAIN)
    audit.record(
        session, "priority_changed", actor=audit.Actor(name="gateway"), now=now, examination_id=examination_id,
        detail={"before": before.value, "after": Priority.CHEST_PAIN.value, "why": "the cart says acute"},
    )  # fmt: skip
