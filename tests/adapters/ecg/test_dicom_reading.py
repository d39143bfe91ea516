"""DICOM waveforms: scale, padding, groups, encodings, and what is no waveform at all."""

import io
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from adapters.ecg.dicom_writing import DicomIdentity, write_dicom
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.reading import read_document, read_recording
from adapters.ecg.recording import EcgRecording
from tests.adapters.ecg.builders import heartbeats, put
from tests.samples import samples_dir

COUNTS = heartbeats(3, 1000)
NAMES = ("5.6.3-9-1", "5.6.3-9-2", "5.6.3-9-3")  # I, II, V1
PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>endobj\nxref\n0 4\n0000000000 65535 f \n"
    b"0000000009 00000 n \n0000000053 00000 n \n0000000103 00000 n \ntrailer<</Size 4/Root 1 0 R>>\nstartxref\n163\n%%EOF\n"
)


def item(**values: object) -> Dataset:
    data_set = Dataset()
    for keyword, value in values.items():
        setattr(data_set, keyword, value)
    return data_set


def code(value: str, scheme: str = "UCUM", meaning: str = "x") -> Sequence:
    return Sequence([item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)])


def channel(source: str, *, unit: str = "uV", sensitivity: str = "2.5", **more: object) -> Dataset:
    return item(
        ChannelSourceSequence=code(source, "SCPECG"),
        ChannelSensitivity=sensitivity,
        ChannelSensitivityUnitsSequence=code(unit),
        ChannelSensitivityCorrectionFactor="1",
        ChannelBaseline="0",
        WaveformBitsStored=16,
        **more,
    )


def group(
    counts: np.ndarray = COUNTS, *, channels: list[Dataset] | None = None, kind: str = "<i2", **more: object
) -> Dataset:
    values: dict[str, object] = {
        "MultiplexGroupTimeOffset": "0", "WaveformOriginality": "ORIGINAL", "NumberOfWaveformChannels": len(counts),
        "NumberOfWaveformSamples": counts.shape[1], "SamplingFrequency": "250", "MultiplexGroupLabel": "RHYTHM",
        "ChannelDefinitionSequence": Sequence(channels or [channel(name) for name in NAMES[: len(counts)]]),
        "WaveformBitsAllocated": np.dtype(kind).itemsize * 8,
        "WaveformSampleInterpretation": {"i1": "SB", "i2": "SS", "i4": "SL"}[np.dtype(kind).str[1:]],
        "WaveformData": np.ascontiguousarray(counts.T).astype(kind).tobytes(),
    }  # fmt: skip
    return item(**{**values, **more})


def written(
    *groups: Dataset, syntax: str = ExplicitVRLittleEndian, change: Callable[[Dataset], None] | None = None
) -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.2"
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    data_set = FileDataset("x", {}, file_meta=meta, preamble=b"\0" * 128)
    data_set.SOPClassUID, data_set.SOPInstanceUID = meta.MediaStorageSOPClassUID, "1.2.3"
    data_set.Modality, data_set.PatientName, data_set.PatientID = "ECG", "Wang^Xiaodong", "H-77"
    data_set.AcquisitionDateTime = "20261122093015"
    if groups:
        data_set.WaveformSequence = Sequence(groups)
    if change:
        change(data_set)
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data_set, enforce_file_format=True)
    return buffer.getvalue()


def read(tmp_path: Path, data: bytes) -> EcgRecording:
    return read_recording(put(tmp_path, "a.dcm", data))


def codes(recording: EcgRecording) -> set[str]:
    return {caution.code for caution in recording.cautions}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_every_encoding_gives_the_samples(tmp_path: Path, syntax: str) -> None:
    big = syntax == ExplicitVRBigEndian
    recording = read(tmp_path, written(group(kind=">i2" if big else "<i2"), syntax=syntax))

    assert np.allclose(recording.lead("V1").window_uv(), COUNTS[2] * 2.5)  # type: ignore[union-attr]
    assert recording.patient.name == "Wang^Xiaodong"


def test_items_and_sequences_of_undefined_length_are_read(tmp_path: Path) -> None:
    def change(data_set: Dataset) -> None:
        data_set["WaveformSequence"].is_undefined_length = True
        for one in data_set.WaveformSequence:
            one.is_undefined_length_sequence_item = True
            one["ChannelDefinitionSequence"].is_undefined_length = True

    recording = read(
        tmp_path, written(group(), group(COUNTS[:, :100], MultiplexGroupLabel="MEDIAN BEAT"), change=change)
    )

    assert recording.samples == 1000
    assert np.allclose(recording.lead("I").window_uv(), COUNTS[0] * 2.5)  # type: ignore[union-attr]


def test_a_padding_value_of_zero_erases_nothing(tmp_path: Path) -> None:
    recording = read(tmp_path, written(group(WaveformPaddingValue=b"\0\0")))

    assert (COUNTS == 0).any()
    assert np.isfinite(recording.window_uv()).all()


def test_a_padding_value_that_can_be_no_sample_is_not_recorded(tmp_path: Path) -> None:
    counts = COUNTS.copy()
    counts[:, 500:600] = -32768
    recording = read(tmp_path, written(group(counts, WaveformPaddingValue=b"\0\x80")))

    assert np.isnan(recording.window_uv()[:, 500:600]).all()
    assert "lead_missing_samples" in codes(recording)


def test_sensitivity_correction_and_baseline_make_microvolts(tmp_path: Path) -> None:
    channels = [channel("2:1", unit="mV", sensitivity="0.00125")]
    channels[0].ChannelSensitivityCorrectionFactor, channels[0].ChannelBaseline = "2", "0.1"
    recording = read(tmp_path, written(group(COUNTS[:1], channels=channels)))

    assert np.allclose(recording.window_uv()[0], COUNTS[0] * 2.5 + 100, atol=0.01)


def test_a_channel_that_is_no_voltage_is_left_out(tmp_path: Path) -> None:
    channels = [channel(NAMES[0]), channel("2:999", unit="mm[Hg]", ChannelLabel="ABP")]
    recording = read(tmp_path, written(group(COUNTS[:2], channels=channels)))

    assert [lead.name for lead in recording.leads] == ["I"]
    assert "lead_left_out" in codes(recording)


def test_a_channel_without_a_scale_is_refused(tmp_path: Path) -> None:
    bare = channel(NAMES[0])
    del bare.ChannelSensitivity

    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, written(group(COUNTS[:1], channels=[bare])))
    assert refusal.value.code == "scale_unknown"


def test_twelve_bits_without_their_sign_are_given_it_back(tmp_path: Path) -> None:
    channels = [channel(NAMES[0])]
    channels[0].WaveformBitsStored = 12
    recording = read(tmp_path, written(group(COUNTS[:1] & 0xFFF, channels=channels)))

    assert np.allclose(recording.window_uv()[0], COUNTS[0] * 2.5)


def test_groups_that_follow_one_another_stand_on_one_axis(tmp_path: Path) -> None:
    first = group(COUNTS[:2, :250], channels=[channel(NAMES[0]), channel(NAMES[1])])
    second = group(COUNTS[2:, :250], channels=[channel(NAMES[2])], MultiplexGroupTimeOffset="1000")
    recording = read(tmp_path, written(first, second))

    assert recording.samples == 500
    one, chest = recording.lead("I"), recording.lead("V1")
    assert one is not None and chest is not None
    assert np.allclose(one.window_uv(0, 250), COUNTS[0, :250] * 2.5)
    assert np.isnan(one.window_uv(250)).all()
    assert np.allclose(chest.window_uv(250), COUNTS[2, :250] * 2.5)


def test_a_lead_goes_on_in_the_group_that_follows(tmp_path: Path) -> None:
    half = COUNTS.shape[1] // 2
    data = written(
        group(COUNTS[:, :half], MultiplexGroupTimeOffset="0"),
        group(COUNTS[:, half:], MultiplexGroupTimeOffset=str(half * 4)),
        group(COUNTS[:1, : half // 2], MultiplexGroupTimeOffset="0"),
    )

    recording = read(tmp_path, data)

    assert np.allclose(recording.lead("I").window_uv(), COUNTS[0] * 2.5)  # type: ignore[union-attr]
    assert np.allclose(recording.lead("V1").window_uv(), COUNTS[2] * 2.5)  # type: ignore[union-attr]


def test_32_bits_are_read(tmp_path: Path) -> None:
    wide = COUNTS.astype(np.int64) * 1000
    recording = read(
        tmp_path,
        written(group(wide, kind="<i4", channels=[channel(name, sensitivity="0.0025") for name in NAMES])),
    )

    assert np.allclose(recording.lead("I").window_uv(), COUNTS[0] * 2.5, atol=0.01)  # type: ignore[union-attr]


@pytest.mark.parametrize("rate", ["0", "1000000", "-5"])
def test_absurd_rates_are_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, written(group(SamplingFrequency=rate)))
    assert refusal.value.code == "absurd_rate"


def test_more_samples_than_there_are_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, written(group(NumberOfWaveformSamples=2_000_000_000)))
    assert refusal.value.code == "truncated"


def test_an_hour_is_not_read_into_memory(tmp_path: Path) -> None:
    counts = np.tile(heartbeats(3, 250_000, rate=250), 20)  # 5 million samples of 3 leads: 30 MB
    path = put(tmp_path, "a.dcm", written(group(counts)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    recording = read_recording(path)

    assert recording.samples == 5_000_000
    assert np.allclose(
        recording.lead("II").window_uv(4_000_000, 4_000_100), counts[1, 4_000_000:4_000_100] * 2.5
    )  # type: ignore[union-attr]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 25_000


def test_a_name_in_gbk_that_is_declared_as_latin_is_read(tmp_path: Path) -> None:
    def change(data_set: Dataset) -> None:
        data_set.SpecificCharacterSet = "ISO_IR 100"

    data = written(group(), change=change).replace(b"Wang^Xiaodong ", "王小东诊断室县医院".encode("gbk")[:14])

    assert read(tmp_path, data).patient.name == "王小东诊断室县"


def test_annotations_are_measurements_and_statements(tmp_path: Path) -> None:
    def change(data_set: Dataset) -> None:
        data_set.WaveformAnnotationSequence = Sequence([
            item(ConceptNameCodeSequence=code("2:16770", "MDC", "Heart rate"), NumericValue="72",
                 MeasurementUnitsCodeSequence=code("{H.B.}/min")),
            item(ConceptNameCodeSequence=code("2:15880", "MDC", "QTc"), NumericValue="0.43",
                 MeasurementUnitsCodeSequence=code("s")),
            item(UnformattedTextValue="*** ACUTE MI ***"),
        ])  # fmt: skip

    recording = read(tmp_path, written(group(), change=change))

    assert (recording.measurements.heart_rate_bpm, recording.measurements.qtc_ms) == (72, pytest.approx(430))
    assert recording.measurements.qtc_formula == "bazett"
    assert recording.statements == ("*** ACUTE MI ***",)
    assert recording.acute


def test_a_pdf_inside_of_dicom_is_a_document(tmp_path: Path) -> None:
    def change(data_set: Dataset) -> None:
        data_set.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
        data_set.MIMETypeOfEncapsulatedDocument = "application/pdf"
        data_set.EncapsulatedDocument = PDF + b"\0" * (len(PDF) % 2)

    path = put(tmp_path, "a.dcm", written(change=change))
    recording = read_recording(path)

    assert recording.leads == ()
    assert recording.document is not None
    assert (recording.document.media_type, recording.document.pages) == ("application/pdf", 1)
    assert recording.patient.patient_id == "H-77"
    assert read_document(path) == PDF


def test_an_image_of_modality_ecg_is_a_document_and_another_is_no_ecg(tmp_path: Path) -> None:
    def image(modality: str) -> bytes:
        def change(data_set: Dataset) -> None:
            data_set.SOPClassUID, data_set.Modality = "1.2.840.10008.5.1.4.1.1.7", modality
            data_set.Rows = data_set.Columns = 4
            data_set.PixelData = bytes(16)
            data_set["PixelData"].VR = "OB"

        return written(change=change)

    document = read(tmp_path, image("ECG")).document
    assert document is not None
    assert document.media_type == "application/dicom"
    with pytest.raises(NotAnEcg) as refusal:
        read(tmp_path, image("CT"))
    assert refusal.value.code == "not_an_ecg"


def test_a_data_set_without_a_file_header_is_read(tmp_path: Path) -> None:
    path = Path(str(get_testdata_file("waveform_ecg.dcm")))
    whole = path.read_bytes()
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")

    recording = read(tmp_path, whole[start:])

    assert recording.samples == 10000


@pytest.mark.samples
@pytest.mark.parametrize(
    "name",
    [
        "clark/Example.scp",
        "clark/Example.xml",
        "muse/braveheart-example1.xml",
        "sierra/129DYPRG.XML",
        "sierra/ZZDEMOPTONLY_1-04.xml",
    ],
)
def test_what_our_writer_wrote_is_read_back(tmp_path: Path, name: str) -> None:
    recording = read_recording(samples_dir() / "ecg" / name)
    identity = DicomIdentity(
        study_instance_uid="1.2.3",
        series_instance_uid="1.2.4",
        sop_instance_uid="1.2.5",
        started_at=datetime.now(UTC),
    )

    again = read(tmp_path, write_dicom(recording, identity=identity))

    assert np.allclose(again.window_uv(), recording.window_uv(), atol=0.01)
    assert [(lead.name, lead.derived) for lead in again.leads] == [
        (lead.name, lead.derived) for lead in recording.leads
    ]
    fields = ["sampling_rate_hz", "patient", "device", "filters", "measurements", "statements", "acute"]
    for field in [*fields, *(["started_at"] if recording.started_at else [])]:
        assert getattr(again, field) == getattr(recording, field), field
