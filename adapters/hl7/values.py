"""Data types as this field has them: times, names, sexes, identifiers, codes.

Nothing is guessed: what is no time is None, what is no sex is "".
"""

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from adapters.hl7.message import Segment
from adapters.lab.said import Coded

_TIME = re.compile(
    r"(\d{4})(?:[-/.]?(\d{1,2})(?:[-/.]?(\d{1,2})(?:[ T]?(\d{2})(?::?(\d{2})(?::?(\d{2})(?:\.(\d{1,6})\d*)?)?)?)?)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?"
)
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SEXES = {
    **dict.fromkeys(("M", "MALE", "男", "男性", "1"), "M"),
    **dict.fromkeys(("F", "FEMALE", "女", "女性", "2"), "F"),  # 1, 2, 9, 0: GB/T 2261.1
    **dict.fromkeys(("O", "OTHER", "其他", "A"), "O"),
}
_NATIONAL_ID = re.compile(r"\d{15}|\d{17}[0-9Xx]")


@lru_cache(maxsize=4096)
def read_time(text: str, zone: tzinfo) -> datetime | None:
    """A TS or DTM of any precision (HL7 v2.5.1 §2.A.22), aware, in UTC; without its zone it is in ours."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) if part else None for part in found.groups()[:6])
    fraction = int((found[7] or "0").ljust(6, "0"))
    try:
        at = datetime(
            year or 0,
            month or 1,
            day or 1,
            hour or 0,
            minute or 0,
            second or 0,
            fraction,
            _zone(found[8], zone),
        )
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _zone(offset: str | None, zone: tzinfo) -> tzinfo:
    if not offset or offset == "Z":
        return UTC if offset else zone
    digits = offset[1:].replace(":", "")
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(distance if offset[0] == "+" else -distance)


def read_date(text: str) -> date | None:
    """The day of a DT or TS as it is written, whatever its zone; None when the day is not said."""
    found = _TIME.fullmatch(text.strip())
    if found is None or not found[3]:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None


def read_sex(text: str) -> str:
    """M, F, O; "" for what says nothing, or nothing that we know."""
    return _SEXES.get(text.strip().upper(), "")


def read_name(segment: Segment, number: int) -> str:
    """A person's name (XPN, PN) in DICOM's form: Chinese characters are its ideographic group (PS3.5 §6.2.1)."""
    alphabetic = ideographic = ""
    for raw in segment.repetitions(number):
        family, given, middle, suffix, prefix = (_name_part(segment, raw, place) for place in (1, 2, 3, 4, 5))
        name = "^".join((family, given, middle, prefix, suffix)).rstrip("^")
        if not family and given and not middle:  # Mindray writes the whole name as the given one
            name = given
        if _HAN.search(name):
            ideographic = ideographic or name
        else:
            alphabetic = alphabetic or name
    return f"{alphabetic}={ideographic}" if ideographic else alphabetic


def _name_part(segment: Segment, raw: str, place: int) -> str:
    # "=" and "^" divide names in DICOM, and stand in none.
    return re.sub(r"[\^=\\\s]+", " ", segment.part(raw, place)).strip()


def read_person(segment: Segment, number: int) -> str:
    """An XCN or CN as people read it: the name, else the number."""
    for raw in segment.repetitions(number):
        family, given = segment.part(raw, 2), segment.part(raw, 3)
        if family or given:
            name = family + given if _HAN.search(family + given) else " ".join(filter(None, (given, family)))
            return name.strip()
        if segment.part(raw, 1):
            return segment.part(raw, 1)
    return ""


def read_coded(segment: Segment, raw: str, first: int = 1) -> Coded | None:
    """A CE, CWE or CNE; None when it is empty."""
    parts = segment.components(raw)[first - 1 : first + 2]
    if not parts:
        return None
    code, text, system = [*map(segment.plain, parts), "", "", ""][:3]
    return Coded(code=code, text=text, system=system) if code or text else None


def read_coded_field(segment: Segment, number: int) -> Coded | None:
    """The first repetition of a coded field."""
    repetitions = segment.repetitions(number)
    return read_coded(segment, repetitions[0]) if repetitions else None


def looks_like_national_id(text: str) -> bool:
    """15 or 18 places of a 居民身份证; whether its checksum is right is for others to say."""
    return bool(_NATIONAL_ID.fullmatch(text))
