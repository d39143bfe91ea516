"""Packs: many originals in one object, as a plain uncompressed tar that any tool opens.

A pack is laid out before a byte is read, so its size and the place of every body are known at once; the bytes are
streamed from wherever the bodies are. The same members always give the same pack, so filing may be repeated.
Why packs, and how large: docs/decisions/0002-object-layout.md.
"""

import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adapters.errors import Unavailable
from gateway.fault_points import reach
from gateway.journal import BodyDamaged, Location, RecordId, open_body
from gateway.objects import CHUNK_BYTES, checked_key

PACK_BYTES = 64 * 1024 * 1024  # a pack is closed before it passes this; one larger body is a pack by itself

_BLOCK = tarfile.BLOCKSIZE
_END = bytes(2 * _BLOCK)  # POSIX pax: an archive ends with two blocks of zeros


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One body that goes into a pack, and how to read it. The name is a relative path, unique in its pack."""

    name: str
    length: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedMember:
    """Where a body stands in its pack."""

    name: str
    offset: int
    length: int


def journal_member(root: Path, name: str, location: Location) -> Member:
    """A body out of the journal; its CRC is checked while it is packed."""
    return Member(name=name, length=location.length, open=lambda: open_body(root, location))


def pack_key(first: RecordId, *, revision: int = 0) -> str:
    """The key of the pack that begins with this record; a repack without deleted members counts up."""
    revised = f"-r{revision}" if revision else ""
    return f"{pack_folder(first.journal)}{first.sequence:010d}{revised}.tar"


def pack_folder(journal_id: str) -> str:
    """What the keys of all packs begin with whose first record is of this journal; its node alone writes there."""
    return f"packs/{journal_id}/"


def pack_size(members: Sequence[Member]) -> int:
    """How many bytes the pack of these members has."""
    return sum(len(_header(member)) + _padded(member.length) for member in members) + len(_END)


def write_pack(sink: BinaryIO, members: Sequence[Member]) -> list[PackedMember]:
    """Write the pack and say where each body is in it."""
    pack = PackStream(members)
    while chunk := pack.read(CHUNK_BYTES):
        sink.write(chunk)
    return pack.packed


class PackStream:
    """A pack as a source for `ObjectStore.put`: `size` stands at once, `packed` is complete when all was read.

    Unavailable when it is read on after `stopped` says so.
    """

    def __init__(self, members: Sequence[Member], *, stopped: Callable[[], bool] = lambda: False) -> None:
        if len({member.name for member in members}) != len(members):
            raise ValueError("two members of a pack have the same name")
        self.size = pack_size(members)
        self.packed: list[PackedMember] = []
        self._pieces = self._tar(members)
        self._rest = memoryview(b"")
        self._stopped = stopped

    def read(self, size: int = -1) -> bytes:
        if self._stopped():
            raise Unavailable("the filing was told to stop")
        parts: list[bytes | memoryview] = []
        wanted = self.size if size < 0 else size
        while wanted:
            if not self._rest:
                self._rest = memoryview(next(self._pieces, b""))
                if not self._rest:
                    break
            part, self._rest = self._rest[:wanted], self._rest[wanted:]
            parts.append(part)
            wanted -= len(part)
        return b"".join(parts)

    def _tar(self, members: Sequence[Member]) -> Iterator[bytes]:
        offset = 0
        for member in members:
            header = _header(member)
            yield header
            offset += len(header)
            yield from _body(member)
            self.packed.append(PackedMember(name=member.name, offset=offset, length=member.length))
            padded = _padded(member.length)
            if padded > member.length:
                yield bytes(padded - member.length)
            offset += padded
        yield _END


def _header(member: Member) -> bytes:
    """The tar header; what varies between machines and runs (owner, time) is left out of it."""
    info = tarfile.TarInfo(checked_key(member.name))
    info.size = member.length
    return info.tobuf(tarfile.PAX_FORMAT)


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _body(member: Member) -> Iterator[bytes]:
    left = member.length
    reach("file.packing")
    with member.open() as source:
        while left:
            chunk = _read(source, min(CHUNK_BYTES, left))
            if not chunk:
                raise ValueError(f"{member.name} is {left} bytes shorter than announced")
            left -= len(chunk)
            yield chunk


def _read(source: BinaryIO, size: int) -> bytes:
    """A disk that cannot read its own bytes is no fault of the store, for which an OSError would be taken."""
    try:
        return source.read(size)
    except OSError as error:
        raise BodyDamaged(f"the journal cannot be read: {error.strerror}") from error
