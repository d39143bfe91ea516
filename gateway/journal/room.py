"""How much more the journal may take: a bound on unfiled bytes, and a floor under the disk's free space.

What is unfiled is read off the segment files themselves: the drain makes a filed segment read-only, and such a
segment counts as free room, because the drain evicts it before anybody is told to wait.
"""

import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from adapters.errors import Unavailable
from gateway.journal.catalogue import used_bytes

SAMPLE_S = 0.2  # between two looks at the folder; what this process adds meanwhile is counted at once
DISK_FLOOR_BYTES = 256 * 1024 * 1024  # free space that stays for the database, logs and the drain's own work
PLENTY_OF_FLOORS = 8

log = structlog.get_logger(__name__)


class JournalFull(Unavailable):
    """There is no room for more until the drain has filed some of what is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the journals under one root take on disk, and what the disk has left."""

    unfiled_bytes: int
    filed_bytes: int
    free_bytes: int


def measure_usage(root: Path) -> Usage:
    """Look at every segment file under the root. Safe beside writers and the drain."""
    unfiled = filed = 0
    for path in root.glob("*/*"):
        if path.suffix not in {".seg", ".single", ".part"}:
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # evicted between the listing and now
        if status.st_mode & stat.S_IWUSR:
            unfiled += used_bytes(path, status.st_size)
        else:
            filed += status.st_size
    disk = os.statvfs(root)
    return Usage(unfiled_bytes=unfiled, filed_bytes=filed, free_bytes=disk.f_bavail * disk.f_frsize)


class Room:
    """The writer's view of the room left: sampled in a thread, so that the loop never lists a folder."""

    def __init__(
        self,
        *,
        limit_bytes: int,
        floor_bytes: int,
        measure: Callable[[], Usage],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._floor_bytes = floor_bytes
        self._measure = measure
        self._pool = pool
        self._taken = 0  # by this process, ever; changed on the event loop only
        self._sample = measure(), 0  # what was found, and what this process had taken when the look began
        self._sampled_at = time.monotonic()
        self._sampling = False

    def check(self, size_bytes: int = 0) -> None:
        """JournalFull when so many bytes more would not fit."""
        self._renew()
        usage, taken = self._sample
        added = self._taken - taken + size_bytes
        if usage.unfiled_bytes + added > self._limit_bytes:
            raise JournalFull(
                f"{usage.unfiled_bytes} bytes wait to be filed; the limit is {self._limit_bytes}"
            )
        free = usage.free_bytes - added
        # Filed segments are free room, but only as fast as the drain removes them: a quarter of the floor stays.
        if free + usage.filed_bytes < self._floor_bytes or free < self._floor_bytes // 4:
            raise JournalFull(
                f"the disk has {usage.free_bytes} bytes left; {self._floor_bytes} must stay free"
            )

    def has_plenty(self, size_bytes: int) -> bool:
        """Whether so many bytes could be used up for nothing, and much would be left."""
        usage, taken = self._sample
        return usage.free_bytes - (self._taken - taken) - size_bytes > PLENTY_OF_FLOORS * self._floor_bytes

    def take(self, size_bytes: int) -> None:
        self._taken += size_bytes

    def _renew(self) -> None:
        if self._sampling or time.monotonic() - self._sampled_at < SAMPLE_S:
            return
        self._sampling = True
        self._pool.submit(self._measure_again)

    def _measure_again(self) -> None:
        taken = self._taken
        try:
            self._sample = self._measure(), taken
        except OSError as error:  # the last sample and what was added since still bound us
            log.error("journal_usage_not_measured", error=str(error))
        finally:
            self._sampled_at = time.monotonic()
            self._sampling = False
