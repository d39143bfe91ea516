"""Many rows in one statement: arrays through `unnest` on PostgreSQL, one prepared statement run many times on SQLite.

Arrays are written here, in PostgreSQL's own text form (§8.15.6): the driver takes several times as long over them.
What all rows of a set have in common is said once. Nothing here flushes the session: rows that these ones point to must
be in the database before.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from types import TracebackType
from typing import Any, Self

from sqlalchemy import JSON, Column, Connection, Dialect, LargeBinary, Table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from worklists.base import Base

NOTHING_ON_CONFLICT = "ON CONFLICT DO NOTHING"

FEWEST_IN_COMMON = 20  # rows of a set that is worth a statement of its own for what it has in common
_NOTHING = object()
_BETWEEN = "\0"  # which no text of PostgreSQL has
_WRITTEN: Mapping[Any, Callable[[Any], str]] = {
    uuid.UUID: attrgetter("hex"),
    int: repr,
    float: repr,
    bool: repr,
}  # without quotes
_Convert = Callable[[Any], Any] | None
_Parameters = tuple[Any, ...] | list[tuple[Any, ...]]


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
        _insert(session, row, *_columns_of(row, values))


@dataclass(slots=True, kw_only=True)
class Sender:
    """Sets of rows of one transaction, sent while their caller makes the next: the server works meanwhile.

    Threads take turns on a connection of psycopg: whatever else the transaction asks waits for the rows before it.
    On SQLite, which works in this very process, they are written at once. Leave it before the transaction ends.
    """

    session: Session
    _thread: ThreadPoolExecutor = field(init=False)
    _sent: Future[None] | None = None

    def insert_values(self, row: type[Base], values: Sequence[object]) -> None:
        """As the function of this name; what became of it is heard with the next set, or at `wait`."""
        self.wait()
        if not values:
            return
        statement, parameters = _insertion(self.session, row, *_columns_of(row, values))
        if _is_postgresql(self.session):
            self._sent = self._thread.submit(_execute, self.session.connection(), statement, parameters)
        else:
            self.session.connection().exec_driver_sql(statement, parameters)

    def wait(self) -> None:
        """Raises what became of what was sent."""
        sent, self._sent = self._sent, None
        if sent is not None:
            sent.result()

    def __enter__(self) -> Self:
        self._thread = ThreadPoolExecutor(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()  # nothing reaches the connection after its transaction
        if error is None:
            self.wait()


def _execute(connection: Connection, statement: str, parameters: _Parameters) -> None:
    """With a cursor of its own: SQLAlchemy's connection is for one thread."""
    try:
        raw = connection.connection.driver_connection
        assert raw is not None
        with raw.cursor() as cursor:
            cursor.execute(statement, parameters)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(
            statement, None, error, connection.dialect.loaded_dbapi.Error,
            hide_parameters=True, dialect=connection.dialect,
        ) from error  # fmt: skip


def _columns_of(row: type[Base], values: Sequence[object]) -> tuple[list[str], list[list[Any]]]:
    """What a class of values says of a row's columns."""
    kind = type(values[0])
    names = [column.name for column in _table(row).c if hasattr(kind, column.name)]
    return names, [list(map(attrgetter(name), values)) for name in names]


def _insert(
    session: Session, row: type[Base], names: Sequence[str], found: Sequence[list[Any]], on_conflict: str = ""
) -> None:
    session.connection().exec_driver_sql(*_insertion(session, row, names, found, on_conflict))


def _insertion(
    session: Session, row: type[Base], names: Sequence[str], found: Sequence[list[Any]], on_conflict: str = ""
) -> tuple[str, _Parameters]:
    """The statement. `found` are the values of each of the columns."""
    table, dialect = _table(row), session.get_bind().dialect
    columns = [table.c[name] for name in names]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = _converted(columns, found, dialect)
    if not _is_postgresql(session):
        marks = ", ".join("?" for _ in columns)
        statement = f'INSERT INTO "{table.name}" ({quoted}) VALUES ({marks}) {on_conflict}'  # noqa: S608 (names are our own tables)
        return statement, list(zip(*values, strict=True))
    common = [n > 0 and _is_common(of_one) for n, of_one in enumerate(values)]
    varying = [column for column, same in zip(columns, common, strict=True) if not same]
    place = iter(range(1, len(varying) + 1))
    reads = ", ".join(
        _constant(column, dialect) if same else _read(column, next(place))
        for column, same in zip(columns, common, strict=True)
    )
    statement = (
        f'INSERT INTO "{table.name}" ({quoted}) SELECT {reads} FROM {_arrays(varying, dialect)} {on_conflict}'  # noqa: S608
    )
    said = [of_one[0] for of_one, same in zip(values, common, strict=True) if same]
    arrays = [_array(of_one) for of_one, same in zip(values, common, strict=True) if not same]
    return statement, (*said, *arrays)


def _is_common(values: Sequence[Any]) -> bool:
    """All rows say the same. Not of fractions: 0.0 and -0.0 are equal, and not the same."""
    first = values[0]
    return (
        len(values) >= FEWEST_IN_COMMON
        and not isinstance(first, float)
        and values.count(first) == len(values)
    )


def update_rows(
    session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]], *, key: str = "id"
) -> None:
    """Set the named columns of the rows with these keys; a row that is gone changes nothing."""
    _update(session, row, rows, (key,))


def update_versions(session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """The same for rows with a `version`: each stands as it was read, and gets the next one. Raises StaleDataError."""
    if _update(session, row, rows, ("id", "version")) != len(rows):
        raise StaleDataError(f"{row.__tablename__}: somebody else changed one of {len(rows)}")


def _update(session: Session, row: type[Base], rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> int:
    """Answers how many were changed."""
    if not rows:
        return 0
    table, dialect = _table(row), session.get_bind().dialect
    changed = [table.c[name] for name in rows[0] if name not in keys]
    columns = [*changed, *(table.c[key] for key in keys)]
    values = _converted(columns, [[one[column.name] for one in rows] for column in columns], dialect)
    next_version = [f'"version" = "{table.name}"."version" + 1'] if "version" in keys else []
    if _is_postgresql(session):
        sets = [f'"{column.name}" = {_read(column, n)}' for n, column in enumerate(changed, start=1)]
        where = " AND ".join(
            f'"{table.name}"."{key}" = v.c{n}' for n, key in enumerate(keys, start=len(changed) + 1)
        )
        arrays = _arrays(columns, dialect)
        statement = f'UPDATE "{table.name}" SET {", ".join(sets + next_version)} FROM {arrays} WHERE {where}'  # noqa: S608
        parameters: _Parameters = tuple(map(_array, values))
    else:
        sets = [f'"{column.name}" = ?' for column in changed]
        where = " AND ".join(f'"{key}" = ?' for key in keys)
        statement = f'UPDATE "{table.name}" SET {", ".join(sets + next_version)} WHERE {where}'  # noqa: S608
        parameters = list(zip(*values, strict=True))
    return session.connection().exec_driver_sql(statement, parameters).rowcount


def take_turns(session: Session, keys: Iterable[str]) -> None:
    """Until this transaction ends nobody else has any of these keys. On SQLite there is one writer anyway.

    They are taken in one order, whoever asks, so that two never wait for each other.
    """
    if not _is_postgresql(session):
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


def _array(values: Sequence[Any]) -> str:
    """A column of one kind, as nearly all are, is written as one."""
    kinds = set(map(type, values))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is str and (text := _BETWEEN.join(values)).count(_BETWEEN) == len(values) - 1:
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return '{"' + escaped.replace(_BETWEEN, '","') + '"}'
    if kind in _WRITTEN:
        return "{" + ",".join(map(_WRITTEN[kind], values)) + "}"
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
        return _as_json
    convert: _Convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    return convert


def _as_json(value: Any) -> str:
    """Most lists of a row are empty."""
    return "[]" if value in ([], ()) else json.dumps(value)


def _arrays(columns: Sequence[Column[Any]], dialect: Dialect) -> str:
    """A table `v` of array parameters, a column c1, c2 … for each of these."""
    types = ("text" if _is_json(column) else column.type.compile(dialect) for column in columns)
    names = ", ".join(f"c{n}" for n in range(1, len(columns) + 1))
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in types)}) AS v({names})"


def _read(column: Column[Any], number: int) -> str:
    return f"v.c{number}::jsonb" if _is_json(column) else f"v.c{number}"


def _constant(column: Column[Any], dialect: Dialect) -> str:
    return f"%s::{'jsonb' if _is_json(column) else column.type.compile(dialect)}"


def _is_postgresql(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _is_json(column: Column[Any]) -> bool:
    return isinstance(column.type, JSON)
