"""Text out of DICOM bytes: declared character sets, code extensions, a device's override.

A value is decoded as a whole and split afterwards: the second byte of a GBK character can be 5CH (backslash), 5EH
or 3DH. Nothing is repaired here: a value is read as declared, or as the override says, and what that cannot read
comes out byte by byte (as Latin-1), marked undecodable. `doubt` proposes what may have been meant; a person decides.

A character that a device cut in half at the end of a value is shown as U+FFFD, and the value marked cut.

Character sets: PS3.3 C.12.1.1.2; code extensions and their resets: PS3.5 6.1.2.5.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

UTF_8, GB18030 = "utf_8", "gb18030"
_ASCII = "ascii"

# Registration numbers of PS3.3 Tables C.12-2 to C.12-4 whose sets are used without escape sequences.
_BY_NUMBER = {
    "6": _ASCII, "13": "shift_jis", "100": "latin_1", "101": "iso8859_2", "109": "iso8859_3", "110": "iso8859_4",
    "126": "iso8859_7", "127": "iso8859_6", "138": "iso8859_8", "144": "iso8859_5", "148": "iso8859_9",
    "166": "iso8859_11", "192": UTF_8, "203": "iso8859_15",
}  # fmt: skip
# GBK is a subset of GB18030. GB2312 and its full name are no defined terms, but devices write them.
_BY_NAME = {"GB18030": GB18030, "GBK": GB18030, "GB2312": GB18030, "UTF8": UTF_8}
_NUMBERED = re.compile(r"ISO(?:2022)?IR(\d+)")

# PS3.3 Tables C.12-3 and C.12-4. GB2312 (IR 58) is read as GB18030, which contains it.
_BY_ESCAPE = {
    b"(B": _ASCII, b"(J": "shift_jis", b")I": "shift_jis", b"-A": "latin_1", b"-B": "iso8859_2", b"-C": "iso8859_3",
    b"-D": "iso8859_4", b"-F": "iso8859_7", b"-G": "iso8859_6", b"-H": "iso8859_8", b"-L": "iso8859_5",
    b"-M": "iso8859_9", b"-T": "iso8859_11", b"-b": "iso8859_15", b"$)A": GB18030, b"$)C": "euc_kr",
}  # fmt: skip
# In these every byte is below 80H: 5CH, 5EH and 3DH in them are no delimiters.
_SEVEN_BIT = {b"$B": "iso2022_jp", b"$(D": "iso2022_jp_2"}
_ESCAPE = re.compile(rb"\x1b(\$B|\$\(D|\$\)A|\$\)C|\([BJ]|\)I|-[A-DFGHLMTb])")
_RESET = re.compile(rb"([\\^=\r\n\f\t])")
# The same outside of two-byte characters: devices send GBK under the escape sequence of GB2312.
_RESET_IN_GBK = re.compile(rb"(?:[\x81-\xfe][\x40-\xfe]|[^\x81-\xfe\\^=\r\n\f\t])*([\\^=\r\n\f\t])")

UNDECODABLE, CUT, NOT_AS_OVERRIDDEN = "undecodable", "cut", "not in the device's character set"
_BROKEN = "\ufffd"

# No terms of DICOM, but what senders do: text read with a wrong set and written again as UTF-8. Only an override
# can name them. Term: the set that it was wrongly read with (None: Latin-1 or Windows-1252), the true set.
REWRITTEN: Mapping[str, tuple[str | None, str]] = {
    "GB18030 IN UTF-8": (None, GB18030),
    "UTF-8 IN UTF-8": (None, UTF_8),
    "UTF-8 VIA GB18030": (GB18030, UTF_8),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A decoded value, without its padding; `problem` is empty or one of those named above."""

    text: str
    problem: str = ""

    @property
    def values(self) -> tuple[str, ...]:
        """The values of a multi-valued attribute."""
        return tuple(value.strip(" ") for value in self.text.split("\\")) if self.text else ()


def decode(raw: bytes, declared: str = "", *, override: str | None = None) -> Text:
    """Decode a text value. `declared` is Specific Character Set, its values joined by a backslash."""
    raw = raw.rstrip(b"\0 ")
    if raw.isascii() and b"\x1b" not in raw:
        return Text(text=raw.decode(_ASCII))
    text = read_as(raw, declared if override is None else override)
    if text is not None:
        return text
    if override is not None:  # the device may have learned to declare what it sends
        text = read_as(raw, declared)
        if text is not None:
            return Text(text=text.text, problem=NOT_AS_OVERRIDDEN)
    return Text(text=raw.decode("latin_1"), problem=UNDECODABLE)


def read_as(raw: bytes, term: str) -> Text | None:
    """A value, without its padding, as one character set reads it: whole, else cut; None when it cannot be that set."""
    if term in REWRITTEN:
        text = _unwind(raw, *REWRITTEN[term])
        return None if text is None else Text(text=text)
    codec = codec_of(term)
    if codec is None:
        return None
    text = _decode_as(raw, codec)
    if text is not None:
        return Text(text=text)
    text = _decode_cut(raw, codec)
    return None if text is None else Text(text=text, problem=CUT)


def _unwind(raw: bytes, wrongly: str | None, truly: str) -> str | None:
    """Go the way back: as UTF-8, to the bytes of the set it was wrongly read with, and read those rightly."""
    text = _strictly(raw, UTF_8)
    if text is None:
        return None
    try:
        first = text.encode(wrongly) if wrongly else b"".join(_western_byte(character) for character in text)
        return first.decode(truly)
    except UnicodeError:
        return None


def _western_byte(character: str) -> bytes:
    return character.encode("latin_1" if character <= "\xff" else "cp1252")


def _decode_cut(raw: bytes, codec: str) -> str | None:
    """A value of which only characters at the end of a component (in GB18030: of the value) are incomplete."""
    if b"\x1b" in raw:
        return None
    if codec == GB18030:  # a half character before a delimiter is another character there: nobody can tell
        return _without_half(raw, GB18030, _HALF_GB18030)
    if codec == UTF_8:
        parts = [_without_half(part, UTF_8, _HALF_UTF_8) for part in re.split(rb"([\\^=])", raw)]
        known = [part for part in parts if part is not None]
        return "".join(known) if len(known) == len(parts) else None
    return None


_HALF_GB18030 = re.compile(rb"[\x81-\xfe](?:[0-9][\x81-\xfe]?)?\Z")
_HALF_UTF_8 = re.compile(rb"(?:[\xc2-\xf4]|[\xe0-\xf4][\x80-\xbf]|[\xf0-\xf4][\x80-\xbf]{2})\Z")


def _without_half(raw: bytes, codec: str, half: re.Pattern[bytes]) -> str | None:
    text = _strictly(raw, codec)
    if text is not None:
        return text
    for length in (1, 2, 3):
        text = _strictly(raw[:-length], codec) if half.fullmatch(raw[-length:]) else None
        if text is not None:
            return text + _BROKEN
    return None


def codec_of(declared: str) -> str | None:
    """The codec of the first value; ASCII when it is empty, None for a term that nobody defined."""
    term = re.sub(r"[ _-]", "", declared.split("\\", maxsplit=1)[0].upper())
    if not term:
        return _ASCII
    number = _NUMBERED.fullmatch(term)
    if number:
        # A first value like ISO 2022 IR 58 has no meaning of its own: multi-byte sets are reached by escapes.
        return _BY_NUMBER.get(number[1], _ASCII)
    return _BY_NAME.get(term.removeprefix("ISO2022"))


def _decode_as(raw: bytes, codec: str) -> str | None:
    if b"\x1b" not in raw or codec in (UTF_8, GB18030):  # those two know no escapes
        return _strictly(raw, codec)
    parts, position, current, designation = [], 0, codec, b""
    for escape in [*_ESCAPE.finditer(raw), None]:
        end = escape.start() if escape else len(raw)
        parts.append(_decode_run(raw[position:end], current, designation, codec))
        if escape:
            position, designation = escape.end(), escape[1]
            current = _SEVEN_BIT.get(designation) or _BY_ESCAPE[designation]
    known = [part for part in parts if part is not None]
    text = "".join(known)
    return None if len(known) < len(parts) or "\x1b" in text else text


def _decode_run(run: bytes, codec: str, designation: bytes, initial: str) -> str | None:
    """Decode what follows an escape sequence; after a delimiter the initial set is back (PS3.5 6.1.2.5.3)."""
    if designation in _SEVEN_BIT:
        return _strictly(b"\x1b" + designation + run + b"\x1b(B", codec)
    reset = _reset_at(run, codec)
    if not designation or reset < 0:
        return _strictly(run, codec)
    before, after = _strictly(run[:reset], codec), _strictly(run[reset:], initial)
    if before is not None and after is None:
        # Some senders never repeat the escape sequence; their text still has one reading.
        after = _strictly(run[reset:], codec)
    return None if before is None or after is None else before + after


def _reset_at(run: bytes, codec: str) -> int:
    """Where the first delimiter stands; -1 without one."""
    found = _RESET_IN_GBK.match(run) if codec == GB18030 else _RESET.search(run)
    return found.start(1) if found else -1


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None
