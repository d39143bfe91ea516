"""Group commit: one sync is under way at a time, and all who come meanwhile share the next.

A record is appended as soon as it is there, on the event loop and beside a sync that is under way, so that the next
sync finds most of its bytes on their way to the disk. What waits for the disk is done beside the loop, one step at a
time: a sync by the kernel where it can, else it and everything else (open, end, retire) in a thread. The thread is
ours and not an executor's: handing a step over and back would cost more than writing a small record.

While nothing comes, space for what will come is prepared behind the records, in another thread and slowly, if the
journal is one of those that much is sent to.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from queue import SimpleQueue

import structlog

from adapters.errors import Unavailable
from gateway.journal.kernel_sync import KernelSync
from gateway.journal.room import Room
from gateway.journal.segment import PendingRecord, SharedSegment

NOTE_DELAY_S = 0.2  # the longest that a note waits for a commit to travel with
IDLE_S = 1.0  # without a commit, before space is prepared
PREPARE_REST = 4  # times as long as the disk took for a piece, it rests before the next
PREPARE_REST_S = 0.25  # at most

log = structlog.get_logger(__name__)


class GroupCommit:
    """Everything that is appended to the shared segments of one journal."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int,
        numbers: Iterator[int],
        room: Room,
        pool: Executor,
        kernel_syncs: bool,
        prepares_space: bool,
    ) -> None:
        self.records = 0
        self.syncs = 0
        self.dropped_notes = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._numbers = numbers
        self._room = room
        self._pool = pool
        self._prepares_space = prepares_space
        self._steps: SimpleQueue[tuple[asyncio.AbstractEventLoop, _Step, _Taken] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="journal-commit", daemon=True)
        self._thread.start()
        self._kernel = KernelSync.open() if kernel_syncs else None
        self._segment: SharedSegment | None = None  # that records are appended to
        self._unwritten: deque[_Waiting] = deque()  # no segment has room for them yet
        self._written: deque[_Written] = deque()  # appended, and not known to be durable
        self._refused: list[_Waiting] = []  # of a segment that failed; they hear of it once it is retired
        self._failure: Exception | None = None  # why the segment takes no more
        self._is_to_end = False
        self._is_busy = False  # a step is under way
        self._idlers: list[asyncio.Future[None]] = []  # they wait until none is
        self._is_due = False  # a step will begin at the end of this turn of the loop
        self._note_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._syncs_before = 0  # when the idle timer was set
        self._is_ahead = False  # a segment is wanted though nothing waits for it
        self._is_closing = False

    def commit(self, record: PendingRecord) -> asyncio.Future[None]:
        """Ends when the record is durable; with Unavailable when it cannot be made so."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unwritten.append((record, done))
        self._append()
        self._go_on_soon()
        return done

    def note(self, record: PendingRecord) -> None:
        """Goes with the next commit, or by itself after NOTE_DELAY_S."""
        self._unwritten.append((record, None))
        if not self._is_busy and self._note_timer is None:
            self._note_timer = asyncio.get_running_loop().call_later(NOTE_DELAY_S, self._go_on)

    def drop_notes(self, count: int) -> None:
        if count:
            self.dropped_notes += count
            log.warning("journal_notes_dropped", journal=self._folder.name, notes=count)

    def end_large_segment(self) -> None:
        """There is no room: end the segment if it holds much, so that the drain can file it and give its room back."""
        if self._segment is not None and self._segment.synced_to >= self._segment_bytes // 2:
            self._is_to_end = True
            self._go_on()

    async def close(self) -> None:
        """Commit what waits and end the segment."""
        self._is_closing = True
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._go_on()
        await self._be_quiet()
        self._is_to_end = self._segment is not None
        self._go_on()
        await self._be_quiet()
        self._steps.put(None)
        await asyncio.to_thread(self._thread.join)
        if self._kernel is not None:
            self._kernel.close()

    # On the loop.

    async def _be_quiet(self) -> None:
        while self._is_busy or self._is_due:
            quiet = asyncio.get_running_loop().create_future()
            self._idlers.append(quiet)
            await quiet

    def _append(self) -> None:
        """Write what waits, as far as the segment takes it."""
        segment = self._segment
        if not self._unwritten or segment is None or self._is_to_end or self._failure is not None:
            return
        batch: list[_Waiting] = []
        size = 0
        while self._unwritten:
            size += self._unwritten[0][0].length
            if not segment.has_room_for(size) and not (segment.is_empty and not batch):
                self._is_to_end = True
                break
            batch.append(self._unwritten.popleft())
        if not batch:
            return
        try:
            segment.append([record for record, _ in batch])
        except Exception as error:  # everybody who waits must hear of it, whatever it was
            self._failure = error
            self._refused += batch
        else:
            self._written.append((segment.end_of_records, batch))

    def _go_on_soon(self) -> None:
        """Begin the next step at the end of this turn of the loop, with all whose last bytes came in it."""
        if not self._is_busy and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        """Begin the next step, if there is one and none is under way."""
        self._is_due = False
        if self._note_timer is not None:
            self._note_timer.cancel()
            self._note_timer = None
        if self._is_busy:
            return
        self._append()
        if self._segment is not None and self._written:
            self._is_busy = True
            self._begin_sync(self._segment)
        elif (step := self._next_step()) is not None:
            self._is_busy = True
            self._steps.put((asyncio.get_running_loop(), *step))
        else:
            self._wake_idlers()
            self._expect_quiet()

    def _wake_idlers(self) -> None:
        idlers, self._idlers = self._idlers, []
        for quiet in idlers:
            if not quiet.done():  # done: whoever waited has given up
                quiet.set_result(None)

    def _begin_sync(self, segment: SharedSegment) -> None:
        loop = asyncio.get_running_loop()
        if self._kernel is not None:
            try:
                handle = segment.begin_sync()
            except Exception as error:  # everybody who waits must hear of it, whatever it was
                loop.call_soon(self._step_taken, partial(self._synced, segment), error)
                return
            try:
                self._kernel.start(handle, partial(self._kernel_synced, segment))
                return
            except OSError as error:  # nothing was asked for: this file system, or this sandbox, has it not
                log.info("kernel_sync_not_available", error=error.strerror)
                self._kernel.close()
                self._kernel = None
        self._steps.put((loop, segment.sync, partial(self._synced, segment)))

    def _kernel_synced(self, segment: SharedSegment, error: Exception | None) -> None:
        if error is None:
            segment.end_sync()
        self._step_taken(partial(self._synced, segment), error)

    def _next_step(self) -> "tuple[_Step, _Taken] | None":
        """What else is done in the thread, and who hears on the loop how it went."""
        segment = self._segment
        if segment is not None and self._failure is not None:
            return segment.retire, self._retired
        if segment is not None and self._is_to_end:
            return segment.end, partial(self._ended, segment)
        if segment is None and (self._unwritten or self._is_ahead):
            return self._open, self._opened
        return None

    def _step_taken(self, taken: "_Taken", error: Exception | None) -> None:
        self._is_busy = False
        taken(error)

    def _synced(self, segment: SharedSegment, error: Exception | None) -> None:
        try:
            if error is not None:
                raise error
            segment.publish()
        except Exception as failure:
            self._failure = failure
            self._refused = [*self._take_written(segment.end_of_records), *self._refused]
            self._go_on()
            return
        group = self._take_written(segment.synced_to)
        self.syncs += 1
        self.records += len(group)
        for _, done in group:
            if done is not None and not done.done():  # done: whoever waited has given up
                done.set_result(None)
        self._go_on_soon()

    def _take_written(self, up_to: int) -> "list[_Waiting]":
        taken: list[_Waiting] = []
        while self._written and self._written[0][0] <= up_to:
            taken += self._written.popleft()[1]
        return taken

    def _retired(self, error: Exception | None) -> None:
        assert self._failure is not None  # that is why it was retired
        refused, why = self._refused, error or self._failure
        self._segment, self._failure, self._refused, self._is_to_end = None, None, [], False
        self._go_on()
        self._refuse(refused, why)

    def _ended(self, segment: SharedSegment, error: Exception | None) -> None:
        if error is not None:  # nothing is lost: whoever settles the journal searches for the end
            log.error(
                "journal_segment_not_ended",
                journal=self._folder.name,
                segment=segment.number,
                error=str(error),
            )
        self._segment, self._is_to_end = None, False
        self._go_on()

    def _opened(self, error: Exception | None) -> None:
        refused: list[_Waiting] = []
        self._is_ahead = False
        if error is not None:
            refused = list(self._unwritten)
            self._unwritten.clear()
        self._go_on()
        if error is not None:
            self._refuse(refused, error)

    def _refuse(self, group: "list[_Waiting]", error: Exception) -> None:
        log.error("journal_commit_failed", journal=self._folder.name, records=len(group), error=str(error))
        for _, done in group:
            if done is not None and not done.done():
                done.set_exception(unavailable(error))
        self.drop_notes(sum(done is None for _, done in group))

    def _expect_quiet(self) -> None:
        if self._prepares_space and self._idle_timer is None and not self._is_closing:
            self._syncs_before = self.syncs
            self._idle_timer = asyncio.get_running_loop().call_later(IDLE_S, self._use_quiet)

    def _use_quiet(self) -> None:
        """Prepare space if nothing came for a while: in this segment, or in a new one if it is half full."""
        self._idle_timer = None
        segment = self._segment
        if self._is_busy or self._is_due or self.syncs != self._syncs_before:
            self._expect_quiet()
        elif segment is not None and self._room.has_plenty(self._segment_bytes):
            if segment.is_half_full:
                self._is_to_end = self._is_ahead = True
                self._go_on()
            elif segment.unprepared_bytes:
                self._pool.submit(self._prepare, segment, self.syncs)

    # In the thread.

    def _prepare(self, segment: SharedSegment, syncs: int) -> None:
        """In a thread of the pool, until something comes."""
        began = time.monotonic()
        try:
            for _ in segment.prepare():
                now = time.monotonic()
                if self.syncs != syncs or self._is_closing:
                    return
                time.sleep(min(PREPARE_REST_S, PREPARE_REST * (now - began)))
                began = time.monotonic()
        except OSError as error:
            # Records need no prepared space, and find out themselves whether the disk is well.
            log.warning("journal_space_not_prepared", journal=self._folder.name, error=error.strerror)

    def _work(self) -> None:
        while (ordered := self._steps.get()) is not None:
            loop, step, taken = ordered
            error: Exception | None = None
            try:
                step()
            except Exception as failure:  # everybody who waits must hear of it, whatever it was
                error = failure
            loop.call_soon_threadsafe(self._step_taken, taken, error)

    def _open(self) -> None:
        self._segment = SharedSegment(
            self._folder, self._folder.name, next(self._numbers), self._segment_bytes
        )


# A record in the queue, and who waits for it; nobody waits for a note.
_Waiting = tuple[PendingRecord, asyncio.Future[None] | None]
_Written = tuple[int, list[_Waiting]]  # the offset behind them, and what was appended at once
_Step = Callable[[], None]  # in the thread
_Taken = Callable[[Exception | None], None]  # on the loop, when the step has ended, with what went wrong


def unavailable(error: Exception) -> Unavailable:
    """What whoever waits is told, in words for an operator."""
    if isinstance(error, Unavailable):
        return error
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Unavailable(f"the journal could not be written: {reason}")
