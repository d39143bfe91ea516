"""A zip with an ECG in it: only what is needed is unpacked, within bounds, and never to a name that the zip chose.

Members that are stored, not deflated, are used where they lie in the file.
"""

import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO, cast

from adapters.ecg.content import IN_MEMORY_BYTES, Content, content_of, keep_open
from adapters.ecg.errors import NotAnEcg

MOST_MEMBERS = 1000
UNPACKED_BYTES = 1 << 30  # of all members: a day of twelve leads at 500 Hz in 16 bits
LARGEST_RATIO = 200  # deflated ECGs shrink to a third; what shrinks more than this is a bomb
SMALL_BYTES = 1 << 20  # below, a ratio says nothing
_STEP = 1 << 20
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 0x1
_NOT_MEANT = ("__MACOSX/", ".DS_Store", "Thumbs.db")


def is_zip(content: Content) -> bool:
    return content.head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def open_members(content: Content) -> list[Content]:
    """Every file in it, by its last name."""
    try:
        with zipfile.ZipFile(cast("IO[bytes]", _Reader(content))) as archive:
            members = [member for member in archive.infolist() if _is_meant(member)]
            _check(members)
            return [_open(content, archive, member) for member in members if member.file_size]
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeError, ValueError) as error:
        raise NotAnEcg("truncated", "ZIP") from error
    except (NotImplementedError, RuntimeError) as error:
        raise NotAnEcg("unsupported", "ZIP") from error


class _Reader:
    """The file as zipfile wants it."""

    def __init__(self, content: Content) -> None:
        self._content, self._at = content, 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        at = (0, self._at, self._content.size)[whence] + offset
        if at < 0:
            raise ValueError("before the beginning")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        length = self._content.size if size is None or size < 0 else size
        data = self._content.up_to(self._at, length)
        self._at += len(data)
        return data

    def close(self) -> None:
        """Nothing is held."""


def _is_meant(member: zipfile.ZipInfo) -> bool:
    return (
        bool(member.filename)
        and not member.is_dir()
        and not any(part in member.filename for part in _NOT_MEANT)
    )


def _check(members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MOST_MEMBERS:
        raise NotAnEcg("zip_too_large", str(len(members)))
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise NotAnEcg("zip_unsafe", path.name[:60])
        if member.flag_bits & _ENCRYPTED:
            raise NotAnEcg("encrypted_zip")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise NotAnEcg("unsupported", "ZIP")  # others ask for as much memory as the file says
        if member.file_size > max(SMALL_BYTES, member.compress_size * LARGEST_RATIO):
            raise NotAnEcg("zip_too_large", path.name[:60])
    if sum(member.file_size for member in members) > UNPACKED_BYTES:
        raise NotAnEcg("zip_too_large")


def _open(content: Content, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Content:
    name = PurePosixPath(member.filename.replace("\\", "/")).name
    if member.compress_type == zipfile.ZIP_STORED:
        return _in_place(content, member, name)
    if member.file_size <= IN_MEMORY_BYTES:
        return content_of(b"".join(_unpacked(archive, member)), name)
    with tempfile.TemporaryFile() as file:
        for piece in _unpacked(archive, member):
            file.write(piece)
        file.flush()
        return keep_open(file.fileno(), name)


def _in_place(content: Content, member: zipfile.ZipInfo, name: str) -> Content:
    signature, name_size, extra = _LOCAL_HEADER.unpack(content.take(member.header_offset, _LOCAL_HEADER.size))
    if signature != b"PK\x03\x04":
        raise NotAnEcg("truncated", "ZIP")
    found = content.part(
        name, member.header_offset + _LOCAL_HEADER.size + name_size + extra, member.file_size
    )
    if _crc_of(found) != member.CRC:
        raise NotAnEcg("crc_wrong", "ZIP")
    return found


def _crc_of(content: Content) -> int:
    crc = 0
    for at in range(0, content.size, _STEP):
        crc = zlib.crc32(content.up_to(at, _STEP), crc)
    return crc


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """No more than the directory said; zipfile checks the CRC at the end."""
    left = member.file_size
    with archive.open(member) as stream:
        while piece := stream.read(_STEP):
            left -= len(piece)
            if left < 0:
                raise NotAnEcg("zip_too_large")
            yield piece
    if left:
        raise NotAnEcg("truncated", "ZIP")
