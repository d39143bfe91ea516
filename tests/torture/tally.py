"""What a torture did and what came of it, counted by the test that runs; `python -m tests.torture` adds it up.

A test's counts go with its report, as a property of pytest's.
"""

import json
from collections import Counter
from collections.abc import Iterable

PROPERTY = "tally"
OUTCOMES = ("accepted", "lost", "twice", "changed", "left over")  # instances, the last: of whatever kind
_now: Counter[str] = Counter()


def count(what: str, number: int = 1) -> None:
    """Count what was done in the words of the summary, or one of `OUTCOMES`."""
    _now[what] += number


def begin() -> None:
    _now.clear()


def as_property() -> tuple[str, str]:
    return PROPERTY, json.dumps(_now)


def read_tally(properties: Iterable[tuple[str, str]]) -> Counter[str]:
    """The sum of what such properties say."""
    total: Counter[str] = Counter()
    for name, value in properties:
        if name == PROPERTY:
            for what, number in json.loads(value).items():
                total[what] += number  # an addition of counters would drop the zeros
    return total
