"""Ways out of an electrocardiogram: `/api/v1/examinations/{id}/ecg/original`, `/dicom`, `/wfdb`, `/pdf`."""

import re
import uuid
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from adapters.ecg.paper import LayoutName, Paper
from gateway.ecg import exporting
from gateway.ecg.exporting import Export
from gateway.ecg.recordings import Recordings, get_recording
from gateway.web.deps import CallerDep, RuntimeDep

router = APIRouter(prefix="/api/v1/examinations/{examination_id}/ecg", tags=["ecg"])

_ANY_FILE: dict[int | str, dict[str, Any]] = {200: {"content": {exporting.BYTES: {}}}}


@router.get("/original", responses=_ANY_FILE)
def read_original(
    examination_id: uuid.UUID, caller: CallerDep, runtime: RuntimeDep, recording: uuid.UUID | None = None
) -> StreamingResponse:
    """The file as it was received; a set of files as one zip."""
    with runtime.reading() as session:
        found = get_recording(session, caller.subject, examination_id, recording)
    export = exporting.export_original(runtime, found)
    exporting.note_export(runtime, caller.actor(), found, "original")
    return _send(export)


@router.get("/dicom", responses={200: {"content": {exporting.DICOM: {}}}})
def read_dicom(
    examination_id: uuid.UUID,
    request: Request,
    caller: CallerDep,
    runtime: RuntimeDep,
    recording: uuid.UUID | None = None,
) -> StreamingResponse:
    """The recording as a DICOM waveform object."""
    with runtime.reading() as session:
        found = get_recording(session, caller.subject, examination_id, recording)
        identity = exporting.find_identity(session, runtime, found)
    export = exporting.export_dicom(runtime, _recordings(request), found, identity)
    exporting.note_export(runtime, caller.actor(), found, "dicom")
    return _send(export)


@router.get("/wfdb", responses={200: {"content": {exporting.ZIP: {}}}})
def read_wfdb(
    examination_id: uuid.UUID,
    request: Request,
    caller: CallerDep,
    runtime: RuntimeDep,
    recording: uuid.UUID | None = None,
) -> StreamingResponse:
    """The recording as a WFDB record, header and signals in a zip."""
    with runtime.reading() as session:
        found = get_recording(session, caller.subject, examination_id, recording)
        identity = exporting.find_identity(session, runtime, found)
    export = exporting.export_wfdb(_recordings(request), found, identity)
    exporting.note_export(runtime, caller.actor(), found, "wfdb")
    return _send(export)


@router.get("/pdf", responses={200: {"content": {exporting.PDF: {}}}})
def read_pdf(
    examination_id: uuid.UUID,
    request: Request,
    caller: CallerDep,
    runtime: RuntimeDep,
    recording: uuid.UUID | None = None,
    first: Annotated[float, Query(alias="from", ge=0, allow_inf_nan=False, description="seconds")] = 0.0,
    speed: Literal["12.5", "25", "50"] = "25",
    gain: Literal["5", "10", "20"] = "10",
    layout: LayoutName = "3x4",
) -> StreamingResponse:
    """The tracing on true-size paper, in the caller's language; a long one is a few pages from `from` on."""
    paper = Paper(
        speed_mm_s=float(speed),
        gain_mm_mv=float(gain),
        layout=layout,
        language="en" if caller.language == "en" else "zh",
    )
    with runtime.reading() as session:
        found = get_recording(session, caller.subject, examination_id, recording)
        identity = exporting.find_identity(session, runtime, found)
    export = exporting.export_pdf(runtime, _recordings(request), found, identity, paper, from_s=first)
    exporting.note_export(runtime, caller.actor(), found, "pdf")
    return _send(export, inline=True)


def _recordings(request: Request) -> Recordings:
    recordings: Recordings = request.app.state.recordings
    return recordings


def _send(export: Export, *, inline: bool = False) -> StreamingResponse:
    return StreamingResponse(
        export.pieces,
        media_type=export.media_type,
        headers={"Content-Disposition": disposition(export.filename, inline=inline)},
    )


def disposition(filename: str, *, inline: bool = False) -> str:
    """Content-Disposition with a name of any script (RFC 6266 4.3, RFC 8187), and one of ASCII for who reads no other."""
    shown = re.sub(r"[\x00-\x1f\x7f]", "", filename)
    plain = re.sub(r"[^\x20-\x7e]|[\"\\%]", "_", shown)
    kind = "inline" if inline else "attachment"
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"
