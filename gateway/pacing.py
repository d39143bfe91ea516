"""Filing makes way while records come in: whoever sends waits for the listener, whoever reads for the index.

Not for long, because the journal is finite: packs go out again when the burst has lasted for a while, or when as much
waits as the page cache may be taken to hold.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.journal import measure_usage
from gateway.settings import Settings

LULL_S = 0.3  # without a new record: the burst is over
EMPTY_LOOK_S = 0.1  # a look at the journal that takes longer has found something
LOOK_S = 0.05  # between two looks whether the way is free
LONGEST_S = 10.0  # that packs wait for a burst to end; a setting that wants them sooner counts
MOST_BYTES = 2 << 30  # unfiled, of a journal that has room for many times as much


@dataclass(slots=True)
class Way:
    """Between the thread that indexes and those that file."""

    journal_dir: Path
    longest_s: float = LONGEST_S
    most_bytes: int = MOST_BYTES
    _looking_since: float = field(default=float("inf"))
    _indexed_at: float = field(default=float("-inf"))
    _since: float | None = None

    def index(self, look: Callable[[], int]) -> int:
        """One look at the journals by the thread that indexes; answers what it answers, how many records."""
        self._looking_since = time.monotonic()
        try:
            found = look()
        finally:
            self._looking_since = float("inf")
        if found:
            self._indexed_at = time.monotonic()
        return found

    def wait(self, stop: threading.Event, longest_s: float) -> None:
        """Until it is free, if it is not, and so long at most; so long if it is."""
        was_needed, until = self.is_needed(), time.monotonic() + longest_s
        while time.monotonic() < until and not stop.wait(LOOK_S):
            if was_needed and not self.is_needed():
                return

    def is_needed(self) -> bool:
        """No pack should be begun now."""
        now = time.monotonic()
        if now - self._indexed_at > LULL_S and now - self._looking_since < EMPTY_LOOK_S:
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since < self.longest_s and not self._is_far_behind()

    def _is_far_behind(self) -> bool:
        return measure_usage(self.journal_dir).unfiled_bytes > self.most_bytes


def open_way(settings: Settings) -> Way:
    """As the settings of a node ask for it."""
    return Way(
        journal_dir=settings.journal_dir,
        longest_s=min(LONGEST_S, settings.file_after_s / 2),
        most_bytes=min(MOST_BYTES, settings.journal_bytes // 4),
    )
