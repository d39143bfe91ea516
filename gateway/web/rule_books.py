"""Rules that people edit as data: `/api/v1/rules/{book}`."""

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
from sqlalchemy.exc import SQLAlchemyError

from gateway import rule_books as use_cases
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.shapes import PersonShape
from gateway.web.showing import show_person
from gateway.web.tasks import who_is
from worklists.directory import Role
from worklists.errors import Conflict, NotAllowed, NotFound
from worklists.rule_books import RuleVersion, VersionState

log = structlog.get_logger()

LINES = "application/x-ndjson"
router = APIRouter(prefix="/api/v1/rules/{book}", tags=["rules"])

ReadsDep = Annotated[Caller, Depends(require(Role.READER, Role.REVIEWER, Role.ADMIN))]
SetsDep = Annotated[Caller, Depends(require(Role.REVIEWER, Role.ADMIN))]


class VersionLine(BaseModel):
    id: uuid.UUID
    version: int
    state: VersionState
    note: str
    made_at: datetime
    made_by: PersonShape | None
    live_at: datetime | None
    live_by: PersonShape | None
    tried: bool


class VersionShape(VersionLine):
    content: dict[str, Any]
    dry_run: dict[str, Any] | None


class BookShape(BaseModel):
    """`stand`: what the last change still does; of `verification` how many specimens it has yet to judge, `to_judge`."""

    items: list[VersionLine]
    in_force: dict[str, Any]
    may_set: bool
    stand: dict[str, int]


class NewVersion(BaseModel):
    content: dict[str, Any] | None = None
    note: Annotated[str, Field(max_length=500)] = ""


class VersionBody(BaseModel):
    content: dict[str, Any]
    note: Annotated[str, Field(max_length=500)] = ""


@router.get("")
def read_book(book: str, caller: ReadsDep, runtime: RuntimeDep, centre: uuid.UUID | None = None) -> BookShape:
    """Every version, the newest first, and what is in force: the live one, or what the book begins with."""
    scope = use_cases.scope_of(book, centre)
    with runtime.reading() as session:
        rows = use_cases.list_versions(session, who_is(caller), book, scope)
        return BookShape(
            items=[VersionLine(**_line(row)) for row in rows],
            in_force=use_cases.content_in_force(session, who_is(caller), book, scope),
            may_set=use_cases.may_set(session, caller.subject, book, scope),
            stand=dict(use_cases.find_book(book).stand(session)),
        )


@router.get("/{version_id}")
def read_version(book: str, version_id: uuid.UUID, caller: ReadsDep, runtime: RuntimeDep) -> VersionShape:
    return show_version(runtime, caller, book, version_id)


@router.post("", status_code=201)
def make_draft(
    book: str, body: NewVersion, caller: SetsDep, runtime: RuntimeDep, centre: uuid.UUID | None = None
) -> VersionShape:
    """A draft: with this content, or as what is in force."""
    scope = use_cases.scope_of(book, centre)
    made = use_cases.make_draft(runtime, who_is(caller), book, scope, content=body.content, note=body.note)
    return show_version(runtime, caller, book, made)


@router.put("/{version_id}")
def change_draft(
    book: str, version_id: uuid.UUID, body: VersionBody, caller: SetsDep, runtime: RuntimeDep
) -> VersionShape:
    use_cases.change_draft(runtime, who_is(caller), book, version_id, content=body.content, note=body.note)
    return show_version(runtime, caller, book, version_id)


@router.post("/{version_id}/dry-run", response_model=VersionShape)
def try_draft(
    book: str, version_id: uuid.UUID, request: Request, caller: SetsDep, runtime: RuntimeDep
) -> VersionShape | StreamingResponse:
    """What it would have done with the last examinations; it changes none of them.

    Whoever accepts `application/x-ndjson` is told how far it is, a line each, `{"done", "of"}`; the last line is
    `{"rules"}`, or `{"failed"}` with the code of a problem.
    """
    if LINES not in request.headers.get("accept", ""):
        use_cases.try_draft(runtime, who_is(caller), book, version_id)
        return show_version(runtime, caller, book, version_id)
    with runtime.reading() as session:
        use_cases.get_draft(session, who_is(caller), book, version_id)
    return StreamingResponse(_trying(runtime, caller, book, version_id), media_type=LINES)


@router.post("/{version_id}/go-live")
def let_live(book: str, version_id: uuid.UUID, caller: SetsDep, runtime: RuntimeDep) -> VersionShape:
    use_cases.let_live(runtime, who_is(caller), book, version_id)
    return show_version(runtime, caller, book, version_id)


def _trying(runtime: Runtime, caller: Caller, book: str, version_id: uuid.UUID) -> Iterator[str]:
    """Lines of a dry run that goes on in a thread of its own: it is kept also when nobody listens any more."""
    lines: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def run() -> None:
        try:
            who = who_is(caller)
            use_cases.try_draft(
                runtime, who, book, version_id, told=lambda done, of: lines.put({"done": done, "of": of})
            )
            lines.put({"rules": show_version(runtime, caller, book, version_id).model_dump(mode="json")})
        except (
            Conflict,
            NotFound,
            NotAllowed,
            SQLAlchemyError,
        ) as error:  # the answer has begun: its status says nothing any more
            log.warning("dry_run_failed", book=book, version_id=str(version_id), error=type(error).__name__)
            lines.put({"failed": "conflict" if isinstance(error, Conflict) else "unavailable"})
        finally:
            lines.put(None)

    Thread(target=run, name="dry-run", daemon=True).start()
    while (line := lines.get()) is not None:
        yield json.dumps(line, ensure_ascii=False) + "\n"


def show_version(runtime: Runtime, caller: Caller, book: str, version_id: uuid.UUID) -> VersionShape:
    with runtime.reading() as session:
        row = use_cases.get_version(session, who_is(caller), book, version_id)
        return VersionShape(**_line(row), content=row.content, dry_run=row.dry_run)


def _line(row: RuleVersion) -> dict[str, Any]:
    return {
        "id": row.id,
        "version": row.version,
        "state": row.state,
        "note": row.note,
        "made_at": row.made_at,
        "made_by": show_person(row.made_by),
        "live_at": row.live_at,
        "live_by": show_person(row.live_by),
        "tried": row.dry_run is not None,
    }
