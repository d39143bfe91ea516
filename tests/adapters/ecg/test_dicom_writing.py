"""Electrocardiograms as DICOM objects, judged by dciodvfy and read by pydicom."""

import io
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from adapters.ecg.dicom_writing import DicomIdentity, dicom_pieces, write_dicom
from adapters.ecg.recording import STANDARD_LEADS, Caution, EcgPatient, EcgRecording, Lead
from adapters.errors import Inexpressible
from tests.adapters.ecg.recordings import DERIVED, GAP, NO_SAMPLE, made_recording, real_recording

TWELVE_LEAD = "1.2.840.10008.5.1.4.1.1.9.1.1"
GENERAL = "1.2.840.10008.5.1.4.1.1.9.1.2"
AMBULATORY = "1.2.840.10008.5.1.4.1.1.9.1.3"
GENERAL_32_BIT = "1.2.840.10008.5.1.4.1.1.9.1.4"

IDENTITY = DicomIdentity(
    study_instance_uid="1.2.826.0.1.1",
    series_instance_uid="1.2.826.0.1.2",
    sop_instance_uid="1.2.826.0.1.3",
    started_at=datetime(2026, 11, 22, 4, 0, tzinfo=UTC),
    accession_number="ECG0001",
    institution="柳河镇中心卫生院",
)


def opened(recording: EcgRecording, identity: DicomIdentity = IDENTITY) -> Dataset:
    return dcmread(io.BytesIO(write_dicom(recording, identity=identity)))


def difference_uv(data_set: Dataset, recording: EcgRecording) -> float:
    """The largest, where something was recorded; everything must be recorded where the object says so."""
    written, recorded = data_set.waveform_array(0).T, recording.window_uv()
    assert written.shape == recorded.shape
    return float(np.nanmax(np.abs(written - recorded)))


def complaints(file: bytes, tmp_path) -> list[str]:
    """Every error and warning of dciodvfy."""
    dciodvfy = shutil.which("dciodvfy")
    assert dciodvfy, "dicom3tools is not installed"
    path = tmp_path / "ecg.dcm"
    path.write_bytes(file)
    said = subprocess.run([dciodvfy, path], capture_output=True, text=True, check=False)
    return [line for line in (said.stderr + said.stdout).splitlines() if "Error" in line or "Warning" in line]


@pytest.mark.parametrize(
    ("recording", "sop_class_uid"),
    [
        pytest.param(real_recording(), TWELVE_LEAD, id="12 leads of a real cart"),
        pytest.param(made_recording(derived=DERIVED), TWELVE_LEAD, id="12 leads made of 8"),
        pytest.param(made_recording(gaps=True), TWELVE_LEAD, id="with gaps"),
        pytest.param(made_recording((*STANDARD_LEADS, "V7")), TWELVE_LEAD, id="a thirteenth lead"),
        pytest.param(made_recording((*STANDARD_LEADS, "V7", "V8", "V9")), GENERAL, id="15 leads"),
        pytest.param(made_recording(("I", "II", "V5")), GENERAL, id="3 leads"),
        pytest.param(made_recording(("通道1", "MLII")), GENERAL, id="leads in the cart's own words"),
        pytest.param(made_recording(duration_s=40), GENERAL, id="12 leads, longer than that object takes"),
        pytest.param(made_recording(("I", "II", "V5"), sampling_rate_hz=125), AMBULATORY, id="slow"),
        pytest.param(made_recording(("I", "V1", "V5"), sampling_rate_hz=200, duration_s=3700), AMBULATORY, id="long"),
    ],
)  # fmt: skip
def test_the_object_fits_its_iod_and_nothing_is_wrong_with_it(recording, sop_class_uid, tmp_path):
    file = write_dicom(recording, identity=IDENTITY)

    data_set = dcmread(io.BytesIO(file))
    assert data_set.SOPClassUID == sop_class_uid
    assert complaints(file, tmp_path) == []
    assert difference_uv(data_set, recording) < recording.leads[0].gain_uv / 100


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(made_recording(sampling_rate_hz=2000), id="fast"),
        pytest.param(
            replace(
                made_recording(("I",)),
                leads=(Lead(name="I", digital=np.array([-(2**30), 0, 2**30]), gain_uv=0.001),),
            ),
            id="24-bit converter",
        ),
    ],
)
def test_what_no_older_object_takes_becomes_one_of_32_bits(recording):
    data_set = opened(recording)

    assert data_set.SOPClassUID == GENERAL_32_BIT
    assert difference_uv(data_set, recording) < 0.1


def test_missing_samples_get_a_value_that_no_valid_sample_has():
    full = made_recording(gaps=True)
    lowest = full.leads[0].digital.astype(np.int32)
    lowest[5] = -32768  # valid here: this lead says 99999 where it has no sample
    lowest[GAP] = 99_999
    recording = replace(full, leads=(Lead(name="I", digital=lowest, missing=99_999), *full.leads[1:]))

    group = opened(recording).WaveformSequence[0]

    padding = int.from_bytes(group.WaveformPaddingValue, "little", signed=True)
    raw = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12).T
    assert np.array_equal(raw == padding, np.isnan(recording.window_uv()))
    assert (raw[0, 5], padding) == (-32768, 32767)


def test_valid_samples_are_never_declared_missing():
    assert "WaveformPaddingValue" not in opened(made_recording()).WaveformSequence[0]


def test_an_offset_that_16_bits_cannot_hold_becomes_the_baseline():
    digital = (np.arange(5000) + 1_000_000).astype(np.int32)
    recording = replace(
        made_recording(("I",)), leads=(Lead(name="I", digital=digital, gain_uv=0.5, offset_uv=-3.0),)
    )

    data_set = opened(recording)

    assert data_set.WaveformSequence[0].WaveformBitsAllocated == 16
    assert difference_uv(data_set, recording) < 0.1


def test_decimal_samples_keep_a_twentieth_of_a_microvolt():
    samples = np.random.default_rng(7).normal(0, 300, 5000)
    samples[7] = np.nan
    recording = replace(made_recording(("II",)), leads=(Lead(name="II", digital=samples, gain_uv=1.0),))

    data_set = opened(recording)

    assert difference_uv(data_set, recording) <= 0.051
    assert "WaveformPaddingValue" in data_set.WaveformSequence[0]


def test_patient_device_and_times_are_written_as_people_there_read_them():
    data_set = opened(made_recording())

    assert data_set.SpecificCharacterSet == "ISO_IR 192"
    assert str(data_set.PatientName) == "Zhang^Xiaoming=张^小明"
    assert (data_set.PatientID, data_set.PatientBirthDate) == ("LH00012345", "19680304")
    assert (data_set.PatientSex, data_set.PatientAge) == ("M", "058Y")
    assert (data_set.AccessionNumber, data_set.InstitutionName) == ("ECG0001", "柳河镇中心卫生院")
    assert (data_set.Manufacturer, data_set.ManufacturerModelName) == ("理邦", "SE-1200")
    assert (data_set.StudyDate, data_set.StudyTime, data_set.TimezoneOffsetFromUTC) == (
        "20261122",
        "090203.000000",
        "+0800",
    )
    channel = data_set.WaveformSequence[0].ChannelDefinitionSequence[0]
    assert (channel.FilterLowFrequency, channel.FilterHighFrequency, channel.NotchFilterFrequency) == (
        0.05,
        150,
        50,
    )


def test_an_identity_that_we_know_better_stands_instead_of_the_carts():
    known = replace(IDENTITY, patient=EcgPatient(patient_id="X9", name="李^四"))

    assert str(opened(made_recording(), known).PatientName) == "李^四"


def test_the_carts_measurements_and_statements_are_annotations():
    recording = made_recording(cautions=(Caution(code="gain_assumed", about="V1"),))

    annotations = opened(recording).WaveformAnnotationSequence

    measured = {
        item.ConceptNameCodeSequence[0].CodeMeaning: (
            float(item.NumericValue),
            item.MeasurementUnitsCodeSequence[0].CodeValue,
        )
        for item in annotations
        if "NumericValue" in item
    }
    assert measured["Ventricular Heart Rate"] == (72, "{H.B.}/min")
    assert measured["QTc global using Bazett formula"] == (438, "ms")
    assert measured["QRS axis"] == (-12, "deg")
    assert len(measured) == 10
    texts = [item.UnformattedTextValue for item in annotations if "UnformattedTextValue" in item]
    assert texts == ["窦性心律", "正常心电图", "QTc: bazett", "Caution: gain_assumed V1"]


def test_leads_are_coded_and_calculated_ones_say_how():
    group = opened(made_recording(derived=DERIVED)).WaveformSequence[0]

    channels = {channel.ChannelLabel: channel for channel in group.ChannelDefinitionSequence}
    assert [channels[name].ChannelSourceSequence[0].CodeValue for name in STANDARD_LEADS] == [
        "2:1", "2:2", "2:61", "2:62", "2:63", "2:64", "2:3", "2:4", "2:5", "2:6", "2:7", "2:8",
    ]  # fmt: skip
    assert channels["aVR"].ChannelDerivationDescription == "Calculated: -(I + II) / 2"
    assert "ChannelDerivationDescription" not in channels["V1"]


def test_an_unknown_time_is_that_of_the_receipt_and_said_to_be_so():
    data_set = opened(made_recording(started_at=None))

    assert data_set.AcquisitionDateTime == "20261122120000.000000"
    assert "does not say when" in data_set.WaveformAnnotationSequence[-1].UnformattedTextValue


def test_names_that_would_break_the_file_do_not(tmp_path):
    patient = EcgPatient(patient_id="A\\B\x00\n", name="x" * 30 + "^y" * 9 + "=" * 5)
    recording = made_recording(patient=patient, statements=("a\\b", "x" * 3000, " "))

    file = write_dicom(recording, identity=IDENTITY)

    assert complaints(file, tmp_path) == []
    assert dcmread(io.BytesIO(file)).PatientID == "A/B"


def test_lengths_are_counted_in_characters_as_the_standard_does():
    recording = made_recording(patient=EcgPatient(name="王" * 90), statements=("字" * 3000,))

    data_set = opened(recording)

    assert str(data_set.PatientName) == "王" * 64
    assert data_set.WaveformAnnotationSequence[-2].UnformattedTextValue == "字" * 1024


def test_the_same_recording_gives_the_same_bytes_and_long_ones_come_in_pieces():
    recording = made_recording(("I", "II", "V5"), sampling_rate_hz=200, duration_s=3700)

    pieces = list(dicom_pieces(recording, identity=IDENTITY))

    assert b"".join(pieces) == write_dicom(recording, identity=IDENTITY)
    assert max(len(piece) for piece in pieces) < 1 << 20
    assert len(pieces) > 5


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(replace(made_recording(), leads=()), id="a page instead of samples"),
        pytest.param(made_recording(("I",), sampling_rate_hz=20), id="20 Hz"),
        pytest.param(made_recording(tuple(f"E{number}" for number in range(25))), id="25 leads"),
    ],
)
def test_what_no_object_has_room_for_is_said_before_the_first_byte(recording):
    with pytest.raises(Inexpressible):
        dicom_pieces(recording, identity=IDENTITY)


def test_a_lead_without_a_single_sample_is_all_padding():
    digital = np.full(5000, NO_SAMPLE, dtype=np.int16)
    recording = made_recording(("I",))
    recording = replace(recording, leads=(Lead(name="I", digital=digital, missing=NO_SAMPLE),))

    group = opened(recording).WaveformSequence[0]

    assert group.WaveformData == group.WaveformPaddingValue * 5000
