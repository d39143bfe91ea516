"""Quality control of imaging devices and ECG carts (设备质控): `/api/v1/device-control`. No patient is in any answer."""

import uuid
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gateway import device_control as use_cases
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.device_control_shapes import (
    DeviceControlShape,
    NewCheck,
    OverviewShape,
    ReleaseBody,
    show_check,
    show_interval,
    show_line,
)
from gateway.web.tasks import who_is
from worklists.control import ControlState
from worklists.directory import Role

router = APIRouter(prefix="/api/v1/device-control", tags=["quality"])

SeesDep = Annotated[
    Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.IT, Role.ADMIN))
]
EntersDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER, Role.REVIEWER, Role.IT))]
ReleasesDep = Annotated[Caller, Depends(require(Role.REVIEWER))]


@router.get("")
def show_overview(caller: SeesDep, runtime: RuntimeDep) -> OverviewShape:
    """Every device in use, the worst first, and how many are in each state."""
    with runtime.reading() as session:
        items = [show_line(one) for one in use_cases.overview(session, who_is(caller), runtime.now())]
    states = [one.state for one in items]
    return OverviewShape(
        items=items, counts={one: states.count(one) for one in ControlState if one in states}
    )


@router.get("/devices/{device_id}")
def show_device(device_id: uuid.UUID, caller: SeesDep, runtime: RuntimeDep) -> DeviceControlShape:
    """How it stands, and every check that was entered for it, the newest first."""
    with runtime.reading() as session:
        line = use_cases.look_at(session, who_is(caller), device_id, runtime.now())
        return DeviceControlShape(
            **dict(show_line(line)),
            checks=[show_check(one) for one in use_cases.find_checks(session, device_id)],
            intervals=[show_interval(one) for one in use_cases.find_intervals(session, line.stand.device)],
        )


@router.post("/devices/{device_id}/checks", status_code=201)
def enter(device_id: uuid.UUID, body: NewCheck, caller: EntersDep, runtime: RuntimeDep) -> DeviceControlShape:
    """A check; with `corrects_id` in the place of one that was entered wrong."""
    use_cases.enter(runtime, who_is(caller), device_id, body.said(), corrects_id=body.corrects_id)
    return show_device(device_id, caller, runtime)


@router.post("/checks/{check_id}/release")
def release(
    check_id: uuid.UUID, body: ReleaseBody, caller: ReleasesDep, runtime: RuntimeDep
) -> DeviceControlShape:
    """Ends out of control, for this check and those of its kind that failed before it."""
    device_id = use_cases.release(
        runtime, who_is(caller), check_id, reason=body.reason, covers_meanwhile=body.covers_meanwhile
    )
    return show_device(device_id, caller, runtime)


@router.post(
    "/checks/{check_id}/evidence",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"application/pdf": {}, "image/*": {}}, "required": True}},
)
async def keep_evidence(
    check_id: uuid.UUID,
    caller: EntersDep,
    runtime: RuntimeDep,
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=200)],
) -> DeviceControlShape:
    """The protocol (PDF, JPEG, PNG) is the body; once for a check."""
    return await run_in_threadpool(_keep, runtime, caller, check_id, name, await request.body())


@router.get("/checks/{check_id}/evidence", response_class=Response)
def read_evidence(check_id: uuid.UUID, caller: SeesDep, runtime: RuntimeDep) -> Response:
    with runtime.reading() as session:
        found = use_cases.get_evidence(session, who_is(caller), check_id)
        headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.name, safe='')}"}
        return Response(found.content, media_type=found.media_type, headers=headers)


def _keep(
    runtime: Runtime, caller: Caller, check_id: uuid.UUID, name: str, content: bytes
) -> DeviceControlShape:
    device_id = use_cases.keep_evidence(runtime, who_is(caller), check_id, name=name, content=content)
    return show_device(device_id, caller, runtime)
