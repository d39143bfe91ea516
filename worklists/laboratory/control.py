"""Internal quality control (室内质控): control material, its results, and whether an analyser is in control.

Westgard's rules (Clin Chem 1981;27:493): 1_2s warns; 1_3s, 2_2s, R_4s, 4_1s, 10_x reject.
"""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.directory import Device, Person
from worklists.laboratory.dictionary import LabItem


class Verdict(StrEnum):
    IN_CONTROL = "in_control"
    WARNING = "warning"
    OUT_OF_CONTROL = "out_of_control"
    UNKNOWN = "unknown"  # no target is set for this material


class ControlMaterial(Base):
    """One lot at one level for one item of one analyser: its target."""

    __tablename__ = "lab_control_material"
    __table_args__ = (Index("ix_lab_control_material_of", "device_id", "item_code", "level"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("device.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("lab_item.code"))
    level: Mapped[str]
    lot: Mapped[str] = mapped_column(default="")
    name: Mapped[str] = mapped_column(default="")
    mean: Mapped[float]
    sd: Mapped[float]
    unit: Mapped[str] = mapped_column(default="")
    every_hours: Mapped[int | None]  # older than this, it is missing; None: nobody asks
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    enabled: Mapped[bool] = mapped_column(default=True)

    device: Mapped[Device] = relationship()
    item: Mapped[LabItem] = relationship()


class ControlResult(Base):
    """One run of control material."""

    __tablename__ = "lab_control_result"
    __table_args__ = (
        Index("ix_lab_control_result_of", "device_id", "item_code", "level", "observed_at"),
        Index("ix_lab_control_result_message", "message_id", "position", unique=True),
        Index(
            "ix_lab_control_result_open",
            "device_id",
            **only_where("verdict = 'out_of_control' AND released_at IS NULL"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("device.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("lab_item.code"))
    material_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("lab_control_material.id"))
    level: Mapped[str] = mapped_column(default="")
    lot: Mapped[str] = mapped_column(default="")
    value: Mapped[str]
    number: Mapped[float | None]
    unit: Mapped[str] = mapped_column(default="")
    z: Mapped[float | None]  # standard deviations from the mean
    rules: Mapped[list[Any]] = mapped_column(default=list)  # broken ones
    verdict: Mapped[Verdict] = mapped_column(default=Verdict.UNKNOWN)
    observed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    message_id: Mapped[uuid.UUID | None]
    position: Mapped[int | None]
    excluded: Mapped[bool] = mapped_column(default=False)  # a person: it says nothing of the analyser
    excluded_at: Mapped[datetime | None]  # the last time somebody decided about it, either way
    excluded_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    exclusion_reason: Mapped[str] = mapped_column(default="")
    comment: Mapped[str] = mapped_column(default="")
    released_at: Mapped[datetime | None]  # patients' results may be released again
    released_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    release_reason: Mapped[str] = mapped_column(default="")

    device: Mapped[Device] = relationship()
    item: Mapped[LabItem] = relationship()
    material: Mapped[ControlMaterial | None] = relationship()
    excluded_by: Mapped[Person | None] = relationship(foreign_keys=[excluded_by_id])
    released_by: Mapped[Person | None] = relationship(foreign_keys=[released_by_id])
