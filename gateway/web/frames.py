"""A frame of which this process knows everything already: who asks, that they may see it, and where its bytes lie.

A viewer that scrolls asks for hundreds of frames a second; these are answered on the event loop, out of the page
cache, without a thread. Whatever is not so goes on to the routes, which find it out and remember it: the session for
RECOGNISED_FOR_S, the right to see the study for ALLOWED_FOR_S.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.dicom.pixels import Frames, native_span
from gateway.accounts import hash_token
from gateway.dicomweb.errors import NotAcceptable
from gateway.dicomweb.files import is_derived
from gateway.dicomweb.media import Form, choose_frame, read_accept
from gateway.dicomweb.parsed import Parsed
from gateway.dicomweb.parts import multipart_type, new_boundary, part_head, parts_end
from gateway.dicomweb.served import Served
from gateway.originals import read_at_hand
from gateway.web.deps import COOKIE
from gateway.web.tags import cached, is_named, make_tag

_PATH = re.compile(
    r"/dicomweb/studies/([0-9.]{1,64})/series/([0-9.]{1,64})/instances/([0-9.]{1,64})/frames/([0-9]{1,9})"
)
_LARGEST_BYTES = 8 << 20  # larger frames are read in pieces, by a thread


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What of a request's head matters here."""

    secret: str
    accept: str
    if_none_match: str
    base_url: str


class KnownFrames:
    """Answers them; hands everything else on."""

    def __init__(self, app: ASGIApp, *, state: State):
        self.app, self._state = app, state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match = None
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            match = _PATH.fullmatch(scope["path"])
        answer = self._find(scope, *match.groups()) if match is not None else None
        if answer is None:
            return await self.app(scope, receive, send)
        status, headers, body = answer
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": body})
        return None

    def _find(
        self, scope: Scope, study: str, series: str, instance: str, number: str
    ) -> tuple[int, dict[str, str], bytes | bytearray] | None:
        asked = _read_head(scope)
        caller = self._state.callers.peek(hash_token(asked.secret)) if asked is not None else None
        if asked is None or caller is None:
            return None
        shelf, runtime = self._state.shelf, self._state.runtime
        found = shelf.peek(caller.token_hash, study, series, instance)
        if found is None or not shelf.openings.stands(caller.token_hash, found[0].study_id, runtime.now()):
            return None
        _, served, parsed = found
        form = _choose(asked.accept, served.transfer_syntax_uid)
        span = _span(parsed, int(number), form) if form is not None and not is_derived(served) else None
        if form is None or span is None:
            return None
        tag = make_tag([served], asked.base_url, "frames", (int(number),), form)
        if asked.if_none_match and is_named(tag, asked.if_none_match):
            return 304, cached(tag), b""
        head, tail, content_type = _around(served, form, int(number), asked.base_url)
        body = read_at_hand(runtime, served.original, *span, head=head, tail=tail)
        if body is None:
            return None
        return 200, {**cached(tag), "Content-Type": content_type, "Content-Length": str(len(body))}, body


def _read_head(scope: Scope) -> Asked | None:
    headers: dict[bytes, bytes] = dict(scope["headers"])
    host = headers.get(b"host")
    secret = _read_secret(headers)
    if host is None or secret is None:
        return None
    return Asked(
        secret=secret,
        accept=headers.get(b"accept", b"").decode("latin-1"),
        if_none_match=headers.get(b"if-none-match", b"").decode("latin-1"),
        base_url=f"{scope['scheme']}://{host.decode('latin-1')}{scope.get('root_path', '')}/dicomweb",
    )


def _read_secret(headers: dict[bytes, bytes]) -> str | None:
    """As `find_secret` does: a bearer token leaves the cookie aside."""
    scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    try:
        cookies = SimpleCookie(headers.get(b"cookie", b"").decode("latin-1"))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


@lru_cache(maxsize=1000)
def _choose(accept: str, transfer_syntax_uid: str) -> Form | None:
    try:
        form = choose_frame(read_accept(accept or None), transfer_syntax_uid)
    except NotAcceptable:
        return None  # the route says what there would be
    return None if form.decode else form


def _span(parsed: Parsed, number: int, form: Form) -> tuple[int, int] | None:
    frames: Frames | None = parsed.frames
    if frames is None or parsed.inflated is not None or not 0 < number <= frames.count:
        return None
    if frames.fragments is None:
        span = native_span(frames, number - 1)
    else:
        spans = frames.fragments[number - 1]
        span = spans[0] if len(spans) == 1 else None
    return span if span is not None and 0 < span[1] <= _LARGEST_BYTES else None


def _around(served: Served, form: Form, number: int, base_url: str) -> tuple[bytes, bytes, str]:
    """What stands before and behind the bytes, and the type of the whole."""
    if not form.multipart:
        return b"", b"", form.content_type
    boundary = new_boundary()
    location = f"{base_url}/{served.path}/frames/{number}"
    head = part_head(boundary, form.content_type, location=location, first=True)
    return head, parts_end(boundary), multipart_type(form.media_type, boundary)
