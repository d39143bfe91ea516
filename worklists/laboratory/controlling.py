"""Results of control material: kept, judged, and what they say of an analyser at any moment.

Out of control is a state that a named person ends: by a release, or because the result says nothing of the analyser
(excluded). A later result within the limits does not. It reaches back to the last result that was not rejected: what
was measured in between is as doubtful as what came after.
"""

import uuid
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from worklists.base import local_date, new_id
from worklists.control import ControlState
from worklists.laboratory.control import ControlMaterial, ControlResult, Verdict
from worklists.laboratory.dictionary import AnyItem
from worklists.laboratory.westgard import Point, broken_rules, verdict_of

LOOKED_BACK = 40  # results of an item: ten of each of four levels
ALWAYS = datetime(1, 1, 1, tzinfo=UTC)
NOBODY_ASKS = timedelta(days=31)  # where no interval is set, an older run says nothing of today


def record_control(
    session: Session,
    *,
    device_id: uuid.UUID,
    item: AnyItem,
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
    """Keep a result of control material with what it says; the same place of the same message is known.

    One that arrives late is judged where it belongs, and those behind it are judged anew.
    """
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
        lot=material.lot or lot if material else lot,
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
        exclusion_reason="",
        comment="",
        release_reason="",
    )
    session.add(row)
    judge(session, row)
    session.flush()
    judge_those_behind(session, row)
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
        .where(_counts(row), ControlResult.observed_at <= row.observed_at, ControlResult.id != row.id)
        .where(ControlResult.z.is_not(None))
        .order_by(ControlResult.observed_at.desc(), ControlResult.id.desc())
        .limit(LOOKED_BACK)
    ).all()
    points = [*_since_the_last_release(before), Point(level=row.level, z=row.z, observed_at=row.observed_at)]
    row.rules = broken_rules(points)
    row.verdict = verdict_of(row.rules)


def judge_those_behind(session: Session, row: ControlResult) -> Sequence[ControlResult]:
    """Judge anew what was measured after it and may have been judged together with it."""
    behind = session.scalars(
        select(ControlResult)
        .where(_counts(row), ControlResult.observed_at > row.observed_at)
        .where(ControlResult.released_at.is_(None))
        .order_by(ControlResult.observed_at, ControlResult.id)
        .limit(LOOKED_BACK)
    ).all()
    for one in behind:
        judge(session, one)
        session.flush()
    return behind


def find_material(
    session: Session, device_id: uuid.UUID, item_code: str, level: str, lot: str, at: datetime
) -> ControlMaterial | None:
    """The target in force; where the message names no lot, or no level, the only one there is."""
    on = local_date(at)
    found = session.scalars(
        select(ControlMaterial)
        .where(ControlMaterial.device_id == device_id, ControlMaterial.item_code == item_code)
        .where(ControlMaterial.enabled, ControlMaterial.valid_from <= on)
        .order_by(ControlMaterial.valid_from.desc(), ControlMaterial.id.desc())
    )
    fitting = [
        one
        for one in found
        if _in_force(one, at) and level in {one.level, ""} and (lot == one.lot or not lot or not one.lot)
    ]
    fitting.sort(key=lambda one: one.lot != lot)  # the very lot before one that is for any
    return fitting[0] if len({one.level for one in fitting}) == 1 else None


def control_state(session: Session, device_id: uuid.UUID, item_code: str, at: datetime) -> ControlState:
    return Standing(session=session, device_id=device_id).state(item_code, at)


@dataclass(slots=True, kw_only=True)
class Standing:
    """What control material says of one analyser, item by item, at any moment. Asked of the database once."""

    session: Session
    device_id: uuid.UUID
    _materials: dict[str, list[ControlMaterial]] = field(default_factory=dict)
    _doubtful: dict[str, datetime] = field(default_factory=dict)  # item → not in control behind this moment
    _runs: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    _runs_from: datetime | None = None

    def __post_init__(self) -> None:
        rows = self.session.scalars(
            select(ControlMaterial).where(
                ControlMaterial.device_id == self.device_id, ControlMaterial.enabled
            )
        )
        for row in rows:
            self._materials.setdefault(row.item_code, []).append(row)
        if self._materials:
            self._load_doubtful()

    def state(self, item_code: str, at: datetime) -> ControlState:
        """The worst of the levels counts."""
        materials = [one for one in self._materials.get(item_code, ()) if _in_force(one, at)]
        if item_code in self._doubtful and at > self._doubtful[item_code]:
            return ControlState.OUT_OF_CONTROL
        states = {self._level_state(one, at) for one in materials}
        for state in (ControlState.MISSING, ControlState.IN_CONTROL):
            if state in states:
                return state
        return ControlState.NOT_REQUIRED

    def doubtful_since(self, item_code: str) -> datetime | None:
        """Behind this moment nothing of the item is in control; None when it is in control."""
        return self._doubtful.get(item_code)

    def _level_state(self, material: ControlMaterial, at: datetime) -> ControlState:
        last = self._last_run(material, at)
        if last is not None and at - last <= _lasts(material):
            return ControlState.IN_CONTROL
        return ControlState.NOT_REQUIRED if material.every_hours is None else ControlState.MISSING

    def _last_run(self, material: ControlMaterial, at: datetime) -> datetime | None:
        self._load_runs(at)
        runs = self._runs.get((material.item_code, material.level), [])
        place = bisect_right(runs, at)
        return runs[place - 1] if place else None

    def _load_runs(self, at: datetime) -> None:
        """As far back as any material of the analyser asks; further, when something older is asked about."""
        begin = at - max(_lasts(one) for materials in self._materials.values() for one in materials)
        if self._runs_from is not None and begin >= self._runs_from:
            return
        rows = self.session.execute(
            select(ControlResult.item_code, ControlResult.level, ControlResult.observed_at)
            .where(ControlResult.device_id == self.device_id, ControlResult.observed_at >= begin)
            .where(ControlResult.excluded.is_(False), ControlResult.verdict != Verdict.UNKNOWN)
            .order_by(ControlResult.observed_at)
        )
        self._runs, self._runs_from = {}, begin
        for item_code, level, observed_at in rows:
            self._runs.setdefault((item_code, level), []).append(observed_at)

    def _load_doubtful(self) -> None:
        for row in find_open(self.session, self.device_id):
            since = last_before(self.session, row)
            self._doubtful[row.item_code] = min(since, self._doubtful.get(row.item_code, since))


def find_open(
    session: Session, device_id: uuid.UUID, item_code: str | None = None, level: str | None = None
) -> Sequence[ControlResult]:
    """What is out of control and was not released, of material that is in use."""
    query = (
        select(ControlResult)
        .join(ControlMaterial, ControlMaterial.id == ControlResult.material_id)
        .where(ControlResult.device_id == device_id, ControlMaterial.enabled)
        .where(ControlResult.verdict == Verdict.OUT_OF_CONTROL, ControlResult.released_at.is_(None))
        .where(ControlResult.excluded.is_(False))
        .order_by(ControlResult.observed_at)
    )
    if item_code is not None:
        query = query.where(ControlResult.item_code == item_code)
    if level is not None:
        query = query.where(ControlResult.level == level)
    return session.scalars(query).all()


def last_before(session: Session, row: ControlResult) -> datetime:
    """When its level was last not rejected, before it; long ago, when it never was."""
    found = session.scalar(
        select(func.max(ControlResult.observed_at))
        .where(_counts(row), ControlResult.level == row.level)
        .where(ControlResult.observed_at < row.observed_at)
        .where(ControlResult.verdict.in_([Verdict.IN_CONTROL, Verdict.WARNING]))
    )
    return found or ALWAYS


def _counts(row: ControlResult) -> ColumnElement[bool]:
    """Results of the same analyser and item that were not excluded."""
    return (
        (ControlResult.device_id == row.device_id)
        & (ControlResult.item_code == row.item_code)
        & ControlResult.excluded.is_(False)
    )


def _since_the_last_release(newest_first: Sequence[ControlResult]) -> list[Point]:
    """In the order of their times. Who released one has mended something: what was before it says nothing any more."""
    points: list[Point] = []
    for one in newest_first:
        if one.released_at is not None:
            break
        if one.z is not None:
            points.append(Point(level=one.level, z=one.z, observed_at=one.observed_at))
    return points[::-1]


def _lasts(material: ControlMaterial) -> timedelta:
    return timedelta(hours=material.every_hours) if material.every_hours is not None else NOBODY_ASKS


def _in_force(material: ControlMaterial, at: datetime) -> bool:
    on = local_date(at)
    return material.valid_from <= on and (material.valid_to is None or material.valid_to >= on)
