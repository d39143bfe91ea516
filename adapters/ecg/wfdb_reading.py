"""WFDB records: a text header, and signal files that it names; several segments are laid on one axis.

Read here and not with `wfdb`, which takes files by path and whole, as float64: every format, several signal files,
samples per frame, byte offsets, skew, multi-segment records of both layouts. A gain of 0 means "not calibrated" and
WFDB's own 200 per millivolt is assumed, which the tracing says.

Names in a header are names only: never a path. Only what was sent together is looked at.

Formats: WFDB Applications Guide, header(5), signal(5).
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.assembling import assemble, check_rate
from adapters.ecg.content import Companions, Content, Scattered
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import is_ecg_name, unique_names
from adapters.ecg.recording import (
    MOST_LEADS,
    Caution,
    EcgDevice,
    EcgRecording,
    Lead,
)
from adapters.ecg.units import microvolts_of
from adapters.ecg.wfdb_header import (
    HEADER_LIMIT_BYTES,
    RECORD,
    RECORD_BEGINNING,
    SEGMENT,
    SIGNAL,
    Comments,
    Header,
    Signal,
    lines_of,
    read_header,
)
from adapters.ecg.wfdb_signals import Files, frames_of, lead_of


def is_wfdb(content: Content) -> bool:
    head = content.head
    if b"\0" in head or content.size > HEADER_LIMIT_BYTES:
        return False
    lines = [line for line in lines_of(head) if line and not line.startswith("#")]
    if content.suffix == ".hea":  # whatever else is wrong with it: it can be said
        return bool(lines and RECORD_BEGINNING.match(lines[0]))
    return len(lines) > 1 and bool(
        RECORD.match(lines[0]) and (SIGNAL.match(lines[1]) or SEGMENT.match(lines[1]))
    )


def names_needed(content: Content) -> tuple[str, ...]:
    """The files that a header names: signal files, or the headers of its segments."""
    header = read_header(content)
    if header.segments:
        return tuple(dict.fromkeys(f"{name}.hea" for name, _ in header.segments if name != "~"))
    return tuple(dict.fromkeys(signal.file for signal in header.signals))


def read_wfdb(content: Content, companions: Companions) -> EcgRecording:
    """Read a header and what it names."""
    header = read_header(content)
    if header.segments:
        leads, rate, cautions = _read_segments(header, companions)
    else:
        leads, rate, cautions = _read_signals(header, companions)
    notes = Comments(header.comments)
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


def _read_signals(header: Header, companions: Companions) -> tuple[list[Lead], float, list[Caution]]:
    chosen = _voltages(header)
    cautions = [
        Caution(code="lead_left_out", about=signal.description)
        for signal in header.signals
        if signal not in chosen
    ]
    rate = header.rate * chosen[0].per_frame
    check_rate(rate)
    files = Files(companions)
    frames = frames_of(header, files)
    leads = []
    for number, signal in enumerate(header.signals):
        if signal not in chosen:
            continue
        leads.append(lead_of(header, number, files, frames))
        if not signal.calibrated:
            cautions.append(Caution(code="not_calibrated", about=signal.description))
    return leads, rate, cautions


def _voltages(header: Header) -> list[Signal]:
    """Voltage signals of the rate that most ECGs among them have."""
    voltages = [signal for signal in header.signals if microvolts_of(signal.unit) is not None]
    if not voltages:
        raise NotAnEcg("no_leads", ", ".join(signal.description for signal in header.signals[:5]))
    if len(voltages) > MOST_LEADS:
        raise NotAnEcg("too_many_leads", str(len(voltages)))
    rates = [signal.per_frame for signal in voltages if is_ecg_name(signal.description)]
    rates = rates or [signal.per_frame for signal in voltages]
    common = max(set(rates), key=rates.count)
    return [signal for signal in voltages if signal.per_frame == common]


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


def _read_segments(header: Header, companions: Companions) -> tuple[list[Lead], float, list[Caution]]:
    """Fixed layout: all segments have the same signals. Variable: the first, of length 0, lists what may come."""
    pieces: dict[str, list[tuple[int, Lead]]] = {}
    cautions: list[Caution] = []
    rate, at = None, 0
    for name, samples in header.segments:
        if name != "~" and samples:
            found = companions(f"{name}.hea")
            if found is None:
                raise NotAnEcg("waits_for", f"{name}.hea")
            inner = read_header(found)
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
    total = at * round(rate / header.rate)
    joined = [
        Lead(name=name, digital=cast("NDArray[Any]", _Joined(total, found))) for name, found in pieces.items()
    ]
    return (
        joined,
        rate,
        [*dict.fromkeys(cautions), Caution(code="segments_joined", about=str(len(header.segments)))],
    )


def _add_pieces(
    pieces: dict[str, list[tuple[int, Lead]]], leads: list[Lead], at: int, frames: int, per_frame: int
) -> None:
    names = unique_names([lead.name for lead in leads])
    for name, lead in zip(names, leads, strict=True):
        if lead.samples < frames * per_frame:
            raise NotAnEcg("truncated", lead.name)
        short = replace(lead, digital=lead.digital[: frames * per_frame]) if lead.samples < 1 << 22 else lead
        pieces.setdefault(name, []).append((at * per_frame, short))
