"""Invented DICOM studies for journeys and benchmarks: valid, without a person behind them, cheap to make."""

import random
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian


def new_uid() -> str:
    """A fresh UID under 2.25 (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def write_study(folder: Path, count: int, **fields: Any) -> list[Path]:
    """Files of one study. Fields are those of `make_images`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, image in enumerate(make_images(count, **fields), start=1):
        paths.append(folder / f"{number:05d}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def make_images(
    count: int,
    *,
    modality: str = "CT",
    size: int = 32,
    patient_id: str = "SYN-1",
    name: str = "Syn^Thetic=合^成",
    study_uid: str | None = None,
    body_part: str = "CHEST",
    **more: Any,
) -> Iterator[Dataset]:
    """The images of one series, `size` pixels square with noise on a gradient, so that they do not compress away."""
    study_uid, series_uid = study_uid or new_uid(), new_uid()
    noise = random.Random(study_uid)
    for number in range(1, count + 1):
        image = _image(modality, size, noise)
        image.SpecificCharacterSet = "ISO_IR 192"
        image.PatientName, image.PatientID = name, patient_id
        image.PatientSex, image.PatientBirthDate = "F", "19700101"
        image.StudyInstanceUID, image.SeriesInstanceUID = study_uid, series_uid
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = UID(new_uid())
        image.StudyDate, image.StudyTime, image.StudyID = "20261120", "101500", "1"
        image.AccessionNumber, image.BodyPartExamined = "", body_part
        image.SeriesNumber, image.InstanceNumber = 1, number
        for keyword, value in more.items():
            setattr(image, keyword, value)
        yield image


def data_sets_of(paths: Sequence[Path]) -> dict[str, bytes]:
    """By SOP Instance UID: the bytes behind the file meta information, as a sender that converts nothing sends them."""
    return dict(split_file(path)[1:3] for path in paths)


def split_file(path: Path) -> tuple[str, str, bytes]:
    """SOP class, SOP instance and data set of a file in Explicit VR Little Endian, without pydicom's interpretation."""
    data = path.read_bytes()
    assert data[128:132] == b"DICM"
    length = int.from_bytes(data[140:144], "little")  # (0002,0000) is the first element (PS3.10 7.1)
    meta = data[144 : 144 + length]
    return _meta_uid(meta, 2), _meta_uid(meta, 3), data[144 + length :]


def _meta_uid(meta: bytes, number: int) -> str:
    start = meta.index(bytes((2, 0, number, 0)) + b"UI") + 8
    return meta[start : start + int.from_bytes(meta[start - 2 : start], "little")].rstrip(b"\0").decode()


def _image(modality: str, size: int, noise: random.Random) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    kind = CTImageStorage if modality == "CT" else DigitalXRayImageStorageForPresentation
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = kind
    image.Modality, image.Manufacturer = modality, "SYNTHETIC"
    image.Rows = image.Columns = size
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.WindowCenter, image.WindowWidth = 2048, 4096
    image.RescaleIntercept, image.RescaleSlope = 0, 1
    image.PixelSpacing = [0.7, 0.7]
    image.PixelData = _pixels(size, noise)
    return image


def _pixels(size: int, noise: random.Random) -> bytes:
    speckle = noise.randbytes(size * size)
    pixels = bytearray(2 * size * size)
    pixels[0::2] = speckle
    for row in range(size):  # the high byte of 12 bits: a gradient from top to bottom
        pixels[2 * row * size + 1 : 2 * (row + 1) * size : 2] = bytes((row * 16 // size,)) * size
    return bytes(pixels)
