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


def part_head(
    boundary: str, content_type: str, *, location: str = "", content_range: str = "", first: bool = False
) -> bytes:
    """What stands before the bytes of a part."""
    lines = ["" if first else "\r\n", f"--{boundary}\r\nContent-Type: {content_type}\r\n"]
    if location:
        lines.append(f"Content-Location: {location}\r\n")
    if content_range:
        lines.append(f"Content-Range: {content_range}\r\n")
    lines.append("\r\n")
    return "".join(lines).encode()


def parts_end(boundary: str) -> bytes:
    """What stands behind the last part."""
    return f"\r\n--{boundary}--\r\n".encode()


def write_parts(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    first = True
    for part in parts:
        yield part_head(
            boundary, part.content_type, location=part.location, content_range=part.content_range, first=first
        )
        yield from part.chunks
        first = False
    yield parts_end(boundary)
