"""An EcgRecording as a DICOM waveform object: Part 10, explicit VR little-endian.

Which object it becomes follows from the limits of the IODs (PS3.3 A.34): 12-Lead ECG where it fits, else General or
Ambulatory ECG, else General 32-bit ECG. Whoever asks says under which identity. The same recording and identity
give the same bytes. A day's recording is written piece by piece. Below 50 Hz, above 24 leads: Inexpressible.

Waveform module: PS3.3 C.10.9. Annotations: C.10.10. Acquisition context: PS3.16 TID 3401.
"""

import io
import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat, format_number_as_ds

from adapters.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from adapters.ecg import dicom_codes as codes
from adapters.ecg.digitising import WINDOW_SAMPLES, DigitalLead, digitise
from adapters.ecg.recording import STANDARD_LEADS, EcgPatient, EcgRecording, Lead
from adapters.errors import Inexpressible

LONGEST_TEXT = 1024  # of ST (PS3.5 6.2)
LIMB_LEAD_FORMULAS = {
    "III": "II - I",
    "aVR": "-(I + II) / 2",
    "aVL": "I - II / 2",
    "aVF": "II - I / 2",
}
# From so long on it is what somebody carried about, not what was recorded at rest or on the treadmill.
AMBULATORY_FROM_S = 3600
COUNTY_TIME = ZoneInfo("Asia/Shanghai")


@dataclass(frozen=True, slots=True, kw_only=True)
class DicomIdentity:
    """Under which names a recording is written. Times are written in `time_zone`, with its offset."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    started_at: datetime  # aware; used where the recording itself does not say, and then said to be so
    patient: EcgPatient | None = None  # whose it is as we know them; None: as the cart said
    accession_number: str = ""
    study_description: str = "ECG"
    institution: str = ""
    time_zone: tzinfo = COUNTY_TIME


@dataclass(frozen=True, slots=True, kw_only=True)
class Iod:
    """One waveform IOD and what may be in it; None where it sets no limit. One multiplex group is written."""

    sop_class_uid: str
    channels: int
    lowest_hz: float
    highest_hz: float | None
    samples: int | None = None
    bits: int = 16


TWELVE_LEAD = Iod(  # A.34.3
    sop_class_uid="1.2.840.10008.5.1.4.1.1.9.1.1", channels=13, lowest_hz=200, highest_hz=1000, samples=16384
)
GENERAL = Iod(  # A.34.4
    sop_class_uid="1.2.840.10008.5.1.4.1.1.9.1.2", channels=24, lowest_hz=200, highest_hz=1000
)
AMBULATORY = Iod(  # A.34.5
    sop_class_uid="1.2.840.10008.5.1.4.1.1.9.1.3", channels=12, lowest_hz=50, highest_hz=1000
)
GENERAL_32_BIT = Iod(  # A.34.16
    sop_class_uid="1.2.840.10008.5.1.4.1.1.9.1.4", channels=24, lowest_hz=50, highest_hz=None, bits=32
)


def write_dicom(recording: EcgRecording, *, identity: DicomIdentity) -> bytes:
    """The whole file. Raises Inexpressible."""
    return b"".join(dicom_pieces(recording, identity=identity))


def dicom_pieces(recording: EcgRecording, *, identity: DicomIdentity) -> Iterator[bytes]:
    """The file in pieces of bounded size. What cannot be written is said before the first of them."""
    coding = _code(recording)
    head = _write_head(recording, coding, identity)
    return _pieces(head, coding)


# --- samples ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coding:
    """How the samples are encoded: counts less their lead's shift, `padding` where nothing was recorded."""

    iod: Iod
    leads: tuple[DigitalLead, ...]
    shifts: tuple[int, ...]
    padding: int | None
    samples: int

    @property
    def size_bytes(self) -> int:
        return self.samples * len(self.leads) * self.iod.bits // 8

    def window(self, start: int) -> bytes:
        counts = [
            lead.counts(start, start + WINDOW_SAMPLES, missing=self.padding or 0, shift=shift)
            for lead, shift in zip(self.leads, self.shifts, strict=True)
        ]
        return np.stack(counts, axis=1).astype(f"<i{self.iod.bits // 8}").tobytes()


def _code(recording: EcgRecording) -> _Coding:
    if not recording.leads or not recording.samples:
        raise Inexpressible("a DICOM waveform without samples")
    leads = digitise(recording)
    names = [lead.name for lead in recording.leads]
    for iod in fitting_iods(names, recording.sampling_rate_hz, recording.samples):
        shifts = tuple(_shift(lead, iod.bits) for lead in leads)
        has_gaps = any(lead.has_gaps for lead in leads)
        padding = _find_padding(leads, shifts, iod.bits) if has_gaps else None
        if all(_fits(lead, shift, iod.bits) for lead, shift in zip(leads, shifts, strict=True)) and (
            padding is not None or not has_gaps
        ):
            return _Coding(iod=iod, leads=leads, shifts=shifts, padding=padding, samples=recording.samples)
    raise Inexpressible(
        f"a DICOM electrocardiogram of {len(recording.leads)} leads at {recording.sampling_rate_hz:g} Hz"
    )


def fitting_iods(leads: Collection[str], sampling_rate_hz: float, samples: int) -> list[Iod]:
    """The IODs whose limits a recording keeps, the most particular first."""
    is_long = samples >= AMBULATORY_FROM_S * sampling_rate_hz
    iods = [AMBULATORY, GENERAL] if is_long else [GENERAL, AMBULATORY]
    if set(leads) >= set(STANDARD_LEADS):
        iods.insert(0, TWELVE_LEAD)
    return [
        iod
        for iod in (*iods, GENERAL_32_BIT)
        if len(leads) <= iod.channels
        and iod.lowest_hz <= sampling_rate_hz <= (iod.highest_hz or sampling_rate_hz)
        and samples <= (iod.samples or samples)
    ]


def _shift(lead: DigitalLead, bits: int) -> int:
    """What is taken off every count so that all of them fit: nothing where they fit as they are."""
    return 0 if _fits(lead, 0, bits) else (lead.lowest + lead.highest) // 2


def _fits(lead: DigitalLead, shift: int, bits: int) -> bool:
    return -(1 << bits - 1) <= lead.lowest - shift and lead.highest - shift < 1 << bits - 1


def _find_padding(leads: tuple[DigitalLead, ...], shifts: tuple[int, ...], bits: int) -> int | None:
    """A value that no valid sample has (C.10.9.1.5): outside of all of them, for one holds for all channels."""
    lowest = min(lead.lowest - shift for lead, shift in zip(leads, shifts, strict=True))
    highest = max(lead.highest - shift for lead, shift in zip(leads, shifts, strict=True))
    if lowest > -(1 << bits - 1):
        return -(1 << bits - 1)
    return (1 << bits - 1) - 1 if highest < (1 << bits - 1) - 1 else None


# --- the file --------------------------------------------------------------------------------------------------------

# Waveform Data is the last element of the last item of the last sequence of the data set: behind it there are only
# the delimiters of both (PS3.5 7.5), and before it the length that the pieces will have.
_ENDS = struct.pack("<HHL", 0xFFFE, 0xE00D, 0) + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
_LONGEST_VALUE = (1 << 32) - 2  # PS3.5 7.1.1


def _write_head(recording: EcgRecording, coding: _Coding, identity: DicomIdentity) -> bytes:
    """Everything before the samples, the header of their element included."""
    size = coding.size_bytes
    if size > _LONGEST_VALUE:
        raise Inexpressible("a DICOM waveform of more than 4 GB")
    data_set = Dataset()
    _add_identity(data_set, recording, coding.iod, identity)
    _add_equipment(data_set, recording, identity)
    data_set.AcquisitionContextSequence = _acquisition_context(recording, coding.iod)
    if annotations := _annotations(recording):
        data_set.WaveformAnnotationSequence = Sequence(annotations)
    group = _multiplex_group(recording, coding)
    group.is_undefined_length_sequence_item = True
    data_set.WaveformSequence = Sequence([group])
    data_set["WaveformSequence"].is_undefined_length = True
    written = io.BytesIO()
    data_set.file_meta = _file_meta(coding.iod, identity)
    dcmwrite(written, data_set, enforce_file_format=True)
    before_length = len(written.getvalue()) - len(_ENDS) - 4
    return written.getvalue()[:before_length] + struct.pack("<L", size + size % 2)


def _pieces(head: bytes, coding: _Coding) -> Iterator[bytes]:
    yield head
    for start in range(0, coding.samples, WINDOW_SAMPLES):
        yield coding.window(start)
    yield b"\0" * (coding.size_bytes % 2) + _ENDS


def _file_meta(iod: Iod, identity: DicomIdentity) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(iod.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(identity.sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def _add_identity(data_set: Dataset, recording: EcgRecording, iod: Iod, identity: DicomIdentity) -> None:
    started_at = (recording.started_at or identity.started_at).astimezone(identity.time_zone)
    day, time = started_at.strftime("%Y%m%d"), started_at.strftime("%H%M%S.%f")
    patient = identity.patient or recording.patient
    data_set.SpecificCharacterSet = "ISO_IR 192"
    data_set.SOPClassUID, data_set.SOPInstanceUID = UID(iod.sop_class_uid), UID(identity.sop_instance_uid)
    data_set.StudyInstanceUID = UID(identity.study_instance_uid)
    data_set.SeriesInstanceUID = UID(identity.series_instance_uid)
    data_set.StudyDate, data_set.StudyTime = day, time
    data_set.ContentDate, data_set.ContentTime = day, time
    data_set.AcquisitionDateTime = day + time
    data_set.TimezoneOffsetFromUTC = started_at.strftime("%z")
    data_set.Modality = "ECG"
    data_set.SeriesNumber, data_set.InstanceNumber = 1, 1
    data_set.AccessionNumber = _text(identity.accession_number or recording.accession_number, 16)
    data_set.StudyID = data_set.AccessionNumber or "1"  # a DICOMDIR wants one
    data_set.StudyDescription = _text(identity.study_description, 64)
    data_set.ReferringPhysicianName = ""
    data_set.PatientName = _person_name(patient.name)
    data_set.PatientID = _text(patient.patient_id, 64)
    data_set.PatientBirthDate = _day(patient.birth_date)
    data_set.PatientSex = patient.sex
    if patient.age_years is not None and patient.age_years < 1000:
        data_set.PatientAge = f"{patient.age_years:03d}Y"


def _add_equipment(data_set: Dataset, recording: EcgRecording, identity: DicomIdentity) -> None:
    device = recording.device
    data_set.Manufacturer = _text(device.manufacturer, 64)
    for keyword, value in {
        "ManufacturerModelName": device.model,
        "DeviceSerialNumber": device.serial_number,
        "SoftwareVersions": device.software,
        "InstitutionName": identity.institution or device.institution,
    }.items():
        if stated := _text(value, 64):
            setattr(data_set, keyword, stated)


def _acquisition_context(recording: EcgRecording, iod: Iod) -> Sequence:
    """TID 3401. How the electrodes were placed no file says; from which leads twelve were made, we know."""
    if iod is not TWELVE_LEAD:
        return Sequence()
    derived = any(lead.derived for lead in recording.leads)
    item = Dataset()
    item.ValueType = "CODE"
    item.ConceptNameCodeSequence = Sequence([codes.LEAD_SYSTEM.item()])
    system = codes.TWELVE_LEADS_FROM_EIGHT if derived else codes.TWELVE_LEADS_PLACED_ANYHOW
    item.ConceptCodeSequence = Sequence([system.item()])
    return Sequence([item])


def _multiplex_group(recording: EcgRecording, coding: _Coding) -> Dataset:
    group = Dataset()
    group.MultiplexGroupLabel = "RHYTHM"
    group.WaveformOriginality = "ORIGINAL"
    group.NumberOfWaveformChannels = len(coding.leads)
    group.NumberOfWaveformSamples = coding.samples
    group.SamplingFrequency = _decimal(recording.sampling_rate_hz)
    group.ChannelDefinitionSequence = Sequence(
        _channel(recording, coding, number) for number in range(len(coding.leads))
    )
    group.WaveformBitsAllocated = coding.iod.bits
    group.WaveformSampleInterpretation = "SS" if coding.iod.bits == 16 else "SL"
    if coding.padding is not None:
        group.add_new("WaveformPaddingValue", "OW", _word(coding.padding, coding.iod.bits))
    group.add_new("WaveformData", "OW", b"")  # more than 8 bits (PS3.5 A.2)
    return group


def _word(value: int, bits: int) -> bytes:
    return value.to_bytes(bits // 8, "little", signed=True)


def _channel(recording: EcgRecording, coding: _Coding, number: int) -> Dataset:
    digital, shift = coding.leads[number], coding.shifts[number]
    lead, filters = digital.lead, recording.filters
    channel = Dataset()
    channel.WaveformChannelNumber = number + 1
    channel.ChannelLabel = _text(lead.name, 16)
    channel.ChannelSourceSequence = Sequence([codes.LEADS.get(lead.name, codes.UNSPECIFIED_LEAD).item()])
    if lead.derived:
        channel.ChannelDerivationDescription = _text(_derivation(lead), 64)
    channel.ChannelSensitivity = _decimal(digital.gain_uv)
    channel.ChannelSensitivityUnitsSequence = Sequence([codes.MICROVOLT.item()])
    channel.ChannelSensitivityCorrectionFactor = _decimal(1)
    channel.ChannelBaseline = _decimal(digital.offset_uv + shift * digital.gain_uv)
    channel.ChannelSampleSkew = _decimal(0)
    channel.WaveformBitsStored = coding.iod.bits
    for keyword, value in {
        "FilterLowFrequency": filters.high_pass_hz,  # the lower end of what passes
        "FilterHighFrequency": filters.low_pass_hz,
        "NotchFilterFrequency": filters.notch_hz,
    }.items():
        if value is not None:
            setattr(channel, keyword, _decimal(value))
    return channel


def _derivation(lead: Lead) -> str:
    return f"Calculated: {LIMB_LEAD_FORMULAS.get(lead.name, 'from the other leads')}"


# --- annotations -----------------------------------------------------------------------------------------------------


def _annotations(recording: EcgRecording) -> list[Dataset]:
    """The cart's measurements and statements, and what a reader must know; all about every channel of the group."""
    measured = recording.measurements
    items = []
    for name, (concept, unit) in codes.MEASUREMENTS.items():
        value = getattr(measured, name)
        by_formula = codes.QTC_BY_FORMULA if name == "qtc_ms" else {}
        if value is not None:
            items.append(_measurement(by_formula.get(measured.qtc_formula.lower(), concept), value, unit))
    lines = list(recording.statements)
    if measured.qtc_ms is not None and measured.qtc_formula:
        lines.append(f"QTc: {measured.qtc_formula}")
    if recording.started_at is None:
        lines.append("The device does not say when this was recorded; the times are those of its receipt.")
    lines += [f"Caution: {caution.code} {caution.about}".rstrip() for caution in recording.cautions]
    return [*items, *(_statement(line) for line in lines if line.strip())]


def _measurement(concept: codes.Code, value: float, unit: codes.Code) -> Dataset:
    item = _annotation(group=1)
    item.ConceptNameCodeSequence = Sequence([concept.item()])
    item.NumericValue = _decimal(value)
    item.MeasurementUnitsCodeSequence = Sequence([unit.item()])
    return item


def _statement(line: str) -> Dataset:
    item = _annotation(group=0)
    item.UnformattedTextValue = _text(line, LONGEST_TEXT, backslash=True)
    return item


def _annotation(*, group: int) -> Dataset:
    item = Dataset()
    item.ReferencedWaveformChannels = [1, 0]  # the first multiplex group, all of its channels (C.10.10.1.1)
    item.AnnotationGroupNumber = group
    return item


# --- values ----------------------------------------------------------------------------------------------------------


def _decimal(value: float) -> DSfloat:
    return DSfloat(format_number_as_ds(float(value)))


def _day(value: date | None) -> str:
    return value.strftime("%Y%m%d") if value is not None else ""


def _text(value: str, longest: int, *, backslash: bool = False) -> str:
    """Without what the value representation does not allow (PS3.5 6.2): control characters, the value separator."""
    clean = re.sub(r"[\x00-\x1f\x7f]+", " ", value)
    return (clean if backslash else clean.replace("\\", "/")).strip()[:longest].rstrip()


def _person_name(value: str) -> str:
    """At most three groups of five components and 64 characters each (PS3.5 6.2.1)."""
    groups = [_text(group, 64).split("^")[:5] for group in value.split("=")[:3]]
    return "=".join("^".join(group) for group in groups).rstrip("=^")
