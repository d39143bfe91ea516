"""Changing the county's dictionary: items with their ranges, panels, whole tables; each change kept and audited."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.directory import Change, FieldErrors, require_seen
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists.base import new_id
from worklists.directory import Centre, Kind, Role
from worklists.errors import NotAllowed, NotFound
from worklists.laboratory.contents import (
    Content,
    check_item,
    check_panel,
    describe_item,
    describe_panel,
    write_item,
    write_panel,
)
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.tables import RowError, Tables, read_tables, write_tables
from worklists.recognition import RecognitionItem

Sheets = Mapping[str, list[dict[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What a table would change of one item or panel: name of a field → before and after; `before` None: it is new."""

    sheet: str
    code: str
    name: str
    is_new: bool
    fields: dict[str, tuple[Any, Any]]


@dataclass(slots=True, kw_only=True)
class Import:
    """What a workbook would do. Nothing is done while one row is wrong."""

    differences: list[Difference] = field(default_factory=list)
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)


def require_setter(session: Session, who: Who) -> None:
    """Raises NotAllowed."""
    if not may_set(session, who):
        raise NotAllowed(Role.ADMIN, Role.REVIEWER)


def may_set(session: Session, who: Who) -> bool:
    """Who sets dictionary and profiles: administrators, and reviewers of a laboratory centre."""
    if Role.ADMIN in who.subject.roles:
        return True
    if Role.REVIEWER not in who.subject.roles or not who.subject.centre_ids:
        return False
    kinds = select(Centre.id).where(Centre.id.in_(who.subject.centre_ids), Centre.kind == Kind.LABORATORY)
    return session.scalars(kinds).first() is not None


def find_items(session: Session) -> list[LabItem]:
    return list(session.scalars(select(LabItem).order_by(LabItem.position, LabItem.code)))


def find_panels(session: Session) -> list[LabPanel]:
    return list(session.scalars(select(LabPanel).order_by(LabPanel.position, LabPanel.code)))


def make_item(runtime: Runtime, who: Who, content: Content) -> None:
    """Raises NotAllowed, FieldErrors."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        if session.get(LabItem, content["code"]) is not None:
            raise FieldErrors({"code": "taken"})
        _keep_item(runtime, session, who, None, content)


def change_item(
    runtime: Runtime, who: Who, code: str, changes: Mapping[str, Any], *, revision: str | None = None
) -> None:
    """What was read at `revision`; None does not ask. Raises NotAllowed, NotFound, FieldErrors, ChangedSince."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        row = session.get(LabItem, code, with_for_update=True)
        if row is None:
            raise NotFound("lab_item")
        require_seen(session, "lab_item", code, describe_item(row), changes, revision)
        _keep_item(runtime, session, who, row, {**describe_item(row), **changes, "code": code})


def make_panel(runtime: Runtime, who: Who, content: Content) -> None:
    """Raises NotAllowed, FieldErrors."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        if session.get(LabPanel, content["code"]) is not None:
            raise FieldErrors({"code": "taken"})
        _keep_panel(runtime, session, who, None, content)


def change_panel(
    runtime: Runtime, who: Who, code: str, changes: Mapping[str, Any], *, revision: str | None = None
) -> None:
    """What was read at `revision`; None does not ask. Raises NotAllowed, NotFound, FieldErrors, ChangedSince."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        row = session.get(LabPanel, code, with_for_update=True)
        if row is None:
            raise NotFound("lab_panel")
        require_seen(session, "lab_panel", code, describe_panel(row), changes, revision)
        _keep_panel(runtime, session, who, row, {**describe_panel(row), **changes, "code": code})


def export_tables(session: Session) -> dict[str, list[dict[str, str]]]:
    return write_tables(
        [describe_item(one) for one in find_items(session)],
        [describe_panel(one) for one in find_panels(session)],
    )


def preview_import(session: Session, sheets: Sheets) -> Import:
    """What it would change, and every row that cannot be used. What the tables do not name stays."""
    return _compare(session, _read(session, sheets))


def carry_over(runtime: Runtime, who: Who, sheets: Sheets) -> Import:
    """Do what the preview says. Raises NotAllowed; does nothing while a row is wrong."""
    with runtime.sessions.begin() as session:
        require_setter(session, who)
        tables = _read(session, sheets)
        found = _compare(session, tables)
        if found.errors:
            return found
        for one in found.differences:
            if one.sheet == "items":
                row = session.get(LabItem, one.code, with_for_update=True)
                _keep_item(runtime, session, who, row, tables.items[one.code])
        for one in found.differences:
            if one.sheet == "panels":
                panel = session.get(LabPanel, one.code, with_for_update=True)
                _keep_panel(runtime, session, who, panel, tables.panels[one.code])
        audit.record(
            session, "lab_dictionary_imported", actor=who.actor, now=runtime.now(),
            detail={"changed": len(found.differences), "unchanged": found.unchanged},
        )  # fmt: skip
        return found


def _read(session: Session, sheets: Sheets) -> Tables:
    tables = read_tables(sheets)
    recognised = set(session.scalars(select(RecognitionItem.code)))
    for code, item in tables.items.items():
        reasons = check_item(item, recognition_items=recognised)
        tables.errors += [_row_error(tables, "items", code, where, why) for where, why in reasons.items()]
    known = {*session.scalars(select(LabItem.code)), *tables.items}
    for code, panel in tables.panels.items():
        reasons = check_panel(panel, items=known)
        tables.errors += [_row_error(tables, "panels", code, where, why) for where, why in reasons.items()]
    tables.errors.sort(key=lambda one: (one.sheet, one.row))
    return tables


def _row_error(tables: Tables, sheet: str, code: str, where: str, why: str) -> RowError:
    """A reason of a content, at the row that it came from."""
    if where.startswith("ranges."):
        _, place, column = where.split(".")
        columns = {"from_days": "from_age", "to_days": "to_age"}
        row = tables.range_rows[code][int(place)]
        return RowError(sheet="ranges", row=row, column=columns.get(column, column), reason=why)
    return RowError(sheet=sheet, row=tables.rows[sheet, code], column=where, reason=why)


def _compare(session: Session, tables: Tables) -> Import:
    found = Import(errors=tables.errors)
    items = {one.code: describe_item(one) for one in find_items(session)}
    panels = {one.code: describe_panel(one) for one in find_panels(session)}
    for sheet, known, said in (("items", items, tables.items), ("panels", panels, tables.panels)):
        for code, content in said.items():
            before = known.get(code)
            if before is not None:
                # Who exported it with initials of a person's own keeps them; positions are the page's business.
                content["position"] = before["position"]
                content["initials"] = content["initials"] or before["initials"]
            fields = _differences(before, content)
            if not fields:
                found.unchanged += 1
                continue
            found.differences.append(
                Difference(sheet=sheet, code=code, name=content["name"], is_new=before is None, fields=fields)
            )
    return found


def _differences(before: Content | None, after: Content) -> dict[str, tuple[Any, Any]]:
    return {
        name: (before[name] if before else None, value)
        for name, value in after.items()
        if (before[name] != value if before else value not in (None, "", [], 0))
    }


def _keep_item(runtime: Runtime, session: Session, who: Who, row: LabItem | None, content: Content) -> None:
    recognised = set(session.scalars(select(RecognitionItem.code)))
    reasons = check_item(content, recognition_items=recognised)
    if reasons:
        raise FieldErrors(reasons)
    before = describe_item(row) if row is not None else None
    row = row or LabItem(code=content["code"])
    if before is None:
        session.add(row)
    if before != content:
        write_item(row, content)
        session.flush()
        _keep(runtime, session, who, "lab_item", row.code, before, describe_item(row))


def _keep_panel(runtime: Runtime, session: Session, who: Who, row: LabPanel | None, content: Content) -> None:
    reasons = check_panel(content, items=set(session.scalars(select(LabItem.code))))
    if reasons:
        raise FieldErrors(reasons)
    before = describe_panel(row) if row is not None else None
    row = row or LabPanel(code=content["code"])
    if before is None:
        session.add(row)
    if before != content:
        write_panel(row, content)
        session.flush()
        _keep(runtime, session, who, "lab_panel", row.code, before, describe_panel(row))


def _keep(
    runtime: Runtime,
    session: Session,
    who: Who,
    entity: str,
    code: str,
    before: Content | None,
    after: Content,
) -> uuid.UUID:
    """The change, as changes of the directory are kept."""
    touched = [name for name in after if before is None or before[name] != after[name]]
    was = {name: before[name] for name in touched} if before is not None else None
    change = Change(
        id=new_id(), changed_at=runtime.now(), person_id=who.actor.person_id, entity=entity, subject=code,
        before=was, after={name: after[name] for name in touched},
    )  # fmt: skip
    session.add(change)
    detail = {"entity": entity, "id": code, "before": was, "after": change.after}
    audit.record(session, "directory_changed", actor=who.actor, now=runtime.now(), detail=detail)
    live.bump(session, "lab")
    return change.id
