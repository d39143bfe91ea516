"""What there is to say about a recording without its samples, as JSON says it, and back."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from adapters.ecg.recording import EcgRecording

FORMAT = 1  # of the description; to be counted up when a field changes its meaning


def describe(recording: EcgRecording) -> dict[str, Any]:
    """A few kilobytes: it stands in the head of the journal's record and in the row of the recording."""
    return {
        "description": FORMAT,
        "format": recording.format,
        "leads": [{"name": lead.name, "derived": lead.derived} for lead in recording.leads],
        "sampling_rate_hz": recording.sampling_rate_hz,
        "samples": recording.samples,
        "started_at": _text(recording.started_at),
        "patient": {**asdict(recording.patient), "birth_date": _text(recording.patient.birth_date)},
        "device": asdict(recording.device),
        "filters": asdict(recording.filters),
        "measurements": asdict(recording.measurements),
        "statements": list(recording.statements),
        "acute": recording.acute,
        "accession_number": recording.accession_number,
        "cautions": [asdict(caution) for caution in recording.cautions],
        "document": asdict(recording.document) if recording.document is not None else None,
    }


def _text(value: date | datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
