"""The migrations make the database that the rows expect, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Column, Connection, Engine, MetaData, Table, create_engine, func, select, text

from gateway.database import open_engine
from gateway.migrations import is_current, migrate
from tests.servers import Postgres
from worklists.base import Base, new_id
from worklists.rule_books import RuleVersion


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database without a table."""
    if request.param == "sqlite":
        engine = open_engine(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
        yield engine
        engine.dispose()
        return
    server: Postgres = request.getfixturevalue("postgres")
    admin = create_engine(server.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS migrated WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE migrated"))
    engine = open_engine(server.url("migrated"))
    yield engine
    engine.dispose()
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE migrated WITH (FORCE)"))
    admin.dispose()


def test_a_migrated_database_is_the_one_that_the_rows_expect(empty: Engine) -> None:
    assert not is_current(empty)

    migrate(empty)

    assert is_current(empty)
    with empty.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert differences == []


def test_a_migrated_database_has_every_index_of_the_rows(empty: Engine) -> None:
    """Also those over expressions, which SQLite does not describe: a table that is replaced loses them in silence."""
    migrate(empty)

    listed = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
        "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
    }
    with empty.connect() as connection:
        there = set(connection.scalars(text(listed[connection.dialect.name])))
    assert {str(index.name) for table in Base.metadata.tables.values() for index in table.indexes} <= there


GONE = {"phrase"}  # nobody could edit it: what it held is what a centre's book begins with
# What has another home since: table → where its rows are.
MOVED = {"lab_verification_rules": "rule_version"}


@pytest.mark.parametrize("begin", ["0001", "0015", "0020"])
def test_what_an_older_installation_holds_is_there_after_the_migration(empty: Engine, begin: str) -> None:
    migrate(empty, begin)
    with empty.begin() as connection:
        held = _fill(connection)

    migrate(empty)

    with empty.connect() as connection:
        after = MetaData()
        after.reflect(connection)
        assert GONE.isdisjoint(after.tables)
        held = {name: count for name, count in held.items() if name not in GONE}
        assert {name: _count(connection, after.tables[MOVED.get(name, name)]) for name in held} == held


def test_rules_of_verification_move_with_their_numbers_and_one_stays_live(empty: Engine) -> None:
    migrate(empty, "0027")
    content = '{"rules": [{"code": "range"}]}'
    with empty.begin() as connection:
        for version, state in ((1, "retired"), (2, "live"), (3, "draft")):
            connection.execute(
                text(
                    "INSERT INTO lab_verification_rules (id, version, state, content, note, made_at)"
                    " VALUES (:id, :version, :state, :content, 'n', '2026-11-01 00:00:00+00:00')"
                ),
                {"id": new_id().hex, "version": version, "state": state, "content": content},
            )

    migrate(empty)

    with empty.connect() as connection:
        moved = connection.execute(
            select(RuleVersion.version, RuleVersion.state, RuleVersion.content).order_by(RuleVersion.version)
        ).all()
        books = set(connection.execute(select(RuleVersion.book, RuleVersion.scope)))
    assert [(row.version, row.state, row.content["rules"][0]["code"]) for row in moved] == [
        (1, "retired", "range"), (2, "live", "range"), (3, "draft", "range"),
    ]  # fmt: skip
    assert {(row.book, row.scope) for row in books} == {("verification", "")}


def test_a_code_that_does_not_fit_is_mended_where_a_county_left_its_item_as_it_shipped(empty: Engine) -> None:
    migrate(empty, "0042")
    held = (
        ("CORT", "nmol/L", "血清", "2143-6"),  # as it shipped
        ("NH3", "ug/dL", "EDTA血浆", "22763-7"),  # of a county that reports mass, whose code that is
        ("LEAD", "ug/L", "全血", "77307-7"),  # a county's own
    )
    with empty.begin() as connection:
        items = Table("lab_item", MetaData(), autoload_with=connection)
        for code, unit, specimen, loinc in held:
            said = {"code": code, "unit": unit, "specimen": specimen, "loinc": loinc}
            connection.execute(items.insert().values(**{**_row(connection, items), **said}))

    migrate(empty)

    with empty.connect() as connection:
        codes = {row.code: row.loinc for row in connection.execute(select(items.c.code, items.c.loinc))}
    assert codes == {"CORT": "14675-3", "NH3": "22763-7", "LEAD": "77307-7"}


def _fill(connection: Connection) -> dict[str, int]:
    """A row in every table that is empty, each referring to the rows of the others; how many rows each has then."""
    tables = MetaData()
    tables.reflect(connection)
    for table in tables.sorted_tables:
        if not _count(connection, table):
            connection.execute(table.insert().values(**_row(connection, table)))
    return {table.name: _count(connection, table) for table in tables.sorted_tables}


def _row(connection: Connection, table: Table) -> dict[str, Any]:
    values = {}
    for column in table.columns:
        [*foreign] = column.foreign_keys
        if foreign and foreign[0].column.table is not table:
            values[column.name] = connection.scalar(select(foreign[0].column).limit(1))
        elif not foreign and not (column.nullable or column.server_default is not None):
            values[column.name] = _value(column)
    return values


def _value(column: Column[Any]) -> Any:
    kind = str(column.type).upper()
    if "TIMESTAMP" in kind or "DATETIME" in kind:
        return datetime(2026, 11, 1, tzinfo=UTC)
    if kind == "DATE":
        return date(2026, 11, 1)
    if kind in {"UUID", "CHAR(32)"}:
        return new_id() if kind == "UUID" else new_id().hex
    if kind.startswith("JSON"):
        return {}
    if kind == "BOOLEAN":
        return False
    if any(word in kind for word in ("INT", "FLOAT", "DOUBLE", "NUMERIC", "REAL")):
        return 1
    return b"1" if kind in {"BLOB", "BYTEA"} else "1"


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def test_migrating_again_changes_nothing(empty: Engine) -> None:
    migrate(empty)
    migrate(empty)

    assert is_current(empty)
