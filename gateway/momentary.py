"""What was so a moment ago and is taken to be so still: answers of the database that many requests ask for at once.

Whatever is kept here must bear being out of date for that moment, in every process.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

COST_FACTOR = (
    20  # what takes long to find may be kept longer, so that finding it again takes a small part of the time
)


class Momentary(Generic[K, V]):
    """Safe to use from threads; two that miss at once both find it out. An error is never kept."""

    def __init__(
        self,
        *,
        for_s: float,
        longest_s: float | None = None,
        limit: int,
        weigh: Callable[[V], int] = lambda _value: 1,
    ) -> None:
        self._for_s, self._longest_s = for_s, longest_s or for_s
        self._limit, self._weigh = limit, weigh
        self._kept: dict[K, tuple[V, float, int]] = {}
        self._weight = 0
        self._lock = threading.Lock()

    def peek(self, key: K) -> V | None:
        """What is kept, if it still holds. Finds nothing out."""
        kept = self._kept.get(key)
        return kept[0] if kept is not None and time.monotonic() < kept[1] else None

    def get(self, key: K, find: Callable[[], V]) -> V:
        """What is kept, or what `find` says now."""
        kept = self._kept.get(key)
        began = time.monotonic()
        if kept is not None and began < kept[1]:
            return kept[0]
        value = find()
        self._keep(key, value, time.monotonic() - began)
        return value

    def forget(self, key: K) -> None:
        with self._lock:
            self._drop(key)

    def _keep(self, key: K, value: V, took_s: float) -> None:
        until = time.monotonic() + min(max(self._for_s, took_s * COST_FACTOR), self._longest_s)
        weight = self._weigh(value)
        with self._lock:
            self._drop(key)
            self._kept[key] = (value, until, weight)
            self._weight += weight
            while self._weight > self._limit and len(self._kept) > 1:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: K) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._weight -= kept[2]
