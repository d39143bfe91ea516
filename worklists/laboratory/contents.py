"""Items and panels as plain values: what pages, tables and the shipped dictionary hold, checked before it is kept.

An item's content has the names of `LabItem`'s columns, and `ranges`: values with the names of `LabRange`'s. A check
answers where → why: `low`, or `ranges.2.high` for the third range; why is a word that the edges have a sentence for.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from worklists.base import new_id
from worklists.initials import initials_of
from worklists.laboratory.dictionary import LabItem, LabPanel, LabRange, Scale, Section
from worklists.laboratory.interpretation import same_unit

Content = dict[str, Any]
Reasons = dict[str, str]

RANGE_FIELDS = (
    "sex", "from_days", "to_days", "low", "high", "text", "critical_low", "critical_high", "critical_values",
    "source", "unconfirmed",
)  # fmt: skip
ITEM_FIELDS = (
    "code", "name", "name_en", "abbreviation", "initials", "section", "scale", "unit", "decimals", "loinc",
    "specimen", "method", "recognition_item_code", "units", "normal_values", "delta_percent", "delta_absolute",
    "delta_days", "position", "enabled",
)  # fmt: skip
PANEL_FIELDS = (
    "code", "name", "name_en", "initials", "section", "specimen", "tube", "items", "loinc", "position", "enabled",
)  # fmt: skip
MOST_RANGES = 60
LONGEST = {"code": 64, "name": 100, "name_en": 200, "unit": 40, "text": 200, "source": 200}
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOINC = re.compile(r"[1-9][0-9]{0,6}-[0-9]")
_BIGGEST = 1e12  # no number of a laboratory is larger


def describe_item(row: LabItem) -> Content:
    return {
        **{name: _plain(getattr(row, name)) for name in ITEM_FIELDS},
        "units": [{"factor": 1.0, "offset": 0.0, **one} for one in row.units],
        "ranges": [{name: _plain(getattr(one, name)) for name in RANGE_FIELDS} for one in row.ranges],
    }


def describe_panel(row: LabPanel) -> Content:
    return {name: _plain(getattr(row, name)) for name in PANEL_FIELDS}


def write_item(row: LabItem, content: Mapping[str, Any]) -> None:
    """Set what a checked content says. Initials follow the name where the content has none."""
    for name in ITEM_FIELDS:
        setattr(row, name, content[name])
    row.section, row.scale = Section(content["section"]), Scale(content["scale"])
    row.initials = content["initials"] or initials_of(content["name"])
    row.ranges = [
        LabRange(
            id=new_id(), item_code=row.code, position=place, **{name: one[name] for name in RANGE_FIELDS}
        )
        for place, one in enumerate(content["ranges"])
    ]


def write_panel(row: LabPanel, content: Mapping[str, Any]) -> None:
    for name in PANEL_FIELDS:
        setattr(row, name, content[name])
    row.section = Section(content["section"])
    row.initials = content["initials"] or initials_of(content["name"])


def check_item(content: Mapping[str, Any], *, recognition_items: Collection[str]) -> Reasons:
    """What makes an item unusable."""
    found = {**_check_names(content), **_check_units(content)}
    if content["scale"] not in list(Scale):
        found["scale"] = "unknown"
    if content["decimals"] is not None and not 0 <= content["decimals"] <= 6:
        found["decimals"] = "between_0_and_6"
    for name in ("delta_percent", "delta_absolute", "delta_days"):
        if content[name] is not None and not 0 < content[name] < _BIGGEST:
            found[name] = "positive"
    if content["recognition_item_code"] and content["recognition_item_code"] not in recognition_items:
        found["recognition_item_code"] = "unknown"
    return {**found, **_check_ranges(content["ranges"])}


def check_panel(content: Mapping[str, Any], *, items: Collection[str]) -> Reasons:
    found = _check_names(content)
    if not content["items"]:
        found["items"] = "required"
    elif len(set(content["items"])) != len(content["items"]):
        found["items"] = "twice"
    elif not set(content["items"]) <= set(items):
        found["items"] = "unknown"
    return found


def is_loinc(code: str) -> bool:
    """Whether the check digit is right (LOINC Users' Guide, appendix C: mod 10)."""
    if not _LOINC.fullmatch(code):
        return False
    number, _, digit = code.partition("-")
    doubled = str(int(number[::-1][0::2][::-1]) * 2)
    total = sum(map(int, doubled)) + sum(map(int, number[::-1][1::2]))
    return (10 - total % 10) % 10 == int(digit)


def _check_names(content: Mapping[str, Any]) -> Reasons:
    found: Reasons = {}
    if not _CODE.fullmatch(content["code"]):
        found["code"] = "code"
    if not content["name"].strip():
        found["name"] = "required"
    if content["section"] not in list(Section):
        found["section"] = "unknown"
    if content["loinc"] and not is_loinc(content["loinc"]):
        found["loinc"] = "loinc"
    long = [name for name, most in LONGEST.items() if len(str(content.get(name) or "")) > most]
    return {**found, **dict.fromkeys(long, "too_long")}


def _check_units(content: Mapping[str, Any]) -> Reasons:
    """No way to a unit may be stated twice, nor lead from the item's own to something else."""
    seen = [content["unit"]]
    for one in content["units"]:
        if not one["unit"].strip() or not _is_number(one["factor"]) or not one["factor"]:
            return {"units": "factor"}
        if not _is_number(one["offset"]):
            return {"units": "factor"}
        if any(same_unit(one["unit"], other) for other in seen):
            return {"units": "twice"}
        seen.append(one["unit"])
    return {}


def _check_ranges(ranges: Sequence[Mapping[str, Any]]) -> Reasons:
    if len(ranges) > MOST_RANGES:
        return {"ranges": "too_long"}
    found: Reasons = {}
    for place, one in enumerate(ranges):
        found |= {f"ranges.{place}.{name}": why for name, why in _check_range(one).items()}
    return found


def _check_range(one: Mapping[str, Any]) -> Reasons:
    found: Reasons = {}
    if one["sex"] not in {"", "M", "F"}:
        found["sex"] = "unknown"
    if one["from_days"] < 0 or (one["to_days"] is not None and one["to_days"] <= one["from_days"]):
        found["to_days"] = "low_high"
    numbers = {name: one[name] for name in ("low", "high", "critical_low", "critical_high")}
    found |= {
        name: "number" for name, value in numbers.items() if value is not None and not _is_number(value)
    }
    if found:
        return found
    if _crossed(one["low"], one["high"]):
        found["high"] = "low_high"
    if _crossed(one["critical_low"], one["critical_high"]):
        found["critical_high"] = "low_high"
    # What is usual is not critical: a limit inside the range was typed into the wrong column.
    if _crossed(one["critical_low"], one["low"], equal=True) or _crossed(one["critical_low"], one["high"]):
        found["critical_low"] = "low_high"
    if _crossed(one["high"], one["critical_high"], equal=True) or _crossed(one["low"], one["critical_high"]):
        found["critical_high"] = "low_high"
    return found


def _crossed(low: float | None, high: float | None, *, equal: bool = False) -> bool:
    if low is None or high is None:
        return False
    return low >= high if equal else low > high


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < _BIGGEST


def _plain(value: object) -> Any:
    return value.value if isinstance(value, Section | Scale) else value
