"""Voltages, moments and ages as files write them."""

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta, timezone

# A cart's clock without a zone shows the county's time: China has one, and no summer time since 1991.
COUNTY_TIME = timezone(timedelta(hours=8))
_FIRST_YEAR, _LAST_YEAR = 1980, 2100  # of a cart's clock; what is outside was never set

# UCUM writes uV; Greek mu, the micro sign and words are seen.
_MICROVOLTS = {
    "nv": 1e-3, "uv": 1.0, "μv": 1.0, "microvolt": 1.0, "microvolts": 1.0, "mv": 1e3, "millivolt": 1e3,
    "millivolts": 1e3, "v": 1e6, "volt": 1e6, "volts": 1e6, "[uv]": 1.0, "[mv]": 1e3, "微伏": 1.0, "毫伏": 1e3,
    "uvolt": 1.0, "uvolts": 1.0, "mvolt": 1e3, "mvolts": 1e3, "nanovolt": 1e-3, "nanovolts": 1e-3,
}  # fmt: skip
# µV and μV of UTF-8, Latin-1 and GB18030, when they were read as another of these.
_GARBLED = ("âμv", "îœv", "î¼v", "碌v", "渭v", "礦", "¦ìv", "μv", "?v", "\ufffdv")
_COUNTS = (
    "",
    "adu",
    "adus",
    "nu",
    "a.u.",
    "au",
    "lsb",
    "raw",
    "adc",
    "count",
    "counts",
    "digit",
    "digits",
    "none",
)
_DATE = re.compile(r"(\d{4})[-./年]?(\d{1,2})[-./月]?(\d{1,2})日?")
_DATE_WESTERN = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")


def microvolts_of(unit: str) -> float | None:
    """How many microvolts one of it is; None when it is no voltage."""
    plain = _plain(unit)
    return 1.0 if plain in _GARBLED else _MICROVOLTS.get(plain)


def is_counts(unit: str) -> bool:
    """Whether it says only that there are numbers: what they are in microvolts is not known."""
    return _plain(unit) in _COUNTS


def _plain(unit: str) -> str:
    return unicodedata.normalize("NFKC", unit).strip(" \0").lower()


def as_utc(moment: datetime | None) -> datetime | None:
    """A moment in UTC; without a zone it is the county's local time. None for a clock that was never set."""
    if moment is None or not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=COUNTY_TIME)).astimezone(UTC)


def read_date(text: str) -> date | None:
    """19530508, 1953-05-08, 1953/5/8, 1953年5月8日; 05-08-1953 as Americans write it."""
    found = _DATE.match(text.strip())
    parts = (found[1], found[2], found[3]) if found else None
    if parts is None and (found := _DATE_WESTERN.match(text.strip())):
        parts = (found[3], found[1], found[2])
    try:
        return date(*map(int, parts)) if parts else None
    except ValueError:
        return None


def read_sex(text: str) -> str:
    """M, F or O of what carts write; "" when it says nothing."""
    word = text.strip().lower()
    table = {
        "M": ("m", "male", "男", "男性", "1"),
        "F": ("f", "female", "女", "女性", "2"),
        "O": ("o", "other", "其他"),
    }
    return next((sex for sex, words in table.items() if word in words), "")
