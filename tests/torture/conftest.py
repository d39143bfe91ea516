"""What the tortures share: a prepared county to copy, on files and SQLite or on SeaweedFS and PostgreSQL."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from gateway.accounts import hash_password
from gateway.demo_county import make_county
from gateway.preparation import prepare
from gateway.runtime import utc_now
from gateway.settings import Settings
from tests.journeys.gateways import PASSWORD, dcmtk
from tests.servers import Postgres, SeaweedFs
from tests.torture import tally
from tests.torture.installation import Installation, copy_of
from tests.torture.lanes import ALONE, STACKS, TOGETHER, lane_of

LONG = os.environ.get("GATEWAY_LONG_TESTS") == "1"
NewInstallation = Callable[..., Installation]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--lane", choices=[*TOGETHER, ALONE], help="a part of the whole torture (tests/torture/lanes.py)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    lane = config.getoption("--lane", None)
    if lane:
        others = [item for item in items if lane_of(item) != lane]
        items[:] = [item for item in items if lane_of(item) == lane]
        config.hook.pytest_deselected(items=others)


@pytest.fixture(autouse=True)
def _is_counted(request: pytest.FixtureRequest) -> Iterator[None]:
    tally.begin()
    yield
    request.node.user_properties.append(tally.as_property())


@pytest.fixture(scope="session", autouse=True)
def _dcmtk_is_there() -> None:
    try:
        dcmtk("storescu")
    except FileNotFoundError:
        pytest.skip("storescu is not installed; it comes with Debian's package dcmtk")


@pytest.fixture(scope="session")
def county(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data dir with the demonstration county in SQLite."""
    folder = tmp_path_factory.mktemp("county") / "data"
    make_county_in(Settings(data_dir=folder))
    return folder


@pytest.fixture(scope="session")
def county_on_servers(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same with its rows in a PostgreSQL database, both to be copied: its listeners know the devices of that one."""
    folder, url = tmp_path_factory.mktemp("county"), postgres.url()
    make_county_in(Settings(data_dir=folder, database_url=url))
    return folder, url


@pytest.fixture
def new_installation(
    county: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[NewInstallation]:
    """Makes an installation of its own for a test, on one of the stacks, not yet started; ended with the test."""
    with ExitStack() as ends:

        def make(stack: str = STACKS[0], *, folder: Path | None = None, **settings: object) -> Installation:
            template = county
            if stack == STACKS[1]:
                store: SeaweedFs = request.getfixturevalue("seaweedfs")
                template, url = request.getfixturevalue("county_on_servers")
                settings = {"object_store": store.url(), "database_url": _copy_database(url), **settings}
            folder = copy_of(template, folder or tmp_path / f"data-{stack}")
            return ends.enter_context(Installation(folder, ("ingest",), **settings))

        yield make


def make_county_in(settings: Settings) -> None:
    password = hash_password(PASSWORD)
    prepare(settings, lambda session: make_county(session, password=password, now=utc_now()))
    shutil.rmtree(settings.journal_dir, ignore_errors=True)


def _copy_database(template: str) -> str:
    url = make_url(template)
    name = f"copy_{os.urandom(6).hex()}"
    maintenance = url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {url.database}")  # type: ignore[call-overload]
    return url.set(database=name).render_as_string(hide_password=False)
