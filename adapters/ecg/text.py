"""Text of carts that declare no character set, or a wrong one: Chinese is found again.

Uses the DICOM side's knowledge (`charset`, `doubt`) of what reaches a county: UTF-8, GB18030, and text that was
read wrongly and written again. What makes sense as declared stays.
"""

from adapters.dicom.charset import read_as
from adapters.dicom.doubt import propose_character_set

_LATIN, _UNICODE = "ISO_IR 100", "ISO_IR 192"


def read_text(raw: bytes, declared: str = _LATIN) -> str:
    """Bytes of one value. `declared` is a term of DICOM."""
    raw = raw.split(b"\0", 1)[0] if not declared.startswith("UTF-16") else raw
    if raw.isascii():
        return raw.decode("ascii").strip()
    term = propose_character_set([raw], declared) or declared
    text = read_as(raw, term)
    if text is None:
        return raw.decode("latin-1").strip()
    return text.text.strip()


def mend(text: str) -> str:
    """Text that somebody read as Latin-1 or Windows-1252 though it was not."""
    if text.isascii():
        return text.strip()
    try:
        return read_text(text.encode("latin-1"))
    except UnicodeEncodeError:
        return text.strip()
