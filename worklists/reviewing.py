"""What a reviewer made of what somebody else wrote: the words as they were handed on, and the difference, graded.

| signed after | is compared with |
|---|---|
| a preliminary report | that report, whatever was written since |
| a submission | the last one |

A text that was changed asks for a grade; one that was not is graded `none` by itself. The grade is for the writer, who
reads it and answers, and for the figures; it is neither printed nor sent.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Kind, Person
from worklists.drafts import Draft
from worklists.errors import Conflict, Invalid, NotAllowed
from worklists.reading import ReadingTask
from worklists.reports import Report

LONGEST_NOTE = 500


class Grade(StrEnum):
    """How much the difference would have mattered to the patient."""

    NONE = "none"
    MINOR = "minor"
    MAJOR = "major"


class Category(StrEnum):
    MISSED = "missed"  # 漏诊
    MISREAD = "misread"  # 误诊
    LATERALITY = "laterality"
    INCOMPLETE = "incomplete"
    WORDING = "wording"
    TYPING = "typing"
    OTHER = "other"


class GradeRequired(Conflict):
    """The text was changed: whoever signs says how much that mattered."""


class Submission(Base):
    """What a writer handed on, as it was. Never changed."""

    __tablename__ = "report_submission"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"), index=True)
    writer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    findings: Mapped[str]
    impression: Mapped[str]
    critical: Mapped[bool]
    content: Mapped[dict[str, Any] | None]
    preliminary: Mapped[bool]  # signed as such: somebody has it
    submitted_at: Mapped[datetime]

    writer: Mapped[Person] = relationship(lazy="joined")

    def differs_from(self, draft: Draft) -> bool:
        mine = (self.findings.strip(), self.impression.strip(), self.critical, self.content)
        return mine != (draft.findings.strip(), draft.impression.strip(), draft.critical, draft.content)


class ReportDiscrepancy(Base):
    """How far a signed report is from what its writer handed on, in the reviewer's word, and the writer's answer."""

    __tablename__ = "report_discrepancy"
    __table_args__ = (
        Index("ix_report_discrepancy_writer", "writer_id", "graded_at"),
        Index(
            "ix_report_discrepancy_of", "centre_id", "graded_at", "institution_id", "writer_id", "modality",
            "rank", "grade", "report_id",
        ),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    report_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("report.id"), unique=True)
    submission_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("report_submission.id"))
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centre.id"))
    writer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    reviewer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    grade: Mapped[Grade]
    category: Mapped[Category | None]
    note: Mapped[str] = mapped_column(default="")
    changed: Mapped[bool]
    graded_at: Mapped[datetime]
    # Of the report, so that figures read nothing else.
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    modality: Mapped[str]
    rank: Mapped[int]
    acknowledged_at: Mapped[datetime | None]
    reply: Mapped[str] = mapped_column(default="")

    report: Mapped[Report] = relationship()
    submission: Mapped[Submission] = relationship()
    writer: Mapped[Person] = relationship(foreign_keys=[writer_id])
    reviewer: Mapped[Person] = relationship(foreign_keys=[reviewer_id])

    def acknowledge(self, person: Person, reply: str, now: datetime) -> None:
        """The writer has read it. The first time counts; a reply may still be written later. Raises NotAllowed."""
        if person.id != self.writer_id:
            raise NotAllowed("writer")
        if len(reply.strip()) > LONGEST_NOTE:
            raise Invalid("reply", "too_long")
        self.acknowledged_at = self.acknowledged_at or now
        self.reply = reply.strip() or self.reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the reviewer says of the difference."""

    grade: Grade
    category: Category | None = None
    note: str = ""


def keep_submission(
    session: Session, task: ReadingTask, *, preliminary: bool, now: datetime
) -> Submission | None:
    """Keep what was handed on. A specimen's report says its results: of those nothing is rewritten in review."""
    draft = task.draft
    if draft is None or task.examination.kind is Kind.LABORATORY:
        return None
    row = Submission(
        id=new_id(), task_id=task.id, writer_id=draft.writer_id, findings=draft.findings, impression=draft.impression,
        critical=draft.critical, content=draft.content, preliminary=preliminary, submitted_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def find_baseline(session: Session, task_id: uuid.UUID) -> Submission | None:
    """With what the signed text is compared."""
    rows = session.scalars(
        select(Submission).where(Submission.task_id == task_id).order_by(Submission.id)
    ).all()
    return next((row for row in rows if row.preliminary), rows[-1] if rows else None)


def require_grade(baseline: Submission, draft: Draft, verdict: Verdict | None) -> None:
    """Raises GradeRequired, Invalid."""
    if verdict is None:
        if baseline.differs_from(draft):
            raise GradeRequired
        return
    if verdict.grade is not Grade.NONE and verdict.category is None:
        raise Invalid("category", "required")
    if len(verdict.note.strip()) > LONGEST_NOTE:
        raise Invalid("note", "too_long")


def keep_discrepancy(
    session: Session,
    report: Report,
    baseline: Submission,
    draft: Draft,
    verdict: Verdict | None,
    now: datetime,
) -> ReportDiscrepancy:
    """With the signature of a second person."""
    said = verdict or Verdict(grade=Grade.NONE)
    row = ReportDiscrepancy(
        id=new_id(), report_id=report.id, submission_id=baseline.id, centre_id=report.centre_id,
        writer_id=baseline.writer_id, reviewer_id=report.signed_by_id, grade=said.grade, category=said.category,
        note=said.note.strip(), changed=baseline.differs_from(draft), graded_at=now, reply="",
        examination_id=report.examination_id, institution_id=report.institution_id, modality=report.modality,
        rank=report.rank,
    )  # fmt: skip
    session.add(row)
    return row
