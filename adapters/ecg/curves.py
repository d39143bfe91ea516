"""Samples as lines on paper: path data in whole thousandths of a millimetre.

Nothing is drawn where nothing was recorded, no peak is left out, and what would leave the paper is cut at its edge,
where it can be seen that it was.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.float64]  # in mm, one for each sample

UNITS_PER_MM = 1000
# Within less than the line's own width six points say all that can be seen: the first and the last, and where the
# lowest and the highest begin and end. More samples than that are thinned to these.
STRETCH_MM = 0.2
POINTS_OF_STRETCH = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where on the paper the samples go: `left_mm` is the first one's place, `line_mm` that of 0 microvolts."""

    left_mm: float
    line_mm: float
    mm_per_sample: float
    mm_per_uv: float
    top_mm: float  # nothing is drawn above or below
    bottom_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A drawn stretch: its path, where it was cut at the paper's edge, and where nothing was recorded, in mm."""

    path: str
    cut_at: tuple[tuple[float, bool], ...]  # (x, at the top)
    gaps: tuple[tuple[float, float], ...]  # (from, to)


def draw_curve(samples_uv: NDArray[np.float32], field: Field) -> Curve:
    """Draw the samples from left to right."""
    positions: Places = field.left_mm + np.arange(samples_uv.shape[0], dtype=np.float64) * field.mm_per_sample
    heights: Places = field.line_mm - samples_uv.astype(np.float64) * field.mm_per_uv
    cut = [
        *((x, True) for x in _middles(positions, heights < field.top_mm)),
        *((x, False) for x in _middles(positions, heights > field.bottom_mm)),
    ]
    gaps = [
        (float(positions[start]), float(positions[stop - 1]) + field.mm_per_sample)
        for start, stop in _runs(np.isnan(heights))
    ]
    heights = np.clip(heights, field.top_mm, field.bottom_mm)  # NaN stays NaN
    paths = [
        _path(*_thinned(positions[start:stop], heights[start:stop], field.mm_per_sample))
        for start, stop in _runs(~np.isnan(heights))
    ]
    return Curve(path="".join(paths), cut_at=tuple(cut), gaps=tuple(gaps))


def _runs(where: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where it is true without interruption: first, and one behind the last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], where, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _middles(positions: Places, where: NDArray[np.bool_]) -> list[float]:
    return [float(positions[(start + stop - 1) // 2]) for start, stop in _runs(where)]


def _thinned(positions: Places, heights: Places, mm_per_sample: float) -> tuple[Places, Places]:
    """Of each stretch the points that POINTS_OF_STRETCH counts, in the order in which they come."""
    together = round(STRETCH_MM / mm_per_sample)
    whole = heights.shape[0] // max(1, together) * together
    if together <= POINTS_OF_STRETCH or whole == 0:
        return positions, heights
    stretches = heights[:whole].reshape(-1, together)
    ends = together - 1
    backwards = stretches[:, ::-1]
    within = (
        np.zeros(stretches.shape[0], dtype=np.int64),
        stretches.argmin(axis=1),
        ends - backwards.argmin(axis=1),
        stretches.argmax(axis=1),
        ends - backwards.argmax(axis=1),
        np.full(stretches.shape[0], ends),
    )
    starts = np.arange(0, whole, together)
    kept = np.unique(
        np.concatenate([*(starts + place for place in within), np.arange(whole, heights.shape[0])])
    )
    return positions[kept], heights[kept]


def _path(positions: Places, heights: Places) -> str:
    """A move and relative lines; a single point becomes a dot."""
    points = np.rint(np.stack([positions, heights], axis=1) * UNITS_PER_MM).astype(np.int64)
    first = f"M{points[0, 0]} {points[0, 1]}"
    if points.shape[0] == 1:
        return f"{first}h0"
    return f"{first}l{' '.join(map(str, np.diff(points, axis=0).ravel().tolist()))}"
