"""FHIR R4 over HTTP: `/fhir/…`, JSON only. Every answer is a resource, also that something is wrong.

Reports are reached as everywhere: through what the caller may see, and each opening is in the audit.
"""

import base64
import json
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response, StreamingResponse

from gateway import township
from gateway.fhir import asking, capabilities, operations, reading, searching
from gateway.fhir.errors import BadSearch
from gateway.fhir.parameters import PARAMETERS
from gateway.originals import open_original
from gateway.runtime import Runtime
from gateway.web import errors, recognition
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.limits import RateLimit
from gateway.web.paging import read_cursor, write_cursor
from gateway.web.reports import ReportCallerDep
from gateway.web.tags import is_named
from gateway.web.tasks import who_is
from worklists.errors import Invalid, NotFound

T = TypeVar("T", bound=BaseModel)

JSON = "application/fhir+json"
# Resources that one caller may read: ten full pages at once, then twenty a second.
_ROWS = RateLimit(burst=1000, per_second=20)
_FORMATS = {"json", "application/json", JSON, "application/fhir json"}
_ISSUES = {400: "invalid", 401: "login", 403: "forbidden", 404: "not-found", 405: "not-supported", 406: "not-supported",
           409: "conflict", 413: "too-long", 415: "not-supported", 422: "processing", 429: "throttled",
           503: "transient"}  # fmt: skip


def answer(
    resource: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    text = json.dumps(resource, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode(), status, dict(headers or {}), media_type=f"{JSON}; charset=utf-8")


def outcome(status: int, text: str, *, where: str = "", headers: Mapping[str, str] | None = None) -> Response:
    issue = {"severity": "error", "code": _ISSUES.get(status, "exception"), "diagnostics": text}
    located = {"expression": [where]} if where else {}
    return answer({"resourceType": "OperationOutcome", "issue": [{**issue, **located}]}, status, headers)


class FhirRoute(APIRoute):
    """A route whose errors are OperationOutcomes (R4 3.1.0.1.6), with the status that the same error has elsewhere."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except BadSearch as error:
                return outcome(400, f"{error.parameter}: {error.why}", where=f"http.{error.parameter}")

        return answered


def as_outcome(problem: Response) -> Response:
    """What the table of errors says of something, as FHIR says it."""
    said = json.loads(bytes(problem.body))
    kept = {name: value for name, value in problem.headers.items() if name in {"retry-after", "allow"}}
    fields = said.get("errors", ())
    text = "; ".join([said["detail"], *(f"{one['field']}: {one['message']}" for one in fields)])
    return outcome(problem.status_code, text, headers=kept)


errors.answer_below("/fhir", as_outcome)
router = APIRouter(prefix="/fhir", tags=["fhir"], route_class=FhirRoute, include_in_schema=False)


@router.get("/metadata")
def read_capabilities(request: Request, runtime: RuntimeDep) -> Response:
    """For anybody: it says nothing of anybody."""
    return answer(capabilities.capability_statement(runtime.settings.base_url, request.app.state.started_at))


@router.get("/OperationDefinition/{name}")
def read_operation(name: str, runtime: RuntimeDep) -> Response:
    if name not in {operations.MATCH, operations.DECIDE}:
        raise NotFound("OperationDefinition")
    return answer(operations.definition_of(name, runtime.settings.base_url))


@router.get("/StructureDefinition/{name}")
def read_structure(name: str, runtime: RuntimeDep) -> Response:
    return answer(capabilities.structure_definition(name, runtime.settings.base_url))


async def read_body(request: Request) -> Any:
    """JSON, as far as it is any."""
    if request.headers.get("content-type", "").partition(";")[0].strip() not in {JSON, "application/json"}:
        raise HTTPException(415)
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise BadSearch("body", "JSON") from error


BodyDep = Annotated[Any, Depends(read_body)]


@router.post("/$match-recognition")
def match_recognition(stated: BodyDep, caller: CallerDep, runtime: RuntimeDep) -> Response:
    """What `POST /api/v1/recognition/matches` does."""
    body = _validated(recognition.QuestionBody, operations.read_question(stated))
    group = recognition.ask(body, caller, runtime)
    return _answer_group(group, runtime)


@router.post("/$decide-recognition")
def decide_recognition(stated: BodyDep, caller: CallerDep, runtime: RuntimeDep) -> Response:
    """What `POST /api/v1/recognition/matches/{group}/decisions` does."""
    group_id, said = operations.read_decisions(stated)
    try:
        number = uuid.UUID(group_id)
    except ValueError as error:
        raise NotFound("recognition_group") from error
    body = _validated(recognition.DecisionsBody, said)
    return _answer_group(recognition.decide(number, body, caller, runtime), runtime)


def _validated(shape: type[T], stated: Mapping[str, Any]) -> T:
    try:
        return shape.model_validate(stated)
    except ValidationError as error:
        found = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(found) from error


def _answer_group(group: recognition.GroupShape, runtime: Runtime) -> Response:
    return answer(operations.write_group(group.model_dump(mode="json"), runtime.settings.base_url))


@router.get("/{kind}")
def search(kind: str, request: Request, caller: ReportCallerDep, runtime: RuntimeDep) -> Response:
    return _search(kind, request.query_params.multi_items(), request, caller, runtime)


async def read_form(request: Request) -> list[tuple[str, str]]:
    text = (await request.body()).decode("utf-8", "replace")
    return [*request.query_params.multi_items(), *parse_qsl(text, keep_blank_values=True)]


@router.post("/{kind}/_search")
def search_by_form(
    kind: str,
    stated: Annotated[list[tuple[str, str]], Depends(read_form)],
    request: Request,
    caller: ReportCallerDep,
    runtime: RuntimeDep,
) -> Response:
    """The same with its parameters in the body, which no log keeps (R4 3.1.0.9.1)."""
    return _search(kind, stated, request, caller, runtime)


def _search(
    kind: str, stated: list[tuple[str, str]], request: Request, caller: Caller, runtime: Runtime
) -> Response:
    if kind not in PARAMETERS:
        raise HTTPException(404 if kind not in reading.READABLE else 405)
    asked = _read_search(kind, stated, asking.is_lenient(request.headers.get("prefer", "")))
    with runtime.reading() as session:
        page = searching.search(session, caller.subject, asked, base_url=runtime.settings.base_url)
    _ROWS.take(caller.token_hash, runtime.now(), len(page))
    for report_id in page.reports:
        township.open_report(runtime, who_is(caller), report_id)
    applied = {"Preference-Applied": "handling=lenient"} if asked.passed_over else {}
    return answer(_bundle(runtime.settings.base_url, asked, page), headers=applied)


def _read_search(kind: str, stated: list[tuple[str, str]], lenient: bool) -> asking.Search:
    told = dict(stated)
    if told.get("_format", "json") not in _FORMATS:
        raise HTTPException(406)
    try:
        text = read_cursor(told.get("_cursor"))
        place = asking.Place.read(text) if text else None
    except (ValueError, Invalid) as error:
        raise BadSearch("_cursor", "one that was given by us") from error
    return asking.read_search(kind, stated, lenient=lenient, place=place)


def _bundle(base_url: str, asked: asking.Search, page: searching.Page) -> dict[str, Any]:
    places = {"first": None, "self": asked.place, **({"next": page.place} if page.place else {})}
    links = [{"relation": name, "url": _address(base_url, asked, at)} for name, at in places.items()]
    modes = [("match", page.resources), ("include", page.along.values())]
    entries = [
        {"fullUrl": f"{base_url}/fhir/{one['resourceType']}/{one['id']}", "resource": one, "search": {"mode": mode}}
        for mode, found in modes
        for one in found
    ]  # fmt: skip
    if asked.passed_over:
        entries.append({"resource": _passed_over(asked.passed_over), "search": {"mode": "outcome"}})
    total = {} if page.total is None else {"total": page.total}
    found = {"entry": entries} if entries else {}
    return {"resourceType": "Bundle", "type": "searchset", **total, "link": links, **found}


def _passed_over(names: Sequence[str]) -> dict[str, Any]:
    issue = [
        {
            "severity": "warning",
            "code": "not-supported",
            "diagnostics": f"{name}: passed over",
            "expression": [f"http.{name}"],
        }
        for name in names
    ]
    return {"resourceType": "OperationOutcome", "issue": issue}


def _address(base_url: str, asked: asking.Search, place: asking.Place | None) -> str:
    cursor = [("_cursor", write_cursor(place))] if place is not None else []
    return f"{base_url}/fhir/{asked.kind}?{urlencode([*asked.written(), *cursor])}"


@router.get("/Binary/{report_id}")
def read_binary(report_id: str, request: Request, caller: ReportCallerDep, runtime: RuntimeDep) -> Response:
    """The signed PDF as it is; as a resource for who asks for FHIR (R4 2.23.1)."""
    with runtime.reading() as session:
        report = reading.find_report(session, caller.subject, report_id)
        record = township.find_document(session, report)
    if record is None:
        raise NotFound("Binary")
    _ROWS.take(caller.token_hash, runtime.now())
    chunks = open_original(runtime, record)
    township.open_report(runtime, who_is(caller), report.id)
    if JSON in request.headers.get("accept", ""):
        data = base64.b64encode(b"".join(chunks)).decode("ascii")
        return answer(
            {"resourceType": "Binary", "id": report_id, "contentType": "application/pdf", "data": data}
        )
    headers = {"Content-Length": str(record.size_bytes), "ETag": f'"{record.sha256}"'}
    return StreamingResponse(chunks, media_type="application/pdf", headers=headers)


@router.get("/{kind}/{resource_id}")
def read(
    kind: str, resource_id: str, request: Request, caller: ReportCallerDep, runtime: RuntimeDep
) -> Response:
    if kind not in reading.READABLE:
        raise HTTPException(404)
    with runtime.reading() as session:
        found, report = reading.read_resource(
            session, caller.subject, kind, resource_id, base_url=runtime.settings.base_url
        )
    return _answer_one(found, report.id, kind, request, caller, runtime)


@router.get("/DiagnosticReport/{resource_id}/_history/{version}")
def read_version(
    resource_id: str, version: str, request: Request, caller: ReportCallerDep, runtime: RuntimeDep
) -> Response:
    """As that version was; `<n>-void` as it is since it was made void."""
    with runtime.reading() as session:
        found, report = reading.read_version(
            session, caller.subject, resource_id, version, base_url=runtime.settings.base_url
        )
    return _answer_one(found, report.id, "DiagnosticReport", request, caller, runtime)


def _answer_one(
    found: Mapping[str, Any],
    report_id: uuid.UUID,
    kind: str,
    request: Request,
    caller: Caller,
    runtime: Runtime,
) -> Response:
    _ROWS.take(caller.token_hash, runtime.now())
    if kind not in reading.NOBODYS:
        township.open_report(runtime, who_is(caller), report_id)
    version = found["meta"]["versionId"]
    headers = {"ETag": f'W/"{version}"'}
    if is_named(f'"{version}"', request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return answer(found, headers=headers)


@router.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def nothing_else(path: str) -> Response:
    """Nothing is written here."""
    raise HTTPException(404)
