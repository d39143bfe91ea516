"""Studies of the demonstration county: real images that pydicom ships, and a computed CT, under invented patients.

The files are made once in the data dir, with stable UIDs, so that pushing them again brings nothing new.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, CTImageStorage, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

CT_SLICES, CT_SIZE = 48, 512
DR_ROWS, DR_COLUMNS = 1280, 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStudy:
    """One study as a township's device would send it. `age_h`: how many hours ago it was made."""

    key: str
    ae_title: str
    modality: str
    patient_name: str
    patient_id: str
    sex: str
    birth_date: str
    description: str
    body_part: str
    make: Callable[["DemoStudy"], Iterator[Dataset]]
    age_h: float = 0.5
    character_set: str = "GB18030"

    def uid(self, *parts: object) -> str:
        """A stable UID under 2.25 (PS3.5 B.2) for this study or a part of it."""
        name = "/".join(["demo", self.key, *map(str, parts)])
        return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, name).int}"


def write_studies(folder: Path, now: datetime) -> Iterator[tuple[DemoStudy, list[Path]]]:
    """Write the files of each study, unless they are there from an earlier start."""
    for study in STUDIES:
        place = folder / study.key
        done = place / "complete"
        if not done.exists():
            place.mkdir(parents=True, exist_ok=True)
            for number, data_set in enumerate(study.make(study), start=1):
                _identify(data_set, study, number, now - timedelta(hours=study.age_h))
                data_set.save_as(place / f"{number:04d}.dcm", enforce_file_format=True)
            done.touch()
        yield study, sorted(place.glob("*.dcm"))


def _identify(data_set: Dataset, study: DemoStudy, number: int, made_at: datetime) -> None:
    """Give an image the study's patient, dates and UIDs; its pixels stay as they are."""
    local = made_at.astimezone()
    data_set.SpecificCharacterSet = study.character_set
    data_set.PatientName, data_set.PatientID = study.patient_name, study.patient_id
    data_set.PatientSex, data_set.PatientBirthDate = study.sex, study.birth_date
    data_set.StudyInstanceUID = UID(study.uid())
    data_set.SeriesInstanceUID = UID(study.uid("series"))
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = UID(study.uid(number))
    data_set.StudyDate = data_set.SeriesDate = f"{local:%Y%m%d}"
    data_set.StudyTime = data_set.SeriesTime = f"{local:%H%M%S}"
    data_set.StudyDescription, data_set.BodyPartExamined = study.description, study.body_part
    data_set.AccessionNumber = f"{local:%y%m%d}{study.key.upper()}"[:16]
    data_set.Modality, data_set.StudyID = study.modality, study.key
    data_set.SeriesNumber, data_set.InstanceNumber = 1, number
    data_set.InstitutionName, data_set.StationName = "", study.ae_title
    data_set.ReferringPhysicianName = ""


def _shipped(*names: str) -> Callable[[DemoStudy], Iterator[Dataset]]:
    """Images that come with pydicom."""

    def make(_study: DemoStudy) -> Iterator[Dataset]:
        for name in names:
            path = get_testdata_file(name, download=False)
            if not isinstance(path, str):
                raise FileNotFoundError(f"pydicom does not ship {name}")
            yield dcmread(path)

    return make


def _computed_ct(study: DemoStudy) -> Iterator[Dataset]:
    """A chest in numbers: skin, lungs, heart, spine, ribs and one round nodule, in Hounsfield units."""
    y, x = np.mgrid[0:CT_SIZE, 0:CT_SIZE].astype(np.float32)
    x, y = (x - CT_SIZE / 2) / 180, (y - CT_SIZE / 2) / 180
    noise = np.random.default_rng(7)
    for number in range(CT_SLICES):
        z = number / (CT_SLICES - 1)
        image = _chest_slice(x, y, z) + noise.normal(0, 12, x.shape)
        data_set = _image(CTImageStorage, CT_SIZE, CT_SIZE)
        data_set.PixelRepresentation, data_set.BitsStored, data_set.HighBit = 1, 16, 15
        data_set.RescaleIntercept, data_set.RescaleSlope, data_set.RescaleType = 0, 1, "HU"
        data_set.WindowCenter, data_set.WindowWidth = [-600, 40], [1500, 400]
        data_set.PixelSpacing, data_set.SliceThickness = [0.7, 0.7], 5
        data_set.ImagePositionPatient = [-179.2, -179.2, -5.0 * number]
        data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data_set.FrameOfReferenceUID, data_set.SliceLocation = study.uid("frame"), -5.0 * number
        data_set.SeriesDescription, data_set.ImageType = "胸部平扫 5mm", ["ORIGINAL", "PRIMARY", "AXIAL"]
        data_set.KVP, data_set.RescaleType = 120, "HU"
        data_set.PixelData = np.clip(image, -1024, 3071).astype("<i2").tobytes()
        yield data_set


def _chest_slice(x: NDArray[np.float32], y: NDArray[np.float32], z: float) -> NDArray[np.float32]:
    image = np.full(x.shape, -1000, dtype=np.float32)
    width = 1.0 - 0.25 * (1 - z) ** 2
    body = (x / (1.15 * width)) ** 2 + (y / 0.8) ** 2
    image[body < 1] = -90
    image[body < 0.9] = 45
    for side in (-1, 1):
        reach = 0.52 * np.sqrt(max(0.05, np.sin(np.pi * min(0.98, 0.12 + 0.86 * z))))
        lung = ((x - side * 0.52) / 0.42) ** 2 + ((y + 0.02) / (1.1 * reach)) ** 2
        vessels = 180 * np.maximum(0, np.sin(31 * x + 4 * z) * np.sin(27 * y - 9 * z) - 0.82) * 5
        image = np.where(lung < 1, -850 + vessels, image)
    heart = ((x - 0.14) / (0.40 * z + 0.05)) ** 2 + ((y + 0.16) / (0.34 * z + 0.05)) ** 2
    image = np.where((heart < 1) & (z > 0.35), 48, image)
    spine = (x / 0.17) ** 2 + ((y - 0.52) / 0.15) ** 2
    image = np.where(spine < 1, 320, image)
    image = np.where((x / 0.06) ** 2 + ((y - 0.44) / 0.06) ** 2 < 1, 20, image)
    ring = np.abs(np.sqrt((x / (1.03 * width)) ** 2 + (y / 0.70) ** 2) - 0.97)
    rib = (ring < 0.035) & (np.sin(9 * np.arctan2(y, x) + 40 * z) > 0.2)
    image = np.where(rib, 420, image)
    nodule = ((x + 0.46) / 0.055) ** 2 + ((y + 0.12) / 0.055) ** 2 + ((z - 0.55) / 0.06) ** 2
    return np.where(nodule < 1, 60, image).astype(np.float32)


def _computed_dr(study: DemoStudy) -> Iterator[Dataset]:
    """A projection of the same chest: what an X-ray through it would leave on the detector."""
    y, x = np.mgrid[0:DR_ROWS, 0:DR_COLUMNS].astype(np.float32)
    x, y = (x - DR_COLUMNS / 2) / (DR_COLUMNS / 2.3), (y - DR_ROWS / 2) / (DR_ROWS / 2.2)
    body = np.clip(1.1 - (x / 1.05) ** 2 - 0.1 * y**2, 0, None) * (np.abs(y) < 1.2)
    absorbed = 1.5 * body
    for side in (-1, 1):
        lung = np.clip(1 - ((x - side * 0.45) / 0.36) ** 2 - ((y + 0.05) / 0.72) ** 2, 0, None)
        absorbed -= 0.85 * np.sqrt(lung)
    absorbed += 0.55 * np.exp(-(((x) / 0.10) ** 2))
    absorbed += 0.6 * np.sqrt(np.clip(1 - ((x - 0.16) / 0.34) ** 2 - ((y - 0.22) / 0.36) ** 2, 0, None))
    absorbed += 0.16 * (np.sin(18 * (y + 0.55 * x**2)) > 0.55) * (np.abs(x) > 0.12) * (np.abs(x) < 0.85)
    absorbed += 0.9 / (1 + np.exp(-22 * (y - 0.72 + 0.12 * np.cos(3 * x))))
    noise = np.random.default_rng(len(study.key)).normal(0, 14, x.shape)
    image = np.clip(3600 - 1250 * absorbed + noise, 0, 4095)
    data_set = _image(DigitalXRayImageStorageForPresentation, DR_ROWS, DR_COLUMNS)
    data_set.PixelRepresentation, data_set.BitsStored, data_set.HighBit = 0, 12, 11
    data_set.PhotometricInterpretation, data_set.PresentationLUTShape = "MONOCHROME1", "INVERSE"
    data_set.WindowCenter, data_set.WindowWidth = 2200, 3000
    data_set.RescaleIntercept, data_set.RescaleSlope, data_set.RescaleType = 0, 1, "US"
    data_set.PixelIntensityRelationship, data_set.PixelIntensityRelationshipSign = "LOG", -1
    data_set.PresentationIntentType, data_set.ViewPosition = "FOR PRESENTATION", "PA"
    data_set.ImagerPixelSpacing, data_set.ImageLaterality = [0.3, 0.3], "U"
    data_set.SeriesDescription, data_set.ImageType = "胸部正位", ["DERIVED", "PRIMARY"]
    data_set.PixelData = image.astype("<u2").tobytes()
    yield data_set


def _image(sop_class_uid: UID, rows: int, columns: int) -> Dataset:
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta.MediaStorageSOPClassUID = sop_class_uid
    data_set.SOPClassUID = sop_class_uid
    data_set.Rows, data_set.Columns = rows, columns
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.BitsAllocated = 16
    data_set.Manufacturer, data_set.PatientOrientation = "DEMO", ["L", "F"]
    return data_set


STUDIES = [
    DemoStudy(
        key="ct001",
        ae_title="DEMO_CT",
        modality="CT",
        patient_name="Zhang^Guihua=张^桂花",
        patient_id="LX20260101",
        sex="F",
        birth_date="19581103",
        description="胸部 CT 平扫",
        body_part="CHEST",
        make=_computed_ct,
        age_h=0.4,
    ),
    DemoStudy(
        key="ct002",
        ae_title="DEMO_CT",
        modality="CT",
        patient_name="Li^Jianjun=李^建军",
        patient_id="LX20260102",
        sex="M",
        birth_date="19720518",
        description="颅脑 CT 平扫",
        body_part="HEAD",
        make=_shipped("CT_small.dcm"),
        age_h=1.2,
    ),
    DemoStudy(
        key="dr001",
        ae_title="DEMO_DR",
        modality="DX",
        patient_name="Zhang^Guihua=张^桂花",
        patient_id="LX20260101",
        sex="F",
        birth_date="19581103",
        description="胸部正位",
        body_part="CHEST",
        make=_computed_dr,
        age_h=30,
    ),
    DemoStudy(
        key="dr002",
        ae_title="DEMO_DR",
        modality="DX",
        patient_name="Wang^Qiang=王^强",
        patient_id="LX20260103",
        sex="M",
        birth_date="19900212",
        description="胸部正位",
        body_part="CHEST",
        make=_computed_dr,
        age_h=2.0,
    ),
    DemoStudy(
        key="us001",
        ae_title="DEMO_US",
        modality="US",
        patient_name="Zhao^Lan=赵^兰",
        patient_id="LX20260104",
        sex="F",
        birth_date="19850730",
        description="腹部彩超",
        body_part="ABDOMEN",
        make=_shipped("examples_rgb_color.dcm", "examples_palette.dcm", "examples_ybr_color.dcm"),
        age_h=0.8,
    ),
    DemoStudy(
        key="us002",
        ae_title="DEMO_US",
        modality="US",
        patient_name="Liu^Fang=刘^芳",
        patient_id="LX20260105",
        sex="F",
        birth_date="19960921",
        description="产科超声",
        body_part="PREGNANCY",
        make=_shipped("examples_jpeg2k.dcm"),
        age_h=3.1,
    ),
    DemoStudy(
        key="mr001",
        ae_title="DEMO_MR",
        modality="MR",
        patient_name="Qiu^Dehai=仇^德海",
        patient_id="LX20260106",
        sex="M",
        birth_date="19630405",
        description="颅脑磁共振平扫",
        body_part="HEAD",
        make=_shipped(
            "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm"
        ),
        age_h=1.7,
    ),
    DemoStudy(
        key="dr201",
        ae_title="DEMO2_DR",
        modality="DX",
        patient_name="Sun^Youfu=孙^有福",
        patient_id="SQ0001",
        sex="M",
        birth_date="19491001",
        description="胸部正位",
        body_part="CHEST",
        make=_computed_dr,
        age_h=0.2,
    ),
    DemoStudy(
        key="dr601",
        ae_title="DEMO6_DR",
        modality="DX",
        patient_name="Gao^Ming=高^明",
        patient_id="DL0001",
        sex="M",
        birth_date="20010815",
        description="胸部正位",
        body_part="CHEST",
        make=_computed_dr,
        age_h=0.6,
    ),
]
