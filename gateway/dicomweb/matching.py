"""How a QIDO-RS key becomes a condition (PS3.4 C.2.2.2; PS3.18 8.3.4)."""

import re
from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_
from sqlalchemy.orm import InstrumentedAttribute

from gateway.dicomweb.errors import BadQuery

Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Matcher = Callable[[Column, str, str], ColumnElement[bool]]

_ESCAPE = "!"
_DATE, _TIME = re.compile(r"\d{8}"), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
_UID = re.compile(r"[0-9.]{1,64}")
_BETWEEN_WORDS = re.compile(r"[\s^=,*?]+")
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")


def match_text(column: Column, value: str, name: str) -> ColumnElement[bool]:
    """Single value, or wildcards: `*` any run of characters, `?` any one (C.2.2.2.4)."""
    if "*" in value or "?" in value:
        return func.lower(column).like(_pattern(value), escape=_ESCAPE)
    return column == value


def match_name(column: Column, value: str, name: str) -> ColumnElement[bool]:
    """A person's name, any case, in any of its groups; Chinese also without the caret between family and given name."""
    ways = [_in_groups(func.lower(column), _pattern(value))]
    if _HAN.search(value) and "^" not in value:
        ways.append(_in_groups(func.lower(func.replace(column, "^", "")), _pattern(value)))
    return or_(*ways)


def match_words(column: Column, value: str) -> ColumnElement[bool]:
    """Fuzzy matching of a name (PS3.4 C.2.2.2.1.1): every word of it is somewhere, in any order and any case."""
    words = [word for word in _BETWEEN_WORDS.split(value.lower()) if word]
    return and_(*(func.lower(column).contains(word, autoescape=True) for word in words)) if words else false()


def match_date(column: Column, value: str, name: str) -> ColumnElement[bool]:
    """A day, or a range of days with one end open (C.2.2.2.5.1)."""
    first, last = _ends(value, _DATE, name)
    if first == last:
        return column == first
    return and_(column != "", *([column >= first] if first else []), *([column <= last] if last else []))


def read_ends(value: str, name: str) -> tuple[str, str]:
    """The first and the last day of a range, or of one day."""
    return _ends(value, _DATE, name)


def match_time(column: Column, value: str, name: str) -> ColumnElement[bool]:
    """A time or a range; what is not said is open: `10` is all of ten o'clock (C.2.2.2.5.2)."""
    first, last = _ends(value, _TIME, name)
    end = f"{last}~"  # sorts behind every digit, so behind all times that begin so
    return and_(column != "", *([column >= first] if first else []), *([column < end] if last else []))


def match_uids(column: Column, value: str, name: str) -> ColumnElement[bool]:
    """One UID or a list of them (C.2.2.2.2)."""
    uids = [uid.strip() for uid in re.split(r"[\\,]", value) if uid.strip()]
    if any(not _UID.fullmatch(uid) for uid in uids):
        raise BadQuery(name, "a list of UIDs is expected")
    return column.in_(uids) if uids else false()


def match_codes(column: Column, value: str, name: str) -> ColumnElement[bool]:
    """One code or several; each may have wildcards."""
    codes = [code.strip() for code in re.split(r"[\\,]", value) if code.strip()]
    return or_(*(match_text(column, code, name) for code in codes)) if codes else false()


def match_number(column: Column, value: str, name: str) -> ColumnElement[bool]:
    try:
        return column == int(value)
    except ValueError as error:
        raise BadQuery(name, "a whole number is expected") from error


def _pattern(value: str) -> str:
    escaped = re.sub(f"([{_ESCAPE}%_])", rf"{_ESCAPE}\1", value.lower())
    return escaped.replace("*", "%").replace("?", "_")


def _in_groups(column: Column, pattern: str) -> ColumnElement[bool]:
    """The whole name, or one of its groups: alphabetic=ideographic=phonetic (PS3.5 6.2.1.1)."""
    shapes = (pattern, f"{pattern}=%", f"%={pattern}", f"%={pattern}=%")
    return or_(*(column.like(shape, escape=_ESCAPE) for shape in shapes))


def _ends(value: str, form: re.Pattern[str], name: str) -> tuple[str, str]:
    first, dash, last = value.replace(":", "").partition("-")
    last = last if dash else first
    if not (first or last) or any(end and not form.fullmatch(end) for end in (first, last)):
        raise BadQuery(name, "a value or a range of values is expected")
    return first, last
