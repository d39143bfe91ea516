"""The drain's first step: records of the journals become rows at once, in batches, in the order of their arrival.

A record's id (journal, sequence) is written in the transaction of its rows, so a repeat changes nothing. The
database may be away for any time: the cursors stand where they stood. A record that breaks the indexing again
and again moves to quarantine, and what is behind it goes on.
"""

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Malformed
from gateway import indexing, journal, live, notes, senders, work
from gateway.arrivals import Arrivals, Cursors, read_arrivals
from gateway.database import DATABASE_AWAY, is_away, is_crossed
from gateway.deliveries.queueing import wake as wake_deliveries
from gateway.digests import Digests, LargeDigests
from gateway.fault_points import reach
from gateway.in_hand import EndedTheDrain, InHand
from gateway.index import DrainMark, Record, RecordState, SegmentCursor
from gateway.journal import Damaged, JournalRecord, JournalState
from gateway.known import Incoming
from gateway.lab.bodies import LAB_KINDS
from gateway.lab.messages import index_messages
from gateway.processes import garbage_later
from gateway.records import KEY_IMAGE, ReadRecord, damaged_record, new_record, quarantined_record, read_record
from gateway.runtime import Runtime
from gateway.share_queue import queue_sharing
from worklists import bulk, reports
from worklists.reports import Report

__all__ = ["DATABASE_AWAY", "Drain", "index_records", "indexed_to", "known_sequences", "read_record"]

log = structlog.get_logger()

BATCH_RECORDS = 400
GATHER_S = 0.15  # while records come in, a batch is read for so long before it is written
NOTE_KINDS = (
    "dicom.association",
    "dicom.connection",
    "dicom.rejection",
    "dicom.refusal",
    "file.refusal",
    "hl7.refusal",
    "astm.refusal",
    "lab.connection",
)  # records without a row of their own
TRIES_BEFORE_QUARANTINE = 3
SHORT_S = (
    0.5  # between them, when this machine may be short of files or memory: that is not the record's fault
)
TRIES_WHEN_CROSSED = 5  # with other drains, or with people who decide


@dataclass(slots=True)
class Drain:
    """One drain of one node's journals. Keeps only what it may forget: what broke, what is read to its end."""

    runtime: Runtime
    broken: Counter[tuple[str, int]] = field(default_factory=Counter)
    indexed_until: datetime | None = None
    finished: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    large: LargeDigests = field(default_factory=LargeDigests)
    in_hand: InHand = field(default_factory=lambda: InHand(folder=Path()))

    def index_new(self) -> int:
        """Index what the journals hold beyond the cursors; answers how many records. Raises when the database is away."""
        began = self.runtime.now()
        states = journal.journals(self.runtime.journal_dir)
        arrivals = self._look(states, {}, received_to=began, limit=BATCH_RECORDS)
        if arrivals.cursors:
            with garbage_later():
                self._index(arrivals)
        elif arrivals.until is not None:
            self.in_hand.note_caught_up()
        if arrivals.until is not None:
            self._note_indexed(arrivals.until, {state.node for state in states})
        return len(arrivals)

    def _look(
        self, states: Iterable[JournalState], passed: Cursors, *, received_to: datetime, limit: int
    ) -> Arrivals:
        """What came by then, behind the cursors and behind what was `passed` and is not written yet."""
        with self.runtime.reading() as session:
            unfinished = [self._unfinished(session, state) for state in states]
        cursors = {key: offset for _, own in unfinished for key, offset in own.items()} | passed
        root = self.runtime.journal_dir
        left = [self.large.without_unread(root, state, cursors) for state, _ in unfinished]
        arrivals = read_arrivals(root, left, cursors, received_to=received_to, limit=limit)
        if any(
            len(one.segments) < len(state.segments) for one, (state, _) in zip(left, unfinished, strict=True)
        ):
            arrivals.until = None  # a large body is still being read
        return arrivals

    def _unfinished(self, session: Session, state: JournalState) -> tuple[JournalState, Cursors]:
        """The journal without the segments that are indexed to their end, and the cursors of the others."""
        finished = self.finished[state.id] = self.finished[state.id] & {one.number for one in state.segments}
        left = [one for one in state.segments if not one.filed and one.number not in finished]
        if not left:
            return replace(state, segments=()), {}
        cursors = indexed_to(session, state.id, from_segment=left[0].number)
        finished.update(
            one.number for one in left if one.ended and cursors.get(one.number, 0) >= one.readable_to
        )
        self.large.forget(state.id, finished)
        left = [one for one in left if one.number not in finished]
        return replace(state, segments=tuple(left)), {(state.id, n): offset for n, offset in cursors.items()}

    def _index(self, arrivals: Arrivals) -> None:
        together, suspects = self.in_hand.apart(self._unknown(arrivals.records))
        for record in suspects:
            self._index_suspect(record)
        with self.in_hand.take(together):
            read, broken = self._read(together)
            if not self.in_hand.careful:
                self._gather(arrivals, read, broken)
            self._index_set(read, broken, arrivals)

    def _gather(self, arrivals: Arrivals, read: list[ReadRecord], broken: list[JournalRecord]) -> None:
        """Read on while records come in: a transaction costs as much as reading dozens of them, however few it has."""
        until = time.monotonic() + GATHER_S
        while len(arrivals) < BATCH_RECORDS and time.monotonic() < until:
            now, states = self.runtime.now(), journal.journals(self.runtime.journal_dir)
            more = self._look(states, arrivals.cursors, received_to=now, limit=BATCH_RECORDS - len(arrivals))
            if not more.cursors:
                return
            arrivals.add(more)
            more_read, more_broken = self._read(self._unknown(more.records))
            read += more_read
            broken += more_broken

    def _unknown(self, records: Sequence[JournalRecord]) -> list[JournalRecord]:
        """Those that have no row yet."""
        sequences: dict[str, list[int]] = defaultdict(list)
        for record in records:
            sequences[record.journal].append(record.sequence)
        with self.runtime.reading() as session:
            known = {id: known_sequences(session, id, numbers) for id, numbers in sequences.items()}
        return [record for record in records if record.sequence not in known[record.journal]]

    def _index_suspect(self, record: JournalRecord) -> None:
        """A record of a set with which a drain died."""
        if self.in_hand.is_condemned(record):
            log.error("record_quarantined", journal=record.journal, sequence=record.sequence)
            return self._quarantine(record, EndedTheDrain("the drain died with it in hand"))
        with self.in_hand.take([record]):
            return self._index_alone(record)

    def _index_set(
        self, read: Sequence[ReadRecord], broken: Sequence[JournalRecord], arrivals: Arrivals
    ) -> None:
        reach("index.indexing")
        if not broken:
            try:
                return self._commit(read, arrivals.damaged, arrivals.cursors)
            except Exception as error:  # one of them is at fault: find out which, and let the others through
                if is_away(error):
                    raise
                log.warning("batch_failed", records=len(read), exc_info=error)
        self._commit_halves(read)
        for record in broken:
            self._index_alone(record)
        return self._commit([], arrivals.damaged, arrivals.cursors)

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

    def _commit_halves(self, read: Sequence[ReadRecord]) -> None:
        """All of them, or half and half again where one breaks it: a poisoned record costs about two batches."""
        try:
            return self._commit(read, [], {})
        except Exception as error:
            if is_away(error):
                raise
        if len(read) == 1:
            return self._index_alone(read[0].record)
        self._commit_halves(read[: len(read) // 2])
        return self._commit_halves(read[len(read) // 2 :])

    def _index_alone(self, record: JournalRecord) -> None:
        """Try a record by itself until it has broken often enough to be set apart."""
        key = _id_of(record)
        while True:
            try:
                with Digests(self.runtime.journal_dir, self.large) as digests:
                    self._commit([read_record(self.runtime, record, digests)], [], {})
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
                if isinstance(error, OSError | MemoryError):
                    time.sleep(SHORT_S)

    def _commit(self, read: Sequence[ReadRecord], damaged: Sequence[Damaged], cursors: Cursors) -> None:
        """One transaction; done again when it crossed somebody else's."""
        for attempt in range(TRIES_WHEN_CROSSED):
            try:
                with self.runtime.sessions.begin() as session:
                    index_records(self.runtime, session, read)
                    for item in damaged:
                        _add_damaged(session, item, self.runtime.now())
                    _move_cursors(session, cursors)
                    if read:
                        live.bump(session, "worklist", "system")
                    reach("index.indexed")
                reach("index.committed")
                return
            except Exception as error:
                if not is_crossed(error) or attempt == TRIES_WHEN_CROSSED - 1:
                    raise
                log.info("batch_crossed", records=len(read), error=type(error).__name__)
                read = self._without_known(read)

    def _without_known(self, read: Sequence[ReadRecord]) -> list[ReadRecord]:
        """What has no rows even now: a server may end a commit long after the drain that sent it was killed."""
        unknown = {_id_of(record) for record in self._unknown([one.record for one in read])}
        return [one for one in read if _id_of(one.record) in unknown]

    def _quarantine(self, record: JournalRecord, error: Exception) -> None:
        with self.runtime.sessions.begin() as session:
            session.add(quarantined_record(self.runtime, record, error))

    def _note_indexed(self, until: datetime, nodes: Set[str]) -> None:
        """Everything received before it is indexed, also under names that this node had before.

        Also while much waits: a study that was whole by then need not wait for the end of a burst. Written for each
        second of arrivals at most once.
        """
        if self.indexed_until is not None and 0 <= (until - self.indexed_until).total_seconds() < 1:
            return
        with self.runtime.sessions.begin() as session:
            for node in sorted(nodes | {self.runtime.settings.node}):
                mark = session.get(DrainMark, node)
                if mark is None:
                    session.add(DrainMark(node=node, indexed_until=until, figures={}))
                else:
                    # A clock that was set back since.
                    ahead = mark.indexed_until > self.runtime.now() + work.FURTHEST
                    mark.indexed_until = until if ahead else max(mark.indexed_until, until)
        self.indexed_until = until


def index_records(runtime: Runtime, session: Session, read: Sequence[ReadRecord]) -> None:
    """Make a batch of new records findable, each kind in its way, in the order in which they were accepted."""
    devices = senders.lock_devices(session, read)
    instances: list[Incoming] = []
    associations: list[JournalRecord] = []
    refusals: list[JournalRecord] = []
    messages: list[ReadRecord] = []
    for one in senders.as_known(session, read, devices):
        record = one.record
        if one.header is not None:
            instances.append(Incoming(record=new_record(runtime, record, one.sha256), header=one.header))
        elif record.kind in LAB_KINDS:
            messages.append(one)
        elif record.kind == "report.pdf":
            _index_report(runtime, session, record, one.sha256)
        elif record.kind == KEY_IMAGE:
            session.add(Record(**asdict(new_record(runtime, record, one.sha256))))
        elif record.kind == "dicom.association":
            associations.append(record)
        elif record.kind in NOTE_KINDS:
            refusals.append(record)
        else:
            raise Malformed(f"no record of kind {record.kind} is known")
    notes.index_refusals(runtime, session, refusals)
    ended = notes.index_associations(runtime, session, associations)
    if instances:
        indexing.index_instances(session, instances, settings=runtime.settings, now=runtime.now())
    if messages:
        index_messages(runtime, session, messages)
    notes.settle_again(runtime, session, ended)
    notes.note_heard(runtime, devices, instances, associations, messages)


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


def _id_of(record: JournalRecord) -> tuple[str, int]:
    return record.journal, record.sequence


def _move_cursors(session: Session, cursors: Cursors) -> None:
    bulk.insert_rows(
        session,
        SegmentCursor,
        [
            {"journal": journal_id, "segment": segment, "offset": offset, "ended": False}
            for (journal_id, segment), offset in sorted(cursors.items())
        ],
        on_conflict='ON CONFLICT (journal, segment) DO UPDATE SET "offset" = excluded."offset"',
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
    wake_deliveries(session, report, runtime.now())
    queue_sharing(session, report, runtime.now())
    live.bump(session, "returns")


def _add_damaged(session: Session, item: Damaged, now: datetime) -> None:
    """A stretch of the journal that cannot be read as a record is shown to a person, with its bytes."""
    place = item.location
    log.error("journal_damaged", journal=place.journal, segment=place.segment, reason=item.reason)
    row = damaged_record(item, now)
    known = select(Record.id).where(Record.journal == row.journal, Record.sequence == row.sequence)
    if session.scalars(known).first() is None:
        session.add(row)
