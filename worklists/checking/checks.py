"""Every check in the order in which a reader sees what it doubts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from worklists.checking import contents, forms, numbers, sides
from worklists.checking.book import CheckingRules
from worklists.checking.values import Check, Doubt, Facts, Rule, Section

CHECKS: Mapping[Check, Rule] = {
    Check.LATERALITY_TEXTS: sides.check_texts,
    Check.LATERALITY_STUDY: sides.check_study,
    Check.SEX: contents.check_sex,
    Check.CRITICAL: contents.check_critical,
    Check.UNCONCLUDED: contents.check_conclusion,
    Check.UNMENTIONED: contents.check_mention,
    Check.UNIT_MIX: numbers.check_units,
    Check.NUMBER: numbers.check_numbers,
    Check.STALE: forms.check_age_of_words,
    Check.EMPTY: forms.check_empty,
    Check.BLANK: forms.check_blank,
    Check.PUNCTUATION: forms.check_punctuation,
}
MOST = 50  # nobody reads more, and a text of nothing but dots would have thousands


def find_doubts(facts: Facts, rules: CheckingRules) -> list[Doubt]:
    """What may be wrong, the weightiest first, then by place."""
    found = [
        doubt
        for check, rule in CHECKS.items()
        if check in rules.checked
        for doubt in sorted(rule(facts, rules.words), key=_place)
    ]
    return _numbered(found)[:MOST]


def _place(doubt: Doubt) -> tuple[int, int]:
    return list(Section).index(doubt.section), doubt.begin


def _numbered(doubts: Iterable[Doubt]) -> list[Doubt]:
    """Two that read the same are two."""
    seen: Counter[str] = Counter()
    out = []
    for doubt in doubts:
        out.append(replace(doubt, nth=seen[doubt.key]))
        seen[doubt.key] += 1
    return out
