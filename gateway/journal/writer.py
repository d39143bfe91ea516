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
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import structlog
from google_crc32c import extend

from adapters.errors import Unavailable
from gateway.journal.catalogue import DESCRIPTION_NAME, LOCK_NAME
from gateway.journal.format import FORMAT_VERSION, write_head
from gateway.journal.room import DISK_FLOOR_BYTES, Room, Usage, measure_usage
from gateway.journal.segment import (
    SEGMENT_BYTES,
    WRITE_BACK_BYTES,
    PendingRecord,
    SharedSegment,
    SingleSegment,
    sync_folder,
)

COLLECT_BYTES = 4 * 1024 * 1024  # above it, collecting costs more than a segment of its own (measured)
NOTE_DELAY_S = 0.2  # the longest that a note waits for a commit to travel with

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
    ) -> None:
        self.id = folder.name
        self.records = 0
        self.syncs = 0
        self.dropped_notes = 0
        self._folder = folder
        self._lock_handle = lock_handle
        # One thread for the shared segment, so that its file has one user; others for large bodies and samples.
        self._committer = ThreadPoolExecutor(1, thread_name_prefix="journal-commit")
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="journal")
        self._room = Room(limit_bytes=limit_bytes, floor_bytes=floor_bytes, measure=usage, pool=self._pool)
        self._sequences = itertools.count(1)
        self._numbers = itertools.count(1)
        self._segment_bytes = segment_bytes
        self._shared: SharedSegment | None = None
        self._waiting: list[_Waiting] = []
        self._group: asyncio.Task[None] | None = None
        self._note_timer: asyncio.TimerHandle | None = None
        self._singles: set[SingleSegment] = set()
        self._closed = False

    @classmethod
    def create(
        cls,
        root: Path,
        *,
        node: str,
        limit_bytes: int,
        floor_bytes: int = DISK_FLOOR_BYTES,
        segment_bytes: int = SEGMENT_BYTES,
        usage: Callable[[], Usage] | None = None,
    ) -> Self:
        """Begin a new journal under the root. Its folder appears whole and locked, or not at all."""
        folder = root / uuid4().hex
        making = root / f".new-{folder.name}"
        try:
            root.mkdir(mode=0o750, parents=True, exist_ok=True)
            making.mkdir(mode=0o750)
            lock_handle = os.open(making / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o640)
            fcntl.flock(lock_handle, fcntl.LOCK_EX)
            description = {
                "format": FORMAT_VERSION,
                "node": node,
                "created_at": datetime.now(UTC).isoformat(),
            }
            with (making / DESCRIPTION_NAME).open("w") as file:
                json.dump(description, file)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(making)
            making.rename(folder)
            sync_folder(root)
            sync_folder(root.parent)
            return cls(
                folder,
                lock_handle,
                limit_bytes=limit_bytes,
                floor_bytes=floor_bytes,
                segment_bytes=segment_bytes,
                usage=usage or (lambda: measure_usage(root)),
            )
        except OSError as error:
            raise Unavailable(f"the journal folder cannot be used: {error.strerror}") from error

    def open(self, kind: str, origin: Mapping[str, Any], *, size_hint: int | None = None) -> "Entry":
        """Begin a record. JournalFull when there is no room; `size_hint` is what the peer announced, if it did."""
        self._check_open()
        self._room.check(size_hint or 0)
        return Entry(self, write_head(kind, origin), streamed=(size_hint or 0) > COLLECT_BYTES)

    def note(self, kind: str, origin: Mapping[str, Any]) -> None:
        """Record a fact without a body that nobody waits for; durable within NOTE_DELAY_S, or counted as dropped."""
        if self._closed:
            self._drop_notes(1)
            return
        record = PendingRecord(
            sequence=next(self._sequences), head=write_head(kind, origin), body=[], body_length=0, body_crc=0
        )
        self._waiting.append(_Waiting(record=record, done=None))
        if self._group is None and self._note_timer is None:
            self._note_timer = asyncio.get_running_loop().call_later(NOTE_DELAY_S, self._start_group)

    async def close(self) -> None:
        """Commit what waits, end the segment and let go of the lock. Entries still open are lost."""
        if self._closed:
            return
        self._closed = True
        self._start_group()
        while self._group is not None:
            await asyncio.wait([self._group])
        loop = asyncio.get_running_loop()
        for single in list(self._singles):
            self._discard_single(single)
        await loop.run_in_executor(self._committer, self._end_shared)
        self._committer.shutdown()
        await asyncio.to_thread(self._pool.shutdown)  # waits for large bodies that are being committed
        os.close(self._lock_handle)

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the journal is closed")

    # Group commit, the loop's side.

    async def _commit(self, record: PendingRecord) -> None:
        self._check_open()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(record=record, done=done))
        self._start_group()
        await done

    def _new_single(self, head: bytes) -> SingleSegment:
        self._check_open()
        single = SingleSegment(self._folder, self.id, next(self._numbers), head)
        self._singles.add(single)
        return single

    def _discard_single(self, single: SingleSegment) -> None:
        if single in self._singles:
            self._singles.remove(single)
            single.discard()

    async def _commit_single(self, single: SingleSegment, sequence: int) -> None:
        self._check_open()
        self._singles.remove(single)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._pool, single.finish, sequence)
        except OSError as error:
            raise _unavailable(error) from error
        self.syncs += 1
        self.records += 1

    def _start_group(self) -> None:
        if self._note_timer is not None:
            self._note_timer.cancel()
            self._note_timer = None
        if self._group is None and self._waiting:
            self._group = asyncio.get_running_loop().create_task(self._commit_groups())

    async def _commit_groups(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                records = [one.record for one in group]
                durable, error = await loop.run_in_executor(self._committer, self._write_group, records)
                self.records += durable
                for one in group[:durable]:
                    one.answer(None)
                if error is not None:
                    self._refuse(group[durable:], error)
        finally:
            self._group = None

    def _refuse(self, group: "list[_Waiting]", error: Exception) -> None:
        log.error("journal_commit_failed", journal=self.id, records=len(group), error=str(error))
        for one in group:
            one.answer(_unavailable(error))
        self._drop_notes(sum(one.done is None for one in group))

    def _drop_notes(self, count: int) -> None:
        if count:
            self.dropped_notes += count
            log.warning("journal_notes_dropped", journal=self.id, notes=count)

    # Group commit, the committing thread's side.

    def _write_group(self, records: list[PendingRecord]) -> tuple[int, Exception | None]:
        """Append and sync; how many records are durable, and why the others are not.

        A group larger than what is left of the segment goes on in the next one.
        """
        durable = 0
        try:
            while durable < len(records):
                segment = self._segment_for(records[durable])
                fitting, size = 0, 0
                for record in records[durable:]:
                    size += record.length
                    if fitting and not segment.has_room_for(size):
                        break
                    fitting += 1
                segment.append(records[durable : durable + fitting])
                segment.sync()
                self.syncs += 1
                durable += fitting
        except Exception as error:  # everybody who waits must hear of it, whatever it was
            if self._shared is not None:
                retired, self._shared = self._shared, None
                retired.retire()
            return durable, error
        return durable, None

    def _segment_for(self, record: PendingRecord) -> SharedSegment:
        shared = self._shared
        if shared is not None and not (shared.is_empty or shared.has_room_for(record.length)):
            self._end_shared()
        if self._shared is None:
            self._shared = SharedSegment(self._folder, self.id, next(self._numbers), self._segment_bytes)
        return self._shared

    def _end_shared(self) -> None:
        if self._shared is not None:
            ended, self._shared = self._shared, None
            ended.end()


class Entry:
    """One record under way: write its body, then commit or abort. `record_id` stands after the commit."""

    __slots__ = (
        "_chunks",
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
        self._chunks: list[bytes] = []
        self._crc = 0
        self._single: SingleSegment | None = None
        self._unasked = 0  # bytes streamed since the kernel was last asked to write back
        self._error: Exception | None = None
        self._done = False
        if streamed:
            self._start_streaming()

    def write(self, view: bytes | bytearray | memoryview) -> None:
        """Add to the body; the view may be reused afterwards. What goes wrong here is raised by the commit."""
        if self._done:
            raise RuntimeError("the record is committed or aborted")
        if self._error is not None:
            return
        chunk = bytes(view)
        self.size += len(chunk)
        self._journal._room.take(len(chunk))
        if self._single is not None:
            self._stream([chunk])
            return
        self._chunks.append(chunk)
        self._crc = int(extend(self._crc, chunk))
        if self.size > COLLECT_BYTES:
            self._start_streaming()

    async def commit(self) -> None:
        """Durable when it returns; Unavailable, and nothing kept, when it does not."""
        if self._done:
            raise RuntimeError("the record is committed or aborted")
        if self._error is not None:
            self._done = True
            raise _unavailable(self._error)
        self._done = True
        sequence = next(self._journal._sequences)
        chunks, self._chunks = self._chunks, []
        try:
            if self._single is not None:
                await self._journal._commit_single(self._single, sequence)
            else:
                await self._journal._commit(
                    PendingRecord(
                        sequence=sequence,
                        head=self._head,
                        body=chunks,
                        body_length=self.size,
                        body_crc=self._crc,
                    )
                )
        except Unavailable:
            self._journal._room.take(-self.size)
            raise
        self.record_id = RecordId(journal=self._journal.id, sequence=sequence)

    def abort(self) -> None:
        """Drop what was written. After a commit or an abort it changes nothing."""
        if not self._done:
            self._done = True
            self._discard()

    def _start_streaming(self) -> None:
        try:
            self._single = self._journal._new_single(self._head)
        except (OSError, Unavailable) as error:
            self._fail(error)
            return
        chunks, self._chunks = self._chunks, []
        self._stream(chunks)

    def _stream(self, chunks: list[bytes]) -> None:
        assert self._single is not None
        try:
            self._single.write(chunks)
            self._unasked += sum(map(len, chunks))
            if self._unasked >= WRITE_BACK_BYTES:
                self._unasked = 0
                self._journal._room.check()
                self._journal._pool.submit(self._single.start_write_back)
        except (OSError, Unavailable) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        log.error("journal_write_failed", journal=self._journal.id, size_bytes=self.size, error=str(error))
        self._error = error
        self._discard()

    def _discard(self) -> None:
        self._journal._room.take(-self.size)
        self._chunks = []
        if self._single is not None:
            self._journal._discard_single(self._single)
            self._single = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """A record in the queue; `done` is None for a note, which nobody waits for."""

    record: PendingRecord
    done: asyncio.Future[None] | None

    def answer(self, error: Exception | None) -> None:
        if self.done is None or self.done.done():  # done: whoever waited has given up
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


def _unavailable(error: Exception) -> Unavailable:
    if isinstance(error, Unavailable):
        return error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unavailable(f"the journal could not be written: {reason}")
