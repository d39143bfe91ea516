"""Deliveries over HTTP: who enters endpoints, who sends again, that nobody there learns of whom a report is; unread lists."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gateway.deliveries.causes import CAUSES
from gateway.deliveries.queueing import queue_report
from gateway.deliveries.rows import Delivery, DeliveryState
from gateway.runtime import Runtime
from gateway.web.words.peers import PEERS
from tests.builders import County, identity, signed_report
from tests.conftest import Clock
from tests.gateway.web.work.conftest import Client
from tests.servers import free_ports
from worklists.access import Wire
from worklists.reports import deliver

HIS = {"host": "127.0.0.1", "port": 2575}


def endpoint(county: County, **fields: Any) -> dict[str, Any]:
    return {
        "institution_id": str(county.east.id),
        "name": "城东 HIS",
        "wire": "hl7_oru",
        "settings": HIS,
        **fields,
    }


def test_administrators_enter_endpoints_and_it_people_send_again(
    client: Client, runtime: Runtime, county: County, audited: Callable[..., list[str]]
) -> None:
    admin, it = client("admin"), client("it")
    assert it.post("/api/v1/endpoints", json=endpoint(county)).status_code == 403
    made = admin.post("/api/v1/endpoints", json=endpoint(county))
    assert made.status_code == 201, made.text
    with runtime.sessions.begin() as session:
        report = signed_report(session, county)
        queue_report(session, report, runtime.now())
        number = report.number

    assert admin.get("/api/v1/deliveries").status_code == 403
    page = it.get("/api/v1/deliveries").json()
    [item] = page["items"]
    assert (item["report_number"], item["state"], page["counts"]["pending"]) == (number, "pending", 1)
    assert not any(word in it.get("/api/v1/deliveries").text for word in ("仇", "QIU", "P001"))
    assert it.post(f"/api/v1/deliveries/{item['id']}/resend").status_code == 409  # it is due anyway

    with runtime.sessions.begin() as session:
        session.get_one(Delivery, uuid.UUID(item["id"])).state = DeliveryState.REFUSED
    assert it.get("/api/v1/endpoints").json()["items"][0]["refused"] == 1
    assert it.get("/api/v1/deliveries", params={"state": "refused", "number": number}).json()["items"]
    assert it.get("/api/v1/deliveries", params={"number": "1"}).json()["items"] == []
    again = it.post(f"/api/v1/endpoints/{made.json()['id']}/resend")
    assert again.json() == {"resent": 1}
    assert it.get(f"/api/v1/deliveries/{item['id']}").json()["state"] == "pending"
    assert [one for one in audited() if one.startswith(("endpoint", "delivery"))] == [
        "endpoint_added",
        "delivery_resent",
    ]


def test_a_secret_goes_in_and_never_out(client: Client, county: County) -> None:
    admin = client("admin")
    hook = {"wire": "webhook", "settings": {"url": "https://his.example/hook"}, "name": "Webhook"}
    short = admin.post("/api/v1/endpoints", json=endpoint(county, **hook, secret="short"))
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "secret")

    made = admin.post("/api/v1/endpoints", json=endpoint(county, **hook, secret="a secret of the township"))
    path = f"/api/v1/endpoints/{made.json()['id']}"
    changed = admin.patch(
        path, json={"name": "HIS 回调", "secret": "another secret of theirs", "kinds": ["ecg"]}
    )

    assert (changed.json()["name"], changed.json()["has_secret"], changed.json()["kinds"]) == (
        "HIS 回调",
        True,
        ["ecg"],
    )
    seen = made.text + changed.text + client("it").get("/api/v1/endpoints").text
    assert "secret of" not in seen
    assert client("it").patch(path, json={"enabled": False}).status_code == 403


def test_what_cannot_be_used_is_said_at_its_field(client: Client, county: County) -> None:
    admin = client("admin")
    refused = admin.post(
        "/api/v1/endpoints", json=endpoint(county, settings={"host": "224.0.0.1", "port": 0})
    )
    assert sorted(one["field"] for one in refused.json()["errors"]) == ["settings.host", "settings.port"]
    nobody = admin.post(
        "/api/v1/endpoints", json=endpoint(county, institution_id="01a2059a-cf2d-7000-8c91-09f2bb655c20")
    )
    assert nobody.json()["errors"][0]["field"] == "institution_id"


def test_trying_an_endpoint_says_whether_it_is_there(client: Client, county: County) -> None:
    [port] = free_ports(1)
    admin = client("admin")
    made = admin.post("/api/v1/endpoints", json=endpoint(county, settings={**HIS, "port": port})).json()
    tried = client("it").post(f"/api/v1/endpoints/{made['id']}/test").json()
    assert (tried["reached"], "refused" in tried["answer"].lower()) == (False, True)
    assert (tried["cause"], "端口" in tried["cause_text"]) == ("refused", True)


def test_every_cause_of_a_delivery_has_words() -> None:
    assert set(PEERS) == CAUSES
    assert all(zh and en for zh, en in PEERS.values())


@pytest.mark.parametrize("username", ["radiographer", "wang", "auditor", "village_doctor"])
def test_nobody_else_sees_deliveries(client: Client, username: str) -> None:
    caller = client(username)
    assert caller.get("/api/v1/deliveries").status_code == caller.get("/api/v1/endpoints").status_code == 403


def test_a_machine_sees_no_deliveries(machine: Callable[..., TestClient]) -> None:
    assert machine(Wire.REPORTS).get("/api/v1/deliveries").status_code == 403


def test_what_lies_unread_is_seen_by_the_centre_that_signed_it_and_by_whom_it_lies_with(
    client: Client, runtime: Runtime, county: County, clock: Clock
) -> None:
    with runtime.sessions.begin() as session:
        for number in range(3):
            patient = identity(patient_id=f"P{number}", name=f"=王^{number}")
            report = signed_report(session, county, patient=patient)
            report_id = report.id
    clock.advance(hours=25)
    with runtime.sessions.begin() as session:
        fresh = signed_report(
            session, county, patient=identity(patient_id="P9", name="=新^来"), delivered=False
        )
        deliver(session, fresh, pdf_sha256="00", now=runtime.now())
    mine = client("radiographer")
    assert mine.get(f"/api/v1/reports/{report_id}").status_code == 200  # one of them is opened

    page = client("wang").get("/api/v1/unread-returns", params={"hours": 24, "limit": 1}).json()
    [site] = page["sites"]
    assert (site["site"]["name"], site["count"]) == ("城东镇卫生院", 2)
    further = (
        client("reviewer")
        .get("/api/v1/unread-returns", params={"hours": 24, "limit": 1, "cursor": page["next_cursor"]})
        .json()
    )
    assert {one["patient"]["name"] for one in page["items"] + further["items"]} == {"王0", "王1"}
    assert further["next_cursor"] is None
    assert client("ecg_reader").get("/api/v1/unread-returns").json()["items"] == []
    assert client("other_reader").get("/api/v1/unread-returns", params={"hours": 0}).json()["items"] == []
    assert mine.get("/api/v1/unread-returns").status_code == 403
    theirs = mine.get("/api/v1/returns", params={"unread_hours": 24}).json()
    assert {one["patient"]["name"] for one in theirs["items"]} == {"王0", "王1"}


def test_who_changes_an_endpoint_that_somebody_else_changed_since_is_told_by_whom(
    client: Client, county: County
) -> None:
    admin = client("admin")
    made = admin.post("/api/v1/endpoints", json=endpoint(county)).json()
    path, seen = f"/api/v1/endpoints/{made['id']}", {"If-Match": f'"{made["revision"]}"'}
    assert admin.patch(path, json={"name": "先改"}, headers=seen).json()["revision"] != made["revision"]

    late = admin.patch(path, json={"name": "后改"}, headers=seen)

    assert (late.status_code, late.json()["code"]) == (412, "changed_since")
    assert (late.json()["current"]["name"], county.admin.name in late.json()["detail"]) == ("先改", True)
    again = {"If-Match": f'"{late.json()["current"]["revision"]}"'}
    assert admin.patch(path, json={"name": "后改"}, headers=again).json()["name"] == "后改"
