"""What a structured score is: typed inputs, and a pure function from them to a category with its words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Stated = Mapping[str, Any]


class InputKind(StrEnum):
    CHOICE = "choice"
    MANY = "many"
    NUMBER = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    value: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """`when`: asked only where another input has one of these values; an input that is not asked is not stated."""

    name: str
    zh: str
    en: str
    kind: InputKind
    options: tuple[Option, ...] = ()
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    required: bool = True
    when: Mapping[str, tuple[str, ...]] | None = None

    def is_asked(self, stated: Stated) -> bool:
        return self.when is None or all(stated.get(name) in values for name, values in self.when.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Rated:
    """What came out: `category` of the scheme, and its words for the impression and for what is to be done."""

    category: str
    text: str
    text_en: str
    advice: str
    advice_en: str
    points: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One published scheme. `rate` is asked with inputs that were checked; what of them contradicts raises Contradicts."""

    code: str
    version: str
    zh: str
    en: str
    source: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]
    inputs: tuple[Input, ...]
    rate: Callable[[Stated], Rated]


class Contradicts(ValueError):
    """An input that cannot be true beside the others; carries its name."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


def option(value: str, zh: str, en: str) -> Option:
    return Option(value=value, zh=zh, en=en)


def choice(name: str, zh: str, en: str, *options: Option, **more: Any) -> Input:
    return Input(name=name, zh=zh, en=en, kind=InputKind.CHOICE, options=options, **more)


def many(name: str, zh: str, en: str, *options: Option, **more: Any) -> Input:
    return Input(name=name, zh=zh, en=en, kind=InputKind.MANY, options=options, required=False, **more)


def millimetres(name: str, zh: str, en: str, *, high: float, **more: Any) -> Input:
    return Input(name=name, zh=zh, en=en, kind=InputKind.NUMBER, unit="mm", low=0.1, high=high, **more)


def first_below(value: float, table: tuple[tuple[float, str], ...]) -> str:
    """The word of the first row whose limit lies above the value."""
    return next(word for limit, word in table if value < limit)
