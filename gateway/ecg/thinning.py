"""Fewer values than samples, and no peak lost: of each stretch its lowest and its highest, in their order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.recording import EcgRecording

Values = NDArray[np.float32]  # shape (leads, values)

AT_ONCE_SAMPLES = 1 << 15  # of each lead in memory: less than a megabyte of a Holter's, for each who looks


def thin(values: Values, points: int) -> Values:
    """At most so many values of each lead, evenly spread. A stretch of which nothing was recorded stays NaN."""
    count = values.shape[1]
    if count <= points:
        return values
    return pairs_of(values, -(-count // max(1, points // 2)))


def pairs_of(values: Values, size: int) -> Values:
    """Two values for each stretch of `size`: shape (leads, 2 × stretches)."""
    leads, count = values.shape
    stretches = -(-count // size)
    padded = values
    if stretches * size != count:
        padded = np.full((leads, stretches * size), np.nan, dtype=np.float32)
        padded[:, :count] = values
    cut = padded.reshape(leads, stretches, size)
    nothing = np.isnan(cut)
    whole = not nothing.any()  # a day of it is thinned in half the time
    low_at = (cut if whole else np.where(nothing, np.inf, cut)).argmin(axis=2)
    high_at = (cut if whole else np.where(nothing, -np.inf, cut)).argmax(axis=2)
    ordered = np.stack([np.minimum(low_at, high_at), np.maximum(low_at, high_at)], axis=2)
    pairs: Values = np.take_along_axis(cut, ordered, axis=2).reshape(leads, stretches * 2)
    return pairs


def pairs_of_window(recording: EcgRecording, start: int, stop: int, size: int) -> Values:
    """The same of a window of a recording, read piece by piece: memory stays bounded however long it is."""
    step = max(size, AT_ONCE_SAMPLES // size * size)
    pairs: Values = np.empty((len(recording.leads), -(-(stop - start) // size) * 2), dtype=np.float32)
    for at in range(start, stop, step):
        piece = pairs_of(recording.window_uv(at, min(at + step, stop)), size)
        first = (at - start) // size * 2
        pairs[:, first : first + piece.shape[1]] = piece
    return pairs


def owners_of(recording: EcgRecording) -> list[Any]:
    """Whoever holds the samples' bytes: arrays, or files of which windows are read."""
    owners = (_owner(lead.digital) for lead in recording.leads)
    return list({id(owner): owner for owner in owners}.values())


def _owner(array: Any) -> Any:
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array
