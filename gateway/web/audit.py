"""The auditor's page: who saw or changed what, and whether the chain holds."""

import uuid
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session

from gateway import audit
from gateway.audit import AuditEvent
from gateway.web.deps import AuditorDep, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import PersonShape, SiteShape
from worklists.base import COUNTY_TIME, Base
from worklists.directory import Institution, Person
from worklists.errors import Invalid

T = TypeVar("T", bound=Base)

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])


class EventShape(BaseModel):
    id: int
    at: datetime
    action: str
    person: PersonShape | None
    actor: str
    institution: SiteShape | None
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
    person: str | None = None,
    action: str | None = None,
    examination: uuid.UUID | None = None,
    limit: LimitDep = 100,
    cursor: CursorDep = None,
) -> EventsShape:
    query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit + 1)
    if person:
        query = query.where(_is_of(person))
    if action:
        query = query.where(AuditEvent.action == action)
    if examination is not None:
        query = query.where(AuditEvent.examination_id == examination)
    query = _between(query, first, last)
    before = read_cursor(cursor)
    if before is not None:
        query = query.where(AuditEvent.id < _number(before))
    with runtime.reading() as session:
        rows = session.scalars(query).all()
        items = _show(session, rows[:limit])
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


def _between(query: Select[AuditEvent], first: str | None, last: str | None) -> Select[AuditEvent]:
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


def _is_of(person: str) -> ColumnElement[bool]:
    """Of a person, by id, sign-in name or a part of the name."""
    try:
        return AuditEvent.person_id == uuid.UUID(person)
    except ValueError:
        named = select(Person.id).where(Person.name.contains(person, autoescape=True))
        return or_(AuditEvent.actor == person, AuditEvent.person_id.in_(named))


def _show(session: Session, rows: Sequence[AuditEvent]) -> list[EventShape]:
    people = _by_id(session, Person, {row.person_id for row in rows})
    sites = _by_id(session, Institution, {row.institution_id for row in rows})
    return [
        EventShape(
            id=row.id,
            at=row.at,
            action=row.action,
            person=_person(people.get(row.person_id)),
            actor=row.actor,
            institution=_site(sites.get(row.institution_id)),
            examination_id=row.examination_id,
            address=row.address,
            outcome=row.outcome,
            detail=row.detail,
            sealed=row.seal is not None,
        )
        for row in rows
    ]


def _by_id(session: Session, kind: type[T], ids: set[uuid.UUID | None]) -> dict[uuid.UUID | None, T]:
    return {id: session.get_one(kind, id) for id in ids if id is not None}


def _person(row: Person | None) -> PersonShape | None:
    return PersonShape(id=row.id, name=row.name) if row else None


def _site(row: Institution | None) -> SiteShape | None:
    return SiteShape(id=row.id, code=row.code, name=row.name) if row else None
