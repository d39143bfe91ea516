"""What of laboratory messages waits for a person: `/api/v1/lab/held`."""

import uuid
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.errors import Malformed, Unavailable
from adapters.lab.said import Message, Specimen, StatedPatient, StatedResult
from gateway import audit
from gateway.finding import Order
from gateway.lab import held as use_cases
from gateway.lab.held import Action, Decision
from gateway.lab.identity import contradictions_of, identity_of
from gateway.lab.rereading import look_as_filed
from gateway.lab.rows import LabHeld, LabHeldReason
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.messages import pick
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import DeviceShape, Page, PatientShape, SiteShape
from gateway.web.showing import show_device, show_patient, show_site, show_snapshot
from gateway.web.tasks import who_is
from worklists.base import local_date
from worklists.cards import read_card
from worklists.directory import Device, Institution, Role
from worklists.examinations import Examination
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import PatientIdentity

router = APIRouter(prefix="/api/v1/lab/held", tags=["laboratory"])

SeesDep = Annotated[
    Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.IT, Role.ADMIN))
]
NEWEST_FIRST = Order(
    keys=[(LabHeld.held_at, True), (LabHeld.id, True)], readers=(datetime.fromisoformat, uuid.UUID)
)
REASONS: dict[LabHeldReason, tuple[str, str]] = {
    LabHeldReason.UNKNOWN_DEVICE: ("发送方未登记为仪器", "The sender is not registered as an analyser"),
    LabHeldReason.NO_PROFILE: ("该仪器还没有对照方案", "The analyser has no mapping yet"),
    LabHeldReason.INCOMPLETE: ("传输中断，报文不完整", "The analyser broke off in the middle"),
    LabHeldReason.UNREADABLE: ("报文无法解析", "The message cannot be read"),
    LabHeldReason.FILE_UNMAPPED: (
        "结果文件的列还没有对照",
        "Nobody has said yet what the columns of the result file are",
    ),
    LabHeldReason.CONTROL_ID_REUSED: ("报文号重复，内容不同", "The same message number with other content"),
    LabHeldReason.NO_BARCODE: ("没有条码", "No barcode"),
    LabHeldReason.UNKNOWN_BARCODE: ("条码未登记", "The barcode is not registered"),
    LabHeldReason.AMBIGUOUS_BARCODE: ("多家机构有相同条码", "Several institutions have this barcode"),
    LabHeldReason.PATIENT_MISMATCH: ("患者与标本登记不一致", "The patient is not the specimen's"),
    LabHeldReason.SPECIMEN_REJECTED: ("标本已拒收或取消", "The specimen was rejected or cancelled"),
    LabHeldReason.UNKNOWN_TEST: ("项目代码未对照", "The test is not mapped"),
    LabHeldReason.UNKNOWN_UNIT: ("单位无法换算", "The unit cannot be converted"),
    LabHeldReason.UNIT_MISSING: (
        "没有单位，对照方案也没有说明",
        "No unit was sent, and the mapping states none",
    ),
    LabHeldReason.UNREADABLE_VALUE: ("结果值或状态无法识别", "The value or its status cannot be read"),
    LabHeldReason.OLDER_THAN_CURRENT: ("晚到的旧结果", "Older than the result that is there"),
    LabHeldReason.NOTHING_TO_CORRECT: ("更正的原结果不存在", "A correction of a result that never came"),
    LabHeldReason.ORDER_UNCLEAR: ("申请与登记矛盾", "The order contradicts what is registered"),
}


class MessageSummary(BaseModel):
    id: uuid.UUID
    type: str
    wire: str
    control_id: str
    received_at: datetime
    results: int
    filed: int
    text_in_doubt: bool


class HeldLine(BaseModel):
    id: uuid.UUID
    reason: LabHeldReason
    reason_text: str
    held_at: datetime
    site: SiteShape | None
    device: DeviceShape | None
    profile_code: str | None
    barcode: str
    specimen_number: int | None
    position: int | None
    detail: dict[str, Any]
    examination_id: uuid.UUID | None
    message: MessageSummary
    actions: list[Action]


class StatedResultShape(BaseModel):
    position: int
    code: str
    text: str
    value: str
    unit: str
    range: str
    flags: list[str]
    status: str
    held: LabHeldReason | None


class StatedSpecimenShape(BaseModel):
    number: int
    barcode: str
    patient: PatientShape | None
    results: list[StatedResultShape]


class CandidateShape(BaseModel):
    id: uuid.UUID
    barcode: str
    state: str
    site: SiteShape
    patient: PatientShape
    items: list[str]
    registered_at: datetime
    fits: bool  # whether the message's patient may be this one


class HeldDetailShape(HeldLine):
    """`specimens` is None where the original cannot be read, or is nobody's business here."""

    readable: bool
    specimens: list[StatedSpecimenShape] | None
    candidates: list[CandidateShape]
    existing: PatientShape | None


class PatientBody(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=100)]
    patient_id: Annotated[str, Field(min_length=1, max_length=64)]
    sex: Annotated[str, Field(pattern="^[MFO]?$")] = ""
    birth_date: date | None = None
    national_id: Annotated[str, Field(max_length=20)] = ""
    phone: Annotated[str, Field(max_length=30)] = ""


class ResolveHeldBody(BaseModel):
    action: Action
    reason: Annotated[str, Field(max_length=500)] = ""
    specimen_id: uuid.UUID | None = None
    patient: PatientBody | None = None
    barcode: Annotated[str, Field(max_length=64)] = ""


class ReprocessFilter(BaseModel):
    reason: LabHeldReason | None = None
    device_id: uuid.UUID | None = None
    profile_code: Annotated[str, Field(max_length=64)] | None = None


class ReprocessBody(BaseModel):
    ids: Annotated[list[uuid.UUID], Field(max_length=1000)] | None = None
    filter: ReprocessFilter = ReprocessFilter()


class ReprocessedShape(BaseModel):
    """`held`: what of these messages still waits."""

    messages: int
    unreadable: int
    filed: int
    held: int


@router.get("")
def list_held(
    caller: SeesDep,
    runtime: RuntimeDep,
    reason: LabHeldReason | None = None,
    device_id: uuid.UUID | None = None,
    limit: LimitDep = 100,
    cursor: CursorDep = None,
) -> Page[HeldLine]:
    with runtime.reading() as session:
        seen = use_cases.seen_by(caller.subject)
        query = select(LabHeld).where(LabHeld.resolved_at.is_(None), seen)
        if reason is not None:
            query = query.where(LabHeld.reason == reason)
        if device_id is not None:
            query = query.where(LabHeld.device_id == device_id)
        rows = session.scalars(NEWEST_FIRST.apply(query, read_cursor(cursor), limit)).all()
        shown = rows[:limit]
        last = shown[-1] if len(rows) > limit else None
        named = use_cases.find_named(session, caller.subject, [row.id for row in shown])
        counts = use_cases.count_by_reason(session, seen)
        return Page(
            items=[HeldLine(**_line(session, caller, row, named=row.id in named)) for row in shown],
            next_cursor=write_cursor(NEWEST_FIRST.key_of((last.held_at, last.id))) if last else None,
            counts={one.value: counts.get(one.value, 0) for one in LabHeldReason},
        )


@router.post("/reprocess")
def reprocess(body: ReprocessBody, caller: SeesDep, runtime: RuntimeDep) -> ReprocessedShape:
    done = use_cases.reprocess(
        runtime,
        who_is(caller),
        ids=body.ids,
        reason=body.filter.reason,
        device_id=body.filter.device_id,
        profile_code=body.filter.profile_code,
    )
    return _done(done)


@router.get("/{held_id}")
def read_held(held_id: uuid.UUID, caller: SeesDep, runtime: RuntimeDep) -> HeldDetailShape:
    """With what the message says, read from the original; audited where names are shown."""
    with runtime.reading() as session:
        row, named = use_cases.get_held(session, who_is(caller), held_id)
        message_id = row.message_id
    said = _read(runtime, message_id)
    with runtime.sessions.begin() as session:
        row, named = use_cases.get_held(session, who_is(caller), held_id)
        stated = use_cases.stated_of(said, row)
        if named:
            audit.record(
                session, "lab_held_opened", actor=caller.actor(), now=runtime.now(),
                detail={"held_id": str(row.id), "message_id": str(row.message_id)},
            )  # fmt: skip
        return HeldDetailShape(
            **_line(session, caller, row, named=named),
            readable=said is not None,
            specimens=_specimens(session, said, row, named=named) if said else None,
            candidates=_candidates(session, row, stated) if named and row.resolved_at is None else [],
            existing=_existing(session, row) if named else None,
        )


@router.post("/{held_id}/resolve")
def resolve(
    held_id: uuid.UUID, body: ResolveHeldBody, caller: SeesDep, runtime: RuntimeDep
) -> ReprocessedShape:
    decision = Decision(
        action=body.action.value,
        reason=body.reason,
        specimen_id=body.specimen_id,
        patient=_identity(body.patient) if body.patient else None,
        barcode=body.barcode,
    )
    return _done(use_cases.decide(runtime, who_is(caller), held_id, decision))


def _read(runtime: Runtime, message_id: uuid.UUID) -> Message | None:
    try:
        return look_as_filed(runtime, message_id)
    except (Malformed, Unavailable):
        return None


def _identity(body: PatientBody) -> PatientIdentity:
    card = read_card(body.national_id)
    return PatientIdentity(
        patient_id=body.patient_id,
        name=body.name,
        sex=body.sex or (card.sex if card else None),
        birth_date=body.birth_date or (card.birth_date if card else None),
        national_id=card.number if card else None,
        phone=body.phone,
    )


def _line(session: Session, caller: Caller, row: LabHeld, *, named: bool) -> dict[str, Any]:
    institution = session.get(Institution, row.institution_id) if row.institution_id else None
    device = session.get(Device, row.device_id) if row.device_id else None
    message = row.message
    detail = dict(row.detail or {})
    examination = session.get(Examination, row.examination_id) if row.examination_id else None
    barcode = row.barcode or (examination.accession_number if examination else "")
    return {
        "id": row.id,
        "reason": row.reason,
        "reason_text": pick(REASONS[row.reason], caller.language),
        "held_at": row.held_at,
        "site": show_site(institution) if institution else None,
        "device": show_device(device),
        "profile_code": device.profile_code if device else None,
        "barcode": barcode if named else "",
        "specimen_number": row.specimen_number,
        "position": row.position,
        # A value may be a text about somebody.
        "detail": detail if named else {key: detail[key] for key in ("test", "unit", "expected") if key in detail},
        "examination_id": row.examination_id if named else None,
        "message": MessageSummary(
            id=message.id, type=message.type, wire=message.wire, control_id=message.control_id,
            received_at=message.received_at, results=message.results, filed=message.filed,
            text_in_doubt=message.text_in_doubt,
        ),
        "actions": _actions(caller, row, named=named) if row.resolved_at is None else [],
    }  # fmt: skip


def _actions(caller: Caller, row: LabHeld, *, named: bool) -> list[Action]:
    if named:
        return use_cases.actions_for(row)
    nobodys = Role.IT in caller.subject.roles and row.institution_id is None
    allowed = {Action.RETRY, Action.SET_ASIDE} if nobodys else set()
    return [one for one in use_cases.actions_for(row) if one in allowed]


def _specimens(session: Session, said: Message, row: LabHeld, *, named: bool) -> list[StatedSpecimenShape]:
    open_now = session.scalars(
        select(LabHeld).where(LabHeld.message_id == row.message_id, LabHeld.resolved_at.is_(None))
    )
    reasons = {one.position: one.reason for one in open_now if one.position is not None}
    on = local_date(row.message.received_at)
    return [
        StatedSpecimenShape(
            number=number,
            barcode=one.barcode if named else "",
            patient=_stated_patient(one.patient, on) if named and one.patient else None,
            results=[_stated_result(each, reasons.get(each.position), named=named) for each in one.results],
        )
        for number, one in enumerate(said.specimens)
    ]


def _stated_result(one: StatedResult, held: LabHeldReason | None, *, named: bool) -> StatedResultShape:
    return StatedResultShape(
        position=one.position, code=one.test.code, text=one.test.text, value=one.value if named else "",
        unit=one.unit, range=one.reference_range, flags=list(one.flags), status=one.status, held=held,
    )  # fmt: skip


def _stated_patient(patient: StatedPatient, on: date) -> PatientShape:
    identity = identity_of(patient)
    return show_snapshot(
        {
            "patient_id": identity.patient_id,
            "name": identity.name,
            "sex": identity.sex,
            "birth_date": identity.birth_date.isoformat() if identity.birth_date else None,
        },
        on,
    )


def _candidates(session: Session, row: LabHeld, stated: Specimen | None) -> list[CandidateShape]:
    on = local_date(row.held_at)
    patient = stated.patient if stated else None
    return [
        CandidateShape(
            id=one.id, barcode=one.barcode, state=one.state.value, site=show_site(one.institution),
            patient=show_patient(one.patient, on), items=list(one.items), registered_at=one.registered_at,
            fits=not contradictions_of(one.patient, patient, one.barcode),
        )
        for one in use_cases.find_candidates(session, row, stated)
    ]  # fmt: skip


def _existing(session: Session, row: LabHeld) -> PatientShape | None:
    """Whose the specimen is that the message names, where that is another patient."""
    if row.reason is not LabHeldReason.PATIENT_MISMATCH or row.examination_id is None:
        return None
    specimen = session.scalars(
        select(LabSpecimen).where(LabSpecimen.examination_id == row.examination_id)
    ).first()
    return show_patient(specimen.patient, local_date(row.held_at)) if specimen else None


def _done(done: use_cases.Reprocessed) -> ReprocessedShape:
    return ReprocessedShape(
        messages=done.messages, unreadable=done.unreadable, filed=done.filed, held=done.held
    )
