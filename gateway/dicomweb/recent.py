"""Things made lately, kept in memory up to a weight: what was not used longest goes first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Safe to use from threads; two that miss at once both make the thing, and one of the two is kept."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._weight = 0
        self._lock = Lock()

    def peek(self, key: K) -> V | None:
        """The kept thing, if there is one."""
        with self._lock:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]

    def get(self, key: K, make: Callable[[], tuple[V, int]]) -> V:
        """The kept thing, or a new one; `make` answers it with its weight in bytes."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        value, weight = make()
        with self._lock:
            if key not in self._kept and weight <= self._limit_bytes:
                self._kept[key] = (value, weight)
                self._weight += weight
            while self._weight > self._limit_bytes:
                _, (_, gone) = self._kept.popitem(last=False)
                self._weight -= gone
        return value
