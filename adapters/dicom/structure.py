"""A walk over the elements of a data set as it arrives in pieces: does it parse to its end, and what says it?

The walker sees every element of the top level and of sequences of undefined length, and the fragments of
encapsulated values; what has a length is skipped by it. It never holds more than a few kilobytes.

Values of wanted top-level elements are kept when they are short. A data set that ends inside an element, or is
not made of elements, raises CannotUnderstand. Tolerated: odd lengths, delimiters without a sequence, up to seven
zero bytes after the last element, elements out of order.

Encoding: PS3.5 Section 7; undefined lengths: PS3.5 7.5, A.4, 6.2.2 (UN holds implicit VR little endian).
"""

import struct
import zlib
from collections.abc import Iterable

from adapters.dicom.status import CannotUnderstand
from adapters.dicom.transfer_syntaxes import Encoding

CAPTURE_LIMIT = 4096  # bytes of one wanted value
DEPTH_LIMIT = 128  # nested sequences of undefined length; real data has a handful
INFLATED_LIMIT = 4 << 30  # bytes of a deflated data set: more is a bomb
INFLATE_STEP = 1 << 16  # bytes inflated at a time

_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
# Explicit VR: tag, VR and the short length; the long length; tag and length where no VR stands between.
_LITTLE = tuple(struct.Struct("<" + form).unpack_from for form in ("HH2sH", "I", "HHI"))
_BIG = tuple(struct.Struct(">" + form).unpack_from for form in ("HH2sH", "I", "HHI"))
_PLAIN_LITTLE = _LITTLE[2]
_NOT_DATA = (0x0000, 0x0002)  # groups of commands and of file meta information
_LAST_NOT_DATA = 0x0002FFFF
_NOTHING: frozenset[int] = frozenset()

# PS3.5 Table 7.1-2: these have a length of 16 bits, every other VR one of 32 bits.
_SHORT_VRS = frozenset(
    (
        b"AE",
        b"AS",
        b"AT",
        b"CS",
        b"DA",
        b"DS",
        b"DT",
        b"FD",
        b"FL",
        b"IS",
        b"LO",
        b"LT",
        b"PN",
        b"SH",
        b"SL",
        b"SS",
        b"ST",
        b"TM",
        b"UI",
        b"UL",
        b"US",
    )
)
_LONG_VRS = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_NEVER_UNDEFINED = frozenset((b"UC", b"UR", b"UT", b"SV", b"UV"))

# What the innermost thing of undefined length is made of.
_ELEMENTS, _ITEMS, _FRAGMENTS = 0, 1, 2


class Walker:
    """One data set on its way past: `feed` every piece, then `finish`."""

    def __init__(self, encoding: Encoding, wanted: Iterable[int] = ()) -> None:
        self.values: dict[int, bytes] = {}
        self.spans: dict[
            int, tuple[int, int]
        ] = {}  # items of wanted sequences of undefined length: start, end
        self._wanted = frozenset(wanted)
        self._explicit, self._length, self._plain = _BIG if encoding.big_endian else _LITTLE
        self._implicit = encoding.implicit_vr
        self._stack: list[tuple[int, bool]] = []  # (made of, in implicit VR), outermost first
        self._opened = (0, 0)  # tag and start of the outermost open sequence
        self._skip = 0  # bytes still to come of the value that we are in
        self._carry = b""  # the beginning of an element that the last piece did not finish
        self._position = 0  # in the data set, of the first byte of the piece being walked
        self.last_tag = 0  # of the last element begun

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Walk over the next bytes; they are not kept."""
        size = len(piece)
        if self._skip >= size:
            self._skip -= size
            self._position += size
            return
        start = self._bridge(piece) if self._carry else 0
        if start < size:
            view = memoryview(piece)[start:]
            self._carry = bytes(view[self._walk(view) :])

    def finish(self) -> None:
        """Say that the data set ends here."""
        if self._skip:
            raise self._cannot(f"cut short, {self._skip} bytes missing in", self.last_tag)
        if self._stack:
            raise self._cannot("cut short inside a sequence, after", self.last_tag)
        if self._carry.strip(b"\0") or len(self._carry) >= 8:
            raise self._cannot("cut short inside an element, after", self.last_tag)

    def _bridge(self, piece: bytes | bytearray | memoryview) -> int:
        """Walk what lies across two pieces; how much of the new piece that used."""
        before = len(self._carry)
        glued = self._carry + bytes(
            piece[: CAPTURE_LIMIT + 16]
        )  # room for any element that may wait for its end
        used = self._walk(memoryview(glued))
        if len(glued) - before == len(piece):  # the piece is short: all of it is in `glued`
            self._carry = glued[used:]
            return len(piece)
        self._carry = b""
        return used - before

    def _walk(self, data: memoryview) -> int:
        """Walk whole elements; where the first unfinished one begins."""
        position, end = self._skip, len(data)
        self._skip = 0
        while position < end:
            made_of, implicit = self._stack[-1] if self._stack else (_ELEMENTS, self._implicit)
            if made_of != _ELEMENTS:
                reached = self._walk_item(data, position, made_of, implicit)
            elif implicit:
                reached = self._walk_implicit(data, position)
            else:
                reached = self._walk_explicit(data, position)
            if reached == position:
                break
            position = reached
        if position > end:
            self._skip, position = position - end, end
        self._position += position
        return position

    def _walk_explicit(self, data: memoryview, position: int) -> int:
        end, wanted, tag = len(data), _NOTHING if self._stack else self._wanted, self.last_tag
        explicit, last = self._explicit, end - 8
        while position <= last:
            group, element, vr, length = explicit(data, position)
            tag = group << 16 | element
            begin = position + 8
            if vr not in _SHORT_VRS:
                if group == 0xFFFE:
                    return self._walk_delimiter(data, position)
                if vr not in _LONG_VRS and not (vr.isalpha() and vr.isupper()):
                    raise self._cannot("no value representation at", tag)
                begin += 4
                if begin > end:
                    break
                length = self._length(data, position + 8)[0]
            if tag <= _LAST_NOT_DATA and group in _NOT_DATA:
                raise self._cannot("not part of a data set:", tag)
            if tag in wanted and not self._capture(data, tag, begin, length):
                break
            if length == _UNDEFINED:
                self._open(tag, vr, begin)
                return begin
            position = begin + length
        self.last_tag = tag
        return position

    def _walk_implicit(self, data: memoryview, position: int) -> int:
        end, wanted, tag = len(data), _NOTHING if self._stack else self._wanted, self.last_tag
        while position + 8 <= end:
            group, element, length = _PLAIN_LITTLE(data, position)
            if group == 0xFFFE:
                return self._walk_delimiter(data, position)
            tag = group << 16 | element
            if group in _NOT_DATA:
                raise self._cannot("not part of a data set:", tag)
            if tag in wanted and not self._capture(data, tag, position + 8, length):
                break
            if length == _UNDEFINED:
                self._open(tag, b"OW" if tag == _PIXEL_DATA else b"UN", position + 8)
                return position + 8
            position += 8 + length
        self.last_tag = tag
        return position

    def _capture(self, data: memoryview, tag: int, begin: int, length: int) -> bool:
        """Keep a wanted value; False when its end has not arrived yet."""
        if length == _UNDEFINED or length > CAPTURE_LIMIT:
            return True
        if begin + length > len(data):
            return False
        self.values[tag] = bytes(data[begin : begin + length])
        return True

    def _open(self, tag: int, vr: bytes, begin: int) -> None:
        if vr in _NEVER_UNDEFINED:
            raise self._cannot("undefined length in", tag)
        if len(self._stack) >= DEPTH_LIMIT:
            raise self._cannot("sequences nested too deep at", tag)
        if not self._stack:
            self._opened = (tag, self._position + begin)
        self.last_tag = tag
        self._stack.append((_ITEMS if vr in (b"SQ", b"UN") else _FRAGMENTS, vr == b"UN"))

    def _walk_item(self, data: memoryview, position: int, made_of: int, implicit: bool) -> int:
        if position + 8 > len(data):
            return position
        group, element, length = (_PLAIN_LITTLE if implicit else self._plain)(data, position)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            self._stack.pop()
            if not self._stack and self._opened[0] in self._wanted:
                self.spans[self._opened[0]] = (self._opened[1], self._position + position)
            return position + 8
        if tag != _ITEM or (length == _UNDEFINED and made_of == _FRAGMENTS):
            raise self._cannot("no item where one must be, but", tag)
        if length == _UNDEFINED:
            self._stack.append((_ELEMENTS, implicit))
            return position + 8
        return position + 8 + int(length)

    def _walk_delimiter(self, data: memoryview, position: int) -> int:
        implicit = self._stack[-1][1] if self._stack else self._implicit
        group, element, length = (_PLAIN_LITTLE if implicit else self._plain)(data, position)
        tag = group << 16 | element
        if self._stack and tag == _ITEM_END:
            self._stack.pop()
        elif self._stack or length or tag == _ITEM:
            raise self._cannot("misplaced", tag)
        return position + 8

    def _cannot(self, what: str, tag: int) -> CannotUnderstand:
        return CannotUnderstand(f"data set: {what} ({tag >> 16:04X},{tag & 0xFFFF:04X})", tag)


class DeflatedWalker(Walker):
    """The same over a deflated data set (PS3.5 A.5), inflated a little at a time and thrown away."""

    def __init__(self, encoding: Encoding, wanted: Iterable[int] = ()) -> None:
        super().__init__(encoding, wanted)
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._inflated = 0

    def feed(self, piece: bytes | bytearray | memoryview) -> None:
        """Inflate the next bytes and walk over what comes out."""
        rest: bytes | bytearray | memoryview = piece
        while len(rest) and not self._inflate.eof:
            try:
                plain = self._inflate.decompress(rest, INFLATE_STEP)
            except zlib.error as error:
                raise CannotUnderstand("data set: does not inflate") from error
            self._inflated += len(plain)
            if self._inflated > INFLATED_LIMIT:
                raise CannotUnderstand(f"data set: inflates to more than {INFLATED_LIMIT >> 30} GiB")
            super().feed(plain)
            rest = self._inflate.unconsumed_tail

    def finish(self) -> None:
        """Say that the data set ends here; a pad byte after the deflated stream is fine."""
        if not self._inflate.eof:
            raise CannotUnderstand("data set: cut short, the deflated stream does not end")
        super().finish()


def open_walker(encoding: Encoding, wanted: Iterable[int] = ()) -> Walker:
    """A walker for data sets of this encoding."""
    return DeflatedWalker(encoding, wanted) if encoding.deflated else Walker(encoding, wanted)
