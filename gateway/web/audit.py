"""The auditor's page: who saw or changed what, and whether the chain holds."""

import csv
import io
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from adapters.xlsx import MEDIA_TYPE as XLSX
from adapters.xlsx import write_workbook
from gateway import audit
from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from gateway.web.deps import AuditorDep, Caller, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_cursor
from gateway.web.shapes import PersonShape, SiteShape
from worklists.accession import is_numbered
from worklists.base import COUNTY_TIME, Base
from worklists.directory import Institution, Person
from worklists.errors import Invalid
from worklists.examinations import Examination
from worklists.patients import Patient, matches_word

T = TypeVar("T", bound=Base)

router = APIRouter(prefix="/api/v1/audit", tags=["audit"])

LINES = "application/x-ndjson"
MOST_EXPORTED = 50_000  # what a spreadsheet program still opens quickly
COLUMNS = (
    "id", "at", "action", "person", "username", "institution", "examination_id", "accession_number", "address",
    "outcome", "basis", "detail",
)  # fmt: skip
IN_ONE_QUERY = 500
FORMULA = ("=", "+", "-", "@", "\t", "\r")
BASIS = ("reason", "note", "because", "way", "override")  # members of a detail that say on which ground


class EventShape(BaseModel):
    id: int
    at: datetime
    action: str
    person: PersonShape | None
    actor: str
    institution: SiteShape | None
    examination_id: uuid.UUID | None
    accession_number: str | None
    basis: str  # on which ground: the roles of that person, and the reason that was given
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


class ExportAs(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an auditor looks for."""

    first: str | None
    last: str | None
    person: str | None
    action: str | None
    examination: uuid.UUID | None
    about: str | None

    def query(self) -> Select[AuditEvent]:
        """The newest first. Raises Invalid."""
        query = select(AuditEvent).order_by(AuditEvent.id.desc())
        if self.person:
            query = query.where(_is_of(self.person))
        if self.action:
            query = query.where(AuditEvent.action == self.action)
        if self.examination is not None:
            query = query.where(AuditEvent.examination_id == self.examination)
        if self.about and self.about.strip():
            query = query.where(AuditEvent.examination_id.in_(_examinations(self.about)))
        return _between(query, self.first, self.last)


def asked(
    first: Annotated[str | None, Query(alias="from")] = None,
    last: Annotated[str | None, Query(alias="to")] = None,
    person: str | None = None,
    action: str | None = None,
    examination: uuid.UUID | None = None,
    about: Annotated[str | None, Query(max_length=100)] = None,
) -> Asked:
    """`about`: a patient's name, pinyin or number, or an accession number; every word of it."""
    return Asked(first=first, last=last, person=person, action=action, examination=examination, about=about)


AskedDep = Annotated[Asked, Depends(asked)]


@router.get("")
def list_events(
    caller: AuditorDep, runtime: RuntimeDep, asked: AskedDep, limit: LimitDep = 100, cursor: CursorDep = None
) -> EventsShape:
    query = asked.query().limit(limit + 1)
    before = read_cursor(cursor)
    if before is not None:
        query = query.where(AuditEvent.id < _number(before))
    with runtime.reading() as session:
        rows = session.scalars(query).all()
        items = _show(session, rows[:limit])
    return EventsShape(items=items, next_cursor=write_cursor(items[-1].id) if len(rows) > limit else None)


@router.get("/export")
def export(
    caller: AuditorDep,
    runtime: RuntimeDep,
    asked: AskedDep,
    file: Annotated[ExportAs, Query(alias="as")] = ExportAs.XLSX,
) -> Response:
    """The newest fifty thousand of what is found; that they were taken out is itself an event."""
    with runtime.reading() as session:
        rows = session.scalars(asked.query().limit(MOST_EXPORTED + 1)).all()
        table = [list(COLUMNS), *(_line(item) for item in _show(session, rows[:MOST_EXPORTED]))]
    whole = len(rows) <= MOST_EXPORTED
    detail = {"rows": len(table) - 1, "whole": whole, "as": file.value, **_said(asked)}
    with runtime.sessions.begin() as session:
        audit.record(session, "audit_exported", actor=caller.actor(), now=runtime.now(), detail=detail)
    data, media_type = (write_workbook({"audit": table}), XLSX) if file is ExportAs.XLSX else _csv(table)
    headers = {
        "Content-Disposition": f'attachment; filename="audit.{file.value}"',
        "X-Rows": str(len(table) - 1),
        "X-Whole": str(whole).lower(),
    }
    return Response(data, media_type=media_type, headers=headers)


@router.post("/verify", response_model=VerificationShape)
def verify(
    request: Request, caller: AuditorDep, runtime: RuntimeDep
) -> VerificationShape | StreamingResponse:
    """Walk the chain from its beginning; that it was walked is itself an event.

    Whoever accepts `application/x-ndjson` is told how far it is, a line each, `{"done", "of"}`; the last line is
    `{"verification"}`, or `{"failed"}`.
    """
    if LINES in request.headers.get("accept", ""):
        return StreamingResponse(_verifying(runtime, caller), media_type=LINES)
    with runtime.reading() as session:
        found = audit.verify(session)
    return _kept(runtime, caller, found)


def _verifying(runtime: Runtime, caller: Caller) -> Iterator[str]:
    """Lines of a walk in a thread of its own: its outcome is kept also when nobody listens any more."""
    lines: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def run() -> None:
        try:
            with runtime.reading() as session:
                of = audit.count_sealed(session)
                found = audit.verify(session, told=lambda done: lines.put({"done": done, "of": of}))
            lines.put({"verification": _kept(runtime, caller, found).model_dump(mode="json")})
        except Exception:
            lines.put({"failed": "internal"})
            raise  # told, and for the log of threads
        finally:
            lines.put(None)

    Thread(target=run, name="verify-audit", daemon=True).start()
    while (line := lines.get()) is not None:
        yield json.dumps(line) + "\n"


def _kept(runtime: Runtime, caller: Caller, found: audit.Verification) -> VerificationShape:
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


def _examinations(about: str) -> Select[uuid.UUID]:
    """Of patients and accession numbers in which every word is found."""
    query = select(Examination.id).join(Patient, Patient.id == Examination.patient_id)
    for word in about.lower().split():
        number = is_numbered(word, Examination.accession_number)
        query = query.where(
            or_(Examination.patient_id.in_(select(Patient.id).where(matches_word(word, Patient))), number)
        )
    return query


def _said(asked: Asked) -> dict[str, str]:
    """What was asked for, without what was typed about a patient."""
    named = {
        "from": asked.first, "to": asked.last, "person": asked.person, "action": asked.action,
        "examination": str(asked.examination) if asked.examination else None,
        "about": "…" if asked.about else None,
    }  # fmt: skip
    return {name: value for name, value in named.items() if value}


def _line(item: EventShape) -> list[str]:
    return [
        str(item.id), item.at.astimezone(COUNTY_TIME).isoformat(timespec="seconds"), item.action,
        item.person.name if item.person else "", item.actor, item.institution.name if item.institution else "",
        str(item.examination_id or ""), item.accession_number or "", item.address, item.outcome, item.basis,
        json.dumps(item.detail, ensure_ascii=False) if item.detail else "",
    ]  # fmt: skip


def _csv(table: Sequence[Sequence[str]]) -> tuple[bytes, str]:
    """UTF-8 with a mark, as spreadsheet programs expect; nothing in it begins a formula."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    for row in table:
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in row])
    return written.getvalue().encode("utf-8-sig"), "text/csv; charset=utf-8"


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
    people = _by_id(session, Person, Person.id, {row.person_id for row in rows})
    sites = _by_id(session, Institution, Institution.id, {row.institution_id for row in rows})
    examinations = _by_id(session, Examination, Examination.id, {row.examination_id for row in rows})
    return [
        EventShape(
            id=row.id,
            at=row.at,
            action=row.action,
            person=_person(people.get(row.person_id)),
            actor=row.actor,
            institution=_site(sites.get(row.institution_id)),
            examination_id=row.examination_id,
            accession_number=(
                examinations[row.examination_id].accession_number
                if row.examination_id in examinations
                else None
            ),
            basis=_basis(people.get(row.person_id), row),
            address=row.address,
            outcome=row.outcome,
            detail=row.detail,
            sealed=row.seal is not None,
        )
        for row in rows
    ]


def _basis(person: Person | None, row: AuditEvent) -> str:
    """What that person may do here now, and why they said that they did it."""
    roles = sorted({role.role.value for role in person.roles}) if person else []
    said = [str(row.detail[name]) for name in BASIS if row.detail.get(name)]
    return " · ".join([", ".join(roles), *said] if roles else said)


def _by_id(
    session: Session, kind: type[T], key: InstrumentedAttribute[uuid.UUID], ids: set[uuid.UUID | None]
) -> dict[uuid.UUID | None, T]:
    """Those that there still are."""
    wanted = [one for one in ids if one is not None]
    found: dict[uuid.UUID | None, T] = {}
    for start in range(0, len(wanted), IN_ONE_QUERY):
        part = select(key, kind).where(key.in_(wanted[start : start + IN_ONE_QUERY]))
        found |= dict(session.execute(part).all())
    return found


def _person(row: Person | None) -> PersonShape | None:
    return PersonShape(id=row.id, name=row.name) if row else None


def _site(row: Institution | None) -> SiteShape | None:
    return SiteShape(id=row.id, code=row.code, name=row.name) if row else None
