"""DICOMweb over HTTP (PS3.18): routes, forms, and what is wrong in HTTP's terms.

Every retrieval finds its instances through `served` (whose images the caller may see) and notes the opening
before a byte is sent. Answers carry an ETag over the originals' SHA-256 and what was asked of them.
"""

import gzip
import hashlib
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response, StreamingResponse

from gateway.dicomweb.attributes import Level
from gateway.dicomweb.errors import BadQuery, BadRange, NotAcceptable
from gateway.dicomweb.media import (
    DICOM,
    DICOM_JSON,
    JPEG,
    OCTETS,
    PDF,
    PNG,
    Wanted,
    choose_frame,
    choose_instance,
    choose_single,
    is_compressed,
    read_accept,
    require_json,
    stream_type,
)
from gateway.dicomweb.openings import Openings
from gateway.dicomweb.parsed import Parsed, parse
from gateway.dicomweb.parts import Part, multipart_type, new_boundary, write_parts
from gateway.dicomweb.recent import Recent
from gateway.dicomweb.rendered import THUMBNAIL, Look, read_look, render_frame, representative
from gateway.dicomweb.retrieve import Bulk, frame_parts, instance_part, open_bulk
from gateway.dicomweb.search import read_query, search
from gateway.dicomweb.served import Served, find_corrected_patient, get_served
from gateway.runtime import Runtime
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.errors import problem_response

PARSED_LIMIT_BYTES = 128 << 20  # some ten thousand CT slices
THUMBNAILS_LIMIT_BYTES = 16 << 20
WHOLE_BODY_BYTES = 8 << 20  # frames below it are sent in one piece, which is faster
GZIP_FROM_BYTES = 4096
PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"
PIXEL_DATA = "7FE00010"


class DicomwebRoute(APIRoute):
    """A route that answers the errors of a DICOMweb request with what PS3.18 says of them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(request)
            except BadQuery as error:
                return problem_response(400, "bad_query", f"{error.parameter}: {error.why}")
            except NotAcceptable as error:
                return problem_response(406, "not_acceptable", f"available: {error.available}")
            except BadRange as error:
                headers = {"Content-Range": f"bytes */{error.size}"}
                return problem_response(
                    416, "bad_range", f"the value has {error.size} bytes", headers=headers
                )

        return answer


@dataclass(slots=True)
class Shelf:
    """What this process remembers of instances and of who opened them."""

    parsed: Recent[tuple[str, ...], Parsed] = field(
        default_factory=lambda: Recent(limit_bytes=PARSED_LIMIT_BYTES)
    )
    thumbnails: Recent[tuple[str, ...], bytes] = field(
        default_factory=lambda: Recent(limit_bytes=THUMBNAILS_LIMIT_BYTES)
    )
    openings: Openings = field(default_factory=Openings)


_shelf_lock = Lock()


@dataclass(slots=True)
class Retrieval:
    """One request for what is stored: who asks, of whom, and where it is remembered."""

    request: Request
    runtime: Runtime
    caller: Caller
    shelf: Shelf

    @property
    def base_url(self) -> str:
        return f"{self.request.base_url}dicomweb"

    @property
    def wanted(self) -> list[Wanted]:
        """The query's `accept` stands for the header (PS3.18 8.3.3.1): a browser cannot set that of an image."""
        return read_accept(self.request.query_params.get("accept") or self.request.headers.get("accept"))

    def open(self, study: str, series: str | None = None, instance: str | None = None) -> Sequence[Served]:
        """The instances, if the caller may see them; that they were opened is in the audit."""
        with self.runtime.reading() as session:
            served = get_served(session, self.caller.subject, study, series, instance)
        self.shelf.openings.note(
            self.runtime,
            self.caller.token_hash,
            self.caller.actor(),
            study_id=served[0].study_id,
            examination_id=served[0].examination_id,
        )
        return served

    def parsed(self, served: Served, patient: dict[str, Any] | None = None) -> Parsed:
        key = (
            str(served.record.id),
            served.study_instance_uid,
            served.series_instance_uid,
            json.dumps(patient, sort_keys=True) if patient else "",
        )

        def make() -> tuple[Parsed, int]:
            made = parse(self.runtime, served, patient)
            return made, made.weight_bytes

        return self.shelf.parsed.get(key, make)

    def tag(self, served: Sequence[Served], *asked: object) -> str:
        seen = hashlib.sha256()
        for one in served:
            seen.update(f"{one.record.sha256}{one.path}".encode())
        seen.update(repr((asked, self.base_url)).encode())
        return f'"{seen.hexdigest()[:32]}"'

    def unchanged(self, tag: str) -> bool:
        stated = self.request.headers.get("if-none-match", "")
        return stated == "*" or tag in [one.strip().removeprefix("W/") for one in stated.split(",")]


async def get_retrieval(request: Request, runtime: RuntimeDep, caller: CallerDep) -> Retrieval:
    # Not blocking, so on the loop: a plain function would cost a hop to a thread and back.
    state = request.app.state
    if not hasattr(state, "dicomweb"):
        with _shelf_lock:
            if not hasattr(state, "dicomweb"):
                state.dicomweb = Shelf()
    return Retrieval(request=request, runtime=runtime, caller=caller, shelf=state.dicomweb)


RetrievalDep = Annotated[Retrieval, Depends(get_retrieval)]

router = APIRouter(
    prefix="/dicomweb", route_class=DicomwebRoute, include_in_schema=False, default_response_class=Response
)

_STUDY = "/studies/{study}"
_SERIES = "/studies/{study}/series/{series}"
_INSTANCE = "/studies/{study}/series/{series}/instances/{instance}"


# Search


@router.get("/studies")
def search_studies(retrieval: RetrievalDep) -> Response:
    return _search(retrieval, Level.STUDY)


@router.get("/series")
def search_all_series(retrieval: RetrievalDep) -> Response:
    return _search(retrieval, Level.SERIES)


@router.get("/instances")
def search_all_instances(retrieval: RetrievalDep) -> Response:
    return _search(retrieval, Level.INSTANCE)


@router.get(_STUDY + "/series")
def search_series(study: str, retrieval: RetrievalDep) -> Response:
    return _search(retrieval, Level.SERIES, study)


@router.get(_STUDY + "/instances")
def search_study_instances(study: str, retrieval: RetrievalDep) -> Response:
    return _search(retrieval, Level.INSTANCE, study)


@router.get(_SERIES + "/instances")
def search_instances(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return _search(retrieval, Level.INSTANCE, study, series)


# Metadata


@router.get(_STUDY + "/metadata")
def retrieve_study_metadata(study: str, retrieval: RetrievalDep) -> Response:
    return _metadata(retrieval, study)


@router.get(_SERIES + "/metadata")
def retrieve_series_metadata(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return _metadata(retrieval, study, series)


@router.get(_INSTANCE + "/metadata")
def retrieve_instance_metadata(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    return _metadata(retrieval, study, series, instance)


# Instances


@router.get(_STUDY)
def retrieve_study(study: str, retrieval: RetrievalDep) -> Response:
    return _instances(retrieval, study)


@router.get(_SERIES)
def retrieve_series(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return _instances(retrieval, study, series)


@router.get(_INSTANCE)
def retrieve_instance(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    return _instances(retrieval, study, series, instance)


# Frames, bulk data


@router.get(_INSTANCE + "/frames/{numbers}")
def retrieve_frames(
    study: str, series: str, instance: str, numbers: str, retrieval: RetrievalDep
) -> Response:
    wanted_frames = _read_numbers(numbers)
    (served,) = retrieval.open(study, series, instance)
    return _frames(retrieval, served, wanted_frames)


@router.get(_INSTANCE + "/bulkdata/{path:path}")
def retrieve_bulk_data(
    study: str, series: str, instance: str, path: str, retrieval: RetrievalDep
) -> Response:
    (served,) = retrieval.open(study, series, instance)
    parsed = retrieval.parsed(served)
    compressed = is_compressed(served.transfer_syntax_uid) and not stream_type(served.transfer_syntax_uid)
    if path.upper() == PIXEL_DATA and compressed and parsed.frames is not None and parsed.frames.encapsulated:
        return _frames(retrieval, served, range(1, parsed.frames.count + 1))
    bulk = open_bulk(retrieval.runtime, served, parsed, path, retrieval.request.headers.get("range"))
    return _bulk(retrieval, served, bulk, path)


# Rendered, thumbnails


@router.get(_INSTANCE + "/rendered")
def render_instance(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    (served,) = retrieval.open(study, series, instance)
    whole = PDF if served.sop_class_uid == PDF_CLASS else stream_type(served.transfer_syntax_uid)
    if whole is None:
        return _rendered(retrieval, served, 1)
    choose_single(retrieval.wanted, [whole])
    path = "00420011" if whole == PDF else PIXEL_DATA
    range_header = retrieval.request.headers.get("range")
    bulk = open_bulk(retrieval.runtime, served, retrieval.parsed(served), path, range_header)
    return _single(retrieval, served, bulk, whole, path)


@router.get(_INSTANCE + "/frames/{number}/rendered")
def render_one_frame(
    study: str, series: str, instance: str, number: str, retrieval: RetrievalDep
) -> Response:
    (wanted_frame, *_) = _read_numbers(number)
    (served,) = retrieval.open(study, series, instance)
    return _rendered(retrieval, served, wanted_frame)


@router.get(_STUDY + "/thumbnail")
def retrieve_study_thumbnail(study: str, retrieval: RetrievalDep) -> Response:
    return _thumbnail(retrieval, representative(retrieval.open(study)))


@router.get(_SERIES + "/thumbnail")
def retrieve_series_thumbnail(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return _thumbnail(retrieval, representative(retrieval.open(study, series)))


@router.get(_INSTANCE + "/thumbnail")
def retrieve_instance_thumbnail(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    return _thumbnail(retrieval, representative(retrieval.open(study, series, instance)))


@router.get(_INSTANCE + "/frames/{number}/thumbnail")
def retrieve_frame_thumbnail(
    study: str, series: str, instance: str, number: str, retrieval: RetrievalDep
) -> Response:
    (wanted_frame, *_) = _read_numbers(number)
    return _thumbnail(retrieval, representative(retrieval.open(study, series, instance)), wanted_frame)


# How an answer is made


def _search(
    retrieval: Retrieval, level: Level, study: str | None = None, series: str | None = None
) -> Response:
    request = retrieval.request
    require_json(request.query_params.get("accept") or request.headers.get("accept"))
    query = read_query(
        level, request.query_params.multi_items(), study_instance_uid=study, series_instance_uid=series
    )
    with retrieval.runtime.reading() as session:
        found = search(session, retrieval.caller.subject, query, retrieval.base_url)
    body = json.dumps(found.results, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Warning": ", ".join(f'299 {request.url.netloc}: "{text}"' for text in found.warnings)}
    return _json(retrieval, body, headers if found.warnings else {"Cache-Control": "no-store"})


def _metadata(
    retrieval: Retrieval, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    require_json(retrieval.request.query_params.get("accept") or retrieval.request.headers.get("accept"))
    served = retrieval.open(study, series, instance)
    with retrieval.runtime.reading() as session:
        patient = find_corrected_patient(session, served[0].examination_id)
    tag = retrieval.tag(served, "metadata", patient)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    base = retrieval.base_url
    written = (retrieval.parsed(one, patient).json_at(f"{base}/{one.path}") for one in served)
    return _json(retrieval, b"[" + b",".join(written) + b"]", _cached(tag))


def _instances(
    retrieval: Retrieval, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    wanted = choose_instance(retrieval.wanted)
    served = retrieval.open(study, series, instance)
    tag = retrieval.tag(served, "instances", wanted.transfer_syntax)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    parts = (
        instance_part(retrieval.runtime, one, retrieval.parsed(one), wanted, retrieval.base_url)
        for one in served
    )
    if not wanted.multipart and wanted.media_type == DICOM and len(served) == 1:
        part = next(parts)
        return StreamingResponse(iter(part.chunks), headers=_cached(tag), media_type=part.content_type)
    return _multipart(_begun(parts), DICOM, tag)


def _frames(retrieval: Retrieval, served: Served, numbers: Sequence[int]) -> Response:
    form = choose_frame(retrieval.wanted, served.transfer_syntax_uid)
    tag = retrieval.tag([served], "frames", tuple(numbers), form)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    parsed = retrieval.parsed(served)
    url = f"{retrieval.base_url}/{served.path}"
    parts = _begun(frame_parts(retrieval.runtime, served, parsed, numbers, form, url))
    if form.multipart:
        frame_bytes = parsed.frames.format.frame_bits // 8 if parsed.frames is not None else 0
        return _multipart(parts, form.media_type, tag, whole=frame_bytes * len(numbers) <= WHOLE_BODY_BYTES)
    if len(numbers) > 1:
        raise NotAcceptable(f'multipart/related; type="{form.media_type}"')
    return Response(b"".join(next(parts).chunks), headers=_cached(tag), media_type=form.content_type)


def _bulk(retrieval: Retrieval, served: Served, bulk: Bulk, path: str) -> Response:
    """A value in the first form that is acceptable: alone, or as the one part of a multipart answer."""
    for one in retrieval.wanted:
        for media_type in dict.fromkeys((bulk.media_type, OCTETS)):
            if not one.matches(media_type):
                continue
            if not one.multipart:
                return _single(retrieval, served, bulk, media_type, path)
            tag = retrieval.tag([served], "bulkdata", path, media_type)
            content_range = bulk.range.header if bulk.range is not None else ""
            part = Part(content_type=media_type, chunks=bulk.chunks, content_range=content_range)
            return _multipart(iter((part,)), media_type, tag, status=206 if bulk.range else 200)
    raise NotAcceptable(", ".join(dict.fromkeys((bulk.media_type, OCTETS))))


def _single(retrieval: Retrieval, served: Served, bulk: Bulk, media_type: str, path: str) -> Response:
    tag = retrieval.tag([served], "bulkdata", path, media_type)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    headers = {**_cached(tag), "Content-Length": str(bulk.size), "Accept-Ranges": "bytes"}
    if bulk.range is not None:
        headers["Content-Range"] = bulk.range.header
    return StreamingResponse(bulk.chunks, 206 if bulk.range else 200, headers, media_type)


def _rendered(retrieval: Retrieval, served: Served, number: int) -> Response:
    media_type = choose_single(retrieval.wanted, [JPEG, PNG])
    look = read_look(retrieval.request.query_params, media_type)
    tag = retrieval.tag([served], "rendered", number, look)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    image = render_frame(retrieval.runtime, served, retrieval.parsed(served), number, look)
    return Response(image, headers=_cached(tag), media_type=media_type)


def _thumbnail(retrieval: Retrieval, served: Served, number: int | None = None) -> Response:
    media_type = choose_single(retrieval.wanted, [JPEG, PNG])
    look: Look = read_look(retrieval.request.query_params, media_type, viewport=THUMBNAIL)
    tag = retrieval.tag([served], "thumbnail", number, look)
    if retrieval.unchanged(tag):
        return _not_modified(tag)

    def make() -> tuple[bytes, int]:
        parsed = retrieval.parsed(served)
        count = parsed.frames.count if parsed.frames is not None else 1
        image = render_frame(retrieval.runtime, served, parsed, number or (count + 1) // 2, look)
        return image, len(image)

    image = retrieval.shelf.thumbnails.get((str(served.record.id), repr((number, look))), make)
    return Response(image, headers=_cached(tag), media_type=media_type)


def _multipart(
    parts: Iterator[Part], media_type: str, tag: str, *, whole: bool = False, status: int = 200
) -> Response:
    boundary = new_boundary()
    content_type = multipart_type(media_type, boundary)
    chunks = write_parts(parts, boundary)
    if whole:
        return Response(b"".join(chunks), status, _cached(tag), content_type)
    return StreamingResponse(chunks, status, _cached(tag), content_type)


def _begun(parts: Iterator[Part]) -> Iterator[Part]:
    """The parts, the first of them made already: what is wrong with the request is known before the answer begins."""
    first = next(parts)
    return chain((first,), parts)


def _json(retrieval: Retrieval, body: bytes, headers: dict[str, str]) -> Response:
    if len(body) >= GZIP_FROM_BYTES and "gzip" in retrieval.request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1, mtime=0)
        headers = {**headers, "Content-Encoding": "gzip"}
    return Response(body, headers={"Vary": "Accept, Accept-Encoding", **headers}, media_type=DICOM_JSON)


def _cached(tag: str) -> dict[str, str]:
    """A browser may keep it, but asks each time: the right to see it may have ended."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}


def _not_modified(tag: str) -> Response:
    return Response(status_code=304, headers=_cached(tag))


def _read_numbers(text: str) -> list[int]:
    numbers = text.split(",")
    if not all(number.isdecimal() and len(number) < 10 for number in numbers):
        raise BadQuery("frames", "a list of frame numbers is expected")
    return [int(number) for number in numbers]
