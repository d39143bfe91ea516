"""Files that can be made again at any time, kept up to a bound: what was not used longest goes first.

Several processes may share a folder. Everything in it may be deleted by anybody at any moment.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar
from uuid import uuid4

import structlog

log = structlog.get_logger()
T = TypeVar("T")

LEFT_FREE_BYTES = 1 << 30  # a cache takes no room that the journal may need
LOOK_AFTER_PART = 16  # the folder is looked through when this part of the bound was written
KEPT_PART = 0.9  # of the bound, once something must go
TOUCH_AFTER_S = 60.0  # a use within this time is not written down again


class FileCache:
    """Small files by name; a name is letters, digits, dots and dashes. Safe to use from threads and processes."""

    def __init__(self, folder: Path, *, limit_bytes: int) -> None:
        self._folder, self._limit = folder, limit_bytes
        self._written = limit_bytes  # so that the first writing looks
        self._lock = threading.Lock()

    def path(self, name: str) -> Path:
        """Where a file of this name is, if it is there."""
        return self._folder / name[:2] / name

    def read(self, name: str) -> bytes | None:
        """The file, or None; that it was used is noted."""
        return self._use(name, Path.read_bytes)

    def open(self, name: str) -> BinaryIO | None:
        """The same, to be read piece by piece."""
        return self._use(name, lambda path: path.open("rb"))

    def _use(self, name: str, get: Callable[[Path], T]) -> T | None:
        path = self.path(name)
        try:
            found = get(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cache_not_read", error=error.strerror)
            return None
        self.note_use(path)
        return found

    def note_use(self, path: Path) -> None:
        """So that it stays longer than what nobody uses."""
        try:
            status = path.stat()
            if _age_s(status) > TOUCH_AFTER_S:
                os.utime(path)
        except OSError:  # removed meanwhile: it is made again when it is needed
            return

    def write(self, name: str, data: bytes | bytearray) -> None:
        """Keep a file. A full disk keeps nothing and stops nobody."""
        with self.growing(name, expected_bytes=len(data)) as file:
            file.write(data)

    @contextmanager
    def growing(self, name: str, *, expected_bytes: int = 0) -> Iterator["Growing"]:
        """Keep a file that is written piece by piece, once this ends well. A full disk keeps nothing and stops nobody."""
        path = self.path(name)
        growing = Growing(path.with_name(f".{uuid4().hex}"), self._folder)
        try:
            growing.begin(expected_bytes)
            yield growing
            growing.keep_as(path)
        finally:
            growing.discard()
        self._count(growing.size)

    def remove(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)

    def _count(self, size: int) -> None:
        with self._lock:
            self._written += size
            if self._written < self._limit / LOOK_AFTER_PART:
                return
            self._written = 0
        self._evict()

    def _evict(self) -> None:
        found = []
        for path in self._folder.glob("??/*"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process removed it
                continue
            found.append((status.st_mtime, status.st_size, path))
        surplus = sum(size for _, size, _ in found) - self._limit
        if surplus <= 0:
            return
        surplus += int(self._limit * (1 - KEPT_PART))
        for _, size, path in sorted(found):
            path.unlink(missing_ok=True)
            surplus -= size
            if surplus <= 0:
                return


class Growing:
    """A file that becomes one of the cache's when it is whole. What the disk does not take ends it, and nothing else."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._file: BinaryIO | None = None
        self.size = 0

    def begin(self, expected_bytes: int) -> None:
        with self._given_up():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free >= LEFT_FREE_BYTES + expected_bytes:
                self._file = self._path.open("wb")

    def write(self, data: bytes | bytearray) -> None:
        if self._file is None:
            return
        with self._given_up():
            self._file.write(data)
            self.size += len(data)

    def keep_as(self, path: Path) -> None:
        if self._file is None:
            return
        with self._given_up():
            self._file.close()
            self._path.replace(path)
            self._file = None

    def discard(self) -> None:
        """Nothing of it, unless it was kept."""
        if self._file is None:
            return
        file, self._file, self.size = self._file, None, 0
        with suppress(OSError):  # what it could not write is not wanted any more
            file.close()
        self._path.unlink(missing_ok=True)

    @contextmanager
    def _given_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            log.warning("cache_not_written", error=error.strerror)
            self.discard()


def _age_s(status: os.stat_result) -> float:
    return time.time() - status.st_mtime
