"""What every request and answer passes: headers that protect the browser, and limits on what is sent to us."""

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.device_control import EVIDENCE_LIMIT_BYTES
from gateway.web.errors import TooLarge, answer_error

DOCUMENT_LIMIT_BYTES = 32 << 20  # a report with a day of ECG in it has a few
JSON_LIMIT_BYTES = 1 << 20  # the longest report is a few kilobytes of text
SNAPSHOT_LIMIT_BYTES = 12 << 20  # a viewport of a diagnostic monitor as PNG has a few
_SNAPSHOT = re.compile(r"/api/v1/tasks/[^/]+/key-images/snapshot")
_EVIDENCE = re.compile(r"/api/v1/device-control/checks/[^/]+/evidence")

_STRICT = "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
_APP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self'; frame-src 'self' blob:; object-src 'self'; "
    "media-src 'self'; manifest-src 'self'; frame-ancestors 'self'; base-uri 'self'; form-action 'self'"
)
# OHIF compiles its decoders (WebAssembly), builds VTK and validators from text, runs workers from blobs,
# and its style sheets are written into the page.
_OHIF = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' blob: data:; worker-src 'self' blob:; child-src 'self' blob:; frame-src 'self'; "
    "media-src 'self' blob:; frame-ancestors 'self'; base-uri 'self'; form-action 'self'"
)
# The browser's own PDF viewer is a page with styles and a plug-in.
_PDF = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'"
_POLICIES = (("/ohif", _OHIF), ("/app", _APP))

_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]


class _CountedTooLarge(HTTPException):
    """TooLarge, found while counting: only an HTTPException passes unharmed through the framework's reading."""

    def __init__(self, limit_bytes: int):
        super().__init__(413)
        self.limit_mb = limit_bytes >> 20


class SecurityHeaders:
    """Sets the headers that an answer has not set itself."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"]

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                stated = {name.lower(): value for name, value in headers}
                wanted = [
                    *_ALWAYS,
                    (b"content-security-policy", _policy(path, stated.get(b"content-type", b""))),
                ]
                if path.startswith(("/api", "/fhir", "/metrics", "/livez", "/readyz")):
                    wanted.append((b"cache-control", b"no-store"))
                # One pass over raw bytes: frames pass here hundreds of times a second.
                message["headers"] = [*headers, *(one for one in wanted if one[0] not in stated)]
            await send(message)

        await self.app(scope, receive, send_protected)
        return None


class BodyLimit:
    """Refuses a body that is too large, as stated or as counted. Uploads and STOW-RS have limits of their own."""

    def __init__(self, app: ASGIApp, *, upload_limit_bytes: int, store_limit_bytes: int):
        self.app = app
        self.upload_limit_bytes, self.store_limit_bytes = upload_limit_bytes, store_limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        limit = self._limit_for(scope, headers)
        stated = headers.get("content-length", "0")
        if not stated.isdigit() or int(stated) > limit:
            response = answer_error(Request(scope), TooLarge(limit))
            response.headers["Connection"] = "close"
            return await response(scope, receive, send)
        counted = 0

        async def receive_counted() -> Message:
            nonlocal counted
            message = await receive()
            counted += len(message.get("body", b""))
            if counted > limit:
                raise _CountedTooLarge(limit)
            return message

        await self.app(scope, receive_counted, send)
        return None

    def _limit_for(self, scope: Scope, headers: Headers) -> int:
        if scope["path"].startswith("/dicomweb/"):
            return self.store_limit_bytes
        if scope["path"] == "/api/v1/verifications/documents":
            return DOCUMENT_LIMIT_BYTES
        if _SNAPSHOT.fullmatch(scope["path"]):
            return SNAPSHOT_LIMIT_BYTES
        if _EVIDENCE.fullmatch(scope["path"]):
            return EVIDENCE_LIMIT_BYTES
        return self.upload_limit_bytes if _is_upload(scope, headers) else JSON_LIMIT_BYTES


def _policy(path: str, content_type: bytes) -> bytes:
    if content_type.startswith(b"application/pdf"):
        return _PDF.encode()
    return next((policy for prefix, policy in _POLICIES if path.startswith(prefix)), _STRICT).encode()


def _is_upload(scope: Scope, headers: Headers) -> bool:
    multipart = headers.get("content-type", "").startswith("multipart/form-data")
    return bool(scope["path"] == "/api/v1/examinations" and multipart)
