"""DICOMweb for viewers of other origins: CORS (Fetch standard 3.2) for the origins that are listed, and no other.

Such a viewer sends a bearer token; cookies are never let across. Without GATEWAY_CORS_ORIGINS nothing of this exists.
"""

from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "/dicomweb/"
REMEMBERED_S = 600  # before a browser asks again
_METHODS = "GET, HEAD, POST, OPTIONS"
_ASKED = "Authorization, Accept, Accept-Language, Content-Type, If-None-Match, Range"
_SHOWN = "Content-Encoding, Content-Location, Content-Range, ETag, Retry-After, Warning"


class CrossOrigin:
    """Answers preflights, and names the origin on what it may read."""

    def __init__(self, app: ASGIApp, *, origins: Iterable[str]):
        self.app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        origin = headers.get("origin", "")
        allowed = origin in self._origins

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = MutableHeaders(scope=message)
                named.add_vary_header("Origin")
                if allowed:
                    named["Access-Control-Allow-Origin"] = origin
                    named["Access-Control-Expose-Headers"] = _SHOWN
                    named["Cross-Origin-Resource-Policy"] = "cross-origin"
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            return await _preflight(allowed)(scope, receive, send_named)
        await self.app(scope, receive, send_named)
        return None


def _preflight(allowed: bool) -> Response:
    """An origin that is not listed gets an answer that allows nothing."""
    if not allowed:
        return Response(status_code=204)
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _ASKED,
            "Access-Control-Max-Age": str(REMEMBERED_S),
        },
    )
