"""The drain's second step: records become packs in the object store, and segments whose records are filed may go.

The instances of a series go together. A pack is written and checked before a row points to it; until then the rows
point to the segment, so the store may be away for any time. Filed segments stay as a cache up to a bound.
"""

import itertools
import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from adapters.errors import Unavailable
from gateway import journal, leftovers
from gateway.fault_points import reach
from gateway.index import DrainMark, Instance, Pack, Record, RecordState, SegmentCursor
from gateway.journal import BodyDamaged, JournalState, RecordId, SegmentGone, SegmentState
from gateway.originals import location_of
from gateway.packs import PackedMember, PackStream, journal_member, pack_key
from gateway.runtime import Runtime
from worklists.base import new_id

log = structlog.get_logger()

LOOK_AT = 5000  # unfiled records looked at in one pass
FREE_BYTES = 1 << 30  # with less than this on the disk, filed segments go although the cache has room
_FILED_STATES = (RecordState.INDEXED, RecordState.HELD, RecordState.DISCARDED, RecordState.QUARANTINED)
_PLAIN = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


def waiting_to_be_filed() -> ColumnElement[bool]:
    """A predicate over `Record`: it belongs into the object store and is not there yet."""
    return and_(Record.pack_id.is_(None), Record.kind != "damaged", Record.state.in_(_FILED_STATES))


@dataclass(slots=True)
class Filing:
    """Files what one node has indexed."""

    runtime: Runtime
    gone: set[tuple[str, int]] = field(default_factory=set)  # segments that were looked for in vain
    cleared: bool = False  # what the drain before this one left behind

    def file_ready(self) -> int:
        """File every group that is large or old enough, then let segments go; answers how many records were filed."""
        self._clear_leftovers()
        filed = sum(self._file(group) for group in self._ready_groups())
        self._release_segments()
        self._evict()
        return filed

    def _clear_leftovers(self) -> None:
        journals = [state.id for state in journal.journals(self.runtime.journal_dir)]
        if self.cleared:
            leftovers.drop_interrupted(self.runtime, journals)
            return
        leftovers.clear(self.runtime, journals)
        self.cleared = True

    def _ready_groups(self) -> list[list[Record]]:
        settings = self.runtime.settings
        old = self.runtime.now() - timedelta(seconds=settings.file_after_s)
        groups: dict[uuid.UUID | str, list[Record]] = defaultdict(list)
        with self.runtime.reading() as session:
            rows = session.execute(
                select(Record, Instance.series_id)
                .outerjoin(Instance, Instance.record_id == Record.id)
                .where(waiting_to_be_filed(), self._is_here())
                .where(*(~and_(Record.journal == id, Record.segment == number) for id, number in self.gone))
                .order_by(Record.received_at, Record.sequence)
                .limit(LOOK_AT)
            ).all()
        for record, series_id in rows:
            groups[series_id or record.kind].append(record)
        return [
            part
            for group in groups.values()
            for part in _split(group, settings.pack_bytes)
            if part[0].received_at <= old or sum(r.size_bytes for r in part) >= settings.pack_bytes
        ]

    def _is_here(self) -> ColumnElement[bool]:
        """Of this node; also of a journal that lies here under the name that the node had before."""
        node = self.runtime.settings.node
        others = [state.id for state in journal.journals(self.runtime.journal_dir) if state.node != node]
        return or_(Record.node == node, Record.journal.in_(others))

    def _file(self, records: Sequence[Record]) -> int:
        """Write one pack and point the rows to it."""
        members = [
            journal_member(self.runtime.journal_dir, _member_name(number, record), location_of(record))
            for number, record in enumerate(records, start=1)
        ]
        stream = PackStream(members)
        key = self._announce(records[0], stream.size)
        try:
            reach("file.putting")
            self.runtime.objects.put(key, stream, stream.size)
        except BodyDamaged as error:
            log.error("pack_failed", key=key, reason=str(error))
            self._quarantine_damaged(records)
            return 0
        except SegmentGone:
            self._note_gone(records)
            return 0
        reach("file.put")
        if self.runtime.objects.size(key) != stream.size:
            raise Unavailable("the object store did not keep the whole pack")
        self._point_to_pack(key, stream, records)
        log.info("pack_filed", key=key, records=len(records), size_bytes=stream.size)
        return len(records)

    def _announce(self, first: Record, size: int) -> str:
        """Say in a row which pack will be put: one that never gets its records is removed by this row."""
        with self.runtime.sessions.begin() as session:
            for revision in itertools.count():
                key = pack_key(RecordId(journal=first.journal, sequence=first.sequence), revision=revision)
                if session.scalars(select(Pack.id).where(Pack.key == key)).first() is None:
                    break  # never over a pack that records point to
            session.add(Pack(id=new_id(), key=key, size_bytes=size))
            return key

    def _point_to_pack(self, key: str, stream: PackStream, records: Sequence[Record]) -> None:
        with self.runtime.sessions.begin() as session:
            now = self.runtime.now()
            pack = session.scalars(select(Pack).where(Pack.key == key)).one()
            pack.filed_at = now
            for record, packed in zip(records, stream.packed, strict=True):
                session.execute(update(Record).where(Record.id == record.id).values(_packed_at(pack, packed)))
            mark = session.get(DrainMark, self.runtime.settings.node)
            if mark is not None:
                mark.filed_at = now
            reach("file.pointed")
        reach("file.committed")

    def _quarantine_damaged(self, records: Sequence[Record]) -> None:
        """The bytes of at least one are no longer those that were accepted: set it apart, so that the others go on."""
        for record in records:
            try:
                journal.verify_body(self.runtime.journal_dir, location_of(record))
            except BodyDamaged as error:
                log.error("record_damaged", journal=record.journal, sequence=record.sequence)
                with self.runtime.sessions.begin() as session:
                    row = session.get_one(Record, record.id)
                    row.kind, row.state, row.reason = "damaged", RecordState.QUARANTINED, str(error)[:500]

    def _note_gone(self, records: Sequence[Record]) -> None:
        """Unfiled records whose segment is not on this node: said loudly and passed over, so that the others go on."""
        for journal_id, number in {(record.journal, record.segment) for record in records}:
            if journal.find_segment(self.runtime.journal_dir, journal_id, number) is None:
                log.error("unfiled_segment_missing", journal=journal_id, segment=number)
                self.gone.add((journal_id, number))

    def _release_segments(self) -> None:
        """Mark the segments whose records are all filed; remove journals of which nothing is left."""
        for state in journal.journals(self.runtime.journal_dir):
            for segment in state.segments:
                if segment.ended and not segment.filed and self._is_filed(state, segment):
                    journal.mark_filed(self.runtime.journal_dir, state.id, segment.number)
                    reach("file.marked")
            if not state.alive and not state.segments:
                leftovers.clear(self.runtime, [state.id])  # nobody would look there again
                with self.runtime.sessions.begin() as session:
                    session.execute(delete(SegmentCursor).where(SegmentCursor.journal == state.id))
                journal.remove_journal(self.runtime.journal_dir, state.id)

    def _is_filed(self, state: JournalState, segment: SegmentState) -> bool:
        with self.runtime.reading() as session:
            cursor = session.get(SegmentCursor, (state.id, segment.number))
            if segment.readable_to and (cursor is None or cursor.offset < segment.readable_to):
                return False
            waiting = session.scalars(
                select(Record.id)
                .where(Record.journal == state.id, Record.segment == segment.number)
                .where(Record.pack_id.is_(None), Record.state.in_(_FILED_STATES))
                .limit(1)
            ).first()
            return waiting is None

    def _evict(self) -> None:
        """Remove the oldest filed segments while the cache is over its bound or the disk is short."""
        usage = journal.measure_usage(self.runtime.journal_dir)
        surplus = max(
            usage.filed_bytes - self.runtime.settings.cache_bytes,
            min(FREE_BYTES - usage.free_bytes, usage.filed_bytes),
        )
        states = journal.journals(self.runtime.journal_dir) if surplus > 0 else []
        for state in states:
            for segment in state.segments:
                if surplus > 0 and segment.filed:
                    self._remove(state, segment)
                    surplus -= segment.size_bytes

    def _remove(self, state: JournalState, segment: SegmentState) -> None:
        with self.runtime.sessions.begin() as session:
            session.execute(
                update(Record)
                .where(Record.journal == state.id, Record.segment == segment.number)
                .values(local=False)
            )
        reach("evict.noted")
        journal.remove_segment(self.runtime.journal_dir, state.id, segment.number)
        log.info("segment_evicted", journal=state.id, segment=segment.number, size_bytes=segment.size_bytes)


def _split(group: Sequence[Record], pack_bytes: int) -> list[list[Record]]:
    """Parts that each reach the size of a pack, and the rest."""
    parts: list[list[Record]] = [[]]
    size = 0
    for record in group:
        if size >= pack_bytes:
            parts.append([])
            size = 0
        parts[-1].append(record)
        size += record.size_bytes
    return parts


def _member_name(number: int, record: Record) -> str:
    """A name that a person understands: the place in the pack, and what it is."""
    uid = str(record.origin.get("sop_instance_uid", ""))
    if record.kind == "dicom.instance":
        return f"{number:05d}-{uid}.dcm" if _PLAIN.fullmatch(uid) else f"{number:05d}.dcm"
    name = str(record.origin.get("filename", ""))
    return f"{number:05d}-{name}" if _PLAIN.fullmatch(name) else f"{number:05d}.bin"


def _packed_at(pack: Pack, packed: PackedMember) -> dict[str, object]:
    return {"pack_id": pack.id, "pack_offset": packed.offset}
