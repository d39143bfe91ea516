"""Measurements of an electrocardiogram as people read them: name and value, in the order of a printed head."""

from dataclasses import asdict

from adapters.ecg.paper_words import Language
from adapters.ecg.recording import EcgMeasurements

NAMES: dict[str, dict[Language, str]] = {
    "heart_rate_bpm": {"zh": "心率", "en": "Heart rate"},
    "rr_ms": {"zh": "RR 间期", "en": "RR"},
    "p_ms": {"zh": "P 波时限", "en": "P"},
    "pr_ms": {"zh": "PR 间期", "en": "PR"},
    "qrs_ms": {"zh": "QRS 时限", "en": "QRS"},
    "qt_ms": {"zh": "QT 间期", "en": "QT"},
    "qtc_ms": {"zh": "QTc", "en": "QTc"},
    "p_axis_deg": {"zh": "P 电轴", "en": "P axis"},
    "qrs_axis_deg": {"zh": "QRS 电轴", "en": "QRS axis"},
    "t_axis_deg": {"zh": "T 电轴", "en": "T axis"},
}
UNITS: dict[str, dict[Language, str]] = {
    "bpm": {"zh": " 次/分", "en": " bpm"},
    "ms": {"zh": " ms", "en": " ms"},
    "deg": {"zh": "°", "en": "°"},
}
FORMULAS = {
    "bazett": "Bazett",
    "fridericia": "Fridericia",
    "framingham": "Framingham",
    "hodges": "Hodges",
}


def say_measurements(measurements: EcgMeasurements, language: Language) -> list[tuple[str, str]]:
    """Name and value with its unit of all that was measured; QTc with its formula."""
    values = asdict(measurements)
    formula = measurements.qtc_formula
    return [
        (_name(field, formula, language), f"{values[field]:.0f}{_unit(field, language)}")
        for field in NAMES
        if values[field] is not None
    ]


def _name(field: str, formula: str, language: Language) -> str:
    named = NAMES[field][language]
    if field != "qtc_ms" or not formula:
        return named
    return f"{named} ({FORMULAS.get(formula.lower(), formula)})"


def _unit(field: str, language: Language) -> str:
    return UNITS[field.rsplit("_", 1)[-1]][language]
