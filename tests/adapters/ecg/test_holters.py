"""ISHNE, EDF, BDF: what lies in the file comes out, without being read whole."""

import resource
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_recording
from adapters.ecg.recording import EcgRecording
from tests.adapters.ecg.builders import edf, heartbeats, ishne, put

COUNTS = heartbeats(3, 2500)


def codes(recording: EcgRecording) -> set[str]:
    return {caution.code for caution in recording.cautions}


def refusal(path: Path) -> str:
    with pytest.raises(NotAnEcg) as error:
        read_recording(path)
    return error.value.code


def test_an_ishne_file_gives_its_leads_in_microvolts(tmp_path: Path) -> None:
    recording = read_recording(put(tmp_path, "a.ecg", ishne(COUNTS)))

    assert [lead.name for lead in recording.leads if not lead.derived] == ["I", "II", "V1"]
    assert np.array_equal(recording.lead("V1").window_uv(), COUNTS[2] * 2.5)  # type: ignore[union-attr]
    assert recording.started_at == datetime(2026, 11, 22, 1, 30, 15, tzinfo=UTC)
    assert (recording.patient.name, recording.patient.patient_id, recording.patient.sex) == (
        "Wang^Xiaodong",
        "H-77",
        "M",
    )
    assert recording.patient.birth_date == date(1953, 5, 8)


def test_derived_leads_of_a_holter_are_calculated_where_somebody_looks(tmp_path: Path) -> None:
    counts = heartbeats(3, 1 << 22)
    path = put(tmp_path, "day.ecg", ishne(counts))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    recording = read_recording(path)
    foot = recording.lead("aVF")

    assert foot is not None
    assert np.allclose(foot.window_uv(1000, 1250), (counts[1, 1000:1250] - counts[0, 1000:1250] / 2) * 2.5)
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 60_000  # the file has 25 MB; four derived leads as floats would have 67


def test_writers_that_count_samples_of_all_leads_together_are_understood(tmp_path: Path) -> None:
    recording = read_recording(put(tmp_path, "a.ecg", ishne(COUNTS, claimed=7500)))

    assert recording.samples == 2500


def test_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    data = bytearray(ishne(COUNTS))
    data[8] ^= 1

    assert "crc_wrong" in codes(read_recording(put(tmp_path, "a.ecg", bytes(data))))


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"claimed": 1 << 30}, "truncated"),
        ({"rate": 0}, "absurd_rate"),
        ({"resolution_nv": 0}, "scale_unknown"),
    ],
)
def test_claims_of_an_ishne_header_are_held_against_the_file(
    tmp_path: Path, changed: dict[str, int], code: str
) -> None:
    assert refusal(put(tmp_path, "a.ecg", ishne(COUNTS, **changed))) == code  # type: ignore[arg-type]


def test_samples_that_are_said_to_lie_in_the_header_follow_it(tmp_path: Path) -> None:
    data = bytearray(ishne(COUNTS, variable=b"more"))
    data[22:26] = b"\0\0\0\0"

    assert np.allclose(
        read_recording(put(tmp_path, "a.ecg", bytes(data))).leads[0].window_uv(), COUNTS[0] * 2.5
    )


def test_an_edf_signal_without_a_range_is_left_out_and_told(tmp_path: Path) -> None:
    data = bytearray(edf(COUNTS))
    at = 256 + 3 * (16 + 80 + 8)
    data[at + 8 : at + 16] = data[at + 24 + 8 : at + 24 + 16] = (
        b"0       "  # of the second, lowest and highest
    )

    recording = read_recording(put(tmp_path, "a.edf", bytes(data)))

    assert [lead.name for lead in recording.leads] == ["I", "V1"]
    assert ("lead_left_out", "ECG II") in {(caution.code, caution.about) for caution in recording.cautions}


def test_a_lead_without_resolution_is_left_out_and_told(tmp_path: Path) -> None:
    data = bytearray(ishne(COUNTS))
    data[208:210] = b"\0\0"  # of the second

    recording = read_recording(put(tmp_path, "a.ecg", bytes(data)))

    assert [lead.name for lead in recording.leads] == ["I", "V1"]
    assert np.allclose(recording.leads[1].window_uv(), COUNTS[2] * 2.5)
    assert ("lead_left_out", "II") in {(caution.code, caution.about) for caution in recording.cautions}


def test_a_name_in_gbk_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "a.ecg", ishne(COUNTS, name=("小东".encode("gbk"), "王".encode("gbk"))))

    assert read_recording(path).patient.name == "王^小东"


@pytest.mark.parametrize("width", [2, 3])
def test_an_edf_or_bdf_file_gives_its_leads_in_microvolts(tmp_path: Path, width: int) -> None:
    recording = read_recording(put(tmp_path, "a.edf", edf(COUNTS, bytes_per_sample=width)))

    assert [lead.name for lead in recording.leads if not lead.derived] == ["I", "II", "V1"]
    found = recording.lead("II").window_uv(100, 900)  # type: ignore[union-attr]
    assert np.allclose(found, COUNTS[1, 100:900] * 2.5, atol=0.6 if width == 3 else 0.01)
    assert recording.sampling_rate_hz == 250
    assert recording.started_at == datetime(2026, 11, 22, 1, 30, 15, tzinfo=UTC)
    assert recording.patient.name == "Wang Xiaodong"
    assert recording.filters.notch_hz == 50


def test_what_is_no_voltage_is_left_out_and_told(tmp_path: Path) -> None:
    path = put(tmp_path, "a.edf", edf(COUNTS, labels=("II", "Resp", "EEG Fpz"), units=("uV", "mmHg", "uV")))

    recording = read_recording(path)

    assert [lead.name for lead in recording.leads] == ["II"]
    assert {caution.about for caution in recording.cautions if caution.code == "lead_left_out"} == {
        "Resp",
        "EEG Fpz",
    }


def test_of_a_sleeper_s_signals_only_the_ecg_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "a.edf", edf(COUNTS, labels=("C3-A2", "ECG 1", "Chin")))

    assert [lead.name for lead in read_recording(path).leads] == ["ECG 1"]


def test_channels_that_are_only_counted_are_no_limb_leads(tmp_path: Path) -> None:
    recording = read_recording(put(tmp_path, "a.edf", edf(COUNTS, labels=("ECG 1", "ECG 2", "ECG 3"))))

    assert [lead.name for lead in recording.leads] == ["ECG 1", "ECG 2", "ECG 3"]


def test_an_ecg_without_a_unit_is_shown_as_not_calibrated(tmp_path: Path) -> None:
    recording = read_recording(put(tmp_path, "a.edf", edf(COUNTS, units=("", "", ""))))

    assert [lead.name for lead in recording.leads if not lead.derived] == ["I", "II", "V1"]
    assert "not_calibrated" in codes(recording)
    assert (
        refusal(put(tmp_path, "b.edf", edf(COUNTS, labels=("Pleth", "Pos", "X1"), units=("",) * 3)))
        == "no_leads"
    )


def test_records_of_an_interrupted_bdf_stand_where_they_were_recorded(tmp_path: Path) -> None:
    data = edf(COUNTS[:2, :500], labels=("ECG II", "BDF Annotations"), plus="BDF+D", bytes_per_sample=3)
    record = 2 * 250 * 3
    head, records = data[: -2 * record], [bytearray(data[-2 * record : -record]), bytearray(data[-record:])]
    for start, content in zip((0, 3), records, strict=True):
        content[750:756] = f"+{start}\x14\x14\0\0".encode()
    path = put(tmp_path, "a.bdf", head + b"".join(records))

    recording = read_recording(path)

    assert recording.samples == 4 * 250
    assert np.allclose(recording.window_uv(750, 1000)[0], COUNTS[0, 250:500] * 2.5, atol=0.6)


def test_a_recording_that_was_never_closed_is_as_long_as_it_is(tmp_path: Path) -> None:
    assert read_recording(put(tmp_path, "a.edf", edf(COUNTS, records=-1))).samples == 2500


def test_ten_gigabytes_claimed_are_refused_at_once(tmp_path: Path) -> None:
    assert refusal(put(tmp_path, "a.edf", edf(COUNTS, records=9_999_999))) == "truncated"


def test_an_interrupted_recording_without_its_onsets_is_refused(tmp_path: Path) -> None:
    assert refusal(put(tmp_path, "a.edf", edf(COUNTS, plus="EDF+D"))) == "damaged"


def test_records_of_an_interrupted_recording_stand_where_they_were_recorded(tmp_path: Path) -> None:
    starts = (0, 1, 5, 6)  # seconds; four were not recorded
    texts = np.zeros((1, 1000), dtype="<i2")
    for record, start in enumerate(starts):
        raw = f"+{start}\x14\x14\0".encode().ljust(20, b"\0")
        texts[0, record * 250 : record * 250 + 10] = np.frombuffer(raw, dtype="<i2")
    counts = np.concatenate([COUNTS[:1, :1000], texts])
    path = put(tmp_path, "a.edf", edf(counts, labels=("ECG II", "EDF Annotations"), plus="EDF+D"))

    recording = read_recording(path)
    found = recording.window_uv()[0]

    assert recording.samples == 7 * 250
    assert np.allclose(found[:500], COUNTS[0, :500] * 2.5, atol=0.01)
    assert np.isnan(found[500:1250]).all()
    assert np.allclose(recording.window_uv(1300, 1750)[0], COUNTS[0, 550:1000] * 2.5, atol=0.01)
    assert {"segments_joined", "lead_missing_samples"} <= codes(recording)
