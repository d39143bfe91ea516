"""DICOMweb over HTTP (PS3.18): routes, forms, and what is wrong in HTTP's terms.

Every retrieval finds its instances through `served` (whose images the caller may see) and notes the opening
before a byte is sent. Answers carry an ETag over the originals' SHA-256 and what was asked of them.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from gateway.dicomweb.attributes import Level
from gateway.dicomweb.errors import BadQuery, BadRange, NotAcceptable
from gateway.dicomweb.media import (
    PDF,
    choose_single,
    is_compressed,
    stream_type,
)
from gateway.dicomweb.rendered import representative
from gateway.dicomweb.retrieve import open_bulk
from gateway.web.deps import OnlookingCallerDep, RuntimeDep
from gateway.web.dicomweb_answers import (
    PIXEL_DATA,
    Retrieval,
    answer_bulk,
    answer_frames,
    answer_instances,
    answer_metadata,
    answer_rendered,
    answer_search,
    answer_single,
    answer_thumbnail,
    read_numbers,
)
from gateway.web.errors import problem_response

PDF_CLASS = "1.2.840.10008.5.1.4.1.1.104.1"


class DicomwebRoute(APIRoute):
    """A route that answers the errors of a DICOMweb request with what PS3.18 says of them, and HEAD wherever GET."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")  # RFC 9110 9.1

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                found = await handle(request)
                return found if request.method != "HEAD" else _without_body(found)
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


def _without_body(found: Response) -> Response:
    """What HEAD hears: nothing is read that only the body needs."""
    bare = Response(status_code=found.status_code)
    bare.raw_headers = found.raw_headers
    return bare


async def get_retrieval(request: Request, runtime: RuntimeDep, caller: OnlookingCallerDep) -> Retrieval:
    # Not blocking, so on the loop: a plain function would cost a hop to a thread and back.
    return Retrieval(request=request, runtime=runtime, caller=caller, shelf=request.app.state.shelf)


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
    return answer_search(retrieval, Level.STUDY)


@router.get("/series")
def search_all_series(retrieval: RetrievalDep) -> Response:
    return answer_search(retrieval, Level.SERIES)


@router.get("/instances")
def search_all_instances(retrieval: RetrievalDep) -> Response:
    return answer_search(retrieval, Level.INSTANCE)


@router.get(_STUDY + "/series")
def search_series(study: str, retrieval: RetrievalDep) -> Response:
    return answer_search(retrieval, Level.SERIES, study)


@router.get(_STUDY + "/instances")
def search_study_instances(study: str, retrieval: RetrievalDep) -> Response:
    return answer_search(retrieval, Level.INSTANCE, study)


@router.get(_SERIES + "/instances")
def search_instances(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return answer_search(retrieval, Level.INSTANCE, study, series)


# Metadata


@router.get(_STUDY + "/metadata")
def retrieve_study_metadata(study: str, retrieval: RetrievalDep) -> Response:
    return answer_metadata(retrieval, study)


@router.get(_SERIES + "/metadata")
def retrieve_series_metadata(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return answer_metadata(retrieval, study, series)


@router.get(_INSTANCE + "/metadata")
def retrieve_instance_metadata(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    return answer_metadata(retrieval, study, series, instance)


# Instances


@router.get(_STUDY)
def retrieve_study(study: str, retrieval: RetrievalDep) -> Response:
    return answer_instances(retrieval, study)


@router.get(_SERIES)
def retrieve_series(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return answer_instances(retrieval, study, series)


@router.get(_INSTANCE)
def retrieve_instance(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    return answer_instances(retrieval, study, series, instance)


# Frames, bulk data


@router.get(_INSTANCE + "/frames/{numbers}")
def retrieve_frames(
    study: str, series: str, instance: str, numbers: str, retrieval: RetrievalDep
) -> Response:
    wanted_frames = read_numbers(numbers)
    served = retrieval.open_one(study, series, instance)
    return answer_frames(retrieval, served, wanted_frames)


@router.get(_INSTANCE + "/bulkdata/{path:path}")
def retrieve_bulk_data(
    study: str, series: str, instance: str, path: str, retrieval: RetrievalDep
) -> Response:
    served = retrieval.open_one(study, series, instance)
    parsed = retrieval.shelf.parse(served)
    compressed = is_compressed(served.transfer_syntax_uid) and not stream_type(served.transfer_syntax_uid)
    if path.upper() == PIXEL_DATA and compressed and parsed.frames is not None and parsed.frames.encapsulated:
        return answer_frames(retrieval, served, range(1, parsed.frames.count + 1))
    bulk = open_bulk(retrieval.runtime, served, parsed, path, retrieval.request.headers.get("range"))
    return answer_bulk(retrieval, served, bulk, path)


# Rendered, thumbnails


@router.get(_INSTANCE + "/rendered")
def render_instance(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    served = retrieval.open_one(study, series, instance)
    whole = PDF if served.sop_class_uid == PDF_CLASS else stream_type(served.transfer_syntax_uid)
    if whole is None:
        return answer_rendered(retrieval, served, [1])
    choose_single(retrieval.wanted, [whole])
    path = "00420011" if whole == PDF else PIXEL_DATA
    range_header = retrieval.request.headers.get("range")
    bulk = open_bulk(retrieval.runtime, served, retrieval.shelf.parse(served), path, range_header)
    return answer_single(retrieval, served, bulk, whole, path)


@router.get(_INSTANCE + "/frames/{numbers}/rendered")
def render_frames(study: str, series: str, instance: str, numbers: str, retrieval: RetrievalDep) -> Response:
    wanted_frames = read_numbers(numbers)
    served = retrieval.open_one(study, series, instance)
    return answer_rendered(retrieval, served, wanted_frames)


@router.get(_STUDY + "/thumbnail")
def retrieve_study_thumbnail(study: str, retrieval: RetrievalDep) -> Response:
    return answer_thumbnail(retrieval, representative(retrieval.open(study).served))


@router.get(_SERIES + "/thumbnail")
def retrieve_series_thumbnail(study: str, series: str, retrieval: RetrievalDep) -> Response:
    return answer_thumbnail(retrieval, representative(retrieval.open(study, series).served))


@router.get(_INSTANCE + "/thumbnail")
def retrieve_instance_thumbnail(study: str, series: str, instance: str, retrieval: RetrievalDep) -> Response:
    return answer_thumbnail(retrieval, representative([retrieval.open_one(study, series, instance)]))


@router.get(_INSTANCE + "/frames/{number}/thumbnail")
def retrieve_frame_thumbnail(
    study: str, series: str, instance: str, number: str, retrieval: RetrievalDep
) -> Response:
    (wanted_frame, *_) = read_numbers(number)
    return answer_thumbnail(
        retrieval, representative([retrieval.open_one(study, series, instance)]), wanted_frame
    )


# How an answer is made
