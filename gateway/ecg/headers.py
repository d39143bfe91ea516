"""An ECG file in the index: what its description says, in the place of a DICOM header.

A file that is no DICOM object has no UIDs. It gets its own out of what it is, the same ones however often it comes
(2.25, PS3.5 B.2), so everything that holds for an instance holds for it: duplicates, what is held, packs, tenancy.
What one cart recorded of one patient at one moment is one study, in whatever formats it was written.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from adapters.dicom.header import InstanceHeader
from adapters.ecg.dicom_writing import AMBULATORY, GENERAL, GENERAL_32_BIT, TWELVE_LEAD, fitting_iods
from worklists.base import COUNTY_TIME

FILE_KIND = "ecg.file"  # of a journal's record
MODALITY = "ECG"  # PS3.3 C.7.3.1.1.1
TRANSFER_SYNTAX = str(ExplicitVRLittleEndian)  # in which it is served
CHEST_PAIN = "chest_pain"  # the origin's word for an ECG that cannot wait

WAVEFORM_CLASSES = frozenset(iod.sop_class_uid for iod in (TWELVE_LEAD, GENERAL, AMBULATORY, GENERAL_32_BIT))
CLOCK_IS_SET = datetime(2015, 1, 1, tzinfo=UTC)  # an earlier moment is a clock's beginning
LONG_S = 600.0  # more is no ECG at rest


def header_of_file(origin: Mapping[str, Any], sha256: str) -> InstanceHeader:
    """The header of an `ecg.file` record, out of the description in its origin."""
    said: Mapping[str, Any] = origin["ecg"]
    patient, device = said["patient"], said["device"]
    started_at = _local(said["started_at"])
    sender = str(origin.get("institution_id") or "")
    study_uid = _study_uid(origin, said, sha256)
    return InstanceHeader(
        sop_class_uid=sop_class_of(said),
        sop_instance_uid=uid_of(sender, "file", sha256),
        study_instance_uid=study_uid,
        series_instance_uid=uid_of(study_uid, sha256),
        patient_id=patient["patient_id"],
        issuer_of_patient_id="",
        patient_name=patient["name"],
        patient_birth_date=date.fromisoformat(patient["birth_date"]) if patient["birth_date"] else None,
        patient_sex=patient["sex"],
        patient_age=f"{patient['age_years']:03d}Y" if patient["age_years"] is not None else "",
        other_patient_ids=(),
        telephone="",
        study_date=f"{started_at:%Y%m%d}" if started_at else "",
        study_time=f"{started_at:%H%M%S}" if started_at else "",
        studied_at_local=started_at,
        accession_number=str(said["accession_number"] or ""),
        modality=MODALITY,
        study_id="",
        study_description=name_of(said),
        series_description=str(said["format"]),
        protocol_name="",
        body_part_examined="",
        laterality="",
        institution_name=device["institution"],
        station_name="",
        manufacturer=device["manufacturer"],
        manufacturer_model_name=device["model"],
        series_number=None,
        instance_number=None,
        rows=None,
        columns=None,
        number_of_frames=None,
        referring_physician_name="",
        requested_procedure_description="",
        procedure_code="",
        specific_character_set="",
        images_in_study=None,
        images_in_series=None,
    )


def name_of(said: Mapping[str, Any]) -> str:
    """What a county calls such an examination."""
    leads, rate = said["leads"], said["sampling_rate_hz"]
    if not leads:
        return "心电图"
    if said["samples"] / rate > LONG_S:
        return "动态心电图"
    return f"{_LEAD_COUNTS.get(len(leads), str(len(leads)))}导联心电图"


_LEAD_COUNTS = {1: "单", 3: "三", 6: "六", 12: "十二", 15: "十五", 18: "十八"}


def sop_class_of(said: Mapping[str, Any]) -> str:
    """As what it is served: a document, or the waveform object that can hold it (PS3.3 A.34)."""
    if said["document"] is not None:
        is_pdf = said["document"]["media_type"] == "application/pdf"
        return str(EncapsulatedPDFStorage if is_pdf else SecondaryCaptureImageStorage)
    names = [lead["name"] for lead in said["leads"]]
    fitting = fitting_iods(names, said["sampling_rate_hz"], said["samples"])
    return (fitting[0] if fitting else GENERAL_32_BIT).sop_class_uid


def is_ecg(header: InstanceHeader) -> bool:
    """Whether an instance is an electrocardiogram, whatever it is stored as."""
    return header.modality in {MODALITY, "HD"} or header.sop_class_uid in WAVEFORM_CLASSES


def cannot_wait(origin: Mapping[str, Any]) -> bool:
    """The township marked chest pain, or the cart itself says acute infarction."""
    return origin.get("priority") == CHEST_PAIN or bool((origin.get("ecg") or {}).get("acute"))


def _study_uid(origin: Mapping[str, Any], said: Mapping[str, Any], sha256: str) -> str:
    """One for what a cart recorded of one patient at one moment; of its own where that is not said beyond doubt.

    A cart whose clock was never set says the same moment of everybody, and many call everybody by one number.
    """
    sender, patient, started_at = origin.get("institution_id") or "", said["patient"], said["started_at"]
    named = patient["patient_id"] and patient["name"]
    if not named or not started_at or datetime.fromisoformat(started_at) < CLOCK_IS_SET:
        return uid_of(sender, sha256)
    whose = (patient[field] for field in ("patient_id", "name", "sex", "birth_date"))
    return uid_of(sender, origin.get("device_id") or "", "recorded", *whose, started_at)


def uid_of(*parts: object) -> str:
    """The same UID of the same parts (2.25, PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, '/'.join(map(str, parts))).int}"


def _local(started_at: str | None) -> datetime | None:
    if not started_at:
        return None
    return datetime.fromisoformat(started_at).astimezone(COUNTY_TIME).replace(tzinfo=None)
