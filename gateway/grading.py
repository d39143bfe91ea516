"""Whoever reads grades what was made, in one transaction; anybody who sees the examination sees the grade."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from gateway import audit, live
from gateway.reading import Who, get_person, get_task, in_one
from gateway.runtime import Runtime
from worklists import grading
from worklists.directory import Institution
from worklists.examinations import Examination
from worklists.figures.asking import By, Question, month_of
from worklists.grading import Grade, GradeReason, Grading, ImageGrade

MOST_LISTED = 500  # of one month's poor ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A month of one member: how many of each grade, how often each reason, and the 丙 ones themselves."""

    institution: Institution
    month: date
    grades: Mapping[Grade, int]
    reasons: Mapping[str, int]
    poor: tuple[ImageGrade, ...]

    @property
    def graded(self) -> int:
        return sum(self.grades.values())

    def share(self, grade: Grade) -> float | None:
        return self.grades[grade] / self.graded if self.graded else None


def grade(runtime: Runtime, who: Who, task_id: uuid.UUID, said: Grading) -> None:
    """Raises NotFound, Invalid."""

    def deed(session: Session) -> None:
        now, task = runtime.now(), get_task(session, who.subject, task_id)
        grading.grade(session, task, get_person(session, who), said, now)
        audit.record(
            session, "image_graded", actor=who.actor, now=now, examination_id=task.examination_id,
            detail={"task_id": str(task_id), "grade": said.grade.value, "reasons": list(said.reasons)},
        )  # fmt: skip
        live.bump(session, "worklist")

    in_one(runtime, deed)


def read_sheet(session: Session, question: Question, institution: Institution) -> Sheet:
    """Of one member's month, by the centres of the question."""
    within = [
        ImageGrade.institution_id == institution.id,
        ImageGrade.counts,
        ImageGrade.graded_at >= question.begin,
        ImageGrade.graded_at < question.end,
    ]
    if question.centre_ids is not None:
        within.append(ImageGrade.centre_id.in_(question.centre_ids))
    counted = session.execute(
        select(ImageGrade.grade, func.count().label("number")).where(*within).group_by(ImageGrade.grade)
    ).all()
    reasons: dict[str, int] = {}
    for (codes,) in session.execute(select(ImageGrade.reasons).where(*within, ImageGrade.grade != Grade.A)):
        for code in codes:
            reasons[code] = reasons.get(code, 0) + 1
    poor = session.scalars(
        select(ImageGrade)
        .where(*within, ImageGrade.grade == Grade.C)
        .options(joinedload(ImageGrade.examination).joinedload(Examination.patient))
        .order_by(ImageGrade.graded_at.desc())
        .limit(MOST_LISTED)
    )
    grades = dict.fromkeys(Grade, 0) | {row.grade: row.number for row in counted}
    return Sheet(
        institution=institution, month=question.first, grades=grades,
        reasons=dict(sorted(reasons.items(), key=lambda one: -one[1])), poor=tuple(poor),
    )  # fmt: skip


def question_of_month(month: str, centre_ids: frozenset[uuid.UUID] | None) -> Question:
    """Raises Invalid."""
    first, last = month_of(month)
    return Question(by=By.MODALITY, first=first, last=last, centre_ids=centre_ids)


def names_of_reasons(session: Session) -> dict[str, GradeReason]:
    return {row.code: row for row in session.scalars(select(GradeReason))}
