"""The part of a data set that describes it: everything before the pixel data, and where the pixel data lies.

Reads a Part 10 file, or a bare data set, from a seekable stream. Values above DEFER_BYTES are not read: they stay
raw elements without a value, which `load_value` fetches. Deflated data sets are inflated into memory, up to
INFLATED_LIMIT_BYTES.

Encoding: PS3.5 Section 7; file: PS3.10 Section 7.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from adapters.dicom.transfer_syntaxes import ENCODINGS, Encoding
from adapters.errors import Malformed, Unavailable

DEFER_BYTES = 4096
INFLATED_LIMIT_BYTES = 1 << 30
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
UNDEFINED_LENGTH = 0xFFFFFFFF

_PREFIX_AT, _META_AT = 128, 132
_PIXEL_TAGS = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
_LONG_VRS = frozenset(
    vr.encode() for vr in ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]
)
_PRIVATE_EXPLICIT = Encoding(
    implicit_vr=False, big_endian=False, deflated=False
)  # PS3.5 A.4: what private ones are


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelElement:
    """Where the pixel data stands in the stream. `length` is None when it is encapsulated (undefined length)."""

    keyword: str
    vr: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A data set up to its pixel data. `stream` is where offsets count: the file, or the inflated data set."""

    data_set: Dataset
    transfer_syntax_uid: str
    pixels: PixelElement | None
    stream: BinaryIO

    @property
    def encoding(self) -> Encoding:
        return encoding_of(self.transfer_syntax_uid)


def encoding_of(transfer_syntax_uid: str) -> Encoding:
    return ENCODINGS.get(transfer_syntax_uid, _PRIVATE_EXPLICIT)


def read_description(stream: BinaryIO, transfer_syntax_uid: str, *, data_set_offset: int = 0) -> Description:
    """Read up to the pixel data. The offset is where the data set begins; 0 looks for a file header itself."""
    stream.seek(data_set_offset or find_data_set(stream))
    encoding = encoding_of(transfer_syntax_uid)
    if encoding.deflated:
        stream = io.BytesIO(_inflate(stream))
    try:
        data_set = read_dataset(
            stream,
            encoding.implicit_vr,
            not encoding.big_endian,
            stop_when=lambda tag, _vr, _length: tag in _PIXEL_TAGS,
            defer_size=DEFER_BYTES,
        )
        pixels = _read_pixel_element(stream, encoding)
    except (Malformed, Unavailable):
        raise
    except Exception as error:  # pydicom meets broken data with many kinds of errors
        raise Malformed(f"the data set cannot be read: {error}") from error
    return Description(
        data_set=data_set, transfer_syntax_uid=transfer_syntax_uid, pixels=pixels, stream=stream
    )


def load_value(stream: BinaryIO, element: RawDataElement) -> bytes:
    """The bytes of a raw element, fetched when they were left behind."""
    if element.value is not None or not element.length:
        return element.value or b""
    stream.seek(element.value_tell)
    value = stream.read(element.length)
    if len(value) < element.length:
        raise Malformed(f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X}) is cut short")
    return value


def load_all(description: Description) -> Dataset:
    """The data set with every value in memory."""
    data_set = description.data_set
    for tag in list(data_set.keys()):
        element = data_set.get_item(tag, keep_deferred=True)
        if isinstance(element, RawDataElement) and element.value is None and element.length:
            data_set[tag] = element._replace(value=load_value(description.stream, element))
    return data_set


def find_data_set(stream: BinaryIO) -> int:
    """Where the data set of a file begins: behind its meta information (PS3.10 7.1), or at once without any."""
    stream.seek(0)
    start = stream.read(_META_AT)
    position = _META_AT if start[_PREFIX_AT:] == b"DICM" else 0
    while True:
        stream.seek(position)
        head = stream.read(12)
        if len(head) < 8 or head[:2] != b"\2\0":
            return position
        vr, short = struct.unpack_from("<2sH", head, 4)
        if vr in _LONG_VRS and len(head) == 12:
            position += 12 + int.from_bytes(head[8:12], "little")
        else:
            position += 8 + int(short)


def _read_pixel_element(stream: BinaryIO, encoding: Encoding) -> PixelElement | None:
    order = ">" if encoding.big_endian else "<"
    start = stream.tell()
    head = stream.read(12)
    if len(head) < 8:
        return None
    group, element = struct.unpack_from(order + "HH", head)
    keyword = _PIXEL_TAGS.get(group << 16 | element)
    if keyword is None:
        return None
    vr, short = struct.unpack_from(order + "2sH", head, 4)
    if encoding.implicit_vr or not vr.isalpha():
        text, offset, length = "OW", start + 8, struct.unpack_from(order + "I", head, 4)[0]
    elif vr in _LONG_VRS and len(head) == 12:
        text, offset, length = vr.decode(), start + 12, struct.unpack_from(order + "I", head, 8)[0]
    else:
        text, offset, length = vr.decode(), start + 8, short
    return PixelElement(
        keyword=keyword, vr=text, offset=offset, length=None if length == UNDEFINED_LENGTH else length
    )


def _inflate(stream: BinaryIO) -> bytes:
    """PS3.5 A.5: a raw deflate bit stream; some writers leave its end or its padding ragged."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(stream.read(), INFLATED_LIMIT_BYTES)
    except zlib.error as error:
        raise Malformed(f"the deflated data set cannot be inflated: {error}") from error
    if inflater.unconsumed_tail:
        raise Malformed(f"the data set inflates to more than {INFLATED_LIMIT_BYTES} bytes")
    return data
