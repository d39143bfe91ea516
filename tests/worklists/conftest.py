"""A county in a database in memory; tests of what two do at once take real databases of both kinds."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, StaticPool, create_engine, event
from sqlalchemy.orm import Session

from tests.builders import County, build_county, waiting_task
from worklists.reading import ReadingTask


@pytest.fixture(scope="session")
def memory() -> Iterator[Engine]:
    """One database in memory for all tests of a process."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    yield engine
    engine.dispose()


@pytest.fixture
def session(memory: Engine, sqlite_schema: Path) -> Iterator[Session]:
    with memory.connect() as connection, closing(sqlite3.connect(sqlite_schema)) as empty:
        empty.backup(connection.connection.dbapi_connection)  # over all that the test before has left
    with Session(memory) as session:
        yield session


@pytest.fixture
def county(session: Session) -> County:
    return build_county(session)


@pytest.fixture
def task(session: Session, county: County) -> ReadingTask:
    """An examination that waits for a reader of the imaging centre."""
    return waiting_task(session, county)
