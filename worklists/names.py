"""How people are called: DICOM person names, Chinese surnames and their pinyin (PS3.5 §6.2.1).

A surname is often read otherwise than the same character in a word: 仇 is Qiu, not Chou.
"""

import re
import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

# Only those whose usual reading is another one.
_SURNAMES = {
    "仇": "qiu", "单": "shan", "單": "shan", "曾": "zeng", "解": "xie", "查": "zha", "区": "ou", "區": "ou",
    "朴": "piao", "盖": "ge", "蓋": "ge", "翟": "zhai", "员": "yun", "員": "yun", "覃": "qin", "缪": "miao",
    "繆": "miao", "种": "chong", "秘": "bi", "折": "she", "黑": "he", "召": "shao", "祭": "zhai",
    "句": "gou", "能": "nai", "繁": "po", "尉": "wei", "洗": "xian", "冼": "xian", "乜": "nie", "卜": "bu",
    "柏": "bai", "薄": "bo", "车": "che", "車": "che", "都": "du", "哈": "ha", "会": "gui", "會": "gui",
    "纪": "ji", "角": "jue", "么": "yao", "宓": "mi", "牟": "mu", "那": "na", "宁": "ning", "任": "ren",
    "石": "shi", "瞿": "qu", "燕": "yan", "应": "ying", "乐": "yue", "訾": "zi", "眭": "sui", "隗": "wei",
    "郗": "xi", "谌": "chen", "贲": "ben", "万": "wan", "尹": "yin", "幺": "yao", "撒": "sa", "占": "zhan",
    "重": "chong", "炅": "gui", "筰": "zuo", "适": "kuo", "臧": "zang", "镡": "tan", "褚": "chu",
}  # fmt: skip
_DOUBLE_SURNAMES = {
    "尉迟": ("yu", "chi"), "尉遲": ("yu", "chi"), "万俟": ("mo", "qi"), "单于": ("chan", "yu"),
    "澹台": ("tan", "tai"), "长孙": ("zhang", "sun"), "長孫": ("zhang", "sun"), "令狐": ("ling", "hu"),
    "夏侯": ("xia", "hou"), "皇甫": ("huang", "fu"), "公冶": ("gong", "ye"), "宗政": ("zong", "zheng"),
}  # fmt: skip

# How a child is entered who has no name yet: 王芳之子, 王芳之大女, 王芳双A.
_NEWBORN = re.compile(
    r".+之(?:长|大|次|小|双|[一二三])?(?:子|女|婴|儿)[甲乙一二三A-Ca-c1-3]?|.+(?:婴|婴儿|新生儿|双)[甲乙一二三A-Ca-c1-3]?"
)


class NameAgreement(StrEnum):
    """How two names stand to each other."""

    SAME = "same"  # the same characters, or the same letters where neither has characters
    ALIKE = "alike"  # the letters can be a reading of the characters
    DIFFERENT = "different"
    UNKNOWN = "unknown"  # one of them is empty


def compare_names(one: str, other: str) -> NameAgreement:
    """Characters weigh more than their sound: many people share a reading."""
    one_han, one_latin = _written(one)
    other_han, other_latin = _written(other)
    if not (one_han or one_latin) or not (other_han or other_latin):
        return NameAgreement.UNKNOWN
    if one_han and other_han:
        return NameAgreement.SAME if one_han & other_han else NameAgreement.DIFFERENT
    if one_han or other_han:
        alike = bool(one_latin & other_latin) or _sounds_like(
            one_han | other_han, one_latin if other_han else other_latin
        )
        return NameAgreement.ALIKE if alike else NameAgreement.DIFFERENT
    return NameAgreement.SAME if one_latin & other_latin else NameAgreement.DIFFERENT


def is_unnamed_newborn(name: str) -> bool:
    """The name says whose child it is, and not yet what it is called."""
    return _NEWBORN.fullmatch(display_name(name)) is not None


def display_name(name: str) -> str:
    """The name as people write it: ideographic when there is one, the alphabetic otherwise."""
    groups = name.split("=")
    ideographic = groups[1].strip("^ ") if len(groups) > 1 else ""
    if ideographic:
        return ideographic.replace("^", "")
    alphabetic = groups[0].strip("^ ")
    return alphabetic.replace("^", "") if has_han(alphabetic) else alphabetic.replace("^", " ")


def masked_name(name: str) -> str:
    """The family name and two stars: enough to recognise one's own report, too little to learn whose it is."""
    shown = display_name(name)
    if not has_han(shown):
        return f"{shown.split(' ')[0][:1]}**"
    return f"{shown[:2] if shown[:2] in _DOUBLE_SURNAMES and len(shown) > 2 else shown[:1]}**"


def pinyin_of(name: str) -> tuple[str, ...]:
    """The syllables of a Chinese name, its surname read as a surname; nothing for other scripts."""
    if not has_han(name):
        return ()
    family = _DOUBLE_SURNAMES.get(name[:2]) or ((_SURNAMES[name[0]],) if name[0] in _SURNAMES else ())
    from pypinyin import lazy_pinyin  # noqa: PLC0415 (its tables are 55 MB: most processes never read a name aloud)

    return (*family, *lazy_pinyin(name[len(family) :], errors="ignore"))


def names_contradict(known: str, claimed: str) -> bool:
    """Whether two names cannot be one person's. Nothing contradicts nothing."""
    return compare_names(known, claimed) is NameAgreement.DIFFERENT


def has_han(text: str) -> bool:
    return any("\u3400" <= character <= "\u9fff" or character >= "\U00020000" for character in text)


@lru_cache(maxsize=1 << 14)  # the index compares one patient's name with those of everybody of one birth date
def _written(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """The ways one name is written, folded: in characters, and in letters (family or given name first)."""
    han, letters = set(), set()
    for group in unicodedata.normalize("NFKC", name).casefold().split("="):
        words = ["".join(c for c in word if c.isalnum()) for word in group.replace("^", " ").split()]
        words = [word for word in words if word]
        if words and has_han("".join(words)):
            han.add("".join(words))
        elif words:
            letters |= {"".join(words[i:] + words[:i]) for i in range(len(words))}
    return frozenset(han), frozenset(letters)


def _sounds_like(written: Iterable[str], spelled: Iterable[str]) -> bool:
    return any(_reads_as(han, letters) for han in written for letters in spelled)


def _reads_as(han: str, letters: str) -> bool:
    """Whether the letters are some reading of the characters: devices and clerks read them in many ways."""
    ends = {0}
    for character in han:
        ends = {end + len(r) for end in ends for r in _readings(character) if letters.startswith(r, end)}
    return len(letters) in ends


def _readings(character: str) -> set[str]:
    from pypinyin import Style, pinyin  # noqa: PLC0415 (see above)

    found = set(pinyin(character, style=Style.NORMAL, heteronym=True)[0])
    if character in _SURNAMES:
        found.add(_SURNAMES[character])
    # ü is typed v, written u or yu in capitals (吕: LV, LU, LYU)
    return found | {reading.replace("v", other) for reading in found for other in ("u", "yu")}
