"""Write the intake journal: collect what a peer sends, commit it in groups, keep memory and disk bounded.

One journal belongs to one process and one event loop. Bodies up to COLLECT_BYTES are kept in memory and appended
with the next group commit: one fdatasync is under way at a time, and all who come meanwhile share the next.
Larger bodies are streamed into a segment of their own. A failed write or sync answers Unavailable to everybody
who waited for it and retires the segment; it is never tried again on that file.
"""

import asyncio
import fcntl
import itertools
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import structlog

from adapters.errors import Unavailable
from gateway.fault_points import reach
from gateway.journal.catalogue import DESCRIPTION_NAME, LOCK_NAME, making_journals
from gateway.journal.commit import GroupCommit, unavailable
from gateway.journal.direct import Pieces
from gateway.journal.format import FORMAT_VERSION, Buffer, extend_crc, write_head
from gateway.journal.room import DISK_FLOOR_BYTES, JournalFull, Room, Usage, measure_usage
from gateway.journal.segment import SEGMENT_BYTES, PendingRecord, sync_folder
from gateway.journal.single import WRITE_BACK_BYTES, SingleSegment

COLLECT_BYTES = 4 * 1024 * 1024  # above it, collecting costs more than a segment of its own (measured)
COLLECT_ALL_BYTES = (
    128 * 1024 * 1024
)  # of all records under way: hundreds of senders that stall must not fill memory
SEGMENTS_IN_LIMIT = 8  # only ended segments can be filed, so one must be a small part of what may wait

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordId:
    """The name of a record, for ever: which journal, and which one in it."""

    journal: str
    sequence: int


class Journal:
    """The journal of this process. Create it after forking, on the machine's local disk."""

    def __init__(
        self,
        folder: Path,
        lock_handle: int,
        *,
        limit_bytes: int,
        floor_bytes: int,
        segment_bytes: int,
        usage: Callable[[], Usage],
        kernel_syncs: bool,
        prepares_space: bool,
    ) -> None:
        self.id = folder.name
        self._folder = folder
        self._lock_handle = lock_handle
        self._numbers = itertools.count(1)
        self._sequences = itertools.count(1)
        # Large bodies, samples of the room, and space that is prepared.
        self._pool = ThreadPoolExecutor(5, thread_name_prefix="journal")
        self._room = Room(limit_bytes=limit_bytes, floor_bytes=floor_bytes, measure=usage, pool=self._pool)
        self._group = GroupCommit(
            folder,
            segment_bytes=segment_bytes,
            numbers=self._numbers,
            room=self._room,
            pool=self._pool,
            kernel_syncs=kernel_syncs,
            prepares_space=prepares_space,
        )
        self._pieces = Pieces()
        self._pieces.try_on(folder / DESCRIPTION_NAME)
        self._singles: set[SingleSegment] = set()
        self._collected = 0  # bytes in memory of records under way
        self._committed_singles = 0
        self._closed = False

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        node: str,
        limit_bytes: int,
        floor_bytes: int = DISK_FLOOR_BYTES,
        segment_bytes: int | None = None,
        usage: Callable[[], Usage] | None = None,
        kernel_syncs: bool = True,
        prepares_space: bool = False,
    ) -> Self:
        """Begin a new journal under the root. Its folder appears whole and locked, or not at all.

        `kernel_syncs=False` syncs in a thread, as where the kernel does not do it for us. `prepares_space` spends up
        to a segment of disk for shorter syncs.
        """
        try:
            folder, lock_handle = _make_folder(root, node)
            return cls(
                folder,
                lock_handle,
                limit_bytes=limit_bytes,
                floor_bytes=floor_bytes,
                segment_bytes=segment_bytes or min(SEGMENT_BYTES, limit_bytes // SEGMENTS_IN_LIMIT),
                usage=usage or (lambda: measure_usage(root)),
                kernel_syncs=kernel_syncs,
                prepares_space=prepares_space,
            )
        except OSError as error:
            raise Unavailable(f"the journal folder cannot be used: {error.strerror}") from error

    @property
    def records(self) -> int:
        """Committed by this process."""
        return self._group.records + self._committed_singles

    @property
    def syncs(self) -> int:
        """How many waits for the disk these records took."""
        return self._group.syncs + self._committed_singles

    @property
    def dropped_notes(self) -> int:
        return self._group.dropped_notes

    @property
    def writes_direct(self) -> bool:
        """Large bodies go past the page cache, as far as pieces are free; else the file system does not do it."""
        return self._pieces.usable

    def open(self, kind: str, origin: Mapping[str, Any], *, size_hint: int | None = None) -> "Entry":
        """Begin a record. JournalFull when there is no room; `size_hint` is what the peer announced, if it did."""
        self._check_open()
        try:
            self._room.check(size_hint or 0)
        except JournalFull:
            self._group.end_large_segment()
            raise
        reach("journal.opened")
        return Entry(self, write_head(kind, origin), streamed=(size_hint or 0) > COLLECT_BYTES)

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        """Record a fact without a body that nobody waits for; durable soon, or counted as dropped."""
        if self._closed:
            self._group.drop_notes(1)
            return
        record = PendingRecord(
            sequence=next(self._sequences), head=write_head(kind, origin), body=[], body_length=0, body_crc=0
        )
        self._group.note(record)

    async def close(self) -> None:
        """Commit what waits, end the segment and let go of the lock. Entries still open are lost."""
        if self._closed:
            return
        self._closed = True
        for single in list(self._singles):
            self._discard_single(single)
        await self._group.close()
        await asyncio.to_thread(self._pool.shutdown)  # waits for large bodies that are being committed
        os.close(self._lock_handle)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the journal is closed")

    def _new_single(self, head: bytes) -> SingleSegment:
        self._check_open()
        single = SingleSegment(
            self._folder, self.id, next(self._numbers), head, pieces=self._pieces, pool=self._pool
        )
        self._singles.add(single)
        return single

    def _discard_single(self, single: SingleSegment) -> None:
        if single in self._singles:
            self._singles.remove(single)
            single.discard()

    async def _commit_single(self, single: SingleSegment, sequence: int, body_crc: int) -> None:
        self._check_open()
        self._singles.remove(single)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._pool, single.finish, sequence, body_crc)
        except OSError as error:
            raise unavailable(error) from error
        self._committed_singles += 1


def _make_folder(root: Path, node: str) -> tuple[Path, int]:
    """A new journal's folder, and the lock that says that its writer lives."""
    folder = root / uuid4().hex
    making = root / f".new-{folder.name}"
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    with making_journals(root):
        return folder, _make_under_name(root, making, folder, node)


def _make_under_name(root: Path, making: Path, folder: Path, node: str) -> int:
    making.mkdir(mode=0o750)
    lock_handle = os.open(making / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(lock_handle, fcntl.LOCK_EX)
        description = {"format": FORMAT_VERSION, "node": node, "created_at": datetime.now(UTC).isoformat()}
        with (making / DESCRIPTION_NAME).open("w") as file:
            json.dump(description, file)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(making)
        reach("journal.making")
        making.rename(folder)
        reach("journal.made")
        sync_folder(root)
        sync_folder(root.parent)
    except OSError:
        os.close(lock_handle)
        shutil.rmtree(making, ignore_errors=True)
        raise
    return lock_handle


class Entry:
    """One record under way: write its body, then commit or abort. `record_id` stands after the commit."""

    __slots__ = (
        "_chunks",
        "_collected",
        "_crc",
        "_done",
        "_error",
        "_head",
        "_journal",
        "_single",
        "_unasked",
        "record_id",
        "size",
    )

    def __init__(self, journal: Journal, head: bytes, *, streamed: bool) -> None:
        self.record_id: RecordId | None = None
        self.size = 0
        self._journal = journal
        self._head = head
        self._chunks: list[Buffer] = []
        self._collected = 0
        self._crc = 0
        self._single: SingleSegment | None = None
        self._unasked = 0  # bytes streamed since the kernel was last asked to write back
        self._error: Exception | None = None
        self._done = False
        if streamed:
            self._start_streaming()

    def write(self, *views: Buffer) -> None:
        """Add to the body; the views may be reused afterwards. What goes wrong here is raised by the commit."""
        if self._done:
            raise RuntimeError("the record is committed or aborted")
        if self._error is not None:
            return
        if self._single is None and self._is_much(sum(map(len, views))):
            self._start_streaming()
        if self._single is not None:
            self._take(views)
            self._stream(views)
        elif self._error is None:
            chunk = b"".join(views)
            self._take((chunk,))
            self._chunks.append(chunk)
            self._collected += len(chunk)
            self._journal._collected += len(chunk)

    async def commit(self, rest: Sequence[Buffer] = ()) -> None:
        """Durable when it returns; Unavailable, and nothing kept, when it does not.

        `rest` is the end of the body. It is not copied: it must stay as it is until this returns.
        """
        if self._done:
            raise RuntimeError("the record is committed or aborted")
        if self._single is not None or self.size + sum(map(len, rest)) > COLLECT_BYTES:
            self.write(*rest)
        elif self._error is None:
            self._take(rest)
            self._chunks += rest
        self._done = True
        if self._error is not None:
            raise unavailable(self._error)
        sequence = next(self._journal._sequences)
        try:
            if self._single is not None:
                await self._journal._commit_single(self._single, sequence, self._crc)
            else:
                self._journal._check_open()
                await self._journal._group.commit(
                    PendingRecord(
                        sequence=sequence,
                        head=self._head,
                        body=self._chunks,
                        body_length=self.size,
                        body_crc=self._crc,
                    )
                )
        except Unavailable:
            self._journal._room.take(-self.size)
            raise
        finally:
            self._let_go()
        self.record_id = RecordId(journal=self._journal.id, sequence=sequence)

    def abort(self) -> None:
        """Drop what was written. After a commit or an abort it changes nothing."""
        if not self._done:
            self._done = True
            self._discard()

    def _take(self, views: Sequence[Buffer]) -> None:
        """Count them, against the room and into the CRC."""
        crc, size = self._crc, 0
        for view in views:
            crc = extend_crc(crc, view)
            size += len(view)
        self._crc = crc
        self.size += size
        self._journal._room.take(size)

    def _is_much(self, more_bytes: int) -> bool:
        """Whether this record, or all of them, would take more memory than they may."""
        return (
            self.size + more_bytes > COLLECT_BYTES
            or self._journal._collected + more_bytes > COLLECT_ALL_BYTES
        )

    def _let_go(self) -> None:
        """What was collected is in memory no more."""
        self._journal._collected -= self._collected
        self._collected, self._chunks = 0, []

    def _start_streaming(self) -> None:
        try:
            self._single = self._journal._new_single(self._head)
        except (OSError, Unavailable) as error:
            self._fail(error)
            return
        chunks = self._chunks
        self._let_go()
        self._stream(chunks)

    def _stream(self, chunks: Sequence[Buffer]) -> None:
        assert self._single is not None
        try:
            self._single.write(chunks)
            self._unasked += sum(map(len, chunks))
            if self._unasked >= WRITE_BACK_BYTES:
                self._unasked = 0
                self._journal._room.check()
                self._single.start_write_back()
        except (OSError, Unavailable) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        log.error("journal_write_failed", journal=self._journal.id, size_bytes=self.size, error=str(error))
        self._error = error
        self._discard()

    def _discard(self) -> None:
        self._journal._room.take(-self.size)
        self.size = 0
        self._let_go()
        if self._single is not None:
            self._journal._discard_single(self._single)
            self._single = None
