"""Pixels: frames cut out and decoded agree with pydicom on every file that it ships; the odd encapsulations hold."""

import io
import struct
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, encapsulate_extended, itemize_fragment
from pydicom.uid import JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from adapters.dicom.data_set import Description, read_description
from adapters.dicom.pixels import Frames, decode_frame, native_span, read_frame, read_frames, write_native
from adapters.errors import Malformed
from tests.samples import samples_dir

pytestmark = pytest.mark.filterwarnings("ignore")

SHIPPED = sorted(
    path for path in (Path(pydicom.data.__file__).parent / "test_files").iterdir() if path.suffix == ".dcm"
)
# What neither pydicom nor we can show: no pixels to speak of, or no decoder that we may ship (12-bit JPEG Extended).
UNSHOWABLE = {
    "JPEG-lossy.dcm",
    "JPGExtended.dcm",
    "JPEG2000-embedded-sequence-delimiter.dcm",
    "MR_truncated.dcm",
    "badVR.dcm",
    "meta_missing_tsyntax.dcm",
    "nested_priv_SQ.dcm",
}


def describe(path: Path) -> Description:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    implicit, little = head.original_encoding
    guessed = "1.2.840.10008.1.2" if implicit else "1.2.840.10008.1.2.1" if little else "1.2.840.10008.1.2.2"
    syntax = str(head.file_meta.get("TransferSyntaxUID", guessed))
    return read_description(io.BytesIO(path.read_bytes()), syntax)


def frames_of(description: Description) -> Frames:
    frames = read_frames(description)
    assert frames is not None
    return frames


def decode_all(description: Description) -> np.ndarray[Any, Any]:
    frames = frames_of(description)
    stack = np.stack([decode_frame(description.stream, frames, index) for index in range(frames.count)])
    return stack[0] if frames.count == 1 else stack


@pytest.mark.parametrize("path", [p for p in SHIPPED if p.name not in UNSHOWABLE], ids=lambda p: p.name)
def test_a_shipped_file_decodes_as_pydicom_decodes_it(path: Path) -> None:
    description = describe(path)
    if description.pixels is None:
        assert read_frames(description) is None
        return
    whole = pydicom.dcmread(path, force=True)
    whole.file_meta.TransferSyntaxUID = description.transfer_syntax_uid

    assert np.array_equal(decode_all(description), whole.pixel_array)


@pytest.mark.parametrize("name", sorted(UNSHOWABLE))
def test_a_file_that_cannot_be_shown_says_so(name: str) -> None:
    path = next(path for path in SHIPPED if path.name == name)

    with pytest.raises(Malformed):
        decode_all(describe(path))


@pytest.mark.samples
def test_one_ct_in_every_lossless_syntax_is_one_picture() -> None:
    folder = samples_dir() / "dicom" / "syntaxes-ct"
    lossless = ("_1.2.840.10008.1.2.", ".4.57.dcm", ".4.70.dcm", ".4.80.dcm", ".4.90.dcm")
    endings = ("1.2.dcm", "1.2.1.dcm", "1.2.2.dcm", "1.2.1.99.dcm", "1.2.5.dcm", *lossless[1:])
    pictures = {
        path.name: decode_all(describe(path)) for path in folder.iterdir() if path.name.endswith(endings)
    }

    assert len(pictures) == 9
    first = next(iter(pictures.values()))
    assert all(np.array_equal(first, picture) for picture in pictures.values()), sorted(pictures)


def encapsulated(pixel_data: bytes, frames: int, syntax: str = JPEGBaseline8Bit, **more: Any) -> Description:
    """An image of 2 by 2 pixels around these bytes of encapsulated pixel data."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = syntax
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    image.Rows = image.Columns = 2
    image.BitsAllocated = image.BitsStored = 8
    image.SamplesPerPixel, image.PixelRepresentation = 1, 0
    image.PhotometricInterpretation, image.NumberOfFrames = "MONOCHROME2", frames
    for keyword, value in more.items():
        setattr(image, keyword, value)
    image.PixelData = pixel_data
    image["PixelData"].VR = "OB"
    image["PixelData"].is_undefined_length = True
    file = io.BytesIO()
    image.save_as(file, enforce_file_format=True)
    return read_description(file, str(syntax))


def stored(description: Description) -> list[bytes]:
    frames = frames_of(description)
    return [read_frame(description.stream, frames, index) for index in range(frames.count)]


EMPTY_TABLE = itemize_fragment(b"")[:4] + bytes(4)
END = b"\xfe\xff\xdd\xe0" + bytes(4)


def test_frames_come_by_the_basic_offset_table() -> None:
    assert stored(encapsulated(encapsulate([b"one!", b"two!", b"six!"]), 3)) == [b"one!", b"two!", b"six!"]


def test_several_fragments_of_a_frame_are_joined() -> None:
    data = encapsulate([b"abcdefgh", b"ijklmnop"], fragments_per_frame=3, has_bot=True)

    assert stored(encapsulated(data, 2)) == [b"abcdefgh", b"ijklmnop"]


def test_without_a_table_one_fragment_is_one_frame() -> None:
    assert stored(encapsulated(encapsulate([b"one!", b"two!"], has_bot=False), 2)) == [b"one!", b"two!"]


def test_without_a_table_all_fragments_are_the_only_frame() -> None:
    data = encapsulate([b"abcdefgh"], fragments_per_frame=4, has_bot=False)

    assert stored(encapsulated(data, 1)) == [b"abcdefgh"]


def test_without_a_table_frames_end_where_their_code_streams_end() -> None:
    fragments = (b"ab", b"c\xff\xd9\0", b"de", b"fg", b"h\xff\xd9\0")
    data = EMPTY_TABLE + b"".join(map(itemize_fragment, fragments)) + END

    assert stored(encapsulated(data, 2)) == [b"abc\xff\xd9\0", b"defgh\xff\xd9\0"]


def test_a_table_that_points_elsewhere_is_not_believed() -> None:
    good = encapsulate([b"one!", b"two!"])
    bad = good[:12] + (99).to_bytes(4, "little") + good[16:]

    assert stored(encapsulated(bad, 2)) == [b"one!", b"two!"]


def test_the_extended_table_wins_and_keeps_odd_lengths() -> None:
    data, offsets, _ = encapsulate_extended([b"odd", b"even", b"x"])
    lengths = struct.pack("<3Q", 3, 4, 1)  # without the padding, as PS3.5 A.4 lets the table say

    described = encapsulated(data, 3, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)

    assert stored(described) == [b"odd", b"even", b"x"]


def test_fewer_fragments_than_frames_are_malformed() -> None:
    with pytest.raises(Malformed, match="3 frames"):
        stored(encapsulated(encapsulate([b"one!", b"two!"], has_bot=False), 3))


@pytest.mark.parametrize(
    "name", ["SC_rgb_jpeg_dcmtk.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm"]
)
def test_every_truncation_of_compressed_pixels_is_malformed_or_a_picture(name: str) -> None:
    path = next(path for path in SHIPPED if path.name == name)
    whole, syntax = path.read_bytes(), str(pydicom.dcmread(path).file_meta.TransferSyntaxUID)
    assert syntax in {JPEGBaseline8Bit, RLELossless, JPEGLSLossless}
    for length in range(400, len(whole), len(whole) // 40):
        try:
            description = read_description(io.BytesIO(whole[:length]), syntax)
            if description.pixels is not None:
                decode_all(description)
        except Malformed:
            continue


def test_frames_of_single_bits_each_begin_at_a_byte() -> None:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    image.SOPClassUID, image.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.3"
    image.Rows, image.Columns, image.NumberOfFrames = 3, 3, 2
    image.BitsAllocated = image.BitsStored = image.SamplesPerPixel = 1
    image.PixelRepresentation, image.PhotometricInterpretation = 0, "MONOCHROME2"
    bits = np.array([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1], dtype=np.uint8)
    image.PixelData = np.packbits(bits, bitorder="little").tobytes() + b"\0"
    image["PixelData"].VR = "OB"
    file = io.BytesIO()
    image.save_as(file, enforce_file_format=True)
    description = read_description(file, "1.2.840.10008.1.2.1")

    assert np.array_equal(decode_all(description).reshape(-1), bits)


def test_big_endian_words_leave_as_little_endian() -> None:
    little, big = (
        next(p for p in SHIPPED if p.name == name) for name in ("MR_small.dcm", "MR_small_bigendian.dcm")
    )
    one, other = describe(little), describe(big)

    assert stored(one) == stored(other)
    assert native_span(frames_of(one), 0) is not None
    assert native_span(frames_of(other), 0) is None
    assert write_native(decode_all(other)) == stored(one)[0]
