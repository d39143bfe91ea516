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
