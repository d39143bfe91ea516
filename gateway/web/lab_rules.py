"""Rules of verification: `/api/v1/lab/rules`."""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from gateway.lab import rules as use_cases
from gateway.lab.control import may_set
from gateway.lab.judging import count_to_judge
from gateway.reading import Who
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.lab_control import SetsDep
from gateway.web.shapes import PersonShape
from gateway.web.tasks import who_is
from worklists.directory import Person, Role
from worklists.errors import Conflict, NotAllowed, NotFound
from worklists.laboratory.verification import RuleSetState, VerificationRules

log = structlog.get_logger()

LINES = "application/x-ndjson"
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
    """`to_judge`: specimens that the live rules have yet to look at anew."""

    items: list[RulesLine]
    may_set: bool
    to_judge: int


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
            to_judge=count_to_judge(session),
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


@router.post("/{rules_id}/dry-run", response_model=RulesShape)
def try_draft(
    rules_id: uuid.UUID, request: Request, caller: SetsDep, runtime: RuntimeDep
) -> RulesShape | StreamingResponse:
    """What it would have done with the last thousand results; it changes none of them.

    Whoever accepts `application/x-ndjson` is told how far it is, a line each, `{"done", "of"}`; the last line is
    `{"rules"}`, or `{"failed"}` with the code of a problem.
    """
    if LINES not in request.headers.get("accept", ""):
        use_cases.try_draft(runtime, who_is(caller), rules_id)
        return _show(runtime, rules_id)
    with runtime.reading() as session:
        use_cases.get_draft(session, who_is(caller), rules_id)
    return StreamingResponse(_trying(runtime, who_is(caller), rules_id), media_type=LINES)


@router.post("/{rules_id}/go-live")
def go_live(rules_id: uuid.UUID, caller: SetsDep, runtime: RuntimeDep) -> RulesShape:
    use_cases.go_live(runtime, who_is(caller), rules_id)
    return _show(runtime, rules_id)


def _trying(runtime: Runtime, who: Who, rules_id: uuid.UUID) -> Iterator[str]:
    """Lines of a dry run that goes on in a thread of its own: it is kept also when nobody listens any more."""
    lines: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def run() -> None:
        try:
            use_cases.try_draft(
                runtime, who, rules_id, told=lambda done, of: lines.put({"done": done, "of": of})
            )
            lines.put({"rules": _show(runtime, rules_id).model_dump(mode="json")})
        except (
            Conflict,
            NotFound,
            NotAllowed,
            SQLAlchemyError,
        ) as error:  # the answer has begun: its status says nothing any more
            log.warning("dry_run_failed", rules_id=str(rules_id), error=type(error).__name__)
            lines.put({"failed": "conflict" if isinstance(error, Conflict) else "unavailable"})
        finally:
            lines.put(None)

    Thread(target=run, name="dry-run", daemon=True).start()
    while (line := lines.get()) is not None:
        yield json.dumps(line, ensure_ascii=False) + "\n"


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
