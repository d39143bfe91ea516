"""What a report says of its patient: organs that they have not, critical words, findings that no impression takes up."""

import re
from collections.abc import Iterator

from worklists.checking.texts import Clause, any_of, clauses
from worklists.checking.values import Check, Doubt, Facts, Section, Words
from worklists.checking.words import ABNORMAL, TAKEN_UP, WEIGHTY

# 前列腺素 is a drug; of relatives everything may be said.
_NOT_THEIRS = re.compile(r"前列腺素|家族|母亲|父亲|妻子|丈夫|配偶|姐姐|妹妹|女儿|儿子|其母|其父")
_OF_BEFORE = re.compile(r"陈旧|术后|既往|病史|史|后遗|恢复期|吸收期|软化灶|复查|已吸收|治疗后|慢性")
_NORMAL = re.compile(r"未见(?:明显|明确|确切|显著)?(?:异常|病变|器质性)|(?:大致|基本)?正常|无(?:明显)?异常")
_WEIGHTY, _ABNORMAL = any_of(WEIGHTY), any_of(ABNORMAL)
_LIGHT = re.compile(r"少量|微量|少许|生理|陈旧|术后|钙化|既往|可能|伪影")
_AS_BEFORE = re.compile(r"同前|如上|详见|见上|见描述|相仿|变化不(?:大|明显)|请结合.{0,6}所见")


def check_sex(facts: Facts, words: Words) -> Iterator[Doubt]:
    foreign = {"M": words.female, "F": words.male}.get(facts.sex or "")
    if foreign is None:
        return
    pattern = any_of(foreign)
    for section, text in facts.sections():
        for clause in clauses(text):
            if not _NOT_THEIRS.search(clause.text):
                yield from (
                    _place(Check.SEX, section, clause, one, sex=facts.sex or "")
                    for one in pattern.finditer(clause.text)
                )


def check_critical(facts: Facts, words: Words) -> Iterator[Doubt]:
    """The impression alone: what is critical is concluded there."""
    if facts.critical:
        return
    pattern = any_of([one.word for one in words.critical if one.fits(facts.modalities)])
    for clause in clauses(facts.impression):
        if not _OF_BEFORE.search(clause.text):
            yield from (
                _place(Check.CRITICAL, Section.IMPRESSION, clause, one) for one in clause.asserted(pattern)
            )


def check_conclusion(facts: Facts, _words: Words) -> Iterator[Doubt]:
    """Something weighty in the findings, and an impression that says normal and nothing else."""
    if not _says_normal_alone(facts.impression):
        return
    for clause in clauses(facts.findings):
        for one in clause.asserted(_WEIGHTY):
            if not _LIGHT.search(clause.text):
                yield _place(
                    Check.UNCONCLUDED, Section.FINDINGS, clause, one, impression=facts.impression.strip()[:40]
                )
                return


def check_mention(facts: Facts, _words: Words) -> Iterator[Doubt]:
    """Something that no impression leaves out. Where it says normal, `check_conclusion` has said so."""
    said = facts.impression
    if not said.strip() or _says_normal_alone(said) or _AS_BEFORE.search(said):
        return
    for word, taken_up in TAKEN_UP:
        if any(one in said for one in taken_up):
            continue
        pattern = re.compile(re.escape(word))
        for clause in clauses(facts.findings):
            one = next(clause.asserted(pattern), None)
            if one is not None and not _LIGHT.search(clause.text):
                yield _place(Check.UNMENTIONED, Section.FINDINGS, clause, one)
                break


def _says_normal_alone(impression: str) -> bool:
    said = [one for one in clauses(impression) if one.text.strip()]
    abnormal = any(next(one.asserted(_ABNORMAL), None) is not None for one in said)
    return not abnormal and any(_NORMAL.search(one.text) for one in said)


def _place(check: Check, section: Section, clause: Clause, one: re.Match[str], **detail: str) -> Doubt:
    return Doubt(
        check=check, section=section, begin=clause.begin + one.start(), end=clause.begin + one.end(),
        quoted=one.group(), detail=detail,
    )  # fmt: skip
