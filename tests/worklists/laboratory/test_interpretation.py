"""Values as analysers write them: what is a number, what is shown of it, and what is none."""

import pytest

from worklists.base import new_id
from worklists.laboratory.dictionary import LabItem, LabRange, Scale, Section
from worklists.laboratory.interpretation import (
    Bearer,
    UnitMissing,
    UnknownUnit,
    UnreadableValue,
    interpret,
)
from worklists.laboratory.results import Abnormal

ANYBODY = Bearer(sex=None, age_days=None)


def item() -> LabItem:
    limits = LabRange(id=new_id(), low=3.5, high=9.5, critical_low=1.5, critical_values=[], from_days=0)
    return LabItem(
        code="X", name="X", unit="10^9/L", decimals=2, scale=Scale.QUANTITATIVE, ranges=[limits], section=Section.HAEMATOLOGY,
        units=[{"unit": "/uL", "factor": 0.001}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "unit", "shown", "abnormal"),
    [
        (" ５．５ ", "10*9/L", "5.50", Abnormal.NONE),
        ("5500", "/µL", "5.50", Abnormal.NONE),
        ("<0.003", "10^9/L", "<0.003", Abnormal.CRITICAL_LOW),  # two places would make it "<0.00"
        ("≤3", "x10⁹/L", "<=3", Abnormal.LOW),
        (">1000", "10^9/L", ">1000", Abnormal.HIGH),
        ("<10", "10^9/L", "<10", Abnormal.NONE),
        ("-0.001", "10^9/L", "0.00", Abnormal.CRITICAL_LOW),
    ],
)
def test_numbers_are_read(value: str, unit: str, shown: str, abnormal: Abnormal) -> None:
    found = interpret(item(), value=value, unit=unit, bearer=ANYBODY)
    assert (found.value, found.abnormal) == (shown, abnormal)


@pytest.mark.parametrize(
    "value",
    ["", "+++", "阴性", "1:80", "2.3-4", "5,1", "5.1*", "10³", "<10²", "½", "1e30", "1e999", "1e-40", "1" * 30, "inf", "NaN"],
)  # fmt: skip
def test_what_is_no_number_is_not_made_one(value: str) -> None:
    with pytest.raises(UnreadableValue):
        interpret(item(), value=value, unit="", bearer=ANYBODY)


@pytest.mark.parametrize("unit", ["g/L", "10^12/L", "/L", "10^9/mL", "%"])
def test_a_unit_that_nobody_knows_is_not_guessed(unit: str) -> None:
    with pytest.raises(UnknownUnit):
        interpret(item(), value="5", unit=unit, bearer=ANYBODY)


def test_a_number_without_a_unit_is_not_taken_to_be_in_the_item_s() -> None:
    with pytest.raises(UnitMissing):
        interpret(item(), value="5", unit=" ", bearer=ANYBODY)


def test_an_item_without_a_unit_needs_none() -> None:
    ratio = item()
    ratio.unit, ratio.units = "", []
    assert interpret(ratio, value="5", unit="", bearer=ANYBODY).value == "5.00"
