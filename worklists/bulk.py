"""Many rows in one statement: arrays through `unnest` on PostgreSQL, one prepared statement run many times on SQLite.

Arrays are written here, in PostgreSQL's own text form (§8.15.6): the driver takes several times as long over them.
Nothing here flushes the session: rows that these ones point to must be in the database before.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from sqlalchemy import JSON, Column, Dialect, LargeBinary, Table, text
from sqlalchemy.orm import Session

from worklists.base import Base

NOTHING_ON_CONFLICT = "ON CONFLICT DO NOTHING"

_NOTHING = object()
_Convert = Callable[[Any], Any] | None


def insert_rows(
    session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]], *, on_conflict: str = ""
) -> None:
    """Insert rows that all name the same columns. `on_conflict` is the statement's clause, the same on both databases."""
    if rows:
        names = tuple(rows[0])
        _insert(session, row, names, [[one[name] for one in rows] for name in names], on_conflict)


def insert_values(session: Session, row: type[Base], values: Sequence[object]) -> None:
    """The same for values of one class: its slots and properties are columns of the row under their names."""
    if values:
        kind = type(values[0])
        names = [column.name for column in _table(row).c if hasattr(kind, column.name)]
        _insert(session, row, names, [list(map(attrgetter(name), values)) for name in names])


def _insert(
    session: Session, row: type[Base], names: Sequence[str], found: Sequence[list[Any]], on_conflict: str = ""
) -> None:
    """`found` are the values of each of the columns."""
    table, dialect = _table(row), session.get_bind().dialect
    columns = [table.c[name] for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = _converted(columns, found, dialect)
    if dialect.name == "postgresql":
        reads = ", ".join(_read(column, n) for n, column in enumerate(columns, start=1))
        arrays = _arrays(columns, dialect)
        statement = f'INSERT INTO "{table.name}" ({quoted}) SELECT {reads} FROM {arrays} {on_conflict}'  # noqa: S608 (names are our own tables)
        session.connection().exec_driver_sql(statement, tuple(map(_array, values)))
    else:
        marks = ", ".join("?" for _ in columns)
        statement = f'INSERT INTO "{table.name}" ({quoted}) VALUES ({marks}) {on_conflict}'  # noqa: S608
        session.connection().exec_driver_sql(statement, list(zip(*values, strict=True)))


def update_rows(
    session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]], *, key: str = "id"
) -> None:
    """Set the named columns of the rows with these keys; a row that is gone changes nothing."""
    if not rows:
        return
    table, dialect = _table(row), session.get_bind().dialect
    changed = [table.c[name] for name in rows[0] if name != key]
    columns = [*changed, table.c[key]]
    values = _converted(columns, [[one[column.name] for one in rows] for column in columns], dialect)
    if dialect.name == "postgresql":
        sets = ", ".join(f'"{column.name}" = {_read(column, n)}' for n, column in enumerate(changed, start=1))
        statement = (
            f'UPDATE "{table.name}" SET {sets} FROM {_arrays(columns, dialect)} '  # noqa: S608
            f'WHERE "{table.name}"."{key}" = v.c{len(columns)}'
        )
        session.connection().exec_driver_sql(statement, tuple(map(_array, values)))
    else:
        sets = ", ".join(f'"{column.name}" = ?' for column in changed)
        statement = f'UPDATE "{table.name}" SET {sets} WHERE "{key}" = ?'  # noqa: S608
        session.connection().exec_driver_sql(statement, list(zip(*values, strict=True)))


def take_turns(session: Session, keys: Iterable[str]) -> None:
    """Until this transaction ends nobody else has any of these keys. On SQLite there is one writer anyway.

    They are taken in one order, whoever asks, so that two never wait for each other.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    numbers = {
        int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big", signed=True) for key in keys
    }
    session.execute(
        text("SELECT pg_advisory_xact_lock(n) FROM unnest(CAST(:numbers AS bigint[])) AS n"),
        {"numbers": sorted(numbers)},
    )


def _table(row: type[Base]) -> Table:
    table = row.__table__
    assert isinstance(table, Table)
    return table


def _converted(
    columns: Sequence[Column[Any]], found: Sequence[list[Any]], dialect: Dialect
) -> list[list[Any]]:
    """The values of each column as the driver takes them."""
    return [
        values if (convert := _converter(column, dialect)) is None else _each(convert, values)
        for column, values in zip(columns, found, strict=True)
    ]


def _array(values: Iterable[Any]) -> str:
    return "{" + ",".join(_each(_element, values)) + "}"


def _element(value: Any) -> str:
    """One value in an array's text form. Text is quoted, whatever it says."""
    if value is None:
        return "NULL"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, datetime | date):
        return f'"{value.isoformat()}"'
    if isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, bytes):
        return f'"\\\\x{value.hex()}"'
    raise TypeError(f"no column here holds {type(value).__name__}")


def _each(convert: Callable[[Any], Any], values: Iterable[Any]) -> list[Any]:
    """Rows of a set often share a value: what is the very same as before it is not converted anew."""
    last: Any = _NOTHING
    found, converted = [], None
    for one in values:
        if one is not last:
            last, converted = one, convert(one)
        found.append(converted)
    return found


@lru_cache(maxsize=1024)
def _converter(column: Column[Any], dialect: Dialect) -> _Convert:
    if isinstance(column.type, LargeBinary):
        return None  # the bytes as they are
    if _is_json(column):
        return json.dumps
    convert: _Convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _arrays(columns: Sequence[Column[Any]], dialect: Dialect) -> str:
    """A table `v` of array parameters, a column c1, c2 … for each of these."""
    types = ("text" if _is_json(column) else column.type.compile(dialect) for column in columns)
    names = ", ".join(f"c{n}" for n in range(1, len(columns) + 1))
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in types)}) AS v({names})"


def _read(column: Column[Any], number: int) -> str:
    return f"v.c{number}::jsonb" if _is_json(column) else f"v.c{number}"


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)
