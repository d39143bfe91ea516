"""Real files with known answers: the same ECG in three formats, and what the collection's README says of each."""

from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_recording
from adapters.ecg.recording import STANDARD_LEADS, EcgRecording
from tests.samples import samples_dir

pytestmark = pytest.mark.samples

ONE_LSB_UV = 2.5


def read(name: str) -> EcgRecording:
    return read_recording(samples_dir() / "ecg" / name)


@pytest.fixture(scope="module")
def clark() -> list[EcgRecording]:
    return [read(f"clark/Example.{suffix}") for suffix in ("dcm", "scp", "xml")]


def test_one_ecg_in_three_formats_gives_the_same_samples(clark: list[EcgRecording]) -> None:
    dicom, *others = (recording.window_uv() for recording in clark)

    assert dicom.shape == (12, 5000)
    assert np.isfinite(dicom).all()
    for other in others:
        assert other.shape == dicom.shape
        assert np.abs(other - dicom).max() <= ONE_LSB_UV
        for one, same in zip(dicom, other, strict=True):
            assert np.corrcoef(one, same)[0, 1] > 0.999995


def test_one_ecg_in_three_formats_is_of_one_patient_and_moment(clark: list[EcgRecording]) -> None:
    for recording in clark:
        assert [lead.name for lead in recording.leads] == list(STANDARD_LEADS)
        assert not any(lead.derived for lead in recording.leads)
        assert recording.sampling_rate_hz == 500
        assert recording.patient.patient_id == "SBJ-123"
        assert recording.patient.name == "Clark"
        assert recording.started_at is not None
        assert recording.started_at.isoformat() == "2002-11-22T01:10:00+00:00"
        assert (
            recording.measurements.pr_ms,
            recording.measurements.qrs_ms,
            recording.measurements.qt_ms,
        ) == (148, 120, 420)
        assert recording.measurements.qrs_axis_deg == -61


@pytest.mark.parametrize(
    ("name", "leads", "samples", "rate"),
    [
        ("aecg/minimum_aecg.xml", 1, 13, 500),
        ("aecg/minimum_aecg_effectiveTime_high.xml", 1, 13, 500),
        ("aecg/minimum_aecg_effectiveTime_interval.xml", 1, 13, 500),
        ("aecg/minimum_aecg_effectiveTime_low.xml", 1, 13, 500),
        ("aecg/minimum_aecg_nouuid.xml", 1, 13, 500),
        ("aecg/subject1_1.xml", 12, 5000, 500),
        ("dicom/waveform_ecg.dcm", 12, 10000, 1000),
        ("muse/braveheart-example1.xml", 12, 5000, 500),
        ("muse/braveheart-example2.xml", 12, 5000, 500),
        ("sierra/129DYPRG.XML", 12, 5500, 500),
        ("sierra/ZZDEMOPTONLY_1-04.xml", 12, 5500, 500),
    ],
)
def test_counts_are_those_of_the_reference_readers(name: str, leads: int, samples: int, rate: int) -> None:
    recording = read(name)

    assert (len(recording.leads), recording.samples, recording.sampling_rate_hz) == (leads, samples, rate)


@pytest.mark.parametrize(
    "name", ["aecg/empty.xml", "wfdb/100.atr", "wfdb/100.dat", "wfdb/s0010_re.xyz", "wfdb/a103l.mat"]
)
def test_what_no_reference_reader_opens_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read(name)

    assert str(refusal.value).endswith(".")
    assert "。" in refusal.value.chinese


def test_eight_stored_leads_become_twelve() -> None:
    recording = read("muse/braveheart-example1.xml")

    assert [lead.name for lead in recording.leads if lead.derived] == ["III", "aVR", "aVL", "aVF"]
    one, two, three, right, left, foot = recording.window_uv()[:6]
    assert np.allclose(three, two - one, atol=1e-3)
    assert np.allclose(right, -(one + two) / 2, atol=1e-3)
    assert np.allclose(left, one - two / 2, atol=1e-3)
    assert np.allclose(foot, two - one / 2, atol=1e-3)


def test_a_cart_that_says_acute_infarction_is_believed() -> None:
    recording = read("sierra/129DYPRG.XML")

    assert ">>> Acute MI <<<" in recording.statements
    assert recording.acute


def test_a_rhythm_group_is_read_as_pydicom_reads_it(tmp_path: Path) -> None:
    import pydicom

    path = Path(str(get_testdata_file("waveform_ecg.dcm")))
    expected = pydicom.dcmread(path).waveform_array(0).T

    recording = read_recording(path)

    assert np.allclose(recording.window_uv(), expected, atol=0.01)
    assert recording.statements == ("RITMO SINUSALE", "ECG NORMALE")
    assert recording.measurements.qt_ms == 368
