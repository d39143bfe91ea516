"""How the instances of a series are built, written once: their DICOM JSON and where their frames lie, one file a series.

A cache in the data dir, shared by the processes of a machine. Each entry is a function of one record's bytes, which
never change, and of the UIDs and the patient that it is served under, which stand in its key: an entry is right or
is not found, and none needs to be taken back. Any file may be deleted; it is made again when the series is opened.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

import numpy
from google_crc32c import value as crc32c

from adapters.dicom.data_set import PixelElement
from adapters.dicom.pixels import Frames, PixelFormat
from gateway.dicomweb.parsed import Parsed, ParsedKey
from gateway.file_cache import FileCache

FORMAT = b"gateway descriptions 1\n"  # to be counted up whenever an entry would be written otherwise
_LENGTHS = struct.Struct("<II")


class Descriptions:
    """The files of all series."""

    def __init__(self, files: FileCache) -> None:
        self._files = files

    def load(self, study: str, series: str) -> dict[ParsedKey, Parsed]:
        """What is written down of a series; nothing when nothing is, or the file is torn."""
        name = _name(study, series)
        data = self._files.read(name)
        if data is None:
            return {}
        if not data.startswith(FORMAT) or _crc(data, without=4) != int.from_bytes(data[-4:], "little"):
            self._files.remove(name)
            return {}
        return _read_entries(memoryview(data)[len(FORMAT) : -4])

    def save(self, study: str, series: str, entries: Mapping[ParsedKey, Parsed]) -> None:
        """Write a series down, in place of what was written before."""
        data = bytearray(FORMAT)  # grown in place: of a large series it has tens of megabytes
        for key, parsed in entries.items():
            if parsed.inflated is None:  # a deflated one is needed whole, and rare
                head = json.dumps([key, *_head(parsed)], ensure_ascii=False).encode()
                data += _LENGTHS.pack(len(head), len(parsed.json)) + head + parsed.json
        data += _crc(data).to_bytes(4, "little")
        self._files.write(_name(study, series), data)


def _crc(data: bytes | bytearray, *, without: int = 0) -> int:
    """Of all but the last bytes. Seen through numpy, because google_crc32c takes no memoryview: no copy is made."""
    return int(crc32c(numpy.frombuffer(data, numpy.uint8, max(0, len(data) - without))))


def _name(study: str, series: str) -> str:
    return hashlib.sha256(f"{study}/{series}".encode()).hexdigest()[:40]


def _head(parsed: Parsed) -> list[Any]:
    frames = parsed.frames
    return [
        parsed.problem,
        parsed.own_study_uid,
        parsed.own_series_uid,
        parsed.own_sop_uid,
        None
        if frames is None
        else [
            astuple(frames.element),
            astuple(frames.format),
            frames.transfer_syntax_uid,
            frames.big_endian,
            frames.fragments,
        ],
    ]


def _read_entries(data: memoryview) -> dict[ParsedKey, Parsed]:
    found: dict[ParsedKey, Parsed] = {}
    at = 0
    while at < len(data):
        head_length, json_length = _LENGTHS.unpack_from(data, at)
        at += _LENGTHS.size
        key, problem, study, series, sop, frames = json.loads(bytes(data[at : at + head_length]))
        at += head_length
        found[key[0], key[1], key[2], key[3]] = Parsed(
            json=bytes(data[at : at + json_length]),
            frames=_read_frames(frames),
            problem=problem,
            own_study_uid=study,
            own_series_uid=series,
            own_sop_uid=sop,
            inflated=None,
        )
        at += json_length
    return found


def _read_frames(written: Any) -> Frames | None:
    if written is None:
        return None
    element, pixel_format, syntax, big_endian, fragments = written
    return Frames(
        element=PixelElement(**dict(zip(_ELEMENT, element, strict=True))),
        format=PixelFormat(**dict(zip(_PIXEL_FORMAT, pixel_format, strict=True))),
        transfer_syntax_uid=syntax,
        big_endian=big_endian,
        fragments=None
        if fragments is None
        else tuple(tuple((span[0], span[1]) for span in frame) for frame in fragments),
    )


_ELEMENT = tuple(PixelElement.__dataclass_fields__)
_PIXEL_FORMAT = tuple(PixelFormat.__dataclass_fields__)
