"""The computed proposal against hearts that are known exactly, and against what carts measured themselves."""

import json
import warnings
from dataclasses import replace
from time import process_time

import numpy as np
import pytest
import wfdb

from adapters.ecg.measuring import describe_proposal, propose
from adapters.ecg.reading import read_recording, read_set
from adapters.ecg.recording import STANDARD_LEADS, EcgRecording, Lead
from tests.adapters.ecg.recordings import real_recording
from tests.ecg_synthetic import Heart, beats, make_recording, write_ishne
from tests.samples import samples_dir

# IEC 60601-2-25:2011, 201.12.1.101, asks these of a mean difference; ours is asked of every single one, and T's end,
# which has a corner in no real ECG, may be 30 ms from a cart's.
KNOWN_MS = {"p_ms": 10, "pr_ms": 10, "qrs_ms": 8, "qt_ms": 12}

HEARTS = {
    "at rest": Heart(),
    "fast": Heart(heart_rate_bpm=110, qt_ms=320, pr_ms=130),
    "slow": Heart(heart_rate_bpm=42, qt_ms=480),
    "with a wide QRS and a long PR": Heart(qrs_ms=140, pr_ms=220, qt_ms=460),
    "with a narrow QRS": Heart(qrs_ms=70),
    "with a very long PR": Heart(pr_ms=290),
    "with its axis to the left": Heart(qrs_axis_deg=-60, t_axis_deg=110),
    "with its axis to the right": Heart(qrs_axis_deg=150, t_axis_deg=-30),
    "noisy": Heart(noise_uv=20, mains_uv=30, wander_uv=300),
    "with premature beats": Heart(premature_every=4),
}


@pytest.mark.parametrize("heart", HEARTS.values(), ids=HEARTS.keys())
def test_a_known_heart_is_measured_as_it_is(heart):
    proposal = propose(make_recording(heart, duration_s=12))

    assert proposal is not None
    measured = proposal.measurements
    for name, tolerance in KNOWN_MS.items():
        assert getattr(measured, name) == pytest.approx(getattr(heart, name), abs=tolerance), name
    for name in ("p_axis_deg", "qrs_axis_deg", "t_axis_deg"):
        assert getattr(measured, name) == pytest.approx(getattr(heart, name), abs=12), name
    if not heart.premature_every:
        assert measured.heart_rate_bpm == pytest.approx(heart.heart_rate_bpm, abs=1)
        assert proposal.regular is True
    assert proposal.withheld == ()


def test_every_beat_is_found_where_it_is_and_a_premature_one_makes_the_rhythm_irregular():
    heart = Heart(premature_every=5, noise_uv=10)
    proposal = propose(make_recording(heart, duration_s=20))

    assert proposal is not None and proposal.regular is False
    expected, kinds = beats(heart, 20)
    found = np.array(proposal.r_peaks_s)
    assert len(found) == len(expected)
    normal = [index for index, kind in enumerate(kinds) if kind == "normal"]
    assert np.abs(found - expected)[normal].max() <= 0.01


@pytest.mark.parametrize("rate_hz", [100, 128, 250, 360, 1000, 2000, 32_000])
def test_the_rate_of_sampling_does_not_matter(rate_hz):
    proposal = propose(make_recording(duration_s=8, sampling_rate_hz=rate_hz))

    assert proposal is not None
    assert proposal.measurements.qrs_ms == pytest.approx(90, abs=15 if rate_hz < 250 else 8)
    assert proposal.measurements.qt_ms == pytest.approx(390, abs=15)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise_uv", [0, 20])
def test_fibrillating_atria_have_no_p_and_no_pr(seed, noise_uv):
    proposal = propose(make_recording(Heart(rhythm="fibrillation", noise_uv=noise_uv, seed=seed)))

    assert proposal is not None
    assert (proposal.measurements.p_ms, proposal.measurements.pr_ms) == (None, None)
    assert proposal.measurements.p_axis_deg is None
    assert "no_p" in proposal.withheld
    assert proposal.regular is False


def test_without_p_waves_there_is_no_pr():
    proposal = propose(make_recording(Heart(p_uv=0, noise_uv=10)))

    assert proposal is not None
    assert (proposal.measurements.p_ms, proposal.measurements.pr_ms) == (None, None)


def test_of_a_paced_heart_only_the_rate_is_proposed():
    proposal = propose(make_recording(Heart(rhythm="paced")))

    assert proposal is not None and proposal.withheld == ("paced",)
    assert proposal.measurements.heart_rate_bpm == 72
    assert (proposal.measurements.qrs_ms, proposal.measurements.qt_ms) == (None, None)
    assert set(proposal.qtc.values()) == {None}


@pytest.mark.parametrize("rate_bpm", [260, 300, 330])
def test_a_rate_too_fast_to_be_counted_is_not_guessed(rate_bpm):
    heart = Heart(heart_rate_bpm=rate_bpm, qt_ms=110, pr_ms=40, p_ms=30, qrs_ms=60)
    proposal = propose(make_recording(heart))

    assert proposal is None or proposal.measurements.heart_rate_bpm == pytest.approx(rate_bpm, rel=0.03)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("leads", [1, 12])
@pytest.mark.parametrize("smoothing", [1, 25])
def test_noise_has_no_beats(seed, leads, smoothing):
    noise = np.random.default_rng(seed).normal(0, 200, (leads, 5000))
    smooth = np.apply_along_axis(np.convolve, 1, noise, np.ones(smoothing) / smoothing, "same")

    assert propose(_recording(smooth)) is None


def test_the_real_one_is_measured_as_its_cart_did():
    proposal = propose(real_recording())  # a Mortara; RR 982, PR 161, QRS 75, QT 368, axes 74, 52, 57

    assert proposal is not None
    measured = proposal.measurements
    assert measured.rr_ms == pytest.approx(982, abs=5)
    assert measured.pr_ms == pytest.approx(161, abs=15)
    assert measured.qrs_ms == pytest.approx(75, abs=10)
    assert measured.qt_ms == pytest.approx(368, abs=15)
    assert measured.p_axis_deg == pytest.approx(74, abs=10)
    assert measured.qrs_axis_deg == pytest.approx(52, abs=10)
    assert measured.t_axis_deg == pytest.approx(57, abs=10)


@pytest.mark.samples
@pytest.mark.parametrize(
    "name, pr_ms, qrs_ms, qt_ms, qrs_axis_deg",
    [
        ("clark/Example.dcm", 148, 120, 420, -61),
        ("clark/Example.scp", 148, 120, 420, -61),
        ("clark/Example.xml", 148, 120, 420, -61),
        (
            "sierra/129DYPRG.XML",
            151,
            96,
            476,
            -21,
        ),  # QRS of its one group of beats; over all groups it says 135
        ("sierra/ZZDEMOPTONLY_1-04.xml", 144, 84, 352, 78),
        ("muse/braveheart-example1.xml", 138, 96, 452, 20),
        ("muse/braveheart-example2.xml", 184, 100, 420, -2),
    ],
)
def test_what_carts_measured_is_measured_again(name, pr_ms, qrs_ms, qt_ms, qrs_axis_deg):
    proposal = propose(read_recording(samples_dir() / "ecg" / name))

    assert proposal is not None
    assert proposal.measurements.pr_ms == pytest.approx(pr_ms, abs=15)
    assert proposal.measurements.qrs_ms == pytest.approx(qrs_ms, abs=10)
    assert proposal.measurements.qt_ms == pytest.approx(qt_ms, abs=40)
    assert proposal.measurements.qrs_axis_deg == pytest.approx(qrs_axis_deg, abs=15)


@pytest.mark.samples
def test_the_beats_of_a_holter_are_those_that_cardiologists_annotated():
    folder = samples_dir() / "ecg" / "wfdb"
    recording = read_set([folder / "100.hea", folder / "100.dat"])
    minute = replace(
        recording,
        leads=tuple(replace(lead, digital=lead.digital[: 60 * 360]) for lead in recording.leads),
    )
    marked = wfdb.rdann(str(folder / "100"), "atr", sampto=60 * 360)
    beats_s = (
        np.array([at for at, kind in zip(marked.sample, marked.symbol, strict=True) if kind in "NA"]) / 360
    )

    proposal = propose(minute)

    assert proposal is not None
    found = np.array(proposal.r_peaks_s)
    assert len(found) == len(beats_s)
    assert np.abs(found - beats_s).max() <= 0.05


def test_a_day_is_measured_in_its_first_clean_minute():
    rate = 200
    quiet = np.zeros((3, 90 * rate), dtype=np.int16)
    heart = make_recording(duration_s=120, sampling_rate_hz=rate, leads=("V1", "V5", "aVF")).window_uv()
    proposal = propose(_recording(np.concatenate([quiet, heart], axis=1), rate, ("V1", "V5", "aVF")))

    assert proposal is not None
    assert (proposal.from_s, proposal.to_s) in [(60.0, 120.0), (120.0, 180.0)]
    assert min(proposal.r_peaks_s) >= proposal.from_s
    assert proposal.measurements.heart_rate_bpm == 72


def test_leads_that_are_missing_clipped_or_broken_are_left_out():
    whole = make_recording()
    samples = whole.window_uv()
    samples[3] = np.nan
    samples[4] = np.clip(samples[4] * 20, -1500, 1500)
    samples[7, 2000:2030] = np.nan
    samples[9] = 0
    proposal, all_leads = propose(_recording(samples)), propose(whole)

    assert proposal is not None and all_leads is not None
    assert proposal.measurements == all_leads.measurements


@pytest.mark.parametrize("ahead", [True, False])
def test_a_pulse_of_calibration_is_no_beat(ahead):
    samples = make_recording(duration_s=9).window_uv()
    pulse = np.tile(np.repeat([0, 1000, 0], (100, 100, 300)), (12, 1))
    proposal = propose(_recording(np.hstack([pulse, samples] if ahead else [samples, pulse])))

    assert proposal is not None
    expected, _ = beats(Heart(), 9)
    assert np.abs(np.array(proposal.r_peaks_s) - expected - ahead).max() <= 0.01
    assert proposal.measurements.qrs_ms == pytest.approx(90, abs=8)


def test_without_limb_leads_there_is_no_axis():
    proposal = propose(make_recording(leads=("V1", "V5")))

    assert proposal is not None
    assert proposal.measurements.qrs_axis_deg is None
    assert proposal.measurements.qrs_ms == pytest.approx(90, abs=8)


def _odd() -> dict[str, EcgRecording]:
    samples = make_recording().window_uv().astype(np.float64)
    one_bad = samples.copy()
    one_bad[:, 1000] = np.inf
    seconds = np.arange(5000) / 500
    shapes = {f"a sine of {hz} Hz": np.sin(2 * np.pi * hz * seconds) for hz in (0.1, 1, 2, 5, 10, 50, 240)}
    shapes |= {"a square": np.sign(np.sin(8 * seconds)), "a ramp": seconds, "a step": 1.0 * (seconds > 5)}
    odd = {name: _recording(np.tile(500 * shape, (12, 1))) for name, shape in shapes.items()}
    odd |= {
        f"{hz} Hz": _recording(samples, hz) for hz in (0, -1, 1e-3, 1, 10, 1e6, float("nan"), float("inf"))
    }
    odd |= {f"{count} samples": _recording(samples[:, :count]) for count in (0, 1, 2, 13, 499, 1499, 1501)}
    odd |= {
        "no leads": _recording(np.empty((0, 0))),
        "nothing but NaN": _recording(samples * np.nan),
        "nothing but infinity": _recording(np.full((12, 5000), np.inf)),
        "one infinite sample in each": _recording(one_bad),
        "constant": _recording(np.full((12, 5000), 77)),
        "every seventh sample missing": _recording(np.where(np.arange(5000) % 7, samples, np.nan)),
        "over every number": _recording(samples * 1e300),
        "two values": _recording(np.where(samples > 0, 32_767, -32_768)),
        "an absurd gain": replace(
            _recording(samples), leads=(Lead(name="I", digital=samples[0], gain_uv=1e30),)
        ),
        "no gain": replace(
            _recording(samples), leads=(Lead(name="I", digital=samples[0], gain_uv=float("nan")),)
        ),
        "integers at random": _recording(np.random.default_rng(3).integers(-32_768, 32_767, (12, 5000))),
    }
    return odd


def test_whatever_the_samples_are_nothing_is_raised_and_nothing_made_up():
    for name, recording in _odd().items():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            proposal = propose(recording)
        if proposal is not None:  # then it is the heart that is in there
            assert name in ("one infinite sample in each", "1501 samples"), (name, proposal.measurements)
            assert proposal.measurements.heart_rate_bpm == pytest.approx(72, abs=2), name


def test_a_proposal_is_json_and_says_where_it_comes_from():
    proposal = propose(make_recording())

    assert proposal is not None
    said = json.loads(json.dumps(describe_proposal(proposal), allow_nan=False))
    assert said["source"].startswith("computed: ")
    assert said["measurements"]["qtc"].keys() == {"bazett", "fridericia", "framingham", "hodges"}
    assert said["fiducials"]["p_on_s"] < said["fiducials"]["qrs_on_s"] < 0 < said["fiducials"]["qrs_off_s"]
    assert len(said["r_peaks_s"]) == 12 and said["regular"] is True


def test_ten_seconds_of_twelve_leads_are_measured_within_150_ms():
    recording = make_recording(Heart(noise_uv=10))
    propose(recording)
    spent = []
    for _ in range(5):
        start = process_time()
        propose(recording)
        spent.append(process_time() - start)

    assert min(spent) < 0.150


def test_a_written_holter_is_what_was_asked_for(tmp_path):
    heart = Heart(variability=0.05)
    path = write_ishne(tmp_path / "day.ecg", heart, duration_s=60, sampling_rate_hz=250)

    recording = read_recording(path)

    assert [lead.name for lead in recording.leads] == ["V1", "V5", "aVF"]
    assert (recording.sampling_rate_hz, recording.samples) == (250, 15_000)
    made = make_recording(heart, duration_s=60, sampling_rate_hz=250, leads=("V1", "V5", "aVF"))
    assert np.abs(recording.window_uv() - made.window_uv()).max() <= 1.25 + 1e-3  # half a count


def _recording(
    samples: np.ndarray, sampling_rate_hz: float = 500, names: tuple[str, ...] = STANDARD_LEADS
) -> EcgRecording:
    leads = tuple(Lead(name=name, digital=row) for name, row in zip(names, samples, strict=False))
    return EcgRecording(format="made", leads=leads, sampling_rate_hz=sampling_rate_hz)
