"""How a device stands by its checks at any moment.

Out of control is a state that a named person ends by a release; a later check that passed does not. It begins on the
day of the failed check: a status test that failed says nothing of the year before it. Whoever releases says whether
what was made meanwhile counts too (the phantom stood askew) or not (the tube was changed).
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from worklists.base import local_date
from worklists.control import ControlState
from worklists.device_control.rows import CheckKind, CheckResult, DeviceCheck, DeviceCheckInterval
from worklists.directory import Device
from worklists.examinations import Association, Examination, ExaminationAssociation

ANALYSER = "LAB"  # the modality of one in the directory
_WORST_FIRST = (
    ControlState.OUT_OF_CONTROL,
    ControlState.MISSING,
    ControlState.IN_CONTROL,
    ControlState.NOT_REQUIRED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The last day on which a check is in time, and whether the mark is lost after it."""

    kind: CheckKind
    on: date
    takes_mark: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stand:
    """One device at a moment. `due` is the check that is due first; `last` the newest of any kind."""

    device: Device
    state: ControlState
    failed: DeviceCheck | None = None
    due: Due | None = None
    last: DeviceCheck | None = None
    late_takes_mark: bool = False

    @property
    def takes_mark(self) -> bool:
        return self.state is ControlState.OUT_OF_CONTROL or self.late_takes_mark

    @property
    def rank(self) -> int:
        """The worst first."""
        return 2 * _WORST_FIRST.index(self.state) - self.late_takes_mark


def stand_of_examination(session: Session, examination: Examination) -> Stand | None:
    """Of the devices that sent it the worst, when it was made; None where no registered device did.

    A device is what has an AE title or an account of its own: what several machines send through one is one to us.
    """
    carried = (
        select(Association.device_id)
        .join(ExaminationAssociation, ExaminationAssociation.association_id == Association.id)
        .where(ExaminationAssociation.examination_id == examination.id)
    )
    devices = session.scalars(
        select(Device).where(or_(Device.id == examination.device_id, Device.id.in_(carried)))
    ).all()
    stands = stands_of(session, devices, examination.studied_at or examination.received_at)
    return min(stands.values(), key=lambda one: one.rank, default=None)


def stands_of(session: Session, devices: Sequence[Device], at: datetime) -> dict[uuid.UUID, Stand]:
    """By the device's id, in three statements however many there are."""
    day, ids = local_date(at), [one.id for one in devices]
    failed = _find_failed(session, ids, at)
    last = _find_last(session, ids, day)
    intervals = session.scalars(
        select(DeviceCheckInterval).where(DeviceCheckInterval.enabled, DeviceCheckInterval.valid_from <= day)
    ).all()
    return {
        one.id: _stand(one, failed.get(one.id), last.get(one.id, {}), intervals_for(one, intervals), day)
        for one in devices
    }


def has_checks() -> ColumnElement[bool]:
    """A predicate over `Device`: it is no analyser, which is judged by its control material."""
    return (Device.modality != ANALYSER) & (Device.sender == "") & Device.profile_code.is_(None)


def _is_analyser(device: Device) -> bool:
    return device.modality == ANALYSER or bool(device.sender or device.profile_code)


def intervals_for(
    device: Device, intervals: Iterable[DeviceCheckInterval]
) -> dict[CheckKind, DeviceCheckInterval]:
    """Those of its modality; of a kind that has none there, the general one."""
    if _is_analyser(device):
        return {}
    modality = device.modality.strip().upper()
    fitting = [one for one in intervals if one.modality in {"", modality}]
    return {one.kind: one for one in sorted(fitting, key=lambda one: one.modality)}


def counts() -> ColumnElement[bool]:
    """A predicate over `DeviceCheck`: nobody corrected it by another."""
    correction = aliased(DeviceCheck)
    return ~exists(select(correction.id).where(correction.corrects_id == DeviceCheck.id))


def _stand(
    device: Device,
    failed: DeviceCheck | None,
    last: Mapping[CheckKind, DeviceCheck],
    intervals: Mapping[CheckKind, DeviceCheckInterval],
    day: date,
) -> Stand:
    dues = [due for kind in CheckKind if (due := _due(kind, last.get(kind), intervals.get(kind)))]
    late = [due for due in dues if due.on < day]
    return Stand(
        device=device,
        state=_state(failed, late, last),
        failed=failed,
        due=min(dues, key=lambda due: due.on, default=None),
        last=max(last.values(), key=lambda one: (one.done_on, one.id), default=None),
        late_takes_mark=any(due.takes_mark for due in late),
    )


def _state(
    failed: DeviceCheck | None, late: Sequence[Due], last: Mapping[CheckKind, DeviceCheck]
) -> ControlState:
    if failed is not None:
        return ControlState.OUT_OF_CONTROL
    if late:
        return ControlState.MISSING
    return ControlState.IN_CONTROL if last else ControlState.NOT_REQUIRED


def _due(kind: CheckKind, last: DeviceCheck | None, interval: DeviceCheckInterval | None) -> Due | None:
    """As the last protocol says; otherwise so long after it, or after the interval came into force."""
    takes_mark = interval is not None and interval.late_takes_mark
    if last is not None and last.next_due_on is not None:
        return Due(kind=kind, on=last.next_due_on, takes_mark=takes_mark)
    if interval is None:
        return None
    begun, lasts = interval.valid_from, timedelta(days=interval.every_days)
    on = max(last.done_on + lasts, begun) if last is not None else begun + lasts
    return Due(kind=kind, on=on, takes_mark=takes_mark)


def _find_failed(session: Session, ids: Sequence[uuid.UUID], at: datetime) -> dict[uuid.UUID, DeviceCheck]:
    """Of each device that was out of control then, as far as is known now, the earliest check by which it was."""
    released_later = and_(DeviceCheck.release_covers_meanwhile.is_(False), DeviceCheck.released_at > at)
    rows = session.scalars(
        select(DeviceCheck)
        .where(DeviceCheck.device_id.in_(ids), DeviceCheck.result == CheckResult.FAIL)
        .where(DeviceCheck.done_on <= local_date(at), counts())
        .where(or_(DeviceCheck.released_at.is_(None), released_later))
        .order_by(DeviceCheck.done_on.desc(), DeviceCheck.id.desc())
    )
    return {row.device_id: row for row in rows}


def _find_last(
    session: Session, ids: Sequence[uuid.UUID], day: date
) -> dict[uuid.UUID, dict[CheckKind, DeviceCheck]]:
    """Each found by its place in the index: a device that is checked each day for years has thousands."""
    newest = [
        select(DeviceCheck.id)
        .where(DeviceCheck.device_id == Device.id, DeviceCheck.kind == kind)
        .where(DeviceCheck.done_on <= day, counts())
        .order_by(DeviceCheck.done_on.desc(), DeviceCheck.id.desc())
        .limit(1)
        .scalar_subquery()
        for kind in CheckKind
    ]
    rows = session.execute(select(*newest).where(Device.id.in_(ids)))
    wanted = [check_id for row in rows for check_id in row if check_id is not None]
    found: dict[uuid.UUID, dict[CheckKind, DeviceCheck]] = {}
    for check in session.scalars(select(DeviceCheck).where(DeviceCheck.id.in_(wanted))):
        found.setdefault(check.device_id, {})[check.kind] = check
    return found
