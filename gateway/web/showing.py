"""Rows as the JSON of docs/http.md. Who may see a row was decided before; here is only how it looks."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from gateway.finding import Around
from gateway.lab.counting import LabCounts
from gateway.text_doubts import TextDoubt
from gateway.web.shapes import (
    DeviceShape,
    ExaminationItem,
    GradeReasonShape,
    GradeShape,
    LabCountsShape,
    NamedShape,
    PatientShape,
    PersonShape,
    ReturnedShape,
    SiteShape,
    TextDoubtShape,
    WorklistItem,
)
from worklists.base import local_date
from worklists.directory import Centre, Device, Institution, Person
from worklists.examinations import Examination, age_text
from worklists.grading import GradeReason, ImageGrade
from worklists.names import display_name
from worklists.patients import Patient
from worklists.reading import ReadingTask
from worklists.reports import ReportReturn


def show_person(person: Person | None) -> PersonShape | None:
    return PersonShape(id=person.id, name=person.name) if person else None


def show_known_person(person: Person) -> PersonShape:
    return PersonShape(id=person.id, name=person.name)


def show_site(institution: Institution) -> SiteShape:
    return SiteShape(id=institution.id, code=institution.code, name=institution.name)


def show_named(row: Centre | Institution) -> NamedShape:
    return NamedShape(id=row.id, name=row.name)


def show_device(device: Device | None) -> DeviceShape | None:
    return DeviceShape(id=device.id, ae_title=device.ae_title, name=device.name) if device else None


def show_patient(patient: Patient, on: date) -> PatientShape:
    return PatientShape(
        name=patient.display_name,
        sex=patient.sex,
        birth_date=patient.birth_date,
        age=age_text(patient.birth_date, on),
        patient_id=patient.patient_id,
    )


def show_snapshot(patient: dict[str, Any], on: date) -> PatientShape:
    """A patient as they were written down: in a report, by a device, before a correction."""
    born = date.fromisoformat(patient["birth_date"]) if patient.get("birth_date") else None
    return PatientShape(
        name=display_name(patient.get("name") or ""),
        sex=patient.get("sex"),
        birth_date=born,
        age=age_text(born, on),
        patient_id=patient.get("patient_id"),
    )


def show_text_doubt(doubt: TextDoubt | None) -> TextDoubtShape | None:
    if doubt is None:
        return None
    return TextDoubtShape(
        id=doubt.id,
        declared=doubt.overridden or doubt.declared,
        proposed=doubt.proposed,
        name_as_declared=display_name(doubt.name_as_declared),
        name_as_proposed=display_name(doubt.name_as_proposed),
    )


def show_grade(grade: ImageGrade, names: Mapping[str, GradeReason]) -> GradeShape:
    return GradeShape(
        grade=grade.grade,
        reasons=[
            GradeReasonShape(code=row.code, name=row.name, name_en=row.name_en)
            for row in map(names.get, grade.reasons)
            if row is not None
        ],
        note=grade.note,
        graded_at=grade.graded_at,
    )


def show_task(task: ReadingTask, around: Around) -> WorklistItem:
    return WorklistItem(**_task_fields(task, around))


def show_examination(task: ReadingTask, around: Around) -> ExaminationItem:
    examination = task.examination
    returned = around.returns.get(examination.id)
    return ExaminationItem(
        **_task_fields(task, around),
        device=show_device(examination.device),
        returned=_show_returned(*returned) if returned else None,
        sent_back_reason=task.sent_back_reason or None,
        held=around.held.get(examination.id, 0),
        village=show_named(examination.village) if examination.village else None,
    )


def made_on(examination: Examination) -> date:
    """The county's day on which an examination was made, as far as is known."""
    return local_date(examination.studied_at or examination.received_at)


def _task_fields(task: ReadingTask, around: Around) -> dict[str, Any]:
    examination = task.examination
    grade = around.grades.get(examination.id)
    return {
        "task_id": task.id,
        "examination_id": examination.id,
        "centre": show_named(task.centre) if task.centre else None,
        "kind": examination.kind,
        "modality": examination.modality,
        "body_part": examination.body_part,
        "description": examination.description,
        "state": task.state,
        "waiting_reason": task.waiting_reason,
        "priority": examination.priority,
        "due_at": task.due_at,
        "patient": show_patient(examination.patient, made_on(examination)),
        "site": show_site(examination.institution),
        "accession_number": examination.accession_number,
        "study_instance_uid": examination.study_instance_uid,
        "instances": examination.instances,
        "expected_instances": examination.expected_instances,
        "complete": examination.complete,
        "received_at": examination.received_at,
        "studied_at": examination.studied_at,
        "claimed_by": show_person(task.claimed_by),
        "claimed_until": task.claimed_until,
        "subspecialty": task.subspecialty,
        "assigned_to": show_person(task.assigned_to),
        "assigned_because": task.assigned_because,
        "reserved": task.reserved,
        "handed_over_by": show_person(task.handed_over_by),
        "hand_over_note": task.hand_over_note,
        "amends": task.amends_id,
        "amendment_kind": task.amendment_kind,
        "amendment_reason": task.amendment_reason,
        "paused_at": task.paused_at,
        "pause_reason": task.pause_reason,
        "preliminary_at": task.preliminary_at,
        "has_clinical_information": bool(examination.clinical_information.strip()),
        "late_instances": task.late_instances,
        "rejected": bool(task.draft and task.draft.rejection_reason),
        "identity_changed_after_signing": examination.id in around.renamed,
        "text_doubt": show_text_doubt(around.doubts.get(examination.id)),
        "draft_revision": task.draft.revision if task.draft else None,
        "report_id": around.reports.get(examination.id),
        "lab": _show_counts(around.lab.get(examination.id)),
        "quality": show_grade(grade, around.grade_reasons) if grade else None,
    }


def _show_counts(counts: LabCounts | None) -> LabCountsShape | None:
    return LabCountsShape.model_validate(counts, from_attributes=True) if counts else None


def _show_returned(row: ReportReturn, signed_at: datetime) -> ReturnedShape:
    return ReturnedShape(return_id=row.id, report_id=row.report_id, state=row.state, signed_at=signed_at)
