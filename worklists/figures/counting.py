"""Counting rows under keys in one statement for each source, in either database.

Months and days are a table of spans that the rows are joined with, so that an index by time serves them; times are
counted by the minute, from which percentiles follow exactly, also in a database that has none; they come as one text
for each key, because ten thousands of rows cost more to fetch than to count.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    String,
    and_,
    cast,
    column,
    func,
    select,
    true,
    values,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from worklists.base import Base, UtcDateTime
from worklists.figures.asking import By, Question, spans_of
from worklists.figures.clock import tested, utc_hour
from worklists.figures.tallies import Tally

COUNTY_HOURS = 8  # ahead of UTC, the whole year
_Tallies = dict[Any, Tally]
Expression = ColumnElement[Any] | InstrumentedAttribute[Any]
Condition = ColumnElement[bool] | InstrumentedAttribute[bool] | InstrumentedAttribute[bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows of one kind, where their dimensions stand, and what is added up of them.

    `keys`: by what they can be told. `known_there`: which of them the institution that made the examination knows of.
    `by_centre`: an index has them by their centre and then by their time.
    """

    row: type[Base] | FromClause
    examination_id: Expression
    at: Expression
    institution_id: Expression
    modality: Expression
    keys: Mapping[By, Expression]
    of_centres: Callable[[frozenset[uuid.UUID]], ColumnElement[bool]]
    sums: Mapping[str, ColumnElement[Any]] = field(default_factory=dict)
    minutes: Mapping[str, Expression] = field(default_factory=dict)
    where: Condition = field(default_factory=true)
    known_there: ColumnElement[bool] = field(default_factory=true)
    by_centre: bool = True

    def can_be_told_by(self, by: By) -> bool:
        return by in {By.MONTH, By.DAY, By.HOUR} or by in self.keys

    def within(self, question: Question) -> ColumnElement[bool]:
        """Which rows are asked for."""
        return and_(self.at >= question.begin, self.at < question.end, self.narrowed(question))

    def narrowed(self, question: Question) -> ColumnElement[bool]:
        """Which of them, whenever that was."""
        found: list[Any] = [self.where]
        if question.centre_ids is not None:
            found.append(self.of_centres(question.centre_ids))
        if question.institution_id is not None:
            found.append(self.institution_id == question.institution_id)
        if question.asked_there:
            found.append(self.known_there)
        if question.modality:
            found.append(("\\" + self.modality + "\\").contains(f"\\{question.modality}\\", autoescape=True))
        return and_(*found)


def count(session: Session, source: Source, question: Question) -> _Tallies:
    """What there is of a source under each key."""
    spans = _table_of_spans(question) if question.spans else None
    key = spans.c.place if spans is not None else _key(source, question.by)
    query = select(key).select_from(source.row)
    if spans is None:
        query = query.where(source.within(question))
    else:
        query = query.join(spans, and_(source.at >= spans.c.begins, source.at < spans.c.ends))
        at = tested(source.at)  # each span is a way to find its rows, not all the years
        query = query.where(at >= question.begin, at < question.end, source.narrowed(question))
    query = query.with_only_columns(
        key.label("key"), *(of.label(name) for name, of in source.sums.items()), maintain_column_froms=True
    ).group_by(key)
    if source.minutes:
        query = _by_minutes(query, source)
    return _read(session, query, source, question)


def _by_minutes(query: Select[Any], source: Source) -> Select[Any]:
    """The sums, and behind them how often what took how many minutes: `17:204,18:96`, of several `4/10/:3`."""
    took = {f"took_{name}": of for name, of in source.minutes.items()}
    each = (
        query.add_columns(*(of.label(name) for name, of in took.items()), func.count().label("times"))
        .group_by(*took.values())
        .subquery("each")
    )
    said = reduce(lambda told, one: told + "/" + one, (_said(each.c[name]) for name in took))
    sums_of_all = (func.sum(each.c[name]).label(name) for name in source.sums)
    told = func.aggregate_strings(said + ":" + cast(each.c.times, String), ",")
    return select(each.c.key, *sums_of_all, told).group_by(each.c.key)


def _said(took: ColumnElement[Any]) -> ColumnElement[str]:
    """Nothing for what was not done."""
    return func.coalesce(cast(took, String), "")


def _read(session: Session, query: Select[Any], source: Source, question: Question) -> _Tallies:
    found: _Tallies = {}
    names = [span.key for span in spans_of(question)] if question.spans else []
    for row in session.execute(query):
        key, *rest = row
        key = names[key] if names else (int(key) + COUNTY_HOURS) % 24 if question.by is By.HOUR else key
        tally = found.setdefault(key, Tally())
        for name, number in zip(source.sums, rest, strict=False):
            tally.add(name, float(number or 0))
        if source.minutes:
            tally.took(tuple(source.minutes), rest[-1])
    return found


def _key(source: Source, by: By) -> Expression:
    return utc_hour(source.at) if by is By.HOUR else source.keys[by]


def _table_of_spans(question: Question) -> CTE:
    place, begins, ends = (
        column("place", Integer),
        column("begins", UtcDateTime()),
        column("ends", UtcDateTime()),
    )
    rows = [(number, span.begin, span.end) for number, span in enumerate(spans_of(question))]
    return values(place, begins, ends).data(rows).cte("spans")


def text_key(key: Any) -> str:
    """A key as it stands in an answer and in what is asked about a line."""
    return f"{key:02d}" if isinstance(key, int) else str(key)
