"""What tests of the gateway share: a database of either kind, and a runtime on it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import structlog
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

import gateway.rows  # noqa: F401 (every row belongs to the metadata)
from gateway.database import open_engine, open_sessions
from gateway.processes import collect_seldom, keep_what_is_loaded
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from tests.servers import Postgres, postgres, redis, seaweedfs  # noqa: F401 (fixtures)
from worklists.base import Base

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)


collect_seldom()  # as the gateway does: what is imported from here on is not looked through again and again


def pytest_collection_finish() -> None:
    keep_what_is_loaded()


def pytest_configure() -> None:
    """Tracebacks as the gateway logs them: structlog's own show every local variable, and take seconds each."""
    *others, _ = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*others, plain])


# Those that take minutes: the longest first.
LONGEST = (
    "tests/journeys/test_stack.py",
    "tests/torture/test_fault_points.py",
    "tests/journeys/test_loops.py",
    "tests/journeys/test_ecg_paper.py",
    "tests/journeys/test_outage.py",
    "tests/journeys/test_browser.py",
    "tests/torture/test_server_disks.py",
    "tests/journeys/test_checking_rules.py",
)
TURNS = {file: turn for turn, file in enumerate(LONGEST)}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Journeys and tortures begin first: at the end no process of xdist waits for another's long one."""
    items.sort(key=turn_of)


def turn_of(item: pytest.Item) -> int:
    others = len(LONGEST) + (item.get_closest_marker("xdist_group") is None)
    return TURNS.get(item.nodeid.partition("::")[0], others)


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


@pytest.fixture(scope="session")
def sqlite_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables; tests take a copy."""
    path = tmp_path_factory.mktemp("schema") / "gateway.sqlite3"
    _create_tables(f"sqlite:///{path}")
    return path


@dataclass(frozen=True, slots=True)
class Tables:
    """A PostgreSQL database with all tables, and how they are emptied."""

    url: str
    empty: Callable[[], object]


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres) -> Iterator[Tables]:  # noqa: F811 (pytest's way of naming a fixture)
    """Tests empty it after themselves: by what the server has planned, on one connection, in a thousandth of a second
    instead of 27.
    """
    url = postgres.url()
    _create_tables(url)
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    deletes = "; ".join(f"DELETE FROM {table.fullname}" for table in Base.metadata.tables.values())
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # foreign keys may wait
        connection.execute(
            "CREATE FUNCTION empty_tables() RETURNS void LANGUAGE plpgsql "  # type: ignore[call-overload]
            f"AS $$ BEGIN {deletes}; END $$"
        )
        yield Tables(url, lambda: connection.execute("SELECT empty_tables()"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind, with all tables and no rows."""
    if request.param == "sqlite":
        path = tmp_path / "gateway.sqlite3"
        shutil.copyfile(request.getfixturevalue("sqlite_schema"), path)
        yield f"sqlite:///{path}"
        return
    tables: Tables = request.getfixturevalue("postgres_tables")
    yield tables.url
    tables.empty()


@pytest.fixture(scope="session")
def engine_on() -> Callable[[str], Engine]:
    """Engines of a test's own that share what was compiled for the tests before: that takes longer than the tests."""
    made: dict[str, Engine] = {}
    paths: list[str] = []

    def connect_to_the_last(_: object, __: object, arguments: list[str], ___: object) -> None:
        arguments[0] = paths[-1]

    def engine_on(url: str) -> Engine:
        place = make_url(url)
        kind = place.get_backend_name()
        if kind == "sqlite":
            paths.append(place.database or "")
        key = kind if kind == "sqlite" else url
        if key not in made:
            made[key] = open_engine(url)
            if kind == "sqlite":
                event.listen(made[key], "do_connect", connect_to_the_last)
        return made[key].execution_options()  # what a test listens to on it is heard of no other

    return engine_on


@pytest.fixture
def engine(database_url: str, engine_on: Callable[[str], Engine]) -> Iterator[Engine]:
    engine = engine_on(database_url)
    yield engine
    if engine.dialect.name == "sqlite":  # the next test has another file; connections to a server last
        engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> sessionmaker[Session]:
    return open_sessions(engine)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, viewer_dir=tmp_path / "viewer")


@pytest.fixture
def runtime(
    settings: Settings, engine: Engine, sessions: sessionmaker[Session], clock: Clock
) -> Iterator[Runtime]:
    opened = open_runtime(settings)
    opened.engine.dispose()
    yield replace(opened, engine=engine, sessions=sessions, now=clock)
    opened.readers.close()
    opened.journal.close()


def _create_tables(url: str) -> None:
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
