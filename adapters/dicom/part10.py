"""The beginning of a DICOM file around a data set (PS3.10 7.1): written for one that came over an association,
read from one that came as a file."""

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO

from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.errors import Malformed

META_LIMIT_BYTES = (
    1 << 20
)  # private information may stand there (0002,0102); this is more than anybody writes

_SHORT = struct.Struct("<HH2sH")
_PREAMBLE = 128
_BEGINNING = bytes(_PREAMBLE) + b"DICM" + _SHORT.pack(2, 0, b"UL", 4)  # up to the value of the group length
_LONG_VRS = (b"OB", b"OW", b"UN", b"UT", b"SQ", b"OF", b"OD", b"OL", b"OV", b"UC", b"UR", b"SV", b"UV")


class NoDicomFile(Malformed):
    """The bytes do not begin as a DICOM file does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileMeta:
    """What a file says of its data set, and where that begins."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data_set_offset: int


def read_file_meta(stream: BinaryIO) -> FileMeta:
    """Read from the beginning of the stream to where the data set begins."""
    if stream.read(_PREAMBLE + 4)[_PREAMBLE:] != b"DICM":
        raise NoDicomFile("no DICOM file: the prefix DICM is missing")
    offset, values = _PREAMBLE + 4, {}
    while (head := stream.read(8))[:2] == b"\2\0":
        element, vr, length = _read_head(stream, head)
        offset += 12 if vr in _LONG_VRS else 8
        if offset + length > META_LIMIT_BYTES:
            raise Malformed("file meta information: longer than any is")
        value = stream.read(length)
        if len(value) < length:
            raise Malformed("file meta information: cut short")
        offset += length
        values[element] = value.rstrip(b"\0 ").decode("latin-1")
    if not values.get(0x0010):
        raise Malformed("file meta information: no transfer syntax")
    return FileMeta(
        sop_class_uid=values.get(0x0002, ""),
        sop_instance_uid=values.get(0x0003, ""),
        transfer_syntax_uid=values[0x0010],
        data_set_offset=offset,
    )


def _read_head(stream: BinaryIO, head: bytes) -> tuple[int, bytes, int]:
    """Element number, VR and length of a file meta element, which is always explicit VR little endian."""
    if len(head) < 8:
        raise Malformed("file meta information: cut short")
    _, element, vr, length = _SHORT.unpack(head)
    if vr in _LONG_VRS:
        length = int.from_bytes(stream.read(4).ljust(4, b"\xff"), "little")
    return element, vr, length


def write_file_meta(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str
) -> bytes:
    """Write preamble, prefix and file meta information; the data set follows as received."""
    before, after = _around_instance(sop_class_uid, transfer_syntax_uid, source_ae_title)
    meta = before + _element(0x0003, b"UI", sop_instance_uid) + after
    return _BEGINNING + len(meta).to_bytes(4, "little") + meta


@lru_cache(256)
def _around_instance(
    sop_class_uid: str, transfer_syntax_uid: str, source_ae_title: str
) -> tuple[bytes, bytes]:
    """What is the same for all instances of a kind from one peer: the elements before the SOP Instance UID, and behind."""
    version = struct.pack("<HH2sxxI", 2, 1, b"OB", 2) + b"\0\1"
    after = (
        _element(0x0010, b"UI", transfer_syntax_uid),
        _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
        _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
        _element(0x0016, b"AE", source_ae_title),
    )
    return version + _element(0x0002, b"UI", sop_class_uid), b"".join(after)


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, element, vr, len(value)) + value
