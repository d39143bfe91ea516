"""Pictures and documents in OBX-5 of type ED (HL7 v2.5.1 §2.A.24): what they are, and their bytes when asked for.

Source application ^ type of data ^ subtype ^ encoding ^ data. Encodings: Base64, Hex, A (text); Mindray's histograms
are Base64 of application/octet-stream, its scattergrams of Image^BMP or PNG.
"""

import base64
import binascii
import re

from adapters.errors import Malformed
from adapters.hl7.message import Segment

_ENCODING_PLACE, _DATA_PLACE = 4, 5
_SPACES = (" ", "\r", "\n", "\t")
_BREAKS = re.compile(r"\\\.br\\|\\X0[DdAa]\\|\s+")

# HL7 tables 0191 and 0291, and what senders write instead.
_TYPES = {
    "IM": "image",
    "IMAGE": "image",
    "NS": "image",
    "AU": "audio",
    "AUDIO": "audio",
    "TEXT": "text",
    "TX": "text",
}
_SUBTYPES = {
    "PDF": "application/pdf",
    "JPEG": "image/jpeg",
    "JPG": "image/jpeg",
    "PNG": "image/png",
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "TIF": "image/tiff",
    "DICOM": "application/dicom",
    "HTML": "text/html",
    "RTF": "application/rtf",
    "XML": "application/xml",
    "X-HL7-CDA-LEVEL-ONE": "application/xml",
    "OCTET-STREAM": "application/octet-stream",
    "OCTER-STREAM": "application/octet-stream",  # Mindray's spelling
}
_UNKNOWN = "application/octet-stream"


def is_attachment(segment: Segment) -> bool:
    """Whether an OBX carries encapsulated data."""
    return segment.text(2).upper() == "ED" and len(segment.components(segment.field(5))) >= _DATA_PLACE


def media_type_of(segment: Segment) -> str:
    """What the sender says it is, as a MIME type."""
    kind, subtype = (segment.part(segment.field(5), place).upper() for place in (2, 3))
    known = _SUBTYPES.get(subtype) or _SUBTYPES.get(kind)
    if known:
        return known
    if "/" in kind:  # a whole MIME type in one component
        return kind.lower()
    if not subtype or not re.fullmatch(r"[A-Z0-9.+-]{1,60}", subtype):
        return "text/plain" if _TYPES.get(kind) == "text" else _UNKNOWN
    main = _TYPES.get(kind, kind.lower() if kind in ("APPLICATION", "MULTIPART") else "application")
    return f"{main}/{subtype.lower()}"


def size_of(segment: Segment) -> int:
    """How many bytes it has, without decoding it."""
    encoding, data = _parts(segment)
    if encoding == "BASE64":
        return max(0, len(data) * 3 // 4 - data[-2:].count("="))
    return len(data) // 2 if encoding == "HEX" else len(data.encode("utf-8"))


def content_of(segment: Segment) -> bytes:
    """The bytes. Raises Malformed when they are not in the encoding that they claim."""
    encoding, data = _parts(segment)
    try:
        if encoding == "BASE64":
            return base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
        if encoding == "HEX":
            return bytes.fromhex(data)
    except (binascii.Error, ValueError) as error:
        raise Malformed(f"OBX-5 is not {encoding.title()} as it says: {error}") from error
    return data.encode("utf-8")


def _compact(raw: str) -> str:
    if "\\" in raw:
        return _BREAKS.sub("", raw)
    return "".join(raw.split()) if any(one in raw for one in _SPACES) else raw


def _parts(segment: Segment) -> tuple[str, str]:
    components = segment.components(segment.field(5))
    encoding = components[_ENCODING_PLACE - 1].strip().upper()
    raw = components[_DATA_PLACE - 1]
    if encoding.startswith("BASE64"):
        return "BASE64", _compact(raw)
    if encoding == "HEX":
        return "HEX", _compact(raw)
    # Text may have the delimiter of components in it.
    rest = raw if len(components) == _DATA_PLACE else "^".join(components[_DATA_PLACE - 1 :])
    return "A", segment.plain(rest)
