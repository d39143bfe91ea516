"""The drain's first step: records of the journal become rows at once, in batches.

A record's id (journal, sequence) is written in the transaction of its rows, so a repeat changes nothing. The
database may be away for any time: the cursors stand where they stood. A record that breaks the indexing again
and again moves to quarantine, and what is behind it goes on.
"""

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from adapters.dicom.header import read_header
from adapters.errors import Malformed
from gateway import audit, indexing, journal, live
from gateway.fault_points import reach
from gateway.index import DrainMark, Record, RecordState, Refusal, SegmentCursor
from gateway.indexing import Incoming
from gateway.journal import BodyDamaged, Damaged, JournalRecord, JournalState, Location
from gateway.runtime import Runtime
from worklists import reports
from worklists.base import new_id
from worklists.directory import Device
from worklists.examinations import Association, Examination, ExaminationAssociation
from worklists.reports import Report

log = structlog.get_logger()

BATCH_RECORDS = 200
ORIGINAL_KINDS = ("dicom.instance", "report.pdf")
STOW = "stow"  # the wire of instances that came by STOW-RS
NOTE_KINDS = (
    "dicom.association",
    "dicom.connection",
    "dicom.rejection",
    "dicom.refusal",
)  # records without a row of their own
TRIES_BEFORE_QUARANTINE = 3
HASH_CHUNK_BYTES = 1 << 20
DATABASE_AWAY = (OperationalError, InterfaceError)


@dataclass(slots=True)
class Drain:
    """One drain of one node's journals. Keeps only what it may forget: how often a record broke, and figures."""

    runtime: Runtime
    broken: Counter[tuple[str, int]] = field(default_factory=Counter)
    indexed: int = 0
    caught_up_at: datetime | None = None

    def index_new(self) -> int:
        """Index what the journals hold beyond the cursors; answers how many records. Raises when the database is away."""
        began = self.runtime.now()
        total = 0
        states = journal.journals(self.runtime.journal_dir)
        for state in states:
            total += self._index_journal(state)
        if total == 0:
            self._note_caught_up(began, {state.node for state in states})
        self.indexed += total
        return total

    def _index_journal(self, state: JournalState) -> int:
        with self.runtime.reading() as session:
            cursors = indexed_to(session, state.id)
        batch = journal.read_new(self.runtime.journal_dir, state, cursors, limit=BATCH_RECORDS)
        if not batch.cursors:
            return 0
        try:
            self._commit_batch(state, batch.records, batch.damaged, batch.cursors)
        except DATABASE_AWAY:
            raise
        except Exception as error:  # one of them is at fault: find out which, and let the others through
            log.warning("batch_failed", journal=state.id, records=len(batch.records), exc_info=error)
            self._index_one_by_one(state, batch.records)
            self._commit_batch(state, [], batch.damaged, batch.cursors)
        return len(batch.records) + len(batch.damaged)

    def _index_one_by_one(self, state: JournalState, records: Sequence[JournalRecord]) -> None:
        for record in records:
            key = (record.journal, record.sequence)
            while True:
                try:
                    self._commit_batch(state, [record], [], {})
                    break
                except DATABASE_AWAY:
                    raise
                except Exception as error:
                    self.broken[key] += 1
                    if self.broken[key] >= TRIES_BEFORE_QUARANTINE:
                        log.error("record_quarantined", journal=key[0], sequence=key[1], exc_info=error)
                        self._quarantine(record, error)
                        del self.broken[key]
                        break

    def _commit_batch(
        self,
        state: JournalState,
        records: Sequence[JournalRecord],
        damaged: Sequence[Damaged],
        cursors: dict[int, int],
    ) -> None:
        with self.runtime.reading() as session:
            known = known_sequences(session, state.id, [record.sequence for record in records])
        new = [record for record in records if record.sequence not in known]
        digests = digests_of(self.runtime, new)  # gigabytes perhaps: nobody's writing waits for it
        reach("index.indexing")
        with self.runtime.sessions.begin() as session:
            index_records(self.runtime, session, new, digests)
            for item in damaged:
                _add_damaged(session, item, self.runtime.now())
            _move_cursors(session, state, cursors)
            if records:
                live.bump(session, "worklist", "system")
            reach("index.indexed")
        reach("index.committed")

    def _quarantine(self, record: JournalRecord, error: Exception) -> None:
        with self.runtime.sessions.begin() as session:
            session.add(quarantined_record(self.runtime, record, error))

    def _note_caught_up(self, began: datetime, nodes: Set[str]) -> None:
        """Everything received before this pass began is indexed, also under names that this node had before.

        Written once a second at most.
        """
        if self.caught_up_at is not None and (began - self.caught_up_at).total_seconds() < 1:
            return
        with self.runtime.sessions.begin() as session:
            for node in sorted(nodes | {self.runtime.settings.node}):
                mark = session.get(DrainMark, node)
                if mark is None:
                    session.add(DrainMark(node=node, indexed_until=began, figures={}))
                else:
                    mark.indexed_until = max(mark.indexed_until, began)
        self.caught_up_at = began


def digests_of(runtime: Runtime, records: Iterable[JournalRecord]) -> dict[int, str]:
    """The SHA-256 of each record that is kept as an original, by its number in the journal."""
    return {
        record.sequence: _digest(runtime, record.location, int(record.origin.get("data_set_offset", 0)))
        for record in records
        if record.kind in ORIGINAL_KINDS
    }


def index_records(
    runtime: Runtime, session: Session, records: Sequence[JournalRecord], digests: Mapping[int, str]
) -> None:
    """Make a batch of new records findable, each kind in its way, in the order in which they were accepted."""
    notes = {
        "dicom.association": _index_association,
        "dicom.connection": _index_refusal,
        "dicom.rejection": _index_refusal,
        "dicom.refusal": _index_refusal,
    }
    instances: list[Incoming] = []
    for record in records:
        if record.kind == "dicom.instance":
            instances.append(_read_incoming(runtime, record, digests[record.sequence]))
        elif record.kind == "report.pdf":
            _index_report(runtime, session, record, digests[record.sequence])
        elif record.kind in notes:
            notes[record.kind](runtime, session, record)
        else:
            raise Malformed(f"no record of kind {record.kind} is known")
    if instances:
        indexing.index_instances(session, instances, settings=runtime.settings, now=runtime.now())
        _note_heard(session, instances)


def new_record(runtime: Runtime, record: JournalRecord, sha256: str) -> Record:
    """The row of a record: its origin, its digest, and where it lies."""
    origin = record.origin
    offset = int(origin.get("data_set_offset", 0))
    return Record(
        id=new_id(),
        journal=record.journal,
        sequence=record.sequence,
        node=record.location.node,
        segment=record.location.segment,
        offset=record.location.offset,
        size_bytes=record.location.length,
        data_set_offset=offset,
        kind=record.kind,
        state=RecordState.INDEXED,
        reason="",
        origin=origin,
        institution_id=_uuid(origin.get("institution_id")),
        device_id=_uuid(origin.get("device_id")),
        received_at=_time(origin.get("received_at")) or runtime.now(),
        sha256=sha256,
        local=True,
    )


def indexed_to(session: Session, journal_id: str) -> dict[int, int]:
    """How far each segment of a journal is indexed."""
    rows = session.scalars(select(SegmentCursor).where(SegmentCursor.journal == journal_id))
    return {row.segment: row.offset for row in rows}


def known_sequences(session: Session, journal_id: str, sequences: Iterable[int]) -> set[int]:
    """Which of these records of a journal have rows."""
    return set(
        session.scalars(
            select(Record.sequence).where(Record.journal == journal_id, Record.sequence.in_(list(sequences)))
        )
    )


def quarantined_record(runtime: Runtime, record: JournalRecord, error: Exception) -> Record:
    """The row of a record that breaks the indexing. Nothing of its origin is believed, or this would break too."""
    kind, digest = record.kind, ""
    try:
        digest = _digest(runtime, record.location, 0)
    except BodyDamaged as damage:
        kind, error = "damaged", damage
    return Record(
        id=new_id(),
        journal=record.journal,
        sequence=record.sequence,
        node=record.location.node,
        segment=record.location.segment,
        offset=record.location.offset,
        size_bytes=record.location.length,
        kind=kind,
        state=RecordState.QUARANTINED,
        reason=f"{type(error).__name__}: {error}"[:500],
        origin=record.origin,
        received_at=runtime.now(),
        sha256=digest,
        local=True,
    )


def _read_incoming(runtime: Runtime, record: JournalRecord, sha256: str) -> Incoming:
    offset = int(record.origin.get("data_set_offset", 0))
    header = read_header(
        record.head[offset:],
        transfer_syntax_uid=str(record.origin["transfer_syntax_uid"]),
        character_set=record.origin.get("character_set"),
    )
    return Incoming(record=new_record(runtime, record, sha256), header=header)


def _index_report(runtime: Runtime, session: Session, record: JournalRecord, sha256: str) -> None:
    """The signed document of a report is kept: the report is delivered to its recipients' inboxes."""
    row = new_record(runtime, record, sha256)
    session.add(row)
    report = session.get(Report, uuid.UUID(str(record.origin["report_id"])))
    if report is None:
        raise Malformed("the report of a signed document is not known")
    if report.pdf_sha256 is not None:
        row.state = RecordState.DUPLICATE
        return
    reports.deliver(session, report, pdf_sha256=row.sha256, now=runtime.now())
    live.bump(session, "returns")


def _index_association(runtime: Runtime, session: Session, record: JournalRecord) -> None:
    origin = record.origin
    at = _time(origin.get("at") or origin.get("received_at")) or runtime.now()
    row = session.get(Association, str(origin["association_id"]))
    if row is None:
        row = Association(
            id=str(origin["association_id"]),
            device_id=_uuid(origin.get("device_id")),
            peer_address=str(origin.get("peer_address", "")),
            calling_ae_title=str(origin.get("calling_ae_title", "")),
            opened_at=at,
            how="",
            stored=0,
            refused=0,
        )
        session.add(row)
    if origin["event"] == "closed":
        row.closed_at, row.how = at, str(origin.get("how", ""))
        row.stored, row.refused = int(origin.get("stored", 0)), int(origin.get("refused", 0))
        session.flush()
        _settle_again(runtime, session, row.id)
        if origin.get("wire") == STOW:
            _note_submission(session, origin, at)
    _note_device(session, row.device_id, at)


def _note_submission(session: Session, origin: Mapping[str, Any], at: datetime) -> None:
    """Who stored over HTTP: it went past the database, so the audit hears of it here."""
    actor = audit.Actor(
        name=str(origin.get("uploaded_by", "")),
        person_id=_uuid(origin.get("uploaded_by_id")),
        institution_id=_uuid(origin.get("institution_id")),
        address=str(origin.get("peer_address", "")),
    )
    stored, refused = int(origin.get("stored", 0)), int(origin.get("refused", 0))
    audit.record(
        session, "instances_stored", actor=actor, now=at, outcome="success" if stored else "failure",
        detail={"wire": STOW, "stored": stored, "refused": refused, "how": str(origin.get("how", ""))},
    )  # fmt: skip


def _settle_again(runtime: Runtime, session: Session, association_id: str) -> None:
    """An association ended: the examinations that it carried may be whole sooner."""
    carried = session.scalars(
        select(Examination)
        .join(ExaminationAssociation, ExaminationAssociation.examination_id == Examination.id)
        .where(ExaminationAssociation.association_id == association_id, Examination.complete.is_(False))
    ).all()
    for examination in carried:
        indexing.schedule_settling(session, examination, settings=runtime.settings)


_REFUSED = {"dicom.connection": "connection", "dicom.rejection": "association", "dicom.refusal": "instance"}


def _index_refusal(runtime: Runtime, session: Session, record: JournalRecord) -> None:
    origin = record.origin
    session.add(
        Refusal(
            id=new_id(),
            refused_at=_time(origin.get("at") or origin.get("received_at")) or runtime.now(),
            what=str(origin.get("what") or _REFUSED[record.kind]),
            institution_id=_uuid(origin.get("institution_id")),
            device_id=_uuid(origin.get("device_id")),
            peer_address=str(origin.get("peer_address", "")),
            calling_ae_title=str(origin.get("calling_ae_title", "")),
            reason=_reason(origin),
            cause=str(origin.get("cause", "")),
            detail=str(origin.get("comment") or origin.get("certificate") or origin.get("explanation") or ""),
            sop_instance_uid=str(origin.get("sop_instance_uid") or ""),
        )
    )
    live.bump(session, "system")


def _reason(origin: Mapping[str, Any]) -> str:
    """The status of C-STORE, or result/source/reason of A-ASSOCIATE-RJ: a reason means nothing without its source.

    Of a connection that never came to that, our own word.
    """
    if "status" in origin:
        return str(origin["status"])
    if "result" not in origin:
        return str(origin.get("cause", ""))
    return "/".join(str(origin[name]) for name in ("result", "source", "reason") if name in origin)


def _add_damaged(session: Session, item: Damaged, now: datetime) -> None:
    """A stretch of the journal that cannot be read as a record is shown to a person, with its bytes."""
    log.error(
        "journal_damaged", journal=item.location.journal, segment=item.location.segment, reason=item.reason
    )
    place = item.location
    known = session.scalars(
        select(Record.id).where(
            Record.journal == place.journal,
            Record.segment == place.segment,
            Record.offset == place.offset,
            Record.kind == "damaged",
        )
    ).first()
    if known is None:
        session.add(
            Record(
                id=new_id(),
                journal=place.journal,
                sequence=-(place.segment << 40 | place.offset),  # no record has it: those are positive
                node=place.node,
                segment=place.segment,
                offset=place.offset,
                size_bytes=place.length,
                kind="damaged",
                state=RecordState.QUARANTINED,
                reason=item.reason,
                origin={},
                received_at=now,
                sha256="",
                local=True,
            )
        )


def _note_heard(session: Session, instances: Sequence[Incoming]) -> None:
    latest = {item.record.device_id: item for item in instances if item.record.device_id is not None}
    for device_id, item in latest.items():
        device = _note_device(session, device_id, item.record.received_at)
        if device is not None:
            device.last_sop_instance_uid = item.header.sop_instance_uid


def _note_device(session: Session, device_id: uuid.UUID | None, at: datetime) -> Device | None:
    device = session.get(Device, device_id) if device_id else None
    if device is not None:
        device.last_heard_at = max(device.last_heard_at or at, at)
    return device


def _move_cursors(session: Session, state: JournalState, cursors: dict[int, int]) -> None:
    for segment, offset in cursors.items():
        row = session.get(SegmentCursor, (state.id, segment))
        if row is None:
            row = SegmentCursor(journal=state.id, segment=segment, ended=False, offset=0)
            session.add(row)
        row.offset = offset


def _digest(runtime: Runtime, location: Location, offset: int) -> str:
    digest = hashlib.sha256()
    with journal.open_body(runtime.journal_dir, location) as body:
        body.seek(offset)
        read: Callable[[int], bytes] = body.read
        while chunk := read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _uuid(value: Any) -> uuid.UUID | None:
    return uuid.UUID(str(value)) if value else None


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(str(value)) if value else None
