"""Starting while PostgreSQL is away, and two that prepare one database at once."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.dicom.scu import store
from gateway.index import Record
from gateway.migrations import is_current
from gateway.preparation import Awaited, Preparation, prepare
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.web.app import create_app
from gateway.work import Work
from tests.builders import build_county
from tests.servers import Postgres, free_ports, need, running
from tests.synthetic import write_study


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of this test alone, because it is stopped."""
    need("initdb", "Debian's package postgresql")
    with running(Postgres) as server:
        yield server


def test_serve_accepts_while_the_database_is_away_and_is_ready_once_it_is_back(
    server: Postgres, tmp_path: Path
) -> None:
    http_port, dicom_port = free_ports(2)
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=server.url(),
        http_port=http_port,
        dicom_port=dicom_port,
        mllp_port=0,
        astm_port=0,
    )
    prepare(settings, build_county)
    server.stop()
    log_path = tmp_path / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "serve"], env={**os.environ, **settings.environment()},
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait(lambda: _ready(http_port) == 503, "the web process answers")
        files = write_study(tmp_path / "study", 2)
        for stored in store(
            files, "127.0.0.1", dicom_port, calling_ae_title="EAST_DR", called_ae_title="GATEWAY"
        ):
            assert stored.accepted
        server.start()
        _wait(lambda: _ready(http_port) == 200, "it is ready")
        _wait(lambda: _records(settings) == 2, "what was accepted is indexed")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    said = log_path.read_text()
    assert said.count("database_not_prepared") == 1
    assert "Traceback" not in said


def test_a_preparation_is_made_up_for_when_an_empty_database_comes(server: Postgres, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=server.url())
    server.stop()
    filled: list[Session] = []
    preparation = Preparation(settings, filled.append)
    preparation.begin()
    assert not preparation.is_done()
    thread = threading.Thread(target=preparation.finish, args=(threading.Event(),))
    thread.start()
    server.start()
    thread.join(timeout=30)

    assert preparation.is_done()
    assert len(filled) == 1
    assert is_current(open_runtime(settings).engine)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_two_that_prepare_one_empty_database_at_once_are_not_in_each_others_way(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("postgres").url() if kind == "postgresql" else None
    settings = Settings(data_dir=tmp_path, database_url=url)
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(_migrate, [settings, settings]))
    assert ended == [0, 0]

    runtime = open_runtime(settings)
    assert is_current(runtime.engine)
    with runtime.reading() as session:
        assert session.scalar(select(func.count(func.distinct(Work.task)))) == session.scalar(
            select(func.count()).select_from(Work)
        )


def test_a_database_that_is_there_and_not_prepared_is_not_ready(tmp_path: Path) -> None:
    app = create_app(open_runtime(Settings(data_dir=tmp_path)))
    app.state.prepared = lambda: False

    answer = TestClient(app).get("/readyz")

    assert (answer.status_code, answer.json()["database"]) == (503, "not prepared yet")


def _migrate(settings: Settings) -> int:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "migrate"], env={**os.environ, **settings.environment()},
        check=False, capture_output=True, timeout=120,
    ).returncode  # fmt: skip


def _ready(port: int) -> int | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def _records(settings: Settings) -> int | None:
    with open_runtime(settings).reading() as session:
        return session.scalar(select(func.count()).select_from(Record))


def _wait(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.1)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_an_ingest_waits_for_a_schema_that_was_not_migrated_and_says_so_once(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    url = request.getfixturevalue("postgres").url() if kind == "postgresql" else None
    settings = Settings(data_dir=tmp_path, database_url=url)
    awaited = Awaited(settings)

    assert not awaited.is_done()
    assert not awaited.is_done()
    said = capsys.readouterr()
    assert (said.out + said.err).count("gateway migrate") == 1

    prepare(settings)
    assert awaited.is_done()


def test_a_database_that_is_away_is_waited_for_without_a_word():
    assert not Awaited(Settings(database_url="postgresql+psycopg://gateway@127.0.0.1:1/none")).is_done()
