"""Where the samples of a DICOM waveform lie: everything before them is read, they themselves are only found.

Encoding: PS3.5 Section 7; file: PS3.10 Section 7; Waveform Sequence: PS3.3 C.10.9.
"""

import io
import struct
import zlib
from dataclasses import dataclass
from typing import BinaryIO, cast

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from adapters.dicom.data_set import encoding_of, find_data_set
from adapters.dicom.part10 import read_file_meta
from adapters.dicom.transfer_syntaxes import Encoding
from adapters.ecg.content import Content, content_of
from adapters.ecg.errors import NotAnEcg

_WAVEFORM_SEQUENCE, _WAVEFORM_DATA = 0x54000100, 0x54001010
_ITEM, _ITEM_END, _SEQUENCE_END, _UNDEFINED = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD, 0xFFFFFFFF
_DEFER_BYTES = 1 << 20
_INFLATED_BYTES = 256 << 20
_MOST_GROUPS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One multiplex group: what it says, and where its samples lie."""

    data_set: Dataset
    offset: int
    length: int


def open_data_set(content: Content) -> tuple[Dataset, BinaryIO, Encoding, Content]:
    """Everything before the waveforms; the stream stands where they begin, and in which file."""
    stream, syntax, start = _stream_of(content)
    encoding = encoding_of(syntax)
    if encoding.deflated:
        content = content_of(_inflated(content, start), content.name)
        stream, start = _stream(content), 0
    stream.seek(start)
    data_set = read_dataset(
        stream,
        encoding.implicit_vr,
        not encoding.big_endian,
        stop_when=lambda tag, _vr, _length: tag >= _WAVEFORM_SEQUENCE,
        defer_size=_DEFER_BYTES,
    )
    return data_set, stream, encoding, content


def _stream_of(content: Content) -> tuple[BinaryIO, str, int]:
    stream = _stream(content)
    if content.head[128:132] == b"DICM":
        meta = read_file_meta(stream)
        return stream, meta.transfer_syntax_uid, meta.data_set_offset
    start = find_data_set(stream)
    explicit = content.take(start + 4, 2).isalpha() and content.take(start + 4, 2).isupper()
    return stream, "1.2.840.10008.1.2.1" if explicit else "1.2.840.10008.1.2", start


class _Stream(io.RawIOBase):
    """A file as a stream for pydicom: nothing is read but what is asked for."""

    def __init__(self, content: Content) -> None:
        super().__init__()
        self._content, self._at = content, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = (0, self._at, self._content.size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._content.up_to(self._at, self._content.size if size is None or size < 0 else size)
        self._at += len(data)
        return data


def _stream(content: Content) -> BinaryIO:
    return cast("BinaryIO", _Stream(content))


def _inflated(content: Content, start: int) -> bytes:
    """PS3.5 A.5, up to a limit."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(content.whole()[start:], _INFLATED_BYTES)
    except zlib.error as error:
        raise NotAnEcg("damaged", "deflate") from error
    if inflater.unconsumed_tail:
        raise NotAnEcg("too_large")
    if not inflater.eof:
        raise NotAnEcg("truncated")
    return data


def read_groups(content: Content, stream: BinaryIO, encoding: Encoding) -> list[Group]:
    """The items of the Waveform Sequence; their samples are found and not read."""
    order = ">" if encoding.big_endian else "<"
    tag, length = _element_head(stream, encoding, order)
    if tag != _WAVEFORM_SEQUENCE:
        raise NotAnEcg("no_leads")
    end = content.size if length == _UNDEFINED else stream.tell() + length
    if end > content.size:
        raise NotAnEcg("truncated")
    groups: list[Group] = []
    while stream.tell() + 8 <= end:
        tag, length = _plain_head(stream, order)
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM or len(groups) >= _MOST_GROUPS:
            raise NotAnEcg("damaged", f"({tag >> 16:04X},{tag & 0xFFFF:04X})")
        groups.append(_read_group(content, stream, encoding, length))
    if not groups:
        raise NotAnEcg("no_leads")
    return groups


def _read_group(content: Content, stream: BinaryIO, encoding: Encoding, length: int) -> Group:
    order, start = ">" if encoding.big_endian else "<", stream.tell()
    if length != _UNDEFINED and start + length > content.size:
        raise NotAnEcg("truncated")
    data_set = read_dataset(
        stream,
        encoding.implicit_vr,
        not encoding.big_endian,
        stop_when=lambda tag, _vr, _length: tag >= _WAVEFORM_DATA,
        bytelength=None if length == _UNDEFINED else length,
    )
    tag, size = _element_head(stream, encoding, order)
    if tag != _WAVEFORM_DATA:
        raise NotAnEcg("no_leads")
    offset = stream.tell()
    if size == _UNDEFINED or offset + size > content.size:
        raise NotAnEcg("truncated")
    stream.seek(offset + size)
    if length != _UNDEFINED:
        stream.seek(start + length)
    else:
        _leave_item(stream, encoding, order)
    return Group(data_set=data_set, offset=offset, length=size)


def _leave_item(stream: BinaryIO, encoding: Encoding, order: str) -> None:
    """Over what may follow the samples, to behind the item's delimiter, which pydicom reads itself."""
    read_dataset(stream, encoding.implicit_vr, order == "<")
    stream.seek(stream.tell() - 8)
    tag, _ = _plain_head(stream, order)
    if tag != _ITEM_END:
        raise NotAnEcg("truncated")


def _plain_head(stream: BinaryIO, order: str) -> tuple[int, int]:
    head = stream.read(8)
    if len(head) < 8:
        raise NotAnEcg("truncated")
    group, element, length = struct.unpack(order + "HHI", head)
    return group << 16 | element, length


def _element_head(stream: BinaryIO, encoding: Encoding, order: str) -> tuple[int, int]:
    """Tag and length of an element whose VR has a long length (SQ, OB, OW, UN …)."""
    tag, length = _plain_head(stream, order)
    if encoding.implicit_vr or tag in (_ITEM_END, _SEQUENCE_END):
        return tag, length
    rest = stream.read(4)
    if len(rest) < 4:
        raise NotAnEcg("truncated")
    return tag, struct.unpack(order + "I", rest)[0]
