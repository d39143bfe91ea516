"""Westgard's rules: each at its border, across levels and runs; 10^-9 beside a limit decides, the limit itself does not."""

from datetime import timedelta

import pytest

from tests.laboratory import NOW
from worklists.laboratory.control import Verdict
from worklists.laboratory.westgard import Point, broken_rules, verdict_of

Said = list[tuple[str, float, float]]  # level, z, minutes


def row(*zs: float, level: str = "1", every_minutes: float = 60 * 24) -> Said:
    return [(level, z, place * every_minutes) for place, z in enumerate(zs)]


def broken(said: Said) -> list[str]:
    return broken_rules(
        [Point(level=level, z=z, observed_at=NOW + timedelta(minutes=minutes)) for level, z, minutes in said]
    )


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        (row(0.0), []),
        (row(2.0), []),
        (row(-2.0), []),
        (row(2.01), ["1_2s"]),
        (row(-2.01), ["1_2s"]),
        (row(3.0), ["1_2s"]),
        (row(3.01), ["1_2s", "1_3s"]),
        (row(-3.01), ["1_2s", "1_3s"]),
        (row(2.1, 2.1), ["1_2s", "2_2s"]),
        (row(-2.1, -2.1), ["1_2s", "2_2s"]),
        (row(2.1, -2.1), ["1_2s"]),  # a day apart: no run has both
        (row(2.1, 2.0), []),
        (row(2.1, 0.1, 2.1), ["1_2s"]),  # not in a row
        (row(1.1, 1.1, 1.1, 1.1), ["4_1s"]),
        (row(-1.1, -1.1, -1.1, -1.1), ["4_1s"]),
        (row(1.1, 1.1, 1.1, 1.0), []),
        (row(1.1, 1.1, -1.1, 1.1), []),
        (row(1.1, 1.1, 1.1), []),
        (row(*[0.1] * 10), ["10_x"]),
        (row(*[-0.1] * 10), ["10_x"]),
        (row(*[0.1] * 9), []),
        (row(*[0.1] * 9, 0.0), []),  # on the mean is on neither side
        (row(*[0.1] * 5, -0.1, *[0.1] * 9), []),
        (row(*[0.1] * 5, -0.1, *[0.1] * 10), ["10_x"]),
        (row(*[1.1] * 10), ["4_1s", "10_x"]),
        (row(*[2.1] * 10), ["1_2s", "2_2s", "4_1s", "10_x"]),
    ],
)
def test_rules_within_one_level(said: Said, rules: list[str]) -> None:
    assert broken(said) == rules


@pytest.mark.parametrize(
    ("said", "rules"),
    [
        ([("1", 2.1, 0), ("2", 2.1, 5)], ["1_2s", "2_2s"]),
        ([("1", 2.1, 0), ("2", 2.1, 60)], ["1_2s", "2_2s"]),
        ([("1", 2.1, 0), ("2", 2.1, 61)], ["1_2s"]),  # another run
        ([("1", 2.1, 0), ("2", -2.1, 5)], ["1_2s", "R_4s"]),
        ([("1", -2.1, 0), ("2", 2.1, 5)], ["1_2s", "R_4s"]),
        ([("1", 2.1, 0), ("2", -2.0, 5)], []),
        ([("1", 2.1, 0), ("2", -1.9, 5)], []),
        ([("1", 2.1, 0), ("2", -2.1, 61)], ["1_2s"]),
        (
            [("1", 2.1, 0), ("1", 0.1, 2), ("2", 2.1, 5)],
            ["1_2s"],
        ),  # the level was repeated: its last one counts
        ([("1", 2.1, 0), ("2", 0.1, 2), ("3", 2.1, 5)], ["1_2s", "2_2s"]),  # three levels of one run
        ([("1", 0.1, 0), ("2", 2.1, 2), ("3", 2.1, 3), ("1", 0.2, 5)], []),  # the last one is in order
        ([("1", 0.1, 0), ("2", 2.1, 2), ("3", 0.1, 3), ("1", 2.1, 5)], ["1_2s", "2_2s"]),
        ([("1", 1.1, 0), ("2", 1.1, 1), ("1", 1.1, 1440), ("2", 1.1, 1441)], ["4_1s"]),
        ([("1", 1.1, 0), ("2", -1.1, 1), ("1", 1.1, 1440), ("2", -1.1, 1441)], []),
        ([(level, 0.1, day * 1440) for day in range(5) for level in "12"], ["10_x"]),
        ([(level, 0.1 if level == "1" else -0.1, day * 1440) for day in range(9) for level in "12"], []),
        (
            [(level, 0.1 if level == "1" else -0.1, day * 1440) for day in range(10) for level in "21"],
            ["10_x"],
        ),
    ],
)
def test_rules_across_levels(said: Said, rules: list[str]) -> None:
    assert broken(said) == rules


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        ([], Verdict.IN_CONTROL),
        (["1_2s"], Verdict.WARNING),
        (["1_3s"], Verdict.OUT_OF_CONTROL),
        (["2_2s"], Verdict.OUT_OF_CONTROL),
        (["R_4s"], Verdict.OUT_OF_CONTROL),
        (["4_1s"], Verdict.OUT_OF_CONTROL),
        (["10_x"], Verdict.OUT_OF_CONTROL),
        (["1_2s", "2_2s"], Verdict.OUT_OF_CONTROL),
    ],
)
def test_a_warning_rejects_nothing(rules: list[str], verdict: Verdict) -> None:
    assert verdict_of(rules) is verdict
