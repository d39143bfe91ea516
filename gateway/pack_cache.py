"""Blocks of packs that were read from an S3 store lately, as files: a viewer that scrolls reads each pack once.

A series lies in its packs in reading order, so the block that holds one slice holds its neighbours.
"""

import hashlib
import os
import threading
from pathlib import Path

from gateway.file_cache import FileCache
from gateway.objects import ObjectStore

BLOCK_BYTES = 4 << 20  # eight CT slices; a thumbnail costs one block at most
_LOCKS = 64


class PackCache:
    """Reads ranges of objects that never change. Safe to use from threads and processes."""

    def __init__(self, objects: ObjectStore, files: FileCache) -> None:
        self._objects, self._files = objects, files
        self._locks = [threading.Lock() for _ in range(_LOCKS)]  # one fetch for all who wait for a block

    def read(self, key: str, offset: int, length: int) -> bytes:
        """The range, or as much of it as the object has. Raises Unavailable, ObjectMissing."""
        return b"".join(
            self._read_block(key, number, start, end) for number, start, end in _pieces(offset, length)
        )

    def places(self, key: str, offset: int, length: int) -> list[tuple[Path, int, int]]:
        """The files that would hold the range, with offset and length in each."""
        return [
            (self._files.path(_name(key, number)), start, end - start)
            for number, start, end in _pieces(offset, length)
        ]

    def _read_block(self, key: str, number: int, start: int, end: int) -> bytes:
        name = _name(key, number)
        known = self._read_file(name, start, end)
        if known is not None:
            return known
        with self._locks[hash(name) % _LOCKS]:
            known = self._read_file(name, start, end)
            if known is not None:
                return known
            block = self._objects.read(key, offset=number * BLOCK_BYTES, length=BLOCK_BYTES)
            self._files.write(name, block)
        return block[start:end]

    def _read_file(self, name: str, start: int, end: int) -> bytes | None:
        path = self._files.path(name)
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            data = os.pread(handle, end - start, start)
        finally:
            os.close(handle)
        self._files.note_use(path)
        return data


def _pieces(offset: int, length: int) -> list[tuple[int, int, int]]:
    """Which blocks hold a range, and from where to where in each."""
    end = offset + length
    return [
        (number, max(offset - number * BLOCK_BYTES, 0), min(end - number * BLOCK_BYTES, BLOCK_BYTES))
        for number in range(offset // BLOCK_BYTES, -(-end // BLOCK_BYTES))
    ]


def _name(key: str, number: int) -> str:
    return f"{hashlib.sha256(key.encode()).hexdigest()[:40]}-{number}"
