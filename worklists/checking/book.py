"""The rule book `checking` of a centre, read into values: which checks are on, their words, and preliminary reports."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

from sqlalchemy.orm import Session

from worklists.base import local_clock
from worklists.checking.values import Check, CriticalWord, Words
from worklists.checking.words import SHIPPED
from worklists.examinations import Priority
from worklists.rule_books import live_content

CHECKING = "checking"
# What harms when it is waved through is explained.
_REASONED = frozenset(
    {
        Check.LATERALITY_TEXTS,
        Check.LATERALITY_STUDY,
        Check.SEX,
        Check.CRITICAL,
        Check.UNCONCLUDED,
        Check.UNIT_MIX,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preliminary:
    """When one reader alone may sign what a reviewer makes final afterwards (急诊临时报告)."""

    allowed: bool = False
    begins: time = time(17, 30)
    ends: time = time(8, 0)  # earlier than it begins: of the next day
    priorities: frozenset[Priority] = frozenset()
    final: timedelta = timedelta(hours=16)

    def allows(self, priority: Priority, now: datetime) -> bool:
        return self.allowed and priority in self.priorities and self._is_open(time(*local_clock(now)))

    def _is_open(self, at: time) -> bool:
        if self.begins == self.ends:
            return True  # all day
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckingRules:
    """The book of one centre."""

    checked: frozenset[Check]
    reasoned: frozenset[Check]  # only with a reason are they waved through
    words: Words
    quick_reasons: tuple[str, ...]
    preliminary: Preliminary

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> "CheckingRules":
        checks = {Check(one["check"]): one for one in content["checks"]}
        stated = content["preliminary"]
        return cls(
            checked=frozenset(check for check, one in checks.items() if one["on"]),
            reasoned=frozenset(check for check, one in checks.items() if one["reason"]),
            words=_words(content),
            quick_reasons=tuple(content["quick_reasons"]),
            preliminary=Preliminary(
                allowed=stated["allowed"],
                begins=time.fromisoformat(stated["begins"]),
                ends=time.fromisoformat(stated["ends"]),
                priorities=frozenset(Priority(one) for one in stated["priorities"]),
                final=timedelta(minutes=stated["final_minutes"]),
            ),
        )


def rules_of(session: Session, centre_id: uuid.UUID | None) -> CheckingRules:
    """The centre's own, or what every centre begins with."""
    content = live_content(session, CHECKING, str(centre_id)) if centre_id is not None else None
    return CheckingRules.read(content) if content is not None else _DEFAULT


def default_checking() -> dict[str, Any]:
    """Every check, no word of the centre's own, and no preliminary report before somebody allows it."""
    return {
        "checks": [{"check": one.value, "on": True, "reason": one in _REASONED} for one in Check],
        "female_words": [],
        "male_words": [],
        "critical_words": [],
        "quick_reasons": ["已核对，无误", "与临床核实", "描述习惯，不影响诊断", "既往病变"],
        "preliminary": {
            "allowed": False,
            "begins": "17:30",
            "ends": "08:00",
            "priorities": [Priority.CHEST_PAIN.value, Priority.CRITICAL.value, Priority.URGENT.value],
            "final_minutes": 16 * 60,
        },
    }


def _words(content: Mapping[str, Any]) -> Words:
    own = tuple(
        CriticalWord(word=one["word"], modalities=frozenset(one["modalities"]))
        for one in content["critical_words"]
    )
    return Words(
        female=(*SHIPPED.female, *content["female_words"]),
        male=(*SHIPPED.male, *content["male_words"]),
        critical=(*SHIPPED.critical, *own),
    )


_DEFAULT = CheckingRules.read(default_checking())
