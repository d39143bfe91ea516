"""A file that is written past the page cache while its bytes arrive: whole pages, by threads, from memory of ours.

The kernel's copy into pages that it must find first takes more of a processor than everything else that is done with
a large body (docs/decisions/0001). So the body is collected in pieces, and each that is full goes to the disk from
where it lies (`O_DIRECT`, open(2)). Where a disk is slower than the network, a piece goes through the page cache as
before: nobody waits, and memory is bounded.
"""

import errno
import mmap
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, Future, wait
from pathlib import Path

import structlog

from gateway.fault_points import reach
from gateway.journal.format import Buffer
from gateway.journal.segment import PAGE_BYTES, write_all

PIECE_BYTES = 1024 * 1024
PIECES = 32  # of a process, at most; only what was used is resident
FLIGHTS = 2  # of a file: while one is being written, the next waits for it, and a third is filled

log = structlog.get_logger(__name__)


class Pieces:
    """Memory for what is on its way to the disk: page by page as `O_DIRECT` wants it, used again and again."""

    usable = True  # until the file system does not do it

    def __init__(self, count: int = PIECES) -> None:
        memory = mmap.mmap(-1, count * PIECE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        view = memoryview(memory)
        # The last one given back is the first one taken: what is resident stays small.
        self._free = deque(
            view[at : at + PIECE_BYTES] for at in range((count - 1) * PIECE_BYTES, -1, -PIECE_BYTES)
        )

    def take(self) -> memoryview:
        """BlockingIOError while all are in use, and where they are of no use."""
        if not self.usable or not self._free:
            raise BlockingIOError("all pieces are in use")
        return self._free.pop()

    def give(self, piece: memoryview) -> None:
        self._free.append(piece)

    def give_up(self) -> None:
        """The file system does not write past the page cache: said once, and what follows goes through it."""
        if self.usable:
            log.warning("direct_writes_not_available")
        self.usable = False

    def try_on(self, path: Path) -> None:
        """Whether the file system of this file does it at all: open(2), `EINVAL`. Other faults the first record meets."""
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        except OSError as error:
            if error.errno == errno.EINVAL:
                self.give_up()

    @property
    def free(self) -> int:
        return len(self._free)


class DirectFile:
    """Appended to on the loop, in pieces of which each is written by a thread. Its first page is written last."""

    def __init__(self, path: Path, cached: int, pieces: Pieces, pool: Executor) -> None:
        """`cached`: the same file by the page cache. BlockingIOError where there is no piece for it."""
        self._cached, self._pieces, self._pool = cached, pieces, pool
        self._piece = pieces.take()  # that is being filled
        try:
            self._direct = os.open(path, os.O_WRONLY | os.O_DIRECT)
        except OSError:
            pieces.give(self._piece)
            raise
        self._at = self._filled = 0  # where it will stand, and how much is in it
        self._first_page = b""
        self._flights: list[Future[None]] = []

    @property
    def end(self) -> int:
        return self._at + self._filled

    def append(self, chunks: Sequence[Buffer]) -> None:
        """Raises what went wrong with a piece before."""
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                taken = rest[: PIECE_BYTES - self._filled]
                self._piece[self._filled : self._filled + len(taken)] = taken
                self._filled += len(taken)
                rest = rest[len(taken) :]
                if self._filled == PIECE_BYTES:
                    self._send_off()

    def start_write_back(self) -> None:
        """Its pieces are on their way already."""

    def finish(self, beginning: bytes, ending: bytes) -> None:
        """Write what is left, with what is known only now. Then a sync of the file makes it durable.

        In a thread of the pool. It orders no more of them: five that wait for what is queued behind them would wait
        for ever, and what was ordered on the loop before it has a thread by now.
        """
        self._land()
        body, whole = self._keep_first_page(), self._filled // PAGE_BYTES * PAGE_BYTES
        if body < whole:
            self._write(self._piece[body:whole], self._at + body)
        start = max(body, whole)
        write_all(self._cached, [self._piece[start : self._filled], ending], self._at + start)
        write_all(self._cached, [beginning, self._first_page[len(beginning) :]], 0)

    def close(self) -> None:
        """May wait for pieces that are being written; what became of them is of no interest any more."""
        wait(self._flights)
        os.close(self._direct)
        self._pieces.give(self._piece)

    @property
    def is_flying(self) -> bool:
        return not all(flight.done() for flight in self._flights)

    def _land(self) -> None:
        flights, self._flights = self._flights, []
        try:
            for flight in flights:
                flight.result()
        except BaseException:
            self._flights = flights
            raise

    def _send_off(self) -> None:
        start = self._keep_first_page()
        piece, at = self._piece[start:], self._at + start
        following = self._next_piece()
        if following is None:
            write_all(self._cached, [piece], at)
        else:
            self._flights.append(self._pool.submit(self._fly, self._piece, piece, at))
            self._piece = following
        self._at, self._filled = self._at + PIECE_BYTES, 0

    def _keep_first_page(self) -> int:
        """How much of this piece is written later: its beginning, if it is the file's."""
        if self._at:
            return 0
        self._first_page = bytes(self._piece[: min(PAGE_BYTES, self._filled)])
        return len(self._first_page)

    def _next_piece(self) -> memoryview | None:
        for flight in self._flights:
            if flight.done():
                flight.result()
        self._flights = [flight for flight in self._flights if not flight.done()]
        try:
            return self._pieces.take() if len(self._flights) < FLIGHTS else None
        except BlockingIOError:
            return None

    # In a thread.

    def _fly(self, piece: memoryview, data: memoryview, at: int) -> None:
        try:
            reach("single.flying")
            self._write(data, at)
        finally:
            self._pieces.give(piece)

    def _write(self, data: memoryview, at: int) -> None:
        written, refused = 0, False
        try:
            written = os.pwrite(self._direct, data, at)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            refused = True
        if written < len(data):  # or a disk that is nearly full: what is left begins at no page any more
            write_all(self._cached, [data[written:]], at + written)
        if refused:  # and taken through the cache: a disk with larger pages than ours, not one without room
            self._pieces.give_up()
