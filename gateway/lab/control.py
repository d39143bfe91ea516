"""Quality control at work: who looks at control material and who decides about it, each decision in one transaction.

A bench looks at its own and comments; the county's laboratory releases, excludes and sets targets.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select, true
from sqlalchemy.orm import Session, joinedload

from gateway import audit, live
from gateway.lab import judging
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists.access import Subject, benches_visible_to
from worklists.base import local_date
from worklists.control import ControlState
from worklists.directory import Centre, Device, Kind, Person, Role
from worklists.errors import Invalid, NotAllowed, NotFound
from worklists.laboratory import holding_back, targets
from worklists.laboratory.control import ControlMaterial, ControlResult, Verdict
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.holding_back import Settled
from worklists.laboratory.releasing import Releaser
from worklists.laboratory.results import LabResult, Verification
from worklists.laboratory.targets import Target

MOST_RESULTS = 2000  # of one chart
SHOWN = timedelta(days=31)
LONGEST = 500

Key = tuple[uuid.UUID, str, str]  # device, item, level


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One analyser × item × level, as it stands."""

    device: Device
    item: LabItem
    level: str
    material: ControlMaterial | None
    last: ControlResult | None
    open: int  # out of control, not released

    def state(self, now: datetime) -> str:
        """In words a page has: out_of_control, no_target, missing, warning, in_control, never_run."""
        if self.open:
            return "out_of_control"
        if self.material is None:
            return "no_target"
        if self.last is None:
            return "missing" if self.material.every_hours is not None else "never_run"
        if self.is_due(now):
            return "missing"
        return "warning" if self.last.verdict is Verdict.WARNING else "in_control"

    def is_due(self, now: datetime) -> bool:
        due_at = self.due_at
        return due_at is not None and now > due_at

    @property
    def due_at(self) -> datetime | None:
        if self.material is None or self.material.every_hours is None or self.last is None:
            return None
        return self.last.observed_at + timedelta(hours=self.material.every_hours)


def overview(session: Session, who: Who, now: datetime) -> list[Line]:
    """Every material in use, and what was run without a target, of the benches that the caller sees."""
    benches = {
        one.id: one
        for one in session.scalars(
            select(Device).where(benches_visible_to(who.subject)).options(joinedload(Device.institution))
        )
    }
    materials = _in_use(session, benches_visible_to(who.subject), now)
    last = _last_of_each(session, benches_visible_to(who.subject), now)
    open_ones = _open_counts(session, benches_visible_to(who.subject))
    keys = {*materials, *last}
    items = _items(session, {item_code for _, item_code, _ in keys})
    return [
        Line(
            device=benches[key[0]],
            item=items[key[1]],
            level=key[2],
            material=materials.get(key),
            last=last.get(key),
            open=open_ones.get(key, 0),
        )
        for key in sorted(
            keys, key=lambda key: (benches[key[0]].name, str(key[0]), items[key[1]].position, *key[1:])
        )
    ]


def _items(session: Session, codes: set[str]) -> dict[str, LabItem]:
    rows = session.scalars(select(LabItem).where(LabItem.code.in_(codes)))
    return {one.code: one for one in rows}


def _in_use(session: Session, seen: ColumnElement[bool], now: datetime) -> dict[Key, ControlMaterial]:
    rows = session.scalars(
        select(ControlMaterial)
        .join(Device, Device.id == ControlMaterial.device_id)
        .where(seen, ControlMaterial.enabled, ControlMaterial.valid_from <= local_date(now))
        .order_by(ControlMaterial.valid_from, ControlMaterial.id)
    )
    return {
        (one.device_id, one.item_code, one.level): one
        for one in rows
        if one.valid_to is None or one.valid_to >= local_date(now)
    }


def _last_of_each(session: Session, seen: ColumnElement[bool], now: datetime) -> dict[Key, ControlResult]:
    place = func.row_number().over(
        partition_by=[ControlResult.device_id, ControlResult.item_code, ControlResult.level],
        order_by=(ControlResult.observed_at.desc(), ControlResult.id.desc()),
    )
    placed = (
        select(ControlResult.id, place.label("place"))
        .join(Device, Device.id == ControlResult.device_id)
        .where(seen, ControlResult.observed_at > now - SHOWN, ControlResult.excluded.is_(False))
        .subquery()
    )
    rows = session.scalars(
        select(ControlResult).join(placed, placed.c.id == ControlResult.id).where(placed.c.place == 1)
    )
    return {(one.device_id, one.item_code, one.level): one for one in rows}


def _open_counts(session: Session, seen: ColumnElement[bool]) -> dict[Key, int]:
    rows = session.execute(
        select(ControlResult.device_id, ControlResult.item_code, ControlResult.level, func.count())
        .join(Device, Device.id == ControlResult.device_id)
        .join(ControlMaterial, ControlMaterial.id == ControlResult.material_id)
        .where(seen, ControlMaterial.enabled, ControlResult.verdict == Verdict.OUT_OF_CONTROL)
        .where(ControlResult.released_at.is_(None), ControlResult.excluded.is_(False))
        .group_by(ControlResult.device_id, ControlResult.item_code, ControlResult.level)
    )
    return {(device_id, item_code, level): count for device_id, item_code, level, count in rows}


def find_results(
    session: Session, device_id: uuid.UUID, item_code: str, *, begin: datetime, end: datetime
) -> Sequence[ControlResult]:
    """Of all levels, oldest first; of too many the newest."""
    rows = session.scalars(
        select(ControlResult)
        .where(ControlResult.device_id == device_id, ControlResult.item_code == item_code)
        .where(ControlResult.observed_at >= begin, ControlResult.observed_at <= end)
        .order_by(ControlResult.observed_at.desc(), ControlResult.id.desc())
        .limit(MOST_RESULTS)
        .options(
            joinedload(ControlResult.released_by),
            joinedload(ControlResult.excluded_by),
            joinedload(ControlResult.material),
        )
    ).all()
    return rows[::-1]


def count_held_back(session: Session, device_id: uuid.UUID, item_code: str) -> int:
    """Patients' results that wait because of it."""
    return (
        session.scalar(
            select(func.count())
            .select_from(LabResult)
            .where(LabResult.device_id == device_id, LabResult.item_code == item_code, LabResult.current)
            .where(LabResult.control_state == ControlState.OUT_OF_CONTROL)
            .where(LabResult.verification == Verification.WAITING)
        )
        or 0
    )


def get_bench(session: Session, who: Who, device_id: uuid.UUID) -> Device:
    """Raises NotFound."""
    device = session.scalars(
        select(Device).where(Device.id == device_id, benches_visible_to(who.subject))
    ).one_or_none()
    if device is None:
        raise NotFound("device")
    return device


def find_materials(
    session: Session, who: Who, *, device_id: uuid.UUID | None = None, item_code: str | None = None
) -> Sequence[ControlMaterial]:
    query = (
        select(ControlMaterial)
        .join(Device, Device.id == ControlMaterial.device_id)
        .where(benches_visible_to(who.subject))
        .where(ControlMaterial.device_id == device_id if device_id is not None else true())
        .where(ControlMaterial.item_code == item_code if item_code is not None else true())
        .order_by(ControlMaterial.device_id, ControlMaterial.item_code, ControlMaterial.level)
        .order_by(ControlMaterial.valid_from.desc(), ControlMaterial.id.desc())
        .options(joinedload(ControlMaterial.device), joinedload(ControlMaterial.item))
    )
    return session.scalars(query).unique().all()


def may_decide(session: Session, subject: Subject) -> bool:
    """Release and exclude: who reads at a laboratory centre."""
    return bool(subject.roles & {Role.READER, Role.REVIEWER}) and _at_laboratory(session, subject)


def may_set(session: Session, subject: Subject) -> bool:
    """Targets and rules: reviewers of a laboratory centre, and administrators."""
    reviews = Role.REVIEWER in subject.roles and _at_laboratory(session, subject)
    return reviews or Role.ADMIN in subject.roles


def release(runtime: Runtime, who: Who, result_id: uuid.UUID, *, reason: str) -> Settled:
    """Raises NotFound, NotAllowed, Invalid, NotOutOfControl."""
    _check_reason(reason)
    return _decide(
        runtime, who, result_id, "control_released", {"reason": reason.strip()},
        lambda session, row, person, releaser: holding_back.release(
            session, row, person, reason=reason, releaser=releaser
        ),
    )  # fmt: skip


def exclude(runtime: Runtime, who: Who, result_id: uuid.UUID, *, excluded: bool, reason: str) -> Settled:
    """Raises NotFound, NotAllowed, Invalid, Conflict."""
    _check_reason(reason)
    action: audit.Action = "control_excluded" if excluded else "control_included"
    return _decide(
        runtime, who, result_id, action, {"reason": reason.strip()},
        lambda session, row, person, releaser: holding_back.exclude(
            session, row, person, excluded=excluded, reason=reason, releaser=releaser
        ),
    )  # fmt: skip


def comment(runtime: Runtime, who: Who, result_id: uuid.UUID, *, text: str) -> None:
    """What the bench saw or did; of whoever sees it. Raises NotFound, Invalid."""
    if len(text.strip()) > LONGEST:
        raise Invalid("comment", "too_long")

    def deed(session: Session) -> None:
        get_person(session, who)
        row = _get_result(session, who, result_id)
        before, row.comment = row.comment, text.strip()
        _note(session, runtime, who, "control_commented", row, {"before": before, "after": row.comment})

    in_one(runtime, deed)


def add_material(
    runtime: Runtime, who: Who, *, device_id: uuid.UUID, item_code: str, level: str, lot: str, target: Target
) -> uuid.UUID:
    """Raises NotFound, NotAllowed, Invalid, Conflict."""

    def deed(session: Session) -> uuid.UUID:
        _require_setter(session, who)
        device = get_bench(session, who, device_id)
        material = targets.add_material(
            session, device=device, item_code=item_code, level=level, lot=lot, target=target
        )
        _note_material(session, runtime, who, "control_material_added", material, target)
        return material.id

    return in_one(runtime, deed)


def change_material(runtime: Runtime, who: Who, material_id: uuid.UUID, changes: dict[str, Any]) -> None:
    """Raises NotFound, NotAllowed, Invalid, Conflict."""

    def deed(session: Session) -> None:
        _require_setter(session, who)
        material = session.get(ControlMaterial, material_id)
        if material is None:
            raise NotFound("control material")
        get_bench(session, who, material.device_id)
        now_is = {name: getattr(material, name) for name in Target.__slots__}
        target = Target(**{**now_is, **changes})
        targets.change_material(session, material, target)
        _note_material(session, runtime, who, "control_material_changed", material, target)

    in_one(runtime, deed)


Decision = Callable[[Session, ControlResult, Person, Releaser], Settled]


def _decide(
    runtime: Runtime,
    who: Who,
    result_id: uuid.UUID,
    action: audit.Action,
    detail: dict[str, Any],
    decision: Decision,
) -> Settled:
    def deed(session: Session) -> Settled:
        if not may_decide(session, who.subject):
            raise NotAllowed(Role.READER)
        person = get_person(session, who)
        row = _get_result(session, who, result_id)
        settled = decision(session, row, person, Releaser(session=session, now=runtime.now()))
        judging.schedule(session, settled.to_judge, judging.Because.CONTROL, now=runtime.now())
        counts = {"held_back": settled.held_back, "to_judge": len(settled.to_judge)}
        _note(session, runtime, who, action, row, {**detail, **counts})
        return settled

    return in_one(runtime, deed)


def _get_result(session: Session, who: Who, result_id: uuid.UUID) -> ControlResult:
    query = (
        select(ControlResult)
        .join(Device, Device.id == ControlResult.device_id)
        .where(ControlResult.id == result_id, benches_visible_to(who.subject))
    )
    row = session.scalars(query.with_for_update(of=ControlResult)).one_or_none()
    if row is None:
        raise NotFound("control result")
    return row


def _note_material(
    session: Session,
    runtime: Runtime,
    who: Who,
    action: audit.Action,
    material: ControlMaterial,
    target: Target,
) -> None:
    said = {name: getattr(target, name) for name in ("mean", "sd", "every_hours", "enabled")}
    days = {"valid_from": str(target.valid_from), "valid_to": str(target.valid_to or "")}
    settled = holding_back.settle(
        session,
        material.device_id,
        material.item_code,
        releaser=Releaser(session=session, now=runtime.now()),
    )
    judging.schedule(session, settled.to_judge, judging.Because.CONTROL, now=runtime.now())
    _note(session, runtime, who, action, material, {"lot": material.lot, **said, **days})


def _note(
    session: Session,
    runtime: Runtime,
    who: Who,
    action: audit.Action,
    row: ControlResult | ControlMaterial,
    detail: dict[str, Any],
) -> None:
    about = {
        "id": str(row.id),
        "device_id": str(row.device_id),
        "item_code": row.item_code,
        "level": row.level,
    }
    audit.record(session, action, actor=who.actor, now=runtime.now(), detail={**about, **detail})
    live.bump(session, "lab", "worklist")


def _require_setter(session: Session, who: Who) -> None:
    if not may_set(session, who.subject):
        raise NotAllowed(Role.REVIEWER, Role.ADMIN)


def _at_laboratory(session: Session, subject: Subject) -> bool:
    found = select(Centre.id).where(Centre.id.in_(subject.centre_ids), Centre.kind == Kind.LABORATORY)
    return session.scalars(found.limit(1)).first() is not None


def _check_reason(reason: str) -> None:
    if len(reason.strip()) > LONGEST:
        raise Invalid("reason", "too_long")
