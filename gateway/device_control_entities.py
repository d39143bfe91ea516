"""What an administrator edits of the quality control of devices: how often which check is due, and what being late costs."""

from datetime import date
from typing import Annotated

from pydantic import Field, StringConstraints
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.entity import Entity, Fields, Reasons
from worklists.device_control.rows import CheckKind, DeviceCheckInterval


class IntervalFields(Fields):
    modality: Annotated[str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=16)] = ""
    kind: CheckKind
    every_days: Annotated[int, Field(ge=1, le=3660)]
    valid_from: date
    late_takes_mark: bool = False
    unconfirmed: bool = True
    enabled: bool = True


def _check_interval(session: Session, row: DeviceCheckInterval) -> Reasons:
    same = select(DeviceCheckInterval.id).where(
        DeviceCheckInterval.modality == row.modality,
        DeviceCheckInterval.kind == row.kind,
        DeviceCheckInterval.id != row.id,
    )
    return {"kind": "taken"} if session.scalars(same).first() is not None else {}


DEVICE_CONTROL: tuple[Entity, ...] = (
    Entity(
        name="device_check_interval",
        path="device-control/intervals",
        row=DeviceCheckInterval,
        fields=IntervalFields,
        check=_check_interval,
    ),
)
