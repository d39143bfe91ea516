"""Deciding about what is held: one, or all alike in pieces, each in a transaction of its own."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from adapters.dicom.header import InstanceHeader
from adapters.errors import Unavailable
from gateway import audit, indexing, live
from gateway.held import Action, AlreadyResolved, actions_for, find_alike, get_held, sees_names
from gateway.holding import find_hold
from gateway.index import Held, HeldReason, Record, RecordState
from gateway.originals import read_original
from gateway.reading import Who, in_one
from gateway.records import header_of
from gateway.runtime import Runtime
from worklists.directory import Device
from worklists.errors import Conflict, Invalid

log = structlog.get_logger()

HEAD_BYTES = 1 << 16
CHUNK = 50  # decisions in one transaction: short enough that nobody waits for its locks


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedAlike:
    """How far one decision about many came; `left` still wait, for a reason that it met on the way."""

    resolved: int
    left: int
    examination_id: uuid.UUID | None


def resolve(runtime: Runtime, who: Who, held_id: uuid.UUID, *, action: str, reason: str) -> None:
    """A person decides. Raises NotFound, AlreadyResolved, Invalid; Unavailable when the original cannot be read."""
    with runtime.reading() as session:
        held = get_held(session, who, held_id)
        record = held.record
    decision = _check(who, held, action, reason)
    reading = _read_header(runtime, record) if decision.needs_header else None

    def deed(session: Session) -> None:
        held = get_held(session, who, held_id, lock=True)
        if held.resolved_at is not None:
            raise AlreadyResolved(held_id)
        _decide(runtime, session, who, held, reading, decision)

    in_one(runtime, deed)


def resolve_alike(
    runtime: Runtime, who: Who, held_id: uuid.UUID, *, action: str, reason: str
) -> ResolvedAlike:
    """One decision about an original and all that wait for the same one, a chunk in each transaction.

    The first received comes first. When an original cannot be read on the way, what is decided stays so and
    the rest is left. Raises as `resolve` does.
    """
    with runtime.reading() as session:
        held = get_held(session, who, held_id)
        if held.resolved_at is not None:
            raise AlreadyResolved(held_id)
        ids = [*find_alike(session, who, held), held_id]
    decision = _check(who, held, action, reason)
    resolved, examination_id = 0, None
    for start in range(0, len(ids), CHUNK):
        try:
            done, about = _resolve_chunk(runtime, who, held, ids[start : start + CHUNK], decision)
        except Unavailable as error:
            if not resolved:
                raise
            log.warning("held_chunk_unread", left=len(ids) - start, error=type(error).__name__)
            break
        resolved, examination_id = resolved + done, about or examination_id
    with runtime.reading() as session:
        left = _count_waiting(session, ids)
    return ResolvedAlike(resolved=resolved, left=left, examination_id=examination_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decision:
    action: Action
    reason: str

    @property
    def needs_header(self) -> bool:
        return self.action not in {Action.KEEP, Action.DISCARD}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """A header, and the character set of its device with which it was read: as the device is set now."""

    header: InstanceHeader
    character_set: str | None


def _check(who: Who, held: Held, action: str, reason: str) -> _Decision:
    if not reason.strip():
        raise Invalid("reason", "required")
    if action not in actions_for(held.reason) or (not sees_names(who) and action != Action.DISCARD):
        raise Invalid("action")
    return _Decision(action=Action(action), reason=reason.strip())


def _decide(
    runtime: Runtime,
    session: Session,
    who: Who,
    held: Held,
    reading: _Reading | None,
    decision: _Decision,
) -> uuid.UUID | None:
    """Carry it out and write it down. Answers the examination it concerns."""
    now = runtime.now()
    examination_id = _carry_out(runtime, session, who, held, reading, decision.action, decision.reason, now)
    audit.record(
        session, "held_resolved", actor=who.actor, now=now, examination_id=examination_id,
        detail={
            "held_id": str(held.id), "action": decision.action.value, "reason": decision.reason,
            "why": held.reason.value,
        },
    )  # fmt: skip
    live.bump(session, "held", "worklist")
    return examination_id


def _resolve_chunk(
    runtime: Runtime, who: Who, first: Held, ids: Sequence[uuid.UUID], decision: _Decision
) -> tuple[int, uuid.UUID | None]:
    """How many were resolved, and the examination they concern. What somebody decided meanwhile is skipped."""
    readings = _read_headers(runtime, ids) if decision.needs_header else {}

    def deed(session: Session) -> tuple[int, uuid.UUID | None]:
        resolved, examination_id = 0, None
        for held_id in ids:
            held = get_held(session, who, held_id, lock=True)
            if held.resolved_at is None and held.reason is first.reason:
                about = _decide(runtime, session, who, held, readings.get(held_id), decision)
                session.flush()
                if held.resolved_at is not None:
                    resolved, examination_id = resolved + 1, about or examination_id
        return resolved, examination_id

    return in_one(runtime, deed)


def _read_headers(runtime: Runtime, ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, _Reading]:
    """Without a transaction: the store may be slow."""
    with runtime.reading() as session:
        rows = session.execute(
            select(Held.id, Record).join(Record, Record.id == Held.record_id).where(Held.id.in_(ids))
        ).all()
    return {held_id: _read_header(runtime, record) for held_id, record in rows}


def _count_waiting(session: Session, ids: Sequence[uuid.UUID]) -> int:
    found = 0
    for start in range(0, len(ids), CHUNK):
        waiting = select(func.count()).where(
            Held.id.in_(ids[start : start + CHUNK]), Held.resolved_at.is_(None)
        )
        found += session.scalar(waiting) or 0
    return found


def _carry_out(
    runtime: Runtime,
    session: Session,
    who: Who,
    held: Held,
    reading: _Reading | None,
    action: Action,
    reason: str,
    now: datetime,
) -> uuid.UUID | None:
    """Do what was decided, and say so in the row. Answers the examination it concerns."""
    examination_id = held.examination_id
    if reading is None:
        held.record.state, held.record.reason = RecordState.DISCARDED, held.reason.value
    else:
        header = reading.header
        held.record.origin = {**held.record.origin, "character_set": reading.character_set}
        if held.reason is HeldReason.UNKNOWN_DEVICE:
            _claim_for_institution(session, who, held.record)
        if action is Action.JOIN and _meets_another_hold(session, held, header):
            return held.examination_id
        if action is Action.JOIN and _came_meanwhile(session, held, header):
            held.record.state = RecordState.DUPLICATE
        else:
            examination = indexing.place(
                session,
                held.record,
                header,
                as_replacement=action is Action.REPLACE,
                separate=action is Action.SEPARATE,
                settings=runtime.settings,
                now=now,
            )
            examination_id = held.examination_id = examination.id
        held.record.reason = ""
    held.resolved_at, held.resolved_by_id = now, who.actor.person_id
    held.resolution, held.resolution_reason = action.value, reason
    return examination_id


def _claim_for_institution(session: Session, who: Who, record: Record) -> None:
    """What an unregistered device sent belongs to the institution at which the device is registered now."""
    device = session.scalars(
        select(Device).where(Device.ae_title == str(record.origin.get("calling_ae_title", "")))
    ).one_or_none()
    if device is None or device.institution_id != who.subject.institution_id:
        raise Conflict("device")
    record.institution_id, record.device_id = device.institution_id, device.id


def _meets_another_hold(session: Session, held: Held, header: InstanceHeader) -> bool:
    """What is known by now may be a reason of another kind to hold it: then a person looks again."""
    item = indexing.Incoming(record=held.record, header=header)
    same_patient = held.reason is HeldReason.STUDY_OF_ANOTHER_PATIENT  # so the person says
    hold = find_hold(indexing.Known(session, [item]), item, same_patient=same_patient)
    held.institution_id = held.record.institution_id
    if hold is None:
        return False
    held.reason, held.detail, held.examination_id = hold.reason, hold.detail, hold.examination_id
    held.record.reason = hold.reason.value
    return True


def _came_meanwhile(session: Session, held: Held, header: InstanceHeader) -> bool:
    """The same instance was sent again and is indexed: this copy has nothing to add."""
    item = indexing.Incoming(record=held.record, header=header)
    return indexing.is_known(indexing.Known(session, [item]), item)


def _read_header(runtime: Runtime, record: Record) -> _Reading:
    origin = record.origin
    title = "" if record.institution_id else str(origin.get("calling_ae_title", ""))
    with runtime.reading() as session:
        device = session.scalars(
            select(Device).where(or_(Device.id == record.device_id, Device.ae_title == title))
        ).one_or_none()
    character_set = device.character_set if device is not None else origin.get("character_set")
    head = read_original(runtime, record, offset=record.data_set_offset, length=HEAD_BYTES)
    header = header_of(record.kind, origin, record.sha256, head, character_set)
    return _Reading(header=header, character_set=character_set)
