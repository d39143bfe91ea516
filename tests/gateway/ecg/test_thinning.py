"""Fewer values than samples: no peak is lost, no gap is filled, and a day is drawn without reading a day."""

import numpy as np
import pytest

from adapters.ecg.recording import EcgRecording, Lead
from gateway.ecg.overviews import open_overview
from gateway.ecg.thinning import pairs_of_window, thin
from gateway.file_cache import FileCache


def of(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


def test_each_stretch_keeps_its_lowest_and_highest_in_their_order() -> None:
    assert thin(of([0, 9, -3, 1, 5, -7, 2, 0]), 4).tolist() == [[9, -3, 5, -7]]


def test_what_is_few_stays_as_it_is() -> None:
    assert thin(of([1, 2, 3]), 3).tolist() == [[1, 2, 3]]


def test_one_sample_of_a_spike_is_there_however_coarse() -> None:
    values = np.zeros((1, 100_000), dtype=np.float32)
    values[0, 54_321] = 4000

    assert thin(values, 200).max() == 4000
    assert thin(values, 200).shape == (1, 200)


def test_a_gap_stays_a_gap_and_its_edges_stay_samples() -> None:
    values = np.ones((1, 1000), dtype=np.float32)
    values[0, 200:420] = np.nan

    thinned = thin(values, 20)[0]

    assert np.isnan(thinned[4:8]).all()
    assert not np.isnan(np.delete(thinned, range(4, 8))).any()


def day(leads: int = 3, samples: int = 3_000_000) -> EcgRecording:
    rng = np.random.default_rng(4)
    return EcgRecording(
        format="synthetic",
        leads=tuple(
            Lead(name=f"V{n + 1}", digital=rng.integers(-900, 900, samples).astype(np.int16), gain_uv=2.5)
            for n in range(leads)
        ),
        sampling_rate_hz=200,
    )


@pytest.mark.parametrize("window", [(0, 3_000_000), (640_000, 1_280_000)])
def test_an_overview_says_the_same_as_the_samples(tmp_path, window) -> None:
    recording = day()
    files = FileCache(tmp_path, limit_bytes=1 << 30)
    overview = open_overview(files, "a.overview", recording)
    assert overview is not None
    start, stop = window

    pairs = overview.window(start, stop, 8_000)

    assert pairs is not None
    samples = recording.window_uv(start, stop)
    assert (pairs.min(), pairs.max()) == (samples.min(), samples.max())
    assert pairs.shape[1] <= (stop - start) / 512 * 2


def test_an_overview_is_made_again_when_it_is_torn(tmp_path) -> None:
    recording, files = day(leads=1, samples=200_000), FileCache(tmp_path, limit_bytes=1 << 30)
    open_overview(files, "a.overview", recording)
    path = files.path("a.overview")
    path.write_bytes(path.read_bytes()[:-10])

    assert open_overview(files, "a.overview", recording) is not None


def test_a_window_is_read_piece_by_piece_and_is_the_same() -> None:
    recording = day(leads=2, samples=500_000)

    pairs = pairs_of_window(recording, 1000, 401_000, 1000)

    assert pairs.shape == (2, 800)
    assert pairs.max() == recording.window_uv(1000, 401_000).max()
