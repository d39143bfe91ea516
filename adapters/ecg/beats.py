"""From a stretch of samples to its beats: which leads can be used, where the R peaks are, what one beat looks like.

R peaks are found by ecgdatakit's Pan-Tompkins on the joint size of all leads, so that no single lead decides.
The median beat is made of the beats of the commonest kind alone.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from ecgdatakit.processing import detect_r_peaks
from numpy.typing import NDArray
from scipy import signal

from adapters.ecg.recording import HIGHEST_SAMPLING_RATE_HZ, EcgRecording

Samples = NDArray[np.float64]

RATE_HZ = 500  # at which everything is measured: IEC 60601-2-25 asks no less of a recorder
LOWEST_RATE_HZ = 100  # below this a QRS has no edges
BASELINE_HZ = 0.5  # of a filter without phase: bends neither ST nor T
SHORTEST_S = 3.0
MOST_MISSING = 0.01  # of a lead's samples; the gaps are bridged
CLIPPED_UV, MOST_CLIPPED = 1000.0, 0.05  # a lead that stays at its furthest value is a lead at its limit
FAINTEST_UV, GREATEST_UV = 20.0, 50_000.0  # from peak to peak
MAINS_HZ = (50.0, 60.0)

QRS_REACH = RATE_HZ // 10  # to each side of R, for comparing beats
BEFORE, AFTER = round(0.45 * RATE_HZ), round(0.75 * RATE_HZ)  # of R, in a median beat
ALIKE = 0.85  # correlation over all leads, from which on two beats are of one kind
COMMON_SHARE = 0.55  # of all beats is of the commonest kind, at least
MISSED_SHARE = 0.1  # of beats that were not found, from which on their rate is no rate
FEWEST_BEATS = 3
SLOWEST_BPM, FASTEST_BPM = 20, 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """The usable leads of a part of a recording, at RATE_HZ, in microvolts, without their baseline."""

    names: tuple[str, ...]
    uv: Samples  # shape (leads, samples)
    paced: bool  # spikes of a pacemaker stand before the beats


@dataclass(frozen=True, slots=True, kw_only=True)
class Beats:
    """The R peaks of a stretch, in samples, and its median beat with R at index BEFORE."""

    r_peaks: NDArray[np.intp]
    common: NDArray[np.intp]  # those whose beat is of the commonest kind and lies wholly within the stretch
    each_uv: Samples  # of `common`, aligned; shape (beats, leads, BEFORE + AFTER)
    median_uv: Samples  # shape (leads, BEFORE + AFTER)
    noise_uv: float  # of one beat against the median one, outside QRS and T


def find_stretch(recording: EcgRecording, start: int, stop: int) -> Stretch | None:
    """What is usable between two samples; None when nothing is."""
    rate = recording.sampling_rate_hz
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_SAMPLING_RATE_HZ or (stop - start) / rate < SHORTEST_S:
        return None
    names, rows = [], []
    for lead in recording.leads:
        with np.errstate(all="ignore"):  # of absurd gains; what comes of them is not finite or too great
            raw = lead.window_uv(start, stop).astype(np.float64)
        if (row := _bridged(raw)) is not None and not _clipped(row):
            names.append(lead.name)
            rows.append(row)
    if not rows:
        return None
    uv = _without_baseline(_at_our_rate(np.stack(rows), rate))
    kept = np.flatnonzero((np.ptp(uv, axis=1) >= FAINTEST_UV) & (np.ptp(uv, axis=1) <= GREATEST_UV))
    if not kept.size:
        return None
    paced = _spikes(np.stack(rows)[kept], rate)
    return Stretch(names=tuple(names[index] for index in kept), uv=_without_mains(uv[kept]), paced=paced)


def find_beats(stretch: Stretch) -> Beats | None:
    """None when there are too few alike, or what was found cannot be a heart's."""
    peaks = _r_peaks(stretch.uv)
    if len(peaks) < FEWEST_BEATS or not SLOWEST_BPM <= rate_bpm(peaks) <= FASTEST_BPM:
        return None
    inside = peaks[(peaks >= BEFORE + QRS_REACH) & (peaks + AFTER + QRS_REACH <= stretch.uv.shape[1])]
    if len(inside) < FEWEST_BEATS:
        return None
    common = _commonest(stretch.uv, inside)
    if len(common) < max(FEWEST_BEATS, COMMON_SHARE * len(inside)):
        return None
    each = np.stack([stretch.uv[:, peak - BEFORE : peak + AFTER] for peak in common])
    median = np.median(each, axis=0)
    if _missed(stretch.uv, median, peaks) > MISSED_SHARE * len(peaks):
        return None
    quiet = np.r_[0 : BEFORE - QRS_REACH]
    residual = each[:, :, quiet] - median[:, quiet]
    noise = 1.4826 * float(np.median(np.abs(residual)))
    return Beats(r_peaks=peaks, common=common, each_uv=each, median_uv=median, noise_uv=noise)


def rate_bpm(r_peaks: NDArray[np.intp]) -> float:
    """Of the ventricles, over all intervals."""
    return 60 * RATE_HZ / float(np.mean(np.diff(r_peaks)))


def _bridged(row: Samples) -> Samples | None:
    missing = ~np.isfinite(row)
    if not missing.any():
        return row
    if missing.mean() > MOST_MISSING:
        return None
    known = np.flatnonzero(~missing)
    return np.interp(np.arange(row.size), known, row[known])


def _clipped(row: Samples) -> bool:
    middle = np.median(row)
    limits = (row.min(), row.max())
    return any(abs(end - middle) >= CLIPPED_UV and np.mean(row == end) > MOST_CLIPPED for end in limits)


def _at_our_rate(uv: Samples, rate_hz: float) -> Samples:
    ratio = Fraction(RATE_HZ / rate_hz).limit_denominator(1000)
    if ratio == 1:
        return uv
    first = uv[:, :1]  # so that the filter does not see a step at the start
    resampled: Samples = signal.resample_poly(uv - first, ratio.numerator, ratio.denominator, axis=1)
    return resampled + first


def _without_baseline(uv: Samples) -> Samples:
    sections = signal.butter(2, BASELINE_HZ, "highpass", fs=RATE_HZ, output="sos")
    filtered: Samples = signal.sosfiltfilt(sections, uv - np.median(uv, axis=1, keepdims=True), axis=1)
    return filtered


def _without_mains(uv: Samples) -> Samples:
    """Takes the mains out where they are seen, and there alone: a notch rings."""
    spectrum = np.abs(np.fft.rfft(uv, axis=1)).mean(axis=0)
    at_hz = np.fft.rfftfreq(uv.shape[1], 1 / RATE_HZ)
    for mains in MAINS_HZ:
        line = spectrum[np.abs(at_hz - mains) <= 0.5].max()
        beside = np.median(spectrum[(np.abs(at_hz - mains) > 1) & (np.abs(at_hz - mains) < 8)])
        if line > 8 * beside:
            uv = signal.filtfilt(*signal.iirnotch(mains, 30, RATE_HZ), uv, axis=1)
    return uv


def _r_peaks(uv: Samples) -> NDArray[np.intp]:
    sections = signal.butter(2, (1, 40), "bandpass", fs=RATE_HZ, output="sos")
    joint = np.sqrt(np.mean(signal.sosfiltfilt(sections, uv, axis=1) ** 2, axis=0))
    return np.asarray(detect_r_peaks(joint, fs=RATE_HZ), dtype=np.intp)


def _commonest(uv: Samples, peaks: NDArray[np.intp]) -> NDArray[np.intp]:
    """The peaks of the commonest kind of beat, moved to where they fit each other best."""
    qrs = np.stack([uv[:, peak - QRS_REACH : peak + QRS_REACH].ravel() for peak in peaks])
    alike = np.atleast_2d(np.corrcoef(qrs)) >= ALIKE
    members = np.flatnonzero(alike[int(np.argmax(alike.sum(axis=1)))])
    model = np.median(qrs[members], axis=0)
    return np.array([peak + _shift(uv, int(peak), model) for peak in peaks[members]], dtype=np.intp)


def _missed(uv: Samples, beat: Samples, peaks: NDArray[np.intp]) -> int:
    """How many complexes like the median one stand where no R peak was found."""
    model = beat[:, BEFORE - QRS_REACH : BEFORE + QRS_REACH]
    overlap = np.sum(signal.fftconvolve(uv, model[:, ::-1], "same", axes=1), axis=0)
    energy = signal.fftconvolve(np.sum(uv**2, axis=0), np.ones(model.shape[1]), "same")
    fit = overlap / np.sqrt(np.maximum(energy, 1e-6) * np.sum(model**2))
    alike, _ = signal.find_peaks(
        np.where(overlap > 0.5 * np.sum(model**2), fit, 0), ALIKE, distance=QRS_REACH
    )
    distance = np.abs(alike[:, None] - peaks[None, :]).min(axis=1) if alike.size else np.array([])
    return int(np.sum(distance > QRS_REACH))


def _shift(uv: Samples, peak: int, model: Samples) -> int:
    """By how many samples a beat is to be moved to lie on the model."""
    shifts = range(-RATE_HZ // 50, RATE_HZ // 50 + 1)
    fits = [float(uv[:, peak + by - QRS_REACH : peak + by + QRS_REACH].ravel() @ model) for by in shifts]
    return shifts[int(np.argmax(fits))]


def _spikes(uv: Samples, rate_hz: float) -> bool:
    """Whether needles of at most 3 ms and over half a millivolt come again and again: no heart makes these."""
    reach = max(1, round(0.003 * rate_hz))
    if rate_hz < 2 * LOWEST_RATE_HZ or uv.shape[1] <= 4 * reach:
        return False
    middle = uv[:, reach:-reach]
    needle = np.minimum(np.abs(middle - uv[:, : -2 * reach]), np.abs(middle - uv[:, 2 * reach :]))
    same_side = np.sign(middle - uv[:, : -2 * reach]) == np.sign(middle - uv[:, 2 * reach :])
    height = (needle * same_side).max(axis=0)
    found, _ = signal.find_peaks(height, height=500, distance=max(1, round(0.2 * rate_hz)))
    return bool(len(found) >= max(3, uv.shape[1] / rate_hz / 3))
