"""Data sets that are whole and allowed, or nearly so, and that programs have stumbled over (PS3.5 6.2.2, 7.2, 7.5, 7.8)."""

from collections.abc import Callable

from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid


def _odd() -> Dataset:
    data_set = dcmread(str(get_testdata_file("CT_small.dcm")))
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = generate_uid(), generate_uid()
    data_set.PatientID = generate_uid()[-12:]
    return data_set


def _private_blocks() -> Dataset:
    data_set = _odd()
    for creator in ("MAKER A", "MAKER B"):
        block = data_set.private_block(0x0099, creator, create=True)
        block.add_new(1, "UN", b"\0\1" * 50)
        block.add_new(2, "LO", "private")
    return data_set


def _nested() -> Dataset:
    data_set = inner = _odd()
    for _ in range(40):
        item = Dataset()
        inner.ReferencedSeriesSequence = Sequence([item])
        inner["ReferencedSeriesSequence"].is_undefined_length = True
        inner = item
    inner.SeriesInstanceUID = "1.2.3"  # not the image's own
    return data_set


def _empty_sequences() -> Dataset:
    data_set = _odd()
    data_set.ReferencedStudySequence = Sequence([])
    data_set.RequestAttributesSequence = Sequence([Dataset()])
    return data_set


def _wrong_vr() -> Dataset:
    data_set = _odd()
    data_set.add_new(0x00100010, "UN", b"Zhang^San ")
    data_set.add_new(0x00080060, "UN", b"CT")
    return data_set


def _padded() -> Dataset:
    data_set = _odd()
    data_set.add_new(0xFFFCFFFC, "OB", bytes(1000))
    return data_set


def _group_lengths() -> Dataset:
    data_set = _odd()
    for group in (0x0008, 0x0010, 0x0020):
        data_set.add_new(group << 16, "UL", 1_000_000)  # wrong, as old ones often are
    return data_set


ODD: dict[str, Callable[[], Dataset]] = {
    "private blocks": _private_blocks,
    "nested": _nested,
    "empty sequences": _empty_sequences,
    "wrong VR": _wrong_vr,
    "padding": _padded,
    "group lengths": _group_lengths,
}
