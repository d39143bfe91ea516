"""The rule book `checking` of a centre: its shape, what makes it unusable, and what it would have stopped."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from gateway.checking import modalities_of, newest_received
from worklists.base import local_date
from worklists.checking.book import CheckingRules, default_checking
from worklists.checking.checks import find_doubts
from worklists.checking.values import Check, Doubt, Facts, Section
from worklists.directory import Kind
from worklists.examinations import Examination, Priority
from worklists.reports import Report

TRIED = 1000  # of the last reports, in a dry run
EXAMPLES = 5  # of each check
AROUND = 12  # characters either side of what is quoted
IN_ONE_QUERY = 500
TOLD_EVERY = 50

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
Words = Annotated[list[Word], Field(max_length=300)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, min_length=1, max_length=16)]
Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class CheckShape(_Shape):
    check: Check
    on: bool
    reason: bool


class CriticalWordShape(_Shape):
    word: Word
    modalities: Annotated[list[Code], Field(max_length=20)] = []


class PreliminaryShape(_Shape):
    allowed: bool
    begins: Clock
    ends: Clock
    priorities: Annotated[list[Priority], Field(max_length=4)]
    final_minutes: Annotated[int, Field(ge=10, le=7 * 24 * 60)]


class CheckingBook(_Shape):
    checks: Annotated[list[CheckShape], Field(max_length=len(Check))]
    female_words: Words
    male_words: Words
    critical_words: Annotated[list[CriticalWordShape], Field(max_length=300)]
    quick_reasons: Annotated[list[Word], Field(max_length=12)]
    preliminary: PreliminaryShape


def begin_checking(_session: Session, _scope: str) -> dict[str, Any]:
    return default_checking()


def check_checking(_session: Session, _scope: str, content: dict[str, Any]) -> dict[str, str]:
    found = {}
    named = Counter(one["check"] for one in content["checks"])
    for place, one in enumerate(content["checks"]):
        if named[one["check"]] > 1:
            found[f"checks.{place}.check"] = "twice"
    if set(named) != {one.value for one in Check}:
        found["checks"] = "required"  # else nobody has said whether it is on
    if content["preliminary"]["allowed"] and not content["preliminary"]["priorities"]:
        found["preliminary.priorities"] = "required"
    return found


def try_checking(
    session: Session,
    scope: str,
    content: dict[str, Any],
    _now: datetime,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> dict[str, Any]:
    """How many of the last signed reports each check would have stopped, with examples."""
    rules = CheckingRules.read(content)
    reports = _last_reports(session, uuid.UUID(scope))
    newest = _newest(session, [report.examination_id for report in reports])
    stopped: Counter[Check] = Counter()
    examples: dict[Check, list[dict[str, str]]] = defaultdict(list)
    any_ = 0
    for done, report in enumerate(reports):
        if done % TOLD_EVERY == 0:
            told(done, len(reports))
        doubts = find_doubts(_facts_of(report, newest.get(report.examination_id)), rules)
        any_ += bool(doubts)
        for check, first in {one.check: one for one in reversed(doubts)}.items():
            stopped[check] += 1
            if len(examples[check]) < EXAMPLES:
                examples[check].append(_example(report, first))
    return {
        "reports": len(reports),
        "stopped": any_,
        "checks": [
            {"check": check.value, "reports": stopped[check], "examples": examples[check]}
            for check in Check
            if stopped[check]
        ],
    }


def _last_reports(session: Session, centre_id: uuid.UUID) -> list[Report]:
    return list(
        session.scalars(
            select(Report)
            .join(Examination, Examination.id == Report.examination_id)
            .where(Report.centre_id == centre_id, Examination.kind != Kind.LABORATORY)
            .order_by(Report.id.desc())
            .limit(TRIED)
            .options(joinedload(Report.examination))
        ).unique()
    )


def _newest(session: Session, examination_ids: list[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    found: dict[uuid.UUID, datetime] = {}
    for begin in range(0, len(examination_ids), IN_ONE_QUERY):
        rows = session.execute(newest_received(examination_ids[begin : begin + IN_ONE_QUERY]))
        found |= {row[0]: row[1] for row in rows}
    return found


def _facts_of(report: Report, newest_at: datetime | None) -> Facts:
    """As it was signed. What came after the signature was nobody's to see before it."""
    examination = report.examination
    return Facts(
        findings=report.findings,
        impression=report.impression,
        today=local_date(report.signed_at),
        sex=report.patient.get("sex"),
        modalities=modalities_of(examination),
        description=examination.description,
        body_part=examination.body_part,
        critical=report.critical,
        saved_at=report.written_at,
        newest_at=newest_at if newest_at is not None and newest_at <= report.signed_at else None,
    )


def _example(report: Report, doubt: Doubt) -> dict[str, str]:
    """A few words around the place: enough to judge the check by, and nobody's name."""
    text = {Section.FINDINGS: report.findings, Section.IMPRESSION: report.impression}.get(doubt.section, "")
    return {
        "report_id": str(report.id),
        "section": doubt.section.value,
        "before": text[max(0, doubt.begin - AROUND) : doubt.begin],
        "quoted": doubt.quoted,
        "after": text[doubt.end : doubt.end + AROUND],
    }
