"""What the cart measured and stated, in Sections 7, 8 and 11 of SCP-ECG.

EN 1064 5.10 (global measurements), 5.11 (text), 5.14 (universal codes).
"""

import struct
from typing import Any

from adapters.ecg.recording import EcgMeasurements
from adapters.ecg.scp_sections import Record
from adapters.ecg.scp_tags import Tags

_UNSAID = (29999, 0xFFFF, 999, 19999)
_FORMULAS = {1: "bazett"}


def read_measurements(record: Record) -> EcgMeasurements:
    """Section 7: RR, then for each reference beat the boundaries of its waves in ms and the axes; then the rate."""
    body = record.sections.get(7, b"")
    if len(body) < 6:
        return EcgMeasurements()
    blocks, spikes, rr = struct.unpack_from("<BBH", body)
    found: dict[str, Any] = {"rr_ms": _said(rr)}
    if blocks and len(body) >= 22:
        *edges, p_axis, qrs_axis, t_axis = struct.unpack_from("<5H3h", body, 6)
        found |= _intervals(edges)
        axes = {"p_axis_deg": p_axis, "qrs_axis_deg": qrs_axis, "t_axis_deg": t_axis}
        found |= {name: float(value) if abs(value) <= 360 else None for name, value in axes.items()}
    at = 6 + 16 * blocks + 10 * spikes
    if at + 2 <= len(body):
        at += 2 + struct.unpack_from("<H", body, at)[0]
        if at + 7 <= len(body):
            rate, _, qtc, formula = struct.unpack_from("<3HB", body, at)
            found |= {"heart_rate_bpm": _said(rate), "qtc_ms": _said(qtc)}
            found["qtc_formula"] = _FORMULAS.get(formula, "") if _said(qtc) else ""
    return EcgMeasurements(**found)


def _intervals(edges: list[int]) -> dict[str, float | None]:
    p_on, p_off, qrs_on, qrs_off, t_off = (None if value in _UNSAID else value for value in edges)

    def between(start: int | None, end: int | None) -> float | None:
        return float(end - start) if start is not None and end is not None and end > start else None

    return {"p_ms": between(p_on, p_off), "pr_ms": between(p_on, qrs_on), "qrs_ms": between(qrs_on, qrs_off),
            "qt_ms": between(qrs_on, t_off)}  # fmt: skip


def _said(value: int) -> float | None:
    return float(value) if value and value not in _UNSAID else None


def read_statements(record: Record, tags: Tags) -> list[str]:
    """Section 8 (text), else the texts of Section 11 (universal codes)."""
    for number in (8, 11):
        lines = _lines(record.sections.get(number, b""), tags, skip=number == 11)
        if lines:
            return lines
    return []


def _lines(body: bytes, tags: Tags, *, skip: bool) -> list[str]:
    if len(body) < 9:
        return []
    lines, at = [], 9
    for _ in range(body[8]):
        if at + 3 > len(body):
            break
        size = struct.unpack_from("<H", body, at + 1)[0]
        value = body[at + 3 : at + 3 + size]
        at += 3 + size
        value = value[1:] if skip else value
        parts = (
            [tags.text(part) for part in value.split(b"\0")]
            if b"\0\0" not in value[:-1]
            else [tags.text(value)]
        )
        lines.append(" ".join(part for part in parts if part))
    return lines
