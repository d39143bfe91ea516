"""A county in a database in memory; tests of what two do at once take real databases of both kinds."""

from collections.abc import Iterator

import pytest
from sqlalchemy import StaticPool, create_engine, event
from sqlalchemy.orm import Session

from tests.builders import County, build_county, waiting_task
from worklists.base import Base
from worklists.reading import ReadingTask


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys=ON"))
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def county(session: Session) -> County:
    return build_county(session)


@pytest.fixture
def task(session: Session, county: County) -> ReadingTask:
    """An examination that waits for a reader of the imaging centre."""
    return waiting_task(session, county)
