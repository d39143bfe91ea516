"""Messages of analysers on the page: what came, what each result became, and who sees whose it is."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.runtime import Runtime
from tests.builders import NOW, County, add_person
from tests.gateway.lab.listening import oru
from tests.gateway.web.work.conftest import Client
from tests.laboratory import Laboratory
from worklists.directory import Role

PDF = "OBX|4|ED|REPORT||^application^pdf^Base64^JVBERi0xLjQK||||||F"
UNKNOWN = "OBX|5|NM|XYZ||1|furlong|||||F"


@pytest.fixture
def received(
    runtime: Runtime, county: County, laboratory: Laboratory, drain: Callable[[], int]
) -> Callable[..., None]:
    """As the listener keeps it; `device` is the eastern bench unless there is none."""

    def keep(text: str, *, known: bool = True) -> None:
        device = {"device_id": str(laboratory.bench.id), "institution_id": str(county.east.id)}
        origin = {
            **(device if known else {"device_id": None, "institution_id": None, "unknown_device": True}),
            "wire": "hl7", "peer_address": "10.1.2.3", "peer_port": 40000, "tls": False, "character_set": "",
            "received_at": NOW.isoformat(),
        }  # fmt: skip
        runtime.journal.append("hl7.message", origin, [text.encode()])
        assert drain() == 1

    return keep


def only(client: Any, **query: str) -> dict[str, Any]:
    answer = client.get("/api/v1/lab/messages", params=query)
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    return dict(item)


def test_a_message_is_listed_and_shows_what_became_of_each_result(
    client: Client, received: Callable[..., None], audited: Callable[..., list[str]]
) -> None:
    received(oru() + f"{PDF}\r{UNKNOWN}\r")
    lab = client("lab")

    item = only(lab, q="B001")
    assert (item["wire"], item["type"], item["state"], item["held"]) == ("hl7", "ORU^R01", "held", 1)
    assert (item["device"]["ae_title"], item["results"], item["filed"]) == ("EAST_LAB", 5, 4)

    shown = lab.get(f"/api/v1/lab/messages/{item['id']}").json()
    [specimen] = shown["parsed"]["specimens"]
    outcomes = [
        (one["outcome"]["state"], one["outcome"]["item_code"] or one["outcome"]["reason"] or "")
        for one in specimen["results"]
    ]
    assert sorted(outcomes) == sorted(
        [
            ("result", "WBC"),
            ("result", "HGB"),
            ("result", "PLT"),
            ("attachment", ""),
            ("held", "unknown_test"),
        ]
    )
    assert specimen["patient"]["name"] == "仇明"
    assert shown["raw"][1] == "PID|1||P001||仇^明|||M"
    original = lab.get(f"/api/v1/lab/messages/{item['id']}/original")
    assert original.content.decode() == oru() + f"{PDF}\r{UNKNOWN}\r"
    assert audited()[-2:] == ["lab_message_opened", "original_downloaded"]


def test_a_document_of_a_message_is_opened_by_who_sees_the_examination(
    client: Client,
    received: Callable[..., None],
    county: County,
    runtime: Runtime,
    audited: Callable[..., list[str]],
) -> None:
    received(oru() + f"{PDF}\r")
    lab = client("lab")
    shown = lab.get(f"/api/v1/lab/messages/{only(lab)['id']}").json()
    [attachment] = [
        one["outcome"]["id"]
        for one in shown["parsed"]["specimens"][0]["results"]
        if one["outcome"]["state"] == "attachment"
    ]

    answer = lab.get(f"/api/v1/lab/attachments/{attachment}")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (
        200,
        "application/pdf",
        b"%PDF-1.4\n",
    )
    assert audited()[-1] == "images_opened"
    with runtime.sessions.begin() as session:
        add_person(session, "west", "西村", county.west, Role.RADIOGRAPHER)
    assert client("west").get(f"/api/v1/lab/attachments/{attachment}").status_code == 404


def test_it_people_see_what_came_but_not_whose_it_is(client: Client, received: Callable[..., None]) -> None:
    received(oru())
    it = client("it")

    answer = it.get(f"/api/v1/lab/messages/{only(it)['id']}")
    assert answer.json()["parsed"]["specimens"][0]["results"][0]["value"] == "5.5"
    assert "仇" not in answer.text and "P001" not in answer.text
    assert it.get(f"/api/v1/lab/messages/{answer.json()['id']}/original").status_code == 403


def test_a_bench_sees_its_own_messages_and_nobody_else_s(
    client: Client, received: Callable[..., None], county: County, runtime: Runtime
) -> None:
    received(oru())
    received(oru(control_id="2"), known=False)
    with runtime.sessions.begin() as session:
        add_person(session, "east_bench", "东检验", county.east, Role.RADIOGRAPHER)
        add_person(session, "west_bench", "西检验", county.west, Role.RADIOGRAPHER)

    mine = only(client("east_bench"))
    assert mine["control_id"] == "1"
    west = client("west_bench")
    assert west.get("/api/v1/lab/messages").json()["items"] == []
    assert west.get(f"/api/v1/lab/messages/{mine['id']}").status_code == 404
    unknown, known = client("it").get("/api/v1/lab/messages").json()["items"]
    assert {unknown["state"], known["state"]} == {"held", "filed"}
    assert only(client("it"), state="held")["device"] is None


def test_a_message_that_cannot_be_read_shows_its_text_all_the_same(
    client: Client, received: Callable[..., None], laboratory: Laboratory
) -> None:
    received("MSH|^~\\&\rPID")
    lab = client("lab")

    shown = lab.get(f"/api/v1/lab/messages/{only(lab)['id']}").json()
    assert (shown["parsed"] is None) == bool(shown["problem"])
    assert shown["raw"] == ["MSH|^~\\&", "PID"]
