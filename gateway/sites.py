"""Townships and devices as IT people see them: when heard, what waits, what was refused. No names of patients."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from gateway.device_control import count_states
from gateway.figures import LabFigures, SilentSite, SiteHeard
from gateway.index import Held, Refusal
from gateway.lab.analysers import MODALITY as LABORATORY
from gateway.lab.rows import LabHeld
from gateway.settings import Settings
from gateway.working_time import WorkingTime
from worklists.base import COUNTY_TIME
from worklists.control import ControlState
from worklists.directory import Device, Institution, InstitutionKind
from worklists.errors import NotFound
from worklists.examinations import Association, Examination
from worklists.reading import ReadingTask, TaskState

SHOWN = 50  # associations and refusals of one device
LATELY_HEARD = timedelta(days=14)  # an analyser that was not heard for longer is out of use
REFUSALS_SHOWN = timedelta(days=7)
_UNREAD = (TaskState.ARRIVING, TaskState.WAITING)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRule:
    """A township is silent when nothing was heard of it for so much working time. One never heard is not there yet."""

    after: timedelta
    working_time: WorkingTime

    @classmethod
    def of(cls, settings: Settings) -> "SilenceRule":
        return cls(after=timedelta(hours=settings.silent_after_h), working_time=settings.working_time)

    def applies(self, last_heard_at: datetime | None, now: datetime) -> bool:
        return last_heard_at is not None and self.working_time.between(last_heard_at, now) > self.after


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFigures:
    """One institution that sends, or should."""

    site: Institution
    devices: int
    last_heard_at: datetime | None
    queue: int
    oldest_waiting_at: datetime | None
    held: int
    refused_today: int
    out_of_control: int  # devices by their checks
    check_late: int
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFigures:
    device: Device
    associations: list[Association]
    refusals: list[Refusal]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPeer:
    """Alike refusals of one caller.

    `device` is the one registered under its AE title or, of an analyser, its sender;
    at its address, when it was refused before it could say one.
    """

    ae_title: str
    address: str
    what: str
    reason: str
    cause: str
    detail: str
    count: int
    last_at: datetime
    device: Device | None


def look_at_sites(session: Session, now: datetime, rule: SilenceRule) -> list[SiteFigures]:
    """Every enabled township, and whoever else has a device, in the order of their codes."""
    heard = _rows(
        session,
        select(Device.institution_id, func.count(), func.max(Device.last_heard_at))
        .where(Device.enabled)
        .group_by(Device.institution_id),
    )
    queues = _rows(
        session,
        select(Examination.institution_id, func.count(), func.min(ReadingTask.waiting_since))
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(ReadingTask.state.in_(_UNREAD))
        .group_by(Examination.institution_id),
    )
    held = _rows(
        session,
        select(Held.institution_id, func.count())
        .where(Held.resolved_at.is_(None))
        .group_by(Held.institution_id),
    )
    refused = _rows(
        session,
        select(Refusal.institution_id, func.count())
        .where(Refusal.refused_at >= _midnight(now))
        .group_by(Refusal.institution_id),
    )
    sites = session.scalars(
        select(Institution)
        .where(Institution.enabled)
        .where(or_(Institution.kind == InstitutionKind.TOWNSHIP, Institution.id.in_(list(heard))))
        .order_by(Institution.code)
    )
    shown = sites.all()
    states = count_states(session, [site.id for site in shown], now)
    return [
        _figures(
            site, heard, queues, held, refused, states, rule.applies(heard.get(site.id, (0, None))[1], now)
        )
        for site in shown
    ]


def hear_sites(session: Session, now: datetime, rule: SilenceRule) -> list[SiteHeard]:
    """Every enabled institution with enabled devices of which something was ever heard."""
    heard = session.execute(
        select(Institution.code, Institution.name, func.max(Device.last_heard_at))
        .join(Device, Device.institution_id == Institution.id)
        .where(Institution.enabled, Device.enabled, Device.last_heard_at.is_not(None))
        .group_by(Institution.id, Institution.code, Institution.name)
        .order_by(Institution.code)
    )
    return [
        SiteHeard(code=code, name=name, last_heard_at=at, silent=rule.applies(at, now))
        for code, name, at in heard
        if at
    ]


def look_at_laboratory(session: Session, now: datetime, rule: SilenceRule) -> LabFigures:
    """What waits for a person, and the analysers that were heard lately and fell silent."""
    held, oldest = session.execute(
        select(func.count(), func.min(LabHeld.held_at)).where(LabHeld.resolved_at.is_(None))
    ).one()
    heard = session.execute(
        select(Institution.name, Device.name, Device.ae_title, Device.last_heard_at)
        .join(Institution, Institution.id == Device.institution_id)
        .where(Device.enabled, Institution.enabled, Device.last_heard_at > now - LATELY_HEARD)
        .where(or_(Device.modality == LABORATORY, Device.sender != "", Device.profile_code.is_not(None)))
        .order_by(Device.last_heard_at)
    )
    return LabFigures(
        held=held,
        oldest_held_at=oldest,
        silent=tuple(
            SilentSite(name=f"{site} {name or title}", last_heard_at=at)
            for site, name, title, at in heard
            if at and rule.applies(at, now)
        ),
    )


def look_at_devices(session: Session, institution_id: uuid.UUID) -> list[Device]:
    """The devices of one institution, in the order of their AE titles. Raises NotFound."""
    if session.get(Institution, institution_id) is None:
        raise NotFound("institution")
    mine = Device.institution_id == institution_id
    return list(session.scalars(select(Device).where(mine).order_by(Device.ae_title)))


def look_at_refusals(session: Session, now: datetime, *, limit: int) -> list[RefusedPeer]:
    """Who was turned away lately, the last first. Files are not among them: their names may be patients'."""
    alike = (Refusal.calling_ae_title, Refusal.peer_address, Refusal.what, Refusal.reason, Refusal.cause,
             Refusal.detail)  # fmt: skip
    last_at = func.max(Refusal.refused_at)
    rows = session.execute(
        select(*alike, func.count(), last_at)
        .where(Refusal.what != "file", Refusal.refused_at > now - REFUSALS_SHOWN)
        .group_by(*alike)
        .order_by(last_at.desc(), Refusal.calling_ae_title)
        .limit(limit)
    ).all()
    callers = {row[0] for row in rows}, {row[1] for row in rows if not row[0]}
    devices = session.scalars(
        select(Device).where(
            or_(
                Device.ae_title.in_(callers[0]),
                Device.sender.in_(callers[0] - {""}),
                Device.address.in_(callers[1]),
            )
        )
    ).all()
    known = {
        name: device
        for device in devices
        for name in (device.address, device.sender, device.ae_title)
        if name
    }
    return [
        RefusedPeer(
            ae_title=title,
            address=address,
            what=what,
            reason=reason,
            cause=cause,
            detail=detail,
            count=count,
            last_at=at,
            device=known.get(title or address),
        )
        for title, address, what, reason, cause, detail, count, at in rows
    ]


def look_at_device(session: Session, device_id: uuid.UUID) -> DeviceFigures:
    """One device and its last conversations. Raises NotFound."""
    device = session.get(Device, device_id)
    if device is None:
        raise NotFound("device")
    return DeviceFigures(
        device=device,
        associations=list(
            session.scalars(
                select(Association)
                .where(Association.device_id == device_id)
                .order_by(Association.opened_at.desc())
                .limit(SHOWN)
            )
        ),
        refusals=list(
            session.scalars(
                select(Refusal)
                .where(Refusal.device_id == device_id)
                .order_by(Refusal.refused_at.desc())
                .limit(SHOWN)
            )
        ),
    )


_Found = Mapping[uuid.UUID, Any]


def _figures(
    site: Institution,
    heard: _Found,
    queues: _Found,
    held: _Found,
    refused: _Found,
    states: Mapping[uuid.UUID, Mapping[ControlState, int]],
    silent: bool,
) -> SiteFigures:
    devices, last_heard_at = heard.get(site.id, (0, None))
    queue, oldest_waiting_at = queues.get(site.id, (0, None))
    return SiteFigures(
        site=site,
        devices=devices,
        last_heard_at=last_heard_at,
        queue=queue,
        oldest_waiting_at=oldest_waiting_at,
        held=held.get(site.id, (0,))[0],
        refused_today=refused.get(site.id, (0,))[0],
        out_of_control=states[site.id].get(ControlState.OUT_OF_CONTROL, 0),
        check_late=states[site.id].get(ControlState.MISSING, 0),
        silent=silent,
    )


def _rows(session: Session, query: Any) -> dict[uuid.UUID, Any]:
    return {row[0]: tuple(row[1:]) for row in session.execute(query) if row[0] is not None}


def _midnight(now: datetime) -> datetime:
    return now.astimezone(COUNTY_TIME).replace(hour=0, minute=0, second=0, microsecond=0)
