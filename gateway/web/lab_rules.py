"""Rules of verification: `/api/v1/lab/rules`."""

import uuid
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.lab import rules as use_cases
from gateway.lab.control import may_set
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.lab_control import SetsDep
from gateway.web.shapes import PersonShape
from gateway.web.tasks import who_is
from worklists.directory import Person, Role
from worklists.laboratory.verification import RuleSetState, VerificationRules

router = APIRouter(prefix="/api/v1/lab/rules", tags=["laboratory"])

ReadsDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER, Role.ADMIN))]


class RulesLine(BaseModel):
    id: uuid.UUID
    version: int
    state: RuleSetState
    note: str
    rules: int
    made_at: datetime
    made_by: PersonShape | None
    live_at: datetime | None
    live_by: PersonShape | None
    tried: bool


class RulesShape(RulesLine):
    content: dict[str, Any]
    dry_run: dict[str, Any] | None


class RulesPage(BaseModel):
    items: list[RulesLine]
    may_set: bool


class NewRules(BaseModel):
    content: dict[str, Any] | None = None
    note: Annotated[str, Field(max_length=500)] = ""


class RulesBody(BaseModel):
    content: dict[str, Any]
    note: Annotated[str, Field(max_length=500)] = ""


@router.get("")
def list_rules(caller: ReadsDep, runtime: RuntimeDep) -> RulesPage:
    """Every version that was ever made, the newest first; one is live."""
    with runtime.reading() as session:
        rows = use_cases.list_rules(session, who_is(caller))
        people = _people(session, rows)
        return RulesPage(
            items=[RulesLine(**_line(row, people)) for row in rows],
            may_set=may_set(session, caller.subject),
        )


@router.get("/{rules_id}")
def read_rules(rules_id: uuid.UUID, caller: ReadsDep, runtime: RuntimeDep) -> RulesShape:
    with runtime.reading() as session:
        return _shape(session, use_cases.get_rules(session, who_is(caller), rules_id))


@router.post("", status_code=201)
def make_draft(body: NewRules, caller: SetsDep, runtime: RuntimeDep) -> RulesShape:
    """A draft: with this content, or as the live rules are."""
    rules_id = use_cases.make_draft(runtime, who_is(caller), content=body.content, note=body.note)
    return _show(runtime, rules_id)


@router.put("/{rules_id}")
def change_draft(rules_id: uuid.UUID, body: RulesBody, caller: SetsDep, runtime: RuntimeDep) -> RulesShape:
    use_cases.change_draft(runtime, who_is(caller), rules_id, content=body.content, note=body.note)
    return _show(runtime, rules_id)


@router.post("/{rules_id}/dry-run")
def try_draft(rules_id: uuid.UUID, caller: SetsDep, runtime: RuntimeDep) -> RulesShape:
    """What it would have done with the last thousand results; it changes none of them."""
    use_cases.try_draft(runtime, who_is(caller), rules_id)
    return _show(runtime, rules_id)


@router.post("/{rules_id}/go-live")
def go_live(rules_id: uuid.UUID, caller: SetsDep, runtime: RuntimeDep) -> RulesShape:
    use_cases.go_live(runtime, who_is(caller), rules_id)
    return _show(runtime, rules_id)


def _show(runtime: Runtime, rules_id: uuid.UUID) -> RulesShape:
    with runtime.reading() as session:
        return _shape(session, session.get_one(VerificationRules, rules_id))


def _shape(session: Session, row: VerificationRules) -> RulesShape:
    return RulesShape(**_line(row, _people(session, [row])), content=row.content, dry_run=row.dry_run)


def _line(row: VerificationRules, people: dict[uuid.UUID | None, PersonShape]) -> dict[str, Any]:
    return {
        "id": row.id,
        "version": row.version,
        "state": row.state,
        "note": row.note,
        "rules": len(row.content["rules"]),
        "made_at": row.made_at,
        "made_by": people.get(row.made_by_id),
        "live_at": row.live_at,
        "live_by": people.get(row.live_by_id),
        "tried": row.dry_run is not None,
    }


def _people(session: Session, rows: Any) -> dict[uuid.UUID | None, PersonShape]:
    ids = {one for row in rows for one in (row.made_by_id, row.live_by_id) if one is not None}
    found = session.scalars(select(Person).where(Person.id.in_(ids)))
    return {one.id: PersonShape(id=one.id, name=one.name) for one in found}
