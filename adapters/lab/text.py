"""Text of ASTM analysers and of result files: as the device is set, else as the bytes look.

What HL7 knows of character sets, without a declaration in the text.
"""

from adapters.errors import Malformed
from adapters.hl7.character_sets import Text, codec_of, decode

__all__ = ["Text", "codec_of", "read_text"]


def read_text(raw: bytes, character_set: str | None = None) -> Text:
    """Decoded whole, before anything is split. Raises Malformed for UTF-16 and for what is no text."""
    if b"\0" in raw[:64]:
        raise Malformed("the text is UTF-16 or no text at all; UTF-8 or GB18030 is read")
    return decode(raw, device=character_set)
