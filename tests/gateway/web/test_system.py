"""What IT sees of an installation: listeners, townships, devices, what is wrong."""

import json
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway import accounts, work
from gateway.index import Held, HeldReason, RecordState, Refusal
from gateway.pulse import Pulse
from gateway.runtime import Runtime
from gateway.signing import authority_certificate
from gateway.snapshot import refresh_snapshot
from tests.conftest import Clock
from tests.gateway.web.conftest import Client, County
from tests.gateway.web.installation import (
    fault_codes,
    faults_of,
    keep_backup,
    keep_pack,
    keep_record,
    write_status,
)
from worklists.base import local_date
from worklists.directory import Device, Role, TlsException
from worklists.examinations import Association

PAGES = ("", "/townships", "/work", "/quarantine")


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


def test_an_analyser_that_is_not_heard_in_working_hours_is_named(
    it: TestClient, runtime: Runtime, county: County, clock: Clock
):
    with runtime.sessions.begin() as session:
        device = session.get_one(Device, county.device)
        device.name, device.sender, device.last_heard_at = "血球仪", "BC-5390", runtime.now()
    write_status(runtime, pid=1)
    assert "analysers_silent" not in fault_codes(it)

    with runtime.sessions.begin() as session:
        session.get_one(Device, county.device).last_heard_at = runtime.now() - timedelta(days=5)
    write_status(runtime, pid=1)

    [fault] = [one for one in it.get("/api/v1/system").json()["faults"] if one["code"] == "analysers_silent"]
    assert fault["severity"] == "amber" and "血球仪" in fault["text"]


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


def test_a_backup_that_is_too_old_or_not_whole_is_a_fault(it: TestClient, runtime: Runtime, clock: Clock):
    assert fault_codes(it) == set()
    keep_backup(runtime, age_h=27)
    assert fault_codes(it) == {"backup_old"}

    keep_backup(runtime, age_h=1, problems=["packs/x.tar is missing or of another size"])

    assert fault_codes(it) == {"backup_unsound"}


def test_an_installation_without_a_backup_is_told_a_day_after_it_filed_something(
    it: TestClient, runtime: Runtime, county: County, clock: Clock
):
    began = runtime.now()
    pack_id = keep_pack(runtime)
    long_ago = began - timedelta(days=182)  # brought in from elsewhere: nothing lay here then
    keep_record(runtime, county, state=RecordState.INDEXED, pack_id=pack_id, received_at=long_ago)
    assert "backup_never" not in fault_codes(it)

    clock.advance(hours=27)

    assert faults_of(runtime)["backup_never"] == began


def test_a_certificate_about_to_end_is_a_fault(it: TestClient, runtime: Runtime, clock: Clock):
    authority_certificate(runtime)
    assert fault_codes(it) == set()

    clock.advance(days=365 * 20 - 20)

    assert "certificate_ending" in faults_of(runtime)
