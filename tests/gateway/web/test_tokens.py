"""Tokens of machines: issued once, used on their wires only, taken back; by administration and command line."""

import time
import uuid
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from rich.console import Console
from sqlalchemy import select
from typer.testing import CliRunner

from gateway.audit import AuditEvent
from gateway.cli import app as command
from gateway.machines import list_machine_tokens
from gateway.runtime import Runtime
from gateway.web.deps import RECOGNISED_FOR_S
from tests.gateway.web.conftest import Client, County
from worklists.directory import Device, Role

PATH = "/api/v1/tokens"


@pytest.fixture
def admin(client: Client) -> TestClient:
    return client("admin")


def issue(admin: TestClient, county: County, **fields: Any) -> dict[str, Any]:
    body = {
        "name": "DICOMweb 工作站",
        "institution_id": str(county.township),
        "wires": ["dicomweb"],
        **fields,
    }
    answer = admin.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    issued: dict[str, Any] = answer.json()
    return issued


def search(anybody: TestClient, token: str) -> int:
    return anybody.get("/dicomweb/studies", headers={"Authorization": f"Bearer {token}"}).status_code


def actions(runtime: Runtime) -> list[tuple[str, str]]:
    with runtime.reading() as session:
        rows = session.scalars(select(AuditEvent).order_by(AuditEvent.id))
        return [(row.action, row.actor) for row in rows if row.action.startswith("token_")]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_administrators_deal_with_tokens(client: Client, county: County, role: Role):
    somebody = client(role.value)

    assert somebody.get(PATH).status_code == 403
    assert somebody.post(PATH, json={"name": "x"}).status_code in {403, 422}
    assert somebody.patch(f"{PATH}/{county.device}", json={"enabled": False}).status_code == 403


def test_a_token_is_shown_once_and_works(admin: TestClient, anybody: TestClient, county: County):
    issued = issue(admin, county)

    listed = admin.get(PATH)
    (row,) = listed.json()["items"]
    assert search(anybody, issued["token"]) in {200, 204}
    assert issued["token"] not in listed.text
    assert row == {name: value for name, value in issued.items() if name != "token"}
    assert (row["wires"], row["enabled"], row["expires_at"]) == (["dicomweb"], True, None)


def test_a_token_says_when_it_was_last_used(
    admin: TestClient, anybody: TestClient, county: County, runtime: Runtime
):
    issued = issue(admin, county)
    assert issued["last_used_at"] is None

    before = runtime.now()
    search(anybody, issued["token"])
    (used,) = admin.get(PATH).json()["items"]
    search(anybody, issued["token"])  # within the same minute: nothing is written

    assert before <= datetime.fromisoformat(used["last_used_at"]) <= runtime.now()
    assert admin.get(PATH).json()["items"] == [used]


def test_a_token_that_was_taken_back_is_worth_nothing_until_it_is_given_again(
    admin: TestClient, anybody: TestClient, county: County, runtime: Runtime
):
    issued = issue(admin, county)

    def enable(enabled: bool) -> None:
        answer = admin.patch(f"{PATH}/{issued['id']}", json={"enabled": enabled})
        assert (answer.status_code, answer.json()["enabled"]) == (200, enabled)

    enable(False)
    enable(False)  # a second time changes nothing and is no event
    assert search(anybody, issued["token"]) == 401
    enable(True)
    assert search(anybody, issued["token"]) in {200, 204}
    assert [action for action, _ in actions(runtime)] == ["token_issued", "token_revoked", "token_enabled"]
    assert admin.patch(f"{PATH}/{uuid.uuid4()}", json={"enabled": False}).status_code == 404


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"wires": []}, "wires"),
        ({"wires": ["fax"]}, "wires.0"),
        ({"institution_id": str(uuid.uuid4())}, "institution_id"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"name": " "}, "name"),
    ],
)
def test_a_token_that_could_not_be_used_is_not_issued(
    admin: TestClient, county: County, fields: dict[str, Any], field: str
):
    body = {"name": "x", "institution_id": str(county.township), "wires": ["upload"], **fields}

    answer = admin.post(PATH, json=body)

    assert (answer.status_code, [e["field"] for e in answer.json()["errors"]]) == (422, [field])
    assert admin.get(PATH).json()["items"] == []


def test_tokens_come_in_pages(admin: TestClient, county: County):
    names = [issue(admin, county, name=f"t{number}")["name"] for number in range(3)]

    first = admin.get(PATH, params={"limit": 2}).json()
    rest = admin.get(PATH, params={"limit": 2, "cursor": first["next_cursor"]}).json()

    assert [row["name"] for row in first["items"] + rest["items"]] == names
    assert rest["next_cursor"] is None


@pytest.fixture
def gateway(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command on this installation: `gateway("token", "list")`."""
    for name, value in runtime.settings.environment().items():
        monkeypatch.setenv(name, value)
    return lambda *words: CliRunner().invoke(command, list(words))


def test_the_command_line_issues_lists_and_revokes(
    gateway: Any, anybody: TestClient, county: County, runtime: Runtime
):
    added = gateway(
        "token", "add", "--institution", "T1", "--wire", "dicomweb", "--wire", "upload", "--name", "PACS"
    )
    assert added.exit_code == 0, added.output
    secret = added.stdout.strip()
    assert search(anybody, secret) in {200, 204}

    console = Console(record=True, width=200)
    list_machine_tokens(runtime.settings, console)
    listed = console.export_text()
    (token_id,) = [word for word in listed.split() if word.count("-") == 4 and len(word) == 36]
    assert all(word in listed for word in ("PACS", "T1", "dicomweb, upload", "never", "in force"))
    assert secret not in listed

    assert gateway("token", "revoke", token_id).exit_code == 0
    time.sleep(RECOGNISED_FOR_S)  # another process knows it for so long
    assert search(anybody, secret) == 401
    assert actions(runtime) == [("token_issued", "command line"), ("token_revoked", "command line")]


def test_a_token_of_the_command_line_ends_after_its_days(
    gateway: Any, anybody: TestClient, county: County, runtime: Runtime
):
    words = ("token", "add", "--institution", "T1", "--wire", "metrics", "--name", "x", "--days", "30")
    assert gateway(*words).exit_code == 0

    with runtime.reading() as session:
        detail = session.scalars(select(AuditEvent.detail).where(AuditEvent.action == "token_issued")).one()
    assert detail["wires"] == ["metrics"]
    assert detail["expires_at"] is not None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "--institution", "NO", "--wire", "upload", "--name", "x"), "known: H1, T1, V1"),
        (("add", "--institution", "T1", "--wire", "fax", "--name", "x"), "fax is no wire"),
        (("revoke", str(uuid.uuid4())), "there is no token"),
        (("revoke", "first"), "there is no token"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(
    gateway: Any, county: County, words: tuple[str, ...], said: str
):
    result = gateway("token", *words)

    assert result.exit_code == 1
    assert said in result.output


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"wires": ["dicomweb"]}, "can stand for a device"),
        ({"wires": ["upload"], "institution_id": "hospital"}, "no such thing"),
    ],
)
def test_a_device_of_another_institution_or_of_a_token_that_sends_nothing_is_refused(
    admin: TestClient, county: County, fields: dict[str, Any], why: str
):
    if fields.get("institution_id"):
        fields = {**fields, "institution_id": str(county.hospital)}
    body = {"name": "CT", "institution_id": str(county.township), "device_id": str(county.device), **fields}

    answer = admin.post(PATH, json=body, headers={"Accept-Language": "en"})

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "device_id"
    assert why in error["message"]


def test_a_token_ends_with_the_use_of_its_device(admin: TestClient, runtime: Runtime, county: County):
    token = issue(admin, county, wires=["upload", "dicomweb"], device_id=str(county.device))["token"]
    assert search(admin, token) == 200

    with runtime.sessions.begin() as session:
        session.get_one(Device, county.device).enabled = False
    time.sleep(RECOGNISED_FOR_S)

    assert search(admin, token) == 401
