"""The auditor's page: who saw or changed what, and whether the chain holds."""

import uuid
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import Select, select

from gateway import audit
from gateway.audit import AuditEvent
from gateway.web.deps import AuditorDep, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from worklists.base import COUNTY_TIME
from worklists.errors import Invalid

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class EventShape(BaseModel):
    id: int
    at: datetime
    action: str
    person_id: uuid.UUID | None
    actor: str
    institution_id: uuid.UUID | None
    examination_id: uuid.UUID | None
    address: str
    outcome: str
    detail: dict[str, Any]
    sealed: bool


class EventsShape(BaseModel):
    items: list[EventShape]
    next_cursor: str | None


class BadShape(BaseModel):
    id: int
    reason: str


class VerificationShape(BaseModel):
    ok: bool
    checked: int
    first_bad: BadShape | None


@router.get("")
def list_events(
    caller: AuditorDep,
    runtime: RuntimeDep,
    first: Annotated[str | None, Query(alias="from")] = None,
    last: Annotated[str | None, Query(alias="to")] = None,
    person: uuid.UUID | None = None,
    action: str | None = None,
    examination: uuid.UUID | None = None,
    limit: LimitDep = 100,
    cursor: CursorDep = None,
) -> EventsShape:
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit + 1)
    for column, value in (
        (AuditEvent.person_id, person),
        (AuditEvent.action, action),
        (AuditEvent.examination_id, examination),
    ):
        if value is not None:
            query = query.where(column == value)
    query = _between(query, first, last)
    before = read_cursor(cursor)
    if before is not None:
        query = query.where(AuditEvent.id < _number(before))
    with runtime.reading() as session:
        rows = session.scalars(query).all()
    items = [_show(row) for row in rows[:limit]]
    return EventsShape(items=items, next_cursor=write_cursor(items[-1].id) if len(rows) > limit else None)


@router.post("/verify")
def verify(caller: AuditorDep, runtime: RuntimeDep) -> VerificationShape:
    """Walk the chain from its beginning; that it was walked is itself an event."""
    with runtime.reading() as session:
        found = audit.verify(session)
    with runtime.sessions.begin() as session:
        audit.record(
            session,
            "audit_verified",
            actor=caller.actor(),
            now=runtime.now(),
            outcome="success" if found.ok else "failure",
            detail={"checked": found.checked},
        )
    bad = None if found.first_bad is None else BadShape(id=found.first_bad, reason=found.reason)
    return VerificationShape(ok=found.ok, checked=found.checked, first_bad=bad)


def _between(
    query: Select[AuditEvent], first: str | None, last: str | None
) -> Select[AuditEvent]:
    if first is not None:
        query = query.where(AuditEvent.at >= _moment("from", first, whole_day=False))
    if last is not None:
        query = query.where(AuditEvent.at < _moment("to", last, whole_day=True))
    return query


def _moment(field: str, text: str, *, whole_day: bool) -> datetime:
    """A day of the county or an exact time; with `whole_day`, the end of that day."""
    try:
        if len(text) == len("2026-11-21"):
            begin = datetime.combine(date.fromisoformat(text), time(), COUNTY_TIME)
            return begin + timedelta(days=1) if whole_day else begin
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(field) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=COUNTY_TIME)


def _number(text: str) -> int:
    if not text.isdigit():
        raise Invalid("cursor")
    return int(text)


def _show(row: AuditEvent) -> EventShape:
    return EventShape(
        id=row.id,
        at=row.at,
        action=row.action,
        person_id=row.person_id,
        actor=row.actor,
        institution_id=row.institution_id,
        examination_id=row.examination_id,
        address=row.address,
        outcome=row.outcome,
        detail=row.detail,
        sealed=row.seal is not None,
    )
