"""What is checked, and what comes out of it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Check(StrEnum):
    """The order is that of the list that a reader sees: what harms most stands first."""

    LATERALITY_TEXTS = "laterality_texts"  # findings say one side, the impression the other
    LATERALITY_STUDY = "laterality_study"  # the study is of one side, the text of the other
    SEX = "sex"  # an organ that this patient has not
    CRITICAL = "critical"  # something critical without the flag
    UNCONCLUDED = "unconcluded"  # something found, and an impression that says normal
    UNMENTIONED = "unmentioned"  # something found that the impression leaves out
    UNIT_MIX = "unit_mix"  # ten times as large in another place
    NUMBER = "number"  # a number that cannot be
    STALE = "stale"  # older than the newest image
    EMPTY = "empty"
    BLANK = "blank"  # a place of a template that nobody filled
    PUNCTUATION = "punctuation"


class Section(StrEnum):
    FINDINGS = "findings"
    IMPRESSION = "impression"
    REPORT = ""  # all of it


class Side(StrEnum):
    LEFT = "L"
    RIGHT = "R"
    BOTH = "B"

    @property
    def other(self) -> "Side":
        return {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT, Side.BOTH: Side.BOTH}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a report at the moment in which somebody wants to sign it."""

    findings: str
    impression: str
    today: date
    sex: str | None = None  # M, F, O
    modalities: frozenset[str] = frozenset()
    description: str = ""
    body_part: str = ""
    laterality: str = ""  # L or R where every series of the study says the same (PS3.3 C.7.3.1)
    critical: bool = False
    saved_at: datetime | None = None
    newest_at: datetime | None = None  # when the newest image came

    def sections(self) -> tuple[tuple[Section, str], ...]:
        return ((Section.FINDINGS, self.findings), (Section.IMPRESSION, self.impression))


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """One place that may be wrong. `begin` and `end` count characters of the section."""

    check: Check
    section: Section
    begin: int
    end: int
    quoted: str
    detail: Mapping[str, str] = field(default_factory=dict)
    nth: int = 0  # of those that read the same

    @property
    def key(self) -> str:
        """The same while the words of the place are, wherever they move to."""
        said = "\n".join((self.check, self.section, self.quoted, str(self.nth)))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticalWord:
    """A word that makes a report critical; without modalities, of any."""

    word: str
    modalities: frozenset[str] = frozenset()

    def fits(self, modalities: frozenset[str]) -> bool:
        return not self.modalities or bool(self.modalities & modalities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words that the rules go by; a centre adds to those that ship."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    critical: tuple[CriticalWord, ...]


Rule = Callable[[Facts, Words], Iterator[Doubt]]
