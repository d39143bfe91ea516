"""The measures: which sources each adds together, and what it says of them in which columns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import true
from sqlalchemy.orm import Session

from worklists.critical import OPEN, CriticalState
from worklists.errors import Invalid
from worklists.figures import sources
from worklists.figures.asking import By, Measure, Question
from worklists.figures.counting import Condition, Source, count
from worklists.figures.tallies import Number, Said, Tally, count_of, percentile_of, share_of, sum_of, whole
from worklists.grading import Grade, ImageGrade
from worklists.reports import Report
from worklists.reviewing import Grade as Difference
from worklists.reviewing import ReportDiscrepancy
from worklists.sent_back import SentBack


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`columns` in the order in which they are read; `narrowed`: of which of them the examinations can be listed.

    `of_readers`: the sources where a line is a reader, and not the same person's in each of them.
    """

    sources: tuple[Source, ...]
    columns: Mapping[str, Said]
    narrowed: Mapping[str, Condition] = field(default_factory=dict)
    of_readers: tuple[Source, ...] = ()

    def sources_by(self, by: By) -> tuple[Source, ...]:
        return self.of_readers if by is By.READER and self.of_readers else self.sources

    def source_of(self, column: str, by: By) -> Source:
        """Where a column that can be listed is counted."""
        among = self.sources_by(by)
        return next((one for one in among if column in one.sums), among[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is said under one key."""

    key: Any
    values: Mapping[str, Number]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    lines: tuple[Line, ...]
    total: Mapping[str, Number]


MEASURES: Mapping[Measure, Measured] = {
    Measure.WORKLOAD: Measured(
        sources=(sources.WORK,),
        of_readers=(sources.WRITTEN, sources.REVIEWED),
        columns={
            "signed": count_of("signed"),
            "reviewed": count_of("reviewed"),
            "weighted": sum_of("weighted"),
        },
        narrowed={"signed": true(), "reviewed": Report.reviewed},
    ),
    Measure.TURNAROUND: Measured(
        sources=(sources.TURNAROUND,),
        columns={
            "first": count_of("first"),
            "p50": percentile_of("taken", 0.5),
            "p90": percentile_of("taken", 0.9),
            "p95": percentile_of("taken", 0.95),
            "in_time_share": share_of("in_time", "due"),
            "late": lambda tally: int(tally.sums.get("due", 0) - tally.sums.get("in_time", 0)),
        },
        narrowed={"first": true(), "late": Report.in_time.is_(False)},
    ),
    Measure.POSITIVE: Measured(
        sources=(sources.POSITIVE,),
        columns={
            "known": count_of("known"),
            "positive": count_of("positive"),
            "positive_share": share_of("positive", "known"),
        },
        narrowed={"known": true(), "positive": Report.positive.is_(True)},
    ),
    Measure.RETURNS: Measured(
        sources=(sources.SENT_BACKS, sources.WRITTEN),
        columns={
            "signed": count_of("signed"),
            "sent_back": count_of("sent_back"),
            "sent_back_share": share_of("sent_back", "sent_back", "signed"),
            "remade": count_of("remade"),
            "remade_share": share_of("remade", "sent_back"),
        },
        narrowed={"sent_back": true(), "remade": SentBack.remade_at.is_not(None)},
    ),
    Measure.CRITICAL: Measured(
        sources=(sources.CRITICAL,),
        columns={
            "found": count_of("found"),
            "withdrawn": count_of("withdrawn"),
            "open": count_of("open"),
            "closed": count_of("closed"),
            "closed_share": share_of("closed", "open", "closed"),
            "escalated": count_of("escalated"),
            "notified_in_time_share": share_of("notified_in_time", "notified_judged"),
            "closed_in_time_share": share_of("closed_in_time", "closed_judged"),
            "notified_p50": percentile_of("notified", 0.5),
            "received_p50": percentile_of("received", 0.5),
            "received_p90": percentile_of("received", 0.9),
            "closed_p50": percentile_of("closed_after", 0.5),
        },
        narrowed={
            "found": true(),
            "open": sources.TRACE.state.in_(OPEN),
            "closed": sources.TRACE.state == CriticalState.CLOSED,
        },
    ),
    Measure.QUALITY: Measured(
        sources=(sources.GRADES,),
        columns={
            "graded": count_of("A", "B", "C"),
            **{grade.value: count_of(grade.value) for grade in Grade},
            "A_share": share_of("A", "A", "B", "C"),
            "C_share": share_of("C", "A", "B", "C"),
        },
        narrowed={"graded": true(), **{grade.value: ImageGrade.grade == grade for grade in Grade}},
    ),
    Measure.DISCREPANCY: Measured(
        sources=(sources.DISCREPANCIES,),
        columns={
            "compared": count_of("compared"),
            **{grade.value: count_of(grade.value) for grade in Difference},
            "differing_share": share_of("differing", "compared"),
            "major_share": share_of("major", "compared"),
        },
        narrowed={
            "compared": true(),
            **{grade.value: ReportDiscrepancy.grade == grade for grade in Difference},
        },
    ),
}


def measure(session: Session, which: Measure, question: Question) -> Answer:
    """Raises Invalid for what this measure cannot be told by."""
    question.check()
    measured = MEASURES[which]
    found: dict[Any, Tally] = {}
    for number, source in enumerate(measured.sources_by(question.by)):
        if not source.can_be_told_by(question.by):
            if number == 0:
                raise Invalid("by", "unknown")
            continue
        for key, tally in count(session, source, question).items():
            found.setdefault(key, Tally()).join(tally)
    return Answer(
        lines=tuple(Line(key=key, values=_said(measured, tally)) for key, tally in found.items()),
        total=_said(measured, whole(found.values())),
    )


def _said(measured: Measured, tally: Tally) -> dict[str, Number]:
    return {name: said(tally) for name, said in measured.columns.items()}
