"""Cursors: opaque to the caller, the key of the last row shown to us."""

import base64
import uuid
from typing import Annotated

from fastapi import Query

from worklists.errors import Invalid

LimitDep = Annotated[int, Query(ge=1, le=500)]
CursorDep = Annotated[str | None, Query(max_length=200)]


def write_cursor(key: object) -> str:
    return base64.urlsafe_b64encode(str(key).encode()).decode().rstrip("=")


def write_next(key: str | None) -> str | None:
    """The cursor of the next page, if there is one."""
    return write_cursor(key) if key is not None else None


def read_cursor(cursor: str | None) -> str | None:
    """The key in a cursor. Raises Invalid for one that is not ours."""
    if cursor is None:
        return None
    try:
        return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise Invalid("cursor") from error


def read_id_cursor(cursor: str | None) -> uuid.UUID | None:
    key = read_cursor(cursor)
    try:
        return uuid.UUID(key) if key is not None else None
    except ValueError as error:
        raise Invalid("cursor") from error
