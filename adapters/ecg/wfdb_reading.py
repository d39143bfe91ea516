"""WFDB records: a text header, and signal files that it names; several segments are laid on one axis.

Read here and not with `wfdb`, which takes files by path and whole, as float64: formats 16, 24, 32, 61, 80, 160, 212,
310 and 311, several signal files, samples per frame, byte offsets, skew, multi-segment records of both layouts.
Formats 8 (differences), 508, 516 and 524 (FLAC) can only be decoded from their beginning: whole, up to
DECODED_SAMPLES. A gain of 0 means "not calibrated" and WFDB's own
200 per millivolt is assumed, which the tracing says.

Names in a header are names only: never a path. Only what was sent together is looked at.

Formats: WFDB Applications Guide, header(5), signal(5).
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.assembling import assemble, check_rate
from adapters.ecg.content import Companions, Content, Decoded, Scattered
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import (
    MOST_LEADS,
    Caution,
    EcgDevice,
    EcgFilters,
    EcgMeasurements,
    EcgPatient,
    EcgRecording,
    Lead,
)
from adapters.ecg.text import read_text
from adapters.ecg.units import microvolts_of, read_sex

_HEADER_LIMIT_BYTES = 1 << 20
_MOST_SEGMENTS = 10_000
DECODED_SAMPLES = 1 << 24  # of all signals of a file
_DEFAULT_RATE, _DEFAULT_GAIN = 250.0, 200.0  # header(5)
_RECORD = re.compile(
    r"^(?P<name>[\w.\-]+)(?:/(?P<segments>\d+))?[ \t]+(?P<signals>\d+)(?:[ \t]+(?P<rate>[\d.eE+-]+)(?:/[^ \t]*)?"
    r"(?:[ \t]+(?P<samples>\d+)(?:[ \t]+(?P<time>\d{1,2}:\d{1,2}(?::\d{1,2}(?:\.\d*)?)?)"
    r"(?:[ \t]+(?P<date>\d{1,2}/\d{1,2}/\d{4}))?)?)?)?[ \t]*$"
)
_SIGNAL = re.compile(
    r"^(?P<file>\S+)[ \t]+(?P<format>\d+)(?:x(?P<per_frame>\d+))?(?::(?P<skew>\d+))?(?:\+(?P<offset>\d+))?"
    r"(?:[ \t]+(?P<gain>[\d.eE+-]+)(?:\((?P<baseline>[+-]?\d+)\))?(?:/(?P<unit>\S+))?"
    r"(?:[ \t]+(?P<bits>\d+)(?:[ \t]+(?P<zero>[+-]?\d+)(?:[ \t]+(?P<first>[+-]?\d+)(?:[ \t]+(?P<checksum>[+-]?\d+)"
    r"(?:[ \t]+(?P<block>\d+)(?:[ \t]+(?P<description>.*))?)?)?)?)?)?)?[ \t]*$"
)
_SEGMENT = re.compile(r"^(?P<name>[\w.\-~]+)[ \t]+(?P<samples>\d+)[ \t]*$")
_ALIGNED = {"16": "<i2", "61": ">i2", "32": "<i4"}
# Bits of a sample, and the lowest value, which says "no sample".
_FLAC_BITS = {"508": 8, "516": 16, "524": 24}
_DIFFERENCES = "8"
_PACKED_BITS = {
    "80": 8,
    "160": 16,
    "212": 12,
    "310": 10,
    "311": 10,
    "24": 24,
    "16": 16,
    "61": 16,
    "32": 32,
    "8": 8,
}
_MEASURED = {
    "heart rate (bpm)": "heart_rate_bpm", "rr (ms)": "rr_ms", "p (ms)": "p_ms", "pr (ms)": "pr_ms",
    "qrs (ms)": "qrs_ms", "qt (ms)": "qt_ms", "qtc (ms)": "qtc_ms", "p axis (deg)": "p_axis_deg",
    "qrs axis (deg)": "qrs_axis_deg", "t axis (deg)": "t_axis_deg",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class _Signal:
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
class _Header:
    name: str
    rate: float
    samples: int | None  # of a signal, in frames
    started_at: datetime | None
    signals: tuple[_Signal, ...]
    segments: tuple[tuple[str, int], ...]
    comments: tuple[str, ...]


def is_wfdb(content: Content) -> bool:
    head = content.head
    if b"\0" in head or content.size > _HEADER_LIMIT_BYTES:
        return False
    lines = [
        line for line in head.decode("latin-1").splitlines() if line.strip() and not line.startswith("#")
    ]
    return bool(lines and _RECORD.match(lines[0])) and (
        len(lines) == 1 or bool(_SIGNAL.match(lines[1]) or _SEGMENT.match(lines[1]))
    )


def names_needed(content: Content) -> tuple[str, ...]:
    """The files that a header names: signal files, or the headers of its segments."""
    header = _read_header(content)
    if header.segments:
        return tuple(dict.fromkeys(f"{name}.hea" for name, _ in header.segments if name != "~"))
    return tuple(dict.fromkeys(signal.file for signal in header.signals))


def read_wfdb(content: Content, companions: Companions) -> EcgRecording:
    """Read a header and what it names."""
    header = _read_header(content)
    if header.segments:
        leads, rate, cautions = _read_segments(header, companions)
    else:
        leads, rate, cautions = _read_signals(header, companions)
    notes = _Comments(header.comments)
    derived = notes.after("Calculated leads: ").split()
    return assemble(
        format="wfdb",
        leads=[replace(lead, derived=lead.name in derived) for lead in leads],
        sampling_rate_hz=rate,
        started_at=header.started_at,
        cautions=cautions,
        statements=notes.all_after("Device statement: "),
        patient=notes.patient(),
        device=EcgDevice(model=notes.after("Device: ")),
        filters=notes.filters(),
        measurements=notes.measurements(),
    )


def _read_header(content: Content) -> _Header:
    if content.size > _HEADER_LIMIT_BYTES:
        raise NotAnEcg("too_large", content.name)
    lines = [line.strip() for line in read_text(content.whole()).splitlines()]
    comments = tuple(line.lstrip("# ") for line in lines if line.startswith("#"))
    told = [line for line in lines if line and not line.startswith("#")]
    record = _RECORD.match(told[0]) if told else None
    if record is None:
        raise NotAnEcg("damaged", content.name)
    count, segments = int(record["signals"]), int(record["segments"] or 0)
    if segments > _MOST_SEGMENTS:
        raise NotAnEcg("too_large", str(segments))
    if not 1 <= count <= 256:
        raise NotAnEcg("no_leads" if count < 1 else "too_many_leads", str(count))
    wanted = segments or count
    if len(told) - 1 < wanted:
        raise NotAnEcg("truncated", content.name)
    return _Header(
        name=record["name"],
        rate=_float(record["rate"], _DEFAULT_RATE),
        samples=int(record["samples"]) if record["samples"] and int(record["samples"]) else None,
        started_at=_started_at(record["date"], record["time"]),
        signals=() if segments else tuple(_signal(line) for line in told[1 : wanted + 1]),
        segments=tuple(_segment(line) for line in told[1 : wanted + 1]) if segments else (),
        comments=comments,
    )


def _segment(line: str) -> tuple[str, int]:
    found = _SEGMENT.match(line)
    if found is None:
        raise NotAnEcg("damaged", line[:40])
    return found["name"], int(found["samples"])


def _signal(line: str) -> _Signal:
    found = _SIGNAL.match(line)
    if found is None or "/" in found["file"] or "\\" in found["file"] or found["file"] in (".", ".."):
        raise NotAnEcg("damaged", line[:40])
    gain = _float(found["gain"], 0.0)
    zero = int(found["zero"] or 0)
    return _Signal(
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
        description=(found["description"] or "").strip(),
    )


def _float(text: str | None, otherwise: float) -> float:
    try:
        return float(text) if text is not None else otherwise
    except ValueError as error:
        raise NotAnEcg("damaged", text or "") from error


def _started_at(date: str | None, time: str | None) -> datetime | None:
    """A time without a date says nothing of when."""
    if not date or not time:
        return None
    day, month, year = map(int, date.split("/"))
    hour, minute, second = (*time.split(":"), "0")[:3]
    try:
        whole, _, fraction = second.partition(".")
        micro = int(fraction[:6].ljust(6, "0")) if fraction else 0
        return datetime(year, month, day, int(hour), int(minute), int(whole), micro)  # noqa: DTZ001
    except ValueError:
        return None


# --- signals ---------------------------------------------------------------------------------------------------------


def _read_signals(header: _Header, companions: Companions) -> tuple[list[Lead], float, list[Caution]]:
    chosen = _voltages(header)
    cautions = [
        Caution(code="lead_left_out", about=signal.description)
        for signal in header.signals
        if signal not in chosen
    ]
    rate = header.rate * chosen[0].per_frame
    check_rate(rate)
    files = _Files(companions)
    frames = _frames(header, files)
    leads = []
    for number, signal in enumerate(header.signals):
        if signal not in chosen:
            continue
        leads.append(_lead(header, number, files, frames))
        if not signal.calibrated:
            cautions.append(Caution(code="not_calibrated", about=signal.description))
    return leads, rate, cautions


def _voltages(header: _Header) -> list[_Signal]:
    """Voltage signals of the rate that most of them have."""
    voltages = [signal for signal in header.signals if microvolts_of(signal.unit) is not None]
    if not voltages:
        raise NotAnEcg("no_leads")
    if len(voltages) > MOST_LEADS:
        raise NotAnEcg("too_many_leads", str(len(voltages)))
    rates = [signal.per_frame for signal in voltages]
    common = max(set(rates), key=rates.count)
    return [signal for signal in voltages if signal.per_frame == common]


class _Files:
    """The signal files of one record; what cannot be looked up by its place is decoded once."""

    def __init__(self, companions: Companions) -> None:
        self._companions = companions
        self._decoded: dict[str, NDArray[np.int32]] = {}

    def open(self, signal: _Signal) -> Content:
        found = self._companions(signal.file)
        if found is None:
            raise NotAnEcg("waits_for", signal.file)
        if signal.format not in _PACKED_BITS and signal.format not in _FLAC_BITS:
            raise NotAnEcg("unsupported", f"WFDB format {signal.format}")
        return found

    def decoded(self, signal: _Signal) -> NDArray[np.int32]:
        """FLAC: the shape is (samples, signals)."""
        if signal.file not in self._decoded:
            self._decoded[signal.file] = _of_flac(self.open(signal), signal)
        return self._decoded[signal.file]

    def samples(self, signal: _Signal) -> int:
        """How many there are, of all signals of the file together."""
        if signal.format in _FLAC_BITS:
            return int(self.decoded(signal).size)
        return _samples_in(self.open(signal).size - signal.offset, signal.format)


def _of_flac(content: Content, signal: _Signal) -> NDArray[np.int32]:
    import soundfile  # noqa: PLC0415 - wfdb's way to FLAC; a library that few processes ever need

    try:
        with soundfile.SoundFile(io.BytesIO(content.whole())) as stream:
            if stream.frames * stream.channels > DECODED_SAMPLES or stream.frames < signal.offset:
                raise NotAnEcg("too_large", content.name)
            if stream.format != "FLAC":
                raise NotAnEcg("damaged", content.name)
            stream.seek(signal.offset)
            values = stream.read(dtype="int32", always_2d=True)
            bits = {"PCM_S8": 8, "PCM_16": 16, "PCM_24": 24}.get(stream.subtype, 32)
            if bits > _FLAC_BITS[signal.format] or values.shape[0] != stream.frames - signal.offset:
                raise NotAnEcg("truncated", content.name)
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise NotAnEcg("damaged", content.name) from error
    found: NDArray[np.int32] = values >> (32 - bits)
    return found


def _layout(header: _Header, number: int) -> tuple[int, int]:
    """Where in a frame of its file a signal begins, and how many samples the frame has."""
    file = header.signals[number].file
    at = sum(signal.per_frame for signal in header.signals[:number] if signal.file == file)
    return at, sum(signal.per_frame for signal in header.signals if signal.file == file)


def _frames(header: _Header, files: _Files) -> int:
    """How many frames there are; held against the size of every signal file."""
    most = None
    for number, signal in enumerate(header.signals):
        _, in_frame = _layout(header, number)
        if not 1 <= signal.per_frame <= 1000:
            raise NotAnEcg("damaged", signal.description)
        present = files.samples(signal) // in_frame
        most = present if most is None else min(most, present)
    most = most or 0
    if header.samples is not None and header.samples > most:
        raise NotAnEcg("truncated", f"{most} / {header.samples}")
    return header.samples or most


def _samples_in(octets: int, form: str) -> int:
    if octets <= 0:
        return 0
    if form in ("310", "311"):
        return octets // 4 * 3 + {2: 1, 3: 2}.get(octets % 4, 0)
    return octets * 8 // _PACKED_BITS[form]


def _lead(header: _Header, number: int, files: _Files, frames: int) -> Lead:
    signal = header.signals[number]
    microvolts = microvolts_of(signal.unit) or 0.0
    gain = microvolts / signal.gain
    at, in_frame = _layout(header, number)
    return Lead(
        name=signal.description or f"Ch{number + 1}",
        digital=_digital(files, signal, at, in_frame, frames),
        gain_uv=gain,
        offset_uv=-signal.baseline * gain,
        missing=_missing(signal.format),
    )


def _missing(form: str) -> int | None:
    """The lowest value of a format says "no sample"; differences cannot say it."""
    bits = {**_PACKED_BITS, **_FLAC_BITS}[form]
    return None if form == _DIFFERENCES else -(1 << (bits - 1))


def _digital(files: _Files, signal: _Signal, at: int, in_frame: int, frames: int) -> NDArray[Any]:
    frames = max(0, min(frames, files.samples(signal) // in_frame - signal.skew))
    per_frame, content = signal.per_frame, files.open(signal)
    if signal.format in _FLAC_BITS:
        if in_frame != per_frame * files.decoded(signal).shape[1]:  # of all signals alike
            raise NotAnEcg("damaged", signal.file)
        first = signal.skew * per_frame
        return files.decoded(signal)[first : first + frames * per_frame, at // per_frame]
    if signal.format == _DIFFERENCES:
        return _summed(content, signal, at, in_frame)[signal.skew * per_frame :][: frames * per_frame]
    if signal.format in _ALIGNED and signal.per_frame == 1:
        kind = np.dtype(_ALIGNED[signal.format])
        start = signal.offset + (at + signal.skew * in_frame) * kind.itemsize
        return content.view(kind, start, frames, in_frame * kind.itemsize)

    def decode(start: int, stop: int) -> NDArray[Any]:
        first, last = start // signal.per_frame, -(-stop // signal.per_frame)
        flat = _flat(content, signal, (first + signal.skew) * in_frame, (last + signal.skew) * in_frame)
        own = flat.reshape(-1, in_frame)[:, at : at + signal.per_frame].reshape(-1)
        return own[start - first * signal.per_frame : stop - first * signal.per_frame]

    return cast("NDArray[Any]", Decoded(frames * signal.per_frame, np.int32, decode))


def _summed(content: Content, signal: _Signal, at: int, in_frame: int) -> NDArray[np.int32]:
    """Format 8: each byte is the difference to the sample before, the first one to the header's initial value."""
    if content.size - signal.offset > DECODED_SAMPLES:
        raise NotAnEcg("too_large", content.name)
    octets = np.frombuffer(content.take(signal.offset, content.size - signal.offset), dtype=np.uint8)
    frames = octets[: octets.size // in_frame * in_frame].view(np.int8).reshape(-1, in_frame)
    steps = frames[:, at : at + signal.per_frame].reshape(-1).astype(np.int32)
    found: NDArray[np.int32] = np.cumsum(steps, dtype=np.int32) + np.int32(signal.initial)
    return found


def _flat(content: Content, signal: _Signal, start: int, stop: int) -> NDArray[np.int32]:
    """Samples of all signals of a file, one after the other as they lie there."""
    unpack, samples, octets = _UNPACK[signal.format]
    first = start // samples * samples
    begin = signal.offset + first // samples * octets
    end = min(signal.offset + -(-stop // samples) * octets, content.size)
    raw = np.frombuffer(content.take(begin, end - begin), dtype=np.uint8)
    whole = -(-raw.size // octets) * octets
    if raw.size < whole:
        raw = np.concatenate([raw, np.zeros(whole - raw.size, dtype=np.uint8)])
    return unpack(raw)[start - first : stop - first]


def _two_complement(values: NDArray[Any], bits: int) -> NDArray[np.int32]:
    shift = 32 - bits
    return ((values.astype(np.int64) << shift).astype(np.int32) >> shift).astype(np.int32)


def _of_212(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    parts = raw.reshape(-1, 3).astype(np.int32)
    pairs = np.stack(
        [parts[:, 0] | (parts[:, 1] & 0x0F) << 8, parts[:, 2] | (parts[:, 1] & 0xF0) << 4], axis=1
    )
    return _two_complement(pairs.reshape(-1), 12)


def _of_310(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    words = raw.view("<u2").reshape(-1, 2).astype(np.int32)
    third = (words[:, 0] >> 11 & 0x1F) | (words[:, 1] >> 11 & 0x1F) << 5
    return _two_complement(
        np.stack([words[:, 0] >> 1, words[:, 1] >> 1, third], axis=1).reshape(-1) & 0x3FF, 10
    )


def _of_311(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    words = raw.view("<u4").astype(np.int64)
    return _two_complement(
        np.stack([words >> shift & 0x3FF for shift in (0, 10, 20)], axis=1).reshape(-1), 10
    )


def _of_24(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    parts = raw.reshape(-1, 3).astype(np.int32)
    return _two_complement(parts[:, 0] | parts[:, 1] << 8 | parts[:, 2] << 16, 24)


# Format: how to unpack it, and how many samples lie in how many bytes. 80 and 160 are offset binary.
_UNPACK: dict[str, tuple[Callable[[NDArray[np.uint8]], NDArray[np.int32]], int, int]] = {
    "16": (lambda raw: raw.view("<i2").astype(np.int32), 1, 2),
    "61": (lambda raw: raw.view(">i2").astype(np.int32), 1, 2),
    "32": (lambda raw: raw.view("<i4").astype(np.int32), 1, 4),
    "24": (_of_24, 1, 3),
    "80": (lambda raw: raw.astype(np.int32) - 128, 1, 1),
    "160": (lambda raw: raw.view("<u2").astype(np.int32) - 32768, 1, 2),
    "212": (_of_212, 2, 3),
    "310": (_of_310, 3, 4),
    "311": (_of_311, 3, 4),
}


# --- segments --------------------------------------------------------------------------------------------------------


class _Joined(Scattered):
    """Microvolts of one lead over several segments; NaN where a segment does not have it."""

    def __init__(self, samples: int, pieces: list[tuple[int, Lead]]) -> None:
        super().__init__(samples, np.float32)
        self._pieces = pieces

    def window(self, start: int, stop: int) -> NDArray[Any]:
        values = np.full(stop - start, np.nan, dtype=np.float32)
        for begin, lead in self._pieces:
            first, last = max(start, begin), min(stop, begin + lead.samples)
            if first < last:
                values[first - start : last - start] = lead.window_uv(first - begin, last - begin)
        return values


def _read_segments(header: _Header, companions: Companions) -> tuple[list[Lead], float, list[Caution]]:
    """Fixed layout: all segments have the same signals. Variable: the first, of length 0, lists what may come."""
    pieces: dict[str, list[tuple[int, Lead]]] = {}
    cautions: list[Caution] = []
    rate, at = None, 0
    for name, samples in header.segments:
        if name != "~" and samples:
            found = companions(f"{name}.hea")
            if found is None:
                raise NotAnEcg("waits_for", f"{name}.hea")
            inner = _read_header(found)
            if inner.segments or inner.rate != header.rate:
                raise NotAnEcg("unsupported", name)
            if any(microvolts_of(signal.unit) is not None for signal in inner.signals):
                leads, inner_rate, told = _read_signals(inner, companions)
                rate = rate or inner_rate
                if inner_rate != rate:
                    cautions.append(Caution(code="lead_left_out", about=name))
                else:
                    cautions += told
                    _add_pieces(pieces, leads, at, samples, round(rate / header.rate))
        at += samples
    if rate is None or not pieces:
        raise NotAnEcg("no_leads")
    if at > 1 << 40 or (header.samples is not None and header.samples > at):
        raise NotAnEcg("truncated", header.name)
    joined = [
        Lead(name=name, digital=cast("NDArray[Any]", _Joined(at, found))) for name, found in pieces.items()
    ]
    return (
        joined,
        rate,
        [*dict.fromkeys(cautions), Caution(code="segments_joined", about=str(len(header.segments)))],
    )


def _add_pieces(
    pieces: dict[str, list[tuple[int, Lead]]], leads: list[Lead], at: int, frames: int, per_frame: int
) -> None:
    for lead in leads:
        if lead.samples < frames * per_frame:
            raise NotAnEcg("truncated", lead.name)
        short = replace(lead, digital=lead.digital[: frames * per_frame]) if lead.samples < 1 << 22 else lead
        pieces.setdefault(lead.name, []).append((at * per_frame, short))


# --- comments --------------------------------------------------------------------------------------------------------


class _Comments:
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
