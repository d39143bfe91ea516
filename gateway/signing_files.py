"""The files that signing needs: roots, a seal's certificate and key."""

from pathlib import Path

from adapters.reports.signing.port import CannotSign, Cause


def read_file(path: Path) -> bytes:
    """A file that signing needs. Raises CannotSign."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CannotSign(Cause.FILE_UNREADABLE, f"{path}: {error.strerror}") from error
