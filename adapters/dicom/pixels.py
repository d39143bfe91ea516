"""Pixel data: where each frame lies, its bytes as stored, and the same as plain little-endian pixels.

Native frames are cut out by their place; encapsulated ones by the Extended or Basic Offset Table, or without a
usable table by walking the fragments. Nothing but the wanted frame is read.

Native encoding: PS3.5 Section 8. Encapsulation: PS3.5 A.4. Offset tables: PS3.3 C.7.6.3.1.8.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import UID

from adapters.dicom.data_set import Description, PixelElement, load_value
from adapters.errors import Malformed

VIDEO_SYNTAXES = {  # PS3.5 A.4.4 on: one stream for all frames → media type of PS3.18 Table 8.7.3-5
    **dict.fromkeys(("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.100.1"), "video/mpeg"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.101", "1.2.840.10008.1.2.4.101.1"), "video/mpeg"),
    **{f"1.2.840.10008.1.2.4.{n}{tail}": "video/mp4" for n in range(102, 109) for tail in ("", ".1")},
}
DEFLATED_IMAGE_FRAMES = "1.2.840.10008.1.2.8.1"  # PS3.5 A.4.13: each frame deflated by itself
FRAGMENT_LIMIT = 1_000_000  # more items than this is no image

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_EXTENDED_OFFSETS, _EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
# The end of a frame's code stream: JPEG, JPEG-LS and JPEG 2000 end alike (EOI, EOC); a few padding bytes may follow.
_CODE_STREAM_END, _TAIL_BYTES = b"\xff\xd9", 10
_JPEG_LS = frozenset(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"))

Span = tuple[int, int]  # offset and length in the stream


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """What is needed to make sense of a frame's bytes (PS3.3 C.7.6.3)."""

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    photometric: str
    planar: int
    frames: int

    @property
    def frame_bits(self) -> int:
        """Bits of one native frame (PS3.5 8.1.1, 8.2)."""
        pixels = self.rows * self.columns
        if self.photometric == "YBR_FULL_422" and self.samples == 3:
            return pixels * 2 * self.bits_allocated
        return pixels * self.samples * self.bits_allocated


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """The frames of one instance. Encapsulated: the spans of each frame's fragments, all of them known."""

    element: PixelElement
    format: PixelFormat
    transfer_syntax_uid: str
    big_endian: bool
    fragments: tuple[tuple[Span, ...], ...] | None

    @property
    def encapsulated(self) -> bool:
        return self.element.length is None

    @property
    def count(self) -> int:
        return self.format.frames


def read_frames(description: Description) -> Frames | None:
    """Find the frames; None when there is no pixel data."""
    if description.pixels is None:
        return None
    pixel_format = read_format(description.data_set, description.pixels.keyword)
    spans = None
    if description.pixels.length is None:
        spans = _fragments(description, pixel_format)
    return Frames(
        element=description.pixels,
        format=pixel_format,
        transfer_syntax_uid=description.transfer_syntax_uid,
        big_endian=description.encoding.big_endian,
        fragments=spans,
    )


def read_format(data_set: Dataset, keyword: str = "PixelData") -> PixelFormat:
    """The Image Pixel attributes; Malformed when one is missing without which no frame can be cut."""
    bits = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}.get(keyword)
    try:
        allocated = bits or int(data_set.BitsAllocated)
        return PixelFormat(
            rows=int(data_set.Rows),
            columns=int(data_set.Columns),
            samples=int(data_set.get("SamplesPerPixel") or 1),
            bits_allocated=allocated,
            bits_stored=int(data_set.get("BitsStored") or allocated),
            signed=bool(data_set.get("PixelRepresentation") or 0),
            photometric=str(data_set.get("PhotometricInterpretation") or "MONOCHROME2"),
            planar=int(data_set.get("PlanarConfiguration") or 0),
            frames=max(1, int(data_set.get("NumberOfFrames") or 1)),
        )
    except (AttributeError, TypeError, ValueError) as error:
        raise Malformed(f"the image cannot be described: {error}") from error


def read_frame(stream: BinaryIO, frames: Frames, index: int) -> bytes:
    """One frame as it is stored: native bytes little-endian, a compressed code stream as it is."""
    if not 0 <= index < frames.count:
        raise IndexError(index)
    if frames.fragments is not None:
        return b"".join(_read(stream, offset, length) for offset, length in frames.fragments[index])
    return _native(stream, frames, index)


def native_span(frames: Frames, index: int) -> Span | None:
    """Where a native frame lies when its bytes can be handed on untouched."""
    bits = frames.format.frame_bits
    if frames.encapsulated or frames.big_endian or bits % 8:
        return None
    return frames.element.offset + index * bits // 8, bits // 8


def decode_frame(stream: BinaryIO, frames: Frames, index: int) -> NDArray[Any]:
    """One frame as pixels: (rows, columns) or (rows, columns, samples); colour as RGB. Malformed when it cannot be."""
    data = read_frame(stream, frames, index)
    try:
        array = _decompressed(data, frames) if frames.encapsulated else _shaped(data, frames.format)
    except Malformed:
        raise
    except Exception as error:  # decoders raise what they like
        raise Malformed(f"frame {index + 1} cannot be decoded: {_first_line(error)}") from error
    return array


def write_native(array: NDArray[Any]) -> bytes:
    """Pixels as explicit VR little-endian has them, colour by pixel."""
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def read_stream(stream: BinaryIO, frames: Frames) -> Iterator[bytes]:
    """The whole pixel data as one stream of bytes: joined fragments of a video, or the native value."""
    if frames.fragments is None:
        for index in range(frames.count):
            yield read_frame(stream, frames, index)
        return
    for spans in frames.fragments:
        for offset, length in spans:
            yield _read(stream, offset, length)


def _native(stream: BinaryIO, frames: Frames, index: int) -> bytes:
    bits = frames.format.frame_bits
    start, end = index * bits, (index + 1) * bits
    first, last = start // 8, -(-end // 8)
    word = _word_bytes(frames)
    aligned = first - first % word
    data = _read(stream, frames.element.offset + aligned, _available(frames, aligned, last))
    if frames.big_endian and word > 1:
        data = (
            np.frombuffer(data[: len(data) // word * word], dtype=f">u{word}").astype(f"<u{word}").tobytes()
        )
    data = data[first - aligned : last - aligned]
    if len(data) < last - first:
        raise Malformed(f"the pixel data ends before frame {index + 1} does")
    return data if bits % 8 == 0 else _shift_bits(data, start % 8, bits)


def _word_bytes(frames: Frames) -> int:
    """The unit whose bytes are swapped in big endian (PS3.5 7.3): OB is a row of bytes, OW of words."""
    if not frames.big_endian:
        return 1
    if frames.format.bits_allocated > 16:
        return frames.format.bits_allocated // 8
    return 1 if frames.element.vr == "OB" else 2


def _available(frames: Frames, first: int, last: int) -> int:
    """Bytes to read: what is wanted, whole words of it, but never beyond the element."""
    word = _word_bytes(frames)
    wanted = -(-(last - first) // word) * word
    return max(0, min(wanted, (frames.element.length or 0) - first))


def _shift_bits(data: bytes, skip: int, bits: int) -> bytes:
    """Frames of one-bit pixels follow one another without padding (PS3.5 8.1.1); give this one bytes of its own."""
    flat = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")[skip : skip + bits]
    return np.packbits(flat, bitorder="little").tobytes()


def _shaped(data: bytes, pixel: PixelFormat) -> NDArray[Any]:
    shape = (pixel.rows, pixel.columns)
    if pixel.bits_allocated == 1:
        flat = np.unpackbits(np.frombuffer(data, dtype=np.uint8), bitorder="little")
        return flat[: pixel.rows * pixel.columns].reshape(shape)
    array: NDArray[Any] = np.frombuffer(data, dtype=_dtype(pixel))
    if pixel.samples == 1:
        return _mask(array.reshape(shape), pixel)
    if pixel.photometric == "YBR_FULL_422":
        array = _upsampled(array, pixel)
    elif pixel.planar == 1:
        array = array.reshape(pixel.samples, *shape).transpose(1, 2, 0)
    else:
        array = array.reshape(*shape, pixel.samples)
    return _to_rgb(array, pixel)


def _dtype(pixel: PixelFormat) -> str:
    if pixel.bits_allocated not in {8, 16, 32, 64}:
        raise Malformed(f"{pixel.bits_allocated} bits allocated are not supported")
    return f"<{'i' if pixel.signed else 'u'}{pixel.bits_allocated // 8}"


def _mask(array: NDArray[Any], pixel: PixelFormat) -> NDArray[Any]:
    """What stands above the stored bits is no part of the pixel (PS3.5 8.1.1; old overlays lived there)."""
    unused = pixel.bits_allocated - pixel.bits_stored
    if unused <= 0:
        return array
    return (array << unused) >> unused  # arithmetic for signed: this also extends the sign


def _upsampled(array: NDArray[Any], pixel: PixelFormat) -> NDArray[Any]:
    """YBR_FULL_422: Y1 Y2 Cb Cr for each pair of pixels (PS3.3 C.7.6.3.1.2)."""
    pairs = array.reshape(pixel.rows, pixel.columns // 2, 4)
    full = np.empty((pixel.rows, pixel.columns, 3), dtype=array.dtype)
    full[:, 0::2, 0], full[:, 1::2, 0] = pairs[:, :, 0], pairs[:, :, 1]
    full[:, :, 1] = np.repeat(pairs[:, :, 2], 2, axis=1)
    full[:, :, 2] = np.repeat(pairs[:, :, 3], 2, axis=1)
    return full


def _to_rgb(array: NDArray[Any], pixel: PixelFormat) -> NDArray[Any]:
    if pixel.photometric in {"YBR_FULL", "YBR_FULL_422"} and pixel.bits_allocated == 8:
        return convert_color_space(array, "YBR_FULL", "RGB")
    return array


def _decompressed(data: bytes, frames: Frames) -> NDArray[Any]:
    pixel = frames.format
    if frames.transfer_syntax_uid == DEFLATED_IMAGE_FRAMES:
        return _shaped(zlib.decompress(data, -zlib.MAX_WBITS)[: pixel.frame_bits // 8], pixel)
    if frames.transfer_syntax_uid in _JPEG_LS and _CODE_STREAM_END not in data[-_TAIL_BYTES:]:
        raise Malformed("the code stream is cut short")  # CharLS reads on for ever behind its end
    decoder = get_decoder(UID(frames.transfer_syntax_uid))
    options: dict[str, Any] = {
        "rows": pixel.rows,
        "columns": pixel.columns,
        "number_of_frames": 1,
        "samples_per_pixel": pixel.samples,
        "bits_allocated": pixel.bits_allocated,
        "bits_stored": pixel.bits_stored,
        "pixel_representation": int(pixel.signed),
        "photometric_interpretation": pixel.photometric,
        "planar_configuration": pixel.planar,
        "pixel_keyword": "PixelData",
    }
    array, _ = decoder.as_array(encapsulate([data]), index=0, **options)
    return array


# Encapsulated pixel data


def _fragments(description: Description, pixel: PixelFormat) -> tuple[tuple[Span, ...], ...]:
    assert description.pixels is not None
    stream, start = description.stream, description.pixels.offset
    tag, table_length = _read_item_head(stream, start, big_endian=description.encoding.big_endian)
    if tag != _ITEM:
        raise Malformed("the encapsulated pixel data does not begin with an offset table")
    table = _read(stream, start + 8, table_length)
    first = start + 8 + table_length
    if description.transfer_syntax_uid in VIDEO_SYNTAXES:
        return (tuple(_walk(stream, first)),)
    spans = _by_extended_table(description, first, pixel) or _by_basic_table(stream, first, table, pixel)
    return spans or _by_walking(stream, first, pixel)


def _by_extended_table(
    description: Description, first: int, pixel: PixelFormat
) -> tuple[tuple[Span, ...], ...] | None:
    """One fragment for each frame (PS3.3 C.7.6.3.1.8)."""
    data_set, stream = description.data_set, description.stream
    if _EXTENDED_OFFSETS not in data_set or _EXTENDED_LENGTHS not in data_set:
        return None
    offsets, lengths = (
        [entry for (entry,) in struct.iter_unpack("<Q", value[: len(value) // 8 * 8])]
        for value in (_raw_value(data_set, stream, tag) for tag in (_EXTENDED_OFFSETS, _EXTENDED_LENGTHS))
    )
    if len(offsets) != pixel.frames or len(lengths) != pixel.frames:
        return None
    return tuple(((first + offset + 8, length),) for offset, length in zip(offsets, lengths, strict=True))


def _by_basic_table(
    stream: BinaryIO, first: int, table: bytes, pixel: PixelFormat
) -> tuple[tuple[Span, ...], ...] | None:
    """Each offset is that of a frame's first fragment; a table that points elsewhere is not believed."""
    if not table or len(table) // 4 != pixel.frames:
        return None
    offsets = [entry for (entry,) in struct.iter_unpack("<I", table[: len(table) // 4 * 4])]
    if offsets[0] != 0 or any(one >= following for one, following in pairwise(offsets)):
        return None
    spans = list(_walk(stream, first))
    groups: list[list[Span]] = [[] for _ in offsets]
    starts = {first + offset + 8: index for index, offset in enumerate(offsets)}
    frame = -1
    for span in spans:
        frame = starts.pop(span[0], frame)
        groups[frame].append(span)
    return None if starts else tuple(map(tuple, groups))


def _by_walking(stream: BinaryIO, first: int, pixel: PixelFormat) -> tuple[tuple[Span, ...], ...]:
    spans = list(_walk(stream, first))
    if pixel.frames == 1:
        return (tuple(spans),)
    if len(spans) == pixel.frames:
        return tuple((span,) for span in spans)
    if len(spans) < pixel.frames:
        raise Malformed(f"{pixel.frames} frames are announced, {len(spans)} fragments are there")
    groups: list[tuple[Span, ...]] = []
    under_way: list[Span] = []
    for offset, length in spans:
        under_way.append((offset, length))
        tail = _read(stream, offset + max(0, length - _TAIL_BYTES), min(length, _TAIL_BYTES))
        if _CODE_STREAM_END in tail:
            groups.append(tuple(under_way))
            under_way = []
    if under_way and groups:
        groups[-1] += tuple(under_way)
    if len(groups) != pixel.frames:
        raise Malformed("the fragments do not say where frames begin, and there is no offset table")
    return tuple(groups)


def _walk(stream: BinaryIO, position: int) -> Iterator[Span]:
    """The fragments. A value that ends without its delimiter is borne: what is there is used (cut files are common)."""
    for _ in range(FRAGMENT_LIMIT):
        tag, length = _read_item_head(stream, position)
        if tag != _ITEM:
            if tag not in {None, _SEQUENCE_END}:
                raise Malformed(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) stands among the fragments")
            return
        yield position + 8, length
        position += 8 + length
    raise Malformed(f"more than {FRAGMENT_LIMIT} fragments")


def _read_item_head(stream: BinaryIO, position: int, *, big_endian: bool = False) -> tuple[int | None, int]:
    stream.seek(position)
    head = stream.read(8)
    if len(head) < 8:
        return None, 0
    group, element, length = struct.unpack(">HHI" if big_endian else "<HHI", head)
    return group << 16 | element, length


def _raw_value(data_set: Dataset, stream: BinaryIO, tag: int) -> bytes:
    element = data_set.get_item(tag, keep_deferred=True)
    if isinstance(element, RawDataElement):
        return load_value(stream, element)
    value = element.value if element is not None else b""
    return value if isinstance(value, bytes) else b""


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    return stream.read(length)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
