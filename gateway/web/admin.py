"""Administration: the same three routes for every entity of `gateway.entities`, and the changes that were made."""

import uuid
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, create_model

from gateway import directory
from gateway.entities import ENTITIES
from gateway.entity import Entity
from gateway.runtime import Runtime
from gateway.web.deps import AdminDep, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_cursor, read_id_cursor, write_cursor
from gateway.web.revising import showing_current
from gateway.web.revisions import StatedRevision, tagged
from gateway.web.shapes import PersonShape
from worklists.base import Base
from worklists.errors import Invalid, NotFound
from worklists.revision import revision_of

router = APIRouter(prefix="/api/v1", tags=["administration"])


class ChangeShape(BaseModel):
    id: uuid.UUID
    at: datetime
    by: PersonShape | None
    entity: str
    entity_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    undoes: uuid.UUID | None


class ChangesShape(BaseModel):
    items: list[ChangeShape]
    next_cursor: str | None


class UndoneShape(BaseModel):
    change_id: uuid.UUID


def _add_routes(entity: Entity) -> None:
    shape, new, patch = entity.shape_model(), entity.new_model(), entity.patch_model()
    page = _page_model(entity, shape)

    def list_things(
        caller: AdminDep, runtime: RuntimeDep, limit: LimitDep = 200, cursor: CursorDep = None
    ) -> Any:
        with runtime.reading() as session:
            key = read_cursor(cursor)
            after = entity.parse_key(key) if key is not None else None
            if key is not None and after is None:
                raise Invalid("cursor")
            rows = directory.list_things(session, entity, after=after, limit=limit + 1)
            items = [_show(entity, shape, row) for row in rows[:limit]]
        more = write_cursor(getattr(rows[limit - 1], entity.key)) if len(rows) > limit else None
        return {"items": items, "next_cursor": more}

    def get_thing(key: str, caller: AdminDep, runtime: RuntimeDep, response: Response) -> Any:
        return _get(runtime, entity, shape, key, response)

    def create_thing(body: BaseModel, caller: AdminDep, runtime: RuntimeDep) -> Any:
        key = directory.create_thing(runtime, entity, body, caller.actor())
        return _get(runtime, entity, shape, key)

    def change_thing(
        key: str,
        body: BaseModel,
        caller: AdminDep,
        runtime: RuntimeDep,
        response: Response,
        revision: StatedRevision,
    ) -> Any:
        with showing_current(lambda: _get(runtime, entity, shape, key)):
            directory.change_thing(runtime, entity, key, body, caller.actor(), revision=revision)
        return _get(runtime, entity, shape, key, response)

    # The framework reads a body's shape from the annotation; here it is a value.
    create_thing.__annotations__["body"] = new
    change_thing.__annotations__["body"] = patch
    path, title = f"/{entity.path}", entity.name.replace("_", " ")
    router.get(path, response_model=page, summary=f"List: {title}")(list_things)
    router.post(path, response_model=shape, status_code=201, summary=f"Make: {title}")(create_thing)
    router.get(f"{path}/{{key}}", response_model=shape, summary=f"Show: {title}")(get_thing)
    router.patch(f"{path}/{{key}}", response_model=shape, summary=f"Change: {title}")(change_thing)


@router.get("/changes")
def list_changes(
    caller: AdminDep,
    runtime: RuntimeDep,
    entity: str | None = None,
    id: str | None = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> ChangesShape:
    before = read_id_cursor(cursor)
    with runtime.reading() as session:
        rows = directory.list_changes(session, entity=entity, subject=id, before=before, limit=limit + 1)
        items = [_show_change(row) for row in rows[:limit]]
    return ChangesShape(items=items, next_cursor=write_cursor(items[-1].id) if len(rows) > limit else None)


@router.post("/changes/{change_id}/undo")
def undo_change(change_id: uuid.UUID, caller: AdminDep, runtime: RuntimeDep) -> UndoneShape:
    return UndoneShape(change_id=directory.undo_change(runtime, change_id, caller.actor()))


def _get(
    runtime: Runtime, entity: Entity, shape: type[BaseModel], key: str, response: Response | None = None
) -> BaseModel:
    parsed = entity.parse_key(key)
    with runtime.reading() as session:
        row = session.get(entity.row, parsed) if parsed is not None else None
        if row is None:
            raise NotFound(entity.name)
        revision = revision_of(directory.describe(entity, row))
        shown = _show(entity, shape, row)
    return shown if response is None else tagged(response, shown, revision)


def _show(entity: Entity, shape: type[BaseModel], row: Base) -> BaseModel:
    values = {name: getattr(row, name) for name in shape.model_fields if name != "revision"}
    revision = revision_of(directory.describe(entity, row))
    return shape.model_validate({**values, "revision": revision}, from_attributes=True)


def _show_change(row: directory.Change) -> ChangeShape:
    return ChangeShape(
        id=row.id,
        at=row.changed_at,
        by=PersonShape(id=row.person.id, name=row.person.name) if row.person else None,
        entity=row.entity,
        entity_id=row.subject,
        before=row.before,
        after=row.after,
        undoes=row.undoes_id,
    )


def _page_model(entity: Entity, shape: type[BaseModel]) -> type[BaseModel]:
    items: Any = list[shape]  # type: ignore[valid-type]
    return create_model(f"{entity.title}Page", items=(items, ...), next_cursor=(str | None, ...))


for _entity in ENTITIES:
    _add_routes(_entity)
