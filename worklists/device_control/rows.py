"""What is kept of the quality control of devices: each check as it was entered, and how often which is due.

Kinds of checks after WS 76 (医用X射线诊断设备质量控制检测规范: acceptance, status and constancy tests), besides the daily
check and calibration. How often, and whether one that is late takes the mark, are the county's data.
"""

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import Connection, ForeignKey, Index, LargeBinary, UniqueConstraint, event, inspect
from sqlalchemy.orm import Mapped, Mapper, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.directory import Device, Person
from worklists.errors import Conflict


class CheckKind(StrEnum):
    DAILY = "daily"  # 日检
    CONSTANCY = "constancy"  # 稳定性检测
    STATUS = "status"  # 状态检测
    ACCEPTANCE = "acceptance"  # 验收检测
    CALIBRATION = "calibration"  # 校准


class CheckResult(StrEnum):
    PASS = "pass"  # noqa: S105 (a result, not a secret)
    FAIL = "fail"


class CheckNotOpen(Conflict):
    """Only a failed check that nobody released, and nobody corrected, can be released."""


class DeviceCheck(Base):
    """One check of a device as somebody entered it. It never changes but for its release; another one corrects it."""

    __tablename__ = "device_check"
    __table_args__ = (
        UniqueConstraint("corrects_id"),
        Index("ix_device_check_of", "device_id", "kind", "done_on", "id"),
        Index("ix_device_check_failed", "device_id", "done_on", **only_where("result = 'fail'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("device.id"))
    kind: Mapped[CheckKind]
    result: Mapped[CheckResult]
    done_on: Mapped[date]
    done_by: Mapped[str] = mapped_column(
        default=""
    )  # who measured, where that is another than who entered it
    measured: Mapped[str] = mapped_column(default="")
    next_due_on: Mapped[date | None]  # as the protocol says; otherwise by the interval
    note: Mapped[str] = mapped_column(default="")
    entered_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    entered_at: Mapped[datetime]
    corrects_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device_check.id"))
    released_at: Mapped[datetime | None]
    released_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    release_reason: Mapped[str] = mapped_column(default="")
    release_covers_meanwhile: Mapped[bool] = mapped_column(
        default=False
    )  # what was made before it counts too

    device: Mapped[Device] = relationship()
    entered_by: Mapped[Person] = relationship(foreign_keys=[entered_by_id])
    released_by: Mapped[Person | None] = relationship(foreign_keys=[released_by_id])
    corrects: Mapped["DeviceCheck | None"] = relationship(remote_side=[id], back_populates="corrected_by")
    corrected_by: Mapped["DeviceCheck | None"] = relationship(back_populates="corrects")
    evidence: Mapped["DeviceCheckEvidence | None"] = relationship(back_populates="check")

    @property
    def is_open(self) -> bool:
        """Failed, and it counts."""
        return self.result is CheckResult.FAIL and self.released_at is None and self.corrected_by is None

    def release(self, person: Person, reason: str, *, covers_meanwhile: bool, now: datetime) -> None:
        """Raises CheckNotOpen."""
        if not self.is_open:
            raise CheckNotOpen
        self.released_at, self.released_by, self.release_reason = now, person, reason
        self.release_covers_meanwhile = covers_meanwhile


class DeviceCheckEvidence(Base):
    """The protocol or a picture of it. Few and small: kept with the row, so that a backup of the rows has them."""

    __tablename__ = "device_check_evidence"

    check_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("device_check.id"), primary_key=True)
    name: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    kept_at: Mapped[datetime]
    kept_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))

    check: Mapped[DeviceCheck] = relationship(back_populates="evidence")


class DeviceCheckInterval(Base):
    """How often a kind of check is due on devices of a modality; without one, on those that have none of their own."""

    __tablename__ = "device_check_interval"
    __table_args__ = (UniqueConstraint("modality", "kind"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    modality: Mapped[str] = mapped_column(default="")
    kind: Mapped[CheckKind]
    every_days: Mapped[int]
    valid_from: Mapped[date]
    late_takes_mark: Mapped[bool] = mapped_column(default=False)
    unconfirmed: Mapped[bool] = mapped_column(default=True)
    enabled: Mapped[bool] = mapped_column(default=True)


class CheckImmutable(Exception):
    """A check was about to be changed: a fault in our own code."""


_RELEASE = {"released_at", "released_by_id", "release_reason", "release_covers_meanwhile"}


@event.listens_for(DeviceCheck, "before_update")
def _refuse_change(_mapper: Mapper[DeviceCheck], _connection: Connection, check: DeviceCheck) -> None:
    state = inspect(check)
    changed = {a.key for a in state.mapper.column_attrs if state.attrs[a.key].history.has_changes()}
    first_release = state.attrs["released_at"].history.deleted in ((), [None])
    if changed - (_RELEASE if first_release else set()):
        raise CheckImmutable(check.id, sorted(changed))
