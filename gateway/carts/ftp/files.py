"""A device's folder as it sees it by FTP, and an upload that is under way, apart from everything else."""

import errno
import os
import shutil
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS

from adapters.errors import Unavailable
from gateway.carts import places

if TYPE_CHECKING:
    from gateway.carts.ftp.session import PlainSession, TlsSession

INCOMING = ".incoming"  # under a device's folder: uploads that are under way
OURS = frozenset({places.DONE, places.REFUSED, INCOMING})


class Incoming:
    """A file that is being uploaded, apart from all others; gone unless it is finished."""

    def __init__(self, folder: Path, target: Path, limit_bytes: int) -> None:
        place = folder / INCOMING
        place.mkdir(mode=0o770, exist_ok=True)
        if place.is_symlink():
            raise FilesystemError("the folder cannot be used")
        self.path, self.target = place / uuid.uuid4().hex, target
        self.name = str(target)
        self.failure: OSError | None = None
        self._left = limit_bytes
        # Unbuffered: closing it must not fail for want of room, or it could not be discarded.
        self._file = self.path.open("xb", buffering=0)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, chunk: bytes) -> None:
        """Raises OSError, and remembers it: the answer to the upload is made of it."""
        try:
            self._left -= len(chunk)
            if self._left < 0:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            view = memoryview(chunk)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            self.failure = error
            raise

    def finish(self) -> None:
        """Durable on return, under its name of the moment."""
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        self._file.close()

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class CartFolder(AbstractedFS):  # type: ignore[misc]
    """A device's own folder as it sees it. What is ours in it can be listed and not touched."""

    cmd_channel: "PlainSession | TlsSession"

    def open(self, filename: str, mode: str) -> Incoming:
        if mode != "wb":
            raise FilesystemError("resuming is not supported, send the whole file")
        self._require_own(filename)
        target = Path(filename)
        if not target.parent.is_dir() or target.is_dir():
            raise FilesystemError("there is no such folder")
        session = self.cmd_channel
        try:
            return Incoming(Path(self.root), target, session.desk.settings.upload_limit_bytes)
        except OSError as error:  # pyftpdlib would answer 550, after which no cart tries again
            raise Unavailable(f"no place for an upload: {error.strerror}") from error

    def chdir(self, path: str) -> None:
        """Without the process's own working folder, which all sessions share."""
        if not Path(path).is_dir():
            raise FilesystemError("there is no such folder")
        self.cwd = self.fs2ftp(path)

    def listdir(self, path: str) -> list[str]:
        return [name for name in super().listdir(path) if name != INCOMING]

    def mkdir(self, path: str) -> None:
        self._require_own(path)
        super().mkdir(path)

    def rmdir(self, path: str) -> None:
        self._require_own(path)
        super().rmdir(path)

    def remove(self, path: str) -> None:
        self._require_own(path)
        super().remove(path)

    def rename(self, src: str, dst: str) -> None:
        self._require_own(src)
        self._require_own(dst)
        super().rename(src, dst)

    def parts_of(self, path: str | Path) -> tuple[str, ...]:
        return Path(path).relative_to(self.root).parts

    def _require_own(self, path: str) -> None:
        parts = self.parts_of(path)
        if not parts or parts[0] in OURS or "\0" in path:
            raise FilesystemError("this folder is the gateway's")


def remove_incoming(root: Path) -> None:
    """Uploads that a killed server left half: nobody was told that they are kept."""
    for place in root.glob(f"*/{INCOMING}"):
        if not place.is_symlink():
            shutil.rmtree(place, ignore_errors=True)
