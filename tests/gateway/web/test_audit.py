import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from adapters.xlsx import read_workbook
from gateway import audit
from gateway.audit import Actor, AuditEvent
from gateway.runtime import Runtime
from tests.gateway.web.conftest import Client, County
from worklists.base import new_id
from worklists.directory import Role


@pytest.fixture
def auditor(client: Client) -> TestClient:
    return client("auditor")


def note(runtime: Runtime, action: str, *, days_ago: int = 0, **other: object) -> None:
    with runtime.sessions.begin() as session:
        at = runtime.now() - timedelta(days=days_ago)
        audit.record(session, action, actor=Actor(name="x"), now=at, **other)  # type: ignore[arg-type]


def seal(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        audit.seal(session)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.AUDITOR])
def test_only_an_auditor_sees_the_audit(client: Client, role: Role):
    assert client(role.value).get("/api/v1/audit").status_code == 403
    assert client(role.value).get("/api/v1/audit/export").status_code == 403
    assert client(role.value).post("/api/v1/audit/verify").status_code == 403


def test_events_are_found_by_what_who_and_when(auditor: TestClient, runtime: Runtime):
    examination = new_id()
    note(runtime, "old", days_ago=3)
    note(runtime, "images_opened", examination_id=examination)
    note(runtime, "signed")

    def found(**query: object) -> list[str]:
        answer = auditor.get("/api/v1/audit", params=query)
        assert answer.status_code == 200, answer.text
        return [item["action"] for item in answer.json()["items"]]

    assert found() == ["signed", "images_opened", "old"]
    assert found(action="signed") == ["signed"]
    assert found(person="auditor") == []
    assert found(person="x") == ["signed", "images_opened", "old"]
    assert found(examination=str(examination)) == ["images_opened"]
    assert found(**{"from": "2026-11-20"}) == ["signed", "images_opened"]
    assert found(to="2026-11-18") == ["old"]
    assert auditor.get("/api/v1/audit", params={"from": "yesterday"}).status_code == 422


def test_the_audit_has_pages(auditor: TestClient, runtime: Runtime):
    for number in range(5):
        note(runtime, str(number))
    first = auditor.get("/api/v1/audit", params={"limit": 3}).json()
    rest = auditor.get("/api/v1/audit", params={"cursor": first["next_cursor"]}).json()

    assert [item["action"] for item in first["items"] + rest["items"]] == ["4", "3", "2", "1", "0"]
    assert auditor.get("/api/v1/audit", params={"cursor": "eA"}).status_code == 422


def test_the_chain_is_verified_and_a_changed_row_is_named(
    auditor: TestClient, runtime: Runtime, county: County
):
    note(runtime, "first")
    note(runtime, "second")
    seal(runtime)
    sound = auditor.post("/api/v1/audit/verify").json()
    with runtime.sessions.begin() as session:
        session.scalars(select(AuditEvent).where(AuditEvent.action == "second")).one().actor = "y"

    broken = auditor.post("/api/v1/audit/verify").json()

    assert sound == {"ok": True, "checked": 2, "first_bad": None}
    assert (broken["ok"], broken["first_bad"]["id"]) == (False, 2)
    newest = auditor.get("/api/v1/audit", params={"person": "auditor"}).json()["items"][0]
    assert (newest["action"], newest["person"]["name"]) == ("audit_verified", "auditor 王")
    assert newest["institution"]["code"] == "H1"


def test_what_is_found_is_taken_out_as_a_table_and_that_is_audited(auditor: TestClient, runtime: Runtime):
    note(runtime, "images_opened", detail={"reason": "=SUM(1)"})
    note(runtime, "signed")

    as_csv = auditor.get("/api/v1/audit/export", params={"action": "images_opened", "as": "csv"})
    assert as_csv.status_code == 200, as_csv.text
    [head, row] = list(csv.reader(io.StringIO(as_csv.content.decode("utf-8-sig"))))
    assert (head[2], row[2], row[10]) == ("action", "images_opened", "'=SUM(1)")
    workbook = read_workbook(auditor.get("/api/v1/audit/export").content)["audit"]
    assert [line[2] for line in workbook[1:]] == ["audit_exported", "signed", "images_opened"]

    newest = auditor.get("/api/v1/audit", params={"action": "audit_exported"}).json()["items"]
    assert [one["detail"]["as"] for one in newest] == ["xlsx", "csv"]
    assert newest[1]["detail"] == {"rows": 1, "whole": True, "as": "csv", "action": "images_opened"}
    assert newest[1]["basis"] == "auditor"


def test_a_walk_along_the_chain_says_how_far_it_is(auditor: TestClient, runtime: Runtime):
    with runtime.sessions.begin() as session:
        for number in range(1200):
            audit.record(session, "images_opened", actor=Actor(name=str(number)), now=runtime.now())
    with runtime.sessions.begin() as session:
        audit.seal(session, limit=2000)

    answer = auditor.post("/api/v1/audit/verify", headers={"Accept": "application/x-ndjson"})

    told = [json.loads(line) for line in answer.text.splitlines()]
    assert told == [
        {"done": 500, "of": 1200},
        {"done": 1000, "of": 1200},
        {"verification": {"ok": True, "checked": 1200, "first_bad": None}},
    ]
    newest = auditor.get("/api/v1/audit", params={"action": "audit_verified"}).json()["items"]
    assert [one["detail"] for one in newest] == [{"checked": 1200}]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_page_has_a_word_for_everything_that_is_audited(language: str):
    words = Path(__file__).parents[3] / "viewer" / "src" / "i18n" / language / "admin.ts"
    said = set(re.findall(r"^    (\w+): ['\"]", words.read_text(encoding="utf-8"), re.MULTILINE))

    assert set(get_args(audit.Action)) - said == set()
