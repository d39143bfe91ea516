"""Text out of DICOM bytes, Chinese first: declared character sets, code extensions, and wrong declarations.

A value is decoded as a whole and split afterwards: the second byte of a GBK character can be 5CH (backslash), 5EH
or 3DH. Nothing is replaced silently: a value that the declared set cannot read is tried as UTF-8 and as GB18030,
and the outcome carries a problem; what no set can read comes out byte by byte (as Latin-1), marked undecodable.

ISO_IR 100 (written by habit) is doubted when the bytes are UTF-8 or look like Chinese, and GB18030 when they are
UTF-8 of common characters; a device's override is believed.

Character sets: PS3.3 C.12.1.1.2; code extensions and their resets: PS3.5 6.1.2.5.
"""

import re
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
_RESET = re.compile(rb"[\\^=\r\n\f\t]")

_CHINESE = re.compile(r"[\u00b7\u2010-\u203b\u2103\u2160-\u217b\u2460-\u249b\u3000-\u303f\u3400-\u9fff\uf900-\ufaff"
                      r"\uff00-\uffef\U00020000-\U0003ffff]+")  # fmt: skip
_HIGH = re.compile(r"[^\x00-\x7f]+")
_LETTER = re.compile(r"[A-Za-z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A decoded value, without its padding; `problem` is empty, "read as …" or "undecodable"."""

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
    codec = _initial_codec(override if override is not None else declared)
    text = None if codec is None else _decode_as(raw, codec)
    if text is not None and (override is not None or not _is_doubtful(raw, codec)):
        return Text(text=text)
    for other in (UTF_8, GB18030):
        guess = _strictly(raw, other)
        if (
            other != codec
            and guess is not None
            and _is_plausible(guess, other, declared_reads=text is not None)
        ):
            return Text(text=guess, problem=f"read as {'UTF-8' if other == UTF_8 else 'GB18030'}")
    if text is not None:
        return Text(text=text)
    return Text(text=raw.decode("latin_1"), problem="undecodable")


def _initial_codec(declared: str) -> str | None:
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
    reset = _RESET.search(run)
    if not designation or not reset:
        return _strictly(run, codec)
    before, after = _strictly(run[: reset.start()], codec), _strictly(run[reset.start() :], initial)
    if before is not None and after is None:
        # Some senders never repeat the escape sequence; their text still has one reading.
        after = _strictly(run[reset.start() :], codec)
    return None if before is None or after is None else before + after


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None


def _is_doubtful(raw: bytes, codec: str | None) -> bool:
    """Whether a reading by the declared set asks for a second look."""
    if b"\x1b" in raw:
        return False
    if codec == GB18030:  # UTF-8 read as GB18030 gives rare characters, which GB2312 has not
        return _strictly(raw, "gb2312") is None
    return codec == "latin_1"


def _is_plausible(guess: str, codec: str, *, declared_reads: bool) -> bool:
    """Whether a guess is believed, against a declaration that cannot be right or only may be wrong."""
    if "\x1b" in guess:  # neither knows escape sequences
        return False
    if codec == UTF_8:
        return not declared_reads or all(_CHINESE.fullmatch(run) for run in _HIGH.findall(guess))
    return all(_is_chinese(guess, run) for run in _HIGH.finditer(guess))


def _is_chinese(text: str, run: re.Match[str]) -> bool:
    """Chinese, and not a Latin word with accents: there a high byte stands between letters, or swallows one."""
    if not _CHINESE.fullmatch(run[0]):
        return False
    before = _LETTER.match(text[run.start() - 1 : run.start()]) if run.start() else None
    after = _LETTER.match(text[run.end() : run.end() + 1])
    if min(run[0].encode(GB18030)) < 0x80:
        return not before and not after
    return len(run[0]) > 1 or not (before and after)
