"""Files by HTTP while the journal is at its limit: nothing is half kept, and whoever sent them is told to come again."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gateway.runtime import Runtime
from gateway.settings import Settings
from tests.gateway.carts.recordings import aecg
from tests.gateway.web.work.test_ecg_upload import journalled, upload

LIMIT_BYTES = 2 << 20
LARGE = aecg("LARGE") + b"<!--" + b" " * 3 * (1 << 20) + b"-->"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, journal_bytes=LIMIT_BYTES)


def test_without_room_for_any_file_the_answer_is_later(
    runtime: Runtime, client: Callable[[str], TestClient]
) -> None:
    answer = upload(client("radiographer"), ("a.xml", LARGE))

    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert journalled(runtime) == []
    assert list(runtime.settings.taking_dir.iterdir()) == []


def test_without_room_for_one_file_the_others_are_taken_and_it_is_named(
    runtime: Runtime, client: Callable[[str], TestClient]
) -> None:
    answer = upload(client("radiographer"), ("a.xml", LARGE), ("b.xml", aecg("SMALL")))

    assert answer.status_code == 201
    assert [one["name"] for one in answer.json()["accepted"]] == ["b.xml"]
    [refused] = answer.json()["refused"]
    assert refused["name"] == "a.xml"
    assert refused["reason"].startswith("网关暂时无法接收")
    assert [record.origin["filename"] for record in journalled(runtime)] == ["b.xml"]
