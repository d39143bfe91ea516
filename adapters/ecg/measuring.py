"""What can be measured in a recording by calculation: a proposal for its reader, never more.

Only what the samples show is proposed. `withheld` says why something is not: paced (then there is a rate alone),
no_p, no_t. A recording of more than a minute is measured in its first clean minute, and the proposal says in which.
Never raises, whatever the samples are.

How near this comes to what carts and known hearts say: docs/decisions/0011, tests/adapters/ecg/test_measuring.py.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from math import atan2, degrees, hypot, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.beats import BEFORE, RATE_HZ, Beats, Samples, Stretch, find_beats, find_stretch, rate_bpm
from adapters.ecg.delineation import Fiducials, find_fiducials
from adapters.ecg.qtc import corrected
from adapters.ecg.recording import EcgMeasurements, EcgRecording

SOURCE = "computed: this gateway, median beat over all leads (1)"  # counted up when it measures otherwise
WINDOW_S = 60.0
MOST_WINDOWS = 10  # looked at for a clean one
PACED_OTHERS = 3  # beats that are not like the others (or cut off), with which a paced rate is still a rate
FEWEST_INTERVALS = 3
REGULAR_MS = 120.0  # between the longest and the shortest RR; more is called an irregular rhythm
FAINTEST_AXIS_UV_MS = 1000.0  # area of a wave in the frontal plane; of less the direction is chance


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatFiducials:
    """Onsets and offsets in the median beat, in seconds from its R peak (those ahead of it are negative)."""

    p_on_s: float | None = None
    p_off_s: float | None = None
    qrs_on_s: float
    qrs_off_s: float
    t_off_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Measurements with where they come from; `r_peaks_s` are seconds from the start of the recording."""

    source: str
    measurements: EcgMeasurements
    qtc: Mapping[str, float | None]
    r_peaks_s: tuple[float, ...]
    regular: bool | None  # RR intervals alike; None when there are too few to say
    fiducials: BeatFiducials | None
    from_s: float  # what was looked at
    to_s: float
    beats: int  # that the median beat is made of
    noise_uv: float
    withheld: tuple[str, ...] = ()


def propose(recording: EcgRecording) -> Proposal | None:
    """None where there is no QRS that can be told from noise."""
    return next(filter(None, (_measure(recording, *window) for window in _windows(recording))), None)


def describe_proposal(proposal: Proposal) -> dict[str, Any]:
    """As JSON says it."""
    measurements = asdict(proposal.measurements) | {"qtc": dict(proposal.qtc)}
    for name in ("qtc_ms", "qtc_formula"):  # which formula is the reader's choice
        del measurements[name]
    return asdict(proposal) | {
        "measurements": measurements,
        "qtc": dict(proposal.qtc),
        "r_peaks_s": list(proposal.r_peaks_s),
        "withheld": list(proposal.withheld),
    }


def _windows(recording: EcgRecording) -> Iterator[tuple[int, int]]:
    rate = recording.sampling_rate_hz
    size = round(WINDOW_S * rate) if isfinite(rate) else 0
    for start in range(0, min(recording.samples, MOST_WINDOWS * size), max(1, size)):
        yield start, min(start + size, recording.samples)


def _measure(recording: EcgRecording, start: int, stop: int) -> Proposal | None:
    stretch = find_stretch(recording, start, stop)
    beats = find_beats(stretch) if stretch is not None else None
    if stretch is None or beats is None:
        return None
    rr_ms = 60_000 / rate_bpm(beats.r_peaks)
    usual = float(np.median(np.diff(beats.r_peaks)))
    fiducials = find_fiducials(beats, usual) if not stretch.paced else None
    if fiducials is None and not (stretch.paced and len(beats.r_peaks) - len(beats.common) <= PACED_OTHERS):
        return None
    measurements = _measurements(stretch, beats, fiducials, rr_ms)
    offset_s = start / recording.sampling_rate_hz + stretch.skipped_s
    return Proposal(
        source=SOURCE,
        measurements=measurements,
        qtc=corrected(measurements.qt_ms, rr_ms),
        r_peaks_s=tuple(round(offset_s + int(peak) / RATE_HZ, 3) for peak in beats.r_peaks),
        regular=_regular(beats.r_peaks),
        fiducials=_in_seconds(fiducials) if fiducials is not None else None,
        from_s=round(start / recording.sampling_rate_hz, 3),
        to_s=round(stop / recording.sampling_rate_hz, 3),
        beats=len(beats.common),
        noise_uv=round(beats.noise_uv, 1),
        withheld=_withheld(fiducials),
    )


def _withheld(fiducials: Fiducials | None) -> tuple[str, ...]:
    if fiducials is None:
        return ("paced",)
    return ("no_p",) * (fiducials.p is None) + ("no_t",) * (fiducials.t_off is None)


def _measurements(
    stretch: Stretch, beats: Beats, fiducials: Fiducials | None, rr_ms: float
) -> EcgMeasurements:
    rate = EcgMeasurements(heart_rate_bpm=float(round(60_000 / rr_ms)), rr_ms=float(round(rr_ms)))
    if fiducials is None:
        return rate
    frontal = _frontal(stretch.names, beats.median_uv)
    on, off, p, t_off = fiducials.qrs_on, fiducials.qrs_off, fiducials.p, fiducials.t_off
    return replace(
        rate,
        p_ms=_ms(p[1] - p[0]) if p else None,
        pr_ms=_ms(on - p[0]) if p else None,
        qrs_ms=_ms(off - on),
        qt_ms=_ms(t_off - on) if t_off is not None else None,
        p_axis_deg=_axis(frontal, *p, level=(p[0], p[1])) if p else None,
        qrs_axis_deg=_axis(frontal, on, off, level=(on, on)),
        t_axis_deg=_axis(frontal, (off + t_off) // 2, t_off, level=(on, t_off))
        if t_off is not None
        else None,
    )


def _ms(samples: int) -> float:
    return float(round(samples * 1000 / RATE_HZ))


def _regular(r_peaks: NDArray[np.intp]) -> bool | None:
    intervals_ms = np.diff(r_peaks) * 1000 / RATE_HZ
    return bool(np.ptp(intervals_ms) <= REGULAR_MS) if intervals_ms.size >= FEWEST_INTERVALS else None


def _in_seconds(found: Fiducials) -> BeatFiducials:
    def at(sample: int | None) -> float | None:
        return None if sample is None else (sample - BEFORE) / RATE_HZ

    return BeatFiducials(
        p_on_s=at(found.p and found.p[0]),
        p_off_s=at(found.p and found.p[1]),
        qrs_on_s=(found.qrs_on - BEFORE) / RATE_HZ,
        qrs_off_s=(found.qrs_off - BEFORE) / RATE_HZ,
        t_off_s=at(found.t_off),
    )


def _frontal(names: tuple[str, ...], uv: Samples) -> Samples | None:
    """The heart's vector in the frontal plane, leftwards and downwards, by Einthoven's triangle."""
    leads = dict(zip(names, uv, strict=True))
    one = leads.get("I")
    if one is None:
        return None
    if "II" in leads:
        return np.stack([one, (2 * leads["II"] - one) / sqrt(3)])
    return np.stack([one, 2 * leads["aVF"] / sqrt(3)]) if "aVF" in leads else None


def _axis(frontal: Samples | None, start: int, stop: int, level: tuple[int, int]) -> float | None:
    """Direction of a wave's area above the mean of two samples; None where it has none to speak of."""
    if frontal is None:
        return None
    baseline = frontal[:, level].mean(axis=1, keepdims=True)
    left, down = np.sum(frontal[:, start:stop] - baseline, axis=1) * 1000 / RATE_HZ
    return float(round(degrees(atan2(down, left)))) if hypot(left, down) >= FAINTEST_AXIS_UV_MS else None
