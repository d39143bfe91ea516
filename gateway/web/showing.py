"""Rows as the JSON of docs/http.md. Who may see a row was decided before; here is only how it looks."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.audit import AuditEvent
from gateway.finding import Around
from gateway.index import Series, Study
from gateway.lab.counting import LabCounts
from gateway.reading import may_sign_preliminary
from gateway.text_doubts import TextDoubt
from gateway.web.shapes import (
    DeliveryShape,
    DeviceShape,
    DoubtShape,
    DraftShape,
    ExaminationDetail,
    ExaminationItem,
    GradeReasonShape,
    GradeShape,
    HistoryShape,
    IdentityChangeShape,
    LabCountsShape,
    MarkShape,
    NamedShape,
    OverrideShape,
    PatientShape,
    PermissionsShape,
    PersonShape,
    RejectionShape,
    ReportShape,
    ReturnedShape,
    ReturnItem,
    ReturnShareShape,
    SeriesShape,
    ShareShape,
    ShownImageShape,
    SiteShape,
    SubmissionShape,
    TextDoubtShape,
    WorklistItem,
)
from worklists.base import local_date
from worklists.checking.rows import ReportOverride
from worklists.checking.values import Doubt
from worklists.directory import Centre, Device, Institution, Person
from worklists.ecg_statements import critical_statements
from worklists.examinations import Examination, IdentityChange, age_text
from worklists.grading import GradeReason, ImageGrade
from worklists.names import display_name
from worklists.patients import Patient
from worklists.positive import is_positive
from worklists.reading import Draft, ReadingTask
from worklists.reports import Report, ReportReturn, ReturnState
from worklists.reviewing import Submission
from worklists.sharing import ReportShare

_ACTIONS = (
    "claim", "release", "edit", "submit", "reject", "sign", "sign_preliminary", "send_back",
    "hand_over", "take_over", "pause", "resume",
)  # fmt: skip
# What of the audit is the story of an examination to the people who see it; the rest is the auditor's.
_STORY = (
    "task_claimed", "task_released", "task_handed_over", "task_taken_over", "claim_expired",
    "examination_sent_back", "late_instances_confirmed",
    "duty_called", "duty_exhausted", "rerun_asked",
    "report_submitted", "draft_corrected", "report_rejected", "report_signed", "amendment_begun",
    "report_voided", "return_acknowledged", "identity_corrected",
    "image_graded", "priority_changed", "clinical_information_changed", "village_changed", "held_resolved",
    "character_set_confirmed", "character_set_rejected", "character_set_undone",
)  # fmt: skip


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


def show_mark(mark: dict[str, Any]) -> MarkShape:
    return MarkShape.model_validate({name: mark.get(name) for name in MarkShape.model_fields})


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


def show_examination_detail(session: Session, task: ReadingTask, around: Around) -> ExaminationDetail:
    examination, on = task.examination, made_on(task.examination)
    changes = session.scalars(
        select(IdentityChange)
        .where(IdentityChange.examination_id == examination.id)
        .order_by(IdentityChange.changed_at, IdentityChange.id)
    )
    return ExaminationDetail(
        **show_examination(task, around).model_dump(),
        clinical_information=examination.clinical_information,
        patient_as_received=show_snapshot(examination.patient_as_received, on),
        identity_changes=[
            IdentityChangeShape(
                at=change.changed_at,
                by=show_known_person(change.person),
                reason=change.reason,
                before=show_snapshot(change.before, on),
                after=show_snapshot(change.after, on),
            )
            for change in changes
        ],
        series=_show_series(session, examination.id),
        history=_show_history(session, examination),
    )


def show_draft(session: Session, draft: Draft) -> DraftShape:
    return DraftShape(
        findings=draft.findings,
        impression=draft.impression,
        clinical_information=draft.task.examination.clinical_information,
        critical=draft.critical,
        critical_because=[row.code for row in critical_statements(session, draft.content)],
        preliminary=draft.preliminary,
        positive=draft.positive,
        positive_by_words=is_positive(
            session,
            draft.task.examination.kind,
            said=None,
            impression=draft.impression,
            content=draft.content,
        ),
        content=draft.content,
        revision=draft.revision,
        saved_at=draft.saved_at,
        saved_by=show_known_person(draft.saved_by),
        writer=show_known_person(draft.writer),
        state=draft.state,
    )


def show_permissions(session: Session, task: ReadingTask, person: Person, now: datetime) -> PermissionsShape:
    offered = {action: task.may(action, person, now) for action in _ACTIONS}
    return PermissionsShape(
        **offered | {"sign_preliminary": may_sign_preliminary(session, task, person, now)}
    )


def show_override(row: ReportOverride) -> OverrideShape:
    return OverrideShape(
        key=row.key, code=row.code, section=row.section, quoted=row.quoted, reason=row.reason,
        by=show_known_person(row.person), at=row.overridden_at,
    )  # fmt: skip


def show_doubt(doubt: Doubt) -> DoubtShape:
    return DoubtShape(
        key=doubt.key, code=doubt.check, section=doubt.section, begin=doubt.begin, end=doubt.end,
        quoted=doubt.quoted, detail=dict(doubt.detail),
    )  # fmt: skip


def show_submission(row: Submission | None) -> SubmissionShape | None:
    if row is None:
        return None
    return SubmissionShape(
        findings=row.findings, impression=row.impression, critical=row.critical, content=row.content,
        preliminary=row.preliminary, writer=show_known_person(row.writer), submitted_at=row.submitted_at,
    )  # fmt: skip


def show_rejection(draft: Draft | None) -> RejectionShape | None:
    if draft is None or not draft.rejection_reason or draft.rejected_by is None or draft.rejected_at is None:
        return None
    return RejectionShape(
        reason=draft.rejection_reason, by=show_known_person(draft.rejected_by), at=draft.rejected_at
    )


def show_report(
    report: Report,
    item: ExaminationItem,
    *,
    base_url: str,
    identity_changed: bool,
    shares: Sequence[ShareShape] = (),
) -> ReportShape:
    examination = report.examination
    return ReportShape(
        report_id=report.id,
        number=report.number,
        version=report.version,
        state=report.state,
        identity_changed_after_signing=identity_changed,
        examination=item,
        patient=show_snapshot(report.patient, made_on(examination)),
        findings=report.findings,
        impression=report.impression,
        clinical_information=report.clinical_information,
        content=report.content,
        writer=show_known_person(report.writer),
        reviewer=show_person(report.reviewer),
        signed_by=show_known_person(report.signed_by),
        signed_at=report.signed_at,
        preliminary=report.preliminary,
        critical=report.critical,
        positive=report.positive,
        marks=[show_mark(mark) for mark in report.marks],
        centre=show_named(report.centre),
        site=show_site(examination.institution),
        verification_url=f"{base_url}/v/{report.verification_code}",
        deliveries=[_show_delivery(row) for row in report.returns],
        shares=list(shares),
        manifest_sha256=report.manifest_sha256,
        pdf_sha256=report.pdf_sha256,
        amendment=report.amendment,
        key_images=[ShownImageShape.model_validate(one) for one in report.key_images],
    )


def show_return(
    row: ReportReturn, share: ReportShare | None = None, now: datetime | None = None
) -> ReturnItem:
    report, examination = row.report, row.report.examination
    return ReturnItem(
        id=row.id,
        report_id=report.id,
        version=report.version,
        examination_id=examination.id,
        kind=examination.kind,
        modality=examination.modality,
        body_part=examination.body_part,
        description=examination.description,
        patient=show_snapshot(report.patient, made_on(examination)),
        site=show_site(examination.institution),
        centre=show_named(report.centre),
        signed_at=report.signed_at,
        signed_by=show_known_person(report.signed_by),
        marks=[show_mark(mark) for mark in report.marks],
        critical=report.critical,
        preliminary=report.preliminary,
        notice=row.notice,
        amendment=report.amendment,
        state=row.state,
        delivered_at=row.delivered_at,
        share=_show_newest(share, now) if share and now else None,
    )


def _show_newest(row: ReportShare, now: datetime) -> ReturnShareShape:
    return ReturnShareShape(
        state=row.state(now),
        revoked_because=row.revoked_because,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_as=row.acknowledged_as,
    )


def show_share(row: ReportShare, now: datetime) -> ShareShape:
    return ShareShape(
        id=row.id,
        institution=show_site(row.institution),
        asks=row.asks,
        state=row.state(now),
        revoked_because=row.revoked_because,
        made_at=row.made_at,
        made_by=show_person(row.made_by),
        expires_at=row.expires_at,
        opened_at=row.opened_at,
        opened_count=row.opened_count,
        opened_version=row.opened_version,
        acknowledged_at=row.acknowledged_at,
        acknowledged_as=row.acknowledged_as,
        acknowledged_name=row.acknowledged_name,
        acknowledged_version=row.acknowledged_version,
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


def _show_delivery(row: ReportReturn) -> DeliveryShape:
    return DeliveryShape(
        recipient=show_site(row.recipient),
        notice=row.notice,
        state=row.state,
        delivered_at=row.delivered_at,
        opened_at=row.opened_at,
        opened_by=show_person(row.opened_by),
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=show_person(row.acknowledged_by),
    )


def _show_series(session: Session, examination_id: uuid.UUID) -> list[SeriesShape]:
    rows = session.scalars(
        select(Series)
        .join(Study, Study.id == Series.study_id)
        .where(Study.examination_id == examination_id, Series.instances > 0)
        .order_by(Series.series_number, Series.series_instance_uid)
    )
    return [
        SeriesShape(
            series_instance_uid=row.series_instance_uid,
            modality=row.modality,
            description=row.series_description,
            instances=row.instances,
        )
        for row in rows
    ]


def _show_history(session: Session, examination: Examination) -> list[HistoryShape]:
    """What happened, from the first object on."""
    events = session.execute(
        select(AuditEvent.at, AuditEvent.action, Person)
        .outerjoin(Person, Person.id == AuditEvent.person_id)
        .where(AuditEvent.examination_id == examination.id, AuditEvent.action.in_(_STORY))
        .order_by(AuditEvent.id)
    )
    history = [HistoryShape(at=examination.received_at, what="received", by=None)]
    if examination.completed_at is not None:
        history.append(HistoryShape(at=examination.completed_at, what="complete", by=None))
    history += [HistoryShape(at=at, what=action, by=show_person(person)) for at, action, person in events]
    history += _show_deliveries(session, examination.id)
    return sorted(history, key=lambda one: one.at)


def _show_deliveries(session: Session, examination_id: uuid.UUID) -> Sequence[HistoryShape]:
    rows = session.scalars(
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .where(Report.examination_id == examination_id, ReportReturn.state != ReturnState.PENDING)
    ).all()
    delivered = [
        HistoryShape(at=row.delivered_at, what="delivered", by=None) for row in rows if row.delivered_at
    ]
    opened = [
        HistoryShape(at=row.opened_at, what="opened", by=show_person(row.opened_by))
        for row in rows
        if row.opened_at
    ]
    return [*delivered, *opened]
