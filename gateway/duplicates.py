"""A duplicate has nothing to add, until the original that it repeats is found rotten before it reached the store.

So the segment of a duplicate stays while its original waits to be filed, and when that one cannot be filed the
duplicate takes its place: instance and hold point to it, and it is filed in turn. Sent again later, it does the same.
"""

import uuid
from pathlib import Path

import structlog
from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session, aliased

from gateway import journal
from gateway.index import Held, Instance, Record, RecordState
from gateway.journal import BodyDamaged, SegmentGone
from gateway.originals import location_of

log = structlog.get_logger()

_STANDS_FOR = (RecordState.INDEXED, RecordState.HELD)


def is_still_needed() -> ColumnElement[bool]:
    """A predicate over `Record`: a duplicate of something that is not in the store yet."""
    first = aliased(Record)
    waits = (
        select(first.id)
        .where(first.sha256 == Record.sha256, first.kind == Record.kind)
        .where(first.institution_id.is_not_distinct_from(Record.institution_id))
        .where(first.pack_id.is_(None), first.state.in_(_STANDS_FOR))
    )
    return (Record.state == RecordState.DUPLICATE) & (Record.sha256 != "") & waits.exists()


def take_place(session: Session, rotten: Record, *, journal_dir: Path, node: str) -> bool:
    """Let a sound duplicate stand where a record did that can no longer be read; whether there was one."""
    copies = session.scalars(
        select(Record)
        .where(Record.sha256 == rotten.sha256, Record.kind == rotten.kind, Record.sha256 != "")
        .where(Record.institution_id.is_not_distinct_from(rotten.institution_id))
        .where(Record.state == RecordState.DUPLICATE)
        .order_by(Record.received_at, Record.sequence)
        .with_for_update(of=Record)
    )
    for copy in copies:
        if _is_sound(copy, rotten, journal_dir, node):
            copy.state, copy.reason = rotten.state, rotten.reason
            stand_for(session, rotten.id, copy.id)
            log.warning("duplicate_took_place", journal=copy.journal, sequence=copy.sequence)
            return True
    return False


def stand_for(session: Session, old_id: uuid.UUID, new_id: uuid.UUID) -> None:
    """What was known of one record is known of the other.

    The old one, kept for nobody, becomes a duplicate of it, unless a person has given it up.
    """
    session.flush()
    session.execute(
        update(Record)
        .where(Record.id == old_id, Record.state != RecordState.DISCARDED)
        .values(kind="damaged", state=RecordState.DUPLICATE, reason="another copy took its place")
    )
    session.execute(update(Instance).where(Instance.record_id == old_id).values(record_id=new_id))
    session.execute(update(Held).where(Held.record_id == old_id).values(record_id=new_id))


def _is_sound(copy: Record, rotten: Record, journal_dir: Path, node: str) -> bool:
    """What lies on another node is checked there, when it is filed."""
    syntaxes = {one.origin.get("transfer_syntax_uid") for one in (copy, rotten)}
    if len(syntaxes) > 1:
        return False
    if copy.pack_id is not None or copy.node != node:
        return True
    try:
        journal.verify_body(journal_dir, location_of(copy))
    except (BodyDamaged, SegmentGone, OSError):
        return False
    return True
