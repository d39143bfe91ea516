"""One of many ids, which were found before: as one parameter, so that a statement is the same however many there are.

A database that knows them can say how many there are; of a subquery about words it can only guess, and it guesses one.
"""

import json
import uuid
from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, String, any_, cast, false, func, literal, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.types import UserDefinedType


class _Uuids(UserDefinedType[str]):
    """An array in PostgreSQL's own text form. The parameter is of this type itself: text would be read for each row."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UUID[]"


def among(
    session: Session, column: InstrumentedAttribute[Any], ids: Collection[uuid.UUID]
) -> ColumnElement[bool]:
    """A predicate: the column is one of these."""
    if not ids:
        return false()
    if session.get_bind().dialect.name == "postgresql":
        array = "{" + ",".join(one.hex for one in ids) + "}"
        return column == any_(cast(literal(array, _Uuids()), _Uuids()))
    each = func.json_each(json.dumps([one.hex for one in ids])).table_valued("value")
    return type_coerce(column, String).in_(select(each.c.value))
