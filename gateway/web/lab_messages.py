"""Messages of analysers, as they came and what became of them: `/api/v1/lab/messages`, `/api/v1/lab/attachments`."""

import uuid
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from adapters.lab.said import Coded, Specimen, StatedPatient, StatedResult
from gateway.finding import Order
from gateway.lab import looking
from gateway.lab.looking import Looked, Outcomes
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.web.deps import Caller, CallerDep, RuntimeDep, require
from gateway.web.ecg_files import disposition
from gateway.web.lab_remarks import say_remarks
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import DeviceShape, Page, SiteShape
from gateway.web.showing import show_device, show_site
from worklists.directory import Role
from worklists.names import display_name

router = APIRouter(prefix="/api/v1/lab", tags=["laboratory"])

SeesDep = Annotated[
    Caller, Depends(require(Role.RADIOGRAPHER, Role.READER, Role.REVIEWER, Role.IT, Role.ADMIN))
]
NEWEST_FIRST = Order(
    keys=[(LabMessage.received_at, True), (LabMessage.id, True)], readers=(datetime.fromisoformat, uuid.UUID)
)
SUFFIXES = {"hl7": "hl7", "astm": "astm"}
SHOWN_INLINE = ("image/png", "image/jpeg", "image/gif", "image/bmp", "application/pdf")


class MessageItem(BaseModel):
    id: uuid.UUID
    received_at: datetime
    wire: str
    kind: str
    type: str
    control_id: str
    state: MessageState
    results: int
    filed: int
    controls: int
    held: int
    text_in_doubt: bool
    warnings: list[str]
    device: DeviceShape | None
    site: SiteShape | None
    size_bytes: int


class CodedShape(BaseModel):
    code: str
    text: str
    system: str


class OutcomeShape(BaseModel):
    """Where a result went: `result` of a specimen, `control` material, `attachment`, `held`, or `none`, which is no loss:
    known already, nothing yet, or of no interest by the profile.
    """

    state: str
    examination_id: uuid.UUID | None = None
    id: uuid.UUID | None = None
    item_code: str = ""
    item_name: str = ""
    value: str = ""
    unit: str = ""
    abnormal: str = ""
    current: bool | None = None
    reason: LabHeldReason | None = None


class SaidResultShape(BaseModel):
    position: int
    test: CodedShape
    value: str
    unit: str
    range: str
    flags: list[str]
    status: str
    observed_at: datetime | None
    outcome: OutcomeShape


class SaidPatientShape(BaseModel):
    patient_id: str
    name: str
    sex: str
    birth_date: date | None


class SaidSpecimenShape(BaseModel):
    barcode: str
    rack: str
    place: str
    kind: str
    control: str
    tests: list[CodedShape]
    patient: SaidPatientShape | None
    held: list[LabHeldReason]
    results: list[SaidResultShape]


class ParsedShape(BaseModel):
    """Null where the message cannot be read; `problem` says why."""

    version: str
    processing_id: str
    sender: str
    sent_at: datetime | None
    character_set: str
    query: list[str] | None
    specimens: list[SaidSpecimenShape]


class MessageDetail(MessageItem):
    peer_address: str
    tls: bool
    names: bool
    held_whole: list[LabHeldReason]
    problem: str
    raw: list[str]
    parsed: ParsedShape | None


@router.get("/messages")
def list_messages(
    caller: SeesDep,
    runtime: RuntimeDep,
    state: MessageState | None = None,
    device_id: uuid.UUID | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[MessageItem]:
    """The last first. `q` is a control ID or a barcode."""
    wanted: list[ColumnElement[bool]] = [looking.messages_visible_to(caller.subject)]
    if state is not None:
        wanted.append(LabMessage.state == state)
    if device_id is not None:
        wanted.append(LabMessage.device_id == device_id)
    if q.strip():
        wanted.append(looking.about(q.strip()))
    with runtime.reading() as session:
        query = NEWEST_FIRST.apply(select(LabMessage).where(*wanted), read_cursor(cursor), limit)
        rows = session.scalars(query).unique().all()
        shown = rows[:limit]
        held = _held_of(session, shown)
        return Page(
            items=[MessageItem(**_item(row, held.get(row.id, 0), caller.language)) for row in shown],
            next_cursor=_cursor_of(shown[-1]) if len(rows) > limit else None,
        )


@router.get("/messages/{message_id}")
def read_message(message_id: uuid.UUID, caller: SeesDep, runtime: RuntimeDep) -> MessageDetail:
    found = looking.look(runtime, caller.subject, caller.actor(), message_id)
    row, outcomes = found.row, found.outcomes
    return MessageDetail(
        **_item(row, len(outcomes.held), caller.language),
        peer_address=str(row.record.origin.get("peer_address", "")),
        tls=bool(row.record.origin.get("tls", False)),
        names=looking.sees_names(caller.subject),
        held_whole=[one.reason for one in outcomes.held if one.specimen_number is None],
        problem=found.why,
        raw=list(found.lines),
        parsed=_parsed(found, names=looking.sees_names(caller.subject)),
    )


@router.get("/messages/{message_id}/original", responses={200: {"content": {"text/plain": {}}}})
def read_original(message_id: uuid.UUID, caller: SeesDep, runtime: RuntimeDep) -> Response:
    """The bytes as they were received. They say whose they are, so not for IT."""
    row, body = looking.read_body(runtime, caller.subject, caller.actor(), message_id)
    name = f"{row.received_at:%Y%m%d-%H%M%S}-{row.id}.{SUFFIXES.get(row.wire, 'dat')}"
    return _send(body, "application/octet-stream", disposition(name))


@router.get("/attachments/{attachment_id}", responses={200: {"content": {"application/pdf": {}}}})
def read_attachment(attachment_id: uuid.UUID, caller: CallerDep, runtime: RuntimeDep) -> Response:
    """A picture or document that came with results."""
    row, content = looking.read_picture(runtime, caller.subject, caller.actor(), attachment_id)
    inline = row.media_type in SHOWN_INLINE  # anything else could bring a script
    media_type = row.media_type if inline else "application/octet-stream"
    return _send(content, media_type, disposition(row.name or str(row.id), inline=inline))


def _send(content: bytes, media_type: str, named: str) -> Response:
    headers = {
        "Content-Disposition": named,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "private, max-age=3600",
    }
    return Response(content, media_type=media_type, headers=headers)


def _cursor_of(row: LabMessage) -> str:
    return write_cursor(NEWEST_FIRST.key_of((row.received_at, row.id)))


def _held_of(session: Session, rows: Any) -> dict[uuid.UUID, int]:
    counted = session.execute(
        select(LabHeld.message_id, func.count())
        .where(LabHeld.message_id.in_([row.id for row in rows]), LabHeld.resolved_at.is_(None))
        .group_by(LabHeld.message_id)
    )
    return {message_id: count for message_id, count in counted}  # noqa: C416 (a row is no pair to mypy)


def _item(row: LabMessage, held: int, language: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "received_at": row.received_at,
        "wire": row.wire,
        "kind": row.kind,
        "type": row.type,
        "control_id": row.control_id,
        "state": row.state,
        "results": row.results,
        "filed": row.filed,
        "controls": row.controls,
        "held": held,
        "text_in_doubt": row.text_in_doubt,
        "warnings": say_remarks(row.warnings, language),
        "device": show_device(row.device),
        "site": show_site(row.institution) if row.institution else None,
        "size_bytes": row.record.size_bytes,
    }


def _parsed(found: Looked, *, names: bool) -> ParsedShape | None:
    said = found.said
    if said is None:
        return None
    sender = said.sender
    return ParsedShape(
        version=said.version,
        processing_id=said.processing_id,
        sender="^".join(
            filter(None, (sender.application, sender.facility, sender.model, sender.serial_number))
        ),
        sent_at=said.sent_at,
        character_set=said.character_set,
        query=list(said.query.barcodes) if said.query else None,
        specimens=[
            _specimen(one, number, found.outcomes, names=names) for number, one in enumerate(said.specimens)
        ],
    )


def _specimen(one: Specimen, number: int, outcomes: Outcomes, *, names: bool) -> SaidSpecimenShape:
    held = [row for row in outcomes.held if row.specimen_number == number]
    whole = [row.reason for row in held if row.position is None]
    everything = [row.reason for row in outcomes.held if row.specimen_number is None] + whole
    return SaidSpecimenShape(
        barcode=one.barcode,
        rack=one.rack,
        place=one.place,
        kind=(one.kind.text or one.kind.code) if one.kind else "",
        control=" ".join(filter(None, (one.control.material, one.control.lot, one.control.level)))
        if one.control
        else "",
        tests=[_coded(test) for test in (one.order.tests if one.order else ())],
        patient=_patient(one.patient) if one.patient and names else None,
        held=whole,
        results=[
            *(_result(result, held, everything, outcomes) for result in one.results),
            *(
                SaidResultShape(
                    position=attachment.position,
                    test=_coded(attachment.test),
                    value=f"{attachment.media_type}, {attachment.size_bytes}",
                    unit="",
                    range="",
                    flags=[],
                    status="",
                    observed_at=None,
                    outcome=_outcome(attachment.position, held, everything, outcomes),
                )
                for attachment in one.attachments
            ),
        ],
    )


def _result(
    one: StatedResult, held: list[LabHeld], whole: list[LabHeldReason], outcomes: Outcomes
) -> SaidResultShape:
    return SaidResultShape(
        position=one.position,
        test=_coded(one.test),
        value=one.value[: looking.LINE_CHARACTERS],
        unit=one.unit,
        range=one.reference_range,
        flags=list(one.flags),
        status=one.status,
        observed_at=one.observed_at,
        outcome=_outcome(one.position, held, whole, outcomes),
    )


def _outcome(
    position: int, held: list[LabHeld], whole: list[LabHeldReason], outcomes: Outcomes
) -> OutcomeShape:
    if result := outcomes.results.get(position):
        return OutcomeShape(
            state="result",
            id=result.id,
            examination_id=result.examination_id,
            item_code=result.item_code,
            item_name=result.item.name,
            value=result.value,
            unit=result.unit,
            abnormal=result.abnormal.value,
            current=result.current,
        )
    if control := outcomes.controls.get(position):
        return OutcomeShape(
            state="control",
            id=control.id,
            item_code=control.item_code,
            item_name=control.item.name,
            value=control.value,
            unit=control.unit,
        )
    if attachment := outcomes.attachments.get(position):
        return OutcomeShape(state="attachment", id=attachment.id, examination_id=attachment.examination_id)
    reasons = [row.reason for row in held if row.position == position] + whole
    return OutcomeShape(state="held", reason=reasons[0]) if reasons else OutcomeShape(state="none")


def _coded(one: Coded) -> CodedShape:
    return CodedShape(code=one.code, text=one.text, system=one.system)


def _patient(one: StatedPatient) -> SaidPatientShape:
    return SaidPatientShape(
        patient_id=one.patient_id, name=display_name(one.name), sex=one.sex, birth_date=one.birth_date
    )
