"""A signed report is amended or made void over HTTP, and the township hears of it."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.runtime import Runtime
from tests.builders import County, signed_report
from tests.gateway.web.work.conftest import Client


@pytest.fixture
def report(runtime: Runtime, county: County) -> str:
    with runtime.sessions.begin() as session:
        return str(signed_report(session, county).id)


def amend(client: Client, report: str, **body: Any) -> Any:
    return client("wang").post(f"/api/v1/reports/{report}/amend", json={"kind": "correction", **body})


def test_a_correction_is_written_reviewed_and_signed_with_its_difference(
    runtime: Runtime, client: Client, report: str, audited: Callable[..., list[str]]
) -> None:
    wang, head = client("wang"), client("reviewer")
    task = amend(client, report, reason="侧别有误").json()["task_id"]
    shown = wang.get(f"/api/v1/tasks/{task}").json()
    assert shown["draft"]["findings"] == "双肺野清晰。"
    assert (shown["task"]["amends"], shown["task"]["amendment_reason"]) == (report, "侧别有误")
    body = {
        "findings": "左肺野清晰。",
        "impression": shown["draft"]["impression"],
        "critical": False,
        "preliminary": False,
    }
    assert wang.put(f"/api/v1/tasks/{task}/report", json=body).status_code == 200
    assert wang.post(f"/api/v1/tasks/{task}/submit").status_code == 200

    signed = head.post(f"/api/v1/tasks/{task}/sign").json()

    after = head.get(f"/api/v1/reports/{signed['report_id']}").json()
    assert (after["version"], after["amendment"]) == (
        2, {"kind": "correction", "reason": "侧别有误", "of_version": 1},
    )  # fmt: skip
    changes = head.get(f"/api/v1/reports/{signed['report_id']}/difference").json()
    assert [one for one in changes["findings"] if one["before"] != one["after"]] == [
        {"before": "双", "after": "左"}
    ]
    assert head.get(f"/api/v1/reports/{report}").json()["state"] == "superseded"
    assert "amendment_begun" in audited()


def test_an_addendum_may_not_change_what_was_signed(client: Client, report: str) -> None:
    task = amend(client, report, kind="addendum", reason="补充").json()["task_id"]
    wang = client("wang")
    body = {
        "findings": "左肺野清晰。",
        "impression": "心肺膈未见明显异常。",
        "critical": False,
        "preliminary": False,
    }
    wang.put(f"/api/v1/tasks/{task}/report", json=body)
    wang.post(f"/api/v1/tasks/{task}/submit")

    answer = client("reviewer").post(f"/api/v1/tasks/{task}/sign")

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "findings")


def test_a_second_amendment_is_told_who_is_at_it(client: Client, report: str) -> None:
    assert amend(client, report, reason="一").status_code == 201

    again = client("li").post(f"/api/v1/reports/{report}/amend", json={"kind": "addendum", "reason": "二"})

    assert (again.status_code, again.json()["code"]) == (409, "amendment_under_way")
    assert "王医师" in again.json()["detail"]


def test_an_amendment_given_up_leaves_no_trace_on_the_lists(client: Client, report: str) -> None:
    task = amend(client, report, reason="误点").json()["task_id"]
    assert client("wang").post(f"/api/v1/tasks/{task}/give-up-amendment").status_code == 204

    [sent] = client("radiographer").get("/api/v1/examinations").json()["items"]

    assert (sent["state"], sent["returned"]["report_id"]) == ("signed", report)


def test_a_void_report_is_in_the_inbox_again_and_the_examination_is_read_anew(
    client: Client, report: str, audited: Callable[..., list[str]]
) -> None:
    body = {"reason": "患者有误", "after": "read_again"}
    assert client("wang").post(f"/api/v1/reports/{report}/void", json=body).status_code == 403
    assert client("radiographer").post(f"/api/v1/reports/{report}/void", json=body).status_code == 403

    assert (
        client("reviewer").post(f"/api/v1/reports/{report}/void", json=body).json()["after"] == "read_again"
    )

    inbox = client("radiographer").get("/api/v1/returns").json()["items"]
    assert [(row["notice"], row["state"]) for row in inbox] == [
        ("void", "delivered"),
        ("report", "delivered"),
    ]
    shown = client("radiographer").get(f"/api/v1/reports/{report}").json()
    assert shown["state"] == "void"
    assert client("radiographer").get(f"/api/v1/reports/{report}/void").json()["reason"] == "患者有误"
    [again] = client("li").get("/api/v1/worklist").json()["items"]
    assert again["state"] == "waiting"
    assert "report_voided" in audited()


def test_nobody_of_another_centre_amends_or_voids(client: Client, report: str) -> None:
    other = client("other_reader")

    assert (
        other.post(f"/api/v1/reports/{report}/amend", json={"kind": "addendum", "reason": "x"}).status_code
        == 404
    )
