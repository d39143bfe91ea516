"""The SHA-256 of originals as they lie in the journals: each is read once, into one buffer, a segment opened once."""

import hashlib
import os
from collections.abc import Container
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.journal import (
    BodyDamaged,
    JournalRecord,
    JournalState,
    Location,
    SegmentGone,
    SegmentState,
    find_segment,
    read_new,
)

BUFFER_BYTES = 1 << 20
MOST_OPEN = 16  # segments at once
LARGE_BYTES = 256 << 20  # a quarter of a second of hashing; everything else is read with its batch


class Digests:
    """Hashes bodies of the journals; keeps a few segments open: each listener writes one of its own."""

    def __init__(self, root: Path, large: "LargeDigests | None" = None) -> None:
        self._root, self._large = root, large
        self._buffer = memoryview(bytearray(BUFFER_BYTES))
        self._handles: dict[tuple[str, int], int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def sha256(self, location: Location, *, offset: int = 0) -> str:
        """The digest of a body from an offset on. SegmentGone, or BodyDamaged when the segment ends inside it."""
        if self._large is not None and (made := self._large.take(location)):
            return made
        handle, digest = self._handle(location), hashlib.sha256()
        at, end = location.offset + offset, location.offset + location.length
        while at < end:
            read = os.preadv(handle, [self._buffer[: min(BUFFER_BYTES, end - at)]], at)
            if not read:
                raise BodyDamaged(f"segment {location.segment} ends inside the body")
            digest.update(self._buffer[:read])
            at += read
        return digest.hexdigest()

    def _handle(self, location: Location) -> int:
        segment = (location.journal, location.segment)
        if segment not in self._handles:
            if len(self._handles) >= MOST_OPEN:
                self._close()
            path = find_segment(self._root, *segment)
            if path is None:
                raise SegmentGone(*segment)
            try:
                self._handles[segment] = os.open(path, os.O_RDONLY)
            except FileNotFoundError as error:
                raise SegmentGone(*segment) from error
        return self._handles[segment]

    def _close(self) -> None:
        while self._handles:
            os.close(self._handles.popitem()[1])


class LargeDigests:
    """Digests of bodies of many gigabytes, made in a thread of their own: nothing behind such a body waits for it.

    A large body has a segment to itself, so that its segment can be left out until its digest is there.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="large-digest")
        self._made: dict[tuple[str, int], Future[str]] = {}

    def without_unread(
        self, root: Path, state: JournalState, cursors: Container[tuple[str, int]]
    ) -> JournalState:
        """The journal without the segments whose large body is still being read."""
        return replace(
            state, segments=tuple(one for one in state.segments if self._is_ready(root, state, one, cursors))
        )

    def take(self, location: Location) -> str | None:
        """The digest that was made; None when this body was not large. It is forgotten only with success."""
        future = self._made.get((location.journal, location.segment))
        return future.result() if future is not None else None

    def forget(self, journal: str, numbers: Container[int]) -> None:
        """These segments of a journal are indexed."""
        for key in [key for key in self._made if key[0] == journal and key[1] in numbers]:
            del self._made[key]

    def _is_ready(
        self, root: Path, state: JournalState, segment: SegmentState, cursors: Container[tuple[str, int]]
    ) -> bool:
        key = (state.id, segment.number)
        if not segment.single or segment.size_bytes < LARGE_BYTES or key in cursors:
            return True
        if key not in self._made:
            found = read_new(root, replace(state, segments=(segment,)), {}, limit=1)
            if not found.records:
                return True  # damaged: indexing says so
            self._made[key] = self._pool.submit(_sha256, root, found.records[0])
        return self._made[key].done()


def _sha256(root: Path, record: JournalRecord) -> str:
    with Digests(root) as digests:
        return digests.sha256(record.location, offset=int(record.origin.get("data_set_offset", 0)))
