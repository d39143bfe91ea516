"""The pages of a share, `/p`: HTML made here, for telephones of ten years ago and without signing in.

No answer tells which codes there are: what is asked is the same for all, and an answer takes its time whatever it says.
The visit is a cookie of these pages alone; codes and answers travel in bodies, but for the address that a QR code says.
"""

import asyncio
import gzip
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from gateway import share_visits, township
from gateway.originals import open_original
from gateway.runtime import Runtime
from gateway.share_visits import ShareLocked, ShareMistyped, ShareRefused, Visit
from gateway.web.deps import RuntimeDep, language_of, peer_address
from gateway.web.errors import find_problem, sentence_of
from gateway.web.limits import RateLimit, TooOften
from gateway.web.messages import LANGUAGES
from gateway.web.share_view import show_page
from gateway.web.share_words import words_in
from worklists.errors import NotFound
from worklists.reports import ReportState
from worklists.sharing import SharedWith, read_code, spoken_code

if TYPE_CHECKING:
    from jinja2 import Environment

router = APIRouter(prefix="/p", include_in_schema=False)

TEMPLATES = Path(__file__).with_name("share_templates")
COOKIE, LANGUAGE_COOKIE = "gateway_share", "gateway_share_language"
TRIES, TRIES_PER_SECOND = 20, 0.1  # of an address: a village's telephones may all have the same one
LOOKS, LOOKS_PER_SECOND = 120, 2.0
ANSWERED_AFTER_S = 0.3  # longer than any of them takes
RETRY_AFTER_S = 5
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_ALWAYS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
}
_FILES = {"style.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}


class Limits:
    """What one application remembers: how often who asked. An answer takes as long, right or wrong, there or not."""

    def __init__(self, *, answered_after_s: float = ANSWERED_AFTER_S) -> None:
        self.answered_after_s = answered_after_s
        self.tries = RateLimit(burst=TRIES, per_second=TRIES_PER_SECOND)
        self.looks = RateLimit(burst=LOOKS, per_second=LOOKS_PER_SECOND)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request to these pages."""

    request: Request
    runtime: Runtime
    language: str

    @property
    def words(self) -> dict[str, str]:
        return dict(words_in(self.language))

    @property
    def address(self) -> str:
        return peer_address(self.request)

    @property
    def limits(self) -> Limits:
        state = self.request.app.state
        if not hasattr(state, "share_limits"):
            state.share_limits = Limits()
        found: Limits = state.share_limits
        return found

    def find_visit(self) -> Visit | None:
        return share_visits.find_visit(self.runtime, self.request.cookies.get(COOKIE))


def get_asked(request: Request, runtime: RuntimeDep, lang: str | None = None) -> Asked:
    """In the language that was pressed, else of the last time, else of the browser."""
    wanted = (lang, request.cookies.get(LANGUAGE_COOKIE))
    language = next((one for one in wanted if one in LANGUAGES), None) or language_of(request)
    return Asked(request=request, runtime=runtime, language=language)


AskedDep = Annotated[Asked, Depends(get_asked)]
Typed = Annotated[str, Form(max_length=100)]


class VisitOver(Exception):
    """There is none, or it is over, or the form is of another one."""


@router.get("")
def ask(asked: AskedDep) -> Response:
    return _guarded(asked, lambda: _render(asked, "ask.html", code="", problem=""))


@router.post("")
async def enter(asked: AskedDep, code: Typed = "", answer: Typed = "") -> Response:
    began = time.monotonic()
    response = await run_in_threadpool(_guarded, asked, lambda: _enter(asked, code, answer), code)
    await asyncio.sleep(max(0.0, asked.limits.answered_after_s - (time.monotonic() - began)))
    return response


@router.get("/style.css")
@router.get("/page.js")
def read_file(asked: AskedDep) -> Response:
    name = asked.request.url.path.rpartition("/")[2]
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}  # asked for with a hash of all of them
    return Response((TEMPLATES / name).read_bytes(), media_type=_FILES[name], headers=headers)


@router.get("/report")
def read_report(asked: AskedDep) -> Response:
    return _guarded(asked, lambda: _report(asked))


@router.get("/report.pdf")
def read_document(asked: AskedDep) -> Response:
    return _guarded(asked, lambda: _document(asked))


@router.get("/tracing.svg")
def read_tracing(asked: AskedDep) -> Response:
    return _guarded(asked, lambda: _tracing(asked))


@router.post("/acknowledge")
def acknowledge(
    asked: AskedDep, who: Annotated[SharedWith, Form()], name: Typed = "", proof: Typed = ""
) -> Response:
    return _guarded(asked, lambda: _acknowledge(asked, who, name, proof))


@router.post("/leave")
def leave(asked: AskedDep) -> Response:
    response = _to("/p")
    response.delete_cookie(COOKIE, path="/p", httponly=True, samesite="strict")
    return response


@router.get("/{code}")
def ask_for(code: str, asked: AskedDep) -> Response:
    """What the QR code says. Asks the same of every code, whether anybody has it or not."""
    return _guarded(asked, lambda: _render(asked, "ask.html", code=spoken_code(read_code(code)), problem=""))


def _enter(asked: Asked, code: str, answer: str) -> Response:
    asked.limits.tries.take(asked.address, asked.runtime.now())
    visit = share_visits.enter(asked.runtime, code, answer, address=asked.address)
    response = _to("/p/report")
    response.set_cookie(
        COOKIE,
        visit.token,
        max_age=int(share_visits.VISIT.total_seconds()),
        httponly=True,
        secure=asked.runtime.settings.secure_cookies,
        samesite="strict",
        path="/p",
    )
    return response


def _report(asked: Asked) -> Response:
    visit, now = _get_visit(asked), asked.runtime.now()
    share_visits.note_newer(asked.runtime, visit, address=asked.address)
    with asked.runtime.reading() as session:
        share, report = share_visits.get_shared(session, visit, now)
        page = show_page(session, share, report, visit, asked.words, english=asked.language == "en")
        return _render(asked, "report.html", page=page, proof=visit.proof, people=list(SharedWith))


def _document(asked: Asked) -> Response:
    visit = _get_visit(asked)
    with asked.runtime.reading() as session:
        _, report = share_visits.get_shared(session, visit, asked.runtime.now())
        if report.state is not ReportState.SIGNED:
            return _to("/p/report")
        record = township.find_document(session, report)
        name = f"{report.number}-{report.version}.pdf"
    if record is None:
        sentence = asked.words["pdf_making"]
        response = _render(asked, "message.html", 202, sentence=sentence, tone="care", back="/p/report")
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
        return response
    share_visits.note_newer(asked.runtime, visit, address=asked.address)
    headers = {
        "Content-Length": str(record.size_bytes),
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        open_original(asked.runtime, record), media_type="application/pdf", headers=headers
    )


def _tracing(asked: Asked) -> Response:
    from adapters.ecg.svg import write_svg  # noqa: PLC0415
    from gateway.ecg.report import draw_tracing, find_signed_ecg  # noqa: PLC0415

    visit = _get_visit(asked)
    with asked.runtime.reading() as session:
        _, report = share_visits.get_shared(session, visit, asked.runtime.now())
        if report.state is not ReportState.SIGNED:
            raise NotFound("tracing")
        ecg = find_signed_ecg(session, report)
    tracing = draw_tracing(asked.runtime, ecg)
    if not tracing.sheets:
        raise NotFound("tracing")
    return _packed(asked, write_svg(tracing.sheets[0]).encode(), "image/svg+xml")


def _packed(asked: Asked, content: bytes, media_type: str) -> Response:
    """A fifth of it for a browser that takes it: villages have slow lines."""
    headers = {**_ALWAYS, "Content-Security-Policy": SVG_POLICY, "Vary": "Accept-Encoding"}
    if "gzip" in asked.request.headers.get("accept-encoding", ""):
        content, headers = gzip.compress(content, 6), {**headers, "Content-Encoding": "gzip"}
    return Response(content, headers={**headers, "Content-Type": media_type})


def _acknowledge(asked: Asked, who: SharedWith, name: str, proof: str) -> Response:
    visit = _get_visit(asked)
    if not visit.is_proven_by(proof):
        raise VisitOver
    share_visits.acknowledge(asked.runtime, visit, who, name, address=asked.address)
    return _to("/p/report")


def _get_visit(asked: Asked) -> Visit:
    asked.limits.looks.take(asked.address, asked.runtime.now())
    visit = asked.find_visit()
    if visit is None:
        raise VisitOver
    return visit


def _guarded(asked: Asked, work: Callable[[], Response], code: str = "") -> Response:
    """What went wrong as a page with a sentence, at the place where it is tried again."""
    words = asked.words
    try:
        return work()
    except ShareMistyped:
        status, problem = 422, words["mistyped"]
    except ShareRefused:
        status, problem = 403, words["refused"]
    except ShareLocked as error:
        status, problem = 429, words["locked"].format(minutes=error.minutes)
    except TooOften as error:
        status, problem = 429, words["too_often"].format(seconds=error.retry_after_s)
    except (VisitOver, NotFound):
        status, problem = 401, words["ended"]
    except Exception as error:
        found = find_problem(error)
        if found.status >= 500 and found.code == "unforeseen":
            raise
        sentence = sentence_of(error, asked.language)
        return _render(asked, "message.html", found.status, sentence=sentence, tone="now", back="/p/report")
    return _render(asked, "ask.html", status, code=code[:20], problem=problem)


def _render(asked: Asked, template: str, status: int = 200, **facts: object) -> Response:
    other = next(one for one in LANGUAGES if one != asked.language)
    path = asked.request.url.path if asked.request.method == "GET" else "/p"
    content = _templates().get_template(template).render(
        w=asked.words, language=asked.language, other=other, switch=f"{path}?lang={other}", version=_version(),
        **facts,
    )  # fmt: skip
    response = HTMLResponse(content, status, headers=_ALWAYS)
    if asked.request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, asked.language, path="/p", httponly=True, samesite="lax")
    return response


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, headers=_ALWAYS)


@cache
def _templates() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 (only these pages need it)

    return Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)


@cache
def _version() -> str:
    """Another name for other files, so that a browser keeps them for as long as they are the same."""
    content = b"".join((TEMPLATES / name).read_bytes() for name in sorted(_FILES))
    return hashlib.sha256(content).hexdigest()[:12]
