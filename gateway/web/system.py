"""The IT person's pages: the state of the whole, townships, devices, due work, quarantine. No names of patients."""

import uuid
from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request

from gateway import __version__, retrying, sites
from gateway.faults import Fault
from gateway.index import Record, Refusal
from gateway.sites import RefusedPeer
from gateway.system import Overseer
from gateway.web.deps import ItDep, RuntimeDep
from gateway.web.messages import say_cause, say_failure, say_fault
from gateway.web.onlookers import OnlookerDep
from gateway.web.paging import LimitDep
from gateway.web.refusals import explain
from gateway.web.system_shapes import (
    AssociationShape,
    BackupShape,
    CertificateShape,
    ControlledItDevice,
    DatabaseShape,
    DevicePageShape,
    DiscardBody,
    DrainShape,
    FaultShape,
    ItDevice,
    ItRefusal,
    ItSite,
    JournalShape,
    LastObjectShape,
    ListenerShape,
    NodeShape,
    P,
    ProcessShape,
    QuarantineShape,
    RefusedPeerShape,
    SilentSiteShape,
    StoreShape,
    SweepShape,
    SystemShape,
    TownshipShape,
    WorkShape,
)
from gateway.work import Work
from worklists.device_control.standing import Stand, stands_of
from worklists.directory import Institution

router = APIRouter(prefix="/api/v1/system", tags=["system"])


def get_overseer(request: Request) -> Overseer:
    overseer: Overseer = request.app.state.overseer
    return overseer


OverseerDep = Annotated[Overseer, Depends(get_overseer)]


@router.get("")
def show_system(caller: OnlookerDep, request: Request, overseer: OverseerDep) -> SystemShape:
    found = overseer.look()
    return SystemShape(
        version=__version__,
        started_at=request.app.state.started_at,
        faults=[_show_fault(fault, caller.language) for fault in found.faults],
        listeners=[ListenerShape.model_validate(one) for one in found.status.listeners],
        journal=JournalShape.model_validate(found.journal),
        drain=DrainShape.model_validate(found.drain),
        store=_explain(StoreShape.model_validate(found.store), caller.language),
        database=_explain(DatabaseShape.model_validate(found.database), caller.language),
        sweep=SweepShape.model_validate(found.sweep),
        processes=[ProcessShape.model_validate(one) for one in found.processes],
        nodes=[NodeShape.model_validate(one) for one in found.nodes],
        certificates=[CertificateShape.model_validate(one) for one in found.certificates],
        backup=BackupShape.model_validate(found.backup) if found.backup else None,
        silent_sites=[SilentSiteShape.model_validate(one) for one in found.heard if one.silent],
    )


@router.get("/townships")
def show_townships(caller: ItDep, runtime: RuntimeDep) -> list[TownshipShape]:
    rule = sites.SilenceRule.of(runtime.settings)
    with runtime.reading() as session:
        return [
            TownshipShape.model_validate(site) for site in sites.look_at_sites(session, runtime.now(), rule)
        ]


@router.get("/devices")
def show_devices(caller: ItDep, runtime: RuntimeDep, site: uuid.UUID) -> list[ControlledItDevice]:
    with runtime.reading() as session:
        devices = sites.look_at_devices(session, site)
        stands = stands_of(session, devices, runtime.now())
        return [_show_controlled(stands[row.id]) for row in devices]


@router.get("/refusals")
def show_refusals(caller: ItDep, runtime: RuntimeDep, limit: LimitDep = 50) -> list[RefusedPeerShape]:
    """Who was turned away at the DICOM door in the last week, known here or not."""
    with runtime.reading() as session:
        found = sites.look_at_refusals(session, runtime.now(), limit=limit)
        return [_show_refused_peer(one, caller.language) for one in found]


@router.get("/devices/{device_id}")
def show_device(device_id: uuid.UUID, caller: ItDep, runtime: RuntimeDep) -> DevicePageShape:
    with runtime.reading() as session:
        found = sites.look_at_device(session, device_id)
        device = found.device
        last = device.last_sop_instance_uid
        return DevicePageShape(
            device=_show_controlled(stands_of(session, [device], runtime.now())[device_id]),
            last_heard_at=device.last_heard_at,
            last_object=LastObjectShape(sop_instance_uid=last, at=device.last_heard_at) if last else None,
            associations=[AssociationShape.model_validate(row) for row in found.associations],
            refusals=[_show_refusal(row, caller.language) for row in found.refusals],
        )


@router.get("/work")
def show_work(
    caller: ItDep, runtime: RuntimeDep, state: Literal["due", "failing", "done"] = "due"
) -> list[WorkShape]:
    with runtime.reading() as session:
        return [_show_work(row, caller.language) for row in retrying.list_work(session, state)]


@router.post("/work/{work_id}/retry", status_code=204)
def retry_work(work_id: uuid.UUID, caller: ItDep, runtime: RuntimeDep, request: Request) -> None:
    retrying.retry_work(runtime, work_id, caller.actor())
    wake = getattr(request.app.state, "wake_sweep", None)
    if wake is not None:
        wake()


@router.get("/quarantine")
def show_quarantine(caller: ItDep, runtime: RuntimeDep) -> list[QuarantineShape]:
    with runtime.reading() as session:
        rows = retrying.list_quarantine(session)
        ids = {row.institution_id for row in rows if row.institution_id}
        named = {id: session.get_one(Institution, id) for id in ids}
        return [_show_record(row, named.get(row.institution_id or row.id)) for row in rows]


@router.post("/quarantine/{record_id}/retry", status_code=204)
def retry_record(record_id: uuid.UUID, caller: ItDep, runtime: RuntimeDep) -> None:
    retrying.retry_record(runtime, record_id, caller.actor())


@router.post("/quarantine/{record_id}/discard", status_code=204)
def discard_record(record_id: uuid.UUID, body: DiscardBody, caller: ItDep, runtime: RuntimeDep) -> None:
    retrying.discard_record(runtime, record_id, caller.actor(), reason=body.reason)


def _explain(part: P, language: str) -> P:
    return part.model_copy(update={"detail": say_cause(part.detail, language)})


def _show_fault(fault: Fault, language: str) -> FaultShape:
    return FaultShape(
        code=fault.code,
        text=say_fault(fault.code, language, fault.where, fault.peer_cause),
        since=fault.since,
        where=fault.where,
        severity="red" if fault.severity == "red" else "amber",
    )


def _show_controlled(stand: Stand) -> ControlledItDevice:
    shown = _show_device(stand.device, stand.device.institution)
    return ControlledItDevice(**dict(shown), control_state=stand.state)


def _show_device(device: object, site: Institution) -> ItDevice:
    fields = {name: getattr(device, name) for name in ItDevice.model_fields if name != "site"}
    return ItDevice(**fields, site=ItSite.model_validate(site))


_AT_THE_DOOR: Mapping[str, Literal["connection", "association", "instance", "message"]] = {
    "connection": "connection",
    "association": "association",
    "instance": "instance",
    "message": "message",
}


def _show_refused_peer(one: RefusedPeer, language: str) -> RefusedPeerShape:
    reason, advice = explain(one.what, one.reason, one.detail, language, cause=one.cause)
    return RefusedPeerShape(
        ae_title=one.ae_title,
        address=one.address,
        what=_AT_THE_DOOR[one.what],
        reason=reason,
        advice=advice,
        code=one.reason,
        cause=one.cause,
        count=one.count,
        last_at=one.last_at,
        device=_show_device(one.device, one.device.institution) if one.device else None,
    )


def _show_refusal(row: Refusal, language: str) -> ItRefusal:
    # What a file is called may be a patient's name.
    detail = "" if row.what == "file" else row.detail
    reason, advice = explain(row.what, row.reason, detail, language, cause=row.cause)
    return ItRefusal(at=row.refused_at, what=row.what, reason=reason, advice=advice)


def _show_work(row: Work, language: str) -> WorkShape:
    return WorkShape(
        id=row.id,
        task=row.task,
        about=row.subject,
        due_at=row.due_at,
        attempts=row.attempts,
        last_error=say_failure(row.last_error, language),
        leased_until=row.leased_until,
    )


def _show_record(row: Record, site: Institution | None) -> QuarantineShape:
    # An error's own words may quote what it stumbled over; the journal's never do.
    reason = row.reason if row.kind == "damaged" else row.reason.partition(":")[0]
    return QuarantineShape(
        id=row.id,
        journal=row.journal,
        sequence=row.sequence,
        kind=row.kind,
        received_at=row.received_at,
        size_bytes=row.size_bytes,
        reason=reason,
        site=ItSite.model_validate(site) if site else None,
        actions=["discard"] if row.kind == "damaged" else ["retry"],
    )
