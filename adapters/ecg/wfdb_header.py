"""The header of a WFDB record: what it says of the record, its signals or segments, and behind `#`.

Names in it are names only, never a path. WFDB Applications Guide, header(5).
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from adapters.ecg.content import Content
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import is_ecg_name
from adapters.ecg.recording import EcgFilters, EcgMeasurements, EcgPatient
from adapters.ecg.text import read_text
from adapters.ecg.units import is_counts, microvolts_of, read_sex

HEADER_LIMIT_BYTES = 1 << 20
_MOST_SEGMENTS = 10_000
_DEFAULT_RATE, _DEFAULT_GAIN = 250.0, 200.0  # header(5)
RECORD_BEGINNING = re.compile(r"^[\w.\-]+(?:/\d+)?[ \t]+\d+\b")
RECORD = re.compile(
    r"^(?P<name>[\w.\-]+)(?:/(?P<segments>\d+))?[ \t]+(?P<signals>\d+)(?:[ \t]+(?P<rate>[\d.eE+-]+)(?:/[^ \t]*)?"
    r"(?:[ \t]+(?P<samples>\d+)(?:[ \t]+(?P<time>\d{1,2}(?::\d{1,2}){0,2}(?:\.\d*)?)"
    r"(?:[ \t]+(?P<date>\d{1,2}/\d{1,2}/\d{4}))?)?)?)?(?:[ \t]+[^\d\s].*)?[ \t]*$"
)
SIGNAL = re.compile(
    r"^(?P<file>\S+)[ \t]+(?P<format>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:[ \t]+(?P<gain>[\d.eE+-]+(?=[(/\s]|$))?(?:\((?P<baseline>[+-]?\d+)(?:\.0*)?\))?(?:/(?P<unit>\S+))?"
    r"(?:[ \t]+(?P<bits>\d+)(?:[ \t]+(?P<zero>[+-]?\d+)(?:[ \t]+(?P<first>[+-]?\d+)(?:[ \t]+(?P<checksum>[+-]?\d+)"
    r"(?:[ \t]+(?P<block>\d+)(?:[ \t]+(?P<description>.*))?)?)?)?)?)?)?(?:[ \t]+(?P<early>[^\d\s].*))?[ \t]*$"
)
SEGMENT = re.compile(r"^(?P<name>[\w.\-~]+)[ \t]+(?P<samples>\d+)[ \t]*$")
_MEASURED = {
    "heart rate (bpm)": "heart_rate_bpm", "rr (ms)": "rr_ms", "p (ms)": "p_ms", "pr (ms)": "pr_ms",
    "qrs (ms)": "qrs_ms", "qt (ms)": "qt_ms", "qtc (ms)": "qtc_ms", "p axis (deg)": "p_axis_deg",
    "qrs axis (deg)": "qrs_axis_deg", "t axis (deg)": "t_axis_deg",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One line of a header."""

    file: str
    format: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    baseline: int
    unit: str
    calibrated: bool
    initial: int
    checksum: int | None
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    name: str
    rate: float
    samples: int | None  # of a signal, in frames
    started_at: datetime | None
    signals: tuple[Signal, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]


def read_header(content: Content) -> Header:
    if content.size > HEADER_LIMIT_BYTES:
        raise NotAnEcg("too_large", content.name)
    lines = lines_of(content.whole())
    comments = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    told = [line for line in lines if line and not line.startswith("#")]
    record = RECORD.match(told[0]) if told else None
    if record is None:
        raise NotAnEcg("damaged", told[0][:40] if told else content.name)
    count, segments = int(record["signals"]), int(record["segments"] or 0)
    if segments > _MOST_SEGMENTS:
        raise NotAnEcg("too_large", str(segments))
    if not 1 <= count <= 256:
        raise NotAnEcg("no_leads" if count < 1 else "too_many_leads", str(count))
    wanted = segments or count
    if len(told) - 1 < wanted:
        raise NotAnEcg("truncated", content.name)
    return Header(
        name=record["name"],
        rate=_float(record["rate"], _DEFAULT_RATE),
        samples=int(record["samples"]) if record["samples"] and int(record["samples"]) else None,
        started_at=_started_at(record["date"], record["time"]),
        signals=() if segments else _with_scale([_signal(line) for line in told[1 : wanted + 1]]),
        segments=tuple(_segment(line) for line in told[1 : wanted + 1]) if segments else (),
        comments=comments,
    )


def lines_of(raw: bytes) -> list[str]:
    """Trimmed; a byte order mark is no part of them."""
    return [line.strip() for line in read_text(raw.removeprefix(b"\xef\xbb\xbf")).splitlines()]


def _segment(line: str) -> tuple[str, int]:
    found = SEGMENT.match(line)
    if found is None:
        raise NotAnEcg("damaged", line[:40])
    return found["name"], int(found["samples"])


def _signal(line: str) -> Signal:
    found = SIGNAL.match(line)
    if found is None or "/" in found["file"] or "\\" in found["file"] or found["file"] in (".", ".."):
        raise NotAnEcg("damaged", line[:40])
    gain = _float(found["gain"], 0.0)
    zero = int(found["zero"] or 0)
    return Signal(
        file=found["file"],
        format=found["format"],
        per_frame=int(found["per_frame"] or 1),
        skew=int(found["skew"] or 0),
        offset=int(found["offset"] or 0),
        gain=gain or _DEFAULT_GAIN,
        baseline=int(found["baseline"]) if found["baseline"] is not None else zero,
        unit=found["unit"] or "mV",
        calibrated=bool(gain),
        initial=int(found["first"] or 0),
        checksum=int(found["checksum"]) if found["checksum"] is not None else None,
        description=(found["description"] or found["early"] or "").strip(),
    )


def _with_scale(signals: list[Signal]) -> tuple[Signal, ...]:
    """ECGs in counts alone ("adu") get WFDB's own scale, as those with a gain of 0, when there is no voltage."""
    if any(microvolts_of(signal.unit) is not None for signal in signals):
        return tuple(signals)
    return tuple(
        replace(signal, gain=_DEFAULT_GAIN, unit="mV", calibrated=False)
        if is_counts(signal.unit) and is_ecg_name(signal.description)
        else signal
        for signal in signals
    )


def _float(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text is not None else otherwise
    except ValueError as error:
        raise NotAnEcg("damaged", text or "") from error


def _started_at(date: str | None, time: str | None) -> datetime | None:
    """A time without a date says nothing of when. Two numbers are minutes and seconds (`strtim`)."""
    if not date or not time:
        return None
    day, month, year = map(int, date.split("/"))
    hour, minute, second = ("0", "0", *time.split(":"))[-3:]
    try:
        whole, _, fraction = second.partition(".")
        micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
        return datetime(year, month, day, int(hour), int(minute), int(whole), micro)  # noqa: DTZ001
    except ValueError:
        return None


class Comments:
    """What is said behind `#`: by PhysioNet's habits, and by our own writer. A diagnosis there is no cart's statement."""

    def __init__(self, lines: tuple[str, ...]) -> None:
        self._lines = lines

    def all_after(self, prefix: str) -> list[str]:
        return [line.removeprefix(prefix) for line in self._lines if line.startswith(prefix)]

    def after(self, prefix: str) -> str:
        return next(iter(self.all_after(prefix)), "")

    def _value(self, pattern: str) -> str:
        return next(
            (found[1] for line in self._lines if (found := re.search(pattern, line, re.IGNORECASE))), ""
        )

    def patient(self) -> EcgPatient:
        """`age: 81`, `<age>: 81`, and MIT's `69 M 1085 …`."""
        age = self._value(r"^<?age>?: *(\d{1,3})\b") or self._value(r"^(\d{1,3}) [MF]\b")
        sex = self._value(r"<?\b(?:sex|gender)\b>?: *(\w+)") or self._value(r"^\d{1,3} ([MF])\b")
        return EcgPatient(age_years=int(age) if age and int(age) <= 130 else None, sex=read_sex(sex))

    def filters(self) -> EcgFilters:
        values = (
            self._value(rf"^{name} filter: ([\d.]+) Hz$") for name in ("High-pass", "Low-pass", "Notch")
        )
        high_pass, low_pass, notch = (_number(value) for value in values)
        return EcgFilters(high_pass_hz=high_pass, low_pass_hz=low_pass, notch_hz=notch)

    def measurements(self) -> EcgMeasurements:
        found: dict[str, Any] = {}
        for line in self.all_after("Device "):
            name, _, value = line.partition(": ")
            field = _MEASURED.get(name.lower())
            if field and (number := _number(value)) is not None:
                found[field] = number
        return EcgMeasurements(**found, qtc_formula=self.after("Device QTc formula: "))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,6}(\.\d{1,6})?", text) else None
