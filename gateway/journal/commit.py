"""Group commit: one sync is under way at a time, and all who come meanwhile share the next.

The queue lives on the event loop; the shared segment belongs to one thread, so its file has one user.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

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
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-commit")
        self._shared: SharedSegment | None = None
        self._waiting: list[_Waiting] = []
        self._group: asyncio.Task[None] | None = None
        self._note_timer: asyncio.TimerHandle | None = None

    async def commit(self, record: PendingRecord) -> None:
        """Durable when it returns; Unavailable when it cannot be made so."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(record=record, done=done))
        self._start_group()
        await done

    def note(self, record: PendingRecord) -> None:
        """Goes with the next commit, or by itself after NOTE_DELAY_S."""
        self._waiting.append(_Waiting(record=record, done=None))
        if self._group is None and self._note_timer is None:
            self._note_timer = asyncio.get_running_loop().call_later(NOTE_DELAY_S, self._start_group)

    def drop_notes(self, count: int) -> None:
        if count:
            self.dropped_notes += count
            log.warning("journal_notes_dropped", journal=self._folder.name, notes=count)

    def end_large_segment(self) -> None:
        """There is no room: end the segment if it holds much, so that the drain can file it and give its room back."""
        self._thread.submit(self._end_shared, self._segment_bytes // 2)

    async def close(self) -> None:
        """Commit what waits and end the segment."""
        self._start_group()
        while self._group is not None:
            await asyncio.wait([self._group])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._end_shared)
        self._thread.shutdown()

    # On the loop.

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
                durable, error = await loop.run_in_executor(self._thread, self._write_group, records)
                self.records += durable
                for one in group[:durable]:
                    one.answer(None)
                if error is not None:
                    self._refuse(group[durable:], error)
        finally:
            self._group = None

    def _refuse(self, group: "list[_Waiting]", error: Exception) -> None:
        log.error("journal_commit_failed", journal=self._folder.name, records=len(group), error=str(error))
        for one in group:
            one.answer(unavailable(error))
        self.drop_notes(sum(one.done is None for one in group))

    # In the thread.

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


def unavailable(error: Exception) -> Unavailable:
    """What whoever waits is told, in words for an operator."""
    if isinstance(error, Unavailable):
        return error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unavailable(f"the journal could not be written: {reason}")
