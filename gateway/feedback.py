"""What reviewers made of reports, back to those who wrote them: read, acknowledged, answered."""

import uuid
from collections.abc import Sequence

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session, joinedload

from gateway import audit
from gateway.finding import count_up_to_limit
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists.access import Sight, Subject, visible_to
from worklists.errors import NotFound
from worklists.examinations import Examination
from worklists.reports import Report
from worklists.reviewing import Grade, ReportDiscrepancy


def feedback_for(
    subject: Subject, *, given: bool = False, grades: Sequence[Grade] | None = None, unread: bool = False
) -> Select[ReportDiscrepancy]:
    """Of what the caller wrote, or with `given` of what they graded."""
    whose = ReportDiscrepancy.reviewer_id if given else ReportDiscrepancy.writer_id
    query = _visible(subject).where(
        whose == subject.person_id, or_(ReportDiscrepancy.changed, ReportDiscrepancy.grade != Grade.NONE)
    )
    if grades:
        query = query.where(ReportDiscrepancy.grade.in_(grades))
    if unread:
        query = query.where(ReportDiscrepancy.acknowledged_at.is_(None))
    return query


def read_page(
    session: Session, query: Select[ReportDiscrepancy], *, before: uuid.UUID | None, limit: int
) -> Sequence[ReportDiscrepancy]:
    """The newest first, and one more than asked for: the sign that there is another page."""
    if before is not None:
        query = query.where(ReportDiscrepancy.id < before)
    query = query.order_by(ReportDiscrepancy.id.desc()).limit(limit + 1)
    return session.scalars(query.options(*_WITH)).unique().all()


def count(session: Session, subject: Subject) -> dict[str, int]:
    mine = feedback_for(subject)
    counted = {
        "mine": mine,
        "unread": feedback_for(subject, unread=True),
        "given": feedback_for(subject, given=True),
    }
    counted |= {grade.value: mine.where(ReportDiscrepancy.grade == grade) for grade in Grade}
    return {name: count_up_to_limit(session, query) for name, query in counted.items()}


def find_of_report(session: Session, report: Report) -> ReportDiscrepancy | None:
    return session.scalars(
        select(ReportDiscrepancy).where(ReportDiscrepancy.report_id == report.id).options(*_WITH)
    ).one_or_none()


def get(session: Session, who: Who, discrepancy_id: uuid.UUID) -> ReportDiscrepancy:
    """Of a report of the caller's centres. Raises NotFound."""
    row = session.scalars(
        _visible(who.subject).where(ReportDiscrepancy.id == discrepancy_id).options(*_WITH)
    ).one_or_none()
    if row is None:
        raise NotFound("discrepancy")
    return row


def acknowledge(runtime: Runtime, who: Who, discrepancy_id: uuid.UUID, reply: str) -> None:
    """By its writer alone. Raises NotFound, NotAllowed, Invalid."""

    def deed(session: Session) -> None:
        now, row = runtime.now(), get(session, who, discrepancy_id)
        row.acknowledge(get_person(session, who), reply, now)
        audit.record(
            session, "discrepancy_acknowledged", actor=who.actor, now=now,
            examination_id=row.report.examination_id,
            detail={"discrepancy_id": str(row.id), "report_id": str(row.report_id)},
        )  # fmt: skip

    in_one(runtime, deed)


_WITH = (
    joinedload(ReportDiscrepancy.report).joinedload(Report.examination).joinedload(Examination.institution),
    joinedload(ReportDiscrepancy.submission),
    joinedload(ReportDiscrepancy.writer),
    joinedload(ReportDiscrepancy.reviewer),
)


def _visible(subject: Subject) -> Select[ReportDiscrepancy]:
    return (
        select(ReportDiscrepancy)
        .join(Report, Report.id == ReportDiscrepancy.report_id)
        .join(Examination, Examination.id == Report.examination_id)
        .where(visible_to(subject, Sight.REPORT), ReportDiscrepancy.centre_id.in_(subject.centre_ids))
    )
