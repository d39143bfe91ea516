"""A node's segments for the other nodes: `GET /internal/journals/{journal}/segments/{number}` with one byte range.

Nobody is answered without the secret of the nodes. What is asked for is what a row says was committed; a segment's
bytes never change once they are.
"""

import hmac
import os
import re

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.journal import find_segment
from gateway.settings import Settings

LARGEST_BYTES = 16 << 20  # of one answer, in memory; readers ask for less
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})")
_JOURNAL = re.compile(r"[0-9a-f]{32}")


def segment_route(settings: Settings) -> Route:
    """The one route; runs in a thread."""

    def answer(request: Request) -> Response:
        if not _is_node(settings, request):
            return PlainTextResponse("the secret of the nodes is expected", 403)
        journal, number = request.path_params["journal"], request.path_params["number"]
        if not _JOURNAL.fullmatch(journal):
            return PlainTextResponse("no such journal", 404)
        wanted = _RANGE.fullmatch(request.headers.get("range", ""))
        if wanted is None:
            return PlainTextResponse("one range of bytes is expected", 400)
        first, last = int(wanted[1]), int(wanted[2])
        path = find_segment(settings.journal_dir, journal, number)
        try:
            handle = os.open(path, os.O_RDONLY) if path is not None else None
        except FileNotFoundError:  # evicted just now
            handle = None
        if handle is None:
            return PlainTextResponse("no such segment", 404)
        try:
            return _answer_range(handle, first, last)
        finally:
            os.close(handle)

    return Route("/internal/journals/{journal}/segments/{number:int}", answer, methods=["GET"])


def _is_node(settings: Settings, request: Request) -> bool:
    scheme, _, stated = request.headers.get("authorization", "").partition(" ")
    expected = settings.node_secret or ""
    right = hmac.compare_digest(stated.strip().encode(), expected.encode())
    return bool(expected) and scheme.lower() == "bearer" and right


def _answer_range(handle: int, first: int, last: int) -> Response:
    size = os.fstat(handle).st_size
    if first > last or last >= size or last - first >= LARGEST_BYTES:
        return PlainTextResponse(
            "no such range, or too large a one", 416, {"Content-Range": f"bytes */{size}"}
        )
    data = os.pread(handle, last - first + 1, first)
    headers = {"Content-Range": f"bytes {first}-{last}/{size}", "Cache-Control": "no-store"}
    return Response(data, 206, headers, "application/octet-stream")
