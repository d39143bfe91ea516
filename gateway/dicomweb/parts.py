"""Multipart answers, written as they are read (RFC 2387; PS3.18 8.6.1.2)."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of an answer."""

    content_type: str
    chunks: Iterable[bytes]
    location: str = ""
    content_range: str = ""


def new_boundary() -> str:
    return f"part-{uuid.uuid4().hex}"


def multipart_type(media_type: str, boundary: str) -> str:
    return f'multipart/related; type="{media_type}"; boundary={boundary}'


def write_parts(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    first = True
    for part in parts:
        lines = ["" if first else "\r\n", f"--{boundary}\r\nContent-Type: {part.content_type}\r\n"]
        if part.location:
            lines.append(f"Content-Location: {part.location}\r\n")
        if part.content_range:
            lines.append(f"Content-Range: {part.content_range}\r\n")
        lines.append("\r\n")
        yield "".join(lines).encode()
        yield from part.chunks
        first = False
    yield f"\r\n--{boundary}--\r\n".encode()
