"""How DICOM JSON (PS3.18 Annex F) is sent: whole or while it is made, compressed where that is worth it."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

from fastapi import Request
from starlette.responses import Response, StreamingResponse

from gateway.dicomweb.media import DICOM_JSON

_VARY = {"Vary": "Accept, Accept-Encoding"}
GZIP_FROM_BYTES = 4096
CHUNK_BYTES = 256 << 10


def json_answer(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    """The text of DICOM JSON objects, compressed where the caller takes that."""
    if len(body) >= GZIP_FROM_BYTES and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 1, mtime=0)
        headers = {**headers, "Content-Encoding": "gzip"}
    return Response(body, headers={**_VARY, **headers}, media_type=DICOM_JSON)


def streamed_json(request: Request, written: Iterator[bytes], headers: dict[str, str]) -> Response:
    """The same of thousands of objects, sent while they are made: never cut short without being seen to be."""
    chunks = _gathered(chain((b"[",), _separated(written), (b"]",)))
    if "gzip" in request.headers.get("accept-encoding", ""):
        chunks, headers = _compressed(chunks), {**headers, "Content-Encoding": "gzip"}
    return StreamingResponse(chunks, headers={**_VARY, **headers}, media_type=DICOM_JSON)


def _separated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for place, piece in enumerate(pieces):
        yield b"," + piece if place else piece


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """In chunks that are worth a turn of the thread that makes them."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    squeezer = zlib.compressobj(1, zlib.DEFLATED, 16 + zlib.MAX_WBITS)  # with the head and tail of gzip
    for chunk in chunks:
        if squeezed := squeezer.compress(chunk):
            yield squeezed
    yield squeezer.flush()
