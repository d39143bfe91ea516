"""The beginning of a DICOM file around a data set that came over an association (PS3.10 7.1)."""

import struct

from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_SHORT = struct.Struct("<HH2sH")


def write_file_meta(
    *, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae_title: str
) -> bytes:
    """Write preamble, prefix and file meta information; the data set follows as received."""
    meta = struct.pack("<HH2sxxI", 2, 1, b"OB", 2) + b"\0\1"
    meta += _element(0x0002, b"UI", sop_class_uid)
    meta += _element(0x0003, b"UI", sop_instance_uid)
    meta += _element(0x0010, b"UI", transfer_syntax_uid)
    meta += _element(0x0012, b"UI", IMPLEMENTATION_CLASS_UID)
    meta += _element(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
    meta += _element(0x0016, b"AE", source_ae_title)
    length = _SHORT.pack(2, 0, b"UL", 4) + len(meta).to_bytes(4, "little")
    return bytes(128) + b"DICM" + length + meta


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return _SHORT.pack(2, element, vr, len(value)) + value
