"""Several web processes on one socket: they share the connections, and behave as one."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest

from gateway.journal import journals
from tests.journeys.gateways import Gateway, get_json, wait_for
from tests.synthetic import write_study

WORKERS = 2


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("web-workers"), web_workers=WORKERS) as started:
        yield started.start()


def connections(gateway: Gateway) -> dict[int, int]:
    """How many connections each web process has, by its pid."""
    return {
        pid: sum(
            c.laddr.port == gateway.http_port and c.status == psutil.CONN_ESTABLISHED
            for c in psutil.Process(pid).net_connections("tcp")
        )
        for pid in gateway.pids()
    }


def test_viewers_are_spread_over_the_processes(gateway: Gateway) -> None:
    clients = [gateway.sign_in("reader") for _ in range(6)]
    try:
        shared = [count for count in connections(gateway).values() if count]
        assert len(shared) == WORKERS
        assert min(shared) >= 2
    finally:
        for client in clients:
            client.close()


def test_a_process_that_dies_takes_nobody_with_it(gateway: Gateway) -> None:
    before = len(gateway.pids())
    with closing(gateway.sign_in("reader")) as reader:
        (mine, *_) = [pid for pid, count in connections(gateway).items() if count]
        os.kill(mine, signal.SIGKILL)

        def answered() -> bool:
            try:
                return reader.get("/api/v1/worklist").status_code == 200
            except httpx.TransportError:  # the connection that was to it
                return False

        wait_for(answered, 20, "another process answers", gateway.log)
        wait_for(lambda: len(gateway.pids() - {mine}) == before, 30, "it is there again", gateway.log)


def test_uploads_through_any_process_arrive_and_signing_out_bites_everywhere(
    gateway: Gateway, tmp_path: Path
) -> None:
    clients = [gateway.sign_in("radiographer") for _ in range(4)]
    for number, client in enumerate(clients):
        (path,) = write_study(tmp_path / str(number), 1, patient_id=f"W{number}")
        answer = client.post(
            "/api/v1/examinations", data={"kind": "imaging"}, files={"files": ("a.dcm", path.read_bytes())}
        )
        assert answer.status_code == 201, answer.text
    gateway.wait_until_drained()
    assert get_json(clients[0], "/api/v1/examinations")["counts"]["today"] == 4
    assert len(journals(gateway.settings.journal_dir)) >= WORKERS

    secret = clients[0].cookies["gateway_session"]
    others = [httpx.Client(base_url=gateway.base_url, cookies={"gateway_session": secret}) for _ in range(4)]
    assert {other.get("/dicomweb/studies").status_code for other in others} == {200}
    clients[0].delete("/api/v1/session")
    wait_for(
        lambda: {other.get("/dicomweb/studies").status_code for other in others} == {401},
        15, "nobody is known by it", gateway.log,
    )  # fmt: skip
    for client in (*clients, *others):
        client.close()


def test_afterwards_everything_is_whole(gateway: Gateway) -> None:
    gateway.wait_until_drained()
    checked = gateway.check()
    assert checked.returncode == 0, checked.stdout
