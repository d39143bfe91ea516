"""The LOINC codes that ship say what their items hold: the official names that docs/conformance/codes.md lists.

LOINC's long common name says the property in brackets, the specimen after "in" or "of", and no bracket where the
component itself is a ratio, a time or a number without a dimension.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from worklists.laboratory.defaults import read_default_dictionary, read_default_profiles

CODES = Path(__file__).parents[3] / "docs/conformance/codes.md"
ROW = re.compile(r"\| ([A-Z0-9_]+) \| (\d+-\d) \| ([^|]+) \|")
LISTED = {found[1]: (found[2], found[3]) for found in ROW.finditer(CODES.read_text(encoding="utf-8"))}
ITEMS = {code: one for code, one in read_default_dictionary().items.items() if one["loinc"]}

_FRACTION = {"", "Volume Fraction", "Ratio"}  # "": of names such as A1c/Hemoglobin.total, actual/Normal
PROPERTIES = {
    "10^9/L": {"#/volume"}, "10^12/L": {"#/volume"}, "/100WBC": {"Ratio"},
    "%": _FRACTION, "fL": {"Entitic volume"}, "pg": {"Entitic mass"},
    "g/L": {"Mass/volume"}, "mg/L": {"Mass/volume"}, "ng/mL": {"Mass/volume"}, "pg/mL": {"Mass/volume"},
    "ug/L": {"Mass/volume"}, "mg/g": {"Mass Ratio"},
    "mmol/L": {"Moles/volume"}, "umol/L": {"Moles/volume"}, "nmol/L": {"Moles/volume"}, "pmol/L": {"Moles/volume"},
    "U/L": {"Enzymatic activity/volume"},
    "IU/mL": {"Units/volume"}, "U/mL": {"Units/volume"}, "mIU/L": {"Units/volume"}, "mIU/mL": {"Units/volume"},
    "mmHg": {"Partial pressure"}, "mL/min/1.73m2": {"Volume Rate/Area"}, "s": {""}, "mm/h": {""},
}  # fmt: skip
WITHOUT_UNIT = {
    "Mass Ratio",
    "Enzymatic activity ratio",
    "Entitic volume",
    "",
}  # A/G, AST/ALT, PDW; pH, INR, density
OF_A_SCALE = {"ordinal": {"Presence"}, "nominal": {"Type", ""}, "narrative": {""}}
NAMED_OTHERWISE = {("BG_BE", ""): "Moles/volume"}  # "Base excess" is one
SPECIMENS = {
    "全血": r"\b(in|of) Blood|^Erythrocyte ",  # the indices of red cells are of blood, whatever LOINC's system says
    "枸橼酸抗凝血浆": "in Platelet poor plasma", "血清": "in Serum", "EDTA血浆": "Plasma", "氟化钠抗凝血浆": "Plasma",
    "尿": "(in|of) Urine", "粪便": "in Stool", "动脉血": "Arterial blood|in Blood|^Inhaled oxygen",
    "咽拭子": "(?i)respiratory specimen", "": "Unspecified specimen",
}  # fmt: skip


def test_every_code_that_ships_is_listed_with_its_official_name_and_no_other() -> None:
    assert {code: item["loinc"] for code, item in ITEMS.items()} == {
        code: one[0] for code, one in LISTED.items()
    }


def test_no_two_items_have_one_code() -> None:
    assert [
        code for code, count in Counter(one["loinc"] for one in ITEMS.values()).items() if count > 1
    ] == []


@pytest.mark.parametrize("code", ITEMS)
def test_the_property_of_a_code_fits_the_unit_of_its_item(code: str) -> None:
    assert _property(code) in _fitting(ITEMS[code])


@pytest.mark.parametrize("code", ITEMS)
def test_the_specimen_of_a_code_is_that_of_its_item(code: str) -> None:
    assert re.search(SPECIMENS[ITEMS[code]["specimen"]], LISTED[code][1])


@pytest.mark.parametrize("profile", ["generic-loinc", "generic-codes"])
def test_what_speaks_loinc_is_understood_under_each_code(profile: str) -> None:
    tests = next(one["content"]["tests"] for one in read_default_profiles() if one["code"] == profile)
    assert {code: tests[item["loinc"]]["item"] for code, item in ITEMS.items()} == {
        code: code for code in ITEMS
    }


def _property(code: str) -> str:
    found = re.search(r"\[([^]]+)\]", LISTED[code][1])
    said = found[1] if found else ""
    return NAMED_OTHERWISE.get((code, said), said)


def _fitting(item: dict[str, Any]) -> set[str]:
    if item["scale"] != "quantitative":
        return OF_A_SCALE[item["scale"]]
    return PROPERTIES[item["unit"]] if item["unit"] else WITHOUT_UNIT
