"""An ingest node says whether it should get work."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from gateway.ingest_health import make_app
from gateway.settings import Settings


def _say(data_dir: Path, *, at: datetime, unfiled_bytes: int = 0) -> None:
    (data_dir / "run").mkdir(exist_ok=True)
    status = {"at": at.isoformat(), "journal": {"unfiled_bytes": unfiled_bytes, "limit_bytes": 1000}}
    (data_dir / "run" / "ingest-1.json").write_text(json.dumps(status))


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(make_app(Settings(data_dir=tmp_path)))


def test_a_node_whose_listener_speaks_is_ready(client: TestClient, tmp_path: Path) -> None:
    _say(tmp_path, at=datetime.now(UTC))

    assert client.get("/readyz").status_code == 200
    assert client.get("/livez").status_code == 200


def test_a_node_without_a_listener_is_not_ready(client: TestClient, tmp_path: Path) -> None:
    _say(tmp_path, at=datetime(2026, 1, 1, tzinfo=UTC))

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["problems"] == ["no listener is running"]


def test_a_node_with_a_full_journal_is_not_ready(client: TestClient, tmp_path: Path) -> None:
    _say(tmp_path, at=datetime.now(UTC), unfiled_bytes=1000)

    assert client.get("/readyz").json() == {"ready": False, "problems": ["the journal is full"]}


def test_a_status_cut_in_the_middle_is_no_status(client: TestClient, tmp_path: Path) -> None:
    _say(tmp_path, at=datetime.now(UTC))
    (tmp_path / "run" / "ingest-1.json").write_text('{"at": "2026')

    assert client.get("/readyz").status_code == 503


def test_what_takes_files_makes_a_node_neither_ready_nor_fails_it(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    folder = {"at": datetime.now(UTC).isoformat(), "listeners": [{"name": "folder"}]}
    (tmp_path / "run" / "ingest-2.json").write_text(json.dumps(folder))
    assert client.get("/readyz").json()["problems"] == ["no listener is running"]

    _say(tmp_path, at=datetime.now(UTC))
    assert client.get("/readyz").status_code == 200
