"""Slots in a text: `{直径}` is to be filled by the reader, `{{` and `}}` are braces themselves."""

import re
from enum import StrEnum
from functools import lru_cache
from typing import Final

SIDES: Final = ("左侧", "右侧", "双侧")
_SLOT = re.compile(r"(?<!\{)\{[^{}]*\}(?!\})")
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|([{}])")


class SlotType(StrEnum):
    CHOICE = "choice"
    MANY = "many"
    NUMBER = "number"
    TEXT = "text"
    SIDE = "side"
    DATE = "date"


def slots_in(text: str) -> list[str]:
    """Names in the order of the text, each once."""
    return list(dict.fromkeys(found[1].strip() for found in _PIECE.finditer(text) if found[1] is not None))


def says(text: str, template: str) -> bool:
    """Whether a text is the template with its slots filled; blanks and the full stop at the end do not matter."""
    return bool(_filled(_plain(template)).fullmatch(_plain(text)))


@lru_cache(maxsize=1024)
def _filled(template: str) -> re.Pattern[str]:
    """Each slot by something that ends no sentence."""
    said = _SLOT.split(template)
    return re.compile("[^。；]+".join(re.escape(one.replace("{{", "{").replace("}}", "}")) for one in said))


def _plain(text: str) -> str:
    return "".join(text.split()).rstrip("。.")


def has_stray_brace(text: str) -> bool:
    return any(found[2] for found in _PIECE.finditer(text))
