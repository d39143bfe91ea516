"""What a search asks for, read from its parameters (R4 3.1.1): which, in which order, how many, what comes along.

A parameter that is not known here is refused, unless the caller said `Prefer: handling=lenient` (R4 3.1.1.3): then it is
passed over, left out of the link to this page, and named in an outcome.
"""

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.fhir.errors import BadSearch
from gateway.fhir.including import read_along
from gateway.fhir.parameters import PARAMETERS, SORTED_BY, Parameter

USUAL_COUNT, MOST_COUNT = 50, 100
USUAL_ORDER = "-_lastUpdated"
_LENIENT = re.compile(r'\bhandling\s*=\s*"?lenient\b', re.IGNORECASE)
_SAME = {
    ":identifier": ".identifier"
}  # of a reference's identifier (R4 3.1.1.4.8) we say the same as of its target's
_TOTALS = {"none", "estimate", "accurate"}
# Of how it is answered; `_format` is seen to before.
_OF_ANSWER = {"_count", "_cursor", "_sort", "_total", "_summary", "_format", "_pretty"}
_ALONG = {"_include", "_revinclude"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a walk is: the report it stopped in, by what they are sorted, and how much of that was shown."""

    at: datetime
    report_id: uuid.UUID
    shown: int

    def __str__(self) -> str:
        return f"{self.at.isoformat()}|{self.report_id}|{self.shown}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Raises ValueError."""
        at, report_id, shown = text.split("|")
        return cls(at=datetime.fromisoformat(at), report_id=uuid.UUID(report_id), shown=int(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was asked: kind, and each filter with its value as often as it was given.

    `include` and `reverse` name what comes along, `passed_over` what nobody here knows. With `count` 0 only the total
    is wanted.
    """

    kind: str
    stated: Sequence[tuple[str, str]]
    count: int = USUAL_COUNT
    order: str = USUAL_ORDER
    total: bool = False
    include: tuple[str, ...] = ()
    reverse: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    place: Place | None = None

    def parameters(self) -> Iterator[tuple[Parameter, str]]:
        for name, value in self.stated:
            found = find_parameter(self.kind, name)
            if found is not None:
                yield found, value

    @property
    def descending(self) -> bool:
        return self.order.startswith("-")

    @property
    def sorted_by(self) -> str:
        return self.order.removeprefix("-")

    def written(self) -> list[tuple[str, str]]:
        """The same as parameters, for links."""
        order = [("_sort", self.order)] if self.order != USUAL_ORDER else []
        total = [("_total", "accurate")] if self.total and self.count else []
        along = [("_include", one) for one in self.include] + [("_revinclude", one) for one in self.reverse]
        return [*self.stated, *along, *order, *total, ("_count", str(self.count))]


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What was read so far; what is not known is refused or noted."""

    lenient: bool
    passed_over: list[str] = field(default_factory=list)

    def unknown(self, name: str, why: str) -> None:
        if not self.lenient:
            raise BadSearch(name, why)
        self.passed_over.append(name)


def is_lenient(prefer: str) -> bool:
    return _LENIENT.search(prefer) is not None


def read_search(
    kind: str, stated: Sequence[tuple[str, str]], *, lenient: bool = False, place: Place | None = None
) -> Search:
    """Raises BadSearch."""
    reading = _Reading(lenient=lenient)
    told = dict(stated)
    filters = [one for one in stated if one[1] and one[0] not in _OF_ANSWER | _ALONG]
    known = [one for one in filters if find_parameter(kind, one[0]) is not None]
    for name, _ in filters:
        if find_parameter(kind, name) is None:
            reading.unknown(name, f"not one of {', '.join(sorted(PARAMETERS[kind]))}")
    along = {name: _read_along(kind, name, stated, reading) for name in sorted(_ALONG)}
    return Search(
        kind=kind,
        stated=known,
        count=0 if _summarised(told, reading) else _read_count(told.get("_count", "")),
        order=_read_order(kind, told.get("_sort", ""), reading),
        total=_read_total(told.get("_total", "")),
        include=along["_include"],
        reverse=along["_revinclude"],
        passed_over=tuple(dict.fromkeys(reading.passed_over)),
        place=place,
    )


def find_parameter(kind: str, name: str) -> Parameter | None:
    for modifier, chained in _SAME.items():
        if name.endswith(modifier):
            name = name.removesuffix(modifier) + chained
    return PARAMETERS[kind].get(name)


def _read_count(text: str) -> int:
    """As many as asked for, and no more than a page holds; 0 is the total alone (R4 3.1.1.5.4)."""
    if not text:
        return USUAL_COUNT
    if not text.isdecimal():
        raise BadSearch("_count", "a number")
    return min(int(text), MOST_COUNT)


def _read_order(kind: str, text: str, reading: _Reading) -> str:
    known = SORTED_BY[kind]
    if text.removeprefix("-") in known:
        return text
    if text:
        reading.unknown("_sort", f"one of {', '.join(sorted(known))}, with - before it for the last first")
    return USUAL_ORDER


def _read_total(text: str) -> bool:
    """Whether it is wanted; an estimate is as dear as the number itself."""
    if text and text not in _TOTALS:
        raise BadSearch("_total", f"one of {', '.join(sorted(_TOTALS))}")
    return text in {"estimate", "accurate"}


def _summarised(told: Mapping[str, str], reading: _Reading) -> bool:
    text = told.get("_summary", "")
    if text not in {"", "false", "count"}:
        reading.unknown("_summary", "count, or false")
    return text == "count"


def _read_along(
    kind: str, name: str, stated: Sequence[tuple[str, str]], reading: _Reading
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for value in (value for stated_name, value in stated if stated_name == name and value):
        one = read_along(kind, name, value)
        if one is None:
            reading.unknown(name, f"{value} is none that comes along with {kind}")
        else:
            found[one] = None
    return tuple(found)
