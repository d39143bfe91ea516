"""The results of a signed report as the values that are printed and sent: out of its content alone, as it was signed."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from adapters.reports.laboratory import LabGroup, LabLine, LabTable, Pending

SECTIONS = {
    "haematology": "血液",
    "coagulation": "凝血",
    "chemistry": "生化",
    "immunology": "免疫",
    "urine": "尿液",
    "stool": "粪便",
    "blood_gas": "血气",
    "microbiology": "微生物",
    "other": "其他",
}


def table_of(content: Mapping[str, Any] | None) -> LabTable | None:
    """None for a report that is of no specimen."""
    if content is None or "results" not in content:
        return None
    results, specimen = content["results"], content["specimen"] or {}
    devices = [one["device"] for one in results if one["device"]]
    return LabTable(
        groups=_groups(content),
        pending=tuple(
            Pending(
                name=one["name"], code=one["item_code"], reason=one["reason"], earlier=one["earlier"] or ""
            )
            for one in content["pending"]
        ),
        specimen_kind=specimen.get("kind", ""),
        collected_at=_moment(specimen.get("collected_at")),
        received_at=_moment(specimen.get("received_at")),
        requester=specimen.get("requester", ""),
        department=specimen.get("department", ""),
        bed=specimen.get("bed", ""),
        order_number=specimen.get("order_number", ""),
        tested_at=_each(one["institution"]["name"] for one in devices),
        tested_by=_each(one["operator"] for one in results),
        analysers=_each(one["name"] for one in devices),
        verified_by=_each(one["verified_by"] or "" for one in results),
        by_rule=sum(one["verification"] == "automatic" for one in results),
    )


def _groups(content: Mapping[str, Any]) -> tuple[LabGroup, ...]:
    panels = {one["code"]: one for one in content["panels"]}
    found: dict[tuple[str, str], list[LabLine]] = {}
    for one in content["results"]:
        panel = panels.get(one["panel"] or "")
        key = (panel["code"], panel["name"]) if panel else ("", SECTIONS[one["section"]])
        found.setdefault(key, []).append(_line(one))
    return tuple(
        LabGroup(code=code, title=title, loinc=panels[code]["loinc"] if code else "", lines=tuple(lines))
        for (code, title), lines in found.items()
    )


def _line(one: Mapping[str, Any]) -> LabLine:
    change = one["change"] or {"kind": ""}
    limits = one["range"]
    return LabLine(
        code=one["item_code"],
        name=one["name"],
        value=one["value"],
        loinc=one["loinc"],
        abbreviation=one["abbreviation"],
        scale=one["scale"],
        comparator=one["comparator"],
        number=one["number"],
        unit=one["unit"],
        low=limits["low"],
        high=limits["high"],
        range_text=limits["text"],
        abnormal=one["abnormal"],
        critical=one["critical"],
        status=one["status"],
        mark=(one["mark"] or {}).get("text") or "",
        method=one["method"],
        comments=tuple(filter(None, (one["remark"], *one["comments"]))),
        change=change["kind"],
        earlier=f"{change['value']} {change['unit']}".strip() if change["kind"] == "corrected" else "",
        device=one["device"]["name"] if one["device"] else "",
        tested_at=one["device"]["institution"]["name"] if one["device"] else "",
        operator=one["operator"],
        verified_by=one["verified_by"] or "",
        observed_at=datetime.fromisoformat(one["observed_at"]),
    )


def _each(names: Iterable[str]) -> tuple[str, ...]:
    """Every one once, in the order in which they come."""
    return tuple(dict.fromkeys(filter(None, names)))


def _moment(at: str | None) -> datetime | None:
    return datetime.fromisoformat(at) if at else None
