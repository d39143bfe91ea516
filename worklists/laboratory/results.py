"""Results: every value that was ever reported for an item of a specimen, the one that counts marked as current.

Nothing is overwritten. A correction is another version of its run, a rerun another run; what a person or a rule
decided stands with the row it was decided about.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.control import ControlState
from worklists.directory import Device, Person
from worklists.examinations import Examination
from worklists.laboratory.dictionary import LabItem


class ResultStatus(StrEnum):
    """HL7 table 0085, as far as it concerns us."""

    PRELIMINARY = "P"
    FINAL = "F"
    CORRECTED = "C"
    CANCELLED = "X"  # cannot be obtained
    DELETED = "D"


class Abnormal(StrEnum):
    """Against the county's ranges, whatever the analyser thought."""

    NONE = ""
    LOW = "L"
    HIGH = "H"
    CRITICAL_LOW = "LL"
    CRITICAL_HIGH = "HH"
    ABNORMAL = "A"
    CRITICAL = "AA"


class Verification(StrEnum):
    WAITING = "waiting"  # a person looks at it
    AUTOMATIC = "automatic"  # by rule
    VERIFIED = "verified"  # by a person
    RERUN = "rerun"  # asked for anew


class LabResult(Base):
    """One value of one item."""

    __tablename__ = "lab_result"
    __table_args__ = (
        UniqueConstraint("examination_id", "item_code", "run", "version"),
        UniqueConstraint("message_id", "position"),
        Index("ix_lab_result_current", "examination_id", **only_where("current")),
        Index("ix_lab_result_history", "patient_id", "item_code", "observed_at"),
        Index("ix_lab_result_device", "device_id", "item_code", "observed_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"))
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"))
    item_code: Mapped[str] = mapped_column(ForeignKey("lab_item.code"))
    run: Mapped[int] = mapped_column(default=1)
    version: Mapped[int] = mapped_column(default=1)
    current: Mapped[bool] = mapped_column(default=True)
    status: Mapped[ResultStatus] = mapped_column(default=ResultStatus.FINAL)

    value: Mapped[str]  # as it is shown and printed, in the item's unit
    number: Mapped[float | None]
    comparator: Mapped[str] = mapped_column(default="")  # <, >, <=, >=
    unit: Mapped[str] = mapped_column(default="")
    range_low: Mapped[float | None]
    range_high: Mapped[float | None]
    range_text: Mapped[str] = mapped_column(default="")
    abnormal: Mapped[Abnormal] = mapped_column(default=Abnormal.NONE)
    critical: Mapped[bool] = mapped_column(default=False)
    delta: Mapped[dict[str, Any] | None]  # {"value", "number", "observed_at", "percent", "exceeded"}

    reported: Mapped[dict[str, Any]]  # as the analyser said it: code, text, value, unit, range, flags, status
    instrument_flags: Mapped[list[Any]] = mapped_column(default=list)
    comments: Mapped[list[Any]] = mapped_column(default=list)
    dilution: Mapped[str] = mapped_column(default="")
    method: Mapped[str] = mapped_column(default="")
    operator: Mapped[str] = mapped_column(default="")
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    profile_version: Mapped[int | None]
    message_id: Mapped[uuid.UUID | None]  # gateway.lab.rows.LabMessage; None: typed by a person
    position: Mapped[int | None]
    observed_at: Mapped[datetime]
    received_at: Mapped[datetime]
    control_state: Mapped[ControlState] = mapped_column(default=ControlState.NOT_REQUIRED)

    verification: Mapped[Verification] = mapped_column(default=Verification.WAITING)
    stops: Mapped[list[Any]] = mapped_column(
        default=list
    )  # [{"rule", "detail"}]: what kept rules from releasing it
    rules_version: Mapped[int | None]
    verified_at: Mapped[datetime | None]
    verified_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    remark: Mapped[str] = mapped_column(default="")  # a person's, printed

    examination: Mapped[Examination] = relationship()
    item: Mapped[LabItem] = relationship(lazy="joined")
    device: Mapped[Device | None] = relationship()
    verified_by: Mapped[Person | None] = relationship(foreign_keys=[verified_by_id])


class LabAttachment(Base):
    """A picture or document that came with results; its bytes are in the message, at its position."""

    __tablename__ = "lab_attachment"
    __table_args__ = (UniqueConstraint("message_id", "position"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    message_id: Mapped[uuid.UUID]
    position: Mapped[int]
    name: Mapped[str] = mapped_column(default="")
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    received_at: Mapped[datetime]


class RerunRequest(Base):
    """Somebody asks the bench to test an item again; open until another run is there."""

    __tablename__ = "lab_rerun_request"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    item_code: Mapped[str] = mapped_column(ForeignKey("lab_item.code"))
    reason: Mapped[str]
    new_specimen: Mapped[bool] = mapped_column(default=False)
    asked_at: Mapped[datetime]
    asked_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    done_at: Mapped[datetime | None]

    asked_by: Mapped[Person] = relationship()
