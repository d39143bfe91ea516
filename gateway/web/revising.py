"""Whoever changes what somebody else changed since is answered with it as it is now, under `current`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from gateway.web.errors import Detailed
from worklists.revision import ChangedSince


@contextmanager
def showing_current(read: Callable[[], BaseModel]) -> Iterator[None]:
    try:
        yield
    except ChangedSince as error:
        raise Detailed(error, members={"current": read().model_dump(mode="json")}) from error
