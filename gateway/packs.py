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

PIECE_BYTES = (
    1 << 18
)  # read at once: what was just read is checked and written while the processor still has it

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
    return Member(name=name, length=location.length, open=lambda: open_body(root, location, buffered=False))


def pack_key(first: RecordId, *, revision: int = 0) -> str:
    """The key of the pack that begins with this record; a repack without deleted members counts up."""
    revised = f"-r{revision}" if revision else ""
    return f"{pack_folder(first.journal)}{first.sequence:010d}{revised}.tar"


def pack_folder(journal_id: str) -> str:
    """What the keys of all packs begin with whose first record is of this journal; its node alone writes there."""
    return f"packs/{journal_id}/"


def journal_of(key: str) -> str:
    """The journal of a pack's first record."""
    return key.split("/")[1]


def pack_size(members: Sequence[Member]) -> int:
    """How many bytes the pack of these members has."""
    return PackStream(members).size


def write_pack(sink: BinaryIO, members: Sequence[Member]) -> list[PackedMember]:
    """Write the pack and say where each body is in it."""
    pack = PackStream(members)
    while chunk := pack.read(CHUNK_BYTES):
        sink.write(chunk)
    return pack.packed


class PackStream:
    """A pack as a source for `ObjectStore.put`: `size` stands at once, `packed` is complete when all was read.

    It gives what it has: a piece may be shorter than was asked for.
    Unavailable when it is read on after `stopped` says so.
    """

    def __init__(self, members: Sequence[Member], *, stopped: Callable[[], bool] = lambda: False) -> None:
        if len({member.name for member in members}) != len(members):
            raise ValueError("two members of a pack have the same name")
        headers = [_header(member) for member in members]
        self.size = sum(map(len, headers)) + sum(_padded(member.length) for member in members) + len(_END)
        self.packed: list[PackedMember] = []
        self._pieces = self._tar(members, headers)
        self._rest = b""
        self._stopped = stopped

    def read(self, size: int = -1) -> bytes:
        if self._stopped():
            raise Unavailable("the filing was told to stop")
        if not self._rest:
            self._rest = next(self._pieces, b"")
        if size < 0 or len(self._rest) <= size:
            piece, self._rest = self._rest, b""
            return piece
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _tar(self, members: Sequence[Member], headers: Sequence[bytes]) -> Iterator[bytes]:
        offset = 0
        for member, header in zip(members, headers, strict=True):
            yield header
            offset += len(header)
            yield from _body(member)
            self.packed.append(PackedMember(name=member.name, offset=offset, length=member.length))
            padded = _padded(member.length)
            if padded > member.length:
                yield bytes(padded - member.length)
            offset += padded
        reach("file.packed")
        yield _END


def _header(member: Member) -> bytes:
    """The tar header; what varies between machines and runs (owner, time) is left out of it."""
    name = checked_key(member.name).encode()
    if len(name) > tarfile.LENGTH_NAME or member.length > _USTAR_LIMIT:
        return _tar_info(member.name, member.length).tobuf(tarfile.PAX_FORMAT)
    # The same bytes, without making each of them from nothing: a pack may have thousands of members.
    size = b"%011o" % member.length
    total = _PLAIN_SUM + sum(name) + sum(size) - sum(_PLAIN[_SIZE])
    header = bytearray(_PLAIN)
    header[: len(name)] = name
    header[_SIZE] = size
    header[_CHECKSUM] = b"%06o" % total
    return bytes(header)


def _tar_info(name: str, length: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = length
    return info


# POSIX ustar: where size and checksum stand; the checksum is over all, its own field counted as blanks.
_SIZE, _CHECKSUM, _CHECKSUM_FIELD = slice(124, 135), slice(148, 154), slice(148, 156)
_USTAR_LIMIT = 8**11 - 1
_PLAIN = _tar_info("", 0).tobuf(tarfile.USTAR_FORMAT)
_PLAIN_SUM = sum(_PLAIN) - sum(_PLAIN[_CHECKSUM_FIELD]) + 8 * ord(" ")


def _padded(length: int) -> int:
    return -(-length // _BLOCK) * _BLOCK


def _body(member: Member) -> Iterator[bytes]:
    left = member.length
    reach("file.packing")
    with member.open() as source:
        while left:
            chunk = _read(source, min(PIECE_BYTES, left))
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
