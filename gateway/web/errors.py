"""The one table from errors to HTTP: problem details (RFC 9457) with a stable code and a sentence.

A use case raises what happened; nobody else knows a status code. Nothing unforeseen shows or logs its values.
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.errors import Inexpressible, Malformed, Refused, Unavailable
from gateway import character_sets
from gateway.accounts import LockedOut, NotSignedIn, PasswordTooWeak, WrongCredentials
from gateway.directory import ChangeMovedOn, FieldErrors
from gateway.held import AlreadyResolved
from gateway.lab.receiving import (
    AlreadyReceived,
    BarcodeAmbiguous,
    BarcodeMistyped,
    BarcodeUnknown,
    SentElsewhere,
)
from gateway.live import TooManySubscribers
from gateway.retrying import NotDamaged, StillBroken
from gateway.roster import RosterMovedOn
from gateway.uploading import KindNotTaken, NothingAccepted
from gateway.web.limits import TooOften
from gateway.web.messages import choose_language, say, say_reason
from gateway.web.revisions import RevisionRequired
from worklists.amending import AmendmentUnderWay, ReportNotStanding
from worklists.checking.rows import ReportDoubted
from worklists.critical import CriticalStateForbids
from worklists.device_control.rows import CheckNotOpen
from worklists.drafts import DraftChanged
from worklists.ecg_content import ContentRefused
from worklists.errors import Conflict, FieldsRefused, Invalid, NotAllowed, NotFound
from worklists.key_images import KeyImageReplaced, KeyImagesMovedOn
from worklists.laboratory.holding_back import NotOutOfControl
from worklists.laboratory.reporting import ResultsPending, ResultsWaiting
from worklists.laboratory.specimens import SpecimenStateForbids
from worklists.laboratory.verifying import NotTogether, ResultMovedOn
from worklists.patient_index import ProposalDecided
from worklists.reading import (
    PreliminaryNotAllowed,
    ReportIncomplete,
    TaskAlreadyClaimed,
    TaskReserved,
    TaskStateForbids,
    WriterCannotReview,
)
from worklists.recognising.deciding import AlreadyDecided, NoLongerStands, NotAdopted
from worklists.reviewing import GradeRequired
from worklists.revision import ChangedSince
from worklists.rule_books import LiveMovedOn, NotADraft, NotTried

log = structlog.get_logger()

RETRY_AFTER_S = 5  # a database that restarts is back after a few seconds


class CsrfFailed(NotAllowed):
    """A cookie alone does not prove that our own page sent the request."""


class TooLarge(Exception):
    """The body is larger than this address takes."""

    def __init__(self, limit_bytes: int):
        super().__init__(limit_bytes)
        self.limit_mb = limit_bytes >> 20


class Detailed(Exception):
    """An error whose answer carries more than its sentence: members beside `code`, or headers."""

    def __init__(
        self,
        error: Exception,
        *,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(error)
        self.error, self.members, self.headers = error, dict(members or {}), dict(headers or {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """How one family of errors is answered. `facts` are the error's attributes that its sentence names."""

    status: int
    code: str
    facts: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


_LATER = {"Retry-After": str(RETRY_AFTER_S)}
# The first that fits; a subclass stands above its family.
PROBLEMS: tuple[tuple[type[Exception], Problem], ...] = (
    (NotSignedIn, Problem(status=401, code="not_signed_in")),
    (WrongCredentials, Problem(status=401, code="wrong_credentials")),
    (LockedOut, Problem(status=429, code="locked_out", facts=("retry_after_s",))),
    (PasswordTooWeak, Problem(status=422, code="password_too_weak")),
    (CsrfFailed, Problem(status=403, code="csrf")),
    (NotAllowed, Problem(status=403, code="not_allowed")),
    (BarcodeMistyped, Problem(status=404, code="barcode_mistyped", facts=("barcode",))),
    (BarcodeUnknown, Problem(status=404, code="barcode_unknown", facts=("barcode",))),
    (NotFound, Problem(status=404, code="not_found")),
    (BarcodeAmbiguous, Problem(status=409, code="barcode_ambiguous", facts=("barcode",))),
    (SentElsewhere, Problem(status=409, code="sent_elsewhere", facts=("site", "lead"))),
    (AlreadyReceived, Problem(status=409, code="already_received", facts=("at", "by"))),
    (SpecimenStateForbids, Problem(status=409, code="specimen_state_forbids", facts=("barcode", "state"))),
    (AmendmentUnderWay, Problem(status=409, code="amendment_under_way", facts=("claimed_by",))),
    (ReportNotStanding, Problem(status=409, code="report_not_standing", facts=("state",))),
    (CriticalStateForbids, Problem(status=409, code="critical_state_forbids", facts=("state",))),
    (TaskReserved, Problem(status=409, code="task_reserved", facts=("claimed_by",))),
    (TaskAlreadyClaimed, Problem(status=409, code="task_already_claimed", facts=("claimed_by",))),
    (TaskStateForbids, Problem(status=409, code="task_state_forbids", facts=("state",))),
    (ReportDoubted, Problem(status=409, code="report_doubted", facts=("count",))),
    (GradeRequired, Problem(status=409, code="grade_required")),
    (PreliminaryNotAllowed, Problem(status=409, code="preliminary_not_allowed")),
    (WriterCannotReview, Problem(status=409, code="writer_cannot_review")),
    (DraftChanged, Problem(status=412, code="draft_changed")),
    (ChangedSince, Problem(status=412, code="changed_since", facts=("by", "at"))),
    (RevisionRequired, Problem(status=428, code="revision_required")),
    (RosterMovedOn, Problem(status=409, code="roster_moved_on")),
    (ChangeMovedOn, Problem(status=409, code="change_moved_on")),
    (AlreadyResolved, Problem(status=409, code="already_resolved")),
    (StillBroken, Problem(status=409, code="still_broken", facts=("error",))),
    (NotDamaged, Problem(status=409, code="not_damaged")),
    (character_sets.AlreadyDecided, Problem(status=409, code="already_resolved")),
    (ProposalDecided, Problem(status=409, code="proposal_decided")),
    (ResultsPending, Problem(status=409, code="results_pending", facts=("items",))),
    (ResultMovedOn, Problem(status=409, code="result_moved_on", facts=("item",))),
    (NotOutOfControl, Problem(status=409, code="not_out_of_control")),
    (CheckNotOpen, Problem(status=409, code="device_check_not_open")),
    (AlreadyDecided, Problem(status=409, code="recognition_decided")),
    (NoLongerStands, Problem(status=409, code="recognition_no_longer_stands", facts=("item_code",))),
    (NotAdopted, Problem(status=409, code="recognition_not_adopted")),
    (NotADraft, Problem(status=409, code="rules_not_a_draft")),
    (NotTried, Problem(status=409, code="rules_not_tried")),
    (LiveMovedOn, Problem(status=409, code="rules_live_moved", facts=("version", "by", "at"))),
    (KeyImageReplaced, Problem(status=409, code="key_image_replaced")),
    (KeyImagesMovedOn, Problem(status=409, code="key_images_moved_on")),
    (Conflict, Problem(status=409, code="conflict")),
    (ReportIncomplete, Problem(status=422, code="report_incomplete", facts=("field",))),
    (KindNotTaken, Problem(status=422, code="kind_not_taken", facts=("kind",))),
    (NothingAccepted, Problem(status=422, code="nothing_accepted")),
    (ResultsWaiting, Problem(status=422, code="results_waiting", facts=("items",))),
    (NotTogether, Problem(status=422, code="not_together", facts=("items",))),
    (Invalid, Problem(status=422, code="invalid")),
    (RequestValidationError, Problem(status=422, code="invalid")),
    (Malformed, Problem(status=422, code="malformed", facts=("reason",))),
    (Inexpressible, Problem(status=409, code="not_expressible")),
    (Refused, Problem(status=403, code="not_allowed")),
    (TooOften, Problem(status=429, code="too_often", facts=("retry_after_s",))),
    (TooLarge, Problem(status=413, code="too_large", facts=("limit_mb",))),
    (Unavailable, Problem(status=503, code="unavailable", headers=_LATER)),
    (TooManySubscribers, Problem(status=503, code="unavailable", headers=_LATER)),
    (OperationalError, Problem(status=503, code="unavailable", headers=_LATER)),
    (InterfaceError, Problem(status=503, code="unavailable", headers=_LATER)),
    (PoolTimeout, Problem(status=503, code="unavailable", headers=_LATER)),
    (DataError, Problem(status=422, code="invalid")),  # a zero byte in a text, for one
    (StaleDataError, Problem(status=409, code="conflict")),
    (IntegrityError, Problem(status=409, code="conflict")),
)
_UNFORESEEN = Problem(status=500, code="unforeseen")
_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 401: "not_signed_in"}


# Below which paths problems are told in another form: prefix → what makes it of the problem details.
_FORMS: dict[str, Callable[[Response], Response]] = {}


def answer_below(prefix: str, form: Callable[[Response], Response]) -> None:
    _FORMS[prefix] = form


def answer_error(request: Request, error: Exception) -> Response:
    """What an error is answered with: problem details, or what stands for them below this path."""
    problem, path = _problem_details(request, error), request.scope["path"]
    form = next((form for prefix, form in _FORMS.items() if f"{path}/".startswith(f"{prefix}/")), None)
    return problem if form is None else form(problem)


def _problem_details(request: Request, error: Exception) -> Response:
    """In the caller's language."""
    language = choose_language(request.headers.get("accept-language"))
    members: dict[str, Any] = {}
    headers: dict[str, str] = {}
    if isinstance(error, Detailed):
        members, headers, error = error.members, error.headers, error.error
    if isinstance(error, HTTPException):
        return _answer_http(error, language)
    problem = find_problem(error)
    if isinstance(error, LockedOut | TooOften):
        headers = {"Retry-After": str(error.retry_after_s)}
    fields = field_errors(error, language)
    if fields:
        members = {**members, "errors": fields}
    sentence = sentence_of(error, language)
    return problem_response(
        problem.status, problem.code, sentence, members=members, headers={**problem.headers, **headers}
    )


def sentence_of(error: Exception, language: str) -> str:
    """What somebody is told of it."""
    problem = find_problem(error)
    return say(problem.code, language, {name: _fact(error, name) for name in problem.facts})


def find_problem(error: Exception) -> Problem:
    return next((problem for kind, problem in PROBLEMS if isinstance(error, kind)), _UNFORESEEN)


def problem_response(
    status: int,
    code: str,
    detail: str,
    *,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    content = {
        "type": "about:blank",
        "title": code.replace("_", " "),
        "status": status,
        "detail": detail,
        "code": code,
        **(members or {}),
    }
    return JSONResponse(content, status, headers=dict(headers or {}), media_type="application/problem+json")


def field_errors(error: Exception, language: str) -> list[dict[str, str]]:
    """Which fields, and why; never what was in them."""
    facts: Mapping[str, object] = {}
    if isinstance(error, FieldErrors):
        reasons = list(error.reasons.items())
    elif isinstance(error, ContentRefused | FieldsRefused):
        reasons, facts = list(error.reasons.items()), error.facts
    elif isinstance(error, ResultsWaiting):
        reasons = [(code, "waiting") for code in error.waiting]
    elif isinstance(error, ReportIncomplete):
        reasons = [(error.field, "required")]
    elif isinstance(error, RequestValidationError):
        reasons = [
            (_field_name(e["loc"]), _VALIDATION_REASONS.get(e["type"], "unusable")) for e in error.errors()
        ]
    elif isinstance(error, Invalid) and error.args:
        reasons = [(str(error.args[0]), str(error.args[1]) if len(error.args) > 1 else "unusable")]
    else:
        reasons = []
    return [{"field": name, "message": say_reason(reason, language, facts)} for name, reason in reasons]


def install(app: FastAPI) -> None:
    """Answer every error of the table, and those of the framework."""
    for kind in (*(kind for kind, _ in PROBLEMS), HTTPException, Detailed):
        app.add_exception_handler(kind, _handler)


class UnforeseenErrors:
    """Answers what nobody foresaw with 500 and logs where it happened, without its message or values."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            log.error(
                "request_failed",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", None),
                error=type(error).__qualname__,
                where=_where(error),
            )
            if started:
                raise AnswerCutShort from None
            response = answer_error(Request(scope), error)
            await response(scope, receive, send)


class AnswerCutShort(Exception):
    """An answer had begun when something went wrong; the connection must end for the peer to notice."""


_VALIDATION_REASONS = {"missing": "required", "string_too_long": "too_long", "string_too_short": "required"}


async def _handler(request: Request, error: Exception) -> Response:
    return answer_error(request, error)


def _answer_http(error: HTTPException, language: str) -> Response:
    code = _BY_STATUS.get(error.status_code)
    if code is None:
        code = "invalid" if error.status_code < 500 else "unforeseen"
    facts = {"limit_mb": getattr(error, "limit_mb", "?")}
    headers = dict(error.headers or {})
    return problem_response(error.status_code, code, say(code, language, facts), headers=headers)


def _fact(error: Exception, name: str) -> object:
    return getattr(error, name, None) or str(error)


def _field_name(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])


def _where(error: BaseException) -> list[str]:
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
