"""Names, sexes and times as analysers and result files write them.

A time without a zone is China's (UTC+8).
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone

COUNTY_TIME = timezone(timedelta(hours=8))
_HAN = re.compile(r"[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?(?:\.\d+)?)?([+-]\d{4})?")
_LOOSE = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[ T]+(\d{1,2})[:：时](\d{1,2})(?:[:：分](\d{1,2}))?[分秒]?(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?"
)
_SEXES = {"M": "M", "F": "F", "O": "O", "男": "M", "女": "F", "MALE": "M", "FEMALE": "F", "1": "M", "2": "F"}


def write_name(parts: Sequence[str]) -> str:
    """Family, given, middle, suffix, title (LIS2-A2 §5.6.6) as DICOM's PN; Han stands in the ideographic group."""
    clean = [re.sub(r"[=\\^\x00-\x1f]", " ", part).strip() for part in [*parts, *[""] * 5][:5]]
    family, given, middle, suffix, title = clean
    name = "^".join((family, given, middle, title, suffix)).rstrip("^")
    return f"={name}" if _HAN.search(name) else name


def read_sex(stated: str) -> str:
    """M, F, O, or "" for what says neither."""
    return _SEXES.get(stated.strip().upper(), "")


def read_time(stated: str) -> datetime | None:
    """A time of LIS2-A2 §5.6.2 or as people write it, aware UTC; None for none, and for one that no calendar has."""
    stated = stated.strip()
    found = _STAMP.fullmatch(stated) or _LOOSE.fullmatch(stated)
    if found is None:
        return None
    *numbers, zone = found.groups()
    try:
        year, month, day, hour, minute, second = (int(one or 0) for one in numbers)
        local = datetime(year, month, day, hour, minute, second, tzinfo=_zone(zone))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_date(stated: str) -> date | None:
    """A birth date: the day as it stands, whatever the zone."""
    found = read_time(
        re.split(r"[ T]", stated.strip())[0][:11].rstrip("日") if "年" not in stated else stated
    )
    return found.astimezone(COUNTY_TIME).date() if found is not None else None


def _zone(stated: str | None) -> timezone:
    if not stated:
        return COUNTY_TIME
    if stated == "Z":
        return UTC
    digits = stated.replace(":", "")
    offset = timedelta(hours=int(digits[1:3]), minutes=int(digits[3:5]))
    return timezone(-offset if digits[0] == "-" else offset)
