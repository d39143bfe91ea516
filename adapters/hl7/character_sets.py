"""Which character set a message is written in: as its device is set, else as MSH-18 declares, else as its bytes look.

A message is decoded whole before anything is split: second bytes of GBK and Shift JIS can be 5CH, 5EH, 7CH, 7EH or
26H, which are delimiters elsewhere, and in ISO 2022 sets any byte can. A declaration is believed as long as the
bytes can be that; where they contradict it they are read as what they are, and the text is in doubt: so is what
nothing declares. Bytes that no set explains become U+FFFD; the original has them still.

Terms: HL7 table 0211 (v2.8.2 Chapter 2C). GB2312, GBK and CP936 are read as GB 18030, which contains them.
"""

import codecs
import re
from dataclasses import dataclass, replace
from functools import lru_cache

from adapters.hl7.errors import Condition, NotAccepted

ASCII, UTF_8, GB18030 = "ascii", "utf-8", "gb18030"
_LATIN_1 = "iso8859-1"

# Written without blanks, hyphens, underlines and slashes, upper case.
_CODECS = {
    **dict.fromkeys(("ASCII", "USASCII", "ISOIR6", "ISO646", "ANSIX3.41968"), ASCII),
    **dict.fromkeys(("UNICODEUTF8", "UTF8", "UNICODE", "ISOIR192", "ISO10646", "65001"), UTF_8),
    **dict.fromkeys(
        ("GB180302000", "GB18030", "GB180302005", "GB180302022", "GBK", "GB2312", "GB23121980", "GB231280", "EUCCN",
         "CP936", "936", "MS936", "WINDOWS936", "ISOIR58", "GB", "GBK2312", "CHINESE"), GB18030),
    **{f"8859{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **{f"ISO8859{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16)},
    **dict.fromkeys(("LATIN1", "ISOIR100"), "iso8859-1"),
    **dict.fromkeys(("WINDOWS1252", "CP1252", "1252", "ANSI"), "cp1252"),
    **dict.fromkeys(("ISOIR14", "ISOIR13", "SHIFTJIS", "SJIS", "CP932", "932", "MS932", "WINDOWS31J"), "cp932"),
    **dict.fromkeys(("ISOIR87", "ISOIR159", "JIS", "ISO2022JP"), "iso2022_jp_2"),
    **dict.fromkeys(("EUCJP",), "euc_jp"),
    **dict.fromkeys(("KSX1001", "KSC5601", "EUCKR", "ISOIR149", "CP949"), "cp949"),
    **dict.fromkeys(("BIG5", "CP950", "950", "CNS116431992"), "cp950"),
    **dict.fromkeys(("WINDOWS1251", "CP1251"), "cp1251"),
}  # fmt: skip
_UTF_16 = re.compile(r"UTF-?(16|32)|UCS-?[24]", re.IGNORECASE)
_ESCAPE_SETS = (
    "ISOIR87",
    "ISOIR159",
    "ISOIR14",
    "ISOIR13",
)  # reached by escape sequences where they are repetitions
_BOM = codecs.BOM_UTF8
_NOT_READ = (
    "UTF-16 and UTF-32 cannot be carried by MLLP, whose framing bytes are single bytes: send UTF-8 or GB18030"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A message decoded; `codec` is Python's name of what read it."""

    text: str
    codec: str
    in_doubt: bool = False


def codec_of(term: str) -> str | None:
    """The codec for one term, of the standard's table or of a vendor's; None for one that nobody knows."""
    return _codec_of(term)


@lru_cache(maxsize=256)
def _codec_of(term: str) -> str | None:
    return _CODECS.get(re.sub(r"[\s_/-]", "", term.strip().upper()))


@lru_cache(maxsize=256)
def declared_codec(declared: str, repetition: str = "~") -> str | None:
    """What MSH-18 declares, all its repetitions together; None when it is empty or nobody knows it."""
    terms = [term.strip() for term in declared.split(repetition)]
    known = [codec for codec in map(codec_of, terms) if codec is not None]
    if not known:
        return None
    squeezed = {re.sub(r"[\s_/-]", "", term.upper()) for term in terms}
    if len(terms) > 1 and squeezed & set(_ESCAPE_SETS):
        return "iso2022_jp_2"  # its alternate sets come by escape sequences
    # A first repetition of ASCII with a richer one behind it: the richer one contains it.
    return next((codec for codec in known if codec != ASCII), ASCII)


def refuse_wide(raw: bytes) -> None:
    """Raise NotAccepted for UTF-16 and UTF-32: by their mark, or because every other byte of MSH is zero."""
    if raw[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in raw[:8]:
        raise NotAccepted(Condition.DATA_TYPE, _NOT_READ, "MSH^1^18")


def refuse_declared_wide(declared: str) -> None:
    """Raise NotAccepted where MSH-18 declares what MLLP cannot carry."""
    if _UTF_16.search(declared):
        raise NotAccepted(Condition.TABLE_VALUE, _NOT_READ, "MSH^1^18")


def without_mark(raw: bytes) -> bytes:
    """A message without a byte order mark, and without blanks and line ends before MSH."""
    return raw.removeprefix(_BOM).lstrip(b" \t\r\n") if not raw.startswith(b"MSH") else raw


def decode(raw: bytes, *, declared: str = "", device: str | None = None, repetition: str = "~") -> Text:
    """Decode a message; `device` is the set that its device is known to write, in any spelling.

    Raises NotAccepted for UTF-16. A zero byte is no character, and no database keeps it: it becomes U+FFFD.
    """
    refuse_wide(raw)
    found = _decode(raw, declared=declared, device=device, repetition=repetition)
    if "\0" in found.text:
        found = replace(found, text=found.text.replace("\0", "\ufffd"), in_doubt=True)
    return found


def _decode(raw: bytes, *, declared: str, device: str | None, repetition: str) -> Text:
    marked = raw.startswith(_BOM)
    raw = raw.removeprefix(_BOM)
    said = (codec_of(device) if device else None) or declared_codec(declared, repetition)
    if raw.isascii() and b"\x1b" not in raw:
        return Text(text=raw.decode(ASCII), codec=UTF_8 if marked else said or ASCII)
    if marked:
        said = UTF_8
    if said is not None:
        found = _strictly(raw, said)
        if found is not None and not _is_plainly_another(raw, said):
            return Text(text=found, codec=said)
    return _detect(raw, said)


def _is_plainly_another(raw: bytes, said: str) -> bool:
    """Whether bytes that the declared set can read are something else beyond reasonable doubt.

    Single-byte sets read everything, and GB18030 reads most of UTF-8; but little else is valid UTF-8 by chance.
    """
    if said == UTF_8 or said.startswith("iso2022"):
        return False
    text = _strictly(raw, UTF_8)
    if text is None:
        return said.startswith("iso8859") and _is_chinese(raw)
    if said == GB18030:
        return _is_han_in_utf_8(raw)
    return said not in (ASCII,)


_TWO_BYTES = re.compile(rb"[\xc2-\xdf]")  # begins a character of Latin, Greek, Cyrillic in UTF-8
_HAN = re.compile(r"[\u4e00-\u9fff]")
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
# Of units in Latin-1, standing alone: ° ± ² ³ µ × ÷. In GB18030 each would swallow what follows.
_SYMBOLS = frozenset((b"\xb0", b"\xb1", b"\xb2", b"\xb3", b"\xb5", b"\xd7", b"\xf7"))
# GB 2312: punctuation rows, and the first level, the 3,755 characters that most text is made of.
_COMMON = re.compile(rb"(?:[\xa1-\xa3][\xa1-\xfe]|[\xb0-\xd7][\xa1-\xfe])+")


def _is_han_in_utf_8(raw: bytes) -> bool:
    return not _TWO_BYTES.search(raw) and bool(_HAN.search(raw.decode(UTF_8)))


def _is_chinese(raw: bytes) -> bool:
    """Whether every run of high bytes is of common characters in GB 2312: Latin text with accents is never that."""
    runs = _HIGH_RUN.findall(raw)
    return bool(runs) and all(_COMMON.fullmatch(run) for run in runs)


def _detect(raw: bytes, said: str | None) -> Text:
    """What the bytes look like. Undeclared UTF-8 is sure enough; all else is in doubt."""
    text = _strictly(raw, UTF_8)
    if text is not None:
        return Text(text=text, codec=UTF_8, in_doubt=said is not None)
    if said in (None, ASCII) and all(run in _SYMBOLS for run in _HIGH_RUN.findall(raw)):
        return Text(text=raw.decode(_LATIN_1), codec=_LATIN_1, in_doubt=True)
    for codec in dict.fromkeys((GB18030, said or GB18030)):
        text = _strictly(raw, codec)
        if text is not None:
            return Text(text=text, codec=codec, in_doubt=True)
    codec = said if said not in (None, ASCII) else GB18030
    return Text(text=raw.decode(codec, "replace"), codec=codec, in_doubt=True)


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except UnicodeDecodeError:
        return None
