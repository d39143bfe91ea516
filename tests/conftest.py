"""What tests of the gateway share: a database of either kind, and a runtime on it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

import gateway.accounts
import gateway.audit
import gateway.index
import gateway.work  # noqa: F401 (their rows belong to the metadata)
from gateway.database import open_engine, open_sessions
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from tests.servers import Postgres, postgres, redis, seaweedfs  # noqa: F401 (fixtures)
from worklists.base import Base

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url()


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return open_sessions(engine)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, viewer_dir=tmp_path / "viewer")


@pytest.fixture
def runtime(settings: Settings, engine: Engine, sessions: sessionmaker[Session], clock: Clock) -> Runtime:
    opened = open_runtime(settings)
    opened.engine.dispose()
    return replace(opened, engine=engine, sessions=sessions, now=clock)
