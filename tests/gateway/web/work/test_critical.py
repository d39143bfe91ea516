"""A critical value over HTTP: said before any signature, read back, handled, closed; who sees it and who may act."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from gateway.runtime import Runtime
from tests.builders import County, submitted_task, waiting_task
from tests.gateway.web.work.conftest import Client

CRITICAL = "/api/v1/critical"


@pytest.fixture
def event(runtime: Runtime, county: County, client: Client) -> dict[str, Any]:
    """王 says that what they read shows a pneumothorax."""
    with runtime.sessions.begin() as session:
        task_id = waiting_task(session, county).id
    wang = client("wang")
    wang.post(f"/api/v1/tasks/{task_id}/claim")
    answer = wang.post(f"/api/v1/tasks/{task_id}/critical", json={"value": "左侧张力性气胸"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_from_finding_to_closing_each_step_is_somebodys(
    county: County, client: Client, event: dict[str, Any], audited: Callable[..., list[str]]
) -> None:
    wang, township, one = client("wang"), client("radiographer"), f"{CRITICAL}/{event['id']}"
    assert [step["action"] for step in event["steps"]] == ["found", "reviewed", "notified"]
    [told] = township.get(CRITICAL).json()["items"]
    assert (told["must_act"], told["found"]["value"], told["patient"]["name"]) == (
        True,
        "左侧张力性气胸",
        "仇明",
    )

    wrong = township.post(f"{one}/receive", json={"read_back": "右侧张力性气胸"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "read_back")
    assert township.post(f"{one}/receive", json={"read_back": "左侧张力性气胸"}).json()["state"] == "received"
    assert (
        township.post(f"{one}/handle", json={"treatment": "胸腔穿刺减压，转诊"}).json()["state"] == "handled"
    )
    assert wang.post(f"{one}/close", json={"note": "已转县医院"}).json()["state"] == "closed"

    trace = wang.get(one).json()["steps"]
    assert [(step["action"], (step["person"] or {}).get("name")) for step in trace] == [
        ("found", None), ("reviewed", "王医师"), ("notified", None), ("misread", "赵放射"), ("received", "赵放射"),
        ("handled", "赵放射"), ("closed", "王医师"),
    ]  # fmt: skip
    assert township.get(CRITICAL).json()["items"] == []
    assert [item["id"] for item in township.get(CRITICAL, params={"state": "ended"}).json()["items"]] == [
        event["id"]
    ]
    assert [one for one in audited() if one.startswith("critical")] == [
        "critical_reported", "critical_misread", "critical_received", "critical_handled", "critical_closed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name", ["west_radiographer", "village_doctor", "other_reader", "it", "auditor", "admin"]
)
def test_nobody_else_knows_of_it(client: Client, event: dict[str, Any], name: str) -> None:
    person = client(name)

    assert person.get(CRITICAL).json()["items"] == []
    assert person.get(f"{CRITICAL}/{event['id']}").status_code == 404
    assert person.post(f"{CRITICAL}/{event['id']}/receive", json={"read_back": "x"}).status_code == 404


def test_the_centre_does_not_answer_for_the_township_nor_it_for_the_centre(
    client: Client, event: dict[str, Any]
) -> None:
    one = f"{CRITICAL}/{event['id']}"

    assert client("wang").post(f"{one}/receive", json={"read_back": "左侧张力性气胸"}).status_code == 403
    assert client("radiographer").post(f"{one}/withdraw", json={"reason": "不是"}).status_code == 403
    early = client("radiographer").post(f"{one}/handle", json={"treatment": "穿刺"})
    assert (early.status_code, early.json()["code"]) == (409, "critical_state_forbids")


def test_a_report_signed_as_critical_opens_one_where_nobody_had(
    runtime: Runtime, county: County, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        task = submitted_task(session, county)
        assert task.draft is not None
        task.draft.critical, task.draft.impression = True, "左侧张力性气胸，请立即处理。"
        task_id: uuid.UUID = task.id

    assert client("reviewer").post(f"/api/v1/tasks/{task_id}/sign").status_code == 200

    [told] = client("radiographer").get(CRITICAL).json()["items"]
    assert (told["state"], told["found"]["value"]) == ("notified", "左侧张力性气胸，请立即处理。")


def test_what_is_too_long_to_be_read_back_is_refused(
    runtime: Runtime, county: County, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        task_id = waiting_task(session, county).id
    wang = client("wang")
    wang.post(f"/api/v1/tasks/{task_id}/claim")

    answer = wang.post(f"/api/v1/tasks/{task_id}/critical", json={"value": "气" * 61})

    assert answer.status_code == 422
    assert client("radiographer").get(CRITICAL).json()["items"] == []


def test_what_is_somebodys_next_step_stands_on_their_page_and_is_preliminary_until_signed(
    runtime: Runtime, county: County, client: Client, event: dict[str, Any]
) -> None:
    township, wang = client("radiographer"), client("wang")

    assert wang.get(f"{CRITICAL}/mine").json() == []
    [mine] = township.get(f"{CRITICAL}/mine").json()
    assert (mine["id"], mine["called_me"], mine["report_id"]) == (event["id"], 0, None)

    township.post(f"{CRITICAL}/{event['id']}/receive", json={"read_back": "左侧张力性气胸"})
    township.post(f"{CRITICAL}/{event['id']}/handle", json={"treatment": "穿刺"})
    assert township.get(f"{CRITICAL}/mine").json() == []
    assert [one["state"] for one in wang.get(f"{CRITICAL}/mine").json()] == ["handled"]


def test_events_are_found_by_kind_examination_day_and_what_is_typed(
    client: Client, event: dict[str, Any]
) -> None:
    def found(**asked: str) -> int:
        answer = client("radiographer").get(CRITICAL, params=asked)
        assert answer.status_code == 200, answer.text
        return len(answer.json()["items"])

    assert [found(kind="imaging"), found(kind="ecg")] == [1, 0]
    assert [found(examination=event["examination_id"]), found(examination=str(uuid.uuid4()))] == [1, 0]
    assert [found(q="仇"), found(q="王")] == [1, 0]
    assert [found(**{"from": "2026-01-01"}), found(**{"from": "2100-01-01"})] == [1, 0]
    assert found(to="2026-01-01") == 0


def test_an_auditor_finds_what_was_done_by_the_patients_name_or_accession_number(
    county: County, client: Client, event: dict[str, Any]
) -> None:
    def found(about: str) -> set[str]:
        answer = client("auditor").get("/api/v1/audit", params={"about": about})
        assert answer.status_code == 200, answer.text
        assert all(one["accession_number"] == event["accession_number"] for one in answer.json()["items"])
        return {one["action"] for one in answer.json()["items"]}

    assert "critical_reported" in found("仇明")
    assert found("王小明") == set()
    assert found(f"仇 {event['accession_number']}") == found("仇明")
