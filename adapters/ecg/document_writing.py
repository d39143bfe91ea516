"""A page as a DICOM object: a PDF encapsulated (PS3.3 A.45.1), a scan as a Secondary Capture image (A.8.1)."""

import io

from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, EncapsulatedPDFStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.ecg.dicom_writing import DicomIdentity
from adapters.ecg.recording import EcgPatient, EcgRecording
from adapters.errors import Inexpressible

MOST_PIXELS = 40_000_000  # 120 MB as DICOM keeps them uncompressed


def write_document(page: bytes, recording: EcgRecording, *, identity: DicomIdentity) -> bytes:
    """The whole file. Raises Inexpressible for a page that is none, or too large."""
    if recording.document is None:
        raise Inexpressible("a document without a page")
    is_pdf = recording.document.media_type == "application/pdf"
    data_set = _identified(recording, identity)
    data_set.SOPClassUID = str(EncapsulatedPDFStorage if is_pdf else SecondaryCaptureImageStorage)
    if is_pdf:
        _encapsulate(data_set, page)
    else:
        _picture(data_set, page)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = UID(data_set.SOPClassUID)
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    data_set.file_meta = meta
    written = io.BytesIO()
    dcmwrite(written, data_set, enforce_file_format=True)
    return written.getvalue()


def _identified(recording: EcgRecording, identity: DicomIdentity) -> Dataset:
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.StudyInstanceUID = identity.study_instance_uid
    data_set.SeriesInstanceUID = identity.series_instance_uid
    data_set.SOPInstanceUID = identity.sop_instance_uid
    started = (recording.started_at or identity.started_at).astimezone(identity.time_zone)
    data_set.StudyDate = data_set.ContentDate = f"{started:%Y%m%d}"
    data_set.StudyTime = data_set.ContentTime = f"{started:%H%M%S}"
    data_set.AcquisitionDateTime = f"{started:%Y%m%d%H%M%S}"
    patient = identity.patient or recording.patient
    _name(data_set, patient)
    data_set.AccessionNumber, data_set.StudyDescription = (
        identity.accession_number,
        identity.study_description,
    )
    data_set.ReferringPhysicianName, data_set.StudyID = "", ""
    data_set.Modality, data_set.ConversionType = "ECG", "WSD" if _is_pdf(recording) else "SD"
    data_set.Manufacturer = recording.device.manufacturer
    data_set.SeriesNumber, data_set.InstanceNumber = 1, 1
    return data_set


def _name(data_set: Dataset, patient: EcgPatient) -> None:
    data_set.PatientName, data_set.PatientID = patient.name, patient.patient_id
    data_set.PatientBirthDate = f"{patient.birth_date:%Y%m%d}" if patient.birth_date else ""
    data_set.PatientSex = patient.sex


def _is_pdf(recording: EcgRecording) -> bool:
    return recording.document is not None and recording.document.media_type == "application/pdf"


def _encapsulate(data_set: Dataset, page: bytes) -> None:
    data_set.BurnedInAnnotation, data_set.DocumentTitle = "YES", "ECG"
    data_set.ConceptNameCodeSequence = []
    data_set.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data_set.EncapsulatedDocument = page + b"\0" * (len(page) % 2)
    data_set.EncapsulatedDocumentLength = len(page)


def _picture(data_set: Dataset, page: bytes) -> None:
    with Image.open(io.BytesIO(page)) as image:
        if image.width * image.height > MOST_PIXELS:
            raise Inexpressible(f"a page of {image.width} × {image.height} pixels")
        pixels = image.convert("RGB")
    data_set.Rows, data_set.Columns = pixels.height, pixels.width
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation, data_set.PlanarConfiguration = 3, "RGB", 0
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit, data_set.PixelRepresentation = 8, 8, 7, 0
    data_set.BurnedInAnnotation = "YES"
    raw = pixels.tobytes()
    data_set.PixelData = raw + b"\0" * (len(raw) % 2)
