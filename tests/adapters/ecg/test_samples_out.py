"""Every sample that is read goes out again: as DICOM without an error, as WFDB and on paper, with the same samples."""

import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import wfdb
from pydicom import dcmread

from adapters.ecg.dicom_writing import DicomIdentity, write_dicom
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.paper import Paper, draw_sheets
from adapters.ecg.reading import read_recording
from adapters.ecg.recording import EcgRecording
from adapters.ecg.svg import write_svg
from adapters.ecg.wfdb_writing import write_wfdb
from tests.adapters.ecg.test_dicom_writing import complaints
from tests.samples import samples_dir

IDENTITY = DicomIdentity(
    study_instance_uid="1.2.826.0.1.1",
    series_instance_uid="1.2.826.0.1.2",
    sop_instance_uid="1.2.826.0.1.3",
    started_at=datetime(2026, 11, 22, 4, 0, tzinfo=UTC),
)


def test_every_sample_goes_out_as_it_came_in(tmp_path):
    written = 0
    for path in sorted((samples_dir() / "ecg").rglob("*.*")):
        try:
            recording = read_recording(path)
        except NotAnEcg:  # which of them are refused is the readers' affair
            continue
        tolerance = min(abs(lead.gain_uv) for lead in recording.leads) / 100 + 1e-3
        for samples in (_as_dicom(recording, tmp_path), _as_wfdb(recording, tmp_path)):
            assert np.allclose(samples, recording.window_uv(), rtol=1e-6, atol=tolerance, equal_nan=True), (
                path.name
            )
        (sheet,) = draw_sheets(recording, Paper())
        assert "nan" not in write_svg(sheet, labels=False)
        written += 1
    assert written >= 14


def _as_dicom(recording: EcgRecording, folder: Path) -> np.ndarray:
    file = write_dicom(recording, identity=IDENTITY)
    assert [line for line in complaints(file, folder) if line.startswith("Error")] == []
    data_set = dcmread(io.BytesIO(file))
    samples = data_set.waveform_array(0).T
    group = data_set.WaveformSequence[0]
    if "WaveformPaddingValue" in group:
        raw = np.frombuffer(group.WaveformData, "<i2").reshape(-1, len(recording.leads)).T
        samples[raw == int.from_bytes(group.WaveformPaddingValue, "little", signed=True)] = np.nan
    return samples


def _as_wfdb(recording: EcgRecording, folder: Path) -> np.ndarray:
    file = write_wfdb(recording, name="ecg", time_zone=ZoneInfo("Asia/Shanghai"))
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        archive.extractall(folder)
    return wfdb.rdrecord(str(folder / "ecg")).p_signal.T
