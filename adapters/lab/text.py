"""Text of analysers and of result files: as the device is set, else as the bytes look.

Decoded whole, before anything is split. Bytes that are valid UTF-8 are UTF-8; else what reads as Chinese is GB18030
(which contains GBK and CP936), and what reads as Latin with accents ("µmol/L") is Latin-1; both are in doubt then.
"""

import codecs
from dataclasses import dataclass

from adapters.dicom.doubt import propose_character_set
from adapters.errors import Malformed

_CHINESE = {"gb18030", "gbk", "gb2312", "cp936", "hz"}
_JUDGED_LINES = 200  # of those with other than ASCII; they are all of one hand


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What the bytes say; `codec` is Python's name of what read them."""

    text: str
    codec: str
    in_doubt: bool = False


def find_codec(name: str) -> str | None:
    """Python's codec for a device's setting; the Chinese ones are all read as GB18030. None for an unknown one."""
    plain = name.strip().lower().replace(" ", "").replace("_", "-")
    if plain in ("gb18030-2000", "gb18030-2005", "gb18030-2022"):
        return "gb18030"
    if plain in ("unicodeutf-8", "utf8"):
        return "utf-8"
    try:
        found = codecs.lookup(plain).name
    except LookupError:
        return None
    return "gb18030" if found in _CHINESE else found


def read_text(raw: bytes, character_set: str | None = None) -> Text:
    """Bytes of a message or file. Raises Malformed for UTF-16 that nobody declared as such."""
    if raw.startswith(codecs.BOM_UTF8):
        return Text(text=raw.decode("utf-8-sig", "replace"), codec="utf-8")
    said = find_codec(character_set) if character_set else None
    if said is not None:
        text = _strictly(raw, said)
        if text is not None:
            return Text(text=text, codec=said)
    if b"\0" in raw[:64]:
        raise Malformed("the text is UTF-16 or no text at all; UTF-8 or GB18030 is read")
    if raw.isascii():
        return Text(text=raw.decode("ascii"), codec="ascii")
    text = _strictly(raw, "utf-8")
    if text is not None:
        return Text(text=text, codec="utf-8", in_doubt=bool(character_set))
    return _guess(raw)


def _guess(raw: bytes) -> Text:
    lines = [line for line in raw.splitlines() if not line.isascii()][:_JUDGED_LINES]
    codec = "gb18030" if propose_character_set(lines, "ISO_IR 100") == "GB18030" else "latin-1"
    text = _strictly(raw, codec)
    if text is None:
        return Text(text=raw.decode(codec, "replace"), codec=codec, in_doubt=True)
    return Text(text=text, codec=codec, in_doubt=True)


def _strictly(raw: bytes, codec: str) -> str | None:
    try:
        return raw.decode(codec)
    except (UnicodeError, LookupError):  # LookupError: a codec of Python that is none of text
        return None
