"""Group commit: one sync is under way at a time, and all who come meanwhile share the next.

The queue lives on the event loop; the shared segment belongs to one thread, so its file has one user. The thread is
ours and not an executor's: handing a group over and back would cost more than writing a small one.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import structlog

from adapters.errors import Unavailable
from gateway.journal.segment import PendingRecord, SharedSegment

NOTE_DELAY_S = 0.2  # the longest that a note waits for a commit to travel with

log = structlog.get_logger(__name__)


class GroupCommit:
    """Everything that is appended to the shared segments of one journal."""

    def __init__(self, folder: Path, *, segment_bytes: int, numbers: Iterator[int]) -> None:
        self.records = 0
        self.syncs = 0
        self.dropped_notes = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._numbers = numbers
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal-commit", daemon=True)
        self._thread.start()
        self._shared: SharedSegment | None = None
        self._waiting: list[_Waiting] = []
        self._quiet: asyncio.Event | None = None  # while a group is under way
        self._note_timer: asyncio.TimerHandle | None = None

    async def commit(self, record: PendingRecord) -> None:
        """Durable when it returns; Unavailable when it cannot be made so."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((record, done))
        if self._quiet is None:
            loop.call_soon(self._start_group)  # with all whose last bytes came in the same turn
        await done

    def note(self, record: PendingRecord) -> None:
        """Goes with the next commit, or by itself after NOTE_DELAY_S."""
        self._waiting.append((record, None))
        if self._quiet is None and self._note_timer is None:
            self._note_timer = asyncio.get_running_loop().call_later(NOTE_DELAY_S, self._start_group)

    def drop_notes(self, count: int) -> None:
        if count:
            self.dropped_notes += count
            log.warning("journal_notes_dropped", journal=self._folder.name, notes=count)

    def end_large_segment(self) -> None:
        """There is no room: end the segment if it holds much, so that the drain can file it and give its room back."""
        self._jobs.put(partial(self._end_shared, self._segment_bytes // 2))

    async def close(self) -> None:
        """Commit what waits and end the segment."""
        self._start_group()
        while self._quiet is not None:
            await self._quiet.wait()
        self._jobs.put(self._end_shared)
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    # On the loop.

    def _start_group(self) -> None:
        if self._note_timer is not None:
            self._note_timer.cancel()
            self._note_timer = None
        if self._quiet is None and self._waiting:
            group, self._waiting = self._waiting, []
            self._quiet = asyncio.Event()
            self._jobs.put(partial(self._commit_group, asyncio.get_running_loop(), group))

    def _answer_group(self, group: "list[_Waiting]", durable: int, error: Exception | None) -> None:
        assert self._quiet is not None  # a group was under way
        quiet, self._quiet = self._quiet, None
        self._start_group()  # before the answers: the disk is slower than they are
        self.records += durable
        for _, done in group[:durable]:
            if done is not None and not done.done():  # done: whoever waited has given up
                done.set_result(None)
        if error is not None:
            self._refuse(group[durable:], error)
        quiet.set()

    def _refuse(self, group: "list[_Waiting]", error: Exception) -> None:
        log.error("journal_commit_failed", journal=self._folder.name, records=len(group), error=str(error))
        for _, done in group:
            if done is not None and not done.done():
                done.set_exception(unavailable(error))
        self.drop_notes(sum(done is None for _, done in group))

    # In the thread.

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _commit_group(self, loop: asyncio.AbstractEventLoop, group: "list[_Waiting]") -> None:
        durable, error = self._write_group([record for record, _ in group])
        loop.call_soon_threadsafe(self._answer_group, group, durable, error)

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
            self._shared = SharedSegment(
                self._folder, self._folder.name, next(self._numbers), self._segment_bytes
            )
        return self._shared

    def _end_shared(self, at_least_bytes: int = 0) -> None:
        """End the current segment, so that the drain can file it and give its room back."""
        if self._shared is None or self._shared.synced_to < at_least_bytes:
            return
        ended, self._shared = self._shared, None
        try:
            ended.end()
        except OSError as error:  # nothing is lost: whoever settles the journal searches for the end
            log.error(
                "journal_segment_not_ended", journal=self._folder.name, segment=ended.number, error=str(error)
            )


# A record in the queue, and who waits for it; nobody waits for a note.
_Waiting = tuple[PendingRecord, asyncio.Future[None] | None]


def unavailable(error: Exception) -> Unavailable:
    """What whoever waits is told, in words for an operator."""
    if isinstance(error, Unavailable):
        return error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unavailable(f"the journal could not be written: {reason}")
