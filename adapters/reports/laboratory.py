"""The results of a laboratory report as values: printed as a table, sent as `ORU^R01`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

_MICRO = re.compile(r"(^|[/ ])u(?=(?:mol|kat|g|m|s|L|U|IU)\b)")  # umol/L is for machines, people write μmol/L
Change = Literal["", "corrected", "added"]  # against the version before


@dataclass(frozen=True, slots=True, kw_only=True)
class LabLine:
    """One result. `abnormal` is of HL7 table 0078 (L, H, LL, HH, A, AA), `status` of table 0085."""

    code: str
    name: str
    value: str
    loinc: str = ""
    abbreviation: str = ""
    scale: str = "quantitative"
    comparator: str = ""
    number: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    range_text: str = ""
    abnormal: str = ""
    critical: bool = False
    status: str = "F"
    mark: str = ""  # 全国HR
    method: str = ""
    comments: tuple[str, ...] = ()  # a person's and the analyser's
    change: Change = ""
    earlier: str = ""  # the value that was corrected, with its unit
    device: str = ""
    tested_at: str = ""  # the institution that it stands in
    operator: str = ""
    verified_by: str = ""  # "": by rule
    observed_at: datetime

    @property
    def range(self) -> str:
        """As it is printed: 3.5-9.5, ≤6.1, or words."""
        if self.range_text or (self.low is None and self.high is None):
            return self.range_text
        if self.low is None:
            return f"≤{self.high:.12g}"
        return f"≥{self.low:.12g}" if self.high is None else f"{self.low:.12g}-{self.high:.12g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabGroup:
    """A panel, or what a bench did besides, in the order of its items. `code` empty: no panel."""

    title: str
    lines: tuple[LabLine, ...]
    code: str = ""
    loinc: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A test that has no result in this version.

    `reason`: not_resulted, rerun, unknown_test, not_reported (by the analyser).
    """

    name: str
    reason: str
    code: str = ""
    earlier: str = ""  # what the version before said


@dataclass(frozen=True, slots=True, kw_only=True)
class LabTable:
    """The results of one specimen, and what is known of it."""

    groups: tuple[LabGroup, ...]
    pending: tuple[Pending, ...] = ()
    specimen_kind: str = ""
    collected_at: datetime | None = None
    received_at: datetime | None = None
    requester: str = ""
    department: str = ""
    bed: str = ""
    order_number: str = ""
    tested_at: tuple[str, ...] = ()  # institutions whose analysers measured
    tested_by: tuple[str, ...] = ()  # operators, where the analysers said so
    analysers: tuple[str, ...] = ()
    verified_by: tuple[str, ...] = ()
    by_rule: int = 0  # results that rules released

    @property
    def lines(self) -> tuple[LabLine, ...]:
        return tuple(line for group in self.groups for line in group.lines)


def with_micro(unit: str) -> str:
    """A unit, or a value with one, as people write it."""
    return _MICRO.sub(r"\1μ", unit)


def printed_table(table: LabTable, show: Callable[[datetime], str]) -> dict[str, Any]:
    """What the template is given."""
    return {
        "groups": [
            {"title": group.title, "lines": [_printed_line(line) for line in group.lines]}
            for group in table.groups
        ],
        "pending": [
            {"name": one.name, "reason": one.reason, "earlier": one.earlier} for one in table.pending
        ],
        "specimen_kind": table.specimen_kind,
        "collected_at": show(table.collected_at) if table.collected_at else None,
        "received_at": show(table.received_at) if table.received_at else None,
        "observed_at": show(max(line.observed_at for line in table.lines)) if table.lines else None,
        "requester": table.requester,
        "department": " ".join(filter(None, (table.department, table.bed))),
        "tested_at": table.tested_at,
        "tested_by": table.tested_by,
        "analysers": table.analysers,
        "verified_by": table.verified_by,
        "by_rule": table.by_rule,
    }


def _printed_line(line: LabLine) -> dict[str, Any]:
    return {
        "name": line.name,
        "abbreviation": line.abbreviation if line.abbreviation != line.name else "",
        "value": line.value,
        "unit": with_micro(line.unit),
        "range": line.range,
        "abnormal": line.abnormal,
        "critical": line.critical,
        "status": line.status,
        "mark": line.mark,
        "method": line.method,
        "comments": line.comments,
        "change": line.change,
        "earlier": with_micro(line.earlier),
    }


def result_status(line: LabLine, preliminary: bool) -> str:
    """OBX-11 (table 0085) of a result in its report: what was final there is P or C in one that is that itself."""
    if line.status != "F":
        return line.status
    if preliminary:
        return "P"
    return "C" if line.change == "corrected" else "F"


def group_status(group: LabGroup, preliminary: bool) -> str:
    """OBR-25 (table 0123): preliminary while a result of it is, corrected where one differs from the version before."""
    if any(result_status(line, preliminary) == "P" for line in group.lines):
        return "P"
    return "C" if any(line.change for line in group.lines) else "F"
