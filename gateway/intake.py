"""The drain's first step: records of the journal become rows at once, in batches.

A record's id (journal, sequence) is written in the transaction of its rows, so a repeat changes nothing. The
database may be away for any time: the cursors stand where they stood. A record that breaks the indexing again
and again moves to quarantine, and what is behind it goes on.
"""

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.dicom.header import InstanceHeader, read_header
from adapters.errors import Malformed
from gateway import audit, bulk, indexing, journal, live, work
from gateway.database import DATABASE_AWAY, is_away, is_crossed
from gateway.digests import Digests, LargeDigests
from gateway.fault_points import reach
from gateway.index import DrainMark, Record, RecordState, Refusal, SegmentCursor
from gateway.journal import Batch, BodyDamaged, Damaged, JournalRecord, JournalState
from gateway.known import Incoming, NewRecord
from gateway.runtime import Runtime
from worklists import reports
from worklists.base import new_id
from worklists.directory import Device
from worklists.examinations import Association, Examination, ExaminationAssociation
from worklists.reports import Report

__all__ = ["DATABASE_AWAY", "Drain", "index_records", "indexed_to", "known_sequences", "read_record"]

log = structlog.get_logger()

BATCH_RECORDS = 400
ORIGINAL_KINDS = ("dicom.instance", "report.pdf")
STOW = "stow"  # the wire of instances that came by STOW-RS
NOTE_KINDS = (
    "dicom.association",
    "dicom.connection",
    "dicom.rejection",
    "dicom.refusal",
)  # records without a row of their own
TRIES_BEFORE_QUARANTINE = 3
TRIES_WHEN_CROSSED = 5  # with other drains, or with people who decide
LONGEST_HEAD_BYTES = 16 << 20  # looked at when the first kilobytes do not say whose an instance is


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecord:
    """A record of the journal with what can be said of it without the database."""

    record: JournalRecord
    sha256: str = ""
    header: InstanceHeader | None = None


@dataclass(slots=True)
class Drain:
    """One drain of one node's journals. Keeps only what it may forget: what broke, what is read to its end."""

    runtime: Runtime
    broken: Counter[tuple[str, int]] = field(default_factory=Counter)
    caught_up_at: datetime | None = None
    finished: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    large: LargeDigests = field(default_factory=LargeDigests)

    def index_new(self) -> int:
        """Index what the journals hold beyond the cursors; answers how many records. Raises when the database is away."""
        began = self.runtime.now()
        total = 0
        states = journal.journals(self.runtime.journal_dir)
        for state in states:
            total += self._index_journal(state)
        if total == 0 and not self.large.pending:
            self._note_caught_up(began, {state.node for state in states})
        return total

    def _index_journal(self, state: JournalState) -> int:
        state, cursors = self._unfinished(state)
        state = self.large.without_unread(self.runtime.journal_dir, state, cursors)
        if not state.segments:
            return 0
        batch = journal.read_new(self.runtime.journal_dir, state, cursors, limit=BATCH_RECORDS)
        if not batch.cursors:
            return 0
        self._index_batch(state, batch)
        return len(batch.records) + len(batch.damaged)

    def _unfinished(self, state: JournalState) -> tuple[JournalState, dict[int, int]]:
        """The journal without the segments that are indexed to their end, and the cursors of the others."""
        finished = self.finished[state.id] = self.finished[state.id] & {one.number for one in state.segments}
        left = [one for one in state.segments if not one.filed and one.number not in finished]
        if not left:
            return replace(state, segments=()), {}
        with self.runtime.reading() as session:
            cursors = indexed_to(session, state.id, from_segment=left[0].number)
        finished.update(
            one.number for one in left if one.ended and cursors.get(one.number, 0) >= one.readable_to
        )
        self.large.forget(state.id, finished)
        return replace(state, segments=tuple(one for one in left if one.number not in finished)), cursors

    def _index_batch(self, state: JournalState, batch: Batch) -> None:
        with self.runtime.reading() as session:
            known = known_sequences(session, state.id, [record.sequence for record in batch.records])
        read, broken = self._read([record for record in batch.records if record.sequence not in known])
        reach("index.indexing")
        if not broken:
            try:
                return self._commit(state, read, batch.damaged, batch.cursors)
            except Exception as error:  # one of them is at fault: find out which, and let the others through
                if is_away(error):
                    raise
                log.warning("batch_failed", journal=state.id, records=len(read), exc_info=error)
        self._commit_halves(state, read)
        for record in broken:
            self._index_alone(state, record)
        return self._commit(state, [], batch.damaged, batch.cursors)

    def _read(self, records: Sequence[JournalRecord]) -> tuple[list[ReadRecord], list[JournalRecord]]:
        """What can be said of records without the database: gigabytes perhaps, nobody's writing waits for it."""
        read, broken = [], []
        with Digests(self.runtime.journal_dir, self.large) as digests:
            for record in records:
                try:
                    read.append(read_record(self.runtime, record, digests))
                except Exception as error:  # whatever it is, the others go on
                    log.warning("record_unread", sequence=record.sequence, error=type(error).__name__)
                    broken.append(record)
        return read, broken

    def _commit_halves(self, state: JournalState, read: Sequence[ReadRecord]) -> None:
        """All of them, or half and half again where one breaks it: a poisoned record costs about two batches."""
        try:
            return self._commit(state, read, [], {})
        except Exception as error:
            if is_away(error):
                raise
        if len(read) == 1:
            return self._index_alone(state, read[0].record)
        self._commit_halves(state, read[: len(read) // 2])
        return self._commit_halves(state, read[len(read) // 2 :])

    def _index_alone(self, state: JournalState, record: JournalRecord) -> None:
        """Try a record by itself until it has broken often enough to be set apart."""
        key = (record.journal, record.sequence)
        while True:
            try:
                with Digests(self.runtime.journal_dir, self.large) as digests:
                    self._commit(state, [read_record(self.runtime, record, digests)], [], {})
                return
            except Exception as error:
                if is_away(error):
                    raise
                self.broken[key] += 1
                if self.broken[key] >= TRIES_BEFORE_QUARANTINE:
                    log.error("record_quarantined", journal=key[0], sequence=key[1], exc_info=error)
                    self._quarantine(record, error)
                    del self.broken[key]
                    return

    def _commit(
        self,
        state: JournalState,
        read: Sequence[ReadRecord],
        damaged: Sequence[Damaged],
        cursors: Mapping[int, int],
    ) -> None:
        """One transaction; done again when it crossed somebody else's."""
        for attempt in range(TRIES_WHEN_CROSSED):
            try:
                with self.runtime.sessions.begin() as session:
                    index_records(self.runtime, session, read)
                    for item in damaged:
                        _add_damaged(session, item, self.runtime.now())
                    _move_cursors(session, state, cursors)
                    if read:
                        live.bump(session, "worklist", "system")
                    reach("index.indexed")
                reach("index.committed")
                return
            except Exception as error:
                if not is_crossed(error) or attempt == TRIES_WHEN_CROSSED - 1:
                    raise
                log.info("batch_crossed", journal=state.id, records=len(read), error=type(error).__name__)

    def _quarantine(self, record: JournalRecord, error: Exception) -> None:
        with self.runtime.sessions.begin() as session:
            session.add(quarantined_record(self.runtime, record, error))

    def _note_caught_up(self, began: datetime, nodes: Set[str]) -> None:
        """Everything received before this pass began is indexed, also under names that this node had before.

        Written once a second at most.
        """
        if self.caught_up_at is not None and 0 <= (began - self.caught_up_at).total_seconds() < 1:
            return
        with self.runtime.sessions.begin() as session:
            for node in sorted(nodes | {self.runtime.settings.node}):
                mark = session.get(DrainMark, node)
                if mark is None:
                    session.add(DrainMark(node=node, indexed_until=began, figures={}))
                else:
                    ahead = mark.indexed_until > began + work.FURTHEST  # a clock that was set back since
                    mark.indexed_until = began if ahead else max(mark.indexed_until, began)
        self.caught_up_at = began


def read_record(runtime: Runtime, record: JournalRecord, digests: Digests) -> ReadRecord:
    """Digest and header of a record that is kept as an original; a note has neither."""
    if record.kind not in ORIGINAL_KINDS:
        return ReadRecord(record=record)
    digest = digests.sha256(record.location, offset=int(record.origin.get("data_set_offset", 0)))
    header = _header_of(runtime, record) if record.kind == "dicom.instance" else None
    return ReadRecord(record=record, sha256=digest, header=header)


def index_records(runtime: Runtime, session: Session, read: Sequence[ReadRecord]) -> None:
    """Make a batch of new records findable, each kind in its way, in the order in which they were accepted."""
    instances: list[Incoming] = []
    associations: list[JournalRecord] = []
    for one in read:
        record = one.record
        if one.header is not None:
            instances.append(Incoming(record=new_record(runtime, record, one.sha256), header=one.header))
        elif record.kind == "report.pdf":
            _index_report(runtime, session, record, one.sha256)
        elif record.kind == "dicom.association":
            associations.append(record)
        elif record.kind in NOTE_KINDS:
            _index_refusal(runtime, session, record)
        else:
            raise Malformed(f"no record of kind {record.kind} is known")
    ended = _index_associations(runtime, session, associations)
    if instances:
        indexing.index_instances(session, instances, settings=runtime.settings, now=runtime.now())
    _settle_again(runtime, session, ended)
    _note_heard(runtime, session, instances, associations)


def new_record(runtime: Runtime, record: JournalRecord, sha256: str) -> NewRecord:
    """The row of a record: its origin, its digest, and where it lies."""
    origin = record.origin
    return NewRecord(
        id=new_id(),
        journal=record.journal,
        sequence=record.sequence,
        node=record.location.node,
        segment=record.location.segment,
        offset=record.location.offset,
        size_bytes=record.location.length,
        data_set_offset=int(origin.get("data_set_offset", 0)),
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


def indexed_to(session: Session, journal_id: str, *, from_segment: int = 0) -> dict[int, int]:
    """How far each segment of a journal is indexed."""
    rows = session.execute(
        select(SegmentCursor.segment, SegmentCursor.offset).where(
            SegmentCursor.journal == journal_id, SegmentCursor.segment >= from_segment
        )
    )
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
        with Digests(runtime.journal_dir) as digests:
            digest = digests.sha256(record.location)
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


def _header_of(runtime: Runtime, record: JournalRecord) -> InstanceHeader:
    """From the head that came with the record; from more of the body where that does not reach the identifiers."""
    header = _read_head(record, record.head)
    if (header.study_instance_uid and header.series_instance_uid) or len(
        record.head
    ) >= record.location.length:
        return header
    return _read_head(
        record, journal.read_body(runtime.journal_dir, record.location, length=LONGEST_HEAD_BYTES)
    )


def _read_head(record: JournalRecord, head: bytes) -> InstanceHeader:
    return read_header(
        head[int(record.origin.get("data_set_offset", 0)) :],
        transfer_syntax_uid=str(record.origin["transfer_syntax_uid"]),
        character_set=record.origin.get("character_set"),
    )


def _index_report(runtime: Runtime, session: Session, record: JournalRecord, sha256: str) -> None:
    """The signed document of a report is kept: the report is delivered to its recipients' inboxes."""
    row = Record(**asdict(new_record(runtime, record, sha256)))
    session.add(row)
    report = session.get(Report, uuid.UUID(str(record.origin["report_id"])))
    if report is None:
        raise Malformed("the report of a signed document is not known")
    if report.pdf_sha256 is not None:
        row.state = RecordState.DUPLICATE
        return
    reports.deliver(session, report, pdf_sha256=row.sha256, now=runtime.now())
    live.bump(session, "returns")


def _index_associations(runtime: Runtime, session: Session, notes: Sequence[JournalRecord]) -> set[str]:
    """What the journal tells of associations; answers which have ended."""
    ids = {str(note.origin["association_id"]) for note in notes}
    known = {row.id: row for row in session.scalars(select(Association).where(Association.id.in_(ids)))}
    ended = set()
    for note in notes:
        origin, id = note.origin, str(note.origin["association_id"])
        row = known.get(id)
        if row is None:
            row = known[id] = _new_association(runtime, note)
            session.add(row)
        if origin["event"] == "closed":
            row.closed_at, row.how = _noted_at(runtime, note), str(origin.get("how", ""))
            row.stored, row.refused = int(origin.get("stored", 0)), int(origin.get("refused", 0))
            ended.add(id)
            if origin.get("wire") == STOW:
                _note_submission(session, origin, _noted_at(runtime, note))
    return ended


def _new_association(runtime: Runtime, note: JournalRecord) -> Association:
    origin = note.origin
    return Association(
        id=str(origin["association_id"]),
        device_id=_uuid(origin.get("device_id")),
        peer_address=str(origin.get("peer_address", "")),
        calling_ae_title=str(origin.get("calling_ae_title", "")),
        opened_at=_noted_at(runtime, note),
        how="",
        stored=0,
        refused=0,
    )


def _noted_at(runtime: Runtime, note: JournalRecord) -> datetime:
    return _time(note.origin.get("at") or note.origin.get("received_at")) or runtime.now()


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


def _settle_again(runtime: Runtime, session: Session, ended: Set[str]) -> None:
    """Associations ended: the examinations that they carried may be whole sooner."""
    if not ended:
        return
    links = ExaminationAssociation
    carried = session.scalars(
        select(Examination)
        .where(
            Examination.id.in_(select(links.examination_id).where(links.association_id.in_(ended))),
            Examination.complete.is_(False),
        )
        .order_by(Examination.id)
    ).all()
    indexing.schedule_settling(session, carried, settings=runtime.settings)


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
            detail=_detail(origin),
            sop_instance_uid=str(origin.get("sop_instance_uid") or ""),
        )
    )
    live.bump(session, "system")


def _detail(origin: Mapping[str, Any]) -> str:
    """What the comment said, whose certificate it was; an explanation only where no cause says it better."""
    words = "certificate" if origin.get("cause") else "explanation"
    return str(origin.get("comment") or origin.get(words) or "")


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


def _note_heard(
    runtime: Runtime, session: Session, instances: Sequence[Incoming], associations: Sequence[JournalRecord]
) -> None:
    """When each device was heard of last, and with which instance."""
    heard: dict[uuid.UUID, datetime] = {}
    for device_id, at in (
        *((item.record.device_id, item.record.received_at) for item in instances),
        *((_uuid(note.origin.get("device_id")), _noted_at(runtime, note)) for note in associations),
    ):
        if device_id is not None:
            heard[device_id] = max(heard.get(device_id, at), at)
    last = {item.record.device_id: item.header.sop_instance_uid for item in instances}
    for device in session.scalars(select(Device).where(Device.id.in_(heard)).order_by(Device.id)):
        device.last_heard_at = max(device.last_heard_at or heard[device.id], heard[device.id])
        device.last_sop_instance_uid = last.get(device.id, device.last_sop_instance_uid)


def _move_cursors(session: Session, state: JournalState, cursors: Mapping[int, int]) -> None:
    bulk.insert_rows(
        session,
        SegmentCursor,
        [
            {"journal": state.id, "segment": segment, "offset": offset, "ended": False}
            for segment, offset in cursors.items()
        ],
        on_conflict='ON CONFLICT (journal, segment) DO UPDATE SET "offset" = excluded."offset"',
    )


def _uuid(value: Any) -> uuid.UUID | None:
    return uuid.UUID(str(value)) if value else None


def _time(value: Any) -> datetime | None:
    return datetime.fromisoformat(str(value)) if value else None
