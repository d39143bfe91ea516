"""The object store: originals by key, kept whole or not at all, in a folder or on any S3 server.

Keys are relative paths of letters, digits, dots, dashes and underscores; no part begins with a dot.
What is stored is durable when `put` returns. S3: objects_s3.py.
Layout of keys and why originals go in packs: docs/decisions/0002-object-layout.md.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol
from uuid import uuid4

from adapters.errors import Unavailable

CHUNK_BYTES = 1024 * 1024
KEY_LIMIT = 512  # characters; S3 allows 1,024, file systems less for a whole path

_KEY = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


class ObjectMissing(LookupError):
    """There is no object with this key."""


class Source(Protocol):
    """What an object is read from: a file, a body of the journal, a pack being made."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to so many bytes; none at the end."""


class ObjectStore(Protocol):
    """Where originals are kept. Every call may raise Unavailable; a source that ends early is a ValueError."""

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

    def check(self) -> None:
        """Unavailable when nothing can be stored now."""


def open_object_store(place: str | Path) -> ObjectStore:
    """A store for `s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET[?region=…]` or for a folder. Does not connect yet."""
    if isinstance(place, str) and place.startswith(("s3+http://", "s3+https://")):
        from gateway.objects_s3 import open_s3  # noqa: PLC0415 (a folder needs no S3 client: half a second to load)

        return open_s3(place)
    if isinstance(place, str) and "://" in place:
        raise ValueError("an object store is a folder or s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET")
    return FolderStore(Path(place))


class FolderStore:
    """Objects as files in a folder of a local disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, key: str, source: Source, size: int) -> None:
        path = self._path(key)
        with _disk_errors():
            _make_folders(path.parent)
        temporary = path.parent / f".put-{uuid4().hex}"
        try:
            with _disk_errors(), temporary.open("xb") as file:
                for chunk in _exactly(source, size):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            with _disk_errors():
                temporary.replace(path)
                _sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def read(self, key: str, *, offset: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.chunks(key, offset=offset, length=length))

    def chunks(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        check_range(offset, length)
        with _disk_errors(), self._open(key) as file:
            file.seek(offset)
            while length is None or length > 0:
                chunk = file.read(CHUNK_BYTES if length is None else min(CHUNK_BYTES, length))
                if not chunk:
                    return
                length = None if length is None else length - len(chunk)
                yield chunk

    def size(self, key: str) -> int | None:
        with _disk_errors():
            try:
                return self._path(key).stat().st_size
            except (FileNotFoundError, NotADirectoryError):
                return None

    def delete(self, key: str) -> None:
        with _disk_errors():
            self._path(key).unlink(missing_ok=True)

    def keys(self, prefix: str = "") -> Iterator[str]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                key = (Path(folder) / name).relative_to(self._root).as_posix()
                if not name.startswith(".") and key.startswith(prefix):
                    yield key

    def check(self) -> None:
        probe = self._root / f".check-{uuid4().hex}"
        with _disk_errors():
            _make_folders(self._root)
            try:
                with probe.open("xb") as file:
                    file.write(b"can write")
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                probe.unlink(missing_ok=True)

    def _open(self, key: str) -> BinaryIO:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ObjectMissing(key) from error

    def _path(self, key: str) -> Path:
        return self._root / checked_key(key)


def checked_key(key: str) -> str:
    """The key itself, or ValueError."""
    if len(key) > KEY_LIMIT or not _KEY.fullmatch(key):
        raise ValueError("an object key is a relative path of letters, digits, '.', '-' and '_'")
    return key


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the object store's folder cannot be used: {error.strerror}") from error


def _exactly(source: Source, size: int) -> Iterator[bytes]:
    while size:
        chunk = source.read(min(CHUNK_BYTES, size))
        if not chunk:
            raise ValueError(f"the source ended {size} bytes early")
        size -= len(chunk)
        yield chunk


def check_range(offset: int, length: int | None) -> None:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("a range begins and ends inside the object")


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents; each new name is synced, or a power cut could take the object with it."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(mode=0o750, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
