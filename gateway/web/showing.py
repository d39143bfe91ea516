"""Rows as the JSON of docs/http.md. Who may see a row was decided before; here is only how it looks."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from gateway.lab.counting import LabCounts
from gateway.lines import Beside, Line, find_lines, find_sent_lines, look_beside
from gateway.web.shapes import (
    DeviceShape,
    ExaminationItem,
    GradeReasonShape,
    GradeShape,
    LabCountsShape,
    NamedShape,
    PatientShape,
    PersonShape,
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


def show_grade(grade: ImageGrade, names: Mapping[str, GradeReason]) -> GradeShape:
    return GradeShape(
        grade=grade.grade,
        reasons=_show_reasons(grade.reasons, names),
        note=grade.note,
        graded_at=grade.graded_at,
    )


def show_tasks(session: Session, task_ids: Sequence[uuid.UUID]) -> list[WorklistItem]:
    """As readers see them."""
    lines = find_lines(session, task_ids)
    beside = look_beside(session, lines)
    return [WorklistItem(**_task_fields(line, beside)) for line in lines]


def show_task(session: Session, task_id: uuid.UUID) -> WorklistItem:
    return show_tasks(session, [task_id])[0]


def show_examinations(
    session: Session, task_ids: Sequence[uuid.UUID], *, recipient_id: uuid.UUID | None = None
) -> list[ExaminationItem]:
    """As who sent them sees them; `recipient_id`: with how the reports came back there."""
    lines = find_sent_lines(session, task_ids)
    beside = look_beside(session, lines, recipient_id=recipient_id)
    return [ExaminationItem(**_task_fields(line, beside), **_origin_fields(line, beside)) for line in lines]


def made_on(examination: Examination) -> date:
    """The county's day on which an examination was made, as far as is known."""
    return local_date(examination.studied_at or examination.received_at)


def _task_fields(line: Line, beside: Beside) -> dict[str, Any]:
    return {
        "task_id": line.task_id,
        "examination_id": line.examination_id,
        "centre": _named(line.centre_id, line.centre_name),
        "kind": line.kind,
        "modality": line.modality,
        "body_part": line.body_part,
        "description": line.description,
        "state": line.state,
        "waiting_reason": line.waiting_reason,
        "priority": line.priority,
        "due_at": line.due_at,
        "patient": _patient(line),
        "site": {"id": line.site_id, "code": line.site_code, "name": line.site_name},
        "accession_number": line.accession_number,
        "study_instance_uid": line.study_instance_uid,
        "instances": line.instances,
        "expected_instances": line.expected_instances,
        "complete": line.complete,
        "received_at": line.received_at,
        "studied_at": line.studied_at,
        "claimed_by": _named(line.claimer_id, line.claimer_name),
        "claimed_until": line.claimed_until,
        "subspecialty": line.subspecialty,
        "assigned_to": _named(line.assignee_id, line.assignee_name),
        "assigned_because": line.assigned_because,
        "reserved": line.reserved,
        "handed_over_by": _named(line.hander_id, line.hander_name),
        "hand_over_note": line.hand_over_note,
        "amends": line.amends_id,
        "amendment_kind": line.amendment_kind,
        "amendment_reason": line.amendment_reason,
        "paused_at": line.paused_at,
        "pause_reason": line.pause_reason,
        "preliminary_at": line.preliminary_at,
        "has_clinical_information": bool(line.clinical_information.strip()),
        "late_instances": line.late_instances,
        "rejected": bool(line.rejection_reason),
        "identity_changed_after_signing": line.examination_id in beside.renamed,
        "text_doubt": _text_doubt(line) if line.doubt_id else None,
        "draft_revision": line.draft_revision,
        "report_id": line.report_id,
        "lab": _show_counts(beside.lab.get(line.examination_id)),
        "quality": _quality(line, beside) if line.grade else None,
    }


def _origin_fields(line: Line, beside: Beside) -> dict[str, Any]:
    returned = beside.returns.get(line.examination_id)
    return {
        "device": {"id": line.device_id, "ae_title": line.ae_title, "name": line.device_name}
        if line.device_id
        else None,
        "returned": returned._mapping if returned else None,
        "sent_back_reason": line.sent_back_reason or None,
        "held": line.held,
        "village": _named(line.village_id, line.village_name),
    }


def _named(row_id: uuid.UUID | None, name: str) -> dict[str, Any] | None:
    return {"id": row_id, "name": name} if row_id else None


def _patient(line: Line) -> dict[str, Any]:
    return {
        "name": display_name(line.patient_name),
        "sex": line.sex,
        "birth_date": line.birth_date,
        "age": age_text(line.birth_date, local_date(line.studied_at or line.received_at)),
        "patient_id": line.patient_id,
    }


def _text_doubt(line: Line) -> TextDoubtShape:
    return TextDoubtShape(
        id=line.doubt_id,
        declared=line.overridden or line.declared,
        proposed=line.proposed,
        name_as_declared=display_name(line.name_as_declared),
        name_as_proposed=display_name(line.name_as_proposed),
    )


def _quality(line: Line, beside: Beside) -> GradeShape:
    return GradeShape(
        grade=line.grade,
        reasons=_show_reasons(line.grade_reasons, beside.grade_reasons),
        note=line.grade_note,
        graded_at=line.graded_at,
    )


def _show_reasons(codes: Sequence[str], names: Mapping[str, GradeReason]) -> list[GradeReasonShape]:
    return [
        GradeReasonShape(code=row.code, name=row.name, name_en=row.name_en)
        for row in map(names.get, codes)
        if row is not None
    ]


def _show_counts(counts: LabCounts | None) -> LabCountsShape | None:
    return LabCountsShape.model_validate(counts, from_attributes=True) if counts else None
