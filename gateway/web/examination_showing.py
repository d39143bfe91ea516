"""One examination as the JSON of docs/http.md, with its series and its story."""

import uuid
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.audit import AuditEvent
from gateway.index import Series, Study
from gateway.web.shapes import ExaminationDetail, HistoryShape, IdentityChangeShape, SeriesShape
from gateway.web.showing import made_on, show_examinations, show_known_person, show_person, show_snapshot
from worklists.directory import Person
from worklists.examinations import Examination, IdentityChange
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn, ReturnState

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


def show_examination_detail(
    session: Session, task: ReadingTask, *, recipient_id: uuid.UUID | None = None
) -> ExaminationDetail:
    """`recipient_id`: with how its report came back there."""
    [item] = show_examinations(session, [task.id], recipient_id=recipient_id)
    examination, on = task.examination, made_on(task.examination)
    changes = session.scalars(
        select(IdentityChange)
        .where(IdentityChange.examination_id == examination.id)
        .order_by(IdentityChange.changed_at, IdentityChange.id)
    )
    return ExaminationDetail(
        **item.model_dump(),
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
