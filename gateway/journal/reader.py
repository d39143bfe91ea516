"""Read the intake journal: new records for the drain, bodies for everybody.

What is read is durable: shared segments are read to their synced mark, singles are synced before they appear.
A stretch that is not a record is reported, never skipped in silence, and what follows it is still read.
"""

import heapq
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from google_crc32c import extend

from gateway.journal.catalogue import JournalState, SegmentState, find_segment, journal_folder
from gateway.journal.format import (
    SEGMENT_HEADER_BYTES,
    TRAILER_BYTES,
    Broken,
    read_segment_header,
    read_trailer,
)
from gateway.journal.scan import FoundDamage, FoundRecord, SegmentScan
from gateway.journal.segment import segment_path, sync_folder

READ_BUFFER_BYTES = 1024 * 1024


class SegmentGone(LookupError):
    """The segment is no longer here: its records are filed in the object store."""


class BodyDamaged(Exception):
    """The bytes at a location are not the ones that were written there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a body stands: on which node, in which segment, and which bytes of it."""

    node: str
    journal: str
    segment: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRecord:
    """One accepted record. (journal, sequence) is its id; `head` is its body, or the beginning of a large one."""

    journal: str
    sequence: int
    kind: str
    origin: dict[str, Any]
    location: Location
    head: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A stretch of a segment that should have been a record; its raw bytes can be read by its location."""

    location: Location
    sequence: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """What stands behind a cursor, and where its segment's cursor stands after it."""

    segment: int
    next_offset: int
    found: JournalRecord | Damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records in order of sequence, damage met on the way, and the cursors that moved (segment: next offset)."""

    records: list[JournalRecord] = field(default_factory=list)
    damaged: list[Damaged] = field(default_factory=list)
    cursors: dict[int, int] = field(default_factory=dict)


def read_new(
    root: Path,
    journal: JournalState,
    cursors: Mapping[int, int],
    *,
    limit: int = 1000,
    limit_bytes: int = 64 * 1024 * 1024,
) -> Batch:
    """What the cursors have not passed yet, across all segments, in order of sequence.

    Keep one cursor per (journal, segment), in the transaction of the rows; an absent one is 0. A segment is read
    to its end when it is ended and its cursor is at `readable_to`. `limit_bytes` bounds the heads held in memory.
    """
    batch, held = Batch(), 0
    for new in read_each_new(root, journal, cursors):
        batch.cursors[new.segment] = new.next_offset
        if isinstance(new.found, Damaged):
            batch.damaged.append(new.found)
        else:
            batch.records.append(new.found)
            held += len(new.found.head)
        if len(batch.records) + len(batch.damaged) >= limit or held >= limit_bytes:
            break
    return batch


def read_each_new(root: Path, journal: JournalState, cursors: Mapping[int, int]) -> Iterator[New]:
    """The same one by one, for whoever reads several journals at once."""
    fresh = [one for one in journal.segments if cursors.get(one.number, 0) < one.readable_to]
    singles = [one for one in fresh if one.single]
    if singles:
        sync_folder(journal_folder(root, journal.id))  # their names may be a moment younger than the disk's
    shared = (item for one in fresh if not one.single for item in _items(root, journal, one, cursors))
    for _, segment, found in heapq.merge(
        shared, _single_items(root, journal, singles), key=lambda item: item[0]
    ):
        yield New(
            segment=segment.number,
            next_offset=found.next_offset,
            found=_damaged(journal, segment, found)
            if isinstance(found, FoundDamage)
            else _record(journal, segment, found),
        )


def read_body(root: Path, location: Location, *, offset: int = 0, length: int | None = None) -> bytes:
    """Bytes of a body, all of them or a range of it."""
    wanted = max(0, min(location.length - offset, location.length if length is None else length))
    handle = _open_segment(root, location)
    try:
        data = os.pread(handle, wanted, location.offset + offset)
        while len(data) < wanted:  # one pread gives 2 GiB at most
            more = os.pread(handle, wanted - len(data), location.offset + offset + len(data))
            if not more:
                raise BodyDamaged(f"segment {location.segment} ends inside the body")
            data += more
        return data
    finally:
        os.close(handle)


def open_body(root: Path, location: Location, *, buffered: bool = True) -> BinaryIO:
    """A body as a readable, seekable stream; stays readable when its segment is removed meanwhile.

    Read from beginning to end it is checked on the way: BodyDamaged instead of the last bytes. Without a buffer it
    is for a reader that asks for large pieces: they are copied once less, and may be shorter than was asked for.
    """
    stream = _BodyStream(_open_segment(root, location), location)
    return io.BufferedReader(stream, READ_BUFFER_BYTES) if buffered else cast(BinaryIO, stream)


def verify_body(root: Path, location: Location) -> None:
    """BodyDamaged when the body is no longer what was written."""
    path = _segment_file(root, location)
    try:
        with SegmentScan(path) as scan:
            scan.check_body(location.offset, location.length)
    except Broken as error:
        raise BodyDamaged(f"segment {location.segment}, offset {location.offset}: {error}") from error
    except FileNotFoundError as error:
        raise SegmentGone(location.journal, location.segment) from error


_Item = tuple[int, SegmentState, FoundRecord | FoundDamage]


def _items(
    root: Path, journal: JournalState, segment: SegmentState, cursors: Mapping[int, int]
) -> Iterator[_Item]:
    start, last = cursors.get(segment.number, 0), 0
    suffix = "single" if segment.single else "seg"
    try:
        with SegmentScan(segment_path(journal_folder(root, journal.id), segment.number, suffix)) as scan:
            for found in scan.records(start, segment.readable_to):
                if isinstance(found, FoundRecord):
                    last = found.header.sequence
                yield last, segment, found
    except FileNotFoundError:
        return  # removed since it was listed: whoever did that had filed it
    except Broken as error:
        yield (
            last,
            segment,
            FoundDamage(offset=0, next_offset=segment.readable_to, sequence=None, reason=str(error)),
        )


def _single_items(root: Path, journal: JournalState, singles: list[SegmentState]) -> Iterator[_Item]:
    """Singles get their sequence when they are committed, so their numbers do not give their order."""
    folder = journal_folder(root, journal.id)
    ordered = sorted(
        singles, key=lambda one: _single_sequence(segment_path(folder, one.number, "single"), one)
    )
    for segment in ordered:
        yield from _items(root, journal, segment, {})


def _single_sequence(path: Path, segment: SegmentState) -> int:
    try:
        with SegmentScan(path) as scan:
            return scan.sequence_at(SEGMENT_HEADER_BYTES, segment.readable_to) or 0
    except (Broken, FileNotFoundError):
        return 0


def _record(journal: JournalState, segment: SegmentState, found: FoundRecord) -> JournalRecord:
    return JournalRecord(
        journal=journal.id,
        sequence=found.header.sequence,
        kind=found.kind,
        origin=found.origin,
        location=_location(journal, segment, found.body_offset, found.header.body_length),
        head=found.body_head,
    )


def _damaged(journal: JournalState, segment: SegmentState, found: FoundDamage) -> Damaged:
    return Damaged(
        location=_location(journal, segment, found.offset, found.next_offset - found.offset),
        sequence=found.sequence,
        reason=found.reason,
    )


def _location(journal: JournalState, segment: SegmentState, offset: int, length: int) -> Location:
    return Location(
        node=journal.node, journal=journal.id, segment=segment.number, offset=offset, length=length
    )


def _segment_file(root: Path, location: Location) -> Path:
    path = find_segment(root, location.journal, location.segment)
    if path is None:
        raise SegmentGone(location.journal, location.segment)
    return path


def _open_segment(root: Path, location: Location) -> int:
    try:
        return os.open(_segment_file(root, location), os.O_RDONLY)
    except FileNotFoundError as error:
        raise SegmentGone(location.journal, location.segment) from error


class _BodyStream(io.RawIOBase):
    """The bytes of one body out of its segment file; closes the file with itself."""

    def __init__(self, handle: int, location: Location) -> None:
        self._handle = handle
        self._location = location
        self._at = 0
        self._crc = 0
        self._checked_to = 0  # behind the last byte that went into the CRC; a seek forward ends the checking

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._location.length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        memoryview(buffer)[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._location.length - self._at)
        wanted = left if size < 0 else min(size, left)
        if not wanted:
            return b""
        data = os.pread(self._handle, wanted, self._location.offset + self._at)
        if not data:
            raise BodyDamaged(f"segment {self._location.segment} ends inside the body")
        if self._at == self._checked_to:
            self._check(data)
        self._at += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            os.close(self._handle)
        super().close()

    def _check(self, data: bytes) -> None:
        self._crc = int(extend(self._crc, data))
        self._checked_to += len(data)
        where = self._location
        if self._checked_to < where.length:
            return
        try:
            marker = read_segment_header(os.pread(self._handle, SEGMENT_HEADER_BYTES, 0)).marker
            trailer = os.pread(self._handle, TRAILER_BYTES, where.offset + where.length)
            expected = read_trailer(trailer, marker, where.offset, where.length)
        except Broken as error:
            raise BodyDamaged(f"segment {where.segment}, offset {where.offset}: {error}") from error
        if self._crc != expected:
            raise BodyDamaged(f"segment {where.segment}, offset {where.offset}: the CRC does not match")
