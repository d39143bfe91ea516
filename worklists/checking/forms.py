"""How a report is written: empty sections, places that nobody filled, punctuation, and images that came after it."""

import re
from collections.abc import Iterator

from worklists.checking.values import Check, Doubt, Facts, Section, Words

_UNITS = r"(?:mm|cm|HU|Hu|ml|mL)(?![A-Za-z])"
_BLANK = re.compile(
    r"\{[^{}\n]{0,80}\}|【\s*】|（\s*）|\(\s*\)|_{2,}|(?<![A-Za-z])[xX]{2,}(?=(?:mm|cm)|[^A-Za-z]|$)|"
    rf"(?<=[^\d.\s])[ \u3000]+{_UNITS}|(?<=[约径宽厚长×*]){_UNITS}"
)
# …… and ... are signs of their own.
_TWICE = re.compile(r"([。，；、：,;:])\1+|[，、；：,;][。，；、,;]|。[，、；,;]")
_WORD = re.compile(r"\w")


def check_empty(facts: Facts, _words: Words) -> Iterator[Doubt]:
    for section, text in facts.sections():
        if not _WORD.search(text):
            yield Doubt(check=Check.EMPTY, section=section, begin=0, end=len(text), quoted=text.strip())


def check_blank(facts: Facts, _words: Words) -> Iterator[Doubt]:
    for section, text in facts.sections():
        yield from (_place(Check.BLANK, section, one) for one in _BLANK.finditer(text))


def check_punctuation(facts: Facts, _words: Words) -> Iterator[Doubt]:
    for section, text in facts.sections():
        yield from (_place(Check.PUNCTUATION, section, one) for one in _TWICE.finditer(text))


def check_age_of_words(facts: Facts, _words: Words) -> Iterator[Doubt]:
    """Written before the newest image came: nobody who wrote it can have seen that."""
    if facts.saved_at is not None and facts.newest_at is not None and facts.saved_at < facts.newest_at:
        at = facts.newest_at.isoformat()
        yield Doubt(
            check=Check.STALE, section=Section.REPORT, begin=0, end=0, quoted=at, detail={"newest_at": at}
        )


def _place(check: Check, section: Section, one: re.Match[str]) -> Doubt:
    return Doubt(check=check, section=section, begin=one.start(), end=one.end(), quoted=one.group())
