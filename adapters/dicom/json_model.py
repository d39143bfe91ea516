"""The DICOM JSON Model (PS3.18 Annex F): a data set in, a JSON object out.

Values are written straight from their bytes, so that broken ones do not stop the rest: a number that is none stays
a string (F.2.3 allows that for DS and IS). Text is decoded here; the object is Unicode, and says so in (0008,0005).
Binary values above INLINE_BYTES, and those left in the stream, become a BulkDataURI made by the caller; inline ones
are little-endian. Group lengths and the pixel data's own bytes are left out.
"""

import base64
import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, BinaryIO

from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from adapters.dicom.charset import decode
from adapters.dicom.data_set import Description, load_value

INLINE_BYTES = 1024
UNICODE = "ISO_IR 192"

Json = dict[str, Any]
BulkUri = Callable[[str], str]

_CHARACTER_SET = 0x00080005
_BINARY = {"OB": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "UN": 1}  # VR → bytes of a word (PS3.5 7.3)
_NUMBERS = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_ENCODED_TEXT = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])  # (0008,0005) applies (PS3.5 6.1.2.3)
_ONE_VALUE = frozenset(["LT", "ST", "UT", "UR"])  # a backslash is a character there (PS3.5 6.2)
_AMBIGUOUS = {"US or OW": "OW", "OB or OW": "OW", "US or SS or OW": "OW"}
_NO_VR = "UN"


def write_json(description: Description, bulk_uri: BulkUri, *, character_set: str | None = None) -> Json:
    """The data set as a JSON object; `bulk_uri` turns a path of tags and item numbers into a URI.

    `character_set` overrides what the data set declares, for a device known to declare it wrongly.
    """
    writer = _Writer(stream=description.stream, bulk_uri=bulk_uri, override=character_set)
    written = writer.data_set(description.data_set, "", "")
    written["00080005"] = {"vr": "CS", "Value": [UNICODE]}
    if description.pixels is not None:
        vr = description.pixels.vr if description.pixels.length is not None else "OB"
        tag = {"FloatPixelData": "7FE00008", "DoubleFloatPixelData": "7FE00009"}.get(
            description.pixels.keyword, "7FE00010"
        )
        written[tag] = {"vr": vr, "BulkDataURI": bulk_uri(tag)}
    return dict(sorted(written.items()))


def find_value(description: Description, path: Sequence[str]) -> bytes | None:
    """The little-endian bytes of a binary value, by the path that its BulkDataURI carries; None when there is none."""
    data_set = description.data_set
    *steps, last = path
    for tag, item in zip(steps[::2], steps[1::2], strict=True):
        items = _items(data_set, int(tag, 16), description.stream)
        if not item.isdecimal() or not 0 < int(item) <= len(items):
            return None
        data_set = items[int(item) - 1]
    element = _get(data_set, int(last, 16))
    if element is None:
        return None
    if isinstance(element, RawDataElement):
        vr = _vr_of(element, data_set)
        return little_endian(load_value(description.stream, element), vr, element.is_little_endian)
    return element.value if isinstance(element.value, bytes) else None


def find_span(description: Description, path: Sequence[str]) -> tuple[int, int] | None:
    """Where in the stream a large top-level value stands whose bytes can be sent as they are; None otherwise."""
    element = _get(description.data_set, int(path[-1], 16)) if len(path) == 1 else None
    if not isinstance(element, RawDataElement) or element.value is not None or not element.length:
        return None
    word = _BINARY.get(_vr_of(element, description.data_set), 1)
    if not element.is_little_endian and word > 1:
        return None
    return element.value_tell, element.length


@dataclass(slots=True)
class _Writer:
    stream: BinaryIO
    bulk_uri: BulkUri
    override: str | None
    _signed: bool = field(default=False)

    def data_set(self, data_set: Dataset, declared: str, path: str) -> Json:
        """One data set or sequence item; an item without a character set of its own has its parent's."""
        element = _get(data_set, _CHARACTER_SET)
        declared = _bytes_of(element, self.stream).decode("latin-1").strip("\0 ") or declared
        if 0x00280103 in data_set:
            self._signed = _bytes_of(_get(data_set, 0x00280103), self.stream)[:2] not in {b"\0\0", b""}
        written: Json = {}
        for tag, element in data_set.items():  # as they were read, unconverted
            if tag & 0xFFFF:  # group lengths mean nothing outside their encoding
                name = f"{int(tag):08X}"
                written[name] = self._element(element, data_set, declared, path + name)
        return written

    def _element(
        self, element: DataElement | RawDataElement, data_set: Dataset, declared: str, path: str
    ) -> Json:
        vr = _vr_of(element, data_set)
        if vr == "US or SS":
            vr = "SS" if self._signed else "US"
        if vr == "SQ":
            items = _items(data_set, int(element.tag), self.stream)
            written = [
                self.data_set(item, declared, f"{path}/{place}/") for place, item in enumerate(items, 1)
            ]
            return {"vr": vr, "Value": written} if written else {"vr": vr}
        if vr in _BINARY:
            return self._binary(element, vr, path)
        if vr in _NUMBERS and not isinstance(element, RawDataElement):  # pydicom has read it for its own ends
            value = element.value
            return {"vr": vr, "Value": list(value) if isinstance(value, MultiValue) else [value]}
        raw = _bytes_of(element, self.stream)
        little = not isinstance(element, RawDataElement) or element.is_little_endian
        values = self._values(raw, vr, little, declared)
        return {"vr": vr, "Value": values} if any(value is not None for value in values) else {"vr": vr}

    def _binary(self, element: DataElement | RawDataElement, vr: str, path: str) -> Json:
        length = element.length if isinstance(element, RawDataElement) else len(element.value or b"")
        if not length:
            return {"vr": vr}
        if length > INLINE_BYTES:
            return {"vr": vr, "BulkDataURI": self.bulk_uri(path)}
        raw = _bytes_of(element, self.stream)
        if isinstance(element, RawDataElement):
            raw = little_endian(raw, vr, element.is_little_endian)
        return {"vr": vr, "InlineBinary": base64.b64encode(raw).decode()}

    def _values(self, raw: bytes, vr: str, little: bool, declared: str) -> list[Any]:
        if vr in _NUMBERS:
            return _numbers(raw, _NUMBERS[vr], little)
        if vr == "AT" or not raw:
            return _tags(raw, little)
        text = self._text(raw, vr, declared)
        if vr == "PN":
            return [_person_name(value) for value in text.split("\\")]
        if vr in _ONE_VALUE:
            return [text.rstrip("\0 ")]
        values = [value.strip("\0 ") for value in text.split("\\")]
        if vr in {"IS", "DS"}:
            return [_decimal(value, vr) for value in values]
        return [value or None for value in values]

    def _text(self, raw: bytes, vr: str, declared: str) -> str:
        if vr in _ENCODED_TEXT:
            return decode(raw, declared, override=self.override).text
        return raw.decode("latin-1")


def _get(data_set: Dataset, tag: int) -> DataElement | RawDataElement | None:
    return data_set.get_item(tag, keep_deferred=True)


def _items(data_set: Dataset, tag: int, stream: BinaryIO) -> list[Dataset]:
    element = _get(data_set, tag)
    if element is None:
        return []
    if isinstance(element, RawDataElement):
        data_set[tag] = element._replace(value=load_value(stream, element), VR="SQ")
    try:
        return list(data_set[tag].value or [])
    except (
        Exception
    ):  # pydicom meets broken sequences with many kinds of errors; the rest is still worth showing
        return []


def _bytes_of(element: DataElement | RawDataElement | None, stream: BinaryIO) -> bytes:
    if element is None:
        return b""
    if isinstance(element, RawDataElement):
        return load_value(stream, element)
    value = element.value
    if isinstance(value, bytes):
        return value
    if isinstance(value, int):
        return value.to_bytes(2, "little", signed=value < 0)
    return str(value or "").encode()


def _vr_of(element: DataElement | RawDataElement, data_set: Dataset) -> str:
    vr = element.VR
    if vr is None or vr == _NO_VR:
        known = _known_vr(int(element.tag))
        if known is None and int(element.tag) >> 16 & 1:
            known = _private_vr(int(element.tag), data_set)
        # UN of undefined length was read as a sequence; else the dictionary knows better (PS3.5 6.2.2 note)
        vr = known or _NO_VR
    return _AMBIGUOUS.get(vr, vr)


@lru_cache(maxsize=16384)
def _known_vr(tag: int) -> str | None:
    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else None
    try:
        return dictionary_VR(tag)
    except KeyError:
        return None


def _private_vr(tag: int, data_set: Dataset) -> str | None:
    creator = _get(data_set, tag & 0xFFFF0000 | (tag >> 8 & 0xFF))
    value = creator.value if creator is not None else None
    if not value:
        return None
    name = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return _known_private_vr(tag, name.strip("\0 "))


@lru_cache(maxsize=16384)
def _known_private_vr(tag: int, creator: str) -> str | None:
    try:
        return private_dictionary_VR(tag, creator)
    except KeyError:
        return None


def _person_name(text: str) -> Json | None:
    groups = [group.strip("\0 ") for group in text.split("=")]
    named = zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False)
    return {name: group for name, group in named if group.strip("^")} or None


def _tags(raw: bytes, little: bool) -> list[str]:
    whole = raw[: len(raw) // 4 * 4]
    pairs = struct.iter_unpack("<HH" if little else ">HH", whole)
    return [f"{group:04X}{element:04X}" for group, element in pairs]


def _numbers(raw: bytes, code: str, little: bool) -> list[Any]:
    size = struct.calcsize(code)
    found = struct.unpack(f"{'<' if little else '>'}{len(raw) // size}{code}", raw[: len(raw) // size * size])
    if code in "fd":
        return [value if math.isfinite(value) else _not_finite(value) for value in found]
    return list(found)


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _decimal(text: str, vr: str) -> int | float | str | None:
    if not text:
        return None
    try:
        number = int(text) if vr == "IS" else float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def little_endian(raw: bytes, vr: str, is_little: bool) -> bytes:
    """The bytes of a binary value in little-endian order (PS3.5 7.3)."""
    word = _BINARY.get(vr, 1)
    if is_little or word == 1 or len(raw) % word:
        return raw
    swapped = bytearray(len(raw))
    for place in range(word):
        swapped[place::word] = raw[word - 1 - place :: word]
    return bytes(swapped)
