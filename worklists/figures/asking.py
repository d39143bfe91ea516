"""What is asked of the figures: which measure, by what, of which days, narrowed how far."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from worklists.base import COUNTY_TIME
from worklists.errors import Invalid

MOST_DAYS = 366  # a line for each of more is no figure any more
MOST_YEARS = 10


class Measure(StrEnum):
    WORKLOAD = "workload"
    TURNAROUND = "turnaround"
    POSITIVE = "positive"
    RETURNS = "returns"
    CRITICAL = "critical"
    QUALITY = "quality"
    DISCREPANCY = "discrepancy"


class By(StrEnum):
    """What a line is."""

    TOWNSHIP = "township"
    READER = "reader"
    MODALITY = "modality"
    KIND = "kind"
    PRIORITY = "priority"
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"  # of the day


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Of the days from first to last, both among them, as the county counts days. None narrows nothing.

    `asked_there`: by the institution that made the examinations, of what it knows.
    """

    by: By
    first: date
    last: date
    centre_ids: frozenset[uuid.UUID] | None = None
    institution_id: uuid.UUID | None = None
    asked_there: bool = False
    modality: str = ""

    def check(self) -> None:
        """Raises Invalid."""
        if self.last < self.first or (self.last - self.first).days > MOST_YEARS * 366:
            raise Invalid("to", "dates")
        if self.by is By.DAY and (self.last - self.first).days >= MOST_DAYS:
            raise Invalid("by", "too_many_days")

    @property
    def spans(self) -> bool:
        """Whether a line is a time of its own, with its begin and end."""
        return self.by in {By.MONTH, By.DAY}

    @property
    def begin(self) -> datetime:
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        return _midnight(self.last + timedelta(days=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A month or a day, as far as the question reaches into it."""

    key: str
    begin: datetime
    end: datetime


def spans_of(question: Question) -> list[Span]:
    """The months or days of a question, in their order."""
    cut = _months if question.by is By.MONTH else _days
    return [
        Span(
            key=f"{first:%Y-%m}" if question.by is By.MONTH else first.isoformat(),
            begin=_midnight(first),
            end=_midnight(after),
        )
        for first, after in cut(question.first, question.last)
    ]


def _months(first: date, last: date) -> Iterator[tuple[date, date]]:
    begin, end = first, last + timedelta(days=1)
    while begin < end:
        following = (begin.replace(day=1) + timedelta(days=32)).replace(day=1)
        yield begin, min(following, end)
        begin = following


def _days(first: date, last: date) -> Iterator[tuple[date, date]]:
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        yield day, day + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), COUNTY_TIME)


def month_of(text: str) -> tuple[date, date]:
    """The first and the last day of `2026-11`. Raises Invalid."""
    try:
        first = date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise Invalid("month") from error
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
