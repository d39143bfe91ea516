"""Electrocardiograms whose every onset and offset is known, and days of them written in bounded memory.

Waves are quarter sines (P, T) and triangles (Q, R, S): they leave the baseline with a corner, so an onset is one
sample and not a matter of taste. All components of a wave share one direction in the frontal plane, so its axis is
what was asked for whether one takes areas or peaks.
"""

import binascii
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from math import cos, radians, sin, sqrt
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.recording import STANDARD_LEADS, EcgRecording, Lead

STARTED_AT = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)
HOLTER_LEADS = ("V1", "V5", "aVF")
# Where the precordial electrodes look from, in degrees of the horizontal plane (0 = left, 90 = front).
PRECORDIAL_DEG = {"V1": 115, "V2": 95, "V3": 75, "V4": 60, "V5": 30, "V6": 0}
# Codes of leads (Badilini, The ISHNE Holter Standard Output File Format, 1998, table 1).
ISHNE_LEADS = {name: code for code, name in enumerate(("I", "II", "III", "aVR", "aVL", "aVF"), start=5)} | {
    f"V{number}": 10 + number for number in range(1, 7)
}
BLOCK_S = 600  # of a written day: ten minutes at a time

Beat = Literal["normal", "premature"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Heart:
    """What is to be found in the recording. Times in milliseconds, axes in degrees, amplitudes in microvolts."""

    heart_rate_bpm: float = 72.0
    variability: float = (
        0.0  # share by which an RR interval departs from the mean, at most, as breathing makes it
    )
    p_ms: float = 100.0
    pr_ms: float = 160.0
    qrs_ms: float = 90.0
    qt_ms: float = 390.0
    p_uv: float = 150.0
    qrs_uv: float = 1200.0
    t_uv: float = 350.0
    p_axis_deg: float = 55.0
    qrs_axis_deg: float = 40.0
    t_axis_deg: float = 35.0
    rhythm: Literal["sinus", "fibrillation", "paced"] = "sinus"
    premature_every: int = 0  # every so many beats a ventricular one; 0 = none
    noise_uv: float = 0.0  # standard deviation, white
    mains_uv: float = 0.0  # 50 Hz
    wander_uv: float = 0.0  # baseline, 0.25 Hz
    seed: int = 1

    @property
    def rr_ms(self) -> float:
        return 60_000 / self.heart_rate_bpm


def make_recording(
    heart: Heart = Heart(),
    *,
    duration_s: float = 10.0,
    sampling_rate_hz: float = 500.0,
    leads: Sequence[str] = STANDARD_LEADS,
) -> EcgRecording:
    """A recording as a reader of files would give it: counts of 1 microvolt."""
    samples = np.concatenate(list(blocks_uv(heart, duration_s, sampling_rate_hz, leads)), axis=1)
    return EcgRecording(
        format="synthetic",
        leads=tuple(
            Lead(name=name, digital=row.astype(np.int16)) for name, row in zip(leads, samples, strict=True)
        ),
        sampling_rate_hz=sampling_rate_hz,
        started_at=STARTED_AT,
    )


def beats(heart: Heart, duration_s: float) -> tuple[NDArray[np.float64], list[Beat]]:
    """When each R peak comes, in seconds from the start, and what beat it is."""
    chance = np.random.default_rng(heart.seed)
    times, kinds, at = [], list[Beat](), 0.6
    mean = heart.rr_ms / 1000
    while at < duration_s:
        premature = (
            bool(heart.premature_every) and len(times) % heart.premature_every == heart.premature_every - 1
        )
        if premature:
            at -= 0.35 * mean  # early, and what follows waits
        times.append(at)
        kinds.append("premature" if premature else "normal")
        step = mean * (1 + heart.variability * sin(2 * np.pi * at / 4.3))
        if heart.rhythm == "fibrillation":
            step = mean * float(chance.uniform(0.65, 1.35))
        at += step + (0.35 * mean if premature else 0)
    return np.array(times), kinds


def blocks_uv(
    heart: Heart, duration_s: float, sampling_rate_hz: float, leads: Sequence[str], block_s: float = BLOCK_S
) -> Iterator[NDArray[np.float64]]:
    """The samples in pieces of `block_s`, shape (leads, samples), whole microvolts."""
    times, kinds = beats(heart, duration_s)
    peaks = np.round(times * sampling_rate_hz).astype(np.int64)
    templates = {
        "normal": _beat(heart, sampling_rate_hz, leads),
        "premature": _beat(_premature(heart), sampling_rate_hz, leads),
    }
    before = round(sampling_rate_hz)  # a template begins one second ahead of its R peak
    total, size = round(duration_s * sampling_rate_hz), round(block_s * sampling_rate_hz)
    reach = templates["normal"].shape[1]
    for start in range(0, total, size):
        stop = min(start + size, total)
        padded = np.zeros((len(leads), stop - start + 2 * reach))
        first, last = np.searchsorted(peaks, (start - reach, stop + reach))
        for peak, kind in zip(peaks[first:last].tolist(), kinds[first:last], strict=True):
            at = peak - before - start + reach
            if 0 <= at <= padded.shape[1] - reach:
                padded[:, at : at + reach] += templates[kind]
        samples = padded[:, reach : reach + stop - start]
        yield np.round(samples + _disturbance(heart, start, stop, sampling_rate_hz, len(leads)))


def write_ishne(
    path: Path,
    heart: Heart = Heart(variability=0.08, premature_every=97, noise_uv=8),
    *,
    duration_s: float = 86_400,
    sampling_rate_hz: int = 200,
    leads: Sequence[str] = HOLTER_LEADS,
    patient_id: str = "HOLTER-1",
    born: date = date(1960, 1, 1),
) -> Path:
    """An ISHNE Holter file of 2.5 microvolts a count; a day of three leads is 104 MB and takes a few seconds."""
    resolution_nv = 2500
    header = _ishne_header(duration_s, sampling_rate_hz, leads, patient_id, born, resolution_nv)
    with path.open("wb") as file:
        file.write(header)
        for block in blocks_uv(heart, duration_s, sampling_rate_hz, leads):
            counts = np.clip(np.round(block * (1000 / resolution_nv)), -32_767, 32_767)
            file.write(counts.astype("<i2").T.tobytes())
    return path


def _ishne_header(
    duration_s: float, rate_hz: int, leads: Sequence[str], patient_id: str, born: date, resolution_nv: int
) -> bytes:
    """Magic, checksum and the fixed block of 512 bytes; no variable block (Badilini 1998)."""
    day = STARTED_AT

    def twelve(values: Sequence[int], absent: int) -> bytes:
        return struct.pack("<12h", *values, *[absent] * (12 - len(values)))

    fixed = struct.pack("<iiiih", 0, round(duration_s * rate_hz), 522, 522, 1)
    fixed += struct.pack("<40s40s20s", b"Thetic", b"Syn", patient_id.encode("ascii"))
    fixed += struct.pack(
        "<hh3h3h3h3h", 2, 0, born.day, born.month, born.year, *[day.day, day.month, day.year] * 2, 9, 30, 0
    )
    fixed += struct.pack("<h", len(leads)) + twelve([ISHNE_LEADS[name] for name in leads], -9)
    fixed += twelve([1] * len(leads), -9) + twelve([resolution_nv] * len(leads), -9)
    fixed += struct.pack("<h40sh80s80s88s", 0, b"digital", rate_hz, b"", b"", b"")
    return b"ISHNE1.0" + struct.pack("<H", binascii.crc_hqx(fixed, 0xFFFF)) + fixed


def _premature(heart: Heart) -> Heart:
    """A ventricular beat: wide, against the usual direction, without P."""
    return replace(
        heart,
        p_uv=0,
        qrs_ms=160,
        qt_ms=440,
        qrs_axis_deg=heart.qrs_axis_deg - 150,
        t_axis_deg=heart.qrs_axis_deg,
    )


def _beat(heart: Heart, rate_hz: float, leads: Sequence[str]) -> NDArray[np.float64]:
    """One beat, shape (leads, samples), from one second ahead of its R peak to one and a half behind it."""
    at_ms = np.arange(-round(rate_hz), round(1.5 * rate_hz)) * (1000 / rate_hz)
    qrs_on = -0.475 * heart.qrs_ms  # the R peak stands in the middle of R
    edges = qrs_on + heart.qrs_ms * np.array([0, 0.25, 0.70, 1])
    qrs = (
        -0.10 * _triangle(at_ms, edges[0], edges[1])
        + _triangle(at_ms, edges[1], edges[2])
        - 0.15 * _triangle(at_ms, edges[2], edges[3])
    )
    t_on, t_off = qrs_on + 0.5 * (heart.qrs_ms + 0.45 * heart.qt_ms), qrs_on + heart.qt_ms
    t_on = max(t_on, qrs_on + heart.qrs_ms + 20)
    waves = [
        _wave(qrs, heart.qrs_uv, heart.qrs_axis_deg, -0.25, leads),
        _wave(_arch(at_ms, t_on, t_off, 0.62), heart.t_uv, heart.t_axis_deg, 0.4, leads),
    ]
    if heart.rhythm == "sinus":
        p_on = qrs_on - heart.pr_ms
        waves.append(
            _wave(_arch(at_ms, p_on, p_on + heart.p_ms, 0.5), heart.p_uv, heart.p_axis_deg, 0.2, leads)
        )
    if heart.rhythm == "paced":
        spike = ((at_ms >= qrs_on - 22) & (at_ms < qrs_on - 20)).astype(float)
        waves.append(_wave(spike, 3000, 70, 0.3, leads))
    return np.sum(waves, axis=0)


def _wave(
    shape: NDArray[np.float64], size_uv: float, axis_deg: float, forwards: float, leads: Sequence[str]
) -> NDArray[np.float64]:
    """A wave as each lead sees it; `forwards` is its part towards the front, of its size."""
    factors = [_seen_from(lead, cos(radians(axis_deg)), sin(radians(axis_deg)), forwards) for lead in leads]
    return np.outer(factors, shape * size_uv)


def _seen_from(lead: str, left: float, down: float, front: float) -> float:
    """Einthoven's triangle, Goldberger's leads, and the precordial ones as projections."""
    one, two = left, left / 2 + down * sqrt(3) / 2
    if lead in PRECORDIAL_DEG:
        angle = radians(PRECORDIAL_DEG[lead])
        return 0.8 * (cos(angle) * left + sin(angle) * front) + 0.15 * down
    limbs = {"I": one, "II": two, "III": two - one}
    limbs |= {"aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return limbs[lead]


def _triangle(at_ms: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    half = (stop - start) / 2
    return np.clip(1 - np.abs(at_ms - start - half) / half, 0, None)


def _arch(at_ms: NDArray[np.float64], start: float, stop: float, peak: float) -> NDArray[np.float64]:
    """Two quarter sines that meet at the share `peak` of the way."""
    share = (at_ms - start) / (stop - start)
    rising, falling = share / peak, (1 - share) / (1 - peak)
    inside = (share >= 0) & (share <= 1)
    return np.where(inside, np.sin(np.pi / 2 * np.clip(np.minimum(rising, falling), 0, 1)), 0.0)


def _disturbance(heart: Heart, start: int, stop: int, rate_hz: float, leads: int) -> NDArray[np.float64]:
    """What is not the heart's, and the fibrillation of its atria; the same for one seed and one place in time."""
    at_s = np.arange(start, stop) / rate_hz
    common = heart.mains_uv * np.sin(2 * np.pi * 50 * at_s) + heart.wander_uv * np.sin(
        2 * np.pi * 0.25 * at_s
    )
    if heart.rhythm == "fibrillation":
        common = common + 40 * np.sin(2 * np.pi * 6.1 * at_s + 2 * np.sin(2 * np.pi * 0.37 * at_s))
    chance = np.random.default_rng((heart.seed, start))
    noise = (
        chance.normal(0, heart.noise_uv, (leads, stop - start)) if heart.noise_uv else np.zeros((leads, 1))
    )
    return noise + common
