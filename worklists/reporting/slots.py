"""Slots in a text: `{直径}` is to be filled by the reader, `{{` and `}}` are braces themselves."""

import re
from enum import StrEnum
from typing import Final

SIDES: Final = ("左侧", "右侧", "双侧")
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


def has_stray_brace(text: str) -> bool:
    return any(found[2] for found in _PIECE.finditer(text))
