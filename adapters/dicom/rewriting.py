"""A stored instance in other words: under other UIDs, or as explicit VR little-endian with plain pixels.

Both read the whole instance into memory. What cannot be written so is Malformed.
"""

import io
from collections.abc import Mapping

from pydicom import dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset, validate_file_meta
from pydicom.uid import UID

from adapters.dicom.data_set import EXPLICIT_VR_LITTLE_ENDIAN, encoding_of
from adapters.dicom.json_model import little_endian
from adapters.errors import Malformed

_WORDS = frozenset(("OW", "OF", "OL", "OD", "OV"))


def rewrite_instance(
    file: bytes, transfer_syntax_uid: str, *, uids: Mapping[str, str], explicit: bool = False
) -> bytes:
    """Write a Part 10 file with these UIDs (keyword → UID) instead of its own; `explicit` also transcodes it."""
    try:
        data_set = dcmread(io.BytesIO(file), force=True)
        for keyword, uid in uids.items():
            setattr(data_set, keyword, uid)
        target = transfer_syntax_uid
        if explicit:
            _decompress(data_set, transfer_syntax_uid)
            target = EXPLICIT_VR_LITTLE_ENDIAN
        return _write(data_set, target)
    except Exception as error:  # pydicom and its decoders raise what they like
        raise Malformed(
            f"the instance cannot be rewritten: {next(iter(str(error).splitlines()), '')}"
        ) from error


def _decompress(data_set: FileDataset, transfer_syntax_uid: str) -> None:
    if UID(transfer_syntax_uid).is_encapsulated and "PixelData" in data_set:
        data_set.decompress(generate_instance_uid=False)
    big_endian = encoding_of(transfer_syntax_uid).big_endian
    data_set.walk(_swap if big_endian else _read)  # what was not read yet would be written as it was


def _swap(_: Dataset, element: DataElement) -> None:
    """Numbers are values already; words in a row of bytes are not (PS3.5 7.3)."""
    if element.VR in _WORDS and isinstance(element.value, bytes):
        element.value = little_endian(element.value, element.VR, False)


def _read(_: Dataset, element: DataElement) -> None:
    """Walking over an element is reading it."""


def _write(data_set: FileDataset, target: str) -> bytes:
    encoding = encoding_of(target)
    meta = getattr(data_set, "file_meta", None) or FileMetaDataset()
    meta.TransferSyntaxUID = UID(target)
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    data_set.file_meta = meta
    validate_file_meta(meta, enforce_standard=True)
    data_set.preamble = data_set.preamble or bytes(128)
    written = io.BytesIO()
    dcmwrite(
        written,
        data_set,
        implicit_vr=encoding.implicit_vr,
        little_endian=not encoding.big_endian,
        force_encoding=True,
    )
    return written.getvalue()
