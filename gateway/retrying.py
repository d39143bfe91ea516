"""What an IT person sets going again, or gives up: due work that fails, and records that broke the drain."""

import hashlib
import uuid

import structlog
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from adapters.errors import Unavailable
from gateway import audit, intake, live
from gateway.index import Record, RecordState
from gateway.journal import JournalRecord
from gateway.originals import location_of, open_original, read_original
from gateway.records import describe_record
from gateway.runtime import Runtime
from gateway.work import Work
from worklists.errors import Conflict, Invalid, NotFound

log = structlog.get_logger()

HEAD_BYTES = 64 * 1024  # as much of a record as the drain reads
SHOWN = 500


class StillBroken(Conflict):
    """The record broke again; carries the name of the error."""

    def __init__(self, error: Exception):
        super().__init__(type(error).__name__)
        self.error = type(error).__name__


class NotDamaged(Conflict):
    """The bytes of the record are sound: it is tried again, not given up."""


def list_work(session: Session, state: str) -> list[Work]:
    """`due`: to be done now or later; `failing`: of those, what has failed; `done`: the last ones."""
    query: Select[Work] = select(Work).limit(SHOWN)
    if state == "done":
        query = query.where(Work.done_at.is_not(None)).order_by(Work.done_at.desc())
    else:
        query = query.where(Work.done_at.is_(None)).order_by(Work.due_at)
    if state == "failing":
        query = query.where(Work.last_error != "")
    return list(session.scalars(query))


def retry_work(runtime: Runtime, work_id: uuid.UUID, actor: audit.Actor) -> None:
    """Make a row due at once. Raises NotFound; Conflict while somebody is at it."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        row = session.get(Work, work_id, with_for_update=True)
        if row is None:
            raise NotFound("work")
        if row.leased_until is not None and row.leased_until > now:
            raise Conflict("work")
        row.retry(now)
        audit.record(
            session, "work_retried", actor=actor, now=now, detail={"task": row.task, "work": str(row.id)}
        )
        live.bump(session, "system")


def list_quarantine(session: Session) -> list[Record]:
    """The records that broke the drain, the newest first."""
    return list(
        session.scalars(
            select(Record)
            .where(Record.state == RecordState.QUARANTINED)
            .order_by(Record.received_at.desc())
            .limit(SHOWN)
        )
    )


def retry_record(runtime: Runtime, record_id: uuid.UUID, actor: audit.Actor) -> None:
    """Index a quarantined record again, whole or not at all, from wherever its bytes are.

    Raises NotFound, StillBroken; Unavailable when the bytes can be had nowhere now.
    """
    try:
        with runtime.sessions.begin() as session:
            _index_again(runtime, session, record_id, actor)
    except (*intake.DATABASE_AWAY, NotFound, Unavailable):
        raise
    except Exception as error:
        log.warning("record_broke_again", record=str(record_id), error=type(error).__name__)
        raise StillBroken(error) from error


def discard_record(runtime: Runtime, record_id: uuid.UUID, actor: audit.Actor, *, reason: str) -> None:
    """Give up a record whose bytes are lost; its row stays, its segment may go. Sent again, it is taken.

    Raises NotFound, NotDamaged, Invalid.
    """
    if not reason.strip():
        raise Invalid("reason", "required")
    with runtime.sessions.begin() as session:
        row = _get_quarantined(session, record_id)
        if row.kind != "damaged":
            raise NotDamaged("record")
        row.state = RecordState.DISCARDED
        detail = {
            "record": str(row.id),
            "journal": row.journal,
            "sequence": row.sequence,
            "reason": reason.strip(),
        }
        audit.record(session, "record_discarded", actor=actor, now=runtime.now(), detail=detail)
        live.bump(session, "system")


def _get_quarantined(session: Session, record_id: uuid.UUID) -> Record:
    row = session.get(Record, record_id, with_for_update={"of": Record})
    if row is None or row.state is not RecordState.QUARANTINED:
        raise NotFound("record")
    return row


def _index_again(runtime: Runtime, session: Session, record_id: uuid.UUID, actor: audit.Actor) -> None:
    row = _get_quarantined(session, record_id)
    again = JournalRecord(
        journal=row.journal,
        sequence=row.sequence,
        kind=row.kind,
        origin=row.origin,
        location=location_of(row),
        head=read_original(runtime, row, length=min(HEAD_BYTES, row.size_bytes)),
    )
    pack_id, pack_offset, local = row.pack_id, row.pack_offset, row.local
    read = describe_record(
        again,
        _sha256(runtime, row),
        more=lambda size: read_original(runtime, row, length=min(size, row.size_bytes)),
    )
    session.delete(row)
    session.flush()  # its number in the journal is free for the row that takes its place
    intake.index_records(runtime, session, [read])
    session.flush()
    for new in session.scalars(
        select(Record).where(Record.journal == again.journal, Record.sequence == again.sequence)
    ):
        new.pack_id, new.pack_offset, new.local = pack_id, pack_offset, local
    now = runtime.now()
    audit.record(session, "record_retried", actor=actor, now=now, detail={"record": str(record_id)})
    live.bump(session, "system")


def _sha256(runtime: Runtime, row: Record) -> str:
    """Of the original wherever it lies now: its segment may have gone, when it is filed."""
    digest = hashlib.sha256()
    for chunk in open_original(runtime, row, offset=int(row.origin.get("data_set_offset", 0))):
        digest.update(chunk)
    return digest.hexdigest()
