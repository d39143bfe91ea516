"""Working time of a township: silence at night or on a Sunday says nothing about a device."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from worklists.base import COUNTY_TIME

LOOK_BACK = timedelta(days=60)  # whatever was silent for longer is silent


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingTime:
    """The hours of a day and the days of a week on which people examine."""

    begin: time
    end: time
    days: frozenset[int]  # ISO 8601 weekdays, Monday is 1

    def between(self, first: datetime, last: datetime) -> timedelta:
        """How much working time lies between two moments; what is longer ago than LOOK_BACK does not count."""
        first, last = max(first, last - LOOK_BACK).astimezone(COUNTY_TIME), last.astimezone(COUNTY_TIME)
        total, day = timedelta(), first.date()
        while day <= last.date():
            if day.isoweekday() in self.days:
                opens = datetime.combine(day, self.begin, COUNTY_TIME)
                closes = datetime.combine(day, self.end, COUNTY_TIME)
                total += max(timedelta(), min(last, closes) - max(first, opens))
            day += timedelta(days=1)
        return total


def read_working_time(hours: str, days: str) -> WorkingTime:
    """`08:00-17:30` and `12345`. Raises ValueError."""
    begin, separator, end = hours.partition("-")
    found = WorkingTime(
        begin=time.fromisoformat(begin),
        end=time.fromisoformat(end),
        days=frozenset(int(day) for day in days),
    )
    if not separator or found.end <= found.begin:
        raise ValueError("working hours are a begin and a later end, as in 08:00-17:30")
    if not found.days or not found.days <= set(range(1, 8)):
        raise ValueError("working days are digits from 1 (Monday) to 7, as in 12345")
    return found
