"""A window of a recording, as fine as somebody can see it: whole, or thinned to so many points."""

import math
from dataclasses import dataclass

from adapters.ecg.recording import EcgRecording
from gateway.ecg.overviews import Overview, open_overview
from gateway.ecg.recordings import Found, Recordings
from gateway.ecg.thinning import Values, pairs_of_window, thin
from worklists.errors import Invalid

DIRECT_SAMPLES = 1 << 18  # of a window of all leads that is thinned from the samples themselves
WHOLE_VALUES_LIMIT = 2_000_000  # of one answer; more is asked for in windows, or thinned
MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """`values` in microvolts, shape (leads, values), evenly spread from `from_s` to `to_s`."""

    from_s: float
    to_s: float
    values: Values


def cut_tile(
    recordings: Recordings,
    found: Found,
    recording: EcgRecording,
    *,
    from_s: float | None = None,
    to_s: float | None = None,
    points: int | None = None,
) -> Tile:
    """The window between two moments in seconds from the start; what lies outside the recording is left out.

    Raises Invalid for a window or a number of points that makes no sense, or would answer too much.
    """
    rate, samples = recording.sampling_rate_hz, recording.samples
    start = _sample("from", from_s, rate, samples, otherwise=0)
    stop = _sample("to", to_s, rate, samples, otherwise=samples)
    if stop < start:
        raise Invalid("to")
    if points is not None and not 2 <= points <= MOST_POINTS:
        raise Invalid("points")
    count, leads = stop - start, len(recording.leads)
    if points is None and count * leads > WHOLE_VALUES_LIMIT:
        raise Invalid("points", "too_many_samples")
    if points is None or count <= points:
        values = recording.window_uv(start, stop)
    else:
        values = _thinned(recordings, found, recording, start, stop, points)
    return Tile(from_s=start / rate, to_s=stop / rate, values=values)


def _thinned(
    recordings: Recordings, found: Found, recording: EcgRecording, start: int, stop: int, points: int
) -> Values:
    stretch = -(-(stop - start) // max(1, points // 2))
    if (stop - start) * len(recording.leads) > DIRECT_SAMPLES:
        overview = _overview(recordings, found, recording)
        pairs = overview.window(start, stop, stretch) if overview is not None else None
        if pairs is not None:
            return thin(pairs, points)
    return pairs_of_window(recording, start, stop, stretch)


def prepare(recordings: Recordings, found: Found, recording: EcgRecording) -> None:
    """Make what a long recording is drawn from, before somebody waits for it."""
    if recording.samples * len(recording.leads) > DIRECT_SAMPLES:
        _overview(recordings, found, recording)


def _overview(recordings: Recordings, found: Found, recording: EcgRecording) -> Overview | None:
    return open_overview(recordings.files, f"{found.record_id.hex}.overview", recording)


def _sample(name: str, seconds: float | None, rate: float, samples: int, *, otherwise: int) -> int:
    if seconds is None:
        return otherwise
    if not math.isfinite(seconds):
        raise Invalid(name)
    return min(samples, max(0, round(seconds * rate)))
