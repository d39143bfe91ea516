"""Filters without phase and resampling, by the Fourier transform: nothing is moved in time.

The ends are continued as their own mirror image turned over, so that no filter sees a step there.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
Gain = Callable[[Samples], Samples]

BASELINE_HZ = 0.5  # bends neither ST nor T
MAINS_HZ = (50.0, 60.0)
MAINS_QUALITY = 30.0
MAINS_SEEN = 8.0  # times what is beside the line in the spectrum; a notch rings, so it is for what is seen
CONTINUED_S = 3.0
COARSE_HZ = 4000.0  # means of neighbours bring more down to about this


def without_baseline(uv: Samples, rate_hz: float) -> Samples:
    """Shape (leads, samples). As a Butterworth filter of second order, there and back."""
    return _filtered(uv, rate_hz, lambda at_hz: 1 / (1 + (BASELINE_HZ / np.maximum(at_hz, 1e-9)) ** 4))


def band(uv: Samples, low_hz: float, high_hz: float, rate_hz: float) -> Samples:
    """The same between two frequencies."""
    return _filtered(
        uv,
        rate_hz,
        lambda at_hz: 1 / (1 + (low_hz / np.maximum(at_hz, 1e-9)) ** 4) / (1 + (at_hz / high_hz) ** 4),
    )


def without_mains(uv: Samples, rate_hz: float) -> Samples:
    """Takes the mains out where they are seen."""
    spectrum = np.abs(np.fft.rfft(uv, axis=1)).mean(axis=0)
    at_hz = np.fft.rfftfreq(uv.shape[1], 1 / rate_hz)
    for mains in MAINS_HZ:
        off = np.abs(at_hz - mains)
        if spectrum[off <= 0.5].max() > MAINS_SEEN * np.median(spectrum[(off > 1) & (off < 8)]):
            uv = _filtered(uv, rate_hz, partial(_notch, mains))
    return uv


def resample(row: Samples, rate_hz: float, to_hz: float) -> Samples:
    """One lead at another rate."""
    if rate_hz == to_hz:
        return row
    if (coarser := int(rate_hz // COARSE_HZ)) > 1:
        row = row[: row.size // coarser * coarser].reshape(-1, coarser).mean(axis=1)
        rate_hz /= coarser
    count = round(row.size * to_hz / rate_hz)
    edge = min(row.size - 1, round(CONTINUED_S * rate_hz))
    longer = _continued(row[None, :], edge)[0]
    size = round(longer.size * to_hz / rate_hz)
    spectrum = np.fft.rfft(longer)[: size // 2 + 1]
    start = round(edge * to_hz / rate_hz)
    resampled: Samples = np.fft.irfft(spectrum, size)[start : start + count] * (size / longer.size)
    return resampled


def _notch(mains_hz: float, at_hz: Samples) -> Samples:
    off = (2 * MAINS_QUALITY * (at_hz - mains_hz) / mains_hz) ** 2
    gain: Samples = off / (1 + off)
    return gain


def _filtered(uv: Samples, rate_hz: float, gain: Gain) -> Samples:
    count = uv.shape[1]
    edge = min(count - 1, round(CONTINUED_S * rate_hz))
    longer = _continued(uv, edge)
    at_hz = np.fft.rfftfreq(longer.shape[1], 1 / rate_hz)
    spectrum = np.fft.rfft(longer, axis=1) * gain(np.asarray(at_hz, dtype=np.float64))
    filtered: Samples = np.fft.irfft(spectrum, longer.shape[1], axis=1)[:, edge : edge + count]
    return filtered


def _continued(uv: Samples, edge: int) -> Samples:
    before = 2 * uv[:, :1] - uv[:, edge:0:-1]
    behind = 2 * uv[:, -1:] - uv[:, -2 : -edge - 2 : -1]
    return np.concatenate([before, uv, behind], axis=1)
