"""What control material means for patients' results: held back while out of control, to be judged anew when released.

A signed result stays as it was signed; what a person verified stays verified, and its mark goes by the state.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from worklists.control import ControlState
from worklists.directory import Person
from worklists.errors import Conflict, Invalid
from worklists.laboratory.control import ControlResult, Verdict
from worklists.laboratory.controlling import Standing, find_open, judge, judge_those_behind
from worklists.laboratory.releasing import Releaser
from worklists.laboratory.results import LabResult, Verification
from worklists.laboratory.rules import CONTROL, stop_for_control
from worklists.reports import Report, ReportState


class NotOutOfControl(Conflict):
    """Only what is out of control, and was not released yet, can be released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What a change of the control material did to patients' results."""

    held_back: int = 0
    to_judge: frozenset[uuid.UUID] = (
        frozenset()
    )  # examinations with results that wait for nothing but the rules now


def settle(session: Session, device_id: uuid.UUID, item_code: str, *, releaser: Releaser) -> Settled:
    """Bring the unsigned results of an analyser's item in line with what its control material says now."""
    session.flush()
    releaser.forget_control(device_id)
    standing = Standing(session=session, device_id=device_id)
    since = standing.doubtful_since(item_code)
    concerned = LabResult.control_state == ControlState.OUT_OF_CONTROL
    rows = session.scalars(
        select(LabResult)
        .where(LabResult.device_id == device_id, LabResult.item_code == item_code, LabResult.current)
        .where(concerned if since is None else or_(concerned, LabResult.observed_at > since))
        .where(~_signed())
    ).all()
    held, again = 0, set()
    for one in rows:
        state = standing.state(item_code, one.observed_at)
        if state is ControlState.OUT_OF_CONTROL:
            held += _hold(one)
            continue
        one.control_state = state
        if one.verification is Verification.WAITING:
            again.add(one.examination_id)
    return Settled(held_back=held, to_judge=frozenset(again))


def release(
    session: Session, row: ControlResult, person: Person, *, reason: str, releaser: Releaser
) -> Settled:
    """A named person lets patients' results of the item through again: this result, and those of its level before it."""
    if not reason.strip():
        raise Invalid("reason", "required")
    if row.verdict is not Verdict.OUT_OF_CONTROL or row.released_at is not None or row.excluded:
        raise NotOutOfControl
    for one in find_open(session, row.device_id, row.item_code, row.level):
        if one.observed_at <= row.observed_at:
            one.released_at, one.released_by, one.release_reason = releaser.now, person, reason.strip()
    row.released_at, row.released_by, row.release_reason = releaser.now, person, reason.strip()
    session.flush()
    judge_those_behind(session, row)
    return settle(session, row.device_id, row.item_code, releaser=releaser)


def exclude(
    session: Session, row: ControlResult, person: Person, *, excluded: bool, reason: str, releaser: Releaser
) -> Settled:
    """A person says that it tells nothing of the analyser (a wrong vial, a bubble), or takes that back."""
    if not reason.strip():
        raise Invalid("reason", "required")
    if row.excluded is excluded:
        raise Conflict
    row.excluded = excluded
    row.excluded_at, row.excluded_by, row.exclusion_reason = releaser.now, person, reason.strip()
    session.flush()
    if not excluded:
        judge(session, row)
        session.flush()
    judge_those_behind(session, row)
    return settle(session, row.device_id, row.item_code, releaser=releaser)


def _signed() -> ColumnElement[bool]:
    """Of a result: a signed report holds it as it is. What waits is in none."""
    return exists(
        select(Report.id)
        .where(Report.examination_id == LabResult.examination_id, Report.state != ReportState.VOID)
        .where(LabResult.verified_at.is_not(None), Report.signed_at >= LabResult.verified_at)
        .correlate(LabResult)
    )


def _hold(one: LabResult) -> bool:
    """Whether it was let through or would have been: what a person verified keeps its verification."""
    before = one.control_state
    one.control_state = ControlState.OUT_OF_CONTROL
    if one.verification is Verification.AUTOMATIC:
        one.verification, one.verified_at = Verification.WAITING, None
    if one.verification is Verification.WAITING and not any(stop["rule"] == CONTROL for stop in one.stops):
        one.stops = [*one.stops, stop_for_control(ControlState.OUT_OF_CONTROL)]
    return before is not ControlState.OUT_OF_CONTROL
