"""Rules of verification at work: each looks at one result and says what stops it, or nothing.

The rules are data (a rule book, checked by `rule_content`): one version is live and releases what it may; all else
waits for a person with the rule named.

    {"rules": [{"code": …, "enabled": true, "items": [], "sections": [], …}]}

`items` and `sections` empty: every item. A rule's own parameters stand at its check.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worklists.control import ControlState
from worklists.laboratory.dictionary import AnyItem
from worklists.laboratory.interpretation import goes_by_sex_or_age
from worklists.laboratory.recording import AnyResult
from worklists.laboratory.results import Abnormal, ResultStatus

CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One result before the rules, with all that counts of its examination beside it."""

    result: AnyResult
    beside: Mapping[str, AnyResult]  # the current results by item
    replaces_verified: bool
    repeated: bool  # its message has another value for the same item: which one counts is not said
    sex: str | None
    has_birth_date: bool


@dataclass(slots=True)
class Rules:
    """One set of rules, ready to be asked; which of them concern an item is looked for once."""

    version: int
    rules: Sequence[Mapping[str, Any]]
    _of_items: dict[str, list[tuple["Check", Mapping[str, Any]]]] = field(init=False, default_factory=dict)

    def stops(self, case: Case) -> list[dict[str, str]]:
        """Every rule that stops it, with what it saw."""
        found = []
        for check, rule in self._concerning(case.result.item):
            detail = check(case, rule)
            if detail is not None:
                found.append({"rule": rule["code"], "detail": detail})
        if case.result.control_state is ControlState.OUT_OF_CONTROL:
            out = stop_for_control(ControlState.OUT_OF_CONTROL)
            if out not in found:  # whatever the rules say: out of control is a person's to end
                found.append(out)
        return found

    def _concerning(self, item: AnyItem) -> list[tuple["Check", Mapping[str, Any]]]:
        found = self._of_items.get(item.code)
        if found is None:
            concerning = (one for one in self.rules if one.get("enabled", True) and _concerns(one, item))
            found = self._of_items[item.code] = [(CHECKS[one["code"]], one) for one in concerning]
        return found


def stop_for_control(state: ControlState) -> dict[str, str]:
    return {"rule": CONTROL, "detail": state.value}


def _concerns(rule: Mapping[str, Any], item: AnyItem) -> bool:
    items, sections = rule.get("items") or (), rule.get("sections") or ()
    if items and item.code not in items:
        return False
    if "of" in rule and item.code not in rule["of"]:
        return False
    return not sections or item.section.value in sections


def _beyond_range(case: Case, rule: Mapping[str, Any]) -> str | None:
    """`percent`: how far beyond the reference range is released all the same."""
    one, percent = case.result, float(rule.get("percent", 0)) / 100
    if one.abnormal is Abnormal.NONE:
        return _left_open(one)
    if one.number is not None:
        if one.range_low is not None and one.number < one.range_low:
            return (
                None
                if one.number >= one.range_low * (1 - percent) and percent
                else f"{one.value} < {one.range_low:g}"
            )
        if one.range_high is not None and one.number > one.range_high:
            return (
                None
                if one.number <= one.range_high * (1 + percent) and percent
                else f"{one.value} > {one.range_high:g}"
            )
    return one.value


def _left_open(one: AnyResult) -> str | None:
    """A value that is only known to be less, or more, than one within the range: it may be beyond it all the same."""
    if one.number is None or not one.comparator:
        return None
    if one.comparator.startswith("<") and one.range_low is not None and 0 < one.range_low <= one.number:
        return f"{one.value} ? {one.range_low:g}"
    if one.comparator.startswith(">") and one.range_high is not None and one.number <= one.range_high:
        return f"{one.value} ? {one.range_high:g}"
    return None


def _critical(case: Case, _rule: Mapping[str, Any]) -> str | None:
    return case.result.value if case.result.critical else None


def _delta(case: Case, _rule: Mapping[str, Any]) -> str | None:
    delta = case.result.delta
    if delta is None or not delta["exceeded"]:
        return None
    return f"{delta['value']} → {case.result.value}"


def _control(case: Case, rule: Mapping[str, Any]) -> str | None:
    """`missing`: control material that is due and was not run stops too (true unless said otherwise)."""
    state = case.result.control_state
    stops = state is ControlState.OUT_OF_CONTROL or (
        state is ControlState.MISSING and rule.get("missing", True)
    )
    return state.value if stops else None


def _instrument_flag(case: Case, _rule: Mapping[str, Any]) -> str | None:
    return ", ".join(case.result.instrument_flags) or None


def _status(case: Case, _rule: Mapping[str, Any]) -> str | None:
    """Preliminary, corrected and withdrawn results, what takes the place of a verified one, and one of several values
    in one message are for a person."""
    if case.result.status is not ResultStatus.FINAL:
        return case.result.status.value
    if case.repeated:
        return "repeated"
    return "replaces_verified" if case.replaces_verified else None


def _age_sex_unknown(case: Case, _rule: Mapping[str, Any]) -> str | None:
    if (case.sex in {"M", "F"} and case.has_birth_date) or not goes_by_sex_or_age(case.result.item):
        return None
    return "age" if not case.has_birth_date else "sex"


def _first_result(case: Case, _rule: Mapping[str, Any]) -> str | None:
    """An abnormal first result has nothing to be compared with."""
    return "first" if case.result.delta is None and case.result.abnormal is not Abnormal.NONE else None


def _manual(_case: Case, _rule: Mapping[str, Any]) -> str | None:
    return "manual"


def _consistency(case: Case, rule: Mapping[str, Any]) -> str | None:
    """`check` over `of` (items, all of which must have numbers):

    "sum" is `equals` ± `tolerance`; "parts": the first is the sum of the others ± `tolerance_percent`; "at_least": the
    first is not less than the second; "product" of the first two times `factor` is the third ± `tolerance_percent`.
    """
    of = list(rule["of"])
    numbers = [case.beside[code].number for code in of if code in case.beside]
    if len(numbers) != len(of) or any(n is None for n in numbers):
        return None
    values = [float(n) for n in numbers if n is not None]
    if rule["check"] == "sum":
        total = sum(values)
        return None if abs(total - float(rule["equals"])) <= float(rule["tolerance"]) else f"Σ = {total:g}"
    if rule["check"] == "at_least":
        return None if values[0] >= values[1] else f"{of[0]} {values[0]:g} < {of[1]} {values[1]:g}"
    if rule["check"] == "parts":
        return _differs(rule, of[0], values[0], sum(values[1:]))
    return _differs(rule, of[2], values[2], values[0] * values[1] * float(rule.get("factor", 1)))


def _differs(rule: Mapping[str, Any], code: str, value: float, expected: float) -> str | None:
    off = abs(value - expected) / abs(expected) * 100 if expected else (0.0 if not value else 100.0)
    return None if off <= float(rule["tolerance_percent"]) else f"{code} {value:g} ≠ {expected:.4g}"


Check = Callable[[Case, Mapping[str, Any]], str | None]

CHECKS: Mapping[str, Check] = {
    "range": _beyond_range,
    "critical": _critical,
    "delta": _delta,
    "control": _control,
    "instrument_flag": _instrument_flag,
    "status": _status,
    "age_sex_unknown": _age_sex_unknown,
    "first_result": _first_result,
    "manual_item": _manual,
    "consistency": _consistency,
}
