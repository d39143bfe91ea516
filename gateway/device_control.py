"""Quality control of devices at work: who looks at it, who enters a check, who releases; each deed in one transaction.

A township enters its own; the centre that reads for it and the county's IT enter for any; out of control is released
by a reviewer of that centre, who alone may correct a failed check as well.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from gateway import audit, live
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists.access import Subject, checked_devices_released_by, checked_devices_visible_to
from worklists.control import ControlState
from worklists.device_control import entering
from worklists.device_control.entering import Said
from worklists.device_control.rows import CheckResult, DeviceCheck, DeviceCheckEvidence, DeviceCheckInterval
from worklists.device_control.standing import (
    Stand,
    has_checks,
    intervals_for,
    stand_of_examination,
    stands_of,
)
from worklists.directory import Device, Institution, Role
from worklists.errors import Invalid, NotAllowed, NotFound
from worklists.examinations import Examination

SHOWN = 500  # of one device: a year of daily checks and more
EVIDENCE_LIMIT_BYTES = 8 << 20
# How a file of a kind begins: what is kept is what a browser shows without a program.
_BEGINS = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
_ENTERS = {Role.RADIOGRAPHER, Role.REVIEWER, Role.IT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the caller may do with one device."""

    enter: bool
    release: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    stand: Stand
    rights: Rights


def overview(session: Session, who: Who, now: datetime) -> list[Line]:
    """Every device in use that the caller sees, the worst first."""
    devices = session.scalars(
        select(Device)
        .join(Institution, Institution.id == Device.institution_id)
        .where(checked_devices_visible_to(who.subject), Device.enabled, Institution.enabled)
        .order_by(Institution.code, Device.name, Device.ae_title)
        .options(joinedload(Device.institution))
    ).all()
    stands = stands_of(session, devices, now)
    released = set(session.scalars(select(Device.id).where(checked_devices_released_by(who.subject))))
    lines = [
        Line(stand=stands[one.id], rights=_rights(who.subject, may_release=one.id in released))
        for one in devices
    ]
    return sorted(lines, key=lambda line: line.stand.rank)


def look_at(session: Session, who: Who, device_id: uuid.UUID, now: datetime) -> Line:
    """Raises NotFound."""
    device = get_device(session, who, device_id)
    rights = _rights(who.subject, may_release=_may_release(session, who.subject, device_id))
    return Line(stand=stands_of(session, [device], now)[device_id], rights=rights)


def find_checks(session: Session, device_id: uuid.UUID) -> Sequence[DeviceCheck]:
    """What was entered for a device, the newest first, corrected ones among them."""
    return session.scalars(
        select(DeviceCheck)
        .where(DeviceCheck.device_id == device_id)
        .order_by(DeviceCheck.done_on.desc(), DeviceCheck.id.desc())
        .limit(SHOWN)
        .options(
            joinedload(DeviceCheck.entered_by),
            joinedload(DeviceCheck.released_by),
            selectinload(DeviceCheck.corrected_by),
            selectinload(DeviceCheck.evidence),
        )
    ).all()


def find_intervals(session: Session, device: Device) -> list[DeviceCheckInterval]:
    rows = session.scalars(select(DeviceCheckInterval).where(DeviceCheckInterval.enabled))
    return list(intervals_for(device, rows).values())


def count_states(
    session: Session, institution_ids: Sequence[uuid.UUID], now: datetime
) -> dict[uuid.UUID, dict[ControlState, int]]:
    """Institution → how many of its devices in use are in each state."""
    devices = session.scalars(
        select(Device).where(Device.institution_id.in_(institution_ids), Device.enabled, has_checks())
    ).all()
    found: dict[uuid.UUID, dict[ControlState, int]] = {one: {} for one in institution_ids}
    for stand in stands_of(session, devices, now).values():
        states = found[stand.device.institution_id]
        states[stand.state] = states.get(stand.state, 0) + 1
    return found


def doubt_about(session: Session, examination: Examination) -> Stand | None:
    """What a reader is told before the signature: the device was out of control, or late, when it was made."""
    stand = stand_of_examination(session, examination)
    doubted = stand is not None and stand.state in {ControlState.OUT_OF_CONTROL, ControlState.MISSING}
    return stand if doubted else None


def get_device(session: Session, who: Who, device_id: uuid.UUID) -> Device:
    """Raises NotFound."""
    device = session.scalars(
        select(Device).where(Device.id == device_id, checked_devices_visible_to(who.subject))
    ).one_or_none()
    if device is None:
        raise NotFound("device")
    return device


def enter(
    runtime: Runtime, who: Who, device_id: uuid.UUID, said: Said, *, corrects_id: uuid.UUID | None = None
) -> uuid.UUID:
    """Raises NotFound, NotAllowed, FieldsRefused, Conflict."""

    def deed(session: Session) -> uuid.UUID:
        device = get_device(session, who, device_id)
        _require(bool(who.subject.roles & _ENTERS), *_ENTERS)
        corrects = _get_corrected(session, who, device_id, corrects_id)
        person = get_person(session, who)
        check = entering.enter(session, device, person, said, corrects=corrects, now=runtime.now())
        action: audit.Action = "device_check_entered" if corrects is None else "device_check_corrected"
        corrected = {"corrects": str(corrects_id)} if corrects else {}
        _note(session, runtime, who, action, check, {"result": check.result.value, **corrected})
        return check.id

    return in_one(runtime, deed)


def release(
    runtime: Runtime, who: Who, check_id: uuid.UUID, *, reason: str, covers_meanwhile: bool
) -> uuid.UUID:
    """Answers the device. Raises NotFound, NotAllowed, Invalid, CheckNotOpen."""

    def deed(session: Session) -> uuid.UUID:
        check, now = get_check(session, who, check_id, lock=True), runtime.now()
        _require(_may_release(session, who.subject, check.device_id), Role.REVIEWER)
        person = get_person(session, who)
        for one in entering.release(
            session, check, person, reason, covers_meanwhile=covers_meanwhile, now=now
        ):
            detail = {"reason": reason.strip(), "covers_meanwhile": covers_meanwhile}
            _note(session, runtime, who, "device_check_released", one, detail)
        return check.device_id

    return in_one(runtime, deed)


def keep_evidence(runtime: Runtime, who: Who, check_id: uuid.UUID, *, name: str, content: bytes) -> uuid.UUID:
    """Once for a check. Answers the device. Raises NotFound, NotAllowed, Invalid, Conflict."""
    media_type = next((kind for kind, begins in _BEGINS.items() if content.startswith(begins)), None)
    if media_type is None:
        raise Invalid("file", "evidence_kind")
    if len(content) > EVIDENCE_LIMIT_BYTES:
        raise Invalid("file", "too_large")
    kept = DeviceCheckEvidence(
        check_id=check_id, name=name, media_type=media_type, size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(), content=content,
    )  # fmt: skip

    def deed(session: Session) -> uuid.UUID:
        check = get_check(session, who, check_id)
        _require(bool(who.subject.roles & _ENTERS), *_ENTERS)
        kept.kept_at, kept.kept_by_id = runtime.now(), get_person(session, who).id
        session.add(kept)
        session.flush()
        _note(session, runtime, who, "device_check_evidence_kept", check, {"sha256": kept.sha256})
        return check.device_id

    return in_one(runtime, deed)


def get_evidence(session: Session, who: Who, check_id: uuid.UUID) -> DeviceCheckEvidence:
    """Raises NotFound."""
    evidence = get_check(session, who, check_id).evidence
    if evidence is None:
        raise NotFound("evidence")
    return evidence


def get_check(session: Session, who: Who, check_id: uuid.UUID, *, lock: bool = False) -> DeviceCheck:
    """Raises NotFound."""
    query = (
        select(DeviceCheck)
        .join(Device, Device.id == DeviceCheck.device_id)
        .where(DeviceCheck.id == check_id, checked_devices_visible_to(who.subject))
    )
    check = session.scalars(query.with_for_update(of=DeviceCheck) if lock else query).one_or_none()
    if check is None:
        raise NotFound("device check")
    return check


def _get_corrected(
    session: Session, who: Who, device_id: uuid.UUID, check_id: uuid.UUID | None
) -> DeviceCheck | None:
    if check_id is None:
        return None
    check = get_check(session, who, check_id, lock=True)
    if check.device_id != device_id:
        raise NotFound("device check")
    if check.result is CheckResult.FAIL:  # else whoever measured could end it by a word
        _require(_may_release(session, who.subject, device_id), Role.REVIEWER)
    return check


def _rights(subject: Subject, *, may_release: bool) -> Rights:
    return Rights(enter=bool(subject.roles & _ENTERS), release=may_release)


def _may_release(session: Session, subject: Subject, device_id: uuid.UUID) -> bool:
    found = select(Device.id).where(Device.id == device_id, checked_devices_released_by(subject))
    return session.scalars(found).first() is not None


def _require(allowed: bool, *roles: Role) -> None:
    if not allowed:
        raise NotAllowed(*roles)


def _note(
    session: Session,
    runtime: Runtime,
    who: Who,
    action: audit.Action,
    check: DeviceCheck,
    detail: Mapping[str, Any],
) -> None:
    about = {"id": str(check.id), "device_id": str(check.device_id), "kind": check.kind.value}
    audit.record(session, action, actor=who.actor, now=runtime.now(), detail={**about, **detail})
    live.bump(session, "devices", "worklist", "system")
