"""How the instances of a series are built, written once: their DICOM JSON and where their frames lie, one file a series.

A cache in the data dir, shared by the processes of a machine. Each entry is a function of one record's bytes, which
never change, and of the UIDs and the patient that it is served under, which its key stands for: an entry is right or
is not found, and none needs to be taken back. Any file may be deleted; it is made again when the series is opened.

The entries come first, then the place of each, then how many there are: a series of tens of thousands is written and
read one entry at a time.
"""

import json
import os
import struct
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from hashlib import sha256
from sys import intern
from typing import Any, BinaryIO

from google_crc32c import value as crc32c

from adapters.dicom.data_set import PixelElement
from adapters.dicom.pixels import Frames, PixelFormat
from gateway.dicomweb.parsed import Parsed, ParsedKey
from gateway.file_cache import FileCache, Growing

FORMAT = b"gateway descriptions 2\n"  # to be counted up whenever an entry would be written otherwise
_PLACE = struct.Struct(
    "<16sQIII"
)  # key, where the entry begins, bytes of its head and of its JSON, their CRC32C
_END = struct.Struct("<II")  # how many places stand before it, their CRC32C

_Place = tuple[int, int, int, int]


class Descriptions:
    """The files of all series."""

    def __init__(self, files: FileCache) -> None:
        self._files = files

    @contextmanager
    def reading(self, study: str, series: str) -> Iterator["Written"]:
        """What is written down of a series; nothing when nothing is, or the file is torn."""
        name = _name(study, series)
        file = self._files.open(name)
        if file is None:
            yield Written(places={}, file=None)
            return
        with file:
            places = _read_places(file)
            if places is None:
                self._files.remove(name)
            yield Written(places=places or {}, file=file)

    @contextmanager
    def writing(self, study: str, series: str) -> Iterator["Writing"]:
        """Write a series down, in place of what was written before, once this ends well."""
        with self._files.growing(_name(study, series)) as file:
            file.write(FORMAT)
            writing = Writing(file=file)
            yield writing
            writing.end()


@dataclass(slots=True, kw_only=True)
class Written:
    """A series' file: where everything lies in it is known, and each entry read when it is asked for."""

    places: dict[ParsedKey, _Place]
    file: BinaryIO | None

    @property
    def keys(self) -> Set[ParsedKey]:
        return self.places.keys()

    def find(self, key: ParsedKey) -> Parsed | None:
        """None for one that is not there, or not whole."""
        place = self.places.get(key)
        return self._read(place) if place is not None else None

    def following(self, key: ParsedKey) -> Iterator[tuple[ParsedKey, Parsed]]:
        """This one and those behind it."""
        if key not in self.places:
            return
        begun = False
        for entry, place in self.places.items():
            begun = begun or entry == key
            parsed = self._read(place) if begun else None
            if parsed is not None:
                yield entry, parsed

    def _read(self, place: _Place) -> Parsed | None:
        if self.file is None:
            return None
        at, head_length, json_length, crc = place
        self.file.seek(at)
        data = self.file.read(head_length + json_length)
        return _read_entry(data, head_length) if crc32c(data) == crc else None


@dataclass(slots=True, kw_only=True)
class Writing:
    """A series' file while it grows."""

    file: Growing
    _places: list[bytes] = field(default_factory=list)
    _at: int = len(FORMAT)

    def add(self, key: ParsedKey, parsed: Parsed) -> None:
        if parsed.inflated is not None:  # a deflated one is needed whole, and rare
            return
        head = json.dumps(_head(parsed), ensure_ascii=False).encode()
        data = head + parsed.json
        self._places.append(_PLACE.pack(key, self._at, len(head), len(parsed.json), crc32c(data)))
        self._at += len(data)
        self.file.write(data)

    def end(self) -> None:
        places = b"".join(self._places)
        self.file.write(places + _END.pack(len(self._places), crc32c(places)))


def _name(study: str, series: str) -> str:
    return sha256(f"{study}/{series}".encode()).hexdigest()[:40]


def _read_places(file: BinaryIO) -> dict[ParsedKey, _Place] | None:
    """Where each entry lies; None where the file is not whole."""
    size = os.fstat(file.fileno()).st_size
    if size < len(FORMAT) + _END.size or file.read(len(FORMAT)) != FORMAT:
        return None
    file.seek(size - _END.size)
    count, crc = _END.unpack(file.read(_END.size))
    begin = size - _END.size - count * _PLACE.size
    if begin < len(FORMAT):
        return None
    file.seek(begin)
    places = file.read(count * _PLACE.size)
    if crc32c(places) != crc:
        return None
    return {key: (at, *rest) for key, at, *rest in _PLACE.iter_unpack(places)}


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


def _read_entry(data: bytes, head_length: int) -> Parsed:
    problem, study, series, sop, frames = json.loads(data[:head_length])
    return Parsed(
        json=data[head_length:],
        frames=_read_frames(frames),
        problem=problem,
        own_study_uid=intern(study),
        own_series_uid=intern(series),
        own_sop_uid=sop,
        inflated=None,
    )


def _read_frames(written: Any) -> Frames | None:
    if written is None:
        return None
    element, pixel_format, syntax, big_endian, fragments = written
    return Frames(
        element=PixelElement(**dict(zip(_ELEMENT, element, strict=True))),
        format=PixelFormat(**dict(zip(_PIXEL_FORMAT, pixel_format, strict=True))),
        transfer_syntax_uid=intern(syntax),
        big_endian=big_endian,
        fragments=None
        if fragments is None
        else tuple(tuple((span[0], span[1]) for span in frame) for frame in fragments),
    )


_ELEMENT = tuple(PixelElement.__dataclass_fields__)
_PIXEL_FORMAT = tuple(PixelFormat.__dataclass_fields__)
