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
from pathlib import Path

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Malformed
from gateway import bulk, indexing, journal, live, notes, senders, work
from gateway.database import DATABASE_AWAY, is_away, is_crossed
from gateway.digests import Digests, LargeDigests
from gateway.fault_points import reach
from gateway.in_hand import EndedTheDrain, InHand
from gateway.index import DrainMark, Record, RecordState, SegmentCursor
from gateway.journal import Batch, Damaged, JournalRecord, JournalState
from gateway.known import Incoming
from gateway.records import ReadRecord, damaged_record, new_record, quarantined_record, read_record
from gateway.runtime import Runtime
from worklists import reports
from worklists.reports import Report

__all__ = ["DATABASE_AWAY", "Drain", "index_records", "indexed_to", "known_sequences", "read_record"]

log = structlog.get_logger()

BATCH_RECORDS = 400
NOTE_KINDS = (
    "dicom.association",
    "dicom.connection",
    "dicom.rejection",
    "dicom.refusal",
)  # records without a row of their own
TRIES_BEFORE_QUARANTINE = 3
TRIES_WHEN_CROSSED = 5  # with other drains, or with people who decide


@dataclass(slots=True)
class Drain:
    """One drain of one node's journals. Keeps only what it may forget: what broke, what is read to its end."""

    runtime: Runtime
    broken: Counter[tuple[str, int]] = field(default_factory=Counter)
    caught_up_at: datetime | None = None
    finished: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    large: LargeDigests = field(default_factory=LargeDigests)
    in_hand: InHand = field(default_factory=lambda: InHand(folder=Path()))

    def index_new(self) -> int:
        """Index what the journals hold beyond the cursors; answers how many records. Raises when the database is away."""
        began = self.runtime.now()
        total = 0
        states = journal.journals(self.runtime.journal_dir)
        for state in states:
            total += self._index_journal(state)
        if total == 0 and not self.large.pending:
            self._note_caught_up(began, {state.node for state in states})
            self.in_hand.note_caught_up()
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
        together, suspects = self.in_hand.apart(
            [record for record in batch.records if record.sequence not in known]
        )
        for record in suspects:
            self._index_suspect(state, record)
        with self.in_hand.take(together):
            self._index_set(state, together, batch)

    def _index_suspect(self, state: JournalState, record: JournalRecord) -> None:
        """A record of a set with which a drain died."""
        if self.in_hand.is_condemned(record):
            log.error("record_quarantined", journal=record.journal, sequence=record.sequence)
            return self._quarantine(record, EndedTheDrain("the drain died with it in hand"))
        with self.in_hand.take([record]):
            return self._index_alone(state, record)

    def _index_set(self, state: JournalState, records: Sequence[JournalRecord], batch: Batch) -> None:
        read, broken = self._read(records)
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
                read = self._without_known(state, read)

    def _without_known(self, state: JournalState, read: Sequence[ReadRecord]) -> list[ReadRecord]:
        """What has no rows even now: a server may end a commit long after the drain that sent it was killed."""
        with self.runtime.reading() as session:
            known = known_sequences(session, state.id, [one.record.sequence for one in read])
        return [one for one in read if one.record.sequence not in known]

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


def index_records(runtime: Runtime, session: Session, read: Sequence[ReadRecord]) -> None:
    """Make a batch of new records findable, each kind in its way, in the order in which they were accepted."""
    devices = senders.lock_devices(session, read)
    instances: list[Incoming] = []
    associations: list[JournalRecord] = []
    for one in senders.as_known(session, read, devices):
        record = one.record
        if one.header is not None:
            instances.append(Incoming(record=new_record(runtime, record, one.sha256), header=one.header))
        elif record.kind == "report.pdf":
            _index_report(runtime, session, record, one.sha256)
        elif record.kind == "dicom.association":
            associations.append(record)
        elif record.kind in NOTE_KINDS:
            notes.index_refusal(runtime, session, record)
        else:
            raise Malformed(f"no record of kind {record.kind} is known")
    ended = notes.index_associations(runtime, session, associations)
    if instances:
        indexing.index_instances(session, instances, settings=runtime.settings, now=runtime.now())
    notes.settle_again(runtime, session, ended)
    notes.note_heard(runtime, devices, instances, associations)


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


def _add_damaged(session: Session, item: Damaged, now: datetime) -> None:
    """A stretch of the journal that cannot be read as a record is shown to a person, with its bytes."""
    place = item.location
    log.error("journal_damaged", journal=place.journal, segment=place.segment, reason=item.reason)
    row = damaged_record(item, now)
    known = select(Record.id).where(Record.journal == row.journal, Record.sequence == row.sequence)
    if session.scalars(known).first() is None:
        session.add(row)
