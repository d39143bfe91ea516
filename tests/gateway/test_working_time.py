"""Working time between two moments, in the county's time."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from gateway.settings import Settings
from gateway.working_time import read_working_time

WEEK = read_working_time("08:00-17:30", "12345")


def local(day: int, hour: int) -> datetime:
    """November 2026 in UTC; the 20th is a Friday."""
    return datetime(2026, 11, day, hour, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [
        (local(20, 9), local(20, 11), 2),
        (local(20, 3), local(20, 9), 1),
        (local(20, 18), local(20, 23), 0),
        (local(20, 16), local(23, 9), 2.5),  # over a weekend
        (local(21, 0), local(22, 23), 0),
        (local(20, 11), local(20, 9), 0),
        (local(16, 0), local(21, 0), 5 * 9.5),
    ],
)
def test_only_working_hours_count(first: datetime, last: datetime, hours: float) -> None:
    assert WEEK.between(first, last) == timedelta(hours=hours)


def test_years_of_silence_are_not_counted_day_by_day() -> None:
    assert (
        timedelta(days=10) < WEEK.between(datetime(1900, 1, 1, tzinfo=UTC), local(20, 9)) < timedelta(days=60)
    )


@pytest.mark.parametrize(
    ("hours", "days"), [("17:30-08:00", "12345"), ("08:00", "1"), ("8-25", "1"), ("08:00-17:30", "")]
)
def test_a_working_time_that_is_none_is_refused_at_the_start(hours: str, days: str) -> None:
    with pytest.raises(ValidationError):
        Settings(working_hours=hours, working_days=days)


@pytest.mark.parametrize("days", ["0", "8", "Mon"])
def test_days_are_those_of_a_week(days: str) -> None:
    with pytest.raises(ValidationError):
        Settings(working_days=days)
