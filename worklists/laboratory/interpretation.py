"""What a reported value means for one patient: its number in the county's unit, its range, its flag.

Pure: an item, what an analyser wrote, who the patient is. Nothing is guessed: a unit that is not known or not there,
and a value that cannot be read, are said so, and the result waits for a person.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from worklists.errors import Invalid
from worklists.laboratory.dictionary import AnyItem, AnyRange, Scale
from worklists.laboratory.results import Abnormal

_NUMBER = re.compile(r"(<=|>=|<|>|≤|≥)?\s*([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)")
_COMPARATORS = {"≤": "<=", "≥": ">="}
_LONGEST = 30  # characters of a number; longer ones are none
_HIGHEST_POWER, _LOWEST_POWER = 15, -20  # of ten: no laboratory counts further, and no arithmetic here does
# The many ways of writing one unit: cells per litre, powers, micro.
_SAME_UNIT = str.maketrans(
    {"µ": "u", "μ": "u", "×": "x", "＊": "*", "／": "/", "％": "%", " ": None, "·": None}
)
_POWER = re.compile(r"(?:10|x10|\*10)(?:\*\*|\*|\^|e)?([0-9]{1,2})/", re.IGNORECASE)


class UnknownUnit(Invalid):
    """The item's dictionary entry has no way from this unit to its own."""


class UnitMissing(Invalid):
    """A number of an item that has a unit, and nobody said in which: not the message, nor the analyser's profile."""


class UnreadableValue(Invalid):
    """This is no value of such an item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whose it is, as far as ranges go by it. `age_days` on the day of the specimen."""

    sex: str | None
    age_days: int | None

    @classmethod
    def of(cls, sex: str | None, birth_date: date | None, on: date) -> "Bearer":
        age = (on - birth_date).days if birth_date is not None and birth_date <= on else None
        return cls(sex=sex if sex in {"M", "F"} else None, age_days=age)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreted:
    """A value in the county's terms."""

    value: str
    number: float | None = None
    comparator: str = ""
    unit: str = ""
    range_low: float | None = None
    range_high: float | None = None
    range_text: str = ""
    abnormal: Abnormal = Abnormal.NONE

    @property
    def critical(self) -> bool:
        return self.abnormal in {Abnormal.CRITICAL_LOW, Abnormal.CRITICAL_HIGH, Abnormal.CRITICAL}


def interpret(item: AnyItem, *, value: str, unit: str, bearer: Bearer) -> Interpreted:
    """Raises UnknownUnit, UnitMissing, UnreadableValue."""
    limits = find_range(item.ranges, bearer)
    if item.scale is Scale.QUANTITATIVE:
        return _quantity(item, value, unit, limits)
    text = (
        " ".join(unicodedata.normalize("NFKC", value).split())
        if item.scale is Scale.ORDINAL
        else value.strip()
    )
    if not text:
        raise UnreadableValue("value")
    return Interpreted(
        value=text,
        unit=item.unit,
        range_text=limits.text if limits else "",
        abnormal=_judge_word(item, text, limits),
    )


def find_range(ranges: Sequence[AnyRange], bearer: Bearer) -> AnyRange | None:
    """The first that fits. Who has no known sex or age has the ranges that ask for none."""
    for one in ranges:
        if _fits(one, bearer):
            return one
    return None


def goes_by_sex_or_age(item: AnyItem) -> bool:
    """Whether a bearer of unknown sex or age leaves it open what is usual."""
    return any(one.sex or one.from_days or one.to_days is not None for one in item.ranges)


def read_number(text: str) -> tuple[str, Decimal] | None:
    """Comparator and number of a text that is a number; None of any other. Full-width forms are read."""
    if not text.isascii():
        if any(unicodedata.category(one) == "No" for one in text):
            return None  # 10³ is no 103, and ½ no 1/2
        text = unicodedata.normalize("NFKC", text)
    plain = text.strip()
    found = _NUMBER.fullmatch(plain) if len(plain) <= _LONGEST else None
    if found is None:
        return None
    number = Decimal(found[2])
    if number.adjusted() > _HIGHEST_POWER or number.adjusted() < _LOWEST_POWER:
        return None
    return _COMPARATORS.get(found[1] or "", found[1] or ""), number


def same_unit(one: str, other: str) -> bool:
    """Two ways of writing one unit: 10^9/L, 10*9/L, ×10⁹/L; µmol/L, umol/L. Case counts only where it makes a difference."""
    return one == other or _plain_unit(one) == _plain_unit(other)


def convert(item: AnyItem, number: Decimal, unit: str, aliases: Mapping[str, str] | None = None) -> Decimal:
    """In the item's own unit. Only an item that has none (a ratio, pH) needs none. Raises UnknownUnit, UnitMissing."""
    said = (aliases or {}).get(unit, unit)
    if same_unit(said, item.unit):
        return number
    if not said.strip():
        raise UnitMissing("unit")
    for known in item.units:
        if same_unit(said, known["unit"]):
            return number * Decimal(str(known.get("factor", 1))) + Decimal(str(known.get("offset", 0)))
    raise UnknownUnit("unit")


def _quantity(item: AnyItem, value: str, unit: str, limits: AnyRange | None) -> Interpreted:
    read = read_number(value)
    if read is None:
        raise UnreadableValue("value")
    comparator, given = read
    number = convert(item, given, unit)
    shown, number = _rounded(item, given, number, is_limit=bool(comparator))
    return Interpreted(
        value=comparator + shown,
        number=float(number),
        comparator=comparator,
        unit=item.unit,
        range_low=limits.low if limits else None,
        range_high=limits.high if limits else None,
        range_text=limits.text if limits else "",
        abnormal=_judge_number(comparator, float(number), limits),
    )


def _rounded(item: AnyItem, given: Decimal, number: Decimal, *, is_limit: bool) -> tuple[str, Decimal]:
    """As it is printed, and judged: a value that prints as the limit is at the limit.

    What was too little or too much to be measured keeps its digits: "<0.03" is not "<0.0".
    """
    if item.decimals is not None and not is_limit:
        rounded = number.quantize(_last_place(item.decimals), rounding=ROUND_HALF_UP)
        rounded = rounded if rounded else abs(rounded)  # no minus before nothing
        return f"{rounded:f}", rounded
    if number == given:
        return f"{given:f}", given
    places = max(0, 3 - (number.adjusted() + 1)) if number else 0  # three digits that say something
    rounded = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    return f"{rounded:f}", rounded


def _judge_number(comparator: str, number: float, limits: AnyRange | None) -> Abnormal:
    """Below or above; what is only known to be less than the lower limit's value is below it."""
    if limits is None:
        return Abnormal.NONE
    may_fall, may_rise = comparator in {"<", "<="}, comparator in {">", ">="}
    low, high = limits.low, limits.high
    critical_low, critical_high = limits.critical_low, limits.critical_high
    if critical_low is not None and not may_rise and number <= critical_low:
        return Abnormal.CRITICAL_LOW
    if critical_high is not None and not may_fall and number >= critical_high:
        return Abnormal.CRITICAL_HIGH
    if low is not None and not may_rise and (number < low or (comparator == "<" and number == low)):
        return Abnormal.LOW
    if high is not None and not may_fall and (number > high or (comparator == ">" and number == high)):
        return Abnormal.HIGH
    return Abnormal.NONE


def _judge_word(item: AnyItem, text: str, limits: AnyRange | None) -> Abnormal:
    if limits is not None and text in limits.critical_values:
        return Abnormal.CRITICAL
    if item.scale is Scale.NARRATIVE or not item.normal_values:
        return Abnormal.NONE
    return Abnormal.NONE if text in item.normal_values else Abnormal.ABNORMAL


def _fits(one: AnyRange, bearer: Bearer) -> bool:
    sex, from_days, to_days, age_days = one.sex, one.from_days, one.to_days, bearer.age_days
    if sex and sex != bearer.sex:
        return False
    if age_days is None:
        return not from_days and to_days is None
    return from_days <= age_days and (to_days is None or age_days < to_days)


@lru_cache(maxsize=32)
def _last_place(decimals: int) -> Decimal:
    return Decimal(1).scaleb(-decimals)


def _plain_unit(unit: str) -> str:
    """10^9/L → e9/L; letters keep their case where mmol and Mmol would differ: only the litre is free."""
    plain = unicodedata.normalize("NFKC", unit.translate(_SAME_UNIT)).replace("μ", "u")
    plain = _POWER.sub(lambda found: f"e{found[1]}/", plain)
    return re.sub(r"l\b", "L", plain)
