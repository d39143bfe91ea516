"""Releasing: what the live rules let through at once; for all else, which rule stopped it.

A result that no rule stops is verified automatically. Without live rules nothing is. The rules are data
(`verification.VerificationRules.content`):

    {"rules": [{"code": …, "enabled": true, "items": [], "sections": [], …}]}

`items` and `sections` empty: every item. A rule's own parameters stand at its check.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists import critical
from worklists.directory import Kind
from worklists.examinations import Examination
from worklists.laboratory.interpretation import goes_by_sex_or_age
from worklists.laboratory.results import (
    Abnormal,
    ControlState,
    LabResult,
    ResultStatus,
    Verification,
)
from worklists.laboratory.verification import RuleSetState, VerificationRules
from worklists.laboratory.westgard import control_state
from worklists.patients import Patient

NO_RULES = "no_rules"
RELEASED = (Verification.AUTOMATIC, Verification.VERIFIED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One result before the rules, with all that counts of its examination beside it."""

    result: LabResult
    beside: Mapping[str, LabResult]  # the current results by item
    replaces_verified: bool
    sex: str | None
    has_birth_date: bool


@dataclass(slots=True)
class Rules:
    """One set of rules, ready to be asked."""

    version: int
    rules: Sequence[Mapping[str, Any]]

    def stops(self, case: Case) -> list[dict[str, str]]:
        """Every rule that stops it, with what it saw."""
        found = []
        for rule in self.rules:
            if not rule.get("enabled", True) or not _concerns(rule, case.result):
                continue
            detail = CHECKS[rule["code"]](case, rule)
            if detail is not None:
                found.append({"rule": rule["code"], "detail": detail})
        return found


def live_rules(session: Session) -> Rules | None:
    row = session.scalars(
        select(VerificationRules).where(VerificationRules.state == RuleSetState.LIVE)
    ).one_or_none()
    return Rules(row.version, row.content["rules"]) if row is not None else None


@dataclass(slots=True, kw_only=True)
class Releaser:
    """The rules at work on many examinations; asks the database once for what does not change between them."""

    session: Session
    now: datetime
    rules: Rules | None = field(init=False)
    _control: dict[tuple[uuid.UUID, str, datetime], ControlState] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules = live_rules(self.session)

    def release(
        self, examination: Examination, results: Sequence[LabResult], added: Sequence[LabResult]
    ) -> None:
        """Judge what was recorded just now. A critical value opens its event at once, released or not."""
        current = {one.item_code: one for one in results if one.current}
        patient = examination.patient
        self._compare(patient, [one for one in added if one.current])
        for one in added:
            if not one.current:
                one.stops = [{"rule": "not_current", "detail": ""}]
                continue
            one.control_state = self._control_state(one)
            self._judge(one, current, results, patient)
            note_critical(self.session, examination, one, now=self.now)

    def judge_again(self, examination: Examination, results: Sequence[LabResult]) -> None:
        """What still waits is asked anew, after the control material or the rules changed."""
        current = {one.item_code: one for one in results if one.current}
        for one in current.values():
            if one.verification is Verification.WAITING:
                one.control_state = self._control_state(one)
                self._judge(one, current, results, examination.patient)

    def _judge(
        self, one: LabResult, current: Mapping[str, LabResult], results: Sequence[LabResult], patient: Patient
    ) -> None:
        if self.rules is None:
            one.stops = [{"rule": NO_RULES, "detail": ""}]
            return
        earlier = (other for other in results if other.item_code == one.item_code and other is not one)
        case = Case(
            result=one,
            beside=current,
            replaces_verified=any(other.verification in RELEASED for other in earlier),
            sex=patient.sex,
            has_birth_date=patient.birth_date is not None,
        )
        one.stops, one.rules_version = self.rules.stops(case), self.rules.version
        if not one.stops:
            one.verification, one.verified_at = Verification.AUTOMATIC, self.now

    def _control_state(self, one: LabResult) -> ControlState:
        if one.device_id is None:
            return ControlState.NOT_REQUIRED
        key = (one.device_id, one.item_code, one.observed_at)
        if key not in self._control:
            self._control[key] = control_state(self.session, *key)
        return self._control[key]

    def _compare(self, patient: Patient, added: Sequence[LabResult]) -> None:
        """Set each beside the last released result of the same person."""
        last = last_results(
            self.session, patient, {one.item_code for one in added}, but={one.examination_id for one in added}
        )
        for one in added:
            before = next((b for b in last.get(one.item_code, ()) if b.observed_at < one.observed_at), None)
            one.delta = delta_of(one, before) if before is not None else None


def last_results(
    session: Session, patient: Patient, items: set[str], *, but: set[uuid.UUID]
) -> dict[str, list[LabResult]]:
    """Released results of the same person, the newest first, without these examinations."""
    rows = session.scalars(
        select(LabResult)
        .join(Patient, Patient.id == LabResult.patient_id)
        .where(Patient.master_id == patient.master_id, LabResult.item_code.in_(items))
        .where(LabResult.current, LabResult.verification.in_(RELEASED))
        .where(LabResult.examination_id.not_in(but), LabResult.number.is_not(None))
        .order_by(LabResult.observed_at.desc())
        .limit(20 * max(len(items), 1))
    )
    found: dict[str, list[LabResult]] = {}
    for row in rows:
        found.setdefault(row.item_code, []).append(row)
    return found


def delta_of(one: LabResult, before: LabResult) -> dict[str, Any] | None:
    """How far it is from the last one, and whether that is too far for the item (delta check)."""
    if one.number is None or before.number is None:
        return None
    difference = one.number - before.number
    percent = 100 * difference / abs(before.number) if before.number else None
    item = one.item
    within = item.delta_days is None or one.observed_at - before.observed_at <= timedelta(
        days=item.delta_days
    )
    too_far = (item.delta_absolute is not None and abs(difference) > item.delta_absolute) or (
        item.delta_percent is not None and percent is not None and abs(percent) > item.delta_percent
    )
    return {
        "value": before.value,
        "number": before.number,
        "observed_at": before.observed_at.isoformat(),
        "percent": round(percent, 1) if percent is not None else None,
        "exceeded": bool(within and too_far),
    }


def note_critical(session: Session, examination: Examination, result: LabResult, *, now: datetime) -> None:
    """A critical value opens an event; a correction of one withdraws what was found in the value it replaces."""
    if result.critical:
        found = {
            "item_code": result.item_code,
            "name": result.item.name,
            "value": result.value,
            "unit": result.unit,
            "abnormal": result.abnormal.value,
            "observed_at": result.observed_at.isoformat(),
        }
        critical.open_event(
            session, examination, kind=Kind.LABORATORY, source_id=result.id, found=found, now=now
        )
    elif result.status in {ResultStatus.CORRECTED, ResultStatus.DELETED, ResultStatus.CANCELLED}:
        replaced = select(LabResult.id).where(
            LabResult.examination_id == examination.id,
            LabResult.item_code == result.item_code,
            LabResult.run == result.run,
            LabResult.id != result.id,
        )
        critical.withdraw(session, list(session.scalars(replaced)))


def _concerns(rule: Mapping[str, Any], result: LabResult) -> bool:
    items, sections = rule.get("items") or (), rule.get("sections") or ()
    if items and result.item_code not in items:
        return False
    return not sections or result.item.section.value in sections


def _beyond_range(case: Case, rule: Mapping[str, Any]) -> str | None:
    """`percent`: how far beyond the reference range is released all the same."""
    one, percent = case.result, float(rule.get("percent", 0)) / 100
    if one.abnormal is Abnormal.NONE:
        return None
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
    stops = {ControlState.OUT_OF_CONTROL} | ({ControlState.MISSING} if rule.get("missing", True) else set())
    return state.value if state in stops else None


def _instrument_flag(case: Case, _rule: Mapping[str, Any]) -> str | None:
    return ", ".join(case.result.instrument_flags) or None


def _status(case: Case, _rule: Mapping[str, Any]) -> str | None:
    """Preliminary, corrected and withdrawn results, and what takes the place of a verified one, are for a person."""
    if case.result.status is not ResultStatus.FINAL:
        return case.result.status.value
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

    "sum" is `equals` ± `tolerance`; "at_least": the first is not less than the second; "product" of the first two times
    `factor` is the third ± `tolerance_percent`.
    """
    of = list(rule["of"])
    numbers = [case.beside[code].number for code in of if code in case.beside]
    if case.result.item_code not in of or len(numbers) != len(of) or any(n is None for n in numbers):
        return None
    values = [float(n) for n in numbers if n is not None]
    if rule["check"] == "sum":
        total = sum(values)
        return None if abs(total - float(rule["equals"])) <= float(rule["tolerance"]) else f"Σ = {total:g}"
    if rule["check"] == "at_least":
        return None if values[0] >= values[1] else f"{of[0]} {values[0]:g} < {of[1]} {values[1]:g}"
    expected = values[0] * values[1] * float(rule.get("factor", 1))
    off = abs(values[2] - expected) / expected * 100 if expected else 0.0
    return None if off <= float(rule["tolerance_percent"]) else f"{of[2]} {values[2]:g} ≠ {expected:g}"


CHECKS: Mapping[str, Callable[[Case, Mapping[str, Any]], str | None]] = {
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
