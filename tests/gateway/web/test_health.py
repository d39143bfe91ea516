"""Alive, ready, and what is measured: for those who are no person."""

from dataclasses import replace
from pathlib import Path

from fastapi.testclient import TestClient

from gateway import accounts
from gateway.database import open_engine, open_sessions
from gateway.presence import Presence
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.signing import authority_certificate
from gateway.web.app import create_app
from tests.conftest import Clock
from tests.gateway.web.conftest import County
from tests.gateway.web.installation import keep_backup, metrics_of, write_status
from tests.servers import free_ports
from worklists.access import Wire


def test_alive_and_ready(anybody: TestClient, runtime: Runtime):
    write_status(runtime, age_s=60)

    assert anybody.get("/livez").json() == {"status": "alive"}
    ready = anybody.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    assert ready.json()["degraded"] == ["listener dicom"]


def test_without_its_database_a_process_is_alive_but_not_ready(runtime: Runtime):
    (port,) = free_ports(1)
    engine = open_engine(f"postgresql+psycopg://gateway@127.0.0.1:{port}/gateway")
    away = replace(runtime, engine=engine, sessions=open_sessions(engine))
    client = TestClient(create_app(away), client=("127.0.0.1", 1), raise_server_exceptions=False)

    assert client.get("/livez").status_code == 200
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    answer = client.get("/api/v1/system", headers={"Authorization": "Bearer gws_x"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert 'gateway_up{part="database"} 0.0' in client.get("/metrics").text


def test_metrics_are_for_loopback_or_a_machine_with_that_wire(
    anybody: TestClient, runtime: Runtime, county: County
):
    write_status(runtime)
    tokens = {}
    with runtime.sessions.begin() as session:
        for wire in (Wire.METRICS, Wire.UPLOAD):
            tokens[wire] = accounts.issue_machine_token(
                session, name=wire, institution_id=county.hospital, wires=[wire], now=runtime.now()
            )

    def read(headers: dict[str, str], peer: str = "10.0.0.9"):
        return TestClient(anybody.app, client=(peer, 1)).get("/metrics", headers=headers)

    assert read({}).status_code == 401
    assert read({"Authorization": f"Bearer {tokens[Wire.UPLOAD]}"}).status_code == 403
    assert read({"Authorization": "Bearer gwm_x"}).status_code == 401
    assert read({}, "127.0.0.1").status_code == 200
    text = read({"Authorization": f"Bearer {tokens[Wire.METRICS]}"}).text
    assert 'gateway_instances_received_total{port="11112",wire="dicom"} 100.0' in text
    assert 'reason="calling AE title is not known"' in text
    assert 'gateway_up{part="database"} 1.0' in text
    assert "process_cpu_seconds_total" in text


def test_processes_backup_and_certificates_are_shown_and_measured(
    it: TestClient, runtime: Runtime, anybody: TestClient, clock: Clock
):
    Presence(runtime.settings.data_dir / "run", role="worker", node="local", now=runtime.now).say()
    authority_certificate(runtime)
    keep_backup(runtime, age_h=3)

    system = it.get("/api/v1/system").json()

    assert [(one["role"], one["alive"]) for one in system["processes"]] == [("worker", True)]
    assert [one["name"] for one in system["certificates"]] == ["authority"]
    assert (system["backup"]["stamp"], system["backup"]["verified"]) == ("20261121T033000Z", True)
    measured = metrics_of(runtime)
    assert 'gateway_processes{role="worker"} 1.0' in measured
    assert 'gateway_certificate_end_timestamp_seconds{certificate="authority"}' in measured
    assert "\ngateway_backup_last_timestamp_seconds 1.795" in measured
    assert "gateway_backup_last_sound 1.0" in measured


def test_prometheus_reads_with_a_token_that_needs_no_database(runtime: Runtime, tmp_path: Path):
    away = Settings(
        data_dir=tmp_path / "away", viewer_dir=tmp_path, metrics_token="scrape",
        database_url="postgresql+psycopg://gateway@127.0.0.1:1/none",
    )  # fmt: skip
    client = TestClient(create_app(open_runtime(away)), client=("10.0.0.9", 1), raise_server_exceptions=False)

    measured = client.get("/metrics", headers={"Authorization": "Bearer scrape"})

    assert measured.status_code == 200
    assert 'gateway_up{part="database"} 0.0' in measured.text
    assert 'gateway_faults{code="database_away",severity="red"} 1.0' in measured.text
    assert client.get("/metrics", headers={"Authorization": "Bearer guess"}).status_code == 401
