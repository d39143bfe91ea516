"""Formats that ecgdatakit reads rightly: its record in, an EcgRecording out.

It takes a path, so it gets a temporary file of what was looked at before. Samples are taken as counts with their
gain (`auto_scale=False` and our own arithmetic): after its scaling `resolution` no longer describes the samples.
Its rates are rounded to whole hertz; the exact one is taken where it keeps it.
"""

import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from ecgdatakit.exceptions import ECGDataKitError, UnsupportedFormatError
from ecgdatakit.parsing.parser import Parser

from adapters.ecg.assembling import assemble, compact
from adapters.ecg.errors import NotAnEcg
from adapters.ecg.recording import (
    Caution,
    EcgDevice,
    EcgFilters,
    EcgMeasurements,
    EcgPatient,
    EcgRecording,
    Lead,
)
from adapters.ecg.text import mend
from adapters.ecg.units import microvolts_of, read_sex

_PLACEHOLDERS = ("?", "-", "--", "---", "unk", "none", "n/a")
_OLDEST_YEARS = 130
_LONGEST_ABOUT = 160


def read_by(
    parser: type[Parser], data: bytes, *, format: str, suffix: str = "", uncalibrated: bool = False
) -> EcgRecording:
    """Run one parser over the bytes of one file. `uncalibrated` formats have no scale, and the tracing says so."""
    return recording_of(parse_bytes(parser, data, suffix), format=format, uncalibrated=uncalibrated)


def parse_bytes(parser: type[Parser], data: bytes, suffix: str) -> Any:
    """The library's record of the bytes of one file."""
    with _as_file(data, suffix) as path:
        return parse(parser, path)


def parse(parser: type[Parser], path: Path) -> Any:
    """The library's record; every error of it is the file's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return parser().parse(path)
    except UnsupportedFormatError as error:
        raise NotAnEcg("unsupported", str(error)[:_LONGEST_ABOUT]) from error
    except ECGDataKitError as error:  # it may repeat what it could not read, at any length
        raise NotAnEcg("damaged", str(error).replace(str(path), path.suffix)[:_LONGEST_ABOUT]) from error
    except OSError:
        raise
    except Exception as error:  # a library that meets broken data with many kinds of errors
        raise NotAnEcg("damaged", type(error).__name__) from error


@contextmanager
def _as_file(data: bytes, suffix: str) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(suffix=suffix) as file:
        file.write(data)
        file.flush()
        yield Path(file.name)


def recording_of(
    record: Any, *, format: str, uncalibrated: bool = False, told: Sequence[Caution] = ()
) -> EcgRecording:
    """What the library found, in our terms. `told`: what was seen before it read."""
    if not record.leads:
        raise NotAnEcg("no_leads")
    rate = _rate_of(record)
    kept, cautions = _leads_of(record, uncalibrated=uncalibrated)
    cautions += told
    if record.raw_metadata.get("checksum_valid") is False:
        cautions.append(Caution(code="crc_wrong"))
    if record.raw_metadata.get("sampling_rate_stated") is False:
        cautions.append(Caution(code="rate_assumed", about=f"{record.leads[0].sampling_rate} Hz"))
    return assemble(
        format=format,
        leads=kept,
        sampling_rate_hz=rate or float(record.leads[0].sampling_rate),
        started_at=record.recording.date,
        cautions=cautions,
        statements=_statements_of(record),
        patient=_patient_of(record.patient),
        device=_device_of(record.recording.device),
        filters=_filters_of(record.recording.acquisition.filters),
        measurements=_measurements_of(record),
    )


def _rate_of(record: Any) -> float | None:
    """Of aECG and of MFER it keeps the exact one."""
    exact = (record.raw_metadata.get("rhythm_time") or {}).get("sampling_rate_exact")
    rates = record.raw_metadata.get("sampling_rates") or [exact]
    return float(rates[0]) if rates[0] else None


def _leads_of(record: Any, *, uncalibrated: bool) -> tuple[list[Lead], list[Caution]]:
    """The voltages of the rate of the first of them; a lead without a unit has no scale that could be drawn."""
    scales = [_scale_of(lead) for lead in record.leads]
    if uncalibrated and not any(scale for _, scale in scales):
        return [_lead_of(lead, 1.0) for lead in record.leads], [Caution(code="not_calibrated")]
    voltages = [lead for lead, (_, scale) in zip(record.leads, scales, strict=True) if scale]
    if not voltages:
        unitless = [lead for lead, (unit, _) in zip(record.leads, scales, strict=True) if not unit]
        raise NotAnEcg("scale_unknown", mend(unitless[0].label)) if unitless else NotAnEcg("no_leads")
    kept, cautions = [], []
    for lead, (_, scale) in zip(record.leads, scales, strict=True):
        if scale and lead.sampling_rate == voltages[0].sampling_rate:
            kept.append(_lead_of(lead, scale))
        else:
            cautions.append(Caution(code="lead_left_out", about=mend(lead.label)))
    return kept, cautions


def _scale_of(lead: Any) -> tuple[str, float]:
    """The unit as said, and microvolts of one of it; 0 when it is no voltage."""
    unit = str((lead.resolution_unit if lead.is_raw else lead.units) or "")
    return unit, microvolts_of(unit) or 0.0


def _lead_of(lead: Any, microvolts: float) -> Lead:
    return Lead(
        name=mend(lead.label),
        digital=compact(np.asarray(lead.samples)),
        gain_uv=float(lead.resolution if lead.is_raw else 1.0) * microvolts,
        offset_uv=float(lead.offset if lead.is_raw else 0.0) * microvolts,
    )


def _statements_of(record: Any) -> list[str]:
    """The cart's own lines: when a physician has written over them, the cart's are kept beside."""
    own = record.annotations.get("machine_interpretation")
    if own:
        return [mend(line) for line in own.splitlines()]
    return [mend(" ".join(part for part in parts if part)) for parts in record.interpretation.statements]


def _patient_of(patient: Any) -> EcgPatient:
    family, given = mend(patient.last_name), mend(patient.first_name)
    birth = patient.birth_date
    age = patient.age
    return EcgPatient(
        patient_id=_said(patient.patient_id),
        name="^".join(part for part in (_said(family), _said(given)) if part),
        sex=read_sex(patient.sex),
        birth_date=birth.date() if isinstance(birth, datetime) else birth,
        age_years=int(age) if age is not None and 0 <= age <= _OLDEST_YEARS else None,
    )


def _said(text: str) -> str:
    plain = mend(text)
    return "" if plain.lower() in _PLACEHOLDERS else plain


def _device_of(device: Any) -> EcgDevice:
    return EcgDevice(
        manufacturer=_said(device.manufacturer),
        model=_said(device.model or device.name),
        serial_number=_said(device.serial_number),
        software=_said(device.software_version),
        institution=_said(device.institution),
    )


def _filters_of(filters: Any) -> EcgFilters:
    return EcgFilters(
        high_pass_hz=_positive(filters.highpass),
        low_pass_hz=_positive(filters.lowpass),
        notch_hz=_positive(filters.notch) if filters.notch_active is not False else None,
    )


def _measurements_of(record: Any) -> EcgMeasurements:
    found, notes = record.measurements, record.annotations
    qtc, formula = _qtc_of(found, notes)
    return EcgMeasurements(
        heart_rate_bpm=_positive(found.heart_rate),
        rr_ms=_positive(found.rr_interval),
        p_ms=_noted(notes, "MDC_ECG_TIME_PD_P", "MDC_ECG_TIME_PD_P_GL", "pdur")
        or _between(notes, "p_onset", "p_offset"),
        pr_ms=_positive(found.pr_interval) or _between(notes, "p_onset", "qrs_onset"),
        qrs_ms=_positive(found.qrs_duration) or _between(notes, "qrs_onset", "qrs_offset"),
        qt_ms=_positive(found.qt_interval) or _between(notes, "qrs_onset", "t_offset"),
        qtc_ms=qtc,
        qtc_formula=formula,
        p_axis_deg=_axis(found.p_axis),
        qrs_axis_deg=_axis(found.qrs_axis),
        t_axis_deg=_axis(found.t_axis),
    )


def _qtc_of(found: Any, notes: dict[str, str]) -> tuple[float | None, str]:
    """MUSE's `QTCorrected` is Bazett's; of others that only say "corrected" the formula is not known."""
    muse = _noted(notes, "QTCorrected")
    for value, formula in (
        (found.qtc_bazett, "bazett"),
        (muse, "bazett"),
        (found.qtc_fridericia, "fridericia"),
    ):
        if _positive(value):
            return _positive(value), formula
    return _noted(notes, "MDC_ECG_TIME_PD_QTc", "MDC_ECG_TIME_PD_QTc_GL", "qtc"), ""


def _noted(notes: dict[str, str], *keys: str) -> float | None:
    """A number that the library keeps as text beside the measurements it knows."""
    for key in keys:
        number = re.match(r"\d+(?:\.\d+)?", notes.get(key, ""))
        if number:
            return _positive(float(number[0]))
    return None


def _between(notes: dict[str, str], first: str, last: str) -> float | None:
    """A duration between two boundaries of the average beat (EN 1064 5.10)."""
    start, end = _noted(notes, f"median_{first}_ms"), _noted(notes, f"median_{last}_ms")
    return end - start if start is not None and end is not None and end > start else None


def _positive(value: Any) -> float | None:
    return float(value) if value is not None and 0 < float(value) < 1e6 else None


def _axis(value: Any) -> float | None:
    return float(value) if value is not None and -360 <= float(value) <= 360 else None
