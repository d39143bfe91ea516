"""Bytes of the intake journal: segment header, record header, trailer, synced mark.

A segment is a header and records; a record is header, head (JSON: kind and origin), body, trailer.
Each segment draws a random marker that stands in all of its record headers, and the CRC of a header covers
its own offset, so nothing inside a body (a segment sent as a file, say) can pass for a record.
All integers are little-endian; all CRCs are CRC-32C.
"""

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
from google_crc32c import extend, value
from pydantic_core import to_json

Buffer = bytes | bytearray | memoryview

FORMAT_VERSION = 1
SEGMENT_MAGIC = b"SCGJRNL\n"
RECORD_MAGIC = b"SCGR"
HEAD_LIMIT_BYTES = 64 * 1024  # kind and origin: who sent it and how, never the payload

# magic, format version, reserved, segment number, journal id, marker | CRC of all before
_SEGMENT = struct.Struct("<8sHHI16s8s")
# record magic, marker, sequence, body length, head length, CRC of head | CRC of all before and of the offset
_RECORD = struct.Struct("<4s8sQQII")
_TRAILER = struct.Struct("<I")  # CRC of body | CRC of marker, body offset, body length and the CRC of body
_MARK = struct.Struct("<QI")  # synced offset, ended | CRC of both
_CRC = struct.Struct("<I")

SEGMENT_HEADER_BYTES = _SEGMENT.size + _CRC.size
RECORD_HEADER_BYTES = _RECORD.size + _CRC.size
TRAILER_BYTES = _TRAILER.size + _CRC.size
MARK_BYTES = _MARK.size + _CRC.size


class UnknownFormat(Exception):
    """The segment was written by a newer gateway (or is no segment at all); this one must not guess."""


class Broken(ValueError):
    """These bytes are not what was written here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """What every segment begins with."""

    journal: str
    number: int
    marker: bytes
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHeader:
    """The fixed part of a record; lengths are of the head and of the body that follow it."""

    sequence: int
    head_length: int
    head_crc: int
    body_length: int

    @property
    def record_length(self) -> int:
        return RECORD_HEADER_BYTES + self.head_length + self.body_length + TRAILER_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """How far a segment is synced, and whether it is ended, so that nothing after the offset counts."""

    offset: int
    ended: bool


def extend_crc(crc: int, data: Buffer) -> int:
    """The CRC of what came before and of this."""
    # google_crc32c takes no memoryview; seen through numpy it needs no copy.
    return int(extend(crc, data if isinstance(data, bytes) else numpy.asarray(data)))


def new_marker() -> bytes:
    return os.urandom(8)


def write_segment_header(header: SegmentHeader) -> bytes:
    packed = _SEGMENT.pack(
        SEGMENT_MAGIC,
        header.format_version,
        0,
        header.number,
        bytes.fromhex(header.journal),
        header.marker,
    )
    return packed + _CRC.pack(value(packed))


def read_segment_header(data: bytes) -> SegmentHeader:
    """Broken when it is torn or rotten, UnknownFormat when a newer gateway wrote it."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise Broken("the segment header is cut short")
    magic, version, _, number, journal, marker = _SEGMENT.unpack_from(data)
    if magic != SEGMENT_MAGIC or value(data[: _SEGMENT.size]) != _CRC.unpack_from(data, _SEGMENT.size)[0]:
        raise Broken("the segment header is damaged")
    if version > FORMAT_VERSION:
        raise UnknownFormat(f"journal format {version}; this gateway reads up to {FORMAT_VERSION}")
    return SegmentHeader(journal=journal.hex(), number=number, marker=marker, format_version=version)


def write_head(kind: str, origin: Mapping[str, Any]) -> bytes:
    head = to_json({"kind": kind, "origin": origin})
    if len(head) > HEAD_LIMIT_BYTES:
        raise ValueError(f"kind and origin take {len(head)} bytes; at most {HEAD_LIMIT_BYTES} are kept")
    return head


def read_head(head: bytes) -> tuple[str, dict[str, Any]]:
    fields = json.loads(head)
    return fields["kind"], fields["origin"]


def write_record_header(marker: bytes, offset: int, header: RecordHeader) -> bytes:
    packed = _RECORD.pack(
        RECORD_MAGIC, marker, header.sequence, header.body_length, header.head_length, header.head_crc
    )
    return packed + _CRC.pack(_header_crc(packed, offset))


def read_record_header(data: bytes, marker: bytes, offset: int) -> RecordHeader:
    """The record header that stands at this offset of the file, or Broken."""
    if len(data) < RECORD_HEADER_BYTES:
        raise Broken("the record header is cut short")
    magic, its_marker, sequence, body_length, head_length, head_crc = _RECORD.unpack_from(data)
    crc = _CRC.unpack_from(data, _RECORD.size)[0]
    if (magic, its_marker) != (RECORD_MAGIC, marker) or crc != _header_crc(data[: _RECORD.size], offset):
        raise Broken("the record header is damaged")
    return RecordHeader(
        sequence=sequence, head_length=head_length, head_crc=head_crc, body_length=body_length
    )


def write_trailer(marker: bytes, body_offset: int, body_length: int, body_crc: int) -> bytes:
    packed = _TRAILER.pack(body_crc)
    return packed + _CRC.pack(_trailer_crc(marker, body_offset, body_length, body_crc))


def read_trailer(data: bytes, marker: bytes, body_offset: int, body_length: int) -> int:
    """The CRC that the body must have, or Broken."""
    if len(data) < TRAILER_BYTES:
        raise Broken("the record trailer is cut short")
    body_crc: int = _TRAILER.unpack_from(data)[0]
    crc = _CRC.unpack_from(data, _TRAILER.size)[0]
    if crc != _trailer_crc(marker, body_offset, body_length, body_crc):
        raise Broken("the record trailer is damaged")
    return body_crc


def write_mark(mark: Mark) -> bytes:
    packed = _MARK.pack(mark.offset, mark.ended)
    return packed + _CRC.pack(value(packed))


def read_mark(data: bytes) -> Mark | None:
    """None when the mark is not whole: it is being written this instant, or was lost with the power."""
    if len(data) != MARK_BYTES or value(data[: _MARK.size]) != _CRC.unpack_from(data, _MARK.size)[0]:
        return None
    offset, ended = _MARK.unpack_from(data)
    return Mark(offset=offset, ended=bool(ended))


def _header_crc(packed: bytes, offset: int) -> int:
    return int(extend(value(packed), offset.to_bytes(8, "little")))


def _trailer_crc(marker: bytes, body_offset: int, body_length: int, body_crc: int) -> int:
    return int(value(marker + struct.pack("<QQI", body_offset, body_length, body_crc)))
