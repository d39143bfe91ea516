"""Every transfer syntax a data set can arrive in, and how its elements are written (PS3.5 Section 10, Annex A).

Left out are those that are not data sets on an association: XML and MIME (never used by DIMSE),
SMPTE ST 2110 (real-time video, PS3.22), Papyrus 3 (a file format of its own).
"""

from dataclasses import dataclass

from pydicom.uid import UID_dictionary  # type: ignore[attr-defined]  # public in its documentation


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How data elements are written."""

    implicit_vr: bool
    big_endian: bool
    deflated: bool


_IMPLICIT = Encoding(implicit_vr=True, big_endian=False, deflated=False)
_EXPLICIT = Encoding(implicit_vr=False, big_endian=False, deflated=False)
_BIG_ENDIAN = Encoding(implicit_vr=False, big_endian=True, deflated=False)
_DEFLATED = Encoding(implicit_vr=False, big_endian=False, deflated=True)

_OTHERWISE = {
    "1.2.840.10008.1.2": _IMPLICIT,
    "1.2.840.10008.1.2.2": _BIG_ENDIAN,
    "1.2.840.10008.1.2.1.99": _DEFLATED,
    "1.2.840.10008.1.2.4.95": _DEFLATED,  # JPIP Referenced Deflate
    "1.2.840.10008.1.2.4.205": _DEFLATED,  # JPIP HTJ2K Referenced Deflate
}
_NOT_ON_ASSOCIATIONS = ("1.2.840.10008.1.2.6.", "1.2.840.10008.1.2.7.", "1.2.840.10008.1.20")

# Registered after pydicom's table was made: JPEG XL (three), Deflated Image Frame Compression.
_NEWER = (
    "1.2.840.10008.1.2.4.110",
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.8.1",
)

ENCODINGS: dict[str, Encoding] = dict.fromkeys(_NEWER, _EXPLICIT) | {
    uid: _OTHERWISE.get(uid, _EXPLICIT)
    for uid, (_, kind, *_) in UID_dictionary.items()
    if kind == "Transfer Syntax" and not uid.startswith(_NOT_ON_ASSOCIATIONS)
}
