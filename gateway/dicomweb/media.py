"""Which form an answer takes: media types and transfer syntaxes, as asked for and as stored (PS3.18 8.7)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from adapters.dicom.data_set import EXPLICIT_VR_LITTLE_ENDIAN, encoding_of
from adapters.dicom.pixels import VIDEO_SYNTAXES
from gateway.dicomweb.errors import NotAcceptable

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
OCTETS = "application/octet-stream"
JPEG, PNG, PDF = "image/jpeg", "image/png", "application/pdf"
ANY_SYNTAX = "*"

# PS3.18 Tables 8.7.3-2, -4, -5: the media type of a compressed frame or stream.
_COMPRESSED = {
    **dict.fromkeys(
        (f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 55, 57, 70)),
        "image/jpeg",
    ),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "image/jls"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), "image/jp2"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.93"), "image/jpx"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203)), "image/jphc"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112)), "image/jxl"),
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    **VIDEO_SYNTAXES,
}
_OLD_NAMES = {"image/x-jls": "image/jls", "image/x-dicom-rle": "image/dicom-rle", "video/mpeg2": "video/mpeg"}
_PARAMETER = re.compile(r';\s*([^=;\s]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;]*)')
_ENTRY = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One acceptable form. `transfer_syntax` is a UID, "*" (as stored), or None: not said."""

    media_type: str
    multipart: bool
    transfer_syntax: str | None
    quality: float = 1.0

    def matches(self, media_type: str) -> bool:
        main, _, sub = self.media_type.partition("/")
        return self.media_type == media_type or (
            sub == "*" and main in {"*", media_type.split("/", maxsplit=1)[0]}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The form chosen. `decode`: the stored frame must be decompressed for it."""

    media_type: str
    transfer_syntax_uid: str
    decode: bool
    multipart: bool

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax_uid}"


def read_accept(header: str | None) -> list[Wanted]:
    """The forms a request accepts, dearest first; none said means any."""
    found = [_read_wanted(entry) for entry in _ENTRY.findall(header or "*/*") if entry.strip()]
    return sorted((one for one in found if one.quality > 0), key=lambda one: -one.quality)


def choose_frame(wanted: Iterable[Wanted], stored: str) -> Form:
    """How frames of a stored transfer syntax are handed out; NotAcceptable when none of the forms can be."""
    compressed = _COMPRESSED.get(stored)
    for one in wanted:
        form = _native(one) if compressed is None else _compressed(one, stored, compressed)
        if form is not None:
            return form
    raise NotAcceptable(
        f"{compressed or OCTETS}; transfer-syntax={stored if compressed else EXPLICIT_VR_LITTLE_ENDIAN}"
    )


def choose_instance(wanted: Iterable[Wanted]) -> Wanted:
    """Whether whole instances are acceptable, and in which transfer syntax."""
    for one in wanted:
        if one.matches(DICOM):
            return one
    raise NotAcceptable(f'multipart/related; type="{DICOM}"')


def choose_single(wanted: Iterable[Wanted], available: Iterable[str]) -> str:
    """The first acceptable media type of those that there are."""
    offers = list(available)
    for one in wanted:
        for offer in offers:
            if one.matches(offer):
                return offer
    raise NotAcceptable(", ".join(offers))


def choose_picture(wanted: Iterable[Wanted], *, several: bool) -> tuple[str, bool]:
    """JPEG or PNG, and whether as parts of one answer, as several must be (PS3.18 10.4.3)."""
    for one in wanted:
        multipart = one.multipart or (several and one.media_type == "*/*")
        for offer in (JPEG, PNG):
            if one.matches(offer) and (multipart or not several):
                return offer, multipart
    raise NotAcceptable(", ".join(f'multipart/related; type="{o}"' if several else o for o in (JPEG, PNG)))


def require_json(header: str | None) -> None:
    if not any(
        not one.multipart and (one.matches(DICOM_JSON) or one.matches("application/json"))
        for one in read_accept(header)
    ):
        raise NotAcceptable(DICOM_JSON)


def is_compressed(transfer_syntax_uid: str) -> bool:
    return transfer_syntax_uid in _COMPRESSED


def stream_type(transfer_syntax_uid: str) -> str | None:
    """The media type of a video, None for everything else."""
    return VIDEO_SYNTAXES.get(transfer_syntax_uid)


def _native(one: Wanted) -> Form | None:
    """Native frames always leave as explicit VR little-endian (PS3.18 8.7.3.3.2)."""
    if one.matches(OCTETS) and _plain(one):
        return Form(
            media_type=OCTETS,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
            decode=False,
            multipart=one.multipart or one.media_type == "*/*",
        )
    return None


def _compressed(one: Wanted, stored: str, media_type: str) -> Form | None:
    multipart = one.multipart or one.media_type == "*/*"
    if one.matches(media_type) and one.transfer_syntax in {None, ANY_SYNTAX, stored}:
        return Form(media_type=media_type, transfer_syntax_uid=stored, decode=False, multipart=multipart)
    if not one.matches(OCTETS):
        return None
    if one.transfer_syntax in {ANY_SYNTAX, stored}:  # viewers ask so for "as it is stored, whatever that is"
        return Form(media_type=OCTETS, transfer_syntax_uid=stored, decode=False, multipart=multipart)
    if _plain(one) and media_type not in VIDEO_SYNTAXES.values():
        return Form(
            media_type=OCTETS,
            transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
            decode=True,
            multipart=multipart,
        )
    return None


def _plain(one: Wanted) -> bool:
    """Explicit VR little-endian is what they get who ask for it, for nothing, or for anything."""
    return one.transfer_syntax in {None, ANY_SYNTAX, EXPLICIT_VR_LITTLE_ENDIAN}


def is_explicit_little(transfer_syntax_uid: str) -> bool:
    encoding = encoding_of(transfer_syntax_uid)
    return not (encoding.implicit_vr or encoding.big_endian or encoding.deflated)


def _read_wanted(entry: str) -> Wanted:
    media_type = entry.partition(";")[0].strip().lower()
    parameters = {name.lower(): value.strip().strip('"') for name, value in _PARAMETER.findall(entry)}
    multipart = media_type == "multipart/related"
    if multipart:
        media_type = parameters.get("type", "*/*").lower()
    return Wanted(
        media_type=_OLD_NAMES.get(media_type, media_type),
        multipart=multipart,
        transfer_syntax=parameters.get("transfer-syntax"),
        quality=_quality(parameters.get("q", "1")),
    )


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
