"""Targets of control material: set by a person, perhaps after what the last results propose."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import fmean, stdev

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import local_date, new_id
from worklists.directory import Device
from worklists.errors import Conflict, Invalid, NotFound
from worklists.laboratory.control import ControlMaterial, ControlResult
from worklists.laboratory.controlling import judge
from worklists.laboratory.dictionary import LabItem

ENOUGH = 20  # results that a mean and a standard deviation are usually taken from (GB/T 20468)
ADOPTED = 200  # results without a target that a new one is laid over, at most
LONGEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a person sets of a material. `every_hours` None: nobody asks when it was run last."""

    mean: float
    sd: float
    valid_from: date
    valid_to: date | None = None
    every_hours: int | None = None
    name: str = ""
    enabled: bool = True

    def check(self) -> None:
        """Raises Invalid."""
        if not math.isfinite(self.mean):
            raise Invalid("mean")
        if not (math.isfinite(self.sd) and self.sd > 0):
            raise Invalid("sd")
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise Invalid("valid_to")
        if self.every_hours is not None and not 1 <= self.every_hours <= 24 * 31:
            raise Invalid("every_hours")
        if len(self.name) > LONGEST:
            raise Invalid("name", "too_long")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What the last results say a target could be. Without two of them there is no standard deviation."""

    count: int
    mean: float | None
    sd: float | None
    first_at: datetime | None
    last_at: datetime | None


def add_material(
    session: Session, *, device: Device, item_code: str, level: str, lot: str, target: Target
) -> ControlMaterial:
    """A new target; results of its days that had none are laid beside it. Raises Invalid, Conflict, NotFound."""
    target.check()
    level, lot = level.strip(), lot.strip()
    if not level or len(level) > LONGEST:
        raise Invalid("level", "required" if not level else "too_long")
    if len(lot) > LONGEST:
        raise Invalid("lot", "too_long")
    item = session.get(LabItem, item_code)
    if item is None:
        raise NotFound("item")
    material = ControlMaterial(
        id=new_id(), device_id=device.id, item_code=item_code, level=level, lot=lot, unit=item.unit, mean=target.mean,
        sd=target.sd, name=target.name, every_hours=target.every_hours, valid_from=target.valid_from,
        valid_to=target.valid_to, enabled=target.enabled,
    )  # fmt: skip
    _refuse_two_at_once(session, material)
    session.add(material)
    session.flush()
    if material.enabled:
        _adopt(session, material)
    return material


def change_material(session: Session, material: ControlMaterial, target: Target) -> None:
    """What was judged stays judged; another mean counts from the next result on. Raises Invalid, Conflict."""
    target.check()
    material.mean, material.sd, material.name = target.mean, target.sd, target.name
    material.valid_from, material.valid_to = target.valid_from, target.valid_to
    material.every_hours, material.enabled = target.every_hours, target.enabled
    with session.no_autoflush:
        _refuse_two_at_once(session, material)
    session.flush()


def propose(
    session: Session, *, device_id: uuid.UUID, item_code: str, level: str, lot: str, last: int
) -> Proposal:
    """Over the last so many results of one lot and level; what a person excluded does not count."""
    query = (
        select(ControlResult.number, ControlResult.observed_at)
        .where(ControlResult.device_id == device_id, ControlResult.item_code == item_code)
        .where(ControlResult.level == level, ControlResult.excluded.is_(False))
        .where(ControlResult.number.is_not(None))
        .order_by(ControlResult.observed_at.desc(), ControlResult.id.desc())
        .limit(last)
    )
    rows = session.execute(query.where(ControlResult.lot == lot) if lot else query).all()
    numbers = [float(number) for number, _ in rows if number is not None]
    return Proposal(
        count=len(rows),
        mean=fmean(numbers) if numbers else None,
        sd=stdev(numbers) if len(numbers) > 1 else None,
        first_at=rows[-1][1] if rows else None,
        last_at=rows[0][1] if rows else None,
    )


def _adopt(session: Session, material: ControlMaterial) -> Sequence[ControlResult]:
    rows = session.scalars(
        select(ControlResult)
        .where(ControlResult.device_id == material.device_id, ControlResult.item_code == material.item_code)
        .where(ControlResult.level == material.level, ControlResult.material_id.is_(None))
        .order_by(ControlResult.observed_at.desc(), ControlResult.id.desc())
        .limit(ADOPTED)
    ).all()
    fitting = [
        one
        for one in reversed(rows)
        if material.lot in {"", one.lot}
        and local_date(one.observed_at) >= material.valid_from
        and (material.valid_to is None or local_date(one.observed_at) <= material.valid_to)
    ]
    for one in fitting:
        one.material = material
        judge(session, one)
        session.flush()
    return fitting


def _refuse_two_at_once(session: Session, material: ControlMaterial) -> None:
    """One lot of one level has one target on one day."""
    if not material.enabled:
        return
    others = session.scalars(
        select(ControlMaterial)
        .where(ControlMaterial.device_id == material.device_id, ControlMaterial.enabled)
        .where(ControlMaterial.item_code == material.item_code, ControlMaterial.level == material.level)
        .where(ControlMaterial.lot == material.lot, ControlMaterial.id != material.id)
    )
    for other in others:
        ends_before = other.valid_to is not None and other.valid_to < material.valid_from
        begins_after = material.valid_to is not None and material.valid_to < other.valid_from
        if not (ends_before or begins_after):
            raise Conflict("control material")
