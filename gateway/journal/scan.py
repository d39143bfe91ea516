"""Walk one segment file: every whole record between two offsets, and every stretch that is not one."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from google_crc32c import extend, value

from gateway.journal.format import (
    RECORD_HEADER_BYTES,
    RECORD_MAGIC,
    SEGMENT_HEADER_BYTES,
    TRAILER_BYTES,
    Broken,
    RecordHeader,
    read_head,
    read_record_header,
    read_segment_header,
    read_trailer,
)

BODY_HEAD_BYTES = 64 * 1024  # a body of no more is handed over with its record, and checked
LARGE_HEAD_BYTES = 16 * 1024  # of a larger one: enough for the index tags of an image
_WINDOW_BYTES = 128 * 1024
_LARGE_WINDOW_BYTES = LARGE_HEAD_BYTES + 4 * 1024  # with what stands before the body
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRecord:
    """One whole record where it stands in its segment."""

    header: RecordHeader
    kind: str
    origin: dict[str, Any]
    body_offset: int
    body_head: bytes
    next_offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDamage:
    """A stretch of the file that is not a whole record; its sequence, where the header still says it."""

    offset: int
    next_offset: int
    sequence: int | None
    reason: str


class SegmentScan:
    """One segment opened for reading. Broken or UnknownFormat when its header cannot be used."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY)
        self._window = b""
        self._window_at = 0
        self._window_bytes = _WINDOW_BYTES
        try:
            self.header = read_segment_header(os.pread(self._handle, SEGMENT_HEADER_BYTES, 0))
        except BaseException:
            os.close(self._handle)
            raise

    def __enter__(self) -> "SegmentScan":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def sync(self) -> None:
        os.fsync(self._handle)

    def records(self, start: int, end: int, *, whole: bool = False) -> Iterator[FoundRecord | FoundDamage]:
        """Records from start to end. With `whole`, bodies of every size are checked; else only those in the head."""
        offset = max(start, SEGMENT_HEADER_BYTES)
        while offset < end:
            found: FoundRecord | FoundDamage
            try:
                header = self._header_at(offset, end)
            except Broken as error:
                found = FoundDamage(
                    offset=offset, next_offset=self._resync(offset + 1, end), sequence=None, reason=str(error)
                )
            else:
                found = self._record_at(offset, header, whole)
            yield found
            offset = found.next_offset

    def sequence_at(self, offset: int, end: int) -> int | None:
        try:
            return self._header_at(offset, end).sequence
        except Broken:
            return None

    def check_body(self, offset: int, length: int) -> None:
        """Broken when the body that stands there is not the one that was written."""
        crc = 0
        for at in range(offset, offset + length, _CHUNK_BYTES):
            chunk = os.pread(self._handle, min(_CHUNK_BYTES, offset + length - at), at)
            crc = int(extend(crc, chunk))
        self._check_crc(crc, offset, length)

    def _header_at(self, offset: int, end: int) -> RecordHeader:
        header = read_record_header(self._read(offset, RECORD_HEADER_BYTES), self.header.marker, offset)
        if offset + header.record_length > end:
            raise Broken("the record is cut short")
        return header

    def _record_at(self, offset: int, header: RecordHeader, whole: bool) -> FoundRecord | FoundDamage:
        head_offset = offset + RECORD_HEADER_BYTES
        body_offset = head_offset + header.head_length
        next_offset = offset + header.record_length
        is_small = header.body_length <= BODY_HEAD_BYTES
        head_length = header.body_length if is_small else LARGE_HEAD_BYTES
        # Records of one size follow each other: of large ones no window reaches the next.
        self._window_bytes = _WINDOW_BYTES if is_small else _LARGE_WINDOW_BYTES
        data = self._read(head_offset, header.head_length + head_length)
        head = data[: header.head_length]
        try:
            if value(head) != header.head_crc:
                raise Broken("kind and origin do not match their CRC")
            if is_small:
                self._check_crc(value(data[header.head_length :]), body_offset, head_length)
            elif whole:
                self.check_body(body_offset, header.body_length)
        except Broken as error:
            return FoundDamage(
                offset=offset, next_offset=next_offset, sequence=header.sequence, reason=str(error)
            )
        kind, origin = read_head(head)
        return FoundRecord(
            header=header,
            kind=kind,
            origin=origin,
            body_offset=body_offset,
            body_head=data[header.head_length :],
            next_offset=next_offset,
        )

    def _check_crc(self, crc: int, offset: int, length: int) -> None:
        trailer = self._read(offset + length, TRAILER_BYTES)
        if crc != read_trailer(trailer, self.header.marker, offset, length):
            raise Broken("the body does not match its CRC")

    def _resync(self, start: int, end: int) -> int:
        """Where the next record header stands, or the end."""
        marker = RECORD_MAGIC + self.header.marker
        at = start
        while at < end:
            chunk = os.pread(self._handle, min(_CHUNK_BYTES, end - at), at)
            hit = chunk.find(marker)
            while hit >= 0:
                try:
                    self._header_at(at + hit, end)
                except Broken:
                    hit = chunk.find(marker, hit + 1)
                else:
                    return at + hit
            if len(chunk) < len(marker):
                break
            at += len(chunk) - len(marker) + 1
        return end

    def _read(self, offset: int, length: int) -> bytes:
        """Bytes of the file through a window, so that small records do not cost a call each."""
        start = offset - self._window_at
        if start < 0 or start + length > len(self._window):
            self._window = os.pread(self._handle, max(length, self._window_bytes), offset)
            self._window_at = offset
            start = 0
        return self._window[start : start + length]
