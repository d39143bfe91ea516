"""Rules that people edit as data: `/api/v1/rules/{book}`."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import SimpleQueue
from threading import Thread
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError

from gateway import rule_books as use_cases
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.errors import Detailed
from gateway.web.revisions import RequiredRevision, StatedRevision, tagged
from gateway.web.shapes import PersonShape
from gateway.web.showing import show_person
from gateway.web.tasks import who_is
from worklists.directory import Role
from worklists.errors import Conflict, NotAllowed, NotFound
from worklists.revision import ChangedSince
from worklists.rule_books import LiveMovedOn, NotADraft, RuleVersion, VersionState

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
    begun_from: int
    changed_at: datetime | None
    changed_by: PersonShape | None


class VersionShape(VersionLine):
    """`revision` is what `If-Match` names; a dry run leaves it as it is."""

    revision: str
    content: dict[str, Any]
    dry_run: dict[str, Any] | None


class BookShape(BaseModel):
    """`stand`: what the last change still does; of `verification` how many specimens it has yet to judge, `to_judge`."""

    items: list[VersionLine]
    in_force: dict[str, Any]
    may_set: bool
    stand: dict[str, int]


class NewVersion(BaseModel):
    """`begun_from`: the version that was live where the content was taken from, 0 where none was."""

    content: dict[str, Any] | None = None
    begun_from: Annotated[int, Field(ge=0)] | None = None
    note: Annotated[str, Field(max_length=500)] = ""


class VersionBody(BaseModel):
    content: dict[str, Any]
    note: Annotated[str, Field(max_length=500)] = ""


class GoLiveBody(BaseModel):
    """`replaces`: the version in whose place it comes, where that is another one than it was begun from."""

    replaces: Annotated[int, Field(ge=0)] | None = None


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
def read_version(
    book: str, version_id: uuid.UUID, caller: ReadsDep, runtime: RuntimeDep, response: Response
) -> VersionShape:
    return _tagged(response, show_version(runtime, caller, book, version_id))


@router.post("", status_code=201)
def make_draft(
    book: str,
    body: NewVersion,
    caller: SetsDep,
    runtime: RuntimeDep,
    response: Response,
    centre: uuid.UUID | None = None,
) -> VersionShape:
    """A draft: with this content, or as what is in force."""
    scope = use_cases.scope_of(book, centre)
    made = use_cases.make_draft(
        runtime, who_is(caller), book, scope, content=body.content, note=body.note, begun_from=body.begun_from
    )
    return _tagged(response, show_version(runtime, caller, book, made))


@router.put("/{version_id}")
def change_draft(
    book: str,
    version_id: uuid.UUID,
    body: VersionBody,
    caller: SetsDep,
    runtime: RuntimeDep,
    response: Response,
    revision: RequiredRevision,
) -> VersionShape:
    """412 with the draft as it is now under `current`, when somebody else changed it since."""
    with _showing_the_newer(runtime, caller, book, version_id):
        use_cases.change_draft(
            runtime,
            who_is(caller),
            book,
            version_id,
            content=body.content,
            note=body.note,
            revision=revision,
        )
    return _tagged(response, show_version(runtime, caller, book, version_id))


@router.post("/{version_id}/dry-run", response_model=VersionShape)
def try_draft(
    book: str,
    version_id: uuid.UUID,
    request: Request,
    caller: SetsDep,
    runtime: RuntimeDep,
    response: Response,
    revision: StatedRevision,
) -> VersionShape | StreamingResponse:
    """What it would have done with the last examinations; it changes none of them.

    Whoever accepts `application/x-ndjson` is told how far it is, a line each, `{"done", "of"}`; the last line is
    `{"rules"}`, or `{"failed"}` with the code of a problem.
    """
    with _showing_the_newer(runtime, caller, book, version_id):
        if LINES not in request.headers.get("accept", ""):
            use_cases.try_draft(runtime, who_is(caller), book, version_id, revision=revision)
            return _tagged(response, show_version(runtime, caller, book, version_id))
        with runtime.reading() as session:
            use_cases.get_draft(session, who_is(caller), book, version_id, revision)
    return StreamingResponse(_trying(runtime, caller, book, version_id), media_type=LINES)


@router.post("/{version_id}/go-live")
def let_live(
    book: str,
    version_id: uuid.UUID,
    caller: SetsDep,
    runtime: RuntimeDep,
    response: Response,
    revision: RequiredRevision,
    body: GoLiveBody | None = None,
) -> VersionShape:
    """What is live is what the caller has seen: 412 as for a change; 409 with what is live now under `live`, when that
    is another version than the draft was begun from, until the caller says that it `replaces` that one.
    """
    with _showing_the_newer(runtime, caller, book, version_id):
        use_cases.let_live(
            runtime,
            who_is(caller),
            book,
            version_id,
            revision=revision,
            replaces=body.replaces if body else None,
        )
    return _tagged(response, show_version(runtime, caller, book, version_id))


@contextmanager
def _showing_the_newer(runtime: Runtime, caller: Caller, book: str, version_id: uuid.UUID) -> Iterator[None]:
    """Whoever acted on what is no longer so is answered with what is."""
    try:
        yield
    except (ChangedSince, NotADraft) as error:
        current = show_version(runtime, caller, book, version_id)
        raise Detailed(error, members={"current": current.model_dump(mode="json")}) from error
    except LiveMovedOn as error:
        live = show_version(runtime, caller, book, error.live_id)
        raise Detailed(error, members={"live": live.model_dump(mode="json")}) from error


def _tagged(response: Response, version: VersionShape) -> VersionShape:
    return tagged(response, version, version.revision)


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
        return VersionShape(**_line(row), revision=row.revision, content=row.content, dry_run=row.dry_run)


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
        "begun_from": row.begun_from,
        "changed_at": row.changed_at,
        "changed_by": show_person(row.changed_by),
    }
