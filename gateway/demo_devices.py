"""What the demonstration county's devices were checked: most in order, one out of control, one late."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import local_date, new_id
from worklists.device_control.entering import Said, enter
from worklists.device_control.rows import CheckKind, CheckResult, DeviceCheck, DeviceCheckInterval
from worklists.directory import Device, Person

# modality, kind, days; what is late is a reminder
INTERVALS: Sequence[tuple[str, CheckKind, int]] = (
    ("CT", CheckKind.DAILY, 7),
    ("", CheckKind.STATUS, 366),
    ("US", CheckKind.CONSTANCY, 90),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    device: str
    days_ago: int
    kind: CheckKind
    measured: str
    failed: str = ""


CHECKED: Sequence[Checked] = (
    Checked(device="DEMO_CT", days_ago=120, kind=CheckKind.STATUS, measured="CT 值线性、层厚、剂量符合 WS 519"),
    Checked(device="DEMO_CT", days_ago=2, kind=CheckKind.DAILY, measured="水模 CT 值 0.8 HU，噪声 4.1 HU"),
    Checked(device="DEMO_DR", days_ago=95, kind=CheckKind.STATUS, measured="输出重复性 1.9 %，半值层 2.8 mmAl"),
    Checked(device="DEMO_US", days_ago=118, kind=CheckKind.CONSTANCY, measured="盲区 3 mm，侧向分辨力 2 mm"),
    Checked(device="DEMO_MR", days_ago=200, kind=CheckKind.STATUS, measured="信噪比 96，均匀性 82 %"),
    Checked(
        device="DEMO_MR", days_ago=1, kind=CheckKind.DAILY, measured="信噪比 61",
        failed="信噪比低于基线三成，头线圈一通道无信号，已报修",
    ),
    Checked(device="DEMO_ECG", days_ago=60, kind=CheckKind.CALIBRATION, measured="1 mV 定标 10.0 mm"),
)  # fmt: skip


def make_checks(session: Session, radiographer: str, now: datetime) -> None:
    """Once, before anybody has entered one."""
    if session.scalars(select(DeviceCheck.id).limit(1)).first() is not None:
        return
    person = session.scalars(select(Person).where(Person.username == radiographer)).one()
    today = local_date(now)
    for modality, kind, days in INTERVALS:
        session.add(
            DeviceCheckInterval(
                id=new_id(), modality=modality, kind=kind, every_days=days,
                valid_from=today - timedelta(days=300), late_takes_mark=False, unconfirmed=True, enabled=True,
            )
        )  # fmt: skip
    for one in CHECKED:
        device = session.scalars(select(Device).where(Device.ae_title == one.device)).one()
        said = Said(
            kind=one.kind, result=CheckResult.FAIL if one.failed else CheckResult.PASS,
            done_on=today - timedelta(days=one.days_ago), measured=one.measured, note=one.failed,
        )  # fmt: skip
        enter(session, device, person, said, now=now - timedelta(days=one.days_ago))
