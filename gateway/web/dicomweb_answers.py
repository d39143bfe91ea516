"""How an answer of DICOMweb is made: of a search, of metadata, of instances, frames, bulk data and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from gateway.dicomweb.attributes import Level
from gateway.dicomweb.errors import BadQuery, NotAcceptable
from gateway.dicomweb.media import (
    DICOM,
    JPEG,
    OCTETS,
    PNG,
    Wanted,
    choose_frame,
    choose_instance,
    choose_picture,
    choose_single,
    read_accept,
    require_json,
)
from gateway.dicomweb.parts import Part, multipart_type, new_boundary, write_parts
from gateway.dicomweb.rendered import THUMBNAIL, Look, read_look, render_frames_of
from gateway.dicomweb.retrieve import Bulk, frame_parts, instance_part
from gateway.dicomweb.search import read_query, search
from gateway.dicomweb.served import Listing, Served
from gateway.dicomweb.shelf import Shelf
from gateway.runtime import Runtime
from gateway.web.deps import Caller
from gateway.web.dicom_json import json_answer, streamed_json
from gateway.web.tags import cached, is_named, make_tag
from worklists.errors import NotFound

T = TypeVar("T")
WHOLE_BODY_BYTES = 8 << 20  # frames below it are sent in one piece, which is faster
WHOLE_INSTANCES = 400  # metadata of more is sent while it is made
PIXEL_DATA = "7FE00010"


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

    def open(self, study: str, series: str | None = None) -> Listing:
        """The instances, if the caller may see them; that they were opened is in the audit."""
        opened = self.shelf.open(self.caller.token_hash, self.caller.subject, study)
        listing = self.shelf.list(opened, series)
        self.shelf.openings.note(
            self.runtime,
            self.caller.token_hash,
            self.caller.actor(),
            study_id=opened.study_id,
            examination_id=opened.examination_id,
        )
        return listing

    def open_one(self, study: str, series: str, instance: str) -> Served:
        """One instance of them. Raises NotFound."""
        served = self.open(study, series).by_uid.get(instance)
        if served is None:
            raise NotFound("instances")
        return served

    def open_all(self, study: str, series: str | None, instance: str | None) -> Sequence[Served]:
        """Those of a study, of a series, or one. Raises NotFound."""
        if series is not None and instance is not None:
            return [self.open_one(study, series, instance)]
        return self.open(study, series).served

    def patient_of(self, study: str) -> Mapping[str, Any] | None:
        """Who a person said that the patient is, after the device had said otherwise."""
        return self.shelf.open(self.caller.token_hash, self.caller.subject, study).corrected_patient

    def tag(self, served: Sequence[Served], *asked: object) -> str:
        return make_tag(served, self.base_url, *asked)

    def unchanged(self, tag: str) -> bool:
        return is_named(tag, self.request.headers.get("if-none-match", ""))


def answer_search(
    retrieval: Retrieval, level: Level, study: str | None = None, series: str | None = None
) -> Response:
    request = retrieval.request
    require_json(request.query_params.get("accept") or request.headers.get("accept"))
    query = read_query(
        level, request.query_params.multi_items(), study_instance_uid=study, series_instance_uid=series
    )
    # Nothing found is 200 with an empty list: PS3.18 11.9.3.1 and its like since CP-2473, which took 204 away.
    with retrieval.runtime.reading() as session:
        found = search(session, retrieval.caller.subject, query, retrieval.base_url)
    body = found.results.encode()
    headers = {"Warning": ", ".join(f'299 {request.url.netloc}: "{text}"' for text in found.warnings)}
    return json_answer(request, body, headers if found.warnings else {"Cache-Control": "no-store"})


def answer_metadata(
    retrieval: Retrieval, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    require_json(retrieval.request.query_params.get("accept") or retrieval.request.headers.get("accept"))
    served = retrieval.open_all(study, series, instance)
    patient = retrieval.patient_of(study)
    tag = retrieval.tag(served, "metadata", patient)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    if instance is None:
        described = retrieval.shelf.describe(served, patient)
    else:
        described = iter([retrieval.shelf.parse(served[0], patient)])
    base = retrieval.base_url
    written = (parsed.json_at(f"{base}/{one.path}") for one, parsed in zip(served, described, strict=True))
    if len(served) <= WHOLE_INSTANCES:
        return json_answer(retrieval.request, b"[" + b",".join(written) + b"]", cached(tag))
    return streamed_json(retrieval.request, _begun(written), cached(tag))


def answer_instances(
    retrieval: Retrieval, study: str, series: str | None = None, instance: str | None = None
) -> Response:
    wanted = choose_instance(retrieval.wanted)
    served = retrieval.open_all(study, series, instance)
    tag = retrieval.tag(served, "instances", wanted.transfer_syntax)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    parts = (
        instance_part(retrieval.runtime, one, retrieval.shelf.parse(one), wanted, retrieval.base_url)
        for one in served
    )
    if not wanted.multipart and wanted.media_type == DICOM and len(served) == 1:
        part = next(parts)
        return StreamingResponse(iter(part.chunks), headers=cached(tag), media_type=part.content_type)
    return _multipart(_begun(parts), DICOM, tag)


def answer_frames(retrieval: Retrieval, served: Served, numbers: Sequence[int]) -> Response:
    form = choose_frame(retrieval.wanted, served.transfer_syntax_uid)
    tag = retrieval.tag([served], "frames", tuple(numbers), form)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    parsed = retrieval.shelf.parse(served)
    url = f"{retrieval.base_url}/{served.path}"
    parts = _begun(frame_parts(retrieval.runtime, served, parsed, numbers, form, url))
    if form.multipart:
        frame_bytes = parsed.frames.format.frame_bits // 8 if parsed.frames is not None else 0
        return _multipart(parts, form.media_type, tag, whole=frame_bytes * len(numbers) <= WHOLE_BODY_BYTES)
    if len(numbers) > 1:
        raise NotAcceptable(f'multipart/related; type="{form.media_type}"')
    return Response(b"".join(next(parts).chunks), headers=cached(tag), media_type=form.content_type)


def answer_bulk(retrieval: Retrieval, served: Served, bulk: Bulk, path: str) -> Response:
    """A value in the first form that is acceptable: alone, or as the one part of a multipart answer."""
    for one in retrieval.wanted:
        for media_type in dict.fromkeys((bulk.media_type, OCTETS)):
            if not one.matches(media_type):
                continue
            if not one.multipart:
                return answer_single(retrieval, served, bulk, media_type, path)
            tag = retrieval.tag([served], "bulkdata", path, media_type)
            content_range = bulk.range.header if bulk.range is not None else ""
            part = Part(content_type=media_type, chunks=bulk.chunks, content_range=content_range)
            return _multipart(iter((part,)), media_type, tag, status=206 if bulk.range else 200)
    raise NotAcceptable(", ".join(dict.fromkeys((bulk.media_type, OCTETS))))


def answer_single(retrieval: Retrieval, served: Served, bulk: Bulk, media_type: str, path: str) -> Response:
    tag = retrieval.tag([served], "bulkdata", path, media_type)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    headers = {**cached(tag), "Content-Length": str(bulk.size), "Accept-Ranges": "bytes"}
    if bulk.range is not None:
        headers["Content-Range"] = bulk.range.header
    return StreamingResponse(bulk.chunks, 206 if bulk.range else 200, headers, media_type)


def answer_rendered(retrieval: Retrieval, served: Served, numbers: Sequence[int]) -> Response:
    media_type, multipart = choose_picture(retrieval.wanted, several=len(numbers) > 1)
    look = read_look(retrieval.request.query_params, media_type)
    tag = retrieval.tag([served], "rendered", tuple(numbers), look, multipart)
    if retrieval.unchanged(tag):
        return _not_modified(tag)
    parsed = retrieval.shelf.parse(served)
    images = _begun(render_frames_of(retrieval.runtime, served, parsed, numbers, look))
    if not multipart:
        return Response(next(images), headers=cached(tag), media_type=media_type)
    url = f"{retrieval.base_url}/{served.path}/frames"
    parts = (
        Part(content_type=media_type, chunks=(image,), location=f"{url}/{number}/rendered")
        for number, image in zip(numbers, images, strict=True)
    )
    return _multipart(parts, media_type, tag)


def answer_thumbnail(retrieval: Retrieval, served: Served, number: int | None = None) -> Response:
    media_type = choose_single(retrieval.wanted, [JPEG, PNG])
    look: Look = read_look(retrieval.request.query_params, media_type, viewport=THUMBNAIL)
    tag = retrieval.tag([served], "thumbnail", number, look)
    if retrieval.unchanged(tag):
        return _not_modified(tag)

    def make() -> tuple[bytes, int]:
        parsed = retrieval.shelf.parse(served)
        count = parsed.frames.count if parsed.frames is not None else 1
        (image,) = render_frames_of(retrieval.runtime, served, parsed, [number or (count + 1) // 2], look)
        return image, len(image)

    image = retrieval.shelf.thumbnails.get((served.original.record_id.hex, repr((number, look))), make)
    return Response(image, headers=cached(tag), media_type=media_type)


def _multipart(
    parts: Iterator[Part], media_type: str, tag: str, *, whole: bool = False, status: int = 200
) -> Response:
    boundary = new_boundary()
    content_type = multipart_type(media_type, boundary)
    chunks = write_parts(parts, boundary)
    if whole:
        return Response(b"".join(chunks), status, cached(tag), content_type)
    return StreamingResponse(chunks, status, cached(tag), content_type)


def _begun(parts: Iterator[T]) -> Iterator[T]:
    """The parts, the first of them made already: what is wrong with the request is known before the answer begins."""
    first = next(parts)
    return chain((first,), parts)


def _not_modified(tag: str) -> Response:
    return Response(status_code=304, headers=cached(tag))


def read_numbers(text: str) -> list[int]:
    numbers = text.split(",")
    if not all(number.isdecimal() and len(number) < 10 for number in numbers):
        raise BadQuery("frames", "a list of frame numbers is expected")
    return [int(number) for number in numbers]
