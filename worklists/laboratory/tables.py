"""The dictionary as three tables: items, ranges, panels. What ships with the gateway, and what a county carries over.

Cells are text. Several values stand in one cell: `mg/dL=0.0555; mg/L=0.00555` (own = given × factor, and `+ offset`
behind it), `阴性|±`, codes of a panel apart by blanks. Ages are `28d`, `6m`, `1y`; an empty cell says nothing.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worklists.laboratory.contents import Content

SHEETS: Mapping[str, tuple[str, ...]] = {
    "items": (
        "code", "name", "name_en", "abbreviation", "initials", "section", "scale", "unit", "decimals", "loinc",
        "specimen", "method", "units", "normal_values", "delta_percent", "delta_absolute", "delta_days",
        "recognition_item_code", "enabled",
    ),
    "ranges": (
        "item_code", "sex", "from_age", "to_age", "low", "high", "text", "critical_low", "critical_high",
        "critical_values", "source", "unconfirmed",
    ),
    "panels": (
        "code", "name", "name_en", "initials", "section", "specimen", "tube", "loinc", "items", "enabled",
    ),
}  # fmt: skip
DAYS = {"y": 365.25, "m": 30.4375, "d": 1.0}
_AGE = re.compile(r"([0-9]{1,5})\s*([ymd])")
_BETWEEN = 10  # places left free between two rows
_NO = frozenset({"0", "no", "n", "false", "否"})

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """Where a table cannot be used, and why. Rows are counted as people see them: 1 is the heading."""

    sheet: str
    row: int
    column: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Tables:
    """What three tables say: contents by code, and from which row each came."""

    items: dict[str, Content] = field(default_factory=dict)
    panels: dict[str, Content] = field(default_factory=dict)
    rows: dict[tuple[str, str], int] = field(default_factory=dict)
    range_rows: dict[str, list[int]] = field(default_factory=dict)
    errors: list[RowError] = field(default_factory=list)


class _Cell(ValueError):
    """A cell that cannot be read."""

    def __init__(self, column: str, reason: str):
        super().__init__(column, reason)
        self.column, self.reason = column, reason


def read_tables(sheets: Mapping[str, Sequence[Row]]) -> Tables:
    """Every row that can be read; what cannot is among the errors."""
    tables = Tables()
    for sheet in ("items", "ranges", "panels"):
        for number, row in enumerate(sheets.get(sheet, ()), start=2):
            cells = {name: (row.get(name) or "").strip() for name in SHEETS[sheet]}
            if not any(cells.values()):
                continue
            try:
                _TAKE[sheet](tables, cells, number)
            except _Cell as error:
                tables.errors.append(
                    RowError(sheet=sheet, row=number, column=error.column, reason=error.reason)
                )
    return tables


def write_tables(items: Iterable[Content], panels: Iterable[Content]) -> dict[str, list[dict[str, str]]]:
    """The same tables again, as text."""
    listed = list(items)
    return {
        "items": [_item_row(one) for one in listed],
        "ranges": [_range_row(one["code"], limits) for one in listed for limits in one["ranges"]],
        "panels": [_panel_row(one) for one in panels],
    }


def _take_item(tables: Tables, cells: Row, number: int) -> None:
    code = _new_code(tables, "items", cells, number)
    tables.items[code] = {
        **{
            name: cells[name]
            for name in ("name", "name_en", "abbreviation", "section", "unit", "loinc", "specimen", "method")
        },
        "code": code,
        "initials": cells["initials"].lower(),
        "scale": cells["scale"] or "quantitative",
        "decimals": _whole(cells, "decimals"),
        "units": _units(cells["units"]),
        "normal_values": _several(cells["normal_values"]),
        "delta_percent": _number(cells, "delta_percent"),
        "delta_absolute": _number(cells, "delta_absolute"),
        "delta_days": _whole(cells, "delta_days"),
        "recognition_item_code": cells["recognition_item_code"] or None,
        "position": number * _BETWEEN,
        "enabled": cells["enabled"].lower() not in _NO,
        "ranges": [],
    }


def _take_range(tables: Tables, cells: Row, number: int) -> None:
    item = tables.items.get(cells["item_code"])
    if item is None:
        raise _Cell("item_code", "unknown")
    item["ranges"].append(
        {
            "sex": {"男": "M", "女": "F"}.get(cells["sex"], cells["sex"].upper()),
            "from_days": _age(cells, "from_age") or 0,
            "to_days": _age(cells, "to_age"),
            **{name: _number(cells, name) for name in ("low", "high", "critical_low", "critical_high")},
            "text": cells["text"],
            "critical_values": _several(cells["critical_values"]),
            "source": cells["source"],
            "unconfirmed": bool(cells["unconfirmed"]) and cells["unconfirmed"].lower() not in _NO,
        }
    )
    tables.range_rows.setdefault(item["code"], []).append(number)


def _take_panel(tables: Tables, cells: Row, number: int) -> None:
    code = _new_code(tables, "panels", cells, number)
    tables.panels[code] = {
        **{name: cells[name] for name in ("name", "name_en", "section", "specimen", "tube", "loinc")},
        "code": code,
        "initials": cells["initials"].lower(),
        "items": cells["items"].split(),
        "position": number * _BETWEEN,
        "enabled": cells["enabled"].lower() not in _NO,
    }


_TAKE = {"items": _take_item, "ranges": _take_range, "panels": _take_panel}


def _new_code(tables: Tables, sheet: str, cells: Row, number: int) -> str:
    code = cells["code"]
    if not code:
        raise _Cell("code", "required")
    if (sheet, code) in tables.rows:
        raise _Cell("code", "twice")
    tables.rows[sheet, code] = number
    return code


def _item_row(one: Content) -> dict[str, str]:
    return {
        **{name: _text(one.get(name)) for name in SHEETS["items"]},
        "units": "; ".join(_unit_text(unit) for unit in one["units"]),
        "normal_values": "|".join(one["normal_values"]),
        "enabled": "" if one["enabled"] else "0",
    }


def _range_row(code: str, one: Content) -> dict[str, str]:
    return {
        **{name: _text(one.get(name)) for name in SHEETS["ranges"]},
        "item_code": code,
        "from_age": write_age(one["from_days"]) if one["from_days"] else "",
        "to_age": write_age(one["to_days"]) if one["to_days"] is not None else "",
        "critical_values": "|".join(one["critical_values"]),
        "unconfirmed": "1" if one["unconfirmed"] else "",
    }


def _panel_row(one: Content) -> dict[str, str]:
    return {
        **{name: _text(one.get(name)) for name in SHEETS["panels"]},
        "items": " ".join(one["items"]),
        "enabled": "" if one["enabled"] else "0",
    }


def write_age(days: int) -> str:
    """In the largest unit that says it exactly."""
    for unit, length in DAYS.items():
        count = round(days / length)
        if count and int(count * length) == days:
            return f"{count}{unit}"
    return f"{days}d"


def _age(cells: Row, column: str) -> int | None:
    if not cells[column]:
        return None
    found = _AGE.fullmatch(cells[column].lower())
    if found is None:
        raise _Cell(column, "age")
    return int(int(found[1]) * DAYS[found[2]])


def _number(cells: Row, column: str) -> float | None:
    if not cells[column]:
        return None
    try:
        return float(cells[column])
    except ValueError:
        raise _Cell(column, "number") from None


def _whole(cells: Row, column: str) -> int | None:
    number = _number(cells, column)
    if number is not None and not number.is_integer():
        raise _Cell(column, "number")
    return None if number is None else int(number)


def _units(cell: str) -> list[dict[str, Any]]:
    found = []
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        unit, _, how = part.rpartition("=")
        factor, _, offset = how.partition("+")
        try:
            found.append({"unit": unit.strip(), "factor": float(factor), "offset": float(offset or 0)})
        except ValueError:
            raise _Cell("units", "factor") from None
    return found


def _unit_text(one: Mapping[str, Any]) -> str:
    offset = f"+{one['offset']:g}" if one.get("offset") else ""
    return f"{one['unit']}={one.get('factor', 1):.10g}{offset}"


def _several(cell: str) -> list[str]:
    return [part.strip() for part in cell.split("|") if part.strip()]


def _text(value: object) -> str:
    return "" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)
