"""Westgard's rules: what a row of results of control material says of an analyser.

| rule | broken when |
|---|---|
| 1_2s | one result lies beyond 2 s: a warning, and no more |
| 1_3s | one result lies beyond 3 s |
| 2_2s | two results in a row lie beyond 2 s on one side, of one level or of two levels of one run |
| R_4s | in one run one level lies beyond +2 s and another beyond −2 s |
| 4_1s | four results in a row lie beyond 1 s on one side |
| 10_x | ten results in a row lie on one side of the mean |

Westgard et al., Clin Chem 1981;27:493–501. In a row: of one level, or of all levels as they were run. A rule is broken
by the last result together with those before it; what lies exactly on a limit is not beyond it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from worklists.laboratory.control import Verdict

WARNING = "1_2s"
REJECTING = ("1_3s", "2_2s", "R_4s", "4_1s", "10_x")
ONE_RUN = timedelta(hours=1)  # levels that are measured within it are of one run


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One result of control material, in standard deviations from its mean."""

    level: str
    z: float
    observed_at: datetime


def broken_rules(points: Sequence[Point]) -> list[str]:
    """Which rules the last point breaks, together with those before it; `points` in the order of their times."""
    last = points[-1]
    own = [one.z for one in points if one.level == last.level]
    every = [one.z for one in points]
    others = _other_levels_of_the_run(points)
    checks = (
        (WARNING, abs(last.z) > 2),
        ("1_3s", abs(last.z) > 3),
        (
            "2_2s",
            _on_one_side(own, 2, beyond=2) or any(_on_one_side([z, last.z], 2, beyond=2) for z in others),
        ),
        ("R_4s", any(max(z, last.z) > 2 and min(z, last.z) < -2 for z in others)),
        ("4_1s", _on_one_side(own, 4, beyond=1) or _on_one_side(every, 4, beyond=1)),
        ("10_x", _on_one_side(own, 10, beyond=0) or _on_one_side(every, 10, beyond=0)),
    )
    return [rule for rule, broken in checks if broken]


def verdict_of(rules: Sequence[str]) -> Verdict:
    if any(rule in REJECTING for rule in rules):
        return Verdict.OUT_OF_CONTROL
    return Verdict.WARNING if rules else Verdict.IN_CONTROL


def _other_levels_of_the_run(points: Sequence[Point]) -> list[float]:
    """Of each other level the last result that belongs to the run of the last point."""
    last = points[-1]
    run = [one for one in points if last.observed_at - one.observed_at <= ONE_RUN]
    return list({one.level: one.z for one in run if one.level != last.level}.values())


def _on_one_side(values: Sequence[float], count: int, *, beyond: float) -> bool:
    last = values[-count:]
    return len(last) == count and (all(z > beyond for z in last) or all(z < -beyond for z in last))
