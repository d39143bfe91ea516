"""One of many ids, which were found before: as one parameter, so that a statement is the same however many there are.

A database that knows them can say how many there are; of a subquery about words it can only guess, and it guesses one.
"""

import json
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    String,
    any_,
    bindparam,
    cast,
    false,
    func,
    literal,
    select,
    true,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import UserDefinedType


class _Uuids(UserDefinedType[str]):
    """An array in PostgreSQL's own text form. The parameter is of this type itself: text would be read for each row."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UUID[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ids:
    """Ids as a database said them, to be given back to it: nobody here looks at one."""

    count: int
    written: str


def gather(
    session: Session, query: Select[uuid.UUID] | CompoundSelect[uuid.UUID], limit: int | None = None
) -> Ids:
    """The ids that a query finds, perhaps no more than so many. One that is found twice counts twice."""
    found = query.limit(limit).subquery()
    ids = found.c[0]
    plain = func.json_group_array(type_coerce(ids, String))
    written = cast(func.array_agg(ids), String) if _is_postgresql(session) else plain
    count, text = session.execute(select(func.count(), written).select_from(found)).one()
    return Ids(count=count, written=text or "{}")


def among(
    session: Session,
    column: InstrumentedAttribute[Any] | ColumnElement[Any],
    ids: Collection[uuid.UUID] | Ids,
    *,
    tested: bool = False,
) -> ColumnElement[bool]:
    """A predicate: the column is one of these. `tested`: of rows that are met anyway, not a way to find them."""
    known = ids if isinstance(ids, Ids) else write_ids(session, ids)
    if not known.count:
        return false()
    if _is_postgresql(session):
        found = column == any_(cast(literal(known.written, _Uuids()), _Uuids()))
        return found.is_(true()) if tested else found  # no index answers whether something is true
    each = func.json_each(known.written).table_valued("value")
    plain = type_coerce(column, String)
    return (plain.concat("") if tested else plain).in_(select(each.c.value))


def among_those(column: InstrumentedAttribute[Any], name: str, *, postgresql: bool) -> ColumnElement[bool]:
    """The same in a statement that is made once: its ids, of `write_ids`, are the parameter of this name."""
    if postgresql:
        return column == any_(cast(bindparam(name, type_=_Uuids()), _Uuids()))
    each = func.json_each(bindparam(name, type_=String())).table_valued("value")
    return type_coerce(column, String).in_(select(each.c.value))


def write_ids(session: Session, ids: Collection[uuid.UUID]) -> Ids:
    if _is_postgresql(session):
        return Ids(count=len(ids), written="{" + ",".join(one.hex for one in ids) + "}")
    return Ids(count=len(ids), written=json.dumps([one.hex for one in ids]))


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
