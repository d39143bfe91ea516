"""What waits for a person: `/api/v1/held`."""

import uuid
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import held as use_cases
from gateway import held_deciding
from gateway.finding import Order
from gateway.index import Held, HeldReason, Record
from gateway.originals import open_original
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.held_shapes import DifferenceShape, HeldDetail, HeldItem, ResolveBody, ResolvedAlikeShape
from gateway.web.messages import pick
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import Page, PatientShape
from gateway.web.showing import show_device, show_site, show_snapshot
from gateway.web.tasks import who_is
from worklists.base import local_date
from worklists.directory import Device, Institution, Role
from worklists.errors import NotAllowed

router = APIRouter(prefix="/api/v1/held", tags=["held"])

NEWEST_FIRST = Order(
    keys=[(Held.held_at, True), (Held.id, True)], readers=(datetime.fromisoformat, uuid.UUID)
)
HeldDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER, Role.IT))]

REASONS: dict[HeldReason, tuple[str, str]] = {
    HeldReason.UID_MALFORMED: (
        "检查、序列或实例 UID 缺失或不合格",
        "Study, Series or SOP Instance UID is missing or not valid",
    ),
    HeldReason.SAME_UID_OTHER_BYTES: ("同一图像 UID，内容不同", "The same image UID with other content"),
    HeldReason.STUDY_OF_ANOTHER_PATIENT: ("该检查 UID 属于另一位患者", "The study UID is another patient's"),
    HeldReason.STUDY_OF_ANOTHER_INSTITUTION: ("该 UID 属于另一机构", "The UID is another institution's"),
    HeldReason.PATIENT_CONTRADICTS: (
        "同一患者号，身份信息矛盾",
        "The same patient number with another identity",
    ),
    HeldReason.UNKNOWN_DEVICE: ("设备未登记", "The device is not registered"),
}


@router.get("")
def list_held(
    caller: HeldDep, runtime: RuntimeDep, limit: LimitDep = 50, cursor: CursorDep = None, grouped: bool = True
) -> Page[HeldItem]:
    """One line for each decision that waits, with how many originals wait for it; or each original by itself."""
    who = who_is(caller)
    with runtime.reading() as session:
        query = (
            select(Held)
            .join(Record, Record.id == Held.record_id)
            .where(Held.resolved_at.is_(None), use_cases.waiting_for(session, who))
        )
        listed = query.where(use_cases.first_of_alike(session, who)) if grouped else query
        rows = session.scalars(NEWEST_FIRST.apply(listed, read_cursor(cursor), limit)).unique().all()
        shown = rows[:limit]
        reasons = session.execute(
            query.with_only_columns(Held.reason, func.count()).group_by(Held.reason)
        ).all()
        by_reason = {reason: count for reason, count in reasons}  # noqa: C416 (a row is no pair to mypy)
        return Page(
            items=[HeldItem(**_item(session, caller, row)) for row in shown],
            next_cursor=_cursor_of(shown[-1]) if len(rows) > limit else None,
            counts={reason.value: by_reason.get(reason, 0) for reason in HeldReason},
        )


@router.get("/{held_id}")
def read_held(held_id: uuid.UUID, caller: HeldDep, runtime: RuntimeDep) -> HeldDetail:
    with runtime.reading() as session:
        held = use_cases.get_held(session, who_is(caller), held_id)
        sides = use_cases.compare(session, who_is(caller), held)
        return HeldDetail(
            **_item(session, caller, held),
            incoming=sides.incoming,
            existing=sides.existing,
            differences=[
                DifferenceShape(field=name, incoming=incoming, existing=existing)
                for name, incoming, existing in sides.differences
            ],
        )


@router.post("/{held_id}/resolve")
def resolve(
    held_id: uuid.UUID, body: ResolveBody, caller: HeldDep, runtime: RuntimeDep
) -> HeldItem | ResolvedAlikeShape:
    who = who_is(caller)
    if body.all_alike:
        done = held_deciding.resolve_alike(runtime, who, held_id, action=body.action, reason=body.reason)
        return ResolvedAlikeShape(resolved=done.resolved, left=done.left, examination_id=done.examination_id)
    held_deciding.resolve(runtime, who, held_id, action=body.action, reason=body.reason)
    with runtime.reading() as session:
        held = session.get_one(Held, held_id)
        return HeldItem(**_item(session, caller, held))


@router.get("/{held_id}/file", responses={200: {"content": {"application/dicom": {}}}})
def read_file(held_id: uuid.UUID, caller: HeldDep, runtime: RuntimeDep) -> StreamingResponse:
    """The original bytes. They show whose they are, so not for IT."""
    who = who_is(caller)
    with runtime.reading() as session:
        held = use_cases.get_held(session, who, held_id)
        record = held.record
    if not use_cases.sees_names(who):
        raise NotAllowed("names")
    chunks = open_original(runtime, record)
    use_cases.note_download(runtime, who, held)
    return StreamingResponse(
        chunks,
        media_type="application/dicom",
        headers={
            "Content-Length": str(record.size_bytes),
            "Content-Disposition": f'attachment; filename="{held.id}.dcm"',
        },
    )


def _item(session: Session, caller: Caller, held: Held) -> dict[str, Any]:
    record, header = held.record, held.header
    institution = session.get(Institution, record.institution_id) if record.institution_id else None
    device = session.get(Device, record.device_id) if record.device_id else None
    names = use_cases.sees_names(who_is(caller))
    open_still = held.resolved_at is None
    return {
        "id": held.id,
        "reason": held.reason,
        "reason_text": pick(REASONS[held.reason], caller.language),
        "received_at": record.received_at,
        "site": show_site(institution) if institution else None,
        "device": show_device(device),
        "patient": _patient(header, local_date(record.received_at)) if names else PatientShape(),
        "sop_instance_uid": header.get("sop_instance_uid") or "",
        "study_instance_uid": header.get("study_instance_uid") or "",
        "filename": record.origin.get("filename") if names else None,
        "alike": use_cases.count_alike(session, who_is(caller), held) if open_still else 0,
        "actions": _actions(held, names=names) if open_still else [],
    }


def _actions(held: Held, *, names: bool) -> list[str]:
    """Who does not see whose it is can only put it aside."""
    return [
        action.value
        for action in use_cases.actions_for(held.reason)
        if names or action is use_cases.Action.DISCARD
    ]


def _patient(header: dict[str, Any], on: date) -> PatientShape:
    known = {name: header.get(f"patient_{name}") for name in ("name", "sex", "birth_date")}
    return show_snapshot({**known, "patient_id": header.get("patient_id")}, on)


def _cursor_of(held: Held) -> str:
    return write_cursor(NEWEST_FIRST.key_of((held.held_at, held.id)))
