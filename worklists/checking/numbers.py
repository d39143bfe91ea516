"""Numbers that cannot be, and sizes that are ten times as large in another place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from worklists.checking.texts import any_of, clauses
from worklists.checking.values import Check, Doubt, Facts, Section, Words

_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)(?:年|[.\-/])(\d{1,2})(?:月|[.\-/])(\d{1,2})日?(?!\d)")
_AHEAD = re.compile(r"复查|随访|预约|建议|复诊|后再|预产期")
_TWO_POINTS = re.compile(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])|\d+\.{2,}\d+")
_DANGLING = re.compile(
    r"\d(?:\.\d+)?\s*(?:mm|cm)?\s*[×*](?=\s*(?:mm|cm|[，。；、,;]|$|\n))|"
    r"\d\s*[xX](?=\s*(?:mm|cm)(?![A-Za-z]))"
)
_LENGTH = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*(mm|cm)(?![A-Za-z²³/])")
_PERCENT = re.compile(r"(?:狭窄|EF|射血分数|LVEF)\D{0,6}?(\d+(?:\.\d+)?)\s*%")
_LONGEST_MM = 2000.0  # nobody is much longer
_SIZE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(mm|cm)?(?:\s*[×xX*]\s*(\d+(?:\.\d+)?)\s*(mm|cm)?)?(?:\s*[×xX*]\s*(\d+(?:\.\d+)?)\s*(mm|cm)?)?"
    r"(?![A-Za-z²³/])"
)
_LESIONS = ("结节", "肿块", "结石", "囊肿", "占位", "血肿", "肌瘤", "息肉", "动脉瘤", "斑块", "团块")
_LESION = any_of(_LESIONS)
_TEN = (9.5, 10.5)


@dataclass(frozen=True, slots=True)
class Size:
    """What measures so much, in millimetres, at a place of its section."""

    lesion: str
    largest_mm: float
    begin: int
    end: int
    text: str


def check_numbers(facts: Facts, _words: Words) -> Iterator[Doubt]:
    for section, text in facts.sections():
        dates = [one.span() for one in _DATE.finditer(text)]
        for one in (*_TWO_POINTS.finditer(text), *_DANGLING.finditer(text)):
            if not any(begin <= one.start() < end for begin, end in dates):
                yield _place(section, one)
        yield from (
            _place(section, one)
            for one in _LENGTH.finditer(text)
            if _millimetres(one[1], one[2]) > _LONGEST_MM
        )
        yield from (_place(section, one) for one in _PERCENT.finditer(text) if float(one[1]) > 100)
        yield from _dates(section, text, facts.today)


def check_units(facts: Facts, _words: Words) -> Iterator[Doubt]:
    """One lesion: two units in one size, or ten times the size in the impression that it has in the findings."""
    found = list(sizes(facts.findings))
    for one in sizes(facts.impression):
        same = [other for other in found if other.lesion == one.lesion]
        alike = any(_near(other.largest_mm, one.largest_mm) for other in same)
        tenfold = next((other for other in same if _is_tenfold(other.largest_mm, one.largest_mm)), None)
        if tenfold is not None and not alike:
            yield Doubt(
                check=Check.UNIT_MIX, section=Section.IMPRESSION, begin=one.begin, end=one.end, quoted=one.text,
                detail={"elsewhere": tenfold.text},
            )  # fmt: skip
    for section, text in facts.sections():
        for match in _SIZE.finditer(text):
            if len({unit for unit in (match[2], match[4], match[6]) if unit}) > 1:
                yield Doubt(
                    check=Check.UNIT_MIX, section=section, begin=match.start(), end=match.end(),
                    quoted=match.group(),
                )  # fmt: skip


def sizes(text: str) -> Iterator[Size]:
    """Sizes of lesions that are named in the same clause, or in the one before (见结节，大小约 8 mm)."""
    lesion = ""
    for clause in clauses(text):
        named = [one.group() for one in _LESION.finditer(clause.text)]
        lesion = named[-1] if named else lesion
        for one in _SIZE.finditer(clause.text):
            units = [unit for unit in (one[2], one[4], one[6]) if unit]
            if lesion and len(set(units)) == 1:
                largest = max(
                    _millimetres(number, units[-1]) for number in (one[1], one[3], one[5]) if number
                )
                yield Size(lesion, largest, clause.begin + one.start(), clause.begin + one.end(), one.group())
        if not named:
            lesion = ""


def _dates(section: Section, text: str, today: date) -> Iterator[Doubt]:
    for clause in clauses(text):
        for one in _DATE.finditer(clause.text):
            said = _read(one)
            if said is None or (said > today and not _AHEAD.search(clause.text)):
                begin = clause.begin + one.start()
                yield Doubt(
                    check=Check.NUMBER,
                    section=section,
                    begin=begin,
                    end=begin + len(one.group()),
                    quoted=one.group(),
                )


def _read(one: re.Match[str]) -> date | None:
    try:
        return date(int(one[1]), int(one[2]), int(one[3]))
    except ValueError:
        return None


def _millimetres(number: str, unit: str) -> float:
    return float(number) * (10 if unit == "cm" else 1)


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= 0.2 * max(one, other)


def _is_tenfold(one: float, other: float) -> bool:
    ratio = max(one, other) / max(min(one, other), 0.001)
    return _TEN[0] <= ratio <= _TEN[1]


def _place(section: Section, one: re.Match[str]) -> Doubt:
    return Doubt(check=Check.NUMBER, section=section, begin=one.start(), end=one.end(), quoted=one.group())
