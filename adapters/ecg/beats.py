"""From a stretch of samples to its beats: which leads can be used, where the R peaks are, what one beat looks like.

R peaks are those of the leads' joint energy (after Pan and Tompkins, IEEE Trans Biomed Eng 1985;32:230), so that no
single lead decides; complexes that were missed are looked for with the median beat, which is made of the commonest
kind alone. NumPy is all it takes: scipy.signal would add 64 MB to every process that measures.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.recording import HIGHEST_SAMPLING_RATE_HZ, EcgRecording
from adapters.ecg.spectral import band, resample, without_baseline, without_mains

Samples = NDArray[np.float64]

RATE_HZ = 500  # at which everything is measured: IEC 60601-2-25 asks no less of a recorder
LOWEST_RATE_HZ = 100  # below this a QRS has no edges
SHORTEST_S = 3.0
MOST_MISSING = 0.01  # of a lead's samples; the gaps are bridged
CLIPPED_UV, MOST_CLIPPED = 1000.0, 0.05  # a lead that stays at its furthest value is a lead at its limit
PULSE_UV, PULSE_LEADS = 800.0, 6  # of calibration: 1 mV, in so many leads at once
FAINTEST_UV, GREATEST_UV = 20.0, 50_000.0  # from peak to peak

QRS_BAND_HZ = (5.0, 20.0)
QRS_LENGTH_S, REFRACTORY_S = 0.15, 0.18
LEVEL_S, LEVELS = 2.0, 5  # the usual height of a QRS: the median of so many maxima of so long
QRS_SHARE = 0.2  # of the usual energy
T_BEHIND_S, T_SHARE = 0.36, 0.25  # so near behind a QRS, and with less than this of its energy, it is its T
REFINE = RATE_HZ * 3 // 40
NEEDLE_UV, NEEDLE_S = 500.0, 0.003

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
    skipped_s: float  # of a calibration pulse ahead of it


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
    first, last = _without_calibration(rows)
    if (last - first) / rate < SHORTEST_S:
        return None
    rows = [row[first:last] for row in rows]
    uv = without_baseline(np.stack([resample(row, rate, RATE_HZ) for row in rows]), RATE_HZ)
    kept = np.flatnonzero((np.ptp(uv, axis=1) >= FAINTEST_UV) & (np.ptp(uv, axis=1) <= GREATEST_UV))
    if not kept.size:
        return None
    paced = _spikes([rows[index] for index in kept], rate)
    return Stretch(
        names=tuple(names[index] for index in kept),
        uv=without_mains(uv[kept], RATE_HZ),
        paced=paced,
        skipped_s=first / rate,
    )


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


def _without_calibration(rows: list[Samples]) -> tuple[int, int]:
    """The longest part without a pulse of calibration, which some carts write, too: all leads alike, as no heart does it.

    (I, II and aVR that are one value are 0: aVR = -(I + II) / 2.)
    """
    if len(rows) < PULSE_LEADS:
        return 0, rows[0].size
    lowest, highest = np.min(rows, axis=0), np.max(rows, axis=0)
    pulse = np.flatnonzero((highest - lowest < PULSE_UV / 10) & (np.abs(highest + lowest) > PULSE_UV))
    starts, stops = np.r_[0, pulse + 1], np.r_[pulse, rows[0].size]
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def _clipped(row: Samples) -> bool:
    middle = np.median(row)
    limits = (row.min(), row.max())
    return any(abs(end - middle) >= CLIPPED_UV and np.mean(row == end) > MOST_CLIPPED for end in limits)


def _r_peaks(uv: Samples) -> NDArray[np.intp]:
    """Where the energy of the slopes is that of a QRS, moved to where the leads are furthest from their middle."""
    slope = np.gradient(band(uv, *QRS_BAND_HZ, RATE_HZ), axis=1)
    width = round(QRS_LENGTH_S * RATE_HZ)
    energy = np.convolve(np.sum(slope**2, axis=0), np.ones(width) / width, "same")
    found = _maxima(energy, QRS_SHARE * _level(energy), round(REFRACTORY_S * RATE_HZ))
    beats: list[int] = []
    for at in found.tolist():
        is_t = beats and at - beats[-1] < T_BEHIND_S * RATE_HZ and energy[at] < T_SHARE * energy[beats[-1]]
        if not is_t:
            beats.append(at)
    size = np.sum(band(uv, 1, 40, RATE_HZ) ** 2, axis=0)
    peaks = [max(0, at - REFINE) + int(np.argmax(size[max(0, at - REFINE) : at + REFINE])) for at in beats]
    return np.unique(np.array(peaks, dtype=np.intp))


def _level(energy: Samples) -> Samples:
    """The usual height of a QRS about each sample."""
    size = round(LEVEL_S * RATE_HZ)
    greatest = np.array([energy[at : at + size].max() for at in range(0, energy.size, size)])
    about = np.pad(greatest, LEVELS // 2, mode="edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(about, LEVELS), axis=1)
    level: Samples = np.repeat(usual, size)[: energy.size]
    return level


def _maxima(values: Samples, lowest: Samples | float, distance: int) -> NDArray[np.intp]:
    """Local maxima above `lowest`; of those that are too near to each other the greater."""
    inner = values[1:-1]
    is_top = (
        (inner >= values[:-2]) & (inner > values[2:]) & (inner > np.broadcast_to(lowest, values.shape)[1:-1])
    )
    tops = np.flatnonzero(is_top) + 1
    free, kept = np.ones(values.size, dtype=bool), list[int]()
    for at in tops[np.argsort(-values[tops], kind="stable")].tolist():
        if free[at]:
            kept.append(at)
            free[max(0, at - distance + 1) : at + distance] = False
    return np.array(sorted(kept), dtype=np.intp)


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
    own = float(np.sum(model**2))
    overlap = np.sum(
        [np.correlate(lead, part, "valid") for lead, part in zip(uv, model, strict=True)], axis=0
    )
    energy = np.convolve(np.sum(uv**2, axis=0), np.ones(2 * QRS_REACH), "valid")
    fit = np.where(overlap > own / 2, overlap / np.sqrt(np.maximum(energy * own, 1e-6)), 0)
    alike = _maxima(fit, ALIKE, QRS_REACH) + QRS_REACH
    distance = np.abs(alike[:, None] - peaks[None, :]).min(axis=1) if alike.size else np.array([])
    return int(np.sum(distance > QRS_REACH))


def _shift(uv: Samples, peak: int, model: Samples) -> int:
    """By how many samples a beat is to be moved to lie on the model."""
    shifts = range(-RATE_HZ // 50, RATE_HZ // 50 + 1)
    fits = [float(uv[:, peak + by - QRS_REACH : peak + by + QRS_REACH].ravel() @ model) for by in shifts]
    return shifts[int(np.argmax(fits))]


def _spikes(rows: list[Samples], rate_hz: float) -> bool:
    """Whether needles come again and again, as no heart makes them."""
    reach = max(1, round(NEEDLE_S * rate_hz))
    if rate_hz < 2 * LOWEST_RATE_HZ or rows[0].size <= 4 * reach:
        return False
    height = np.zeros(rows[0].size - 2 * reach)
    for row in rows:
        left, right = row[reach:-reach] - row[: -2 * reach], row[reach:-reach] - row[2 * reach :]
        np.maximum(
            height, np.minimum(np.abs(left), np.abs(right)) * (np.sign(left) == np.sign(right)), out=height
        )
    found = _maxima(height, NEEDLE_UV, max(1, round(REFRACTORY_S * rate_hz)))
    return bool(len(found) >= max(3, rows[0].size / rate_hz / 3))
