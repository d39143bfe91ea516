"""A doubt that a person waved through, and why. It stays with the task, whatever becomes of the words."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.checking.book import CheckingRules
from worklists.checking.values import Check, Doubt, Section
from worklists.directory import Person
from worklists.errors import Conflict
from worklists.reading import ReadingTask
from worklists.reports import Report

LONGEST_REASON = 200


class ReportDoubted(Conflict):
    """Something seems wrong with it, and nobody has said why it is not; carries the doubts."""

    def __init__(self, doubts: Sequence[Doubt]):
        super().__init__(len(doubts))
        self.doubts = doubts

    @property
    def count(self) -> int:
        return len(self.doubts)


class ReportOverride(Base):
    """One doubt, by its key, that does not stand in the way of this task any more."""

    __tablename__ = "report_override"
    __table_args__ = (UniqueConstraint("task_id", "key"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"))
    key: Mapped[str]
    code: Mapped[Check]
    section: Mapped[Section]
    quoted: Mapped[str]
    reason: Mapped[str]
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    overridden_at: Mapped[datetime]

    person: Mapped[Person] = relationship(lazy="joined")


def find_overrides(session: Session, task_id: uuid.UUID) -> Sequence[ReportOverride]:
    return session.scalars(
        select(ReportOverride).where(ReportOverride.task_id == task_id).order_by(ReportOverride.id)
    ).all()


def overrides_of(session: Session, report: Report) -> Sequence[ReportOverride]:
    """Those that were given before its signature, of words that it still has."""
    texts = {Section.FINDINGS: report.findings, Section.IMPRESSION: report.impression}
    return [
        row
        for row in find_overrides(session, report.task_id)
        if row.overridden_at <= report.signed_at and row.quoted in texts.get(row.section, row.quoted)
    ]


def settle(
    session: Session,
    task: ReadingTask,
    doubts: Sequence[Doubt],
    *,
    rules: CheckingRules,
    reasons: Mapping[str, str],
    person: Person,
    now: datetime,
) -> Sequence[ReportOverride]:
    """Wave through what `reasons` (key → why) names. Raises ReportDoubted for what then still stands, and keeps nothing.

    A check of which the centre wants a reason is not waved through without one.
    """
    known = {row.key for row in find_overrides(session, task.id)}
    open_ = [one for one in doubts if one.key not in known]
    standing = [
        one
        for one in open_
        if one.key not in reasons or (one.check in rules.reasoned and not reasons[one.key].strip())
    ]
    if standing:
        raise ReportDoubted(standing)
    rows = [
        ReportOverride(
            id=new_id(), task_id=task.id, key=one.key, code=one.check, section=one.section, quoted=one.quoted,
            reason=reasons[one.key].strip()[:LONGEST_REASON], person=person, person_id=person.id, overridden_at=now,
        )
        for one in open_
    ]  # fmt: skip
    session.add_all(rows)
    return rows
