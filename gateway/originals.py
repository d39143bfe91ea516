"""Originals: the bytes of a record, from the journal segment that is still here, else from the node that has it,
else out of its pack.

A segment may be evicted at any moment, and a node go away; whoever meets that reads on from the pack.
"""

import errno
import io
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from adapters.errors import Unavailable
from gateway.index import Record
from gateway.journal import BodyDamaged, Location, SegmentGone, find_segment, read_body
from gateway.nodes import NodeAway
from gateway.objects import ObjectMissing
from gateway.runtime import Runtime

log = structlog.get_logger()

CHUNK_BYTES = 1 << 20  # what is in memory of a large original while it is passed on
SEEK_BUFFER_BYTES = 1 << 16  # a header without large values fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """Where the bytes of one record lie; its row without the rest."""

    record_id: uuid.UUID
    node: str
    journal: str
    sequence: int
    segment: int
    offset: int
    size_bytes: int
    local: bool
    pack_key: str | None
    pack_offset: int | None


def original_of(record: Record) -> Original:
    return Original(
        record_id=record.id,
        node=record.node,
        journal=record.journal,
        sequence=record.sequence,
        segment=record.segment,
        offset=record.offset,
        size_bytes=record.size_bytes,
        local=record.local,
        pack_key=record.pack.key if record.pack is not None else None,
        pack_offset=record.pack_offset,
    )


def read_original(
    runtime: Runtime,
    record: Record | Original,
    *,
    offset: int = 0,
    length: int | None = None,
    ahead: bool = True,
) -> bytes:
    """Bytes of a record, all of them or as much of the range as there is; Unavailable when they are nowhere.

    With `ahead` what lies beside them in an S3 store is fetched and kept, too: its neighbours are looked at next.
    """
    original = record if isinstance(record, Original) else original_of(record)
    wanted = _clipped(original, offset, length)
    why = "the original is not on this node"
    if original.local:
        try:
            return _read_segment(runtime, location_of(original), offset, wanted)
        except (SegmentGone, BodyDamaged):
            log.info("original_not_in_segment", journal=original.journal, sequence=original.sequence)
        except NodeAway as error:
            why = f"the original is on node {original.node}: {error}"
    if original.pack_key is None or original.pack_offset is None:
        raise Unavailable(f"{why}; it is not filed yet")
    return _read_pack(runtime, original.pack_key, original.pack_offset + offset, wanted, ahead=ahead)


def read_at_hand(
    runtime: Runtime, original: Original, offset: int, length: int, *, head: bytes = b"", tail: bytes = b""
) -> bytearray | None:
    """The bytes between `head` and `tail`, if they can be had without waiting for a disk; None otherwise."""
    if offset + length > original.size_bytes:
        return None
    path = find_segment(runtime.journal_dir, original.journal, original.segment) if original.local else None
    if path is not None:
        places = [(path, original.offset + offset, length)]
    elif original.pack_key is None or original.pack_offset is None:
        return None
    elif runtime.pack_cache is not None:
        places = runtime.pack_cache.places(original.pack_key, original.pack_offset + offset, length)
    else:
        return None
    body = bytearray(len(head) + length + len(tail))
    body[: len(head)], body[len(head) + length :] = head, tail
    with memoryview(body) as view:
        return body if _fill(view[len(head) : len(head) + length], places) else None


def open_original(
    runtime: Runtime,
    record: Record | Original,
    *,
    offset: int = 0,
    length: int | None = None,
    ahead: bool = True,
) -> Iterator[bytes]:
    """The same in chunks. The first one is read at once, so that an absent original is known before any is sent."""
    end = offset + _clipped(record, offset, length)
    read = partial(read_original, runtime, record, ahead=ahead)
    first = read(offset=offset, length=min(CHUNK_BYTES, end - offset))

    def chunks() -> Iterator[bytes]:
        yield first
        for start in range(offset + CHUNK_BYTES, end, CHUNK_BYTES):
            yield read(offset=start, length=min(CHUNK_BYTES, end - start))

    return chunks()


def seek_original(runtime: Runtime, record: Record | Original) -> BinaryIO:
    """A record as a readable, seekable stream that holds no file open."""
    return io.BufferedReader(
        _Ranges(partial(read_original, runtime, record), record.size_bytes), SEEK_BUFFER_BYTES
    )


def location_of(record: Record | Original) -> Location:
    return Location(
        node=record.node,
        journal=record.journal,
        segment=record.segment,
        offset=record.offset,
        length=record.size_bytes,
    )


def _read_segment(runtime: Runtime, place: Location, offset: int, length: int) -> bytes:
    try:
        return read_body(runtime.journal_dir, place, offset=offset, length=length)
    except SegmentGone:
        if not length:
            return b""
        return runtime.nodes.read(runtime.reading, place, offset, length)


def _read_pack(runtime: Runtime, key: str, offset: int, length: int, *, ahead: bool) -> bytes:
    try:
        if ahead and runtime.pack_cache is not None:
            data = runtime.pack_cache.read(key, offset, length)
        else:
            data = runtime.objects.read(key, offset=offset, length=length)
    except ObjectMissing as error:
        raise Unavailable("the pack of the original is not in the object store") from error
    if len(data) != length:
        raise Unavailable("the pack of the original is cut short")
    return data


def _fill(view: memoryview, places: list[tuple[Path, int, int]]) -> bool:
    """Read the places one behind the other, if all of them are in the page cache."""
    at = 0
    for path, offset, length in places:
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            read = os.preadv(handle, [view[at : at + length]], offset, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:  # a file system that cannot say so
                raise
            return False
        finally:
            os.close(handle)
        if read != length:
            return False
        at += length
    return True


def _clipped(record: Record | Original, offset: int, length: int | None) -> int:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("a range begins and ends inside the record")
    rest = max(0, record.size_bytes - offset)
    return rest if length is None else min(length, rest)


class _Ranges(io.RawIOBase):
    """A stream over something that is read by ranges."""

    def __init__(self, read_range: Any, size: int) -> None:
        self._read_range = read_range
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), max(0, self._size - self._at))
        if not wanted:
            return 0
        data = self._read_range(offset=self._at, length=wanted)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
