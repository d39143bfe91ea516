"""Changing the directory and the rules: each change is kept with before and after, audited, and can be taken back."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from sqlalchemy import ForeignKey, Index, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from gateway import accounts, audit, live, text_doubts
from gateway.entities import ENTITIES
from gateway.entity import Entity
from gateway.person_entities import roles_of
from gateway.runtime import Runtime
from gateway.snapshot import refresh_snapshot
from worklists import routing
from worklists.base import Base, new_id
from worklists.directory import Device, Person
from worklists.errors import Conflict, Invalid, NotFound
from worklists.reading import OPEN_STATES, ReadingTask
from worklists.revision import ChangedSince, revision_of

BY_NAME: Mapping[str, Entity] = {entity.name: entity for entity in ENTITIES}


class FieldErrors(Invalid):
    """Fields that cannot be used: name of the field → why (a key of `gateway.web.words.fields.REASONS`)."""

    def __init__(self, reasons: Mapping[str, str]):
        super().__init__(*reasons)
        self.reasons = dict(reasons)


class ChangeMovedOn(Conflict):
    """The thing was changed again since, or is in use; this change cannot be taken back alone."""


class Change(Base):
    """One change of one thing, by a person. `before` None: it was made; `after` None: it was taken away."""

    __tablename__ = "directory_change"
    __table_args__ = (Index("ix_directory_change_subject", "entity", "subject"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    changed_at: Mapped[datetime]
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    entity: Mapped[str]
    subject: Mapped[str]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    undoes_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("directory_change.id"), unique=True)

    person: Mapped[Person | None] = relationship()


@dataclass(frozen=True, slots=True)
class _Edit:
    """What every step of one change needs."""

    session: Session
    entity: Entity
    actor: audit.Actor
    now: datetime
    password: accounts.HashedPassword | None = None


def list_things(session: Session, entity: Entity, *, after: Any, limit: int) -> list[Base]:
    """The rows of an entity in the order of their keys, those after a key."""
    key = getattr(entity.row, entity.key)
    query = select(entity.row).order_by(key).limit(limit)
    return list(session.scalars(query if after is None else query.where(key > after)))


def describe(entity: Entity, row: Base) -> dict[str, Any]:
    """The fields of a row that can be written, as JSON."""
    content = entity.fields.model_validate(row, from_attributes=True).model_dump(mode="json")
    if "roles" in content:
        content["roles"].sort(key=lambda role: (role["role"], role["centre_id"] or ""))
    return content


def create_thing(runtime: Runtime, entity: Entity, body: BaseModel, actor: audit.Actor) -> str:
    """Make a new one; answers its key. Raises FieldErrors."""
    password = _hash_password(body)
    with runtime.sessions.begin() as session:
        edit = _Edit(session, entity, actor, runtime.now(), password)
        values = body.model_dump()
        key = new_id() if entity.key == "id" else values[entity.key]
        if session.get(entity.row, key) is not None:
            raise FieldErrors({entity.key: "taken"})
        _write(edit, entity.row(**{entity.key: key}), values, exists=False)
    refresh_snapshot(runtime)
    return str(key)


def change_thing(
    runtime: Runtime,
    entity: Entity,
    key: str,
    body: BaseModel,
    actor: audit.Actor,
    *,
    revision: str | None = None,
) -> None:
    """Change the fields that the body names of what was read at `revision`. Raises NotFound, FieldErrors, ChangedSince."""
    password = _hash_password(body)
    with runtime.sessions.begin() as session:
        edit = _Edit(session, entity, actor, runtime.now(), password)
        row = _get_locked(session, entity, key)
        said = body.model_dump(mode="json", include=set(entity.fields.model_fields) & body.model_fields_set)
        require_seen(session, entity.name, key, describe(entity, row), said, revision)
        _write(edit, row, _named(body), exists=True)
    refresh_snapshot(runtime)


def require_seen(
    session: Session,
    entity: str,
    key: str,
    content: Mapping[str, Any],
    said: Mapping[str, Any],
    revision: str | None,
) -> None:
    """Who changes a content has read it as it is; None does not ask, and what is there already may be said again.

    Raises ChangedSince.
    """
    if revision in (None, revision_of(content)) or all(
        content[name] == value for name, value in said.items()
    ):
        return
    last = list_changes(session, entity=entity, subject=key, before=None, limit=1)
    person = last[0].person if last else None
    raise ChangedSince(person.name if person else None, last[0].changed_at if last else None)


def set_character_set(
    session: Session, device_id: uuid.UUID, term: str | None, actor: audit.Actor, now: datetime
) -> str | None:
    """As an administrator would; answers what was set before. The caller refreshes the snapshot afterwards."""
    entity = BY_NAME["device"]
    device = session.get_one(Device, device_id, with_for_update=True, populate_existing=True)
    before = device.character_set
    _write(_Edit(session, entity, actor, now), device, {"character_set": term}, exists=True)
    return before


def keep_lines(
    session: Session,
    entity: Entity,
    present: Sequence[Base],
    wanted: Sequence[Mapping[str, Any]],
    actor: audit.Actor,
    now: datetime,
) -> dict[int, dict[str, str]]:
    """Make the rows what is wanted: those that it does not name go, the others are changed or made.

    Every row is a change of its own. Answers what is wrong, by the place of the line.
    """
    edit = _Edit(session, entity, actor, now)
    rows = {getattr(row, entity.key): row for row in present}
    for key in rows.keys() - {line["id"] for line in wanted}:
        _keep(edit, rows[key], describe(entity, rows[key]), None, None)
        session.delete(rows[key])
    session.flush()
    wrong: dict[int, dict[str, str]] = {}
    for place, line in enumerate(wanted):
        values = {name: value for name, value in line.items() if name != "id"}
        row = rows.get(line["id"])
        try:
            _write(edit, row or entity.row(id=new_id()), values, exists=row is not None)
        except FieldErrors as error:
            wrong[place] = error.reasons
    return wrong


def undo_change(runtime: Runtime, change_id: uuid.UUID, actor: audit.Actor) -> uuid.UUID:
    """Take one change back, which is a change itself. Raises NotFound, ChangeMovedOn, FieldErrors."""
    try:
        with runtime.sessions.begin() as session:
            change = session.get(Change, change_id, with_for_update=True)
            if change is None or change.entity not in BY_NAME:
                raise NotFound("change")  # the laboratory's are taken back on its own pages
            undone = _undo(_Edit(session, BY_NAME[change.entity], actor, runtime.now()), change)
    except IntegrityError as error:
        raise ChangeMovedOn from error  # something refers to what the change made
    refresh_snapshot(runtime)
    return undone.id


def list_changes(
    session: Session, *, entity: str | None, subject: str | None, before: uuid.UUID | None, limit: int
) -> Sequence[Change]:
    """The newest first."""
    query = select(Change).order_by(Change.id.desc()).limit(limit)
    if entity:
        query = query.where(Change.entity == entity)
    if subject:
        query = query.where(Change.subject == subject)
    if before:
        query = query.where(Change.id < before)
    return session.scalars(query).all()


def _undo(edit: _Edit, change: Change) -> Change:
    key = edit.entity.parse_key(change.subject)
    row = edit.session.get(edit.entity.row, key, with_for_update=True)
    if not _still_as_left(edit.entity, row, change):
        raise ChangeMovedOn
    if change.before is None and row is not None:
        return _remove(edit, row, change)
    values = _named(edit.entity.patch_model().model_validate(change.before))
    exists = row is not None
    row = row or edit.entity.row(**{edit.entity.key: key})
    undone = _write(edit, row, values, exists=exists, undoes=change)
    if undone is None:
        raise ChangeMovedOn
    return undone


def _still_as_left(entity: Entity, row: Base | None, change: Change) -> bool:
    """Whether the fields that the change touched are still as it left them."""
    if row is None or change.after is None:
        return row is None and change.after is None
    current = describe(entity, row)
    return all(current[name] == value for name, value in change.after.items())


def _write(
    edit: _Edit, row: Base, values: Mapping[str, Any], *, exists: bool, undoes: Change | None = None
) -> Change | None:
    """Set the fields, check the whole, and keep what changed; nothing is kept when nothing did."""
    before = describe(edit.entity, row) if exists else None
    with edit.session.no_autoflush:
        _refuse_fixed(edit.entity, before, values)
        _set_fields(row, values)
        _check(edit, row, values)
    if not exists:
        edit.session.add(row)
    edit.session.flush()
    _set_password(edit, row)
    after = describe(edit.entity, row)
    if before == after:
        return None
    _route_again(edit)
    return _keep(edit, row, before, after, undoes)


def _refuse_fixed(entity: Entity, before: Mapping[str, Any] | None, values: Mapping[str, Any]) -> None:
    if before is None:
        return
    moved = [name for name in entity.fixed & values.keys() if str(values[name]) != before[name]]
    if moved:
        raise FieldErrors(dict.fromkeys(moved, "immutable"))


def _set_fields(row: Base, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if name == "roles" and isinstance(row, Person):
            _set_roles(row, value)
        elif name != "password":
            setattr(row, name, value)


def _set_roles(person: Person, wanted: list[dict[str, Any]]) -> None:
    """Rows that stay are kept as they are: new ones would meet them at the unique constraint."""
    new = {(role.role, role.centre_id): role for role in roles_of(wanted)}
    for role in list(person.roles):
        if new.pop((role.role, role.centre_id), None) is None:
            person.roles.remove(role)
    person.roles.extend(new.values())


def _check(edit: _Edit, row: Base, values: Mapping[str, Any]) -> None:
    reasons = edit.entity.check(edit.session, row)
    if values.get("password") is not None and isinstance(row, Person | Device):
        try:
            name = row.username if isinstance(row, Person) else row.account or ""
            accounts.check_password(values["password"], username=name)
        except accounts.PasswordTooWeak:
            reasons["password"] = "password"  # noqa: S105 (a reason, not a secret)
    if reasons:
        raise FieldErrors(reasons)


def _hash_password(body: BaseModel) -> accounts.HashedPassword | None:
    password = getattr(body, "password", None)
    return None if password is None else accounts.hash_password(password)


def _set_password(edit: _Edit, row: Base) -> None:
    if edit.password is not None and isinstance(row, Person | Device):
        if isinstance(row, Person):
            accounts.set_password(edit.session, row.id, edit.password, now=edit.now)
        else:
            row.account_password_hash = edit.password
        detail = {"person" if isinstance(row, Person) else "device": str(row.id)}
        audit.record(edit.session, "password_set", actor=edit.actor, now=edit.now, detail=detail)


def _keep(
    edit: _Edit,
    row: Base,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    undoes: Change | None,
) -> Change:
    if before is not None and after is not None:
        touched = [name for name in after if before[name] != after[name]]
        before, after = {n: before[n] for n in touched}, {n: after[n] for n in touched}
    if isinstance(row, Device) and before is not None and after is not None and "character_set" in after:
        _read_otherwise(edit, row, before["character_set"])
    change = Change(
        id=new_id(),
        changed_at=edit.now,
        person_id=edit.actor.person_id,
        entity=edit.entity.name,
        subject=str(getattr(row, edit.entity.key)),
        before=before,
        after=after,
        undoes_id=undoes.id if undoes else None,
    )
    edit.session.add(change)
    detail = {"entity": change.entity, "id": change.subject, "before": before, "after": after}
    action: audit.Action = "directory_undone" if undoes else "directory_changed"
    audit.record(edit.session, action, actor=edit.actor, now=edit.now, detail=detail)
    live.bump(edit.session, "system", "worklist")
    return change


def _read_otherwise(edit: _Edit, device: Device, was_set_to: str | None) -> None:
    """What came while the last decision about a device's character set was in force follows this one."""
    changes = edit.session.scalars(
        select(Change)
        .where(Change.entity == "device", Change.subject == str(device.id))
        .order_by(Change.changed_at.desc(), Change.id.desc())
    )
    last = next((one for one in changes if _decides_character_set(one)), None)
    if last is None or edit.actor.person_id is None:
        return  # from now on
    text_doubts.schedule_following(
        edit.session, device, was_set_to, edit.actor.person_id, since=last.changed_at, now=edit.now
    )


def _decides_character_set(change: Change) -> bool:
    """A device that was made without one has none by nobody's decision."""
    after = change.after or {}
    return "character_set" in after and (change.before is not None or after["character_set"] is not None)


def _remove(edit: _Edit, row: Base, change: Change) -> Change:
    """Take away what the change made. What is referred to stays: the database says so."""
    if isinstance(row, Person):
        _remove_account(edit, row)
    kept = _keep(edit, row, change.after, None, change)
    edit.session.delete(row)
    edit.session.flush()
    return kept


def _remove_account(edit: _Edit, person: Person) -> None:
    with edit.session.no_autoflush:
        person.roles.clear()
        reasons = edit.entity.check(edit.session, person)
    if "last_admin" in reasons.values():
        raise FieldErrors(reasons)
    for row in (accounts.LoginSession, accounts.Credential):
        edit.session.execute(delete(row).where(row.person_id == person.id))


def _route_again(edit: _Edit) -> None:
    """Open work without a centre may find one now."""
    if edit.entity.routes_work:
        without = ReadingTask.centre_id.is_(None)
        for task in edit.session.scalars(
            select(ReadingTask).where(without, ReadingTask.state.in_(OPEN_STATES))
        ):
            routing.assign_centre(edit.session, task, edit.now)


def _get_locked(session: Session, entity: Entity, key: str) -> Base:
    parsed = entity.parse_key(key)
    row = session.get(entity.row, parsed, with_for_update=True) if parsed is not None else None
    if row is None:
        raise NotFound(entity.name)
    return row


def _named(body: BaseModel) -> dict[str, Any]:
    """The fields that the body names, each whole."""
    return {name: value for name, value in body.model_dump().items() if name in body.model_fields_set}
