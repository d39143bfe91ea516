"""Entity tags of DICOMweb answers: over the originals' SHA-256, the UIDs they are served by, and what was asked of them."""

import hashlib
from collections.abc import Sequence

from gateway.dicomweb.served import Served


def make_tag(served: Sequence[Served], base_url: str, *asked: object) -> str:
    seen = hashlib.sha256()
    for one in served:
        seen.update(f"{one.sha256}{one.path}".encode())
    seen.update(repr((asked, base_url)).encode())
    return f'"{seen.hexdigest()[:32]}"'


def is_named(tag: str, if_none_match: str) -> bool:
    """The reader has this one already (RFC 9110 13.1.2)."""
    return if_none_match == "*" or tag in [one.strip().removeprefix("W/") for one in if_none_match.split(",")]


def cached(tag: str) -> dict[str, str]:
    """A browser may keep it, but asks each time: the right to see it may have ended."""
    return {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}
