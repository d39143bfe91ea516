"""The samples of a lead as whole numbers, for formats that keep nothing else.

What a cart wrote as integers stays as it is; decimal samples become multiples of a step that is finer than any cart's
own. Works window by window, so that a day's recording is never in memory.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.ecg.recording import EcgRecording, Lead

WINDOW_SAMPLES = 1 << 16
FINEST_STEP_UV = 0.05  # a hundredth of the coarsest that IEC 60601-2-25 allows a cart
STEPS_OF_16_BIT = 65_000  # in the whole range of a lead, when decimal samples are made whole


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalLead:
    """A lead whose counts are integers between `lowest` and `highest`; microvolts = count * gain + offset."""

    lead: Lead
    gain_uv: float
    offset_uv: float
    step: float  # of the lead's own values that is one count; 1 where these are integers already
    lowest: int
    highest: int
    has_gaps: bool

    def counts(self, start: int, stop: int, *, missing: int, shift: int = 0) -> NDArray[np.int64]:
        """Counts of a window less `shift`, with `missing` where nothing was recorded."""
        digital, valid = _window(self.lead, start, stop)
        counts = np.full(digital.shape, missing, dtype=np.int64)
        counts[valid] = _whole(digital[valid], self.step) - shift
        return counts


def digitise(recording: EcgRecording) -> tuple[DigitalLead, ...]:
    """Every lead of a recording, after one look at all of its samples."""
    return tuple(_digitise(lead) for lead in recording.leads)


def _digitise(lead: Lead) -> DigitalLead:
    lowest, highest, has_gaps = _range(lead)
    step = _step(lead, lowest, highest)
    return DigitalLead(
        lead=lead,
        gain_uv=lead.gain_uv * step,
        offset_uv=lead.offset_uv,
        step=step,
        lowest=int(_whole(np.array([lowest]), step)[0]),
        highest=int(_whole(np.array([highest]), step)[0]),
        has_gaps=has_gaps,
    )


def _range(lead: Lead) -> tuple[float, float, bool]:
    """Lowest and highest valid value, 0 and 0 when there is none; and whether any is missing."""
    extremes: list[float] = []
    has_gaps = False
    for start in range(0, lead.samples, WINDOW_SAMPLES):
        digital, valid = _window(lead, start, start + WINDOW_SAMPLES)
        has_gaps = has_gaps or not bool(valid.all())
        if valid.any():
            extremes += [digital[valid].min().item(), digital[valid].max().item()]
    return (min(extremes), max(extremes), has_gaps) if extremes else (0, 0, has_gaps)


def _step(lead: Lead, lowest: float, highest: float) -> float:
    if np.issubdtype(lead.digital.dtype, np.integer):
        return 1.0
    return max(FINEST_STEP_UV / abs(lead.gain_uv), (highest - lowest) / STEPS_OF_16_BIT)


def _window(lead: Lead, start: int, stop: int) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    digital = np.asarray(lead.digital[start:stop])
    valid = np.isfinite(digital)
    if lead.missing is not None:
        valid &= digital != lead.missing
    return digital, valid


def _whole(values: NDArray[np.generic], step: float) -> NDArray[np.int64]:
    if np.issubdtype(values.dtype, np.integer):
        return values.astype(np.int64)
    return np.rint(values.astype(np.float64) / step).astype(np.int64)
