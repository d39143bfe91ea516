"""Westgard's rules, and what they say of an analyser.

| rule | broken when |
|---|---|
| 1_2s | one result lies beyond 2 s: a warning, and no more |
| 1_3s | one result lies beyond 3 s |
| 2_2s | two results in a row lie beyond 2 s on one side, of one level or of the levels of one run |
| R_4s | in one run one level lies beyond +2 s and another beyond −2 s |
| 4_1s | four results in a row lie beyond 1 s on one side |
| 10_x | ten results in a row lie on one side of the mean |

Westgard et al., Clin Chem 1981;27:493–501. In a row: of one level; of all levels too where every one of them says so.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worklists.base import local_date, new_id
from worklists.laboratory.control import ControlMaterial, ControlResult, Verdict
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.results import ControlState

WARNING = "1_2s"
REJECTING = ("1_3s", "2_2s", "R_4s", "4_1s", "10_x")
ONE_RUN = timedelta(hours=1)  # levels that are measured within it are of one run
LOOKED_BACK = 40  # results of an item: ten of each of four levels


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One result of control material, in standard deviations from its mean."""

    level: str
    z: float
    observed_at: datetime


def broken_rules(points: Sequence[Point]) -> list[str]:
    """Which rules the last point breaks, together with those before it; `points` in the order of their times."""
    last = points[-1]
    own = [one.z for one in points if one.level == last.level]
    every = [one.z for one in points]
    run = [one for one in points if last.observed_at - one.observed_at <= ONE_RUN]
    levels = {one.level: one.z for one in run}  # the last of each
    found = []
    if abs(last.z) > 2:
        found.append(WARNING)
    if abs(last.z) > 3:
        found.append("1_3s")
    if _on_one_side(own, 2, beyond=2) or (
        len(levels) > 1 and _on_one_side(list(levels.values()), 2, beyond=2)
    ):
        found.append("2_2s")
    if any(z > 2 for z in levels.values()) and any(z < -2 for z in levels.values()) and abs(last.z) > 2:
        found.append("R_4s")
    if _on_one_side(own, 4, beyond=1) or _on_one_side(every, 4, beyond=1):
        found.append("4_1s")
    if _on_one_side(own, 10, beyond=0) or _on_one_side(every, 10, beyond=0):
        found.append("10_x")
    return found


def verdict_of(rules: Sequence[str]) -> Verdict:
    if any(rule in REJECTING for rule in rules):
        return Verdict.OUT_OF_CONTROL
    return Verdict.WARNING if rules else Verdict.IN_CONTROL


def record_control(
    session: Session,
    *,
    device_id: uuid.UUID,
    item: LabItem,
    level: str,
    lot: str,
    value: str,
    number: float | None,
    unit: str,
    observed_at: datetime,
    received_at: datetime,
    message_id: uuid.UUID | None = None,
    position: int | None = None,
) -> ControlResult:
    """Keep a result of control material with what it says; the same place of the same message is known."""
    if message_id is not None:
        known = session.scalars(
            select(ControlResult).where(
                ControlResult.message_id == message_id, ControlResult.position == position
            )
        ).one_or_none()
        if known is not None:
            return known
    material = find_material(session, device_id, item.code, level, lot, observed_at)
    row = ControlResult(
        id=new_id(),
        device_id=device_id,
        item_code=item.code,
        material=material,
        level=material.level if material else level,
        lot=material.lot if material else lot,
        value=value,
        number=number,
        unit=unit,
        rules=[],
        verdict=Verdict.UNKNOWN,
        observed_at=observed_at,
        received_at=received_at,
        message_id=message_id,
        position=position,
        excluded=False,
        comment="",
        release_reason="",
    )
    judge(session, row)
    session.add(row)
    session.flush()
    return row


def judge(session: Session, row: ControlResult) -> None:
    """Say which rules it breaks, against the material's target and what was measured before it."""
    material = row.material
    if material is None or row.number is None or not material.sd > 0:
        row.z, row.rules, row.verdict = None, [], Verdict.UNKNOWN
        return
    row.z = (row.number - material.mean) / material.sd
    before = session.scalars(
        select(ControlResult)
        .where(ControlResult.device_id == row.device_id, ControlResult.item_code == row.item_code)
        .where(ControlResult.observed_at <= row.observed_at, ControlResult.id != row.id)
        .where(ControlResult.z.is_not(None), ControlResult.excluded.is_(False))
        .order_by(ControlResult.observed_at.desc(), ControlResult.id.desc())
        .limit(LOOKED_BACK)
    ).all()
    points = [
        Point(level=one.level, z=one.z, observed_at=one.observed_at)
        for one in reversed(before)
        if one.z is not None and one.released_at is None  # a release begins a new row
    ]
    row.rules = broken_rules([*points, Point(level=row.level, z=row.z, observed_at=row.observed_at)])
    row.verdict = verdict_of(row.rules)


def find_material(
    session: Session, device_id: uuid.UUID, item_code: str, level: str, lot: str, at: datetime
) -> ControlMaterial | None:
    """The target in force; where the message names no lot, or no level, the only one there is."""
    on = local_date(at)
    found = session.scalars(
        select(ControlMaterial)
        .where(ControlMaterial.device_id == device_id, ControlMaterial.item_code == item_code)
        .where(ControlMaterial.enabled, ControlMaterial.valid_from <= on)
        .where(or_(ControlMaterial.valid_to.is_(None), ControlMaterial.valid_to >= on))
        .order_by(ControlMaterial.valid_from.desc(), ControlMaterial.id.desc())
    ).all()
    fitting = [one for one in found if level in {one.level, ""} and lot in {one.lot, ""}]
    return fitting[0] if len({one.level for one in fitting}) == 1 else None


def control_state(session: Session, device_id: uuid.UUID, item_code: str, at: datetime) -> ControlState:
    """What the control material said of the analyser and item by then. The worst of its levels counts."""
    on = local_date(at)
    materials = session.scalars(
        select(ControlMaterial)
        .where(ControlMaterial.device_id == device_id, ControlMaterial.item_code == item_code)
        .where(ControlMaterial.enabled, ControlMaterial.valid_from <= on)
        .where(or_(ControlMaterial.valid_to.is_(None), ControlMaterial.valid_to >= on))
    ).all()
    states = {_state_of(session, one, at) for one in materials}
    for state in (ControlState.OUT_OF_CONTROL, ControlState.MISSING, ControlState.IN_CONTROL):
        if state in states:
            return state
    return ControlState.NOT_REQUIRED


def _state_of(session: Session, material: ControlMaterial, at: datetime) -> ControlState:
    last = session.scalars(
        select(ControlResult)
        .where(ControlResult.device_id == material.device_id, ControlResult.item_code == material.item_code)
        .where(ControlResult.level == material.level, ControlResult.observed_at <= at)
        .where(ControlResult.excluded.is_(False), ControlResult.verdict != Verdict.UNKNOWN)
        .order_by(ControlResult.observed_at.desc(), ControlResult.id.desc())
        .limit(1)
    ).one_or_none()
    asked = material.every_hours is not None
    if last is None:
        return ControlState.MISSING if asked else ControlState.NOT_REQUIRED
    if last.verdict is Verdict.OUT_OF_CONTROL and last.released_at is None:
        return ControlState.OUT_OF_CONTROL
    if material.every_hours is not None and at - last.observed_at > timedelta(hours=material.every_hours):
        return ControlState.MISSING
    return ControlState.IN_CONTROL


def _on_one_side(values: Sequence[float], count: int, *, beyond: float) -> bool:
    last = values[-count:]
    return len(last) == count and (all(z > beyond for z in last) or all(z < -beyond for z in last))
