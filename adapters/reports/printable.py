"""Texts as a report can print them: what no font shows is replaced by a visible mark and listed.

Line ends of every kind become one kind, a tab becomes spaces, a space that no font has becomes a plain one.
What is invisible by nature (zero-width spaces and joiners, variation selectors) is left out: the page looks the
same. Everything else that cannot be shown is marked, control and direction characters too: nothing vanishes from
what is signed.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from adapters.reports.fonts import MISSING, NUMBERS, Fonts

LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")  # Unicode UAX #14, class BK, CR, NL
INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff\ufe00-\ufe0f\U000e0100-\U000e01ef]")
TAB = " " * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """One character that no font has: what stands for it on the page, and its code point, as U+1F600."""

    mark: str
    code_point: str


def make_printable(tree: Any, fonts: Fonts) -> tuple[Any, tuple[Replacement, ...]]:
    """The same tree with every text made printable; and what was replaced, in order of appearance."""
    tree = _map_texts(tree, _normalize)
    missing = fonts.missing(_texts(tree))
    spaces = {character: " " for character in missing if unicodedata.category(character) == "Zs"}
    marks = _marks([character for character in missing if character not in spaces])
    table = str.maketrans({**spaces, **marks})
    replaced = tuple(
        Replacement(mark=mark, code_point=_code_point(character)) for character, mark in marks.items()
    )
    return _map_texts(tree, lambda text: text.translate(table)), replaced


def _normalize(text: str) -> str:
    return INVISIBLE.sub("", LINE_ENDS.sub("\n", text)).replace("\t", TAB)


def _marks(missing: list[str]) -> dict[str, str]:
    """One missing character is 〓; several are numbered, so that each can be told from the others."""
    if len(missing) == 1:
        return {missing[0]: MISSING}
    numbered = {character: MISSING + number for character, number in zip(missing, NUMBERS, strict=False)}
    rest = {character: f"{MISSING}({_code_point(character)})" for character in missing[len(NUMBERS) :]}
    return numbered | rest


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"


def _texts(tree: Any) -> Iterator[str]:
    match tree:
        case str():
            yield tree
        case dict():
            for value in tree.values():
                yield from _texts(value)
        case list() | tuple():
            for value in tree:
                yield from _texts(value)


def _map_texts(tree: Any, change: Callable[[str], str]) -> Any:
    match tree:
        case str():
            return change(tree)
        case dict():
            return {key: _map_texts(value, change) for key, value in tree.items()}
        case list() | tuple():
            return [_map_texts(value, change) for value in tree]
        case _:
            return tree
