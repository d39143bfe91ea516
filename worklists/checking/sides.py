"""Left and right: findings against the impression, and the text against the study."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from worklists.checking.texts import Clause, any_of, sentences
from worklists.checking.values import Check, Doubt, Facts, Section, Side, Words
from worklists.checking.words import ABNORMAL, ORGANS

_SIDES: Mapping[str, Side] = {
    "左": Side.LEFT, "右": Side.RIGHT, "双": Side.BOTH, "两": Side.BOTH, "左右": Side.BOTH, "双侧": Side.BOTH,
}  # fmt: skip
_GROUP = {word: group for group, words in ORGANS for word in words}
_ORGAN = "|".join(sorted(_GROUP, key=len, reverse=True))
# 左侧第3肋骨, 左侧第 3 肋, 左侧第三肋, 右上肺, 左侧基底节区, 双肺; not 左心, 右侧卧位, 左前斜位.
_SIDED = re.compile(
    rf"(左右|左|右|双|两)(?:侧)?\s?(?:第?\s?[0-9一二三四五六七八九十、\-~～]{{1,6}}\s?(?:前|后|腋)?|[上中下内外前后远近]{{1,2}}|肢)?({_ORGAN})"
)
# 甲状腺左叶, 肺右上叶: the organ stands before its side.
_BEHIND = re.compile(r"(甲状腺|乳腺|睾丸)(左|右|双)(?:侧)?叶?")
_ABNORMAL = any_of(ABNORMAL)
_COMPARED = re.compile(r"对比|比较|对照|健侧|相仿|较")
_PAIRED = re.compile(
    r"KNEE|HIP|ANKLE|FOOT|HAND|WRIST|ELBOW|SHOULDER|BREAST|FEMUR|TIBIA|FIBULA|HUMERUS|RADIUS|ULNA|FOREARM|CLAVICLE|"
    r"SCAPULA|EXTREMITY|FINGER|THUMB|TOE|LEG|ARM|CALCANEUS|PATELLA"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """An organ of a side, at a place of its section."""

    group: str
    side: Side
    begin: int
    end: int
    text: str
    abnormal: bool
    compared: bool


def check_texts(facts: Facts, _words: Words) -> Iterator[Doubt]:
    """An organ that is abnormal on one side alone in the findings, and on the other alone in the impression."""
    found = [one for one in mentions(facts.findings) if one.abnormal]
    concluded = [one for one in mentions(facts.impression) if one.abnormal]
    for group in dict.fromkeys(one.group for one in concluded):
        said = {one.side for one in found if one.group == group}
        for one in concluded:
            contradicts = one.group == group and one.side is not Side.BOTH and said == {one.side.other}
            if contradicts and not one.compared:
                elsewhere = next(other for other in found if other.group == group)
                yield _doubt(Check.LATERALITY_TEXTS, Section.IMPRESSION, one, elsewhere=elsewhere.text)


def check_study(facts: Facts, _words: Words) -> Iterator[Doubt]:
    """The study is of one side; the text names the other, and its own side nowhere."""
    side = side_of(facts)
    if side is None:
        return
    for section, text in facts.sections():
        named = [one for one in mentions(text) if not one.compared]
        if named and all(one.side is side.other for one in named):
            yield _doubt(
                Check.LATERALITY_STUDY,
                section,
                named[0],
                study=facts.description or facts.body_part,
                side=side,
            )


def side_of(facts: Facts) -> Side | None:
    """Of which side the study is: as it is called, else as its series say where there are two of the part."""
    named = {one.side for one in mentions(facts.description)}
    if named:
        [*sides] = named
        return sides[0] if len(sides) == 1 and sides[0] is not Side.BOTH else None
    if facts.laterality in {Side.LEFT, Side.RIGHT} and _PAIRED.search(facts.body_part.upper()):
        return Side(facts.laterality)
    return None


def mentions(text: str) -> list[Mention]:
    return [one for sentence in sentences(text) for one in _of_sentence(sentence)]


def _of_sentence(sentence: Sequence[Clause]) -> Iterator[Mention]:
    carried: list[Mention] = []
    for clause in sentence:
        abnormal = next(clause.asserted(_ABNORMAL), None) is not None
        here = [_mention(clause, one, abnormal) for one in _matches(clause.text)]
        yield from here
        if here:
            carried = here
        elif abnormal:  # 右肺下野，可见斑片影: what is abnormal is of the side named last
            yield from (_again(one) for one in carried[-1:] if not one.abnormal)
            carried = []


def _again(one: Mention) -> Mention:
    return Mention(one.group, one.side, one.begin, one.end, one.text, True, one.compared)


def _matches(text: str) -> list[tuple[str, str, int, int]]:
    """Side, organ, begin, end."""
    ahead = [(one[1], one[2], one.start(), one.end()) for one in _SIDED.finditer(text)]
    behind = [(one[2], one[1], one.start(), one.end()) for one in _BEHIND.finditer(text)]
    return sorted(ahead + behind, key=lambda one: one[2])


def _mention(clause: Clause, found: tuple[str, str, int, int], abnormal: bool) -> Mention:
    side, organ, begin, end = found
    return Mention(
        _GROUP[organ], _SIDES[side], clause.begin + begin, clause.begin + end, clause.text[begin:end], abnormal,
        _COMPARED.search(clause.text) is not None,
    )  # fmt: skip


def _doubt(check: Check, section: Section, one: Mention, **detail: str) -> Doubt:
    return Doubt(check=check, section=section, begin=one.begin, end=one.end, quoted=one.text, detail=detail)
