"""Objects as files in a folder of a local disk: written apart, synced, renamed."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from gateway.fault_points import reach
from gateway.objects.store import CHUNK_BYTES, ObjectMissing, Source, StoreFailed, check_range, checked_key


class FolderStore:
    """A store in a folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self) -> None:
        with _disk_errors():
            _make_folders(self._root)

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
                reach("folder.written")
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

    def tidy(self, prefix: str) -> None:
        with _disk_errors():
            for half in (self._root / prefix).rglob(".put-*"):
                half.unlink(missing_ok=True)

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


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        cause = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise StoreFailed("the object store's folder cannot be used", cause=cause) from error


def _exactly(source: Source, size: int) -> Iterator[bytes]:
    while size:
        chunk = source.read(min(CHUNK_BYTES, size))
        if not chunk:
            raise ValueError(f"the source ended {size} bytes early")
        size -= len(chunk)
        yield chunk


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
