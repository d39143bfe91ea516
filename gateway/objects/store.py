"""What an object store is, and what a key is.

Keys are relative paths of letters, digits, dots, dashes and underscores; no part begins with a dot.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from adapters.errors import Unavailable

CHUNK_BYTES = 1024 * 1024
KEY_LIMIT = 512  # characters; S3 allows 1,024, file systems less for a whole path

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class StoreFailed(Unavailable):
    """The store did not do it now.

    `cause` is one word for it: the server's code, or the kind of error on the way; `gateway.causes` has
    sentences for them. `retry_after_s`: before then it wants to hear nothing.
    """

    def __init__(self, what: str, *, cause: str, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{what}: {cause}")
        self.cause = cause
        self.retry_after_s = retry_after_s


class ObjectMissing(LookupError):
    """There is no object with this key."""


class Source(Protocol):
    """What an object is read from: a file, a body of the journal, a pack being made."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes; none at the end."""


class ObjectStore(Protocol):
    """Where originals are kept. Every call may raise Unavailable; a source that ends early is a ValueError."""

    def prepare(self) -> None:
        """Make the place where nothing was ever kept. Never a place that has gone: it would seem that all is well."""

    def put(self, key: str, source: Source, size: int) -> None:
        """Keep `size` bytes of the source under the key, replacing what was there."""

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        """The object, or as much of the range as it has; ObjectMissing."""

    def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The same in pieces of about CHUNK_BYTES, for what should not be in memory whole."""

    def size(self, key: str) -> int | None:
        """How many bytes the object has; None when there is none."""

    def delete(self, key: str) -> None:
        """Remove the object; removing what is not there changes nothing."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Every key that begins with the prefix, in no promised order."""

    def tidy(self, prefix: str) -> None:
        """Remove what interrupted puts left under a prefix that ends with '/'; nobody may be putting there."""

    def check(self) -> None:
        """Unavailable when nothing can be stored now."""


class ChunkSource:
    """An object of a store, read like a file."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._chunks, self._rest = store.chunks(key), b""

    def read(self, size: int = -1) -> bytes:
        while size < 0 or len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        size = len(self._rest) if size < 0 else size
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def checked_key(key: str) -> str:
    """The key itself, or ValueError."""
    if len(key) > KEY_LIMIT or not _KEY.fullmatch(key):
        raise ValueError("an object key is a relative path of letters, digits, '.', '-' and '_'")
    return key


def check_range(offset: int, length: int | None) -> None:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("a range begins and ends inside the object")
