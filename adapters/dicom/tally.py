"""How many associations there are, in all and of each peer, over every process that accepts from one socket."""

import mmap
import zlib

# Two peers that share a slot share a limit. Among 200 devices there is such a pair in one county of four.
SLOTS = 1 << 16
_COUNT_BYTES = 2  # a process has far fewer connections than 65,535


class Tally:
    """Memory that is shared by fork: a row of counts for each process, written by that process alone."""

    def __init__(self, processes: int = 1) -> None:
        self._shared = mmap.mmap(-1, processes * (SLOTS + 1) * _COUNT_BYTES)
        self._counts = memoryview(self._shared).cast("H")
        self._starts = range(0, processes * (SLOTS + 1), SLOTS + 1)

    def of(self, process: int) -> "ProcessTally":
        """The tally as one process keeps it, from zero: what it counted before it was started again is gone."""
        start = self._starts[process]
        self._counts[start : start + SLOTS + 1] = memoryview(bytes((SLOTS + 1) * _COUNT_BYTES)).cast("H")
        return ProcessTally(self._counts, self._starts, start)


class ProcessTally:
    """One process's own counts, and the sums over all. Two that count at the same instant may both find room."""

    def __init__(self, counts: memoryview, starts: range, own: int) -> None:
        self._counts, self._starts, self._own = counts, starts, own

    def total(self) -> int:
        """Associations in all."""
        return self._sum(0)

    def fewest_elsewhere(self) -> int | None:
        """Associations of that other process which has the fewest; None without another one."""
        return min((self._counts[start] for start in self._starts if start != self._own), default=None)

    def of(self, peer: str) -> int:
        """Associations of one peer."""
        return self._sum(_slot(peer))

    def add(self, peer: str, number: int = 1) -> None:
        """One more, or with -1 one less."""
        self._counts[self._own] += number
        self._counts[self._own + _slot(peer)] += number

    def _sum(self, place: int) -> int:
        return sum(self._counts[start + place] for start in self._starts)


def _slot(peer: str) -> int:
    return 1 + zlib.crc32(peer.encode()) % SLOTS
