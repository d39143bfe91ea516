"""A check is entered once; what was entered wrong is corrected by another, and out of control is released by name."""

import uuid
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import local_date, new_id
from worklists.device_control.rows import CheckKind, CheckNotOpen, CheckResult, DeviceCheck
from worklists.device_control.standing import counts
from worklists.directory import Device, Person
from worklists.errors import Conflict, FieldsRefused, Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What somebody enters of a check."""

    kind: CheckKind
    result: CheckResult
    done_on: date
    done_by: str = ""
    measured: str = ""
    next_due_on: date | None = None
    note: str = ""

    def check(self, today: date, *, corrects: bool) -> None:
        """Raises FieldsRefused."""
        reasons = {}
        if self.done_on > today:
            reasons["done_on"] = "future"
        if self.next_due_on is not None and self.next_due_on <= self.done_on:
            reasons["next_due_on"] = "dates"
        if not self.note.strip() and (corrects or self.result is CheckResult.FAIL):
            reasons["note"] = "required"  # what was wrong, with the device or with what was entered
        if reasons:
            raise FieldsRefused(reasons)


def enter(
    session: Session,
    device: Device,
    person: Person,
    said: Said,
    *,
    corrects: DeviceCheck | None = None,
    now: datetime,
) -> DeviceCheck:
    """Raises FieldsRefused; Conflict where what it corrects was decided or corrected already."""
    said.check(local_date(now), corrects=corrects is not None)
    if corrects is not None and (corrects.corrected_by is not None or corrects.released_at is not None):
        raise Conflict
    check = DeviceCheck(
        id=new_id(),
        device=device,
        kind=said.kind,
        result=said.result,
        done_on=said.done_on,
        done_by=said.done_by.strip(),
        measured=said.measured.strip(),
        next_due_on=said.next_due_on,
        note=said.note.strip(),
        entered_by=person,
        entered_at=now,
        corrects=corrects,
        release_reason="",
        release_covers_meanwhile=False,
    )
    session.add(check)
    session.flush()
    return check


def release(
    session: Session,
    check: DeviceCheck,
    person: Person,
    reason: str,
    *,
    covers_meanwhile: bool,
    now: datetime,
) -> list[DeviceCheck]:
    """This one, and those of its kind that failed before it. Raises Invalid, CheckNotOpen."""
    if not reason.strip():
        raise Invalid("reason", "required")
    if not check.is_open:
        raise CheckNotOpen
    released = [
        one for one in find_open(session, check.device_id, check.kind) if one.done_on <= check.done_on
    ]
    for one in released:
        one.release(person, reason.strip(), covers_meanwhile=covers_meanwhile, now=now)
    return released


def find_open(session: Session, device_id: uuid.UUID, kind: CheckKind) -> list[DeviceCheck]:
    return list(
        session.scalars(
            select(DeviceCheck)
            .where(DeviceCheck.device_id == device_id, DeviceCheck.kind == kind, counts())
            .where(DeviceCheck.result == CheckResult.FAIL, DeviceCheck.released_at.is_(None))
            .with_for_update(of=DeviceCheck)
        )
    )
