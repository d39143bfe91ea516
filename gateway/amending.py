"""Addenda, corrections and void reports: each in one transaction, audited with the deed."""

import uuid
from datetime import datetime

from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.deliveries.queueing import queue_void
from gateway.reading import Who, get_person, get_task, in_one
from gateway.runtime import Runtime
from gateway.township import get_report
from worklists import amending, routing
from worklists.amending import AfterVoid, AmendmentKind
from worklists.directory import Person
from worklists.errors import NotFound
from worklists.reading import Purpose, ReadingTask, TaskState
from worklists.reports import Report


def begin(runtime: Runtime, who: Who, report_id: uuid.UUID, kind: AmendmentKind, reason: str) -> uuid.UUID:
    """Answers the task, which the caller has. Raises as `worklists.amending.begin_amendment`, and NotFound."""

    def deed(session: Session) -> uuid.UUID:
        now, report = runtime.now(), _readable(session, who, report_id)
        task = amending.begin_amendment(
            session, report, get_person(session, who), kind=kind, reason=reason, now=now
        )
        _record(session, who, "amendment_begun", report, now, kind=kind.value, reason=reason.strip())
        return task.id

    return in_one(runtime, deed)


def give_up(runtime: Runtime, who: Who, task_id: uuid.UUID) -> None:
    def deed(session: Session) -> None:
        task = get_task(session, who.subject, task_id)
        amending.give_up_amendment(task, get_person(session, who))
        report = session.get(Report, task.amends_id)
        if report is None:
            raise NotFound("report")
        _record(session, who, "amendment_given_up", report, runtime.now())

    in_one(runtime, deed)


def make_void(runtime: Runtime, who: Who, report_id: uuid.UUID, reason: str, after: AfterVoid) -> None:
    """Everybody who had it is told, by their inbox and by every wire that carried it."""

    def deed(session: Session) -> None:
        now, report = runtime.now(), _readable(session, who, report_id)
        amending.make_void(session, report, get_person(session, who), reason=reason, after=after, now=now)
        _go_on(session, report, get_person(session, who), after, reason, now)
        queue_void(session, report, now)
        _record(session, who, "report_voided", report, now, reason=reason.strip(), after=after.value)
        live.bump(session, "returns")

    in_one(runtime, deed)


def _go_on(
    session: Session, report: Report, person: Person, after: AfterVoid, reason: str, now: datetime
) -> None:
    if after is AfterVoid.NOTHING:
        return
    examination = report.examination
    task = ReadingTask(
        examination_id=examination.id,
        examination=examination,
        purpose=Purpose.READ,
        state=TaskState.WAITING if examination.complete else TaskState.ARRIVING,
        rank=examination.priority.rank,
        waiting_since=now,
        late_instances=0,
        sent_back_reason="",
    )
    session.add(task)
    routing.assign_centre(session, task, now)
    if after is AfterVoid.SENT_BACK:
        task.state, task.sent_back_reason = TaskState.SENT_BACK, reason.strip()
        task.note_sent_back(person, reason.strip(), now)


def _readable(session: Session, who: Who, report_id: uuid.UUID) -> Report:
    """Of a centre of the caller's. Raises NotFound."""
    report = get_report(session, who, report_id)
    if report.centre_id not in who.subject.centre_ids:
        raise NotFound("report")
    return report


def _record(
    session: Session, who: Who, action: audit.Action, report: Report, now: datetime, **detail: str
) -> None:
    audit.record(
        session, action, actor=who.actor, now=now, examination_id=report.examination_id,
        detail={"report_id": str(report.id), "version": report.version, **detail},
    )  # fmt: skip
    live.bump(session, "worklist")
