"""Where P, QRS and T of one median beat begin and end, over all its leads at once.

Intervals run from the earliest onset to the latest offset in any lead (CSE Working Party, Eur Heart J 1985;6:815;
IEC 60601-2-25). QRS is bounded by the joint speed of the leads, P by their joint size above the line under it, T by
the trapezium of greatest area under its end (Vázquez-Seisdedos, BioMed Eng OnLine 2011;10:43). A wave that is not
clearly there is None. Why none of the libraries does it: docs/decisions/0011.
"""

from dataclasses import dataclass

import numpy as np

from adapters.ecg.beats import BEFORE, RATE_HZ, Beats, Samples

MS = RATE_HZ / 1000  # samples

QRS_REACH = round(160 * MS)  # of QRS to each side of R
QRS_QUIET = round(16 * MS)  # so long the leads stand still where it has ended
QRS_STILL = 0.05  # of its greatest speed
QRS_NOISE = 2.5  # times the speed between the waves
QRS_LENGTH = round(36 * MS), round(240 * MS)
QRS_CLEAR = 0.3  # of its greatest speed: more noise than that, and it has no edges

P_FIRST, P_LAST = round(300 * MS), round(16 * MS)  # where its peak is looked for, before QRS
P_HALF = round(30 * MS), round(110 * MS)  # from its peak to the stillness before it, at least and at most
P_EDGE = 0.15  # of its height
P_FAINTEST_UV = 20.0
P_LENGTH = round(40 * MS), round(180 * MS)
P_SEEN_AGAIN = 0.5  # correlation of the single beats with the median one where P is

T_FIRST = round(60 * MS)  # behind QRS
T_LATEST = round(620 * MS)  # behind the onset of QRS
T_TAIL = round(200 * MS)  # within which its steepest fall has run out
T_FAINTEST_UV = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fiducials:
    """Samples of a median beat, R at BEFORE. P has both ends or none."""

    qrs_on: int
    qrs_off: int
    p: tuple[int, int] | None = None
    t_off: int | None = None


def find_fiducials(beats: Beats, rr: float) -> Fiducials | None:
    """Of the median beat; `rr` is the usual distance of two beats in samples. None when even QRS has no edges."""
    uv = beats.median_uv
    qrs = _qrs(_speed(uv))
    if qrs is None:
        return None
    p = _p(beats, qrs[0], rr)
    pr = qrs[0] - p[0] if p else 0
    latest = min(qrs[0] + T_LATEST, round(qrs[0] + rr - max(pr, 0.15 * rr)), uv.shape[1] - 1)
    return Fiducials(qrs_on=qrs[0], qrs_off=qrs[1], p=p, t_off=_t_off(uv, qrs, latest))


def _speed(uv: Samples) -> Samples:
    """How fast the leads move together, in microvolts a sample."""
    joint: Samples = np.sqrt(np.mean(np.gradient(_smooth(uv, 3), axis=1) ** 2, axis=0))
    return joint


def _size(uv: Samples) -> Samples:
    joint: Samples = np.sqrt(np.mean(_smooth(uv, 5) ** 2, axis=0))
    return joint


def _smooth(uv: Samples, width: int) -> Samples:
    """A running mean; the ends stay as they are."""
    padded = np.pad(uv, ((0, 0), (width // 2 + 1, width // 2)), mode="edge").cumsum(axis=1)
    mean: Samples = (padded[:, width:] - padded[:, :-width]) / width
    return mean


def _qrs(speed: Samples) -> tuple[int, int] | None:
    fastest = BEFORE - QRS_REACH + int(np.argmax(speed[BEFORE - QRS_REACH : BEFORE + QRS_REACH]))
    noise = float(np.quantile(speed[: BEFORE - QRS_REACH // 2], 0.3))
    still = max(QRS_STILL * speed[fastest], QRS_NOISE * noise)
    if still > QRS_CLEAR * speed[fastest]:
        return None
    on = _stillness(speed[fastest::-1][: 2 * QRS_REACH] < still)
    off = _stillness(speed[fastest:][: 2 * QRS_REACH] < still)
    if on is None or off is None or not QRS_LENGTH[0] <= on + off <= QRS_LENGTH[1]:
        return None
    return fastest - on, fastest + off


def _stillness(still: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int | None:
    """Where it begins, for once long enough."""
    runs = np.convolve(still, np.ones(QRS_QUIET), "valid") >= QRS_QUIET
    return int(np.argmax(runs)) if runs.any() else None


def _p(beats: Beats, qrs_on: int, rr: float) -> tuple[int, int] | None:
    """Its peak is the greatest bump before QRS; its ends are where it leaves the line that joins the stillness."""
    first = max(0, qrs_on - min(P_FIRST, round(0.4 * rr)))
    behind = np.mean(beats.median_uv[:, qrs_on - 5 : qrs_on], axis=1)
    search = _size(beats.median_uv[:, first : qrs_on - P_LAST] - behind[:, None])
    peak = first + P_HALF[0] + int(np.argmax(search[P_HALF[0] :])) if search.size > P_HALF[0] else first
    before = max(0, peak - P_HALF[1]), peak - P_HALF[0]
    if before[1] - before[0] < P_HALF[0]:
        return None
    calm = np.convolve(_speed(beats.median_uv)[before[0] : before[1]], np.ones(9), "valid")
    start = before[0] + int(np.argmin(calm)) + 4
    flat = _above_line(beats.median_uv, start, qrs_on)
    size = _size(flat)
    top = int(np.argmax(size))
    above = size > P_EDGE * size[top]
    on = top - int(np.argmin(above[top::-1])) if not above[: top + 1].all() else 0
    off = top + int(np.argmin(above[top:])) if not above[top:].all() else above.size
    doubt = beats.noise_uv * 2 / np.sqrt(len(beats.common))
    if size[top] < max(P_FAINTEST_UV, doubt) or not P_LENGTH[0] <= off - on <= P_LENGTH[1]:
        return None
    each = np.stack([_above_line(beat, start, qrs_on) for beat in beats.each_uv])
    return (start + on, start + off) if _seen_again(each[:, :, on:off], flat[:, on:off]) else None


def _above_line(uv: Samples, start: int, stop: int) -> Samples:
    """What lies above the straight line from one stillness to the next, lead by lead."""
    left = np.mean(uv[:, max(0, start - 4) : start + 5], axis=1)
    right = np.mean(uv[:, stop - 5 : stop], axis=1)
    along = np.linspace(0, 1, stop - start)
    line: Samples = uv[:, start:stop] - (left[:, None] * (1 - along) + right[:, None] * along)
    return line


def _seen_again(each: Samples, model: Samples) -> bool:
    """Whether the single beats have it too: what fibrillating atria leave in a median beat is in none of them."""
    rows = np.stack([_smooth(beat, 9).ravel() for beat in each])
    fits = np.corrcoef(np.vstack([_smooth(model, 9).ravel(), rows]))[0, 1:]
    return bool(np.median(fits) >= P_SEEN_AGAIN)


def _t_off(uv: Samples, qrs: tuple[int, int], latest: int) -> int | None:
    first = qrs[1] + T_FIRST
    if latest - first < T_FIRST:
        return None
    before = np.mean(uv[:, qrs[0] - 5 : qrs[0]], axis=1)
    peak = first + int(np.argmax(_size(uv[:, first:latest] - before[:, None])))
    if latest - peak < T_FIRST:
        return None
    calm = np.convolve(_speed(uv)[peak + T_FIRST // 2 : latest + 1], np.ones(15), "valid")
    rest = peak + T_FIRST // 2 + int(np.argmin(calm)) + 7 if calm.size else latest
    size = _size(uv - np.mean(uv[:, rest - 7 : rest + 8], axis=1)[:, None])
    steepest = peak + int(np.argmin(np.diff(size[peak:rest])))
    end = min(steepest + T_TAIL, latest)
    if size[peak] < T_FAINTEST_UV or end - steepest < 5 or rest <= steepest:
        return None
    tail = np.arange(steepest, end)
    areas = (size[steepest] - size[tail]) * (2 * end - tail - steepest)
    return int(tail[int(np.argmax(areas))])
