"""How often somebody may ask: a token bucket per address, in this process."""

import math
from datetime import datetime
from threading import Lock

REMEMBERED_LIMIT = 10_000  # addresses; when there are more, full buckets are forgotten, then all


class TooOften(Exception):
    """Asked too often; carries when to ask again."""

    def __init__(self, retry_after_s: int):
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class RateLimit:
    """`burst` at once, then so many per second. Safe to use from threads."""

    def __init__(self, *, burst: int, per_second: float):
        self._burst, self._per_second = burst, per_second
        self._lock = Lock()
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def take(self, key: str, now: datetime, count: int = 1) -> None:
        """Take so many tokens. Raises TooOften."""
        with self._lock:
            tokens = self._level(key, now)
            if tokens < count:
                raise TooOften(math.ceil((count - tokens) / self._per_second))
            self._buckets[key] = (tokens - count, now)
            if len(self._buckets) > REMEMBERED_LIMIT:
                self._forget(now)

    def _level(self, key: str, now: datetime) -> float:
        tokens, at = self._buckets.get(key, (float(self._burst), now))
        return min(float(self._burst), tokens + (now - at).total_seconds() * self._per_second)

    def _forget(self, now: datetime) -> None:
        kept = {key: value for key, value in self._buckets.items() if self._level(key, now) < self._burst}
        self._buckets = kept if len(kept) <= REMEMBERED_LIMIT else {}
