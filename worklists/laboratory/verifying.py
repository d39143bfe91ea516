"""Verifying: what a person decides about results that rules did not release, and about those that they did.

What is critical, or was measured while the control material was out of control, is verified one by one and with a
word why. A result that another one has replaced can no longer be decided about.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import new_id
from worklists.directory import Person
from worklists.errors import Conflict, Invalid, NotFound
from worklists.laboratory.marking import WITHDRAWN, is_in_control
from worklists.laboratory.recording import AnyResult
from worklists.laboratory.releasing import BY_PERSON, RELEASED
from worklists.laboratory.results import LabResult, RerunRequest, Verification

LONGEST = 500  # characters of a remark or a reason


class ResultMovedOn(Conflict):
    """The result was replaced, or decided about, since it was shown; carries the item."""

    def __init__(self, item: str):
        super().__init__(item)
        self.item = item


class NotTogether(Invalid):
    """Critical or out of control: each of these is verified by itself and with a reason; carries their names."""

    def __init__(self, names: Sequence[str]):
        super().__init__("result_ids", "one_by_one")
        self.items = "、".join(names)


def get_results(session: Session, examination_id: uuid.UUID, ids: Sequence[uuid.UUID]) -> list[LabResult]:
    """Of this examination, locked until the transaction ends. Raises NotFound."""
    rows = session.scalars(
        select(LabResult)
        .where(LabResult.examination_id == examination_id, LabResult.id.in_(set(ids)))
        .order_by(LabResult.id)
        .with_for_update(of=LabResult)
    ).all()
    if len(rows) != len(set(ids)):
        raise NotFound("result")
    return list(rows)


def find_waiting(session: Session, examination_id: uuid.UUID) -> list[LabResult]:
    return list(
        session.scalars(
            select(LabResult)
            .where(LabResult.examination_id == examination_id, LabResult.current)
            .where(LabResult.verification == Verification.WAITING)
            .order_by(LabResult.id)
            .with_for_update(of=LabResult)
        )
    )


def needs_a_word(session: Session, result: LabResult) -> bool:
    """Whether it is verified by itself alone."""
    return result.critical or not is_in_control(session, result)


def verify(
    session: Session, results: Sequence[LabResult], person: Person, *, reason: str = "", now: datetime
) -> None:
    """All or none. Verifying what was to be tested again takes that back. Raises ResultMovedOn, NotTogether, Invalid."""
    for one in results:
        if not one.current or one.verification in RELEASED:
            raise ResultMovedOn(one.item.name)
    delicate = [one for one in results if needs_a_word(session, one)]
    if delicate and len(results) > 1:
        raise NotTogether([one.item.name for one in delicate])
    if delicate and not (reason.strip() or delicate[0].remark):
        raise Invalid("reason", "required")
    for one in results:
        if one.verification is Verification.RERUN:
            _close(session, one.examination_id, {one.item_code}, now)
        one.verification, one.verified_at, one.verified_by = Verification.VERIFIED, now, person


def unverify(result: LabResult, reason: str) -> None:
    """Back to waiting, whoever or whatever released it; rules leave it alone from now on."""
    if not result.current or result.verification not in RELEASED:
        raise ResultMovedOn(result.item.name)
    _hand_back(result, _required(reason))


def note_remark(result: LabResult, remark: str) -> None:
    """What is printed beside it; empty takes it away."""
    if not result.current:
        raise ResultMovedOn(result.item.name)
    if len(remark.strip()) > LONGEST:
        raise Invalid("remark", "too_long")
    result.remark = remark.strip()


def ask_rerun(
    session: Session, result: LabResult, person: Person, *, reason: str, new_specimen: bool, now: datetime
) -> RerunRequest:
    """The bench shall test it again, perhaps from another tube. Until it did, the item is pending."""
    if not result.current or result.verification is Verification.RERUN:
        raise ResultMovedOn(result.item.name)
    request = RerunRequest(
        id=new_id(),
        examination_id=result.examination_id,
        item_code=result.item_code,
        reason=_required(reason),
        new_specimen=new_specimen,
        asked_at=now,
        asked_by=person,
    )
    session.add(request)
    result.verification, result.verified_at, result.verified_by = Verification.RERUN, None, None
    return request


def choose(session: Session, result: LabResult, reason: str) -> LabResult:
    """Another run counts: it waits to be verified, and the one that counted stays beside it. Answers that one."""
    why = _required(reason)
    runs = session.scalars(
        select(LabResult)
        .where(LabResult.examination_id == result.examination_id, LabResult.item_code == result.item_code)
        .order_by(LabResult.run, LabResult.version)
        .with_for_update(of=LabResult)
    ).all()
    newest = max((one for one in runs if one.run == result.run), key=lambda one: one.version)
    counted = next((one for one in runs if one.current), None)
    if result.current or newest is not result or counted is None or result.status in WITHDRAWN:
        raise ResultMovedOn(result.item.name)
    counted.current, result.current = False, True
    _hand_back(result, why)
    return counted


def find_versions_before(session: Session, result: LabResult) -> Sequence[LabResult]:
    """Of its run: what it corrects."""
    return session.scalars(
        select(LabResult)
        .where(LabResult.examination_id == result.examination_id, LabResult.item_code == result.item_code)
        .where(LabResult.run == result.run, LabResult.version < result.version)
    ).all()


def close_reruns(
    session: Session, examination_id: uuid.UUID, added: Sequence[AnyResult], now: datetime
) -> None:
    """What the bench was asked for is there."""
    again = {one.item_code for one in added if one.current and (one.run, one.version) != (1, 1)}
    if again:
        _close(session, examination_id, again, now)


def _close(session: Session, examination_id: uuid.UUID, items: set[str], now: datetime) -> None:
    for request in session.scalars(
        select(RerunRequest)
        .where(RerunRequest.examination_id == examination_id, RerunRequest.item_code.in_(items))
        .where(RerunRequest.done_at.is_(None))
    ):
        request.done_at = now


def _hand_back(result: LabResult, reason: str) -> None:
    result.verification, result.verified_at, result.verified_by = Verification.WAITING, None, None
    result.stops = [
        *(stop for stop in result.stops if stop["rule"] != BY_PERSON),
        {"rule": BY_PERSON, "detail": reason},
    ]


def _required(reason: str) -> str:
    if not reason.strip():
        raise Invalid("reason", "required")
    if len(reason.strip()) > LONGEST:
        raise Invalid("reason", "too_long")
    return reason.strip()
