"""The dictionary that ships: whole, usable, laid down once, never over what a county has."""

from decimal import Decimal

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worklists.laboratory.contents import check_item, check_panel, describe_item, describe_panel
from worklists.laboratory.defaults import read_default_dictionary, seed_dictionary
from worklists.laboratory.dictionary import LabItem, LabPanel, LabRange, Scale
from worklists.laboratory.interpretation import Bearer, convert, find_range, interpret
from worklists.laboratory.results import Abnormal
from worklists.laboratory.tables import read_tables, write_age, write_tables


def test_every_row_that_ships_can_be_used() -> None:
    tables = read_default_dictionary()
    assert tables.errors == []
    recognised = {one["recognition_item_code"] for one in tables.items.values()}
    items = {code: check_item(one, recognition_items=recognised) for code, one in tables.items.items()}
    panels = {code: check_panel(one, items=tables.items) for code, one in tables.panels.items()}
    assert {code: found for code, found in {**items, **panels}.items() if found} == {}
    assert len(tables.items) > 180


def test_it_is_laid_down_once_and_not_over_an_edit(session: Session) -> None:
    assert seed_dictionary(session) > 180
    session.get_one(LabItem, "WBC").name = "白细胞"
    session.flush()
    assert seed_dictionary(session) == 0
    assert session.get_one(LabItem, "WBC").name == "白细胞"


def test_a_county_with_a_dictionary_of_its_own_keeps_it(session: Session) -> None:
    session.add(LabItem(code="X", name="某项目"))
    session.flush()
    assert seed_dictionary(session) == 0
    assert session.scalar(select(func.count()).select_from(LabItem)) == 1


@pytest.mark.parametrize(
    ("code", "value", "unit", "sex", "age_days", "expected", "abnormal"),
    [
        ("WBC", "5.5", "10*3/uL", "M", 12000, "5.50", Abnormal.NONE),
        ("WBC", "0.9", "10^9/L", "F", 12000, "0.90", Abnormal.CRITICAL_LOW),
        ("WBC", "12.0", "10*9/L", "F", 400, "12.00", Abnormal.NONE),  # a child of one year
        ("HGB", "10.1", "g/dL", "M", 12000, "101", Abnormal.LOW),
        ("HGB", "120", "g/L", "F", 12000, "120", Abnormal.NONE),
        ("HGB", "55", "g/L", None, None, "55", Abnormal.CRITICAL_LOW),
        ("PLT", "17.0", "10*4/uL", "M", 12000, "170", Abnormal.NONE),
        ("GLU", "500", "mg/dL", "M", 12000, "27.76", Abnormal.CRITICAL_HIGH),
        ("CREA", "1.0", "mg/dL", "F", 12000, "88", Abnormal.HIGH),
        ("TCHOL", "200", "mg/dL", "F", 12000, "5.17", Abnormal.NONE),
        ("HBA1C", "48", "mmol/mol", "F", 12000, "6.5", Abnormal.HIGH),
        ("ALT", "45", "IU/L", "F", 12000, "45", Abnormal.HIGH),
        ("ALT", "45", "U/l", "M", 12000, "45", Abnormal.NONE),
        ("U_PRO", "2+", "", "M", 12000, "2+", Abnormal.ABNORMAL),
        ("HIV", "阳性", "", "M", 12000, "阳性", Abnormal.CRITICAL),
    ],
)  # fmt: skip
def test_known_values_mean_what_a_laboratory_expects(
    session: Session,
    code: str,
    value: str,
    unit: str,
    sex: str | None,
    age_days: int | None,
    expected: str,
    abnormal: Abnormal,
) -> None:
    seed_dictionary(session)
    item = session.get_one(LabItem, code)
    found = interpret(item, value=value, unit=unit, bearer=Bearer(sex=sex, age_days=age_days))
    assert (found.value, found.abnormal) == (expected, abnormal)


def test_every_conversion_that_ships_can_be_made(session: Session) -> None:
    seed_dictionary(session)
    for item in session.scalars(select(LabItem).where(LabItem.scale == Scale.QUANTITATIVE)):
        for unit in item.units:
            assert convert(item, Decimal(1), unit["unit"]) == Decimal(str(unit["factor"])) + Decimal(
                str(unit["offset"])
            )


def test_a_newborn_is_not_judged_as_an_adult(session: Session) -> None:
    seed_dictionary(session)
    found = find_range(session.get_one(LabItem, "RBC").ranges, Bearer(sex="M", age_days=3))
    assert found is not None
    assert (found.low, found.high, found.unconfirmed) == (6.0, 7.0, True)


def test_the_tables_come_out_as_they_went_in(session: Session) -> None:
    seed_dictionary(session)
    before = read_default_dictionary()
    items = [describe_item(one) for one in session.scalars(select(LabItem).order_by(LabItem.position))]
    panels = [describe_panel(one) for one in session.scalars(select(LabPanel).order_by(LabPanel.position))]
    again = read_tables(write_tables(items, panels))
    assert again.errors == []
    for one in before.items.values():
        one["recognition_item_code"] = None  # this county's catalogue is empty
    assert again.items == before.items
    assert again.panels == before.panels
    assert session.scalar(select(func.count()).select_from(LabRange)) == sum(
        len(one["ranges"]) for one in before.items.values()
    )


def test_ages_are_written_in_the_largest_unit() -> None:
    assert [write_age(days) for days in (28, 182, 365, 730, 6574, 400)] == [
        "28d",
        "6m",
        "1y",
        "2y",
        "18y",
        "400d",
    ]
