"""Frames of LIS1-A: STX, a number, text, ETB or ETX, two hexadecimal digits, CR LF; both ways, on bytes.

The checksum is the sum of everything from the number to ETB or ETX, modulo 256 (LIS1-A §8.3). Lower case digits
are read, upper case ones written. A frame is taken as soon as its checksum is there: some analysers send nothing
behind it, or only one of CR and LF.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

STX, ETX, EOT, ENQ, ACK, LF, CR, NAK, ETB = 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x0D, 0x15, 0x17
_ENDS = (ETX, ETB)
_HEX = frozenset(b"0123456789ABCDEFabcdef")
_OVERHEAD = 8  # STX, number, ETX, two digits, CR, LF; and one that a line doubled
_FALSE_ENDS = 16  # of ETX and ETB that stand in a text; a frame with more of them is damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A frame whose checksum is right; `more` when it ends with ETB: its last record goes on in the next one."""

    number: int
    text: bytes
    more: bool


class Trouble(Enum):
    """What stands at the start of the bytes, if it is no frame."""

    UNFINISHED = auto()
    DAMAGED = auto()
    TOO_LONG = auto()


def checksum(covered: bytes | memoryview) -> int:
    """Of everything from the frame number to ETB or ETX, both included."""
    return sum(covered) & 0xFF


def find_frame(received: bytearray, text_limit: int, looked_at: int = 0) -> tuple[Frame | Trouble, int]:
    """The frame that begins with the STX at the start of these bytes, and how many of them it takes.

    Unfinished, the number is where looking on may begin next time. What stands before an ETX need not be text: of a
    frame that lost its end, the next one's STX follows; the checksum says which of them is meant. An ETX whose
    checksum is none stands in the text, against the standard, and is passed over.
    """
    at, false_ends = max(looked_at, 1), 0
    while (end := _find_end(received, at)) >= 0:
        if len(received) < end + 3:
            return Trouble.UNFINISHED, end
        frame = _read_frame(received, end)
        if frame is not None:
            return frame, end + 3
        if _looks_like_an_end(received, end):
            if len(received) == end + 3:
                return Trouble.UNFINISHED, end
            return Trouble.DAMAGED, end + 3
        at, false_ends = end + 1, false_ends + 1
        if false_ends > _FALSE_ENDS:
            return Trouble.DAMAGED, at
    if len(received) > text_limit + _OVERHEAD:
        return Trouble.TOO_LONG, len(received)
    return Trouble.UNFINISHED, len(received)


def _find_end(received: bytearray, at: int) -> int:
    found = [where for where in (received.find(end, at) for end in _ENDS) if where >= 0]
    return min(found, default=-1)


def _read_frame(received: bytearray, end: int) -> Frame | None:
    """The frame that ends here, from the first STX that makes its checksum right."""
    digits = received[end + 1 : end + 3]
    if not _HEX.issuperset(digits):
        return None
    said, start = int(digits, 16), 0
    total = sum(received[1 : end + 1])
    while True:
        number = received[start + 1]
        if 0x30 <= number <= 0x37 and total & 0xFF == said:
            text = bytes(received[start + 2 : end])
            return Frame(number=number - 0x30, text=text, more=received[end] == ETB)
        following = received.find(STX, start + 1, end)
        if following < 0:
            return None
        total -= sum(received[start + 1 : following + 1])
        start = following


def _looks_like_an_end(received: bytearray, end: int) -> bool:
    """Whether what follows is how a frame ends, though its checksum is wrong or missing."""
    after = received[end + 1 : end + 4]
    if after[0] in (CR, LF):  # no checksum at all
        return True
    return _HEX.issuperset(after[:2]) and (len(after) < 3 or after[2] in (CR, LF, STX))


def write_frame(number: int, text: bytes, *, more: bool = False) -> bytes:
    covered = bytes((0x30 + number % 8,)) + text + bytes((ETB if more else ETX,))
    return b"%c%b%02X\r\n" % (STX, covered, checksum(covered))


def write_frames(records: bytes, *, text_limit: int = 240, one_record_each: bool = True) -> list[bytes]:
    """A message in frames, numbered from 1; `records` each end with CR (LIS1-A §8.3).

    240 characters is what the older E1381 allows, and every analyser takes; LIS1-A allows 64 000.
    """
    frames: list[bytes] = []
    for text in _texts(records, one_record_each):
        for at in range(0, len(text), text_limit):
            rest = len(text) - at
            frames.append(write_frame(len(frames) + 1, text[at : at + text_limit], more=rest > text_limit))
    return frames


def _texts(records: bytes, one_record_each: bool) -> Iterator[bytes]:
    if one_record_each:
        yield from (record + b"\r" for record in records.split(b"\r") if record)
    elif records:
        yield records
