"""What two people may edit at once: `ETag` where it is read, `If-Match` where it is written (RFC 9110 §13.1.1)."""

import re
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Response

from worklists.errors import Invalid

T = TypeVar("T")
_TAG = re.compile(r'(?:W/)?"([0-9a-f]{1,64})"')  # a proxy that packs an answer makes its tag a weak one


class RevisionRequired(Exception):
    """Who replaces the whole says which one they have read (RFC 6585 §3)."""


def read_tag(if_match: Annotated[str | None, Header()] = None) -> str | None:
    """The revision that the caller has read; nothing and `*` name none."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise Invalid("If-Match")
    return found.group(1)


StatedRevision = Annotated[str | None, Depends(read_tag)]


def require_tag(stated: StatedRevision) -> str:
    if stated is None:
        raise RevisionRequired
    return stated


RequiredRevision = Annotated[str, Depends(require_tag)]


def tagged(response: Response, shape: T, revision: str) -> T:
    response.headers["ETag"] = f'"{revision}"'
    return shape
