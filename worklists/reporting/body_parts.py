"""Parts of the body by the words that devices and people use: BodyPartExamined (PS3.16 Annex L), Chinese, English.

`read_as`: a report on the other part is one on this (a knee is an extremity). `within`: this part lies in the other one,
whose report is not enough.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class BodyPart:
    code: str
    zh: str
    en: str
    words: tuple[str, ...] = ()
    within: str = ""
    read_as: str = ""


@cache
def body_parts() -> Mapping[str, BodyPart]:
    stated = json.loads((files(__package__) / "data" / "body_parts.json").read_text(encoding="utf-8"))
    return {
        code: BodyPart(code=code, **{**row, "words": tuple(row["words"])}) for code, row in stated.items()
    }


def find_parts(body_part: str, description: str) -> frozenset[str]:
    """What is examined: by the code of the device and by words, each time the narrower of two that lie in each other."""
    code = body_part.strip().upper()
    found = {code} if code in body_parts() else parts_in(body_part)
    found |= parts_in(description)
    return frozenset(found - {one for part in found for one in around(part)})


def parts_in(text: str) -> set[str]:
    """Parts that the words of a text name; a word that is taken says nothing else (胸椎 is no 胸)."""
    return {_by_word()[found[0].lower()] for found in _words().finditer(text)}


def around(code: str) -> Iterable[str]:
    """The parts in which this one lies, from the inside out."""
    part = body_parts().get(code)
    while part is not None and (outer := part.read_as or part.within):
        yield outer
        part = body_parts().get(outer)


def also_read_as(code: str) -> frozenset[str]:
    """The part, and those on which a report says what one on this part would."""
    part = body_parts().get(code)
    return frozenset({code, part.read_as} - {""}) if part is not None else frozenset({code})


@cache
def _by_word() -> Mapping[str, str]:
    return {word.lower(): code for code, part in body_parts().items() for word in part.words}


@cache
def _words() -> re.Pattern[str]:
    """The longest first; Latin ones only whole."""
    ordered = sorted(_by_word(), key=len, reverse=True)
    return re.compile(
        "|".join(
            rf"(?<![a-z]){re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word)
            for word in ordered
        ),
        re.IGNORECASE,
    )
