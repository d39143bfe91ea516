"""From what a format's reader found to an EcgRecording: names, order, derived leads, and what a reader must be told.

Cautions, by code (`about` is the lead or leads, where there is one):
`lead_flat` no voltage changes in it · `lead_missing_samples` part of it was not recorded · `saturated` it stands at
the end of its range · `leads_derived` calculated, not recorded · `lead_unknown` no name of the standard ·
`lead_left_out` in the file but no voltage, or of another rate · `clock_absurd` the cart's clock was not set ·
`clock_missing` no start time · `scale_doubtful` amplitudes that no heart has · `not_calibrated` the file gives no
microvolts, amplitudes mean nothing · `rate_assumed` the file gives no rate · `crc_wrong` a part's checksum is
wrong · `patient_unreadable` the patient's fields contradict themselves ·
`segments_joined` gaps between parts are shown as not recorded · `median_only` average beats, no rhythm.

Derived leads: III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2.
"""

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.acute import says_acute
from adapters.ecg.content import Combined
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.lead_names import standard_name, unique_names
from adapters.ecg.recording import (
    HIGHEST_SAMPLING_RATE_HZ,
    LOWEST_SAMPLING_RATE_HZ,
    MOST_LEADS,
    STANDARD_LEADS,
    Caution,
    EcgRecording,
    Lead,
)
from adapters.ecg.units import as_utc

# Weights of I and II in twice the derived lead, which keeps integers.
_DERIVED = {"III": (-2, 2), "aVR": (-1, -1), "aVL": (2, -1), "aVF": (-1, 2)}
_KNOWN = (*STANDARD_LEADS, "V7", "V8", "V9", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R", "V8R", "V9R", "X", "Y", "Z",
          "-aVR", "MLI", "MLII", "MLIII", "CC5", "CM5", "CM1", "CM2", "MCL1", "MCL6", "CS1", "D", "A", "J", "V")  # fmt: skip
_OF_TWELVE = 6  # leads by which a recording is a 12-lead ECG, or most of one
_KEPT_SAMPLES = 1 << 21  # of a derived lead; of a longer recording it is calculated where somebody looks
_LOOKED_AT = 60, 5000  # windows and samples of each, of a recording too long to be looked at whole
_PLATEAU_S = 0.02  # at the end of the range: no wave stays there so long
_RAIL_UV = 4000.0
_LARGEST_COUNT = 1e12  # converters have 32 bits at most
_LARGEST_UV, _SMALLEST_UV = 30_000.0, 40.0  # from peak to peak, of the middle lead


def assemble(
    *,
    format: str,
    leads: Sequence[Lead],
    sampling_rate_hz: float,
    started_at: datetime | None = None,
    cautions: Sequence[Caution] = (),
    statements: Sequence[str] = (),
    **facts: Any,
) -> EcgRecording:
    """A recording of what a file holds. `started_at` may have no zone; leads may be of different lengths."""
    _check(leads, sampling_rate_hz)
    names = unique_names([standard_name(lead.name) for lead in leads])
    named = [
        dataclasses.replace(lead, name=name) for lead, name in zip(_of_one_length(leads), names, strict=True)
    ]
    found = [*cautions, *_cautions_of(named, sampling_rate_hz)]
    derived = _derive(named)
    if derived:
        found.append(Caution(code="leads_derived", about=", ".join(lead.name for lead in derived)))
    moment = as_utc(started_at)
    if moment is None:
        found.append(Caution(code="clock_missing" if started_at is None else "clock_absurd"))
    lines = tuple(line for line in (_tidy(statement) for statement in statements) if line)
    return EcgRecording(
        format=format,
        leads=_in_order([*named, *derived]),
        sampling_rate_hz=float(sampling_rate_hz),
        started_at=moment,
        statements=lines,
        acute=says_acute(lines),
        cautions=tuple(dict.fromkeys(found)),
        **facts,
    )


def check_rate(sampling_rate_hz: float) -> None:
    """Refuse what is no rate of an ECG; NaN is none either."""
    if not LOWEST_SAMPLING_RATE_HZ <= sampling_rate_hz <= HIGHEST_SAMPLING_RATE_HZ:
        raise NotAnEcg("absurd_rate", f"{sampling_rate_hz:g} Hz")


def compact(samples: NDArray[Any]) -> NDArray[Any]:
    """The same numbers in the smallest type that holds them: whole ones as integers."""
    if samples.dtype.kind != "f":
        return samples
    if (
        samples.size
        and (np.abs(samples, where=np.isfinite(samples), out=np.zeros(samples.shape)) > _LARGEST_COUNT).any()
    ):
        raise NotAnEcg("damaged", f"> {_LARGEST_COUNT:g}")
    if not np.isfinite(samples).all():
        return np.where(np.isfinite(samples), samples, np.nan).astype(np.float32)
    low, high = (samples.min(), samples.max()) if samples.size else (0, 0)
    if max(-low, high) > 2**31 - 1 or not np.array_equal(samples, np.trunc(samples)):
        return samples.astype(np.float32)
    return samples.astype(np.int16 if low >= -32768 and high <= 32767 else np.int32)


def _check(leads: Sequence[Lead], sampling_rate_hz: float) -> None:
    if not leads or not any(lead.samples for lead in leads):
        raise NotAnEcg("no_leads")
    if len(leads) > MOST_LEADS:
        raise NotAnEcg("too_many_leads", str(len(leads)))
    check_rate(sampling_rate_hz)
    for lead in leads:
        if not np.isfinite(lead.gain_uv) or not np.isfinite(lead.offset_uv) or not lead.gain_uv:
            raise NotAnEcg("scale_unknown", lead.name)
        if abs(lead.gain_uv) > 1e7 or abs(lead.offset_uv) > 1e9:
            raise NotAnEcg("scale_unknown", f"{lead.name}: {lead.gain_uv:g} µV")


def _of_one_length(leads: Sequence[Lead]) -> list[Lead]:
    """Shorter leads are filled up with what was not recorded."""
    longest = max(lead.samples for lead in leads)
    return [lead if lead.samples == longest else _filled_up(lead, longest) for lead in leads]


def _filled_up(lead: Lead, samples: int) -> Lead:
    if samples > _KEPT_SAMPLES:
        raise NotAnEcg("damaged", f"{lead.name}: {lead.samples} / {samples}")
    values = np.full(samples, np.nan, dtype=np.float32)
    values[: lead.samples] = np.asarray(lead.digital)
    if lead.missing is not None:
        values[: lead.samples][np.asarray(lead.digital) == lead.missing] = np.nan
    return dataclasses.replace(lead, digital=values, missing=None)


def _in_order(leads: Sequence[Lead]) -> tuple[Lead, ...]:
    """A 12-lead ECG in the standard's order with what is more behind it; a Holter's few channels as they are."""
    if sum(lead.name in STANDARD_LEADS for lead in leads) < _OF_TWELVE:
        return tuple(leads)

    def place(lead: Lead) -> int:
        return STANDARD_LEADS.index(lead.name) if lead.name in STANDARD_LEADS else len(STANDARD_LEADS)

    return tuple(sorted(leads, key=place))


def _derive(leads: Sequence[Lead]) -> list[Lead]:
    """The limb leads that I and II give and the file does not have."""
    have = {lead.name: lead for lead in leads}
    one, two = have.get("I"), have.get("II")
    if one is None or two is None:
        return []
    return [_sum(name, one, two, weights) for name, weights in _DERIVED.items() if name not in have]


def _sum(name: str, one: Lead, two: Lead, weights: tuple[int, int]) -> Lead:
    offset = (weights[0] * one.offset_uv + weights[1] * two.offset_uv) / 2
    integers = (
        one.digital.dtype.kind in "iu" and two.digital.dtype.kind in "iu" and one.gain_uv == two.gain_uv
    )
    if integers and one.missing is None and two.missing is None:
        digital: Any = Combined(one.digital, weights[0], two.digital, weights[1])
        if one.samples <= _KEPT_SAMPLES:
            digital = digital.window(0, one.samples)
        return Lead(name=name, digital=digital, gain_uv=one.gain_uv / 2, offset_uv=offset, derived=True)
    microvolts = _Microvolts(one, two, weights)
    digital = microvolts.window(0, one.samples) if one.samples <= _KEPT_SAMPLES else microvolts
    return Lead(name=name, digital=cast("NDArray[Any]", digital), derived=True)


class _Microvolts(Combined):
    """The same of leads with different gains or with missing samples: in microvolts, NaN where one is missing."""

    def __init__(self, one: Lead, two: Lead, weights: tuple[int, int]) -> None:
        super().__init__(one.digital, weights[0], two.digital, weights[1])
        self.dtype, self._leads, self._weights = np.dtype(np.float32), (one, two), weights

    def window(self, start: int, stop: int) -> NDArray[Any]:
        one, two = (lead.window_uv(start, stop).astype(np.float64) for lead in self._leads)
        found: NDArray[Any] = ((one * self._weights[0] + two * self._weights[1]) / 2).astype(np.float32)
        return found


def _cautions_of(leads: Sequence[Lead], sampling_rate_hz: float) -> list[Caution]:
    found, spans, silent = [], [], 0
    for lead in leads:
        values = _glance(lead)
        finite = values[np.isfinite(values)]
        if lead.name not in _KNOWN:
            found.append(Caution(code="lead_unknown", about=lead.name))
        if finite.size < values.size:
            found.append(Caution(code="lead_missing_samples", about=lead.name))
        if not finite.size:
            silent += 1
        elif finite.min() == finite.max():
            found.append(Caution(code="lead_flat", about=lead.name))
        else:
            spans.append(float(finite.max() - finite.min()))
            if _is_saturated(lead, values, sampling_rate_hz):
                found.append(Caution(code="saturated", about=lead.name))
    if silent == len(leads):
        raise NotAnEcg("no_leads")
    if spans and not _SMALLEST_UV <= float(np.median(spans)) <= _LARGEST_UV:
        found.append(Caution(code="scale_doubtful"))
    return found


def _glance(lead: Lead) -> NDArray[np.float32]:
    """Microvolts of the whole, or of windows all over a long recording."""
    windows, size = _LOOKED_AT
    if lead.samples <= windows * size:
        return lead.window_uv()
    starts = np.linspace(0, lead.samples - size, windows).astype(int)
    return np.concatenate([lead.window_uv(int(start), int(start) + size) for start in starts])


def _is_saturated(lead: Lead, values: NDArray[np.float32], sampling_rate_hz: float) -> bool:
    """Whether it stays at its highest or lowest value where that is an end of the converter's range."""
    width = max(3, round(_PLATEAU_S * sampling_rate_hz))
    kind = np.dtype(lead.digital.dtype)
    ends = (np.iinfo(kind).min, np.iinfo(kind).max) if kind.kind in "iu" else ()
    rails = [end * lead.gain_uv + lead.offset_uv for end in ends]
    for extreme in (np.nanmin(values), np.nanmax(values)):
        at_rail = any(abs(extreme - rail) <= 1.5 * abs(lead.gain_uv) for rail in rails)
        if (at_rail or abs(extreme) >= _RAIL_UV) and _longest_run(values == extreme) >= width:
            return True
    return False


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.view(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max()) if edges.size else 0


def _tidy(statement: str) -> str:
    return " ".join(statement.replace("\0", " ").split())
