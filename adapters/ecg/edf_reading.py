"""EDF, EDF+ and BDF: records of a fixed length in which every signal has its stretch; samples stay in the file.

Voltage signals are read, and of those the ones that are sampled as most of them are; EEG, EMG and EOG are left out.
Records of an interrupted EDF+ (EDF+D) stand where they were recorded; what lies between is not recorded.

Kemp B. et al., EDF 1992, EDF+ 2003 (edfplus.info); BDF: BioSemi.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.assembling import assemble, check_rate
from adapters.ecg.content import Companions, Content, Scattered
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import is_ecg_name
from adapters.ecg.recording import (
    Caution,
    EcgDevice,
    EcgFilters,
    EcgPatient,
    EcgRecording,
    Lead,
)
from adapters.ecg.text import read_text
from adapters.ecg.units import is_counts, microvolts_of, read_sex

_HEADER_BYTES, _SIGNAL_BYTES = 256, 256
_MOST_SIGNALS = 512
_FIELDS = (("label", 16), ("transducer", 80), ("unit", 8), ("low", 8), ("high", 8), ("digital_low", 8),
           ("digital_high", 8), ("filters", 80), ("samples", 8), ("reserved", 32))  # fmt: skip
_NO_ECG = re.compile(
    r"^(eeg|emg|eog|resp|pleth|sao2|spo2|temp|status|trigger|edf annotations|bdf annotations)", re.IGNORECASE
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_ANNOTATIONS = re.compile(r"[EB]DF Annotations")
_ONSET = re.compile(rb"^([+-]\d+(?:\.\d*)?)\x14")
_AT_ONCE_BYTES = 1 << 22  # read in one go, of all signals; more is picked out record by record
_MOST_RECORDS, _MOST_INTERRUPTED = 10_000_000, 1_000_000
_LONGEST_S = 31 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signal:
    """One signal: what the header says, and where in a record its samples begin, counted in samples."""

    label: str
    unit: str
    gain: float
    offset: float
    filters: str
    samples: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """How the file is built."""

    start: int
    records: int
    duration_s: float
    record_samples: int
    width: int  # bytes of a sample: 2, or 3 of BDF
    kind: str  # EDF, EDF+C, EDF+D, BDF …


def is_edf(content: Content) -> bool:
    head = content.head[:256]
    return (
        len(head) == _HEADER_BYTES
        and (head[:8] == b"0       " or head[:8] == b"\xffBIOSEMI")
        and _looks_so(head)
    )


def _looks_so(head: bytes) -> bool:
    return head[184:192].strip().isdigit() and head[252:256].strip().isdigit()


def read_edf(content: Content, companions: Companions) -> EcgRecording:
    """Read the header; the samples are looked up where somebody looks."""
    layout, signals = _read_header(content)
    chosen, cautions = _choose(signals)
    rate = chosen[0].samples / layout.duration_s
    check_rate(rate)
    onsets = _onsets(content, layout, signals, rate) if layout.kind.endswith("+D") else None
    if onsets is not None:
        cautions.append(Caution(code="segments_joined"))
    head = content.take(0, _HEADER_BYTES)
    return assemble(
        format="edf",
        leads=[_lead(content, layout, signal, onsets) for signal in chosen],
        sampling_rate_hz=rate,
        started_at=_started_at(head),
        cautions=cautions,
        patient=_patient(head, plus="+" in layout.kind),
        device=EcgDevice(model=_equipment(head)),
        filters=_filters(chosen[0].filters),
    )


def _read_header(content: Content) -> tuple[_Layout, list[_Signal]]:
    head = content.take(0, _HEADER_BYTES, "EDF")
    count = _integer(head[252:256])
    if not 1 <= count <= _MOST_SIGNALS:
        raise NotAnEcg("no_leads" if count < 1 else "too_many_leads", str(count))
    start, records, duration = _integer(head[184:192]), _integer(head[236:244]), _number(head[244:252])
    if start < _HEADER_BYTES + count * _SIGNAL_BYTES:
        raise NotAnEcg("damaged", "EDF")
    if not 0 < duration < 1e6:
        raise NotAnEcg("absurd_rate", f"{duration:g} s")
    width = 3 if head[0] == 0xFF else 2
    signals = _signals(content.take(_HEADER_BYTES, count * _SIGNAL_BYTES, "EDF"), count)
    record_samples = sum(signal.samples for signal in signals)
    present = (content.size - start) // max(1, record_samples * width)
    if records == -1:  # never closed: as many as there are
        records = present
    if records > present:
        raise NotAnEcg("truncated", f"{present} / {records}")
    if not 0 < records <= _MOST_RECORDS or not record_samples:
        raise NotAnEcg("no_leads")
    kind = read_text(head[192:236])[:5]
    return (
        _Layout(
            start=start,
            records=records,
            duration_s=duration,
            record_samples=record_samples,
            width=width,
            kind=kind,
        ),
        signals,
    )


def _signals(block: bytes, count: int) -> list[_Signal]:
    fields: list[dict[str, bytes]] = [{} for _ in range(count)]
    at = 0
    for name, size in _FIELDS:
        for number in range(count):
            fields[number][name] = block[at : at + size]
            at += size
    signals, position = [], 0
    for found in fields:
        signals.append(_signal(found, position))
        position += signals[-1].samples
    return signals


def _signal(found: dict[str, bytes], position: int) -> _Signal:
    samples = _integer(found["samples"])
    if not 0 <= samples <= 1 << 24:
        raise NotAnEcg("damaged", "EDF")
    label = read_text(found["label"])
    low, high = _number(found["low"]), _number(found["high"])
    digital_low, digital_high = _number(found["digital_low"]), _number(found["digital_high"])
    span = digital_high - digital_low
    gain = (high - low) / span if span else 0.0  # 0: nothing can be drawn of it
    offset = low - digital_low * gain
    return _Signal(
        label=label,
        unit=read_text(found["unit"]),
        gain=gain,
        offset=offset,
        filters=read_text(found["filters"]),
        samples=samples,
        at=position,
    )


def _choose(signals: list[_Signal]) -> tuple[list[_Signal], list[Caution]]:
    voltages = [signal for signal in signals if _is_ecg(signal)]
    told = []
    if not voltages:
        voltages = [signal for signal in signals if is_counts(signal.unit) and is_ecg_name(signal.label)]
        told = [Caution(code="not_calibrated", about=signal.label) for signal in voltages]
    if not voltages:
        raise NotAnEcg("no_leads", ", ".join(signal.label for signal in signals[:5]))
    candidates = [
        signal for signal in voltages if is_ecg_name(signal.label)
    ] or voltages  # not a sleeper's EEG
    rate = Counter(signal.samples for signal in candidates).most_common(1)[0][0]
    chosen = [signal for signal in candidates if signal.samples == rate and rate and signal.gain]
    if not chosen and rate:
        raise NotAnEcg("scale_unknown", candidates[0].label)
    left = [signal for signal in signals if signal not in chosen and "nnotations" not in signal.label]
    if not chosen:
        raise NotAnEcg("no_leads")
    told = [caution for caution in told if any(caution.about == signal.label for signal in chosen)]
    return chosen, [*told, *(Caution(code="lead_left_out", about=signal.label) for signal in left)]


def _is_ecg(signal: _Signal) -> bool:
    return microvolts_of(signal.unit) is not None and not _NO_ECG.match(signal.label)


def _lead(content: Content, layout: _Layout, signal: _Signal, onsets: NDArray[np.int64] | None) -> Lead:
    microvolts = 1.0 if is_counts(signal.unit) else microvolts_of(signal.unit) or 0.0
    channel: Scattered = _Channel(content, layout, signal)
    if onsets is not None:
        channel = _Spread(channel, onsets, signal.samples)
    return Lead(
        name=signal.label,
        digital=cast("NDArray[Any]", channel),
        gain_uv=signal.gain * microvolts,
        offset_uv=signal.offset * microvolts,
    )


class _Channel(Scattered):
    """The samples of one signal: a stretch of every record."""

    def __init__(self, content: Content, layout: _Layout, signal: _Signal) -> None:
        super().__init__(layout.records * signal.samples, np.int16 if layout.width == 2 else np.int32)
        self._content, self._layout, self._signal = content, layout, signal

    def window(self, start: int, stop: int) -> NDArray[Any]:
        per_record = self._signal.samples
        first, last = start // per_record, -(-stop // per_record)
        octets = self._stretches(first, last)
        values = octets.view("<i2").reshape(-1) if self._layout.width == 2 else _of_24_bits(octets)
        return values[start - first * per_record : stop - first * per_record]

    def _stretches(self, first: int, last: int) -> NDArray[np.uint8]:
        layout, size = self._layout, self._layout.record_samples * self._layout.width
        begin, length = self._signal.at * layout.width, self._signal.samples * layout.width
        if (last - first) * size <= _AT_ONCE_BYTES:
            whole = np.frombuffer(
                self._content.take(layout.start + first * size, (last - first) * size), dtype=np.uint8
            )
            return np.ascontiguousarray(whole.reshape(-1, size)[:, begin : begin + length])
        parts = (
            self._content.take(layout.start + record * size + begin, length) for record in range(first, last)
        )
        return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, length)


def _of_24_bits(octets: NDArray[np.uint8]) -> NDArray[np.int32]:
    parts = octets.reshape(-1, 3).astype(np.int32)
    return ((parts[:, 2] << 24 | parts[:, 1] << 16 | parts[:, 0] << 8) >> 8).astype(np.int32)


class _Spread(Scattered):
    """The same, with every record where it was recorded; NaN between them."""

    def __init__(self, channel: Scattered, onsets: NDArray[np.int64], per_record: int) -> None:
        super().__init__(int(onsets[-1]) + per_record, np.float32)
        self._channel, self._onsets, self._per_record = channel, onsets, per_record

    def window(self, start: int, stop: int) -> NDArray[Any]:
        values = np.full(stop - start, np.nan, dtype=np.float32)
        first = int(np.searchsorted(self._onsets, start - self._per_record, side="right"))
        for record in range(first, int(np.searchsorted(self._onsets, stop))):
            onset = int(self._onsets[record])
            begin, end = max(start, onset), min(stop, onset + self._per_record)
            at = record * self._per_record - onset
            values[begin - start : end - start] = self._channel.window(begin + at, end + at)
        return values


def _onsets(
    content: Content, layout: _Layout, signals: list[_Signal], rate: float
) -> NDArray[np.int64] | None:
    """EDF+D, BDF+D: where each record begins, in samples; it stands first in its annotations (EDF+ 2.2.4). None: no gaps."""
    annotations = next((signal for signal in signals if _ANNOTATIONS.match(signal.label)), None)
    if annotations is None or layout.records > _MOST_INTERRUPTED:
        raise NotAnEcg("damaged", "EDF+D")
    seconds = []
    for record in range(layout.records):
        at = layout.start + (record * layout.record_samples + annotations.at) * layout.width
        onset = _ONSET.match(content.take(at, annotations.samples * layout.width))
        if onset is None:
            raise NotAnEcg("damaged", "EDF+D")
        seconds.append(float(onset[1]))
    since = np.array(seconds) - seconds[0]
    steps = np.diff(since)
    if (steps < layout.duration_s * 0.999).any() or since[-1] > _LONGEST_S:
        raise NotAnEcg("damaged", "EDF+D")
    if (steps < layout.duration_s * 1.5).all():
        return None
    found: NDArray[np.int64] = np.rint(since * rate).astype(np.int64)
    return found


def _started_at(head: bytes) -> datetime | None:
    """EDF+ repeats the date with four digits of the year; EDF's two turn at 1985."""
    clock = re.fullmatch(rb"(\d\d)[.:](\d\d)[.:](\d\d)", head[176:184].strip())
    day = _long_date(read_text(head[88:168]).removeprefix("Startdate ").split(" ")[0]) or _short_date(
        head[168:176]
    )
    if clock is None or day is None:
        return None
    try:
        hour, minute, second = map(int, clock.groups())
        return datetime(day.year, day.month, day.day, hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def _short_date(text: bytes) -> date | None:
    found = re.fullmatch(rb"(\d\d)[./-](\d\d)[./-](\d\d)", text.strip())
    if found is None:
        return None
    day, month, year = map(int, found.groups())
    try:
        return date(year + (1900 if year >= 85 else 2000), month, day)
    except ValueError:
        return None


def _long_date(text: str) -> date | None:
    found = re.fullmatch(r"(\d{1,2})-([A-Z]{3})-(\d{4})", text.upper())
    if found is None or found[2] not in _MONTHS:
        return None
    try:
        return date(int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]))
    except ValueError:
        return None


def _patient(head: bytes, *, plus: bool) -> EcgPatient:
    """EDF+: number, sex, birth date, name, with underscores for spaces; EDF: free text."""
    text = read_text(head[8:88])
    parts = text.split(" ")
    if not plus or len(parts) < 4:
        return EcgPatient(patient_id="" if text in ("X", "X X X X") else text)
    number, sex, birth, name = ("" if part == "X" else part.replace("_", " ") for part in parts[:4])
    return EcgPatient(patient_id=number, name=name, sex=read_sex(sex), birth_date=_long_date(birth))


def _equipment(head: bytes) -> str:
    parts = read_text(head[88:168]).split(" ")
    return (
        parts[4].replace("_", " ") if len(parts) > 4 and parts[0] == "Startdate" and parts[4] != "X" else ""
    )


def _filters(text: str) -> EcgFilters:
    """`HP:0.1Hz LP:75Hz N:50Hz` (EDF specification, prefiltering)."""
    found = {
        key.upper(): float(value)
        for key, value in re.findall(r"(HP|LP|N):\s*(\d+(?:\.\d+)?)", text, re.IGNORECASE)
    }
    return EcgFilters(
        high_pass_hz=found.get("HP") or None,
        low_pass_hz=found.get("LP") or None,
        notch_hz=found.get("N") or None,
    )


def _integer(raw: bytes) -> int:
    return int(_number(raw))


def _number(raw: bytes) -> float:
    text = raw.strip(b" \0").decode("latin-1").replace(",", ".")
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d{1,3})?", text):
        raise NotAnEcg("damaged", "EDF")
    return float(text)
