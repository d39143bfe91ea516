"""The content of a set of rules: checked field by field before it is kept.

A check answers where → why: `rules.3.tolerance` for the fourth rule; why is a word that the edges have a sentence for.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from worklists.laboratory.dictionary import Section
from worklists.laboratory.rules import CHECKS

Content = dict[str, Any]
Reasons = dict[str, str]

VERIFICATION = "verification"  # the rule book, of the whole county
MOST_RULES = 200
LONGEST_NAME = 60
_BIGGEST = 1e9
_COMMON = frozenset({"code", "enabled", "items", "sections", "name"})
_OWN: Mapping[str, frozenset[str]] = {"range": frozenset({"percent"}), "control": frozenset({"missing"})}
# check → fewest and most items, and the numbers that it needs
_CONSISTENCY: Mapping[str, tuple[int, int, tuple[str, ...]]] = {
    "sum": (2, 20, ("equals", "tolerance")),
    "parts": (3, 20, ("tolerance_percent",)),
    "at_least": (2, 2, ()),
    "product": (3, 3, ("factor", "tolerance_percent")),
}


def check_rules(stated: Mapping[str, Any], known_items: Collection[str]) -> tuple[Content, Reasons]:
    """The content as it is kept, and what of it cannot be used."""
    reasons: Reasons = {name: "unknown" for name in stated if name != "rules"}
    rules = stated.get("rules")
    if not isinstance(rules, list) or not rules:
        return {"rules": []}, {**reasons, "rules": "required"}
    if len(rules) > MOST_RULES:
        return {"rules": []}, {**reasons, "rules": "too_long"}
    kept = []
    for place, rule in enumerate(rules):
        checking = _Checking(known_items=known_items, where=f"rules.{place}")
        kept.append(checking.rule(rule))
        reasons |= checking.reasons
    return {"rules": kept}, reasons


@dataclass(slots=True, kw_only=True)
class _Checking:
    """One rule on its way."""

    known_items: Collection[str]
    where: str
    reasons: Reasons = field(default_factory=dict)

    def rule(self, stated: Any) -> Content:
        if not isinstance(stated, Mapping):
            self._refuse("", "unusable")
            return {}
        code = stated.get("code")
        if not isinstance(code, str) or code not in CHECKS:
            self._refuse("code", "unknown" if code else "required")
            return {}
        kept: Content = {
            "code": code,
            "enabled": self._truth(stated, "enabled", usual=True),
            "items": self._codes(stated, "items", self.known_items),
            "sections": self._codes(stated, "sections", {one.value for one in Section}),
        }
        name = stated.get("name", "")
        if not isinstance(name, str) or len(name) > LONGEST_NAME:
            self._refuse("name", "too_long" if isinstance(name, str) else "unusable")
        elif name.strip():
            kept["name"] = name.strip()
        allowed = _COMMON | _OWN.get(code, frozenset())
        if code == "range":
            kept["percent"] = self._number(stated, "percent", usual=0.0, most=100.0)
        elif code == "control":
            kept["missing"] = self._truth(stated, "missing", usual=True)
        elif code == "manual_item" and not (kept["items"] or kept["sections"]) and kept["enabled"]:
            self._refuse("items", "required")  # else nothing would ever be released
        elif code == "consistency":
            kept |= self._consistency(stated)
            allowed |= {"check", "of", *_CONSISTENCY.get(kept["check"], (0, 0, ()))[2]}
        for unknown in stated.keys() - allowed:
            self._refuse(unknown, "unknown")
        return kept

    def _consistency(self, stated: Mapping[str, Any]) -> Content:
        check = stated.get("check")
        if not isinstance(check, str) or check not in _CONSISTENCY:
            self._refuse("check", "unknown" if check else "required")
            return {"check": ""}
        fewest, most, numbers = _CONSISTENCY[check]
        of = self._codes(stated, "of", self.known_items)
        if not fewest <= len(of) <= most or len(set(of)) != len(of):
            self.reasons.setdefault(f"{self.where}.of", "unusable" if of else "required")
        least = {"factor": 1e-9}
        return {
            "check": check,
            "of": of,
            **{name: self._number(stated, name, least=least.get(name, 0.0)) for name in numbers},
        }

    def _codes(self, stated: Mapping[str, Any], name: str, known: Collection[str]) -> list[str]:
        codes = stated.get(name, [])
        if not isinstance(codes, list) or not all(isinstance(one, str) for one in codes):
            self._refuse(name, "unusable")
            return []
        if any(one not in known for one in codes):
            self._refuse(name, "unknown")
        return list(codes)

    def _truth(self, stated: Mapping[str, Any], name: str, *, usual: bool) -> bool:
        value = stated.get(name, usual)
        if not isinstance(value, bool):
            self._refuse(name, "unusable")
            return usual
        return value

    def _number(
        self,
        stated: Mapping[str, Any],
        name: str,
        *,
        usual: float | None = None,
        least: float = 0.0,
        most: float = _BIGGEST,
    ) -> float:
        value = stated.get(name, usual)
        if value is None:
            self._refuse(name, "required")
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._refuse(name, "unusable")
            return 0.0
        if not least <= value <= most:
            self._refuse(name, "unusable")
        return float(value)

    def _refuse(self, name: str, why: str) -> None:
        self.reasons[f"{self.where}.{name}" if name else self.where] = why
