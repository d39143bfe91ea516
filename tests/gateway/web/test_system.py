import json
import uuid
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import generate_latest
from sqlalchemy import select

from gateway import accounts, work
from gateway.audit import AuditEvent
from gateway.backups.rows import BackupRun
from gateway.database import open_engine, open_sessions
from gateway.index import Held, HeldReason, Record, RecordState, Refusal
from gateway.intake import Drain
from gateway.metrics import registry_of
from gateway.presence import Presence
from gateway.probes import Probes
from gateway.pulse import Pulse
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.signing import authority_certificate
from gateway.snapshot import refresh_snapshot
from gateway.system import Overseer
from gateway.web.app import create_app
from gateway.work import Work
from tests.conftest import Clock
from tests.gateway.web.conftest import Client, County
from tests.servers import free_ports
from worklists.access import Wire
from worklists.base import local_date
from worklists.directory import Device, Role, TlsException
from worklists.examinations import Association

PAGES = ("", "/townships", "/work", "/quarantine")


@pytest.fixture
def it(client: Client) -> TestClient:
    return client("it")


def write_status(runtime: Runtime, *, pid: int = 1, age_s: float = 0, **listener: Any) -> Path:
    """A status file as an ingest process writes it, and the pulse of the drain beside it."""
    folder = runtime.settings.data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    Pulse(folder, now=runtime.now).beat()
    path = folder / f"ingest-{pid}.json"
    content = {
        "pid": pid,
        "at": (runtime.now() - timedelta(seconds=age_s)).isoformat(),
        "listeners": [
            {
                "name": "dicom",
                "address": "127.0.0.1",
                "port": 11112,
                "associations": 1,
                "accepted": 10,
                "refused": 2,
                "instances": 100,
                "bytes": 5000,
                "refused_by_reason": {"calling AE title is not known": 2},
                **listener,
            }
        ],
        "journal": {"unfiled_bytes": 700, "limit_bytes": 1000, "dropped_notes": 0},
    }
    path.write_text(json.dumps(content))
    return path


def keep_record(runtime: Runtime, county: County, **other: Any) -> uuid.UUID:
    fields: dict[str, Any] = {
        "journal": "0" * 32,
        "sequence": 1,
        "node": "local",
        "segment": 1,
        "offset": 0,
        "size_bytes": 3,
        "kind": "dicom.instance",
        "state": RecordState.QUARANTINED,
        "reason": "ValueError: cannot read 王五",
        "origin": {},
        "institution_id": county.township,
        "received_at": runtime.now(),
        "sha256": "0" * 64,
        **other,
    }
    with runtime.sessions.begin() as session:
        row = Record(**fields)
        session.add(row)
        session.flush()
        return row.id


def fault_codes(it: TestClient) -> set[str]:
    return {fault["code"] for fault in it.get("/api/v1/system").json()["faults"]}


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.IT])
def test_only_it_people_see_the_system(client: Client, county: County, role: Role):
    somebody = client(role.value)

    for page in (*PAGES, f"/devices/{county.device}"):
        assert somebody.get(f"/api/v1/system{page}").status_code == 403
    assert somebody.post(f"/api/v1/system/work/{county.device}/retry").status_code == 403
    assert somebody.post(f"/api/v1/system/quarantine/{county.device}/retry").status_code == 403


def test_it_people_see_no_examinations(it: TestClient):
    assert it.get("/api/v1/worklist").status_code in {200, 403}
    assert it.get("/api/v1/audit").status_code == 403


def test_a_system_at_rest_has_no_faults(it: TestClient):
    answer = it.get("/api/v1/system")

    assert answer.status_code == 200, answer.text
    system = answer.json()
    assert system["faults"] == []
    assert (system["store"]["kind"], system["store"]["up"]) == ("folder", True)
    assert system["database"]["up"] is True
    sweep = {"kind": "thread", "broker": None, "due": 0, "oldest_due_at": None, "failing": 0}
    assert system["sweep"] == sweep


def test_listeners_are_summed_over_their_processes(it: TestClient, runtime: Runtime):
    write_status(runtime, pid=1)
    write_status(runtime, pid=2, instances=11)

    system = it.get("/api/v1/system").json()

    (listener,) = system["listeners"]
    assert (listener["up"], listener["instances"], listener["accepted"]) == (True, 111, 20)
    assert (system["journal"]["unfiled_bytes"], system["journal"]["limit_bytes"]) == (700, 1000)


def test_a_process_that_fell_silent_is_gone(it: TestClient, runtime: Runtime):
    write_status(runtime, pid=1, age_s=6)

    system = it.get("/api/v1/system").json()
    assert system["listeners"][0]["up"] is False
    (fault,) = system["faults"]
    assert (fault["code"], fault["severity"]) == ("listener_down", "red")
    assert "11112" in fault["text"]

    write_status(runtime, pid=2)  # another took over
    assert fault_codes(it) == set()


@pytest.mark.parametrize(
    ("error", "due", "expected"),
    [
        (None, 30, {}),
        ("key.pem: it is not the certificate's key", 30, {"tls_files_unusable": "red"}),
        (None, 2, {"revocation_list_ending": "amber"}),
        (None, -1, {"revocation_list_over": "red"}),
    ],
)
def test_what_is_about_to_end_at_the_tls_port_is_warned_of(
    it: TestClient, runtime: Runtime, error: str | None, due: int, expected: dict[str, str]
):
    path, now = write_status(runtime), runtime.now()
    status = json.loads(path.read_text())
    status["listeners"][0]["tls"] = {
        "subject": "CN=gateway",
        "error": error,
        "lists": {"CN=authority": (now + timedelta(days=due)).isoformat()},
    }
    path.write_text(json.dumps(status))

    faults = it.get("/api/v1/system").json()["faults"]

    assert {fault["code"]: fault["severity"] for fault in faults} == expected


@pytest.mark.parametrize(
    ("days", "expected"), [(60, set()), (20, {"exception_ending"}), (-2, {"exception_over"})]
)
def test_an_exception_that_ends_is_warned_of_while_its_device_may_send(
    it: TestClient, runtime: Runtime, county: County, days: int, expected: set[str]
):
    with runtime.sessions.begin() as session:
        device = session.get_one(Device, county.device)
        device.tls_exception, device.tls_exception_reason = TlsException.PLAIN, "old"
        device.tls_exception_until = local_date(runtime.now() + timedelta(days=days))
    refresh_snapshot(runtime)

    assert fault_codes(it) == expected

    with runtime.sessions.begin() as session:
        session.get_one(Device, county.device).enabled = False
    refresh_snapshot(runtime)
    assert fault_codes(it) == set()


def test_a_damaged_status_file_is_no_listener(it: TestClient, runtime: Runtime):
    write_status(runtime).write_text("{")

    assert it.get("/api/v1/system").json()["listeners"] == []


def test_what_is_wrong_is_said(it: TestClient, runtime: Runtime, county: County, clock: Clock):
    write_status(runtime).write_text(
        write_status(runtime).read_text().replace('"unfiled_bytes": 700', '"unfiled_bytes": 1000')
    )
    Pulse(runtime.settings.data_dir / "run", now=lambda: runtime.now() - timedelta(minutes=1)).beat()
    with runtime.sessions.begin() as session:
        late = work.schedule(session, "t", "1", due_at=runtime.now() - timedelta(minutes=6))
        late.attempts, late.last_error = 3, "PeerUnreachable"
    keep_record(runtime, county)

    assert fault_codes(it) == {"journal_full", "drain_silent", "sweep_late", "work_failing", "quarantine"}


def test_townships_show_when_they_were_heard_and_what_was_refused(
    it: TestClient, runtime: Runtime, county: County, clock: Clock
):
    with runtime.sessions.begin() as session:
        session.get_one(Device, county.device).last_heard_at = runtime.now() - timedelta(hours=1)
        for days in (0, 1):
            session.add(
                Refusal(
                    refused_at=runtime.now() - timedelta(days=days),
                    what="instance",
                    institution_id=county.township,
                    reason="C000",
                )
            )
    record = keep_record(runtime, county, state=RecordState.HELD)
    with runtime.sessions.begin() as session:
        session.add(
            Held(
                record_id=record,
                institution_id=county.township,
                reason=HeldReason.UID_MALFORMED,
                header={},
                held_at=runtime.now(),
            )
        )

    (township,) = it.get("/api/v1/system/townships").json()

    assert township["site"]["code"] == "T1"
    assert (township["devices"], township["held"], township["refused_today"]) == (1, 1, 1)
    assert (township["queue"], township["silent"]) == (0, False)
    clock.advance(days=1)  # to a Sunday
    assert not client_silent(runtime, it)
    clock.advance(days=1, hours=4)  # to a Monday evening
    assert client_silent(runtime, it)


def client_silent(runtime: Runtime, it: TestClient) -> bool:
    with runtime.sessions.begin() as session:
        for row in session.scalars(select(accounts.LoginSession)):
            row.last_used_at, row.expires_at = runtime.now(), runtime.now() + timedelta(hours=1)
    silent: bool = it.get("/api/v1/system/townships").json()[0]["silent"]
    return silent


def test_a_device_shows_its_conversations_and_refusals_in_plain_words(
    it: TestClient, runtime: Runtime, county: County
):
    with runtime.sessions.begin() as session:
        device = session.get_one(Device, county.device)
        device.last_heard_at, device.last_sop_instance_uid = runtime.now(), "1.2.3"
        session.add(
            Association(id="a", device_id=device.id, opened_at=runtime.now(), how="released", stored=2)
        )
        session.add(
            Refusal(
                refused_at=runtime.now(),
                what="file",
                device_id=device.id,
                reason="not_dicom",
                detail="王五.jpg",
            )
        )

    page = it.get(f"/api/v1/system/devices/{county.device}").json()

    assert page["last_object"]["sop_instance_uid"] == "1.2.3"
    assert (page["associations"][0]["stored"], page["associations"][0]["how"]) == (2, "released")
    assert page["refusals"][0]["advice"]
    assert "王五" not in json.dumps(page, ensure_ascii=False)
    assert it.get(f"/api/v1/system/devices/{county.township}").status_code == 404


def test_due_work_is_shown_by_its_state_and_set_going_again(it: TestClient, runtime: Runtime, clock: Clock):
    with runtime.sessions.begin() as session:
        due = work.schedule(session, "deliver", "a", due_at=runtime.now())
        failing = work.schedule(session, "deliver", "b", due_at=runtime.now())
        failing.lease(runtime.now())
        failing.fail("PeerUnreachable", runtime.now() + timedelta(minutes=20), generation=failing.generation)
        done = work.schedule(session, "deliver", "c", due_at=runtime.now())
        done.succeed(runtime.now(), generation=done.generation)
        ids = {row.subject: str(row.id) for row in (due, failing, done)}

    def shown(state: str) -> list[str]:
        answer = it.get("/api/v1/system/work", params={"state": state}).json()
        return [row["about"] for row in answer]

    assert (shown("due"), shown("failing"), shown("done")) == (["a", "b"], ["b"], ["c"])
    assert it.get("/api/v1/system/work", params={"state": "other"}).status_code == 422
    assert it.post(f"/api/v1/system/work/{ids['b']}/retry").status_code == 204
    with runtime.reading() as session:
        row = session.get_one(Work, uuid.UUID(ids["b"]))
        assert (row.due_at, row.attempts) == (runtime.now(), 0)
        assert "work_retried" in session.scalars(select(AuditEvent.action)).all()


def test_work_that_somebody_is_doing_is_not_started_twice(it: TestClient, runtime: Runtime):
    with runtime.sessions.begin() as session:
        row = work.schedule(session, "deliver", "a", due_at=runtime.now())
        row.lease(runtime.now())
        session.flush()
        id = row.id

    assert it.post(f"/api/v1/system/work/{id}/retry").status_code == 409
    assert it.post(f"/api/v1/system/work/{uuid.uuid4()}/retry").status_code == 404


def test_quarantine_names_the_error_and_not_what_it_quotes(it: TestClient, runtime: Runtime, county: County):
    id = keep_record(runtime, county)

    (shown,) = it.get("/api/v1/system/quarantine").json()

    assert (shown["id"], shown["reason"], shown["site"]["code"]) == (str(id), "ValueError", "T1")


def test_a_quarantined_record_whose_bytes_are_away_stays(it: TestClient, runtime: Runtime, county: County):
    id = keep_record(runtime, county)

    assert it.post(f"/api/v1/system/quarantine/{id}/retry").status_code == 503
    assert len(it.get("/api/v1/system/quarantine").json()) == 1
    assert it.post(f"/api/v1/system/quarantine/{uuid.uuid4()}/retry").status_code == 404


def test_a_damaged_record_is_given_up_for_a_reason_and_a_sound_one_is_not(
    it: TestClient, runtime: Runtime, county: County
):
    sound = keep_record(runtime, county)
    damaged = keep_record(runtime, county, kind="damaged", sequence=2, reason="BodyDamaged: digest")
    path = f"/api/v1/system/quarantine/{damaged}/discard"

    shown = {one["id"]: one["actions"] for one in it.get("/api/v1/system/quarantine").json()}
    assert shown == {str(sound): ["retry"], str(damaged): ["discard"]}
    answer = it.post(path.replace(str(damaged), str(sound)), json={"reason": "weg"})
    assert (answer.status_code, answer.json()["code"]) == (409, "not_damaged")
    assert it.post(path, json={"reason": " "}).status_code == 422
    assert it.post(path, json={"reason": "磁盘坏道，无法重发"}).status_code == 204
    assert it.post(path, json={"reason": "again"}).status_code == 404

    assert [one["id"] for one in it.get("/api/v1/system/quarantine").json()] == [str(sound)]
    with runtime.reading() as session:
        assert session.get_one(Record, damaged).state is RecordState.DISCARDED
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "record_discarded")).one()
        assert event.detail["reason"] == "磁盘坏道，无法重发"


def test_a_quarantined_record_is_indexed_once_its_cause_is_mended(
    it: TestClient, runtime: Runtime, county: County
):
    origin = {"event": "opened", "at": runtime.now().isoformat()}  # nothing says which association
    runtime.journal.append("dicom.association", origin, [b"x"])
    Drain(runtime).index_new()
    (shown,) = it.get("/api/v1/system/quarantine").json()
    path = f"/api/v1/system/quarantine/{shown['id']}/retry"
    again = it.post(path)
    assert (shown["reason"], again.status_code, again.json()["code"]) == ("KeyError", 409, "still_broken")

    with runtime.sessions.begin() as session:
        session.get_one(Record, uuid.UUID(shown["id"])).origin = {**origin, "association_id": "a"}

    assert it.post(path).status_code == 204
    assert it.get("/api/v1/system/quarantine").json() == []
    with runtime.reading() as session:
        assert session.get(Association, "a") is not None


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


def test_a_backup_that_is_too_old_or_not_whole_is_a_fault(it: TestClient, runtime: Runtime, clock: Clock):
    assert fault_codes(it) == set()
    keep_backup(runtime, age_h=27)
    assert fault_codes(it) == {"backup_old"}

    keep_backup(runtime, age_h=1, problems=["packs/x.tar is missing or of another size"])

    assert fault_codes(it) == {"backup_unsound"}


def test_an_installation_with_records_and_no_backup_is_told_after_a_day(
    it: TestClient, runtime: Runtime, county: County, clock: Clock
):
    keep_record(runtime, county, state=RecordState.DISCARDED, pack_id=None, kind="damaged")
    assert "backup_never" not in fault_codes(it)

    clock.advance(hours=27)

    assert "backup_never" in faults_of(runtime)


def test_a_certificate_about_to_end_is_a_fault(it: TestClient, runtime: Runtime, clock: Clock):
    authority_certificate(runtime)
    assert fault_codes(it) == set()

    clock.advance(days=365 * 20 - 20)

    assert "certificate_ending" in faults_of(runtime)


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


def keep_backup(runtime: Runtime, *, age_h: float, problems: list[str] | None = None) -> None:
    ended = runtime.now() - timedelta(hours=age_h)
    with runtime.sessions.begin() as session:
        session.add(
            BackupRun(
                stamp=f"{ended:%Y%m%dT%H%M%SZ}", began_at=ended, ended_at=ended, size_bytes=5, packs=0,
                originals=False, verified=True, problems=problems or [],
            )
        )  # fmt: skip


def faults_of(runtime: Runtime) -> set[str]:
    """What is wrong, also when everybody's session has long ended."""
    return {fault.code for fault in Overseer(runtime, Probes(runtime)).look().faults}


def metrics_of(runtime: Runtime) -> str:
    return generate_latest(registry_of(runtime, Overseer(runtime, Probes(runtime)))).decode()
