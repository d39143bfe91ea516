"""Quality control of devices over HTTP: entered, corrected, released, evidenced; who sees it, and what it does."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from gateway.check import check_devices
from gateway.runtime import Runtime
from tests.builders import NOW, County, waiting_task
from tests.gateway.web.work.conftest import Client
from worklists.base import local_date
from worklists.device_control.rows import DeviceCheckEvidence
from worklists.directory import Device

TODAY = str(local_date(NOW))
PDF = b"%PDF-1.7 a protocol"


def enter(who: TestClient, county: County, result: str = "pass", *, status: int = 201, **fields: Any) -> Any:
    body = {"kind": "daily", "result": result, "done_on": TODAY, "note": "", **fields}
    answer = who.post(f"/api/v1/device-control/devices/{county.device.id}/checks", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def fail(who: TestClient, county: County, **fields: Any) -> str:
    """The id of a check that failed."""
    return str(enter(who, county, "fail", note="水模 CT 值 12 HU", **fields)["checks"][0]["id"])


def release(who: TestClient, check_id: str, *, meanwhile: bool = False, status: int = 200) -> Any:
    body = {"reason": "校准后复检合格", "covers_meanwhile": meanwhile}
    answer = who.post(f"/api/v1/device-control/checks/{check_id}/release", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def states(who: TestClient) -> dict[str, str]:
    items = who.get("/api/v1/device-control").json()["items"]
    return {one["device"]["ae_title"]: one["state"] for one in items}


def test_a_township_enters_its_checks_and_the_centre_releases(
    client: Client, county: County, audited: Any
) -> None:
    radiographer, reviewer = client("radiographer"), client("reviewer")
    enter(radiographer, county, measured="均匀性 2.1 %", next_due_on="2026-12-01")
    failed = fail(radiographer, county)
    seen = radiographer.get(f"/api/v1/device-control/devices/{county.device.id}").json()
    assert (seen["state"], seen["failed"]["id"], seen["takes_mark"]) == ("out_of_control", failed, True)
    assert (seen["may_enter"], seen["may_release"]) == (True, False)
    release(radiographer, failed, status=403)
    release(client("it"), failed, status=403)
    done = release(reviewer, failed)
    assert (done["state"], done["failed"]) == ("in_control", None)
    newest = done["checks"][0]
    assert (newest["released_by"]["name"], newest["release_reason"], newest["open"]) == (
        "周主任", "校准后复检合格", False,
    )  # fmt: skip
    assert release(reviewer, failed, status=409)["code"] == "device_check_not_open"
    assert audited()[-3:] == ["device_check_entered", "device_check_entered", "device_check_released"]


def test_each_sees_the_devices_of_theirs_alone(client: Client, county: County, runtime: Runtime) -> None:
    both = {"EAST_DR": "not_required", "WEST_CT": "not_required"}
    east, west = {"EAST_DR": "not_required"}, {"WEST_CT": "not_required"}
    for person, expected in (
        ("radiographer", east), ("west_radiographer", west), ("wang", east), ("reviewer", east),
        ("other_reader", west), ("ecg_reader", {}), ("it", both), ("admin", both),
    ):  # fmt: skip
        assert states(client(person)) == expected, person
    with runtime.sessions.begin() as session:
        session.execute(update(Device).where(Device.ae_title == "EAST_DR").values(modality="ECG"))
    assert (states(client("ecg_reader")), states(client("wang"))) == (east, {})


def test_what_was_entered_wrong_is_corrected_by_another(client: Client, county: County) -> None:
    radiographer, reviewer = client("radiographer"), client("reviewer")
    wrong = enter(radiographer, county, measured="21 %")["checks"][0]["id"]
    refused = enter(radiographer, county, corrects_id=wrong, measured="2.1 %", status=422)
    assert [one["field"] for one in refused["errors"]] == ["note"]
    right = enter(radiographer, county, corrects_id=wrong, measured="2.1 %", note="小数点")
    first, second = right["checks"][0], right["checks"][1]
    assert (first["corrects_id"], second["corrected_by_id"]) == (wrong, first["id"])
    enter(radiographer, county, corrects_id=wrong, note="又一次", status=409)
    # A failed check would else be ended by a word of whoever measured.
    failed = fail(radiographer, county)
    enter(radiographer, county, corrects_id=failed, note="录入错误", status=403)
    assert enter(reviewer, county, corrects_id=failed, note="录入错误")["state"] == "in_control"


def test_evidence_is_kept_once_and_read_by_whoever_sees_the_device(
    client: Client, county: County, runtime: Runtime
) -> None:
    radiographer = client("radiographer")
    check_id = enter(radiographer, county)["checks"][0]["id"]
    path = f"/api/v1/device-control/checks/{check_id}/evidence"
    assert radiographer.post(path, params={"name": "a.txt"}, content=b"words").status_code == 422
    kept = radiographer.post(path, params={"name": "日检.pdf"}, content=PDF)
    assert kept.status_code == 201, kept.text
    assert kept.json()["checks"][0]["evidence"]["media_type"] == "application/pdf"
    assert radiographer.post(path, params={"name": "b.pdf"}, content=PDF).status_code == 409
    read = client("reviewer").get(path)
    assert (read.content, read.headers["content-disposition"]) == (
        PDF, "attachment; filename*=UTF-8''%E6%97%A5%E6%A3%80.pdf",
    )  # fmt: skip
    assert client("west_radiographer").get(path).status_code == 404
    assert list(check_devices(runtime)) == []
    with runtime.sessions.begin() as session:
        session.execute(update(DeviceCheckEvidence).values(content=b"%PDF- another"))
    assert [fault.what for fault in check_devices(runtime)] == ["its evidence is not what was kept"]


def test_an_administrator_sets_how_often_and_what_is_late_is_told_everywhere(
    client: Client, county: County
) -> None:
    body = {"modality": "dx", "kind": "daily", "every_days": 1, "valid_from": "2026-11-01"}
    made = client("admin").post("/api/v1/device-control/intervals", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["modality"], made.json()["late_takes_mark"], made.json()["unconfirmed"]) == (
        "DX", False, True,
    )  # fmt: skip
    assert client("admin").post("/api/v1/device-control/intervals", json=body).status_code == 422
    radiographer, it = client("radiographer"), client("it")
    [line] = radiographer.get("/api/v1/device-control").json()["items"]
    assert (line["state"], line["takes_mark"], line["due"]["on"]) == ("missing", False, "2026-11-02")
    assert radiographer.get("/api/v1/overview").json()["devices"] == {"out_of_control": 0, "late": 1}
    fail(radiographer, county)
    assert radiographer.get("/api/v1/overview").json()["devices"] == {"out_of_control": 1, "late": 0}
    assert client("west_radiographer").get("/api/v1/overview").json()["devices"] == {
        "out_of_control": 0,
        "late": 0,
    }
    sites = {one["site"]["code"]: one for one in it.get("/api/v1/system/townships").json()}
    assert [(sites[code]["out_of_control"], sites[code]["check_late"]) for code in ("EAST", "WEST")] == [
        (1, 0),
        (0, 0),
    ]
    [device] = it.get("/api/v1/system/devices", params={"site": str(county.east.id)}).json()
    assert device["control_state"] == "out_of_control"
    page = it.get(f"/api/v1/system/devices/{county.device.id}").json()
    assert page["device"]["control_state"] == "out_of_control"


def test_a_reader_is_told_before_the_signature(client: Client, county: County, runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county)
    path, reader = f"/api/v1/tasks/{task.id}", client("wang")
    assert reader.get(path).json()["doubted_device"] is None
    failed = fail(client("radiographer"), county)
    doubted = reader.get(path).json()["doubted_device"]
    assert (doubted["device"]["ae_title"], doubted["state"], doubted["failed"]["id"]) == (
        "EAST_DR", "out_of_control", failed,
    )  # fmt: skip
    release(client("reviewer"), failed, meanwhile=True)
    assert reader.get(path).json()["doubted_device"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_an_analyser_is_none_of_these(client: Client, county: County, runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        device = session.scalars(select(Device).where(Device.id == county.device.id)).one()
        device.sender = "BC-5000"
    assert states(client("radiographer")) == {}
    assert states(client("it")) == {"WEST_CT": "not_required"}
