"""An institution that adopted another's result hears what becomes of it, over HTTP."""

import uuid
from typing import Any

import pytest

from gateway.runtime import Runtime
from tests.gateway.web.work.conftest import Client
from tests.gateway.web.work.test_recognition import URL, ask, report  # noqa: F401
from worklists.reports import Report, deliver


@pytest.fixture
def adopted(client: Client, report: Report) -> Report:  # noqa: F811
    """The eastern township adopted the western one's film, which was never sent to it."""
    township = client("radiographer")
    group = ask(township)
    said = [{"match_id": group["matches"][0]["id"], "decision": "adopted"}]
    assert (
        township.post(f"{URL}/matches/{group['id']}/decisions", json={"decisions": said}).status_code == 200
    )
    assert inbox(client) == []
    return report


def inbox(client: Client) -> list[Any]:
    return list(client("radiographer").get("/api/v1/returns").json()["items"])


def test_who_adopted_it_is_told_that_it_is_void(client: Client, adopted: Report) -> None:
    body = {"reason": "患者错误", "after": "nothing"}
    answer = client("reviewer").post(f"/api/v1/reports/{adopted.id}/void", json=body)
    assert answer.status_code == 200, answer.text

    [told] = inbox(client)
    assert (told["notice"], told["report_id"]) == ("void", str(adopted.id))


def test_who_adopted_it_has_the_version_that_takes_its_place(
    runtime: Runtime, client: Client, adopted: Report
) -> None:
    wang = client("wang")
    body = {"kind": "correction", "reason": "侧别有误"}
    task = wang.post(f"/api/v1/reports/{adopted.id}/amend", json=body).json()["task_id"]
    words = {"findings": "左肺结节。", "impression": "左肺结节。", "critical": False, "preliminary": False}
    assert wang.put(f"/api/v1/tasks/{task}/report", json=words).status_code == 200
    assert wang.post(f"/api/v1/tasks/{task}/submit").status_code == 200
    signed = client("reviewer").post(f"/api/v1/tasks/{task}/sign").json()
    with runtime.sessions.begin() as session:
        row = session.get_one(Report, uuid.UUID(signed["report_id"]))
        deliver(session, row, pdf_sha256="0" * 64, now=runtime.now())

    [told] = inbox(client)
    assert (told["notice"], told["report_id"]) == ("report", signed["report_id"])
