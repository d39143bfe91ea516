"""What reports as DICOM objects share: patient, study and equipment, and identifiers that never change.

A report's object has the same SOP Instance UID however often it is sent: UIDs are derived from the report's id
(PS3.5 B.2), its series from the examination's. Texts are in UTF-8 (ISO_IR 192) or GB18030.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.reports.document import ReportDocument
from adapters.reports.hl7_parts import Bearer

CharacterSet = Literal["ISO_IR 192", "GB18030"]
_LO, _SH, _ST = 64, 16, 1024  # characters (PS3.5 Table 6.2-1)
_SEXES = {"M", "F", "O"}
_TITLES = {
    "imaging": ("18748-4", "Diagnostic imaging study"),
    "ecg": ("11524-6", "EKG study"),
    "laboratory": ("11502-2", "Laboratory report"),
    "pathology": ("11526-1", "Pathology study"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An original that the reader had before them."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReference:
    """An image that the report shows, and which of its frames, from 1; None where it has one frame."""

    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filed:
    """Where a report's object belongs. `previous_id`: the report that this one takes the place of."""

    report_id: uuid.UUID
    examination_id: uuid.UUID
    study_instance_uid: str | None
    character_set: CharacterSet = "ISO_IR 192"
    previous_id: uuid.UUID | None = None
    evidence: tuple[Evidence, ...] = ()
    key_images: tuple[KeyReference, ...] = ()

    @property
    def study_uid(self) -> str:
        """The study that was read; of what is no study, one of the examination."""
        return self.study_instance_uid or f"2.25.{self.examination_id.int}"


def derived_uid(of: uuid.UUID, what: str) -> str:
    """The same for the same (PS3.5 B.2: 2.25 and a UUID as a decimal number)."""
    return f"2.25.{uuid.uuid5(of, what).int}"


def begin(
    document: ReportDocument, bearer: Bearer, filed: Filed, *, sop_class_uid: str, modality: str
) -> Dataset:
    """The object with its patient, study, series and equipment modules (PS3.3 C.7.1.1, C.7.2.1, C.7.5.1)."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    uid = UID(derived_uid(filed.report_id, modality))
    made.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    made.file_meta.MediaStorageSOPInstanceUID = uid
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    made.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    made.SpecificCharacterSet = filed.character_set
    made.SOPClassUID, made.SOPInstanceUID = UID(sop_class_uid), uid
    _add_patient(made, document, bearer)
    _add_study(made, document, filed)
    made.Modality, made.SeriesInstanceUID = modality, derived_uid(filed.examination_id, f"{modality} series")
    made.SeriesNumber, made.InstanceNumber = 9000, document.version
    made.SeriesDescription = document.title[:_LO]
    made.Manufacturer, made.ManufacturerModelName = "Shared-Centre Gateway", "Shared-Centre Gateway"
    made.InstitutionName = document.diagnosed_at_institution.name[:_LO]
    made.ContentDate, made.ContentTime = date_and_time(document.signed_at, document)
    made.TimezoneOffsetFromUTC = f"{local(document.signed_at, document):%z}"
    return made


def local(at: datetime, document: ReportDocument) -> datetime:
    return at.astimezone(ZoneInfo(document.time_zone))


def date_and_time(at: datetime, document: ReportDocument) -> tuple[str, str]:
    moment = local(at, document)
    return f"{moment:%Y%m%d}", f"{moment:%H%M%S}"


def date_time(at: datetime, document: ReportDocument) -> str:
    """DT with its zone."""
    return f"{local(at, document):%Y%m%d%H%M%S%z}"


def title_of(document: ReportDocument) -> Dataset:
    """What kind of document it is, by LOINC."""
    return code(*_TITLES[document.kind], scheme="LN")


def code(value: str, meaning: str, *, scheme: str = "DCM") -> Dataset:
    """An item of a code sequence (PS3.3 Table 8.8-1)."""
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning[:_LO]
    return made


def reference(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    made = Dataset()
    made.ReferencedSOPClassUID, made.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
    return made


def in_series(study_uid: str, series: dict[str, list[Dataset]]) -> Dataset:
    """An item of a hierarchical SOP instance reference (PS3.3 Table C.17-3)."""
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = study_uid, Sequence()
    for uid, objects in series.items():
        one = Dataset()
        one.SeriesInstanceUID, one.ReferencedSOPSequence = uid, Sequence(objects)
        study.ReferencedSeriesSequence.append(one)
    return study


def _add_patient(made: Dataset, document: ReportDocument, bearer: Bearer) -> None:
    made.PatientName, made.PatientID = bearer.name, bearer.patient_id[:_LO]
    made.IssuerOfPatientID = document.examined_at_institution.code[:_LO]
    made.PatientBirthDate = f"{bearer.birth_date:%Y%m%d}" if bearer.birth_date else ""
    made.PatientSex = bearer.sex if bearer.sex in _SEXES else ""


def _add_study(made: Dataset, document: ReportDocument, filed: Filed) -> None:
    made.StudyInstanceUID = filed.study_uid
    at = document.examined_at or document.received_at or document.signed_at
    made.StudyDate, made.StudyTime = date_and_time(at, document)
    made.ReferringPhysicianName, made.StudyID = "", ""
    made.AccessionNumber = document.accession_number[:_SH]
    if document.examination:
        made.StudyDescription = document.examination[:_LO]
