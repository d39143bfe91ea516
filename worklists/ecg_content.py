"""What an ECG report says besides its words: measurements, each with where it is from, and statements by their codes.

A value that no heart has, and a QTc that its own QT and rate contradict, are refused with the field that is wrong.
Formulas: Bazett 1920, Fridericia 1920, Framingham (Sagie 1992), Hodges 1983; AHA/ACCF/HRS 2009, part IV.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from worklists.errors import Invalid

# name: the least and the most that is possible in man, from a newborn's to the longest that was ever recorded
MEASURES: Final[Mapping[str, tuple[float, float]]] = {
    "heart_rate_bpm": (10, 400),
    "rr_ms": (150, 6000),
    "p_ms": (20, 300),
    "pr_ms": (40, 1000),
    "qrs_ms": (20, 400),
    "qt_ms": (100, 1200),
    "qtc_ms": (100, 1500),
    "p_axis_deg": (-180, 180),
    "qrs_axis_deg": (-180, 180),
    "t_axis_deg": (-180, 180),
}
SOURCES = frozenset({"cart", "computed", "caliper", "typed"})
QTC_TOLERANCE_MS = 5.0  # QT and rate are rounded before a person sees them
MOST_STATEMENTS = 60
_LAYOUT = re.compile(r"[a-z0-9+x_-]{1,24}")

# QT in milliseconds and beats a minute → QTc in milliseconds
QTC_FORMULAS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "bazett": lambda qt, rate: qt / math.sqrt(60 / rate),
    "fridericia": lambda qt, rate: qt / math.cbrt(60 / rate),
    "framingham": lambda qt, rate: qt + 154 * (1 - 60 / rate),
    "hodges": lambda qt, rate: qt + 1.75 * (rate - 60),
}


class ContentRefused(Invalid):
    """Fields of the content that cannot be used: name → why; `facts` are what the reasons speak of."""

    def __init__(self, reasons: Mapping[str, str], **facts: object):
        super().__init__(*reasons)
        self.reasons, self.facts = dict(reasons), facts


def read_content(stated: Mapping[str, Any], known: Collection[str]) -> dict[str, Any]:
    """The content as it is kept, every field checked; `known` are the codes of statements. Raises ContentRefused."""
    reasons = dict.fromkeys(
        (f"content.{name}" for name in stated.keys() - {"measurements", "statements", "layout"}), "unknown"
    )
    measurements = _read_measurements(stated.get("measurements"), reasons)
    statements = _read_statements(stated.get("statements"), known, reasons)
    layout = stated.get("layout", "")
    if layout != "" and not (isinstance(layout, str) and _LAYOUT.fullmatch(layout)):
        reasons["content.layout"] = "unusable"
    if reasons:
        raise ContentRefused(reasons)
    _check_qtc(measurements)
    content = {"measurements": measurements, "statements": statements}
    return {**content, "layout": layout} if layout else content


def measures_of(content: Mapping[str, Any] | None) -> dict[str, float]:
    """The numbers of a content that was read."""
    stated = (content or {}).get("measurements", {})
    return {name: stated[name] for name in MEASURES if name in stated}


def _read_measurements(stated: object, reasons: dict[str, str]) -> dict[str, Any]:
    """Numbers, the formula of the QTc, and the source of each; what was not measured is null or not there."""
    place = "content.measurements"
    if stated is None:
        return {}
    if not isinstance(stated, Mapping):
        reasons[place] = "unusable"
        return {}
    found: dict[str, Any] = {}
    for name, value in stated.items():
        if name in {"source", "qtc_formula"} or value is None:
            continue
        why = _why_not(name, value)
        if why:
            reasons[f"{place}.{name}"] = why
        else:
            found[name] = value
    formula = stated.get("qtc_formula")
    if isinstance(formula, str) and formula in QTC_FORMULAS:
        found["qtc_formula"] = formula
    elif formula is not None:
        reasons[f"{place}.qtc_formula"] = "unknown"
    sources = _read_sources(stated.get("source"), found, reasons)
    return {**found, "source": sources} if sources else found


def _why_not(name: object, value: object) -> str:
    bounds = MEASURES.get(name) if isinstance(name, str) else None
    if bounds is None:
        return "unknown"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "unusable"
    return "" if bounds[0] <= value <= bounds[1] else "not_physiological"


def _read_sources(stated: object, found: Mapping[str, Any], reasons: dict[str, str]) -> dict[str, str]:
    """Where each number is from; of what nobody says, a person typed it."""
    place = "content.measurements.source"
    if stated is not None and not isinstance(stated, Mapping):
        reasons[place] = "unusable"
        return {}
    sources = {name: source for name, source in (stated or {}).items() if source is not None}
    for name, source in sources.items():
        if name not in MEASURES or not isinstance(source, str) or source not in SOURCES:
            reasons[f"{place}.{name}"] = "unknown"
    return {name: sources.get(name, "typed") for name in MEASURES if name in found}


def _read_statements(stated: object, known: Collection[str], reasons: dict[str, str]) -> list[str]:
    """Each once, in the order in which they were given."""
    if stated is None:
        return []
    if not isinstance(stated, list) or not all(isinstance(code, str) for code in stated):
        reasons["content.statements"] = "unusable"
        return []
    codes = list(dict.fromkeys(stated))
    if len(codes) > MOST_STATEMENTS:
        reasons["content.statements"] = "too_long"
    elif not set(codes) <= set(known):
        reasons["content.statements"] = "unknown_statement"
    return codes


def _check_qtc(measurements: Mapping[str, Any]) -> None:
    """A QTc names its formula, QT and rate, and is what they give."""
    place = "content.measurements"
    if "qtc_ms" not in measurements:
        return
    needed = [name for name in ("qtc_formula", "qt_ms", "heart_rate_bpm") if name not in measurements]
    if needed:
        raise ContentRefused({f"{place}.{name}": "needed_by_qtc" for name in needed})
    formula = QTC_FORMULAS[measurements["qtc_formula"]]
    expected = formula(measurements["qt_ms"], measurements["heart_rate_bpm"])
    if abs(measurements["qtc_ms"] - expected) > QTC_TOLERANCE_MS:
        raise ContentRefused({f"{place}.qtc_ms": "qtc_contradicts"}, expected=round(expected))
