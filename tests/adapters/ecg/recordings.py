"""Recordings for the writers: a real one that pydicom ships, and made ones of which every sample is known."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from pydicom import dcmread
from pydicom.data import get_testdata_file

from adapters.ecg.recording import (
    STANDARD_LEADS,
    EcgDevice,
    EcgFilters,
    EcgMeasurements,
    EcgPatient,
    EcgRecording,
    Lead,
)

STARTED_AT = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
DERIVED = ("III", "aVR", "aVL", "aVF")
GAP = slice(100, 200)
NO_SAMPLE = -32768


def made_recording(
    names: tuple[str, ...] = STANDARD_LEADS,
    *,
    sampling_rate_hz: float = 500,
    duration_s: float = 10,
    gain_uv: float = 4.88,
    gaps: bool = False,
    derived: tuple[str, ...] = (),
    dtype: Any = np.int16,
    **changes: Any,
) -> EcgRecording:
    """Sines of another frequency and height in each lead; with `gaps`, nothing in GAP."""
    seconds = np.arange(round(sampling_rate_hz * duration_s)) / sampling_rate_hz
    leads = []
    for number, name in enumerate(names):
        digital = (20 * (number + 1) * np.sin(2 * np.pi * (1 + number / 10) * seconds)).astype(dtype)
        if gaps:
            digital[GAP] = NO_SAMPLE
        missing = NO_SAMPLE if gaps else None
        leads.append(
            Lead(name=name, digital=digital, gain_uv=gain_uv, missing=missing, derived=name in derived)
        )
    values: dict[str, Any] = {
        "format": "made",
        "started_at": STARTED_AT,
        "patient": EcgPatient(
            patient_id="LH00012345",
            name="Zhang^Xiaoming=张^小明",
            sex="M",
            birth_date=date(1968, 3, 4),
            age_years=58,
        ),
        "device": EcgDevice(
            manufacturer="理邦", model="SE-1200", serial_number="7", institution="柳河镇中心卫生院"
        ),
        "filters": EcgFilters(high_pass_hz=0.05, low_pass_hz=150, notch_hz=50),
        "measurements": EcgMeasurements(
            heart_rate_bpm=72,
            rr_ms=833,
            p_ms=104,
            pr_ms=160,
            qrs_ms=92,
            qt_ms=400,
            qtc_ms=438,
            qtc_formula="bazett",
            p_axis_deg=50,
            qrs_axis_deg=-12,
            t_axis_deg=33,
        ),
        "statements": ("窦性心律", "正常心电图"),
    }
    return EcgRecording(leads=tuple(leads), sampling_rate_hz=sampling_rate_hz, **(values | changes))


def real_recording() -> EcgRecording:
    """The rhythm of the 12-lead electrocardiogram (Mortara, 1000 Hz) that pydicom ships."""
    data_set = dcmread(str(get_testdata_file("waveform_ecg.dcm")))
    counts = data_set.waveform_array(0) / 1.25
    return EcgRecording(
        format="dicom",
        leads=tuple(
            Lead(name=name, digital=np.rint(counts[:, number]).astype(np.int16), gain_uv=1.25)
            for number, name in enumerate(STANDARD_LEADS)
        ),
        sampling_rate_hz=1000.0,
        started_at=datetime(2013, 1, 25, 9, 59, 19, tzinfo=UTC),
        patient=EcgPatient(patient_id="642341", name="Rossi^Anna", sex="F", age_years=42),
        filters=EcgFilters(high_pass_hz=0.05, low_pass_hz=300),
    )
