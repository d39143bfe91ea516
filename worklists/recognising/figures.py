"""Figures of mutual recognition: each fact counts at its own time, so a rate may exceed 1 and is not clipped."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TypeVarTuple

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from worklists.base import COUNTY_TIME
from worklists.recognising.rows import (
    Choice,
    Money,
    Outcome,
    RecognitionCitation,
    RecognitionDecision,
    RecognitionGroup,
    RecognitionMatch,
)


@dataclass(slots=True, kw_only=True)
class Figures:
    """Of one institution or month. Reminders count when they were shown, decisions when decided, citations when cited."""

    asked: int = 0
    reminders: int = 0
    references: int = 0
    adopted: int = 0  # of reminders
    declined: int = 0  # of reminders, for a reason that counts as a refusal
    excused: int = 0  # of reminders, for one that does not
    told: int = 0  # declined, and the patient was told why
    adopted_references: int = 0
    cited: int = 0
    saved: Decimal = Decimal("0.00")
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def adoption_rate(self) -> float | None:
        """采纳 ÷ 提醒. None without a reminder."""
        return self.adopted / self.reminders if self.reminders else None

    def add(self, other: "Figures") -> None:
        for name in (
            "asked", "reminders", "references", "adopted", "declined", "excused", "told",
            "adopted_references", "cited", "saved",
        ):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for code, count in other.reasons.items():
            self.reasons[code] = self.reasons.get(code, 0) + count


def figures_by_institution(
    session: Session, *, first: date, last: date, institution_id: uuid.UUID | None = None
) -> dict[uuid.UUID, Figures]:
    """Of the days from first to last, both among them, as the county counts days."""
    window = (_midnight(first), _midnight(last + timedelta(days=1)))
    found: dict[uuid.UUID, Figures] = {}
    for read in (_add_questions, _add_matches, _add_decisions, _add_citations):
        read(session, found, window, institution_id)
    return found


def figures_by_month(
    session: Session, *, first: date, last: date, institution_id: uuid.UUID | None = None
) -> dict[str, Figures]:
    """Every month of the span, the first and last as far as the span goes."""
    months = {}
    for begin, end in _months(first, last):
        whole = Figures()
        for one in figures_by_institution(
            session, first=begin, last=end, institution_id=institution_id
        ).values():
            whole.add(one)
        months[f"{begin:%Y-%m}"] = whole
    return months


def total_of(figures: Sequence[Figures]) -> Figures:
    whole = Figures()
    for one in figures:
        whole.add(one)
    return whole


def _months(first: date, last: date) -> list[tuple[date, date]]:
    spans = []
    begin = first
    while begin <= last:
        following = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
        spans.append((begin, min(last, following - timedelta(days=1))))
        begin = following
    return spans


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), COUNTY_TIME)


_Window = tuple[datetime, datetime]
_Found = dict[uuid.UUID, Figures]
_Columns = TypeVarTuple("_Columns")


def _within(
    query: Select[*_Columns],
    at: InstrumentedAttribute[datetime],
    window: _Window,
    institution_id: uuid.UUID | None,
) -> Select[*_Columns]:
    query = query.where(at >= window[0], at < window[1]).group_by(RecognitionGroup.institution_id)
    return query if institution_id is None else query.where(RecognitionGroup.institution_id == institution_id)


def _add_questions(session: Session, found: _Found, window: _Window, only: uuid.UUID | None) -> None:
    query = select(RecognitionGroup.institution_id, func.count())
    for institution_id, count in session.execute(_within(query, RecognitionGroup.asked_at, window, only)):
        found.setdefault(institution_id, Figures()).asked = count


def _add_matches(session: Session, found: _Found, window: _Window, only: uuid.UUID | None) -> None:
    query = (
        select(RecognitionGroup.institution_id, RecognitionMatch.outcome, func.count())
        .join(RecognitionMatch, RecognitionMatch.group_id == RecognitionGroup.id)
        .group_by(RecognitionMatch.outcome)
    )
    names = {Outcome.REMINDER: "reminders", Outcome.REFERENCE: "references"}
    for institution_id, outcome, count in session.execute(
        _within(query, RecognitionGroup.asked_at, window, only)
    ):
        if outcome in names:
            setattr(found.setdefault(institution_id, Figures()), names[outcome], count)


def _add_decisions(session: Session, found: _Found, window: _Window, only: uuid.UUID | None) -> None:
    decision = RecognitionDecision
    query = (
        select(
            RecognitionGroup.institution_id,
            RecognitionMatch.outcome,
            decision.choice,
            decision.reason_code,
            decision.counts_as_refusal,
            func.count(),
            func.sum(case((decision.told_patient, 1), else_=0)),
            func.sum(decision.saved, type_=Money()),
        )
        .join(RecognitionMatch, RecognitionMatch.group_id == RecognitionGroup.id)
        .join(decision, decision.match_id == RecognitionMatch.id)
        .group_by(RecognitionMatch.outcome, decision.choice, decision.reason_code, decision.counts_as_refusal)
    )
    for institution_id, outcome, choice, code, refusal, count, told, saved in session.execute(
        _within(query, decision.decided_at, window, only)
    ):
        one = found.setdefault(institution_id, Figures())
        one.saved += saved
        if outcome is not Outcome.REMINDER:
            one.adopted_references += count if choice is Choice.ADOPTED else 0
            continue
        if choice is Choice.ADOPTED:
            one.adopted += count
            continue
        one.declined += count if refusal else 0
        one.excused += 0 if refusal else count
        one.told += int(told)
        one.reasons[code] = one.reasons.get(code, 0) + count


def _add_citations(session: Session, found: _Found, window: _Window, only: uuid.UUID | None) -> None:
    query = (
        select(RecognitionGroup.institution_id, func.count())
        .join(RecognitionMatch, RecognitionMatch.group_id == RecognitionGroup.id)
        .join(RecognitionCitation, RecognitionCitation.match_id == RecognitionMatch.id)
    )
    for institution_id, count in session.execute(_within(query, RecognitionCitation.cited_at, window, only)):
        found.setdefault(institution_id, Figures()).cited = count
