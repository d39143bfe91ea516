"""Releasing: what the live rules let through at once; for all else, which rule stopped it.

A result that no rule stops is verified automatically. Without live rules nothing is.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from worklists.control import ControlState
from worklists.examinations import Examination
from worklists.laboratory.alarming import Alarms
from worklists.laboratory.controlling import Standing
from worklists.laboratory.recording import AnyResult, NewResult, Sheet
from worklists.laboratory.results import LabResult, Verification
from worklists.laboratory.rule_content import VERIFICATION
from worklists.laboratory.rules import Case, Rules
from worklists.patients import Patient
from worklists.rule_books import live_version

NO_RULES = "no_rules"
BY_PERSON = "person"  # somebody handed it back: rules leave it to people from then on
LOOKED_BACK = 20  # results of one item of one person
RELEASED = (Verification.AUTOMATIC, Verification.VERIFIED)


def live_rules(session: Session) -> Rules | None:
    row = live_version(session, VERIFICATION)
    return Rules(row.version, row.content["rules"]) if row is not None else None


@dataclass(slots=True, kw_only=True)
class Releaser:
    """The rules at work on many examinations; asks the database once for what does not change between them."""

    session: Session
    now: datetime
    rules: Rules | None = field(init=False)
    alarms: Alarms = field(default_factory=Alarms)
    _standings: dict[uuid.UUID, Standing] = field(default_factory=dict)
    _history: dict[uuid.UUID, list[AnyResult]] = field(default_factory=dict)  # by person, the newest first

    def __post_init__(self) -> None:
        self.rules = live_rules(self.session)

    def release(self, examination: Examination, sheet: Sheet) -> None:
        """Judge what was recorded just now. A critical value is an alarm, released or not."""
        current = {one.item_code: one for one in sheet.results if one.current}
        released = released_before(sheet.results)
        repeated = repeated_at_once(sheet.results)
        patient = examination.patient
        self._compare(patient, [one for one in sheet.added if one.current])
        for one in sheet.added:
            if not one.current:
                one.stops = [{"rule": "not_current", "detail": ""}]
                continue
            one.control_state = self._control_state(one)
            self._judge(one, current, released, repeated, patient)
            self.alarms.note(examination, one, sheet.versions_before(one))

    def judge_again(self, examination: Examination, results: Sequence[LabResult]) -> list[LabResult]:
        """What still waits is asked anew, after the control material or the rules changed; answers what was judged."""
        judged = []
        current = {one.item_code: one for one in results if one.current}
        released = released_before(results)
        repeated = repeated_at_once(results)
        for one in current.values():
            if one.verification is Verification.WAITING and not _is_for_people(one):
                one.control_state = self._control_state(one)
                self._judge(one, current, released, repeated, examination.patient)
                judged.append(one)
        return judged

    def _judge(
        self,
        one: AnyResult,
        current: Mapping[str, AnyResult],
        released: set[str],
        repeated: set[str],
        patient: Patient,
    ) -> None:
        if self.rules is None:
            one.stops = [{"rule": NO_RULES, "detail": ""}]
            return
        case = case_of(one, current, released, repeated, patient)
        one.stops, one.rules_version = self.rules.stops(case), self.rules.version
        if not one.stops:
            one.verification, one.verified_at = Verification.AUTOMATIC, self.now

    def _control_state(self, one: AnyResult) -> ControlState:
        if one.device_id is None:
            return ControlState.NOT_REQUIRED
        standing = self._standings.get(one.device_id)
        if standing is None:
            standing = self._standings[one.device_id] = Standing(
                session=self.session, device_id=one.device_id
            )
        return standing.state(one.item_code, one.observed_at)

    def forget_control(self, device_id: uuid.UUID) -> None:
        """Its control material was run, or decided about."""
        self._standings.pop(device_id, None)

    def look_back(self, masters: set[uuid.UUID]) -> None:
        """Ask at once for the last results of these people."""
        unknown = {one for one in masters if one not in self._history}
        if unknown:
            self._history |= last_results(self.session, unknown)

    def note_newcomer(self, master_id: uuid.UUID) -> None:
        """Nobody knew this person before."""
        self._history[master_id] = []

    def forget_history(self) -> None:
        """It changed in the database, or is there now."""
        self._history = {}

    def _compare(self, patient: Patient, added: Sequence[NewResult]) -> None:
        """Set each beside the last released result of the same person, which may be of this very batch."""
        self.look_back({patient.master_id})
        history = self._history[patient.master_id]
        by_item: dict[str, list[AnyResult]] = {}
        for other in history:
            by_item.setdefault(other.item_code, []).append(other)
        for one in added:
            earlier = [
                other
                for other in by_item.get(one.item_code, ())
                if other.examination_id != one.examination_id
                and other.observed_at < one.observed_at
                and other.current
                and other.verification in RELEASED
            ]
            before = max(earlier, key=lambda other: other.observed_at, default=None)
            one.delta = delta_of(one, before) if before is not None else None
        history.extend(one for one in added if one.number is not None)


def released_before(results: Sequence[AnyResult]) -> set[str]:
    """Items of an examination of which an earlier version or run was released."""
    return {one.item_code for one in results if not one.current and one.verification in RELEASED}


def repeated_at_once(results: Sequence[AnyResult]) -> set[str]:
    """Items whose current value came in one message with another one: of another run, in another line."""
    if len({one.item_code for one in results}) == len(results):  # nearly always: each item has one value
        return set()
    current = {(one.item_code, one.message_id): one.run for one in results if one.current}
    return {
        one.item_code
        for one in results
        if one.message_id and current.get((one.item_code, one.message_id), one.run) != one.run
    }


def case_of(
    one: AnyResult,
    current: Mapping[str, AnyResult],
    released: set[str],
    repeated: set[str],
    patient: Patient,
) -> Case:
    return Case(
        result=one,
        beside=current,
        replaces_verified=one.item_code in released,
        repeated=one.item_code in repeated,
        sex=patient.sex,
        has_birth_date=patient.birth_date is not None,
    )


def last_results(session: Session, masters: Collection[uuid.UUID]) -> dict[uuid.UUID, list[AnyResult]]:
    """The last released results of each item, by person: few, for one before what is filed now is enough."""
    place = func.row_number().over(
        partition_by=[Patient.master_id, LabResult.item_code],
        order_by=(LabResult.observed_at.desc(), LabResult.id.desc()),
    )
    placed = (
        select(LabResult.id, Patient.master_id, place.label("place"))
        .join(Patient, Patient.id == LabResult.patient_id)
        .where(Patient.master_id.in_(masters), LabResult.number.is_not(None))
        .where(LabResult.current, LabResult.verification.in_(RELEASED))
        .subquery()
    )
    rows = session.execute(
        select(LabResult, placed.c.master_id)
        .join(placed, placed.c.id == LabResult.id)
        .where(placed.c.place <= LOOKED_BACK)
    )
    found: dict[uuid.UUID, list[AnyResult]] = {one: [] for one in masters}
    for row, master_id in rows:
        found[master_id].append(row)
    return found


def delta_of(one: AnyResult, before: AnyResult) -> dict[str, Any] | None:
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


def _is_for_people(result: LabResult) -> bool:
    return any(stop["rule"] == BY_PERSON for stop in result.stops)
