"""The migrations make the database that the rows expect, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, text

from gateway.database import open_engine
from gateway.migrations import is_current, migrate
from tests.servers import Postgres
from worklists.base import Base


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


def test_migrating_again_changes_nothing(empty: Engine) -> None:
    migrate(empty)
    migrate(empty)

    assert is_current(empty)
