"""Whether an instance may join the index, or contradicts what is known and is held, and beside what."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gateway.ecg.headers import is_ecg
from gateway.index import HeldReason, Study
from gateway.known import Incoming, Known
from worklists import patients
from worklists.examinations import Examination
from worklists.patients import PatientIdentity

UID_PROBLEM = "instance_uid"  # in what a header says of study, series and instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Why an instance waits for a person, and beside which examination."""

    reason: HeldReason
    detail: str = ""
    examination_id: uuid.UUID | None = None


def find_hold(known: Known, item: Incoming, *, same_patient: bool = False) -> Hold | None:
    """The first reason why an instance may not simply join its study, or None.

    With `same_patient` a person has said that it is the study's patient, whatever the instance says.
    """
    header, record = item.header, item.record
    if record.institution_id is None:
        return Hold(reason=HeldReason.UNKNOWN_DEVICE, detail=str(record.origin.get("calling_ae_title", "")))
    bad_uids = [problem for problem in header.problems if UID_PROBLEM in problem]
    if bad_uids:
        return Hold(reason=HeldReason.UID_MALFORMED, detail="; ".join(bad_uids))
    same = known.instances.get(header.sop_instance_uid)
    if same is not None and same.institution_id != record.institution_id:
        return _beside(HeldReason.STUDY_OF_ANOTHER_INSTITUTION, same.study)
    if same is not None and same.sha256 != record.sha256:
        # Whose it is comes first: nobody should be asked whether another patient's image replaces this one.
        another = None if same_patient else find_study_hold(known, same.study, item)
        return another or _beside(HeldReason.SAME_UID_OTHER_BYTES, same.study)
    study = known.studies.get(header.study_instance_uid)
    if same is not None:
        return None
    if study is not None:
        return None if same_patient else find_study_hold(known, study, item)
    return _patient_hold(known, item)


def _beside(reason: HeldReason, study: Study) -> Hold:
    return Hold(reason=reason, examination_id=study.examination_id)


def find_study_hold(known: Known, study: Study, item: Incoming) -> Hold | None:
    examination = study.examination
    if examination.institution_id != item.record.institution_id:
        return _beside(HeldReason.STUDY_OF_ANOTHER_INSTITUTION, study)
    same = known.same_patient.get((study.id, item.patient))
    if same is None:
        same = any(_same_patient(one, item.patient) for one in _identities(examination))
        known.same_patient[study.id, item.patient] = same
    return None if same else _beside(HeldReason.STUDY_OF_ANOTHER_PATIENT, study)


def _identities(examination: Examination) -> Iterable[PatientIdentity]:
    """Who the device said it was, and who a person says it is."""
    received = examination.patient_as_received
    birth_date = received.get("birth_date")
    yield PatientIdentity(
        patient_id=received.get("patient_id") or "",
        name=received.get("name") or "",
        sex=received.get("sex"),
        birth_date=datetime.fromisoformat(birth_date).date() if birth_date else None,
    )
    yield examination.patient.identity


def _same_patient(known: PatientIdentity, claimed: PatientIdentity) -> bool:
    return known.patient_id == claimed.patient_id and not patients.contradictions(known, claimed)


def _patient_hold(known: Known, item: Incoming) -> Hold | None:
    """The same issuer's number with a contradicting name, sex or birth date is not merged by itself.

    An electrocardiogram does not wait for it: many carts call everybody by one number, and chest pain has a clock. It
    is read as that of another patient under this number.
    """
    institution_id = item.record.institution_id
    if institution_id is None or is_ecg(item.header):
        return None
    issued = known.patients.get((institution_id, item.header.patient_id), [])
    found = [patient for patient in issued if patients.same_issuer(patient.issuer, item.patient.issuer)]
    differing = [patients.contradictions(patient.identity, item.patient) for patient in found]
    if found and all(differing):
        return Hold(reason=HeldReason.PATIENT_CONTRADICTS, detail=", ".join(differing[0]))
    return None
