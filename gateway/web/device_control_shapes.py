"""The JSON of docs/http.md about the quality control of devices."""

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

from gateway.device_control import Line
from gateway.web.shapes import PersonShape, SiteShape
from gateway.web.showing import show_known_person, show_site
from worklists.control import ControlState
from worklists.device_control.entering import Said
from worklists.device_control.rows import (
    CheckKind,
    CheckResult,
    DeviceCheck,
    DeviceCheckEvidence,
    DeviceCheckInterval,
)
from worklists.device_control.standing import Stand
from worklists.directory import Device

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Long = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class CheckedDeviceShape(BaseModel):
    id: uuid.UUID
    ae_title: str
    name: str
    modality: str
    enabled: bool
    site: SiteShape


class DueShape(BaseModel):
    kind: CheckKind
    on: date
    takes_mark: bool


class DoneShape(BaseModel):
    id: uuid.UUID
    kind: CheckKind
    result: CheckResult
    done_on: date
    note: str


class StandShape(BaseModel):
    """One device at a moment. `failed`: by which check it is out of control; `due`: what is due first."""

    device: CheckedDeviceShape
    state: ControlState
    takes_mark: bool
    failed: DoneShape | None
    due: DueShape | None
    last: DoneShape | None


class StandLine(StandShape):
    may_enter: bool
    may_release: bool


class OverviewShape(BaseModel):
    items: list[StandLine]
    counts: dict[ControlState, int]


class EvidenceShape(BaseModel):
    name: str
    media_type: str
    size_bytes: int
    sha256: str


class CheckShape(DoneShape):
    done_by: str
    measured: str
    next_due_on: date | None
    entered_by: PersonShape
    entered_at: datetime
    corrects_id: uuid.UUID | None
    corrected_by_id: uuid.UUID | None
    open: bool
    released_at: datetime | None
    released_by: PersonShape | None
    release_reason: str
    release_covers_meanwhile: bool
    evidence: EvidenceShape | None


class IntervalShape(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    kind: CheckKind
    every_days: int
    valid_from: date
    late_takes_mark: bool
    unconfirmed: bool


class DeviceControlShape(StandLine):
    checks: list[CheckShape]
    intervals: list[IntervalShape]


class NewCheck(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: CheckKind
    result: CheckResult
    done_on: date
    done_by: Short = ""
    measured: Long = ""
    next_due_on: date | None = None
    note: Long = ""
    corrects_id: uuid.UUID | None = None

    def said(self) -> Said:
        return Said(**self.model_dump(exclude={"corrects_id"}))


class ReleaseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason
    covers_meanwhile: bool


def show_stand(stand: Stand) -> StandShape:
    return StandShape(
        device=_device(stand.device),
        state=stand.state,
        takes_mark=stand.takes_mark,
        failed=_done(stand.failed),
        due=DueShape(kind=stand.due.kind, on=stand.due.on, takes_mark=stand.due.takes_mark)
        if stand.due
        else None,
        last=_done(stand.last),
    )


def show_line(line: Line) -> StandLine:
    return StandLine(
        **dict(show_stand(line.stand)), may_enter=line.rights.enter, may_release=line.rights.release
    )


def show_check(check: DeviceCheck) -> CheckShape:
    names = ("id", "kind", "result", "done_on", "note", "done_by", "measured", "next_due_on", "entered_at", "corrects_id",
             "released_at", "release_reason", "release_covers_meanwhile")  # fmt: skip
    return CheckShape(
        **{name: getattr(check, name) for name in names},
        entered_by=show_known_person(check.entered_by),
        released_by=show_known_person(check.released_by) if check.released_by else None,
        corrected_by_id=check.corrected_by.id if check.corrected_by else None,
        open=check.is_open,
        evidence=_evidence(check.evidence),
    )


def show_interval(interval: DeviceCheckInterval) -> IntervalShape:
    return IntervalShape.model_validate(interval)


def _device(device: Device) -> CheckedDeviceShape:
    return CheckedDeviceShape(
        id=device.id, ae_title=device.ae_title, name=device.name, modality=device.modality,
        enabled=device.enabled, site=show_site(device.institution),
    )  # fmt: skip


def _done(check: DeviceCheck | None) -> DoneShape | None:
    if check is None:
        return None
    return DoneShape(
        id=check.id, kind=check.kind, result=check.result, done_on=check.done_on, note=check.note
    )


def _evidence(row: DeviceCheckEvidence | None) -> EvidenceShape | None:
    if row is None:
        return None
    return EvidenceShape(
        name=row.name, media_type=row.media_type, size_bytes=row.size_bytes, sha256=row.sha256
    )
