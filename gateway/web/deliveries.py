"""Deliveries and endpoints: `/api/v1/deliveries`, `/api/v1/endpoints`. IT sees and sends again, administrators enter."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.deliveries import endpoints, looking
from gateway.deliveries.rows import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryEvent,
    DeliveryState,
    Endpoint,
    EndpointWire,
)
from gateway.deliveries.wires import read_settings
from gateway.entity import Name
from gateway.runtime import Runtime
from gateway.web.deps import AdminDep, Caller, ItDep, RuntimeDep, require
from gateway.web.messages import say_peer
from gateway.web.paging import CursorDep, LimitDep, read_id_cursor, write_cursor
from gateway.web.revising import showing_current
from gateway.web.revisions import StatedRevision
from gateway.web.tasks import wake_sweep
from worklists.directory import Kind, Role

router = APIRouter(prefix="/api/v1", tags=["deliveries"])
SeesDep = Annotated[Caller, Depends(require(Role.IT, Role.ADMIN))]
SecretText = Annotated[str, StringConstraints(min_length=1, max_length=500)]
KeyText = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class SiteShape(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    code: str
    name: str


class EndpointLine(BaseModel):
    id: uuid.UUID
    name: str
    wire: EndpointWire
    site: SiteShape
    enabled: bool


class EndpointShape(EndpointLine):
    revision: str
    where: str
    settings: dict[str, Any]
    has_secret: bool
    has_client_key: bool
    kinds: list[Kind]
    made_at: datetime
    failing_since: datetime | None
    retry_at: datetime | None
    last_answer: str
    last_cause: str
    last_cause_text: str
    last_sent_at: datetime | None
    pending: int
    refused: int
    gave_up: int


class EndpointList(BaseModel):
    items: list[EndpointShape]
    may_change: bool


class NewEndpoint(BaseModel):
    model_config = ConfigDict(extra="forbid")

    institution_id: uuid.UUID
    name: Name
    wire: EndpointWire
    settings: dict[str, Any]
    secret: SecretText | None = None
    client_key: KeyText | None = None
    kinds: list[Kind] = Field(default_factory=list)
    enabled: bool = True


class EndpointChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    settings: dict[str, Any] | None = None
    secret: SecretText | None = None
    client_key: KeyText | None = None
    kinds: list[Kind] | None = None
    enabled: bool | None = None


class TriedShape(BaseModel):
    reached: bool
    answer: str
    cause: str
    cause_text: str


class DeliveryItem(BaseModel):
    id: uuid.UUID
    endpoint: EndpointLine
    report_number: str
    version: int
    kind: Kind
    event: DeliveryEvent
    state: DeliveryState
    attempts: int
    queued_at: datetime
    next_at: datetime | None
    answer: str
    cause: str
    cause_text: str
    sent_at: datetime | None


class AttemptShape(BaseModel):
    number: int
    begun_at: datetime
    ended_at: datetime | None
    outcome: AttemptOutcome | None
    answer: str
    cause: str
    cause_text: str


class DeliveryShape(DeliveryItem):
    tries: list[AttemptShape]


class DeliveryPage(BaseModel):
    items: list[DeliveryItem]
    next_cursor: str | None
    counts: dict[str, int]


class ResentShape(BaseModel):
    resent: int


@router.get("/deliveries")
def list_deliveries(
    caller: ItDep,
    runtime: RuntimeDep,
    state: Annotated[list[DeliveryState] | None, Query()] = None,
    endpoint: uuid.UUID | None = None,
    number: Annotated[str, Query(max_length=64)] = "",
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> DeliveryPage:
    """The last queued first. No patient is named."""
    with runtime.reading() as session:
        rows = looking.list_deliveries(
            session,
            states=state or (),
            endpoint_id=endpoint,
            number=number.strip(),
            before=read_id_cursor(cursor),
            limit=limit,
        )
        shown = [DeliveryItem(**_item(row, caller.language)) for row in rows[:limit]]
        return DeliveryPage(
            items=shown,
            next_cursor=write_cursor(shown[-1].id) if len(rows) > limit else None,
            counts=looking.count_deliveries(session, endpoint_id=endpoint, number=number.strip()),
        )


@router.get("/deliveries/{delivery_id}")
def read_delivery(delivery_id: uuid.UUID, caller: ItDep, runtime: RuntimeDep) -> DeliveryShape:
    return _show_delivery(runtime, delivery_id, caller.language)


@router.post("/deliveries/{delivery_id}/resend")
def resend(delivery_id: uuid.UUID, caller: ItDep, runtime: RuntimeDep, request: Request) -> DeliveryShape:
    looking.resend(runtime, caller.actor(), delivery_id)
    wake_sweep(request)
    return _show_delivery(runtime, delivery_id, caller.language)


@router.get("/endpoints")
def list_endpoints(caller: SeesDep, runtime: RuntimeDep) -> EndpointList:
    with runtime.reading() as session:
        waiting = looking.waiting_by_endpoint(session)
        items = [
            _show_endpoint(row, waiting.get(row.id, {}), caller.language)
            for row in endpoints.list_endpoints(session)
        ]
    return EndpointList(items=items, may_change=Role.ADMIN in caller.subject.roles)


@router.post("/endpoints", status_code=201)
def add_endpoint(body: NewEndpoint, caller: AdminDep, runtime: RuntimeDep) -> EndpointShape:
    endpoint_id = endpoints.add_endpoint(runtime, caller.actor(), **dict(body))
    return _find_endpoint(runtime, endpoint_id, caller.language)


@router.patch("/endpoints/{endpoint_id}")
def change_endpoint(
    endpoint_id: uuid.UUID,
    body: EndpointChanges,
    caller: AdminDep,
    runtime: RuntimeDep,
    request: Request,
    revision: StatedRevision,
) -> EndpointShape:
    stated = {name: value for name, value in body if name in body.model_fields_set and value is not None}
    with showing_current(lambda: _find_endpoint(runtime, endpoint_id, caller.language)):
        endpoints.change_endpoint(runtime, caller.actor(), endpoint_id, stated, revision=revision)
    wake_sweep(request)
    return _find_endpoint(runtime, endpoint_id, caller.language)


@router.post("/endpoints/{endpoint_id}/test")
def try_endpoint(endpoint_id: uuid.UUID, caller: SeesDep, runtime: RuntimeDep) -> TriedShape:
    """Is it there, and does it take us; no patient's data is sent."""
    tried = endpoints.try_endpoint(runtime, caller.actor(), endpoint_id)
    return TriedShape(reached=tried.reached, answer=tried.answer, **_why(tried.cause, caller.language))


@router.post("/endpoints/{endpoint_id}/resend")
def resend_stuck(endpoint_id: uuid.UUID, caller: ItDep, runtime: RuntimeDep, request: Request) -> ResentShape:
    """All that it refused, and all that was given up."""
    resent = looking.resend_stuck(runtime, caller.actor(), endpoint_id)
    wake_sweep(request)
    return ResentShape(resent=resent)


def _find_endpoint(runtime: Runtime, endpoint_id: uuid.UUID, language: str) -> EndpointShape:
    with runtime.reading() as session:
        waiting = looking.waiting_by_endpoint(session)
        row = endpoints.get_endpoint(session, endpoint_id)
        return _show_endpoint(row, waiting.get(endpoint_id, {}), language)


def _why(cause: str, language: str) -> dict[str, str]:
    return {"cause": cause, "cause_text": say_peer(cause, language)}


def _show_delivery(runtime: Runtime, delivery_id: uuid.UUID, language: str) -> DeliveryShape:
    with runtime.reading() as session:
        row, attempts = looking.get_delivery(session, delivery_id)
        return DeliveryShape(**_item(row, language), tries=[_show_attempt(one, language) for one in attempts])


def _show_attempt(row: DeliveryAttempt, language: str) -> AttemptShape:
    return AttemptShape(
        number=row.number,
        begun_at=row.begun_at,
        ended_at=row.ended_at,
        outcome=row.outcome,
        answer=row.answer,
        **_why(row.cause, language),
    )


def _line(row: Endpoint) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "wire": row.wire,
        "site": SiteShape.model_validate(row.institution),
        "enabled": row.enabled,
    }


def _show_endpoint(row: Endpoint, waiting: dict[str, int], language: str) -> EndpointShape:
    return EndpointShape(
        **_line(row),
        revision=endpoints.revision_of_endpoint(row),
        where=read_settings(row.wire, row.settings).where,
        settings=row.settings,
        has_secret=row.has_secret,
        has_client_key=row.has_client_key,
        kinds=[Kind(kind) for kind in row.kinds],
        made_at=row.made_at,
        failing_since=row.failing_since,
        retry_at=row.retry_at,
        last_answer=row.last_answer,
        last_cause=row.last_cause,
        last_cause_text=say_peer(row.last_cause, language),
        last_sent_at=row.last_sent_at,
        pending=waiting.get(DeliveryState.PENDING.value, 0),
        refused=waiting.get(DeliveryState.REFUSED.value, 0),
        gave_up=waiting.get(DeliveryState.GAVE_UP.value, 0),
    )


def _item(row: Delivery, language: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "endpoint": EndpointLine(**_line(row.endpoint)),
        "report_number": row.report.number,
        "version": row.report.version,
        "kind": row.report.examination.kind,
        "event": row.event,
        "state": row.state,
        "attempts": row.attempts,
        "queued_at": row.queued_at,
        "next_at": row.next_at if row.state is DeliveryState.PENDING else None,
        "answer": row.answer,
        **_why(row.cause, language),
        "sent_at": row.sent_at,
    }
