"""MLLP framing on bytes: 0BH, the message, 1CH 0DH (HL7 v2.5.1 Appendix C, Transport Specification: MLLP release 1).

Kept apart from any socket. What senders do besides, and what is made of it:
bytes between messages are passed over and counted; 1CH within a message ends it only when 0DH follows; a sender that
writes 1CH without 0DH is understood when the 1CH stands behind a segment's end and LF, 0BH or silence follows;
0BH before "MSH" within a message means that the sender began anew: what it had sent before is given up as unfinished;
a message larger than the limit is passed over to its end, so that the next one is found.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

START, END = b"\x0b", b"\x1c"
_LF = 0x0A
_SEGMENT_ENDS = (0x0D, _LF)
_END = re.compile(rb"\x1c(?:\r|\Z|(?<=[\r\n]\x1c)[\n\x0b])")
_BEGAN_ANEW = (b"\x0bMSH", b"\x0b\xef\xbb\xbfMSH", b"\x0b\r\nMSH")
_MESSAGE = re.compile(rb"MSH")
HEAD_BYTES = 4096  # kept of what is passed over: enough for an MSH segment to be answered

MEBIBYTE = 1 << 20
MAXIMUM_BYTES = 64 * MEBIBYTE


class Flaw(StrEnum):
    """What is wrong with a frame that carries no message."""

    TOO_LARGE = "too_large"
    UNFINISHED = "unfinished"  # no end came, or another beginning
    NO_START = "no_start"  # an end without a beginning
    GIVEN_UP = "given_up"  # whoever reads had no room


@dataclass(frozen=True, slots=True)
class Frame:
    """A message without its framing bytes; with a flaw it is only the head of one."""

    body: bytes
    flaw: Flaw | None = None


def frame(body: bytes) -> bytes:
    """A message as it goes over the wire."""
    return b"".join((START, body, END, b"\r"))


class Framer:
    """Finds messages in what comes over one connection, however it is split or joined."""

    __slots__ = (
        "_head",
        "_maximum_bytes",
        "_outside",
        "_parts",
        "_passing_over",
        "_tail",
        "junk_bytes",
        "size",
    )

    def __init__(self, maximum_bytes: int = MAXIMUM_BYTES) -> None:
        self._maximum_bytes = maximum_bytes
        self._parts: list[bytes] = []
        self._tail = b""  # a last 1CH, of which the next byte says what it is
        self._head = b""  # of what is passed over
        self._outside = True
        self._passing_over: Flaw | None = None
        self.size = 0  # bytes held of the message under way
        self.junk_bytes = 0  # between messages, line ends and blanks apart

    @property
    def is_inside(self) -> bool:
        """Whether a message is under way."""
        return not self._outside

    @property
    def may_be_complete(self) -> bool:
        """Whether all that the message under way lacks is the 0DH behind its 1CH."""
        return bool(self._tail) and not self._outside and self._ends_a_segment()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they came; the frames that end in them."""
        found: list[Frame] = []
        if self._tail:
            data, self._tail = self._tail + data, b""
        position = 0
        while position < len(data):
            if self._outside:
                position = self._look_for_start(data, position, found)
            else:
                position = self._look_for_end(data, position, found)
        return found

    def settle(self) -> list[Frame]:
        """Nothing more came for a moment: a message that ended without its 0DH is one, one without 0BH is told of."""
        if self.may_be_complete:
            return self._finish()
        head, self._head = (self._head, b"") if self._outside else (b"", self._head)
        return [Frame(head, Flaw.NO_START)] if head else []

    def give_up(self, flaw: Flaw = Flaw.UNFINISHED) -> Frame | None:
        """The message under way will not be whole: its head, if there is one."""
        if self._outside:
            return None
        head = self._head or b"".join(self._parts)[:HEAD_BYTES]
        self._begin_outside()
        return Frame(head, flaw)

    def pass_over(self, flaw: Flaw = Flaw.GIVEN_UP) -> None:
        """Hold no more of the message under way; it comes out as a flawed frame when it ends."""
        if self._passing_over is None:
            self._head = b"".join(self._parts)[:HEAD_BYTES]
            self._passing_over = flaw
            self._parts, self.size = [], 0

    def _look_for_start(self, data: bytes, position: int, found: list[Frame]) -> int:
        start = data.find(START, position)
        junk = data[position : start if start >= 0 else len(data)]
        if junk:
            self._note_junk(junk, found)
        if start < 0:
            return len(data)
        self._outside, self._head = False, b""
        return start + 1

    def _note_junk(self, junk: bytes, found: list[Frame]) -> None:
        """Mostly line ends between messages; but a message without its 0BH has a sender who waits for an answer."""
        worth = junk.strip(b"\r\n\t \x00\x1c")
        if not worth:
            if END in junk and self._head:
                found.append(Frame(self._head, Flaw.NO_START))
                self._head = b""
            return
        self.junk_bytes += len(worth)
        begun = _MESSAGE.search(junk) if not self._head else None
        if begun:
            self._head = junk[begun.start() :][:HEAD_BYTES]
        if self._head and END in junk:
            found.append(Frame(self._head, Flaw.NO_START))
            self._head = b""

    def _look_for_end(self, data: bytes, position: int, found: list[Frame]) -> int:
        follows = data[position + 1] if position + 1 < len(data) and data.startswith(END, position) else None
        if follows in (_LF, START[0]) and self._ends_a_segment():  # what stands before this 1CH came earlier
            found += self._finish()
            return position + 2 if follows == _LF else position + 1
        end = _END.search(data, position)
        if end is None:
            self._take(data[position:])
            return len(data)
        self._take(data[position : end.start()])
        if end.end() - end.start() == 1:
            self._tail = END
            return len(data)
        found += self._finish()
        return end.end() - 1 if data[end.end() - 1] == START[0] else end.end()

    def _take(self, piece: bytes) -> None:
        if not piece:
            return
        if self._passing_over is not None:
            if len(self._head) < HEAD_BYTES:
                self._head += piece[: HEAD_BYTES - len(self._head)]
            self._parts = [piece[-1:]]
            return
        self._parts.append(piece)
        self.size += len(piece)
        if self.size > self._maximum_bytes:
            self.pass_over(Flaw.TOO_LARGE)

    def _ends_a_segment(self) -> bool:
        return bool(self._parts) and self._parts[-1][-1] in _SEGMENT_ENDS

    def _finish(self) -> list[Frame]:
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        flaw, head = self._passing_over, self._head
        self._begin_outside()
        if flaw is not None:
            return [Frame(head, flaw)]
        if START not in body:
            return [Frame(body)]
        begun = max(body.rfind(one) for one in _BEGAN_ANEW)
        if begun < 0:
            return [Frame(body)]
        given_up = [Frame(body[: min(begun, HEAD_BYTES)], Flaw.UNFINISHED)] if body[:begun].strip() else []
        return [*given_up, Frame(body[begun + 1 :])]

    def _begin_outside(self) -> None:
        self._parts, self._tail, self._head = [], b"", b""
        self._outside, self._passing_over, self.size = True, None, 0
