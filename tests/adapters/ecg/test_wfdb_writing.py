"""Electrocardiograms as WFDB records, read by the wfdb package."""

import io
import zipfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import wfdb

from adapters.ecg.recording import Caution, EcgRecording, Lead
from adapters.ecg.wfdb_writing import wfdb_pieces, write_wfdb
from adapters.errors import Inexpressible
from tests.adapters.ecg.recordings import DERIVED, GAP, made_recording, real_recording

COUNTY = ZoneInfo("Asia/Shanghai")


def opened(recording: EcgRecording, folder: Path, *, physical: bool = True) -> wfdb.Record:
    with zipfile.ZipFile(io.BytesIO(write_wfdb(recording, name="ecg", time_zone=COUNTY))) as archive:
        assert archive.namelist() == ["ecg.hea", "ecg.dat"]
        archive.extractall(folder)
    return wfdb.rdrecord(str(folder / "ecg"), physical=physical)


def with_leads(*leads: Lead) -> EcgRecording:
    return replace(made_recording(("I",)), leads=leads)


@pytest.mark.parametrize(
    ("recording", "bits"),
    [
        pytest.param(real_recording(), "16", id="a real cart"),
        pytest.param(made_recording(gaps=True), "16", id="with gaps"),
        pytest.param(with_leads(Lead(name="X", digital=np.array([-32768, 0, 32767]))), "24", id="all of 16 bits"),
        pytest.param(
            with_leads(Lead(name="X", digital=np.array([-(2**23) + 1, -1, 0, 7]), gain_uv=0.01)), "24", id="24 bits"
        ),
        pytest.param(
            with_leads(Lead(name="X", digital=np.array([-(2**31) + 1, 2**31 - 1]), gain_uv=1e-4)), "32", id="32 bits"
        ),
        pytest.param(
            with_leads(Lead(name="X", digital=np.array([0, 4095]), gain_uv=2.44, offset_uv=-2.44 * 2048)),
            "16",
            id="unsigned with an offset",
        ),
    ],
)  # fmt: skip
def test_the_same_samples_come_back_in_the_narrowest_format(recording, bits, tmp_path):
    record = opened(recording, tmp_path)

    expected = recording.window_uv()
    assert np.array_equal(np.isnan(record.p_signal.T), np.isnan(expected))
    assert np.allclose(
        record.p_signal.T, expected, rtol=1e-6, atol=recording.leads[0].gain_uv / 100, equal_nan=True
    )
    assert set(record.fmt) == {bits}
    assert set(record.units) == {"uV"}


def test_the_counts_themselves_are_the_carts_and_their_checksums_are_right(tmp_path):
    recording = real_recording()

    record = opened(recording, tmp_path, physical=False)

    assert np.array_equal(record.d_signal.T, np.stack([lead.digital for lead in recording.leads]))
    assert record.calc_checksum() == [checksum % 0x10000 for checksum in record.checksum]
    assert record.init_value == [int(lead.digital[0]) for lead in recording.leads]


def test_leads_rate_and_the_countys_clock_are_in_the_header(tmp_path):
    record = opened(made_recording(sampling_rate_hz=499.75), tmp_path)

    assert record.sig_name[:4] == ["I", "II", "III", "aVR"]
    assert record.fs == 499.75
    assert record.base_datetime == datetime.fromisoformat("2026-11-22T09:02:03")


def test_what_the_cart_said_stands_in_comments_and_whose_it_is_does_not(tmp_path):
    recording = made_recording(derived=DERIVED, cautions=(Caution(code="gain_assumed", about="V1\nV2"),))

    opened(recording, tmp_path)

    header = (tmp_path / "ecg.hea").read_text("utf-8")
    for said in (
        "# Age: 58",
        "# Sex: M",
        "# Device: 理邦 SE-1200",
        "# High-pass filter: 0.05 Hz",
        "# Calculated leads: III aVR aVL aVF",
        "# Device PR (ms): 160",
        "# Device QTc formula: bazett",
        "# Device statement: 窦性心律",
        "# Caution: gain_assumed V1 V2",
    ):
        assert said in header.splitlines()
    for whose in ("LH00012345", "Zhang", "1968"):
        assert whose not in header


def test_without_a_start_there_is_none_in_the_header(tmp_path):
    assert opened(made_recording(started_at=None), tmp_path).base_datetime is None


def test_a_long_recording_comes_in_pieces_and_is_the_same_every_time(tmp_path):
    recording = made_recording(("I", "II", "V5"), sampling_rate_hz=200, duration_s=3700, gaps=True)

    pieces = list(wfdb_pieces(recording, name="ecg", time_zone=COUNTY))

    assert b"".join(pieces) == write_wfdb(recording, name="ecg", time_zone=COUNTY)
    assert len(pieces) > 5
    assert max(len(piece) for piece in pieces) < 1 << 20
    record = opened(recording, tmp_path)
    assert np.isnan(record.p_signal[GAP]).all()
    assert np.isnan(record.p_signal).sum() == 3 * 100


def test_a_document_has_no_samples_to_write():
    with pytest.raises(Inexpressible):
        wfdb_pieces(replace(made_recording(), leads=()), name="ecg", time_zone=COUNTY)
