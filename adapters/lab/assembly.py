"""Frames of a transfer become messages: from an H record to its L record, as the bytes came.

Only the first letters of records are looked at, each byte once: a message of 10 MB costs no more per frame than a
small one. Frames are joined where ETB says so, and where a frame ended without CR and the next one does not begin
like a record; a missing CR between two records is put back.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from adapters.errors import Malformed
from adapters.lab.framing import Frame

LETTERS = b"HPORCQLMS"  # LIS2-A2 §5
_LINE = re.compile(rb"([^\r\n]*)([\r\n]*)")
_HEADER_LIMIT = 4096  # of which H-5 is read at the door; a longer one is kept whole all the same
_SHOWN = 12  # no more: it may be a person's


class TooLong(Malformed):
    """A message larger than we take."""


@dataclass(slots=True)
class Parcel:
    """One message, whole or as far as it came."""

    body: list[bytes] = field(default_factory=list)
    size_bytes: int = 0
    frames: int = 0
    letters: str = ""  # of its records, each once, in their order
    header: bytes = b""
    termination: str | None = None  # L-3 ("" reads as N, LIS2-A2 §12.3); None without an L record
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def add(self, data: bytes) -> None:
        if data:
            self.body.append(data)
            self.size_bytes += len(data)
            self.digest.update(data)

    @property
    def carries_something(self) -> bool:
        """Whether there is anything but a frame around nothing."""
        return not set(self.letters) <= {"H", "L"}


class Assembly:
    """What came in one transfer and belongs to no whole message yet."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._current: Parcel | None = None
        self._delimiter = b"|"
        self._record = bytearray()  # the start of the record that is not over yet
        self._needs_end = False  # the last frame said it was whole, but its record has no CR

    @property
    def size_bytes(self) -> int:
        return self._current.size_bytes if self._current else 0

    @property
    def header(self) -> bytes:
        """The H record of the message under way, once it is whole."""
        return self._current.header if self._current else b""

    def add(self, frame: Frame) -> list[Parcel]:
        """The messages that this frame completes. Raises Malformed, and TooLong; then nothing of it was taken."""
        text = self._join(frame.text)
        if self.size_bytes + len(text) > self._limit_bytes:
            raise TooLong(f"the message is larger than {self._limit_bytes} bytes")
        self._check_start(text)
        return list(self._take(text, frame.more))

    def leave(self) -> Parcel | None:
        """What is left without an L record; nothing stays."""
        left = self._current
        if left is not None:
            self._close()
        return left

    def _join(self, text: bytes) -> bytes:
        if self._needs_end and self._begins_a_record(text):
            return b"\r" + text
        return text

    def _begins_a_record(self, text: bytes) -> bool:
        first = text[:1]
        return first != b"" and first in LETTERS and text[1:2] in (self._delimiter, b"\r", b"\n", b"")

    def _check_start(self, text: bytes) -> None:
        if self._current is not None:
            return
        first = text.lstrip(b"\r\n")
        if first and not is_header(first):
            raise Malformed(f"a message begins with an H record, this one with {shown(first)}")

    def _take(self, text: bytes, more: bool) -> Iterator[Parcel]:
        begun = 0  # of what is in no parcel yet
        if self._current is not None:
            self._current.frames += 1
        for line in _LINE.finditer(text):
            begins = line[1] and not self._record
            if begins and self._current is not None and is_header(line[1]):
                self._current.add(text[begun : line.start()])
                begun = line.start()
                yield self._close()
            if begins and self._current is None:
                self._current = Parcel(frames=1)
            self._record += line[1][: _HEADER_LIMIT - len(self._record)]
            over = bool(line[2]) or (line.end() == len(text) and not more and self._is_terminator())
            if over and self._current is not None and self._note_record(self._current):
                self._current.add(text[begun : line.end()])
                begun = line.end()
                yield self._close()
        if self._current is not None:
            self._current.add(text[begun:])
        self._needs_end = bool(self._record) and not more

    def _is_terminator(self) -> bool:
        return self._record[:1] == b"L" and self._record[1:2] in (self._delimiter, b"")

    def _note_record(self, parcel: Parcel) -> bool:
        """What is to be known of the record that is over now; whether it is the message's last."""
        record = bytes(self._record)
        self._record.clear()
        if not parcel.header:
            parcel.header, self._delimiter = record, record[1:2]
        letter = record[:1].decode("ascii", "replace")
        if self._begins_a_record(record) and letter not in parcel.letters:
            parcel.letters += letter
        if letter != "L" or record[1:2] not in (self._delimiter, b""):
            return False
        fields = record.split(self._delimiter)
        parcel.termination = fields[2][:1].decode("ascii", "replace").upper() if len(fields) > 2 else ""
        return True

    def _close(self) -> Parcel:
        parcel = self._current
        assert parcel is not None
        if self._record:
            self._note_record(parcel)
        if parcel.body and parcel.body[-1][-1:] not in (b"\r", b"\n"):
            parcel.add(b"\r")
        self._current, self._needs_end = None, False
        return parcel


def is_header(record: bytes) -> bool:
    """Whether this is an H record: the letter, and delimiters behind it (LIS2-A2 §6.2)."""
    return record[:1] == b"H" and len(record) >= 5 and not record[1:2].isalnum() and record[1] > 0x20


def shown(text: bytes) -> str:
    """The start of something that is none of ours, for whoever must find out what it is; no more than its start."""
    return repr(text[:_SHOWN].decode("ascii", "backslashreplace"))
