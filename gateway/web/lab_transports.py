"""Transports of specimens, and their receipt at the county: `/api/v1/lab/transports`, `/api/v1/lab/receive`."""

import uuid
from datetime import datetime
from enum import StrEnum

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session, joinedload

from gateway.finding import Order
from gateway.lab import collecting, receiving
from gateway.web.deps import Caller, RuntimeDep
from gateway.web.errors import Detailed
from gateway.web.lab_specimen_shapes import (
    Shown,
    SpecimenShape,
    TransportDetail,
    TransportShape,
    find_in_order,
    show_transports,
    with_all_beside,
)
from gateway.web.lab_specimens import EitherDep, LaboratoryDep, TownshipDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import Page
from gateway.web.tasks import who_is
from worklists.access import transports_visible_to
from worklists.errors import NotFound
from worklists.laboratory.specimens import LabSpecimen, LabTransport, SpecimenState

router = APIRouter(prefix="/api/v1/lab", tags=["laboratory"])

LAST_SENT_FIRST = Order(
    keys=[(LabTransport.sent_at, True), (LabTransport.id, True)], readers=(datetime.fromisoformat, uuid.UUID)
)


class TransportState(StrEnum):
    ON_THE_WAY = "on_the_way"
    LATE = "late"
    ARRIVED = "arrived"


class SendBody(BaseModel):
    specimen_ids: list[uuid.UUID] = Field(max_length=collecting.MOST_IN_A_TRANSPORT)
    courier: str = Field(max_length=100)
    expected_at: AwareDatetime
    note: str = Field(default="", max_length=500)


class ReceiveBody(BaseModel):
    barcode: str = Field(min_length=1, max_length=64)
    specimen_id: uuid.UUID | None = None


class ReceivedShape(BaseModel):
    specimen: SpecimenShape
    transport: TransportDetail | None
    unrouted: str


@router.post("/transports", status_code=201)
def send(body: SendBody, caller: TownshipDep, runtime: RuntimeDep) -> TransportDetail:
    dispatch = collecting.Dispatch(
        specimen_ids=body.specimen_ids, courier=body.courier, expected_at=body.expected_at, note=body.note
    )
    transport_id = collecting.send(runtime, who_is(caller), dispatch)
    with runtime.reading() as session:
        return _transport(session, runtime, caller, transport_id)


@router.get("/transports")
def list_transports(
    caller: EitherDep,
    runtime: RuntimeDep,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
    state: TransportState | None = None,
) -> Page[TransportShape]:
    now = runtime.now()
    visible = transports_visible_to(caller.subject)
    with runtime.reading() as session:
        query = select(LabTransport).where(visible, *_transport_in(state, now))
        query = query.options(joinedload(LabTransport.institution), joinedload(LabTransport.sent_by))
        rows = session.scalars(LAST_SENT_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        page = rows[:limit]
        return Page(
            items=show_transports(session, page, now),
            next_cursor=_after(page[-1]) if len(rows) > limit else None,
            counts={
                one.value: session.scalar(
                    select(func.count()).select_from(LabTransport).where(visible, *_transport_in(one, now))
                )
                or 0
                for one in (TransportState.ON_THE_WAY, TransportState.LATE)
            },
        )


@router.get("/transports/{transport_id}")
def read_transport(transport_id: uuid.UUID, caller: EitherDep, runtime: RuntimeDep) -> TransportDetail:
    with runtime.reading() as session:
        return _transport(session, runtime, caller, transport_id)


@router.post("/receive")
def receive(body: ReceiveBody, caller: LaboratoryDep, runtime: RuntimeDep) -> ReceivedShape:
    """One scan. What is wrong with it is said in a sentence; an ambiguous barcode lists the specimens."""
    try:
        receipt = receiving.receive(runtime, who_is(caller), body.barcode, specimen_id=body.specimen_id)
    except receiving.BarcodeAmbiguous as error:
        with runtime.reading() as session:
            specimens = find_in_order(session, caller.subject, error.specimen_ids)
            shown = Shown(session, caller.subject, specimens, runtime.now())
            listed = [shown.shape(one).model_dump(mode="json") for one in specimens]
        raise Detailed(error, members={"specimens": listed}) from error
    with runtime.reading() as session:
        [specimen] = find_in_order(session, caller.subject, [receipt.specimen_id])
        return ReceivedShape(
            specimen=Shown(session, caller.subject, [specimen], runtime.now()).shape(specimen),
            transport=_transport(session, runtime, caller, receipt.transport_id)
            if receipt.transport_id
            else None,
            unrouted=receipt.unrouted,
        )


def _transport(
    session: Session, runtime: RuntimeDep, caller: Caller, transport_id: uuid.UUID
) -> TransportDetail:
    transport = session.scalars(
        select(LabTransport).where(LabTransport.id == transport_id, transports_visible_to(caller.subject))
    ).one_or_none()
    if transport is None:
        raise NotFound("transport")
    query = with_all_beside().where(LabSpecimen.transport_id == transport_id).order_by(LabSpecimen.barcode)
    specimens = session.scalars(query).unique().all()
    shown = Shown(session, caller.subject, specimens, runtime.now())
    [head] = show_transports(session, [transport], runtime.now())
    return TransportDetail(**head.model_dump(), items=[shown.shape(one) for one in specimens])


def _transport_in(state: TransportState | None, now: datetime) -> list[ColumnElement[bool]]:
    """Something of it is still on its way, past its time or not; or nothing is."""
    if state is None:
        return []
    under_way = (
        select(LabSpecimen.id)
        .where(LabSpecimen.transport_id == LabTransport.id, LabSpecimen.state == SpecimenState.IN_TRANSIT)
        .correlate(LabTransport)
        .exists()
    )
    if state is TransportState.ARRIVED:
        return [~under_way]
    return [under_way, LabTransport.expected_at < now] if state is TransportState.LATE else [under_way]


def _after(last: LabTransport) -> str:
    return write_cursor(LAST_SENT_FIRST.key_of((last.sent_at, last.id)))
