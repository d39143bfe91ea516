"""The drain's second step: records become packs in the object store, and segments whose records are filed may go.

A pack is written and checked before a row points to it; until then the rows point to the segment, so the store may
be away for any time. Filed segments stay as a cache up to a bound. What goes into a pack, and when: `packing`.
"""

import errno
import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Container, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from adapters.errors import Unavailable
from gateway import duplicates, journal
from gateway.database import is_away
from gateway.fault_points import reach
from gateway.index import DrainMark, Instance, Pack, Record, RecordState, SegmentCursor
from gateway.journal import BodyDamaged, JournalState, Location, RecordId, SegmentGone, SegmentState
from gateway.leftovers import Leftovers
from gateway.objects import StoreFailed
from gateway.packing import CLOCK_SKEW, QUIET, SMALL_BYTES, Waiting, plan_packs
from gateway.packs import PackStream, journal_member, pack_folder, pack_key
from gateway.runtime import Runtime
from worklists import bulk
from worklists.base import new_id

log = structlog.get_logger()

LOOK_AT = 5000  # unfiled records looked at in one pass
LOOK_AT_GROUPS = 1000
UPLOADS = 3  # packs on their way at once; each holds a few parts of an upload in memory
LOOK_AGAIN_S = 0.5  # while packs are on their way: whoever puts them should not run out of work
PATIENCE_S = 5.0  # a pass waits so long for its packs; one that takes longer goes on beside the next pass
FREE_BYTES = 1 << 30  # with less than this on the disk, filed segments go although the cache has room
TRIES_BEFORE_QUARANTINE = 3
_FILED_STATES = (RecordState.INDEXED, RecordState.HELD, RecordState.DISCARDED, RecordState.QUARANTINED)


def waiting_to_be_filed() -> ColumnElement[bool]:
    """A predicate over `Record`: it belongs into the object store and is not there yet."""
    return and_(Record.pack_id.is_(None), Record.kind != "damaged", Record.state.in_(_FILED_STATES))


def _waits_for_a_person() -> ColumnElement[bool]:
    """A predicate over `Record`: its bytes rotted, and nobody has given it up."""
    return and_(Record.pack_id.is_(None), Record.kind == "damaged", Record.state == RecordState.QUARANTINED)


@dataclass(slots=True)
class Filing:
    """Files what one node has indexed. Keeps only what it may forget."""

    runtime: Runtime
    gone: set[tuple[str, int]] = field(default_factory=set)  # segments that were looked for in vain
    failures: Counter[uuid.UUID] = field(default_factory=Counter)  # of packs, by their first record
    prepared: bool = False  # the store, and what the drain before this one left behind is cleared
    alone: set[uuid.UUID] = field(default_factory=set)  # records of a pack that broke: each by itself
    makes_way: Callable[[], bool] = lambda: False  # asked before each pack
    _leftovers: Leftovers = field(init=False)
    _under_way: dict["Future[int]", list[Waiting]] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(UPLOADS, thread_name_prefix="filing")
    )

    def __post_init__(self) -> None:
        self._leftovers = Leftovers(self.runtime)

    @property
    def is_busy(self) -> bool:
        """Packs are on their way, and nothing is known of them yet."""
        return bool(self._under_way)

    @property
    def _has_place(self) -> bool:
        """One more pack could be on its way. Without it nobody looks for one: a slow store would be paid for twice."""
        return len(self._under_way) < UPLOADS

    def file_ready(self) -> int:
        """File every group that is large or old enough, then let segments go; answers how many records were filed.

        Raises what kept a pack from the store; the others are tried first.
        """
        try:
            if self.makes_way():
                return self._file_packs([])
            self._prepare()
            return self._file_packs(self._ready_packs() if self._has_place else [])
        finally:
            self._release_segments()
            self._evict()

    def close(self) -> None:
        """Give up what is under way; it is filed again by whoever comes next."""
        self._stop.set()
        self._pool.shutdown()

    def _prepare(self) -> None:
        """Clear up packs that were announced and not put to their end; not while others are on their way."""
        if self._under_way:
            return
        journals = [state.id for state in journal.journals(self.runtime.journal_dir)]
        if self.prepared:
            self._leftovers.drop_interrupted(journals)
            return
        with self.runtime.reading() as session:
            is_new = (
                session.scalars(select(Pack.id).where(Pack.filed_at.is_not(None)).limit(1)).first() is None
            )
        if is_new:
            self.runtime.objects.prepare()
        self._leftovers.clear(journals)
        self.prepared = True

    def _ready_packs(self) -> list[list[Waiting]]:
        """What failed before comes last, so that nothing waits for it."""
        settings = self.runtime.settings
        busy = {one.id for pack in self._under_way.values() for one in pack}
        packs = plan_packs(
            self._waiting(busy),
            now=self.runtime.now(),
            pack_bytes=settings.pack_bytes,
            file_after=timedelta(seconds=settings.file_after_s),
        )
        apart = [[one] for pack in packs for one in pack if one.id in self.alone]
        together = [left for pack in packs if (left := [one for one in pack if one.id not in self.alone])]
        return sorted([*together, *apart], key=lambda pack: self.failures[pack[0].id])

    def _due_groups(self, session: Session) -> list[tuple[uuid.UUID | None, str]]:
        """Series, and kinds of what is in none, of which something may be filed now: only their rows are read."""
        settings, now = self.runtime.settings, self.runtime.now()
        size = func.sum(Record.size_bytes)
        first, last = func.min(Record.received_at), func.max(Record.received_at)
        is_old = or_(first <= now - timedelta(seconds=settings.file_after_s), last > now + CLOCK_SKEW)
        rows = session.execute(
            select(Instance.series_id, Record.kind)
            .select_from(Record)
            .outerjoin(Instance, Instance.record_id == Record.id)
            .where(waiting_to_be_filed(), self._is_here())
            .group_by(Instance.series_id, Record.kind)
            .having(or_(size >= settings.pack_bytes, and_(size >= SMALL_BYTES, last <= now - QUIET), is_old))
            .order_by(first)
            .limit(LOOK_AT_GROUPS)
        )
        return [(row.series_id, row.kind) for row in rows]

    def _waiting(self, busy: Container[uuid.UUID]) -> list[Waiting]:
        """What may go into packs now, of the groups that are due, without what is on its way."""
        with self.runtime.reading() as session:
            due = self._due_groups(session)
            if not due:
                return []
            of_none = [kind for series_id, kind in due if series_id is None]
            rows = session.execute(
                select(
                    Record.id,
                    Record.node,
                    Record.journal,
                    Record.sequence,
                    Record.segment,
                    Record.offset,
                    Record.size_bytes,
                    Record.kind,
                    Record.received_at,
                    Instance.series_id,
                    Record.origin["sop_instance_uid"].as_string().label("uid"),
                    Record.origin["filename"].as_string().label("filename"),
                )
                .outerjoin(Instance, Instance.record_id == Record.id)
                .where(waiting_to_be_filed(), self._is_here())
                .where(
                    or_(
                        Instance.series_id.in_([series_id for series_id, _ in due if series_id]),
                        and_(Instance.series_id.is_(None), Record.kind.in_(of_none)),
                    )
                )
                .where(*(~and_(Record.journal == id, Record.segment == number) for id, number in self.gone))
                .order_by(Record.received_at, Record.sequence)
                .limit(LOOK_AT)
            ).all()
        return [
            Waiting(
                id=row.id,
                record_id=RecordId(journal=row.journal, sequence=row.sequence),
                group=row.series_id or row.kind,
                kind=row.kind,
                name=(row.uid if row.kind == "dicom.instance" else row.filename) or "",
                received_at=row.received_at,
                location=Location(
                    node=row.node, journal=row.journal, segment=row.segment, offset=row.offset,
                    length=row.size_bytes,
                ),
            )
            for row in rows
            if row.id not in busy
        ]  # fmt: skip

    def _is_here(self) -> ColumnElement[bool]:
        """Of this node; also of a journal that lies here under the name that the node had before."""
        node = self.runtime.settings.node
        others = [state.id for state in journal.journals(self.runtime.journal_dir) if state.node != node]
        return or_(Record.node == node, Record.journal.in_(others)) if others else Record.node == node

    def _file_packs(self, packs: list[list[Waiting]]) -> int:
        """Some at once, and what becomes due meanwhile. What takes longer than a pass stays under way."""
        filed, failed = 0, None
        began = looked_at = time.monotonic()
        while packs or self._under_way:
            while packs and not failed and self._has_place:
                if self.makes_way():
                    packs = []
                    break
                pack = packs.pop(0)
                self._under_way[self._pool.submit(self._file, pack)] = pack
            done, _ = wait(self._under_way, LOOK_AGAIN_S, FIRST_COMPLETED)
            for future in done:
                pack = self._under_way.pop(future)
                try:
                    filed += future.result()
                    del self.failures[pack[0].id]
                except Exception as error:
                    failed = failed or error
                    self.failures[pack[0].id] += 1
            now = time.monotonic()
            if now - began >= PATIENCE_S:
                break
            is_idle = self._has_place and not (packs or failed)
            if is_idle and now - looked_at >= LOOK_AGAIN_S and not self.makes_way():
                packs, looked_at = self._ready_packs(), now
        if failed:
            raise failed
        return filed

    def _file(self, records: Sequence[Waiting]) -> int:
        """Write one pack and point the rows to it. Raises only what lies in the store or the database."""
        where = records[0].record_id
        try:
            stream = PackStream(
                [
                    journal_member(self.runtime.journal_dir, one.member_name(number), one.location)
                    for number, one in enumerate(records, start=1)
                ],
                stopped=self._stop.is_set,
            )
            key = self._announce(where, stream.size)
            reach("file.putting")
            self.runtime.objects.put(key, stream, stream.size)
            reach("file.put")
            if self.runtime.objects.size(key) != stream.size:
                raise StoreFailed("the object store did not keep the whole pack", cause="IncompleteBody")
            self._point_to_pack(key, stream, records)
        except Unavailable:
            raise
        except BodyDamaged as error:
            log.error("pack_failed", journal=where.journal, sequence=where.sequence, reason=str(error))
            self._quarantine_damaged(records)
            return 0
        except SegmentGone:
            self._note_gone(records)
            return 0
        except Exception as error:
            if is_away(error):
                raise
            log.error(
                "pack_failed",
                journal=where.journal,
                sequence=where.sequence,
                records=len(records),
                exc_info=error,
            )
            self._note_broken(records, error)
            return 0
        log.info("pack_filed", key=key, records=len(records), size_bytes=stream.size)
        return len(records)

    def _announce(self, first: RecordId, size: int) -> str:
        """Say in a row which pack will be put: one that never gets its records is removed by this row."""
        stem = pack_key(first).removesuffix(".tar")
        with self.runtime.reading() as session:
            taken = set(session.scalars(select(Pack.key).where(Pack.key.startswith(stem))))
        # In use, or its rows were lost with a database: it may hold what lies nowhere else.
        key = next(
            key
            for revision in itertools.count()
            if (key := pack_key(first, revision=revision)) not in taken
            and self.runtime.objects.size(key) is None
        )
        with self.runtime.sessions.begin() as session:
            session.add(Pack(id=new_id(), key=key, size_bytes=size))
        return key

    def _point_to_pack(self, key: str, stream: PackStream, records: Sequence[Waiting]) -> None:
        with self.runtime.sessions.begin() as session:
            now = self.runtime.now()
            pack = session.scalars(select(Pack).where(Pack.key == key)).one()
            pack.filed_at = now
            session.flush()
            bulk.update_rows(
                session,
                Record,
                [
                    {"id": one.id, "pack_id": pack.id, "pack_offset": packed.offset}
                    for one, packed in zip(records, stream.packed, strict=True)
                ],
            )
            mark = session.get(DrainMark, self.runtime.settings.node)
            if mark is not None:
                mark.filed_at = now
            reach("file.pointed")
        reach("file.committed")

    def _quarantine_damaged(self, records: Sequence[Waiting]) -> None:
        """The bytes of at least one are no longer those that were accepted: set it apart, so that the others go on."""
        for record in records:
            try:
                journal.verify_body(self.runtime.journal_dir, record.location)
            except BodyDamaged as error:
                self._quarantine(record, error)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise Unavailable("the journal cannot be read") from error
                self._quarantine(record, error)

    def _note_broken(self, records: Sequence[Waiting], error: Exception) -> None:
        """One of them cannot be filed for a reason that nobody foresaw: each goes by itself, until it is clear which."""
        if len(records) > 1:
            self.alone.update(record.id for record in records)
            return
        [record] = records
        self.failures[record.id] += 1
        if self.failures[record.id] >= TRIES_BEFORE_QUARANTINE:
            self._quarantine(record, error)

    def _quarantine(self, record: Waiting, error: Exception) -> None:
        """Set it apart, or let a duplicate take its place where there is one."""
        where, runtime = record.record_id, self.runtime
        log.error("record_damaged", journal=where.journal, sequence=where.sequence)
        with runtime.sessions.begin() as session:
            row = session.get_one(Record, record.id)
            if not duplicates.take_place(
                session, row, journal_dir=runtime.journal_dir, node=runtime.settings.node
            ):
                row.kind, row.state = "damaged", RecordState.QUARANTINED
                row.reason = f"{type(error).__name__}: {error}"[:500]

    def _note_gone(self, records: Sequence[Waiting]) -> None:
        """Unfiled records whose segment is not on this node: said loudly and passed over, so that the others go on."""
        for journal_id, number in {(one.location.journal, one.location.segment) for one in records}:
            if journal.find_segment(self.runtime.journal_dir, journal_id, number) is None:
                log.error("unfiled_segment_missing", journal=journal_id, segment=number)
                self.gone.add((journal_id, number))

    def _release_segments(self) -> None:
        """Mark the segments whose records are all filed; remove empty ones, and journals of which nothing is left."""
        for state in journal.journals(self.runtime.journal_dir):
            ended = [segment for segment in state.segments if segment.ended]
            for segment in ended:
                if not segment.size_bytes:  # made on a full disk; nobody who wants room would look for it
                    journal.remove_segment(self.runtime.journal_dir, state.id, segment.number)
            for segment in self._filed(state, [one for one in ended if one.size_bytes and not one.filed]):
                journal.mark_filed(self.runtime.journal_dir, state.id, segment.number)
                reach("file.marked")
            if not state.alive and not state.segments:
                self.runtime.objects.tidy(pack_folder(state.id))  # nobody would look there again
                with self.runtime.sessions.begin() as session:
                    session.execute(delete(SegmentCursor).where(SegmentCursor.journal == state.id))
                journal.remove_journal(self.runtime.journal_dir, state.id)

    def _filed(self, state: JournalState, ended: Sequence[SegmentState]) -> list[SegmentState]:
        """Those of the ended segments that are indexed to their end and of which nothing waits any more."""
        if not ended:
            return []
        waiting = (
            select(Record.id)
            .where(Record.journal == SegmentCursor.journal, Record.segment == SegmentCursor.segment)
            .where(or_(waiting_to_be_filed(), _waits_for_a_person(), duplicates.is_still_needed()))
            .exists()
        )
        with self.runtime.reading() as session:
            cursors: dict[int, Any] = {
                row.segment: row.offset
                for row in session.execute(
                    select(SegmentCursor.segment, SegmentCursor.offset)
                    .where(SegmentCursor.journal == state.id, SegmentCursor.segment >= ended[0].number)
                    .where(~waiting)
                )
            }
        return [
            segment
            for segment in ended
            if not segment.readable_to or cursors.get(segment.number, -1) >= segment.readable_to
        ]

    def _evict(self) -> None:
        """Remove the oldest filed segments while the cache is over its bound or the disk is short."""
        usage = journal.measure_usage(self.runtime.journal_dir)
        surplus = max(
            usage.filed_bytes - self.runtime.settings.cache_bytes,
            min(FREE_BYTES - usage.free_bytes, usage.filed_bytes),
        )
        if surplus <= 0:
            return
        filed = [
            (self._written_at(state, segment), state, segment)
            for state in journal.journals(self.runtime.journal_dir)
            for segment in state.segments
            if segment.filed
        ]
        for _, state, segment in sorted(filed, key=lambda one: one[0]):
            if surplus <= 0:
                break
            self._remove(state, segment)
            surplus -= segment.size_bytes

    def _written_at(self, state: JournalState, segment: SegmentState) -> float:
        path = journal.find_segment(self.runtime.journal_dir, state.id, segment.number)
        return path.stat().st_mtime if path else 0.0

    def _remove(self, state: JournalState, segment: SegmentState) -> None:
        reach("evict.noting")
        with self.runtime.sessions.begin() as session:
            session.execute(
                update(Record)
                .where(Record.journal == state.id, Record.segment == segment.number)
                .values(local=False)
            )
            session.execute(
                delete(SegmentCursor).where(
                    SegmentCursor.journal == state.id, SegmentCursor.segment == segment.number
                )
            )
        reach("evict.noted")
        journal.remove_segment(self.runtime.journal_dir, state.id, segment.number)
        reach("evict.removed")
        log.info("segment_evicted", journal=state.id, segment=segment.number, size_bytes=segment.size_bytes)
