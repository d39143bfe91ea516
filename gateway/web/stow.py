"""STOW-RS over HTTP: who may store, in which forms, and how it is answered (PS3.18 10.5)."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Request
from starlette.responses import Response

from adapters.errors import Malformed, Unavailable
from gateway.dicomweb.errors import NotAcceptable, NothingSent, UnsupportedMediaType
from gateway.dicomweb.media import DICOM_JSON, read_accept
from gateway.dicomweb.stored import DICOM_XML, Json, status_for, write_module, write_xml
from gateway.dicomweb.storing import SenderSilent, check_content, receive_instances
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, UploaderDep
from gateway.web.dicomweb import DicomwebRoute
from gateway.web.errors import RETRY_AFTER_S, problem_response
from gateway.web.tasks import who_is

TAKEN = 'multipart/related; type="application/dicom" or application/dicom'
AT_ONCE = 16  # requests that store at a time; each may hold some twenty megabytes

_Writer = Callable[[Json], tuple[str, bytes]]

router = APIRouter(prefix="/dicomweb", route_class=DicomwebRoute, include_in_schema=False)


class Stalls:
    """Places at the counter. Who finds none is told to come again, before anything is read."""

    def __init__(self) -> None:
        self._taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        if self._taken >= AT_ONCE:
            raise Unavailable("too many store requests at a time")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1


@router.post("/studies")
async def store_instances(request: Request, caller: UploaderDep, runtime: RuntimeDep) -> Response:
    return await _store(request, caller, runtime)


@router.post("/studies/{study}")
async def store_instances_of_study(
    study: str, request: Request, caller: UploaderDep, runtime: RuntimeDep
) -> Response:
    return await _store(request, caller, runtime, study)


async def _store(request: Request, caller: Caller, runtime: Runtime, study: str = "") -> Response:
    try:
        write = _choose_writer(request.headers.get("accept"))
        content = check_content(request.headers.get("content-type"), request.headers.get("content-encoding"))
        with _stalls_of(request).one():
            outcomes = await receive_instances(
                runtime, who_is(caller), content, request.stream(), study_instance_uid=study
            )
    except UnsupportedMediaType as error:
        return problem_response(415, "unsupported_media_type", f"{error}: {TAKEN} is taken")
    except NothingSent:
        return problem_response(400, "nothing_sent", "the request has no instance")
    except Malformed as error:
        return problem_response(400, "malformed", str(error))
    except SenderSilent:
        return problem_response(408, "sender_silent", "the request stopped in the middle")
    status = status_for(outcomes)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    media_type, body = write(write_module(outcomes, f"{request.base_url}dicomweb"))
    return Response(body, status, headers, media_type)


def _choose_writer(accept: str | None) -> _Writer:
    """JSON unless XML is preferred. Raises NotAcceptable."""
    for one in read_accept(accept):
        if not one.multipart and (one.matches(DICOM_JSON) or one.matches("application/json")):
            return _write_json
        if not one.multipart and (one.matches(DICOM_XML) or one.matches("application/xml")):
            return _write_xml
    raise NotAcceptable(f"{DICOM_JSON}, {DICOM_XML}")


def _write_json(module: Json) -> tuple[str, bytes]:
    return DICOM_JSON, json.dumps(module, separators=(",", ":")).encode()


def _write_xml(module: Json) -> tuple[str, bytes]:
    return DICOM_XML, write_xml(module)


def _stalls_of(request: Request) -> Stalls:
    state = request.app.state
    if not hasattr(state, "stalls"):  # on the loop, so nobody comes between
        state.stalls = Stalls()
    stalls: Stalls = state.stalls
    return stalls
