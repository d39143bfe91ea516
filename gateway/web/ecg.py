"""Electrocardiograms: `/api/v1/examinations/{id}/ecg`, the samples of a window, and the recordings there are."""

import uuid
from datetime import datetime
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json

from adapters.ecg.recording import EcgRecording
from gateway.ecg.recordings import Found, Recordings, find_recordings, get_recording
from gateway.ecg.tiles import Tile, cut_tile
from gateway.web.deps import Caller, OnlookingCallerDep, RuntimeDep

router = APIRouter(prefix="/api/v1/examinations/{examination_id}/ecg", tags=["ecg"])

DIGITS = 3  # of a microvolt


class RecordingShape(BaseModel):
    """`description` is what the original says (docs/http.md); None while nobody has looked into it, or `problem` says why."""

    recording_id: uuid.UUID
    filename: str
    wire: str
    received_at: datetime
    description: dict[str, Any] | None
    proposal: dict[str, Any] | None
    problem: str
    document_url: str | None  # of an ECG that came as a page


@router.get("/recordings")
def list_recordings(
    examination_id: uuid.UUID, request: Request, caller: OnlookingCallerDep, runtime: RuntimeDep
) -> list[RecordingShape]:
    """The recordings of an examination, the newest first."""
    with runtime.reading() as session:
        found = find_recordings(session, caller.subject, examination_id)
    for one in found:
        note_opening(request, caller, one)
    return [
        RecordingShape(
            recording_id=one.record_id,
            filename=one.name,
            wire=str(one.origin.get("wire") or "dicom"),
            received_at=one.received_at,
            description=dict(one.description) if one.description is not None else None,
            proposal=dict(one.proposal) if one.proposal is not None else None,
            problem=one.problem,
            document_url=_document_url(one),
        )
        for one in found
    ]


@router.get("")
def read_window(
    examination_id: uuid.UUID,
    request: Request,
    caller: OnlookingCallerDep,
    runtime: RuntimeDep,
    first: Annotated[float | None, Query(alias="from", description="seconds from the start")] = None,
    last: Annotated[float | None, Query(alias="to", description="seconds from the start")] = None,
    points: Annotated[int | None, Query(description="values of each lead at most")] = None,
    recording: uuid.UUID | None = None,
) -> Response:
    """The samples of a window in microvolts, whole or thinned so that no peak is lost; null where there is none."""
    with runtime.reading() as session:
        found = get_recording(session, caller.subject, examination_id, recording)
    note_opening(request, caller, found)
    recordings: Recordings = request.app.state.recordings
    opened = recordings.open(found)
    tile = cut_tile(recordings, found, opened, from_s=first, to_s=last, points=points)
    return Response(
        to_json(_show(found, opened, tile)),
        media_type="application/json",
        headers={"Cache-Control": "private, max-age=3600"} if recording is not None else {},
    )


def _document_url(found: Found) -> str | None:
    if not (found.description or {}).get("document"):
        return None
    return (
        f"/dicomweb/studies/{found.study_instance_uid}/series/{found.series_instance_uid}"
        f"/instances/{found.sop_instance_uid}/rendered"
    )


def note_opening(request: Request, caller: Caller, found: Found) -> None:
    """In the audit before anything is shown, once for an opening as for images."""
    request.app.state.shelf.openings.note(
        request.app.state.runtime,
        caller.token_hash,
        caller.actor(),
        study_id=found.study_id,
        examination_id=found.examination_id,
    )


def _show(found: Found, recording: EcgRecording, tile: Tile) -> dict[str, Any]:
    return {
        "recording_id": found.record_id,
        "sampling_rate_hz": recording.sampling_rate_hz,
        "started_at": recording.started_at,
        "duration_s": recording.duration_s,
        "from": tile.from_s,
        "to": tile.to_s,
        "leads": [
            {"name": lead.name, "derived": lead.derived, "samples_uv": _numbers(values)}
            for lead, values in zip(recording.leads, tile.values, strict=True)
        ],
    }


def _numbers(values: Any) -> list[float | None]:
    rounded = np.round(values.astype(np.float64), DIGITS)
    nothing = np.isnan(rounded)
    if not nothing.any():
        return list(rounded.tolist())
    return [None if missing else value for value, missing in zip(rounded.tolist(), nothing, strict=True)]
