"""What the people of a township and a village do: each in one transaction, audited with the deed."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.deliveries.queueing import queue_report
from gateway.index import Record, RecordState
from gateway.reading import Who, get_person, in_one, note_opening
from gateway.runtime import Runtime
from gateway.share_queue import queue_sharing
from worklists import examinations, reports, routing
from worklists.access import Sight, visible_to
from worklists.directory import Institution, InstitutionKind, Role
from worklists.errors import Invalid, NotAllowed, NotFound
from worklists.examinations import Examination, ExaminationAlias, Priority
from worklists.patients import PatientIdentity
from worklists.reading import TaskState, tasks_of
from worklists.reports import Report, ReportReturn, ReturnState

RECIPIENTS = {Role.RADIOGRAPHER, Role.VILLAGE}


def get_examination(session: Session, who: Who, examination_id: uuid.UUID) -> Examination:
    """By its id or one minted at the door, as far as the caller may know of it. Raises NotFound."""
    alias = session.get(ExaminationAlias, examination_id)
    examination = session.scalars(
        select(Examination)
        .where(Examination.id == (alias.examination_id if alias else examination_id))
        .where(visible_to(who.subject))
    ).one_or_none()
    if examination is None:
        raise NotFound("examination")
    return examination


def change_examination(
    runtime: Runtime, who: Who, examination_id: uuid.UUID, changes: Mapping[str, Any]
) -> uuid.UUID:
    """Priority, clinical information, village: what is named in `changes` is set. Answers the examination's own id."""

    def deed(session: Session) -> uuid.UUID:
        now = runtime.now()
        examination = get_examination(session, who, examination_id)
        _require_maker_or_holder(session, who, examination)
        if changes.get("priority") is not None:
            _set_priority(session, who, examination, Priority(changes["priority"]), now)
        if changes.get("clinical_information") is not None:
            _set_clinical_information(session, who, examination, changes["clinical_information"], now)
        if "village_id" in changes:
            set_village(session, who, examination, changes["village_id"], now)
        live.bump(session, "worklist")
        return examination.id

    return in_one(runtime, deed)


def correct_identity(
    runtime: Runtime, who: Who, examination_id: uuid.UUID, identity: PatientIdentity, reason: str
) -> uuid.UUID:
    """The institution that made the examination says who the patient really is."""

    def deed(session: Session) -> uuid.UUID:
        now = runtime.now()
        examination = get_examination(session, who, examination_id)
        _require_maker(who, examination)
        change = examinations.correct_identity(
            session, examination, identity=identity, reason=reason, person=get_person(session, who), now=now
        )
        session.flush()
        # Names stay in the row of the correction; the audit says that it happened and why.
        detail = {"reason": change.reason, "identity_change_id": str(change.id)}
        _record(session, who, "identity_corrected", examination, now, detail)
        live.bump(session, "worklist", "returns")  # who signed sees it, and who has the report
        return examination.id

    return in_one(runtime, deed)


def open_report(runtime: Runtime, who: Who, report_id: uuid.UUID) -> None:
    """Somebody opened a report: audited, and for its recipient the return is open now. Raises NotFound."""
    with runtime.reading() as session:
        examination_id = get_report(session, who, report_id).examination_id
        unopened = [row.id for row in _own_returns(session, who, report_id) if row.opened_at is None]
    note_opening(runtime, who, "report_opened", examination_id, report_id=str(report_id))
    if unopened:
        in_one(runtime, lambda session: _open_returns(session, who, report_id, runtime.now()))


def acknowledge(runtime: Runtime, who: Who, return_id: uuid.UUID) -> None:
    """The recipient has taken note. Repeating it changes nothing."""

    def deed(session: Session) -> None:
        now = runtime.now()
        row = get_return(session, who, return_id)
        first = row.acknowledged_at is None
        row.acknowledge(get_person(session, who), now)
        if first:
            _record(
                session, who, "return_acknowledged", row.report.examination, now,
                {"return_id": str(row.id), "report_id": str(row.report_id)},
            )  # fmt: skip
            live.bump(session, "returns")

    in_one(runtime, deed)


def get_report(session: Session, who: Who, report_id: uuid.UUID) -> Report:
    """A report that the caller may see. A recipient sees it once it is delivered. Raises NotFound."""
    report = session.scalars(
        select(Report)
        .join(Examination, Examination.id == Report.examination_id)
        .where(Report.id == report_id, visible_to(who.subject, Sight.REPORT))
    ).one_or_none()
    if report is None:
        raise NotFound("report")
    return report


def get_return(session: Session, who: Who, return_id: uuid.UUID) -> ReportReturn:
    """A return to the caller's own institution. Raises NotFound."""
    row = session.scalars(
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .join(Examination, Examination.id == Report.examination_id)
        .where(ReportReturn.id == return_id, ReportReturn.recipient_id == who.subject.institution_id)
        .where(ReportReturn.state != ReturnState.PENDING, visible_to(who.subject, Sight.REPORT))
    ).one_or_none()
    if row is None:
        raise NotFound("return")
    return row


def find_document(session: Session, report: Report) -> Record | None:
    """The signed PDF of a report, once it is kept."""
    if report.pdf_sha256 is None:
        return None
    return session.scalars(
        select(Record)
        .where(Record.kind == "report.pdf", Record.sha256 == report.pdf_sha256)
        .where(Record.state == RecordState.INDEXED)
        .where(Record.origin["report_id"].as_string() == str(report.id))
    ).first()


def find_villages(session: Session, institution_id: uuid.UUID) -> list[Institution]:
    """The village points of a township."""
    return list(
        session.scalars(
            select(Institution)
            .where(Institution.kind == InstitutionKind.VILLAGE, Institution.lead_id == institution_id)
            .where(Institution.enabled)
            .order_by(Institution.code)
        )
    )


def _set_priority(
    session: Session, who: Who, examination: Examination, priority: Priority, now: datetime
) -> None:
    if priority is not examination.priority:
        before = examination.priority
        routing.set_priority(session, examination, priority)
        _record(
            session,
            who,
            "priority_changed",
            examination,
            now,
            {"before": before.value, "after": priority.value},
        )


def _set_clinical_information(
    session: Session, who: Who, examination: Examination, text: str, now: datetime
) -> None:
    if text.strip() != examination.clinical_information:
        examination.clinical_information = text.strip()
        _record(session, who, "clinical_information_changed", examination, now, {})


def set_village(
    session: Session, who: Who, examination: Examination, village_id: uuid.UUID | None, now: datetime
) -> None:
    """The report comes back there too, also one that was signed before. Raises NotAllowed, Invalid."""
    if village_id == examination.village_id:
        return
    _require_maker(who, examination)
    known = {village.id for village in find_villages(session, examination.institution_id)}
    if village_id is not None and village_id not in known:
        raise Invalid("village_id", "unknown")
    examination.village_id = village_id
    session.flush()
    for report in reports.address_anew(session, examination, now):
        queue_report(session, report, now)
        queue_sharing(session, report, now)
    live.bump(session, "returns")
    _record(session, who, "village_changed", examination, now, {"village_id": str(village_id)})


def _require_maker(who: Who, examination: Examination) -> None:
    if Role.RADIOGRAPHER not in who.subject.roles or examination.institution_id != who.subject.institution_id:
        raise NotAllowed("the institution that made it")


def _require_maker_or_holder(session: Session, who: Who, examination: Examination) -> None:
    held = any(
        task.state is TaskState.CLAIMED and task.claimed_by_id == who.subject.person_id
        for task in session.scalars(tasks_of(examination.id))
    )
    if not held or who.subject.person_id is None:
        _require_maker(who, examination)


def _own_returns(session: Session, who: Who, report_id: uuid.UUID) -> list[ReportReturn]:
    if not who.subject.roles & RECIPIENTS:
        return []
    return list(
        session.scalars(
            select(ReportReturn).where(
                ReportReturn.report_id == report_id,
                ReportReturn.recipient_id == who.subject.institution_id,
                ReportReturn.state != ReturnState.PENDING,
            )
        )
    )


def _open_returns(session: Session, who: Who, report_id: uuid.UUID, now: datetime) -> None:
    person = get_person(session, who)
    for row in _own_returns(session, who, report_id):
        row.open(person, now)
    live.bump(session, "returns")


def _record(
    session: Session,
    who: Who,
    action: audit.Action,
    examination: Examination,
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    audit.record(session, action, actor=who.actor, now=now, examination_id=examination.id, detail=detail)
