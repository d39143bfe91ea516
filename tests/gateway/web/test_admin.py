import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway import accounts
from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from tests.gateway.web.conftest import Client, County
from worklists.directory import Device, Institution, Role

PATHS = (
    "institutions",
    "centres",
    "devices",
    "people",
    "agreements",
    "recognition/items",
    "recognition/qualifications",
    "recognition/mappings",
    "ecg/catalogue",
    "duty",
)


@pytest.fixture
def admin(client: Client) -> TestClient:
    return client("admin")


def fields_of(answer: Any) -> set[str]:
    assert answer.status_code == 422, answer.text
    return {error["field"] for error in answer.json()["errors"]}


def changes(admin: TestClient, **query: str) -> list[dict[str, Any]]:
    return admin.get("/api/v1/changes", params=query).json()["items"]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_only_an_administrator_administers(client: Client, county: County, role: Role):
    somebody = client(role.value)

    for path in PATHS:
        assert somebody.get(f"/api/v1/{path}").status_code == 403
        assert somebody.post(f"/api/v1/{path}", json={}).status_code in {403, 422}
        assert somebody.patch(f"/api/v1/{path}/{county.device}", json={}).status_code == 403
    assert somebody.get("/api/v1/changes").status_code == 403
    assert somebody.post(f"/api/v1/changes/{county.device}/undo").status_code == 403


@pytest.mark.parametrize("path", PATHS)
def test_nobody_administers_without_signing_in(anybody: TestClient, path: str):
    assert anybody.get(f"/api/v1/{path}").status_code == 401
    assert anybody.post(f"/api/v1/{path}", json={}).status_code == 401


def test_a_device_is_made_shown_and_changed(admin: TestClient, county: County):
    made = admin.post(
        "/api/v1/devices",
        json={"institution_id": str(county.township), "ae_title": " DR_1 ", "address": "", "modality": "DR"},
    )

    assert made.status_code == 201, made.text
    device = made.json()
    assert (device["ae_title"], device["address"], device["last_heard_at"]) == ("DR_1", None, None)
    changed = admin.patch(f"/api/v1/devices/{device['id']}", json={"enabled": False})
    assert changed.json() == {**device, "enabled": False, "revision": changed.json()["revision"]}
    listed = admin.get("/api/v1/devices").json()["items"]
    assert [item["ae_title"] for item in listed] == ["DEMO_CT", "DR_1"]


def test_a_devices_certificates_are_kept_in_one_form(admin: TestClient, county: County):
    pasted = ["AB:" * 31 + "AB", "subject=CN = CT1, O = 东乡"]

    changed = admin.patch(f"/api/v1/devices/{county.device}", json={"certificates": pasted})

    assert changed.json()["certificates"] == ["ab" * 32, "CN=CT1,O=东乡"]


def test_an_exception_needs_its_reason_and_its_last_day(admin: TestClient, county: County):
    path = f"/api/v1/devices/{county.device}"
    missing = {"tls_exception", "tls_exception_reason", "tls_exception_until"}

    assert fields_of(admin.patch(path, json={"tls_exception": "plain"})) == missing

    whole = {
        "tls_exception": "plain",
        "tls_exception_reason": "2009 年的机器，不支持 TLS",
        "tls_exception_until": "2027-06-30",
    }
    assert admin.patch(path, json=whole).json() | whole == admin.get(path).json()
    assert fields_of(admin.patch(path, json={"tls_exception_reason": ""})) == missing - {
        "tls_exception_until"
    }


def test_lists_have_pages(admin: TestClient, county: County):
    first = admin.get("/api/v1/people", params={"limit": 4}).json()
    rest = admin.get("/api/v1/people", params={"cursor": first["next_cursor"]}).json()

    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (4, 3, None)
    assert admin.get("/api/v1/people", params={"cursor": "!"}).status_code == 422


@pytest.mark.parametrize("ae_title", ["", "SEVENTEEN_LETTERS", "BACK\\SLASH", "中文", "TAB\tTAB", "DEMO_CT"])
def test_an_ae_title_keeps_the_rules_of_its_representation(admin: TestClient, county: County, ae_title: str):
    body = {"institution_id": str(county.township), "ae_title": ae_title}

    assert fields_of(admin.post("/api/v1/devices", json=body)) == {"ae_title"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "ct.local"),
        ("character_set", "UTF-8"),
        ("institution_id", "00000000-0000-7000-8000-000000000000"),
        ("enabled", None),
        ("surprise", 1),
        ("certificates", ["CT1"]),
    ],
)
def test_a_device_field_that_cannot_be_used_is_named(
    admin: TestClient, county: County, field: str, value: object
):
    answer = admin.patch(f"/api/v1/devices/{county.device}", json={field: value})

    assert fields_of(answer) == {field}


def test_what_cannot_be_used_changes_nothing(admin: TestClient, county: County):
    admin.patch(f"/api/v1/devices/{county.device}", json={"name": "new", "ae_title": "\\"})

    assert admin.get(f"/api/v1/devices/{county.device}").json()["name"] == "CT"
    assert changes(admin) == []


def test_an_unknown_thing_is_not_found(admin: TestClient, county: County):
    for key in ("nothing", str(county.township)):
        assert admin.get(f"/api/v1/devices/{key}").status_code == 404
        assert admin.patch(f"/api/v1/devices/{key}", json={}).status_code == 404


def test_institutions_hang_on_a_lead_hospital_and_villages_on_their_township(
    admin: TestClient, county: County
):
    def put(id: object, **body: object) -> Any:
        return admin.patch(f"/api/v1/institutions/{id}", json=body)

    assert fields_of(put(county.township, lead_id=str(county.village))) == {"lead_id"}
    assert put(county.village, lead_id=str(county.township)).status_code == 200
    assert put(county.township, phone="0571-88001234转802").status_code == 200  # one that has a village
    assert fields_of(put(county.township, kind="village")) == {"kind"}
    assert fields_of(put(county.township, phone="内线")) == {"phone"}
    assert fields_of(put(county.hospital, lead_id=str(county.hospital))) == {"lead_id"}
    assert fields_of(put(county.hospital, kind="village")) == {"kind"}
    assert fields_of(put(county.village, code="T1")) == {"code"}
    assert fields_of(put(county.village, code="a b")) == {"code"}


def test_a_person_gets_roles_and_a_password_that_is_never_shown(
    admin: TestClient, county: County, runtime: Runtime
):
    body = {
        "username": "li",
        "name": "李",
        "institution_id": str(county.hospital),
        "roles": [{"role": "reader", "centre_id": str(county.centre)}, {"role": "it"}],
        "password": "a long password",
    }
    made = admin.post("/api/v1/people", json=body)

    assert made.status_code == 201, made.text
    assert "password" not in made.json()
    assert {role["role"] for role in made.json()["roles"]} == {"reader", "it"}
    with runtime.reading() as session:
        kept = session.scalars(select(AuditEvent)).all()
    assert "a long password" not in json.dumps([event.detail for event in kept])
    assert "a long password" not in json.dumps(changes(admin))
    signed_in = admin.post("/api/v1/session", json={"username": "li", "password": "a long password"})
    assert signed_in.status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"roles": [{"role": "reader"}]}, "roles"),
        ({"roles": [{"role": "it", "centre_id": "CENTRE"}]}, "roles"),
        ({"password": "short"}, "password"),
        ({"username": "somebody"}, "username"),
        ({"institution_id": "00000000-0000-7000-8000-000000000000"}, "institution_id"),
    ],
)
def test_a_person_that_cannot_be_so_is_refused(
    admin: TestClient, county: County, change: dict[str, Any], field: str
):
    body = json.loads(json.dumps(change).replace("CENTRE", str(county.centre)))
    answer = admin.patch(f"/api/v1/people/{county.people['reader']}", json=body)

    assert fields_of(answer) == {field}


def test_a_user_name_is_taken_whatever_its_case(admin: TestClient, county: County):
    body = {"username": "READER", "name": "x", "institution_id": str(county.hospital)}

    assert fields_of(admin.post("/api/v1/people", json=body)) == {"username"}


def test_roles_can_change_one_by_one(admin: TestClient, county: County):
    path = f"/api/v1/people/{county.people['reader']}"
    both = [
        {"role": "reader", "centre_id": str(county.centre)},
        {"role": "reviewer", "centre_id": str(county.centre)},
    ]

    assert len(admin.patch(path, json={"roles": both}).json()["roles"]) == 2
    assert admin.patch(path, json={"roles": both[1:]}).json()["roles"] == both[1:]


@pytest.mark.parametrize("change", [{"enabled": False}, {"roles": []}])
def test_the_last_administrator_stays(admin: TestClient, county: County, change: dict[str, Any]):
    path = f"/api/v1/people/{county.people['admin']}"
    answer = admin.patch(path, json=change)
    assert fields_of(answer) == set(change)

    admin.patch(f"/api/v1/people/{county.people['it']}", json={"roles": [{"role": "admin"}]})
    assert admin.patch(path, json=change).status_code == 200


def test_a_password_set_by_the_administrator_ends_the_sessions(
    admin: TestClient, client: Client, county: County
):
    reader = client("reader")

    admin.patch(f"/api/v1/people/{county.people['reader']}", json={"password": "a new password"})

    assert reader.get("/api/v1/session").status_code == 401


def test_an_agreement_runs_from_a_lead_hospital_to_a_member_in_order_of_days(
    admin: TestClient, county: County
):
    def make(**other: object) -> Any:
        body = {
            "lead_id": str(county.hospital),
            "member_id": str(county.township),
            "valid_from": "2026-01-01",
            **other,
        }
        return admin.post("/api/v1/agreements", json=body)

    assert make().status_code == 201
    assert make().json()["kind"] is None
    assert fields_of(make(valid_to="2025-12-31")) == {"valid_to"}
    assert fields_of(make(lead_id=str(county.township), member_id=str(county.hospital))) == {"lead_id"}
    assert fields_of(make(member_id=str(county.hospital))) == {"member_id"}
    assert fields_of(make(kind="dental")) == {"kind"}


def test_the_recognition_rules_are_edited_by_code(admin: TestClient, county: County):
    item = {"code": "CT-01", "name": "胸部CT平扫", "kind": "imaging", "effective_from": "2026-01-01"}
    qualification = {
        "institution_id": str(county.township),
        "item_code": "CT-01",
        "scope_level": "province",
        "scope_label": "全省",
        "result": "pass",
        "valid_from": "2026-01-01",
        "valid_to": "2026-12-31",
    }
    mapping = {"kind": "imaging", "modality": "CT", "body_part": "chest", "item_code": "CT-01"}

    assert fields_of(admin.post("/api/v1/recognition/mappings", json=mapping)) == {"item_code"}
    assert admin.post("/api/v1/recognition/items", json=item).json()["unconfirmed"] is True
    assert fields_of(admin.post("/api/v1/recognition/items", json=item)) == {"code"}
    assert admin.post("/api/v1/recognition/qualifications", json=qualification).status_code == 201
    assert admin.post("/api/v1/recognition/mappings", json=mapping).json()["body_part"] == "CHEST"
    path = "/api/v1/recognition/items/CT-01"
    assert admin.patch(path, json={"valid_days": 30}).json()["valid_days"] == 30
    assert fields_of(admin.patch(path, json={"code": "CT-02"})) == {"code"}
    assert fields_of(admin.patch(path, json={"valid_days": 0})) == {"valid_days"}


def test_every_change_is_kept_and_audited_with_before_and_after(
    admin: TestClient, county: County, runtime: Runtime
):
    admin.patch(f"/api/v1/devices/{county.device}", json={"name": "CT 2", "enabled": True})
    admin.patch(f"/api/v1/devices/{county.device}", json={"name": "CT 2"})

    (change,) = changes(admin, entity="device", id=str(county.device))
    assert (change["before"], change["after"]) == ({"name": "CT"}, {"name": "CT 2"})
    assert change["by"]["name"] == "admin 王"
    assert changes(admin, entity="centre") == []
    with runtime.reading() as session:
        (event,) = session.scalars(select(AuditEvent)).all()
    assert (event.action, event.person_id) == ("directory_changed", county.people["admin"])
    assert event.detail["before"] == {"name": "CT"}


def test_a_change_is_taken_back_and_that_too(admin: TestClient, county: County):
    path = f"/api/v1/devices/{county.device}"
    admin.patch(path, json={"name": "CT 2", "address": "10.0.0.7"})
    (change,) = changes(admin)

    undone = admin.post(f"/api/v1/changes/{change['id']}/undo")

    assert undone.status_code == 200, undone.text
    assert (admin.get(path).json()["name"], admin.get(path).json()["address"]) == ("CT", None)
    newest = changes(admin)[0]
    assert (newest["id"], newest["undoes"]) == (undone.json()["change_id"], change["id"])
    admin.post(f"/api/v1/changes/{newest['id']}/undo")
    assert admin.get(path).json()["name"] == "CT 2"


def test_a_change_that_was_changed_again_is_not_taken_back(admin: TestClient, county: County):
    path = f"/api/v1/devices/{county.device}"
    admin.patch(path, json={"name": "CT 2"})
    admin.patch(path, json={"name": "CT 3"})
    first = changes(admin)[-1]

    answer = admin.post(f"/api/v1/changes/{first['id']}/undo")

    assert (answer.status_code, answer.json()["code"]) == (409, "change_moved_on")
    assert admin.get(path).json()["name"] == "CT 3"


def test_taking_back_a_creation_removes_it_and_doing_it_again_restores_it(admin: TestClient, county: County):
    body = {"username": "li", "name": "李", "institution_id": str(county.hospital), "password": "long enough"}
    made = admin.post("/api/v1/people", json={**body, "roles": [{"role": "it"}]}).json()
    path = f"/api/v1/people/{made['id']}"

    removed = admin.post(f"/api/v1/changes/{changes(admin)[0]['id']}/undo")

    assert removed.status_code == 200, removed.text
    assert admin.get(path).status_code == 404
    admin.post(f"/api/v1/changes/{removed.json()['change_id']}/undo")
    assert admin.get(path).json() == made


def test_what_is_in_use_is_not_removed(admin: TestClient, county: County):
    made = admin.post("/api/v1/institutions", json={"code": "T2", "name": "西乡", "kind": "township"}).json()
    creation = changes(admin)[0]["id"]
    admin.post("/api/v1/devices", json={"institution_id": made["id"], "ae_title": "X"})

    answer = admin.post(f"/api/v1/changes/{creation}/undo")

    assert (answer.status_code, answer.json()["code"]) == (409, "change_moved_on")
    assert admin.get(f"/api/v1/institutions/{made['id']}").status_code == 200


def test_the_last_administrator_cannot_be_undone_away(admin: TestClient, client: Client, county: County):
    other = {"username": "b", "name": "b", "institution_id": str(county.hospital)}
    made = admin.post("/api/v1/people", json={**other, "roles": [{"role": "admin"}]}).json()
    creation = changes(admin)[0]["id"]
    county.people["b"] = uuid.UUID(made["id"])
    admin.patch(f"/api/v1/people/{county.people['admin']}", json={"roles": [{"role": "it"}]})

    answer = client("b").post(f"/api/v1/changes/{creation}/undo")

    assert fields_of(answer) == {"roles"}
    assert admin.post(f"/api/v1/changes/{creation}/undo").status_code == 403  # an administrator no more


def test_an_unknown_change_is_not_found(admin: TestClient, county: County):
    assert admin.post(f"/api/v1/changes/{county.device}/undo").status_code == 404


def test_the_snapshot_of_the_listeners_follows_the_directory(
    admin: TestClient, county: County, runtime: Runtime
):
    path = runtime.settings.directory_snapshot
    admin.patch(f"/api/v1/devices/{county.device}", json={"address": "10.0.0.7"})
    first = json.loads(path.read_text())
    admin.patch(f"/api/v1/institutions/{county.township}", json={"accept_unknown_devices": True})
    second = json.loads(path.read_text())

    assert [device["address"] for device in first["devices"]] == ["10.0.0.7"]
    assert second["version"] > first["version"]
    assert second["accept_unknown_devices"] == [str(county.township)]


def test_the_account_module_hashes_what_the_administrator_sets(
    admin: TestClient, county: County, runtime: Runtime
):
    admin.patch(f"/api/v1/people/{county.people['it']}", json={"password": "a new password"})

    with runtime.reading() as session:
        assert session.get_one(accounts.Credential, county.people["it"]).password_hash.startswith("$argon2")


def test_a_new_password_is_hashed_before_the_transaction_begins(
    client: Client, county: County, runtime: Runtime
):
    admin, path = client("admin"), f"/api/v1/people/{county.people['reader']}"
    body = {"password": "correct horse battery"}
    with ThreadPoolExecutor() as pool, ExitStack() as hashing:
        for _ in range(accounts.ARGON2_TICKETS):
            hashing.enter_context(accounts.ARGON2_AT_ONCE)
        waiting = pool.submit(admin.patch, path, json=body)
        with pytest.raises(TimeoutError):  # it waits for its turn to hash
            waiting.result(timeout=0.3)
        with runtime.sessions.begin() as session:  # and nobody waits for it, not even SQLite's one writer
            session.get_one(Institution, county.township, with_for_update=True).region = "东"
        assert not waiting.done()
        hashing.close()
        assert waiting.result(timeout=10).status_code == 200


def test_a_device_has_an_account_whose_password_is_set_and_never_shown(
    admin: TestClient, county: County, runtime: Runtime
):
    body = {"institution_id": str(county.township), "account": "east-ecg", "password": "cart-secret-1"}
    answer = admin.post("/api/v1/devices", json=body)

    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["account"], shown["has_account_password"], shown["ae_title"]) == (
        "east-ecg",
        True,
        "EAST-ECG",
    )
    assert "cart-secret" not in answer.text and "argon2" not in answer.text
    with runtime.reading() as session:
        hashed = session.scalars(
            select(Device.account_password_hash).where(Device.account == "east-ecg")
        ).one()
    assert accounts.is_password("cart-secret-1", hashed)
    snapshot = runtime.settings.directory_snapshot
    assert hashed in snapshot.read_text()
    assert snapshot.stat().st_mode & 0o077 == 0
    changes = admin.get("/api/v1/changes", params={"entity": "device"}).text
    assert "argon2" not in changes and "cart-secret" not in changes

    path = f"/api/v1/devices/{shown['id']}"
    before = snapshot.read_text()
    assert admin.patch(path, json={"password": "another-secret-2"}).status_code == 200
    assert snapshot.read_text() != before
    weak = admin.patch(path, json={"password": "short"})
    assert (weak.status_code, weak.json()["errors"][0]["field"]) == (422, "password")


@pytest.mark.parametrize("account", ["East", "东乡", "a b", "../x", "x" * 33])
def test_an_account_is_a_name_that_every_system_takes(admin: TestClient, county: County, account: str):
    body = {"institution_id": str(county.township), "ae_title": "E1", "account": account}
    answer = admin.post("/api/v1/devices", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "account")


def test_an_account_is_one_devices(admin: TestClient, county: County):
    body = {"institution_id": str(county.township), "account": "east-ecg"}
    assert admin.post("/api/v1/devices", json={**body, "ae_title": "E1"}).status_code == 201
    again = admin.post("/api/v1/devices", json={**body, "ae_title": "E2"})

    assert (again.status_code, [one["field"] for one in again.json()["errors"]]) == (422, ["account"])


def test_an_analyser_is_known_by_the_name_it_gives_itself(
    admin: TestClient, county: County, runtime: Runtime
):
    body = {"institution_id": str(county.township), "sender": "迈瑞^BC-5300", "without_order": True}
    answer = admin.post("/api/v1/devices", json=body)

    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["ae_title"], shown["modality"], shown["profile_code"]) == ("__^BC-5300", "LAB", None)
    known = json.loads(runtime.settings.directory_snapshot.read_text())["devices"]
    assert [one["sender"] for one in known if one["modality"] == "LAB"] == ["迈瑞^BC-5300"]
    unknown = admin.patch(f"/api/v1/devices/{shown['id']}", json={"profile_code": "nowhere"})
    assert fields_of(unknown) == {"profile_code"}


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ({"sender": "BC-5300"}, {"sender": " bc-5300 "}, {"sender"}),
        (
            {"sender": "BC-5300", "address": "10.0.0.7"},
            {"sender": "BC-5300", "address": "10.0.0.7"},
            {"sender"},
        ),
        ({"address": "10.0.0.7"}, {"address": "10.0.0.7"}, {"sender"}),
        ({"sender": "BC-5300", "address": "10.0.0.7"}, {"sender": "BC-5300", "address": "10.0.0.8"}, set()),
        ({"sender": "BC-5300", "address": "10.0.0.7"}, {"address": "10.0.0.7"}, set()),
        ({"sender": "BC-5300"}, {}, {"sender"}),
    ],
)
def test_two_analysers_can_be_told_apart(
    admin: TestClient, county: County, first: dict[str, str], second: dict[str, str], wrong: set[str]
):
    common = {"institution_id": str(county.township), "modality": "LAB"}
    assert admin.post("/api/v1/devices", json={**common, **first, "ae_title": "L1"}).status_code == 201
    answer = admin.post("/api/v1/devices", json={**common, **second, "ae_title": "L2"})

    if wrong:
        assert fields_of(answer) == wrong
    else:
        assert answer.status_code == 201, answer.text


def test_who_changes_what_somebody_else_changed_since_is_told_by_whom(
    client: Client, admin: TestClient, county: County
):
    path = f"/api/v1/devices/{county.device}"
    read = admin.get(path)
    seen = {"If-Match": read.headers["ETag"]}
    assert read.headers["ETag"] == f'"{read.json()["revision"]}"'
    assert admin.patch(path, json={"name": "CT 二室"}, headers=seen).status_code == 200

    late = admin.patch(path, json={"name": "CT 三室"}, headers=seen)
    repeated = admin.patch(path, json={"name": "CT 二室"}, headers=seen)
    meant = admin.patch(
        path, json={"name": "CT 三室"}, headers={"If-Match": f'"{late.json()["current"]["revision"]}"'}
    )

    assert (late.status_code, late.json()["code"]) == (412, "changed_since")
    assert late.json()["current"]["name"] == "CT 二室"
    assert admin.get("/api/v1/session").json()["user"]["name"] in late.json()["detail"]
    assert repeated.status_code == 200, "what it says already may be said again"
    assert (meant.status_code, meant.json()["name"]) == (200, "CT 三室")


@pytest.mark.parametrize("path", PATHS)
def test_every_line_of_every_table_says_which_revision_it_is(admin: TestClient, county: County, path: str):
    for line in admin.get(f"/api/v1/{path}").json()["items"]:
        key = line.get("id") or line["code"]
        one = admin.get(f"/api/v1/{path}/{key}")
        assert one.headers["ETag"] == f'"{line["revision"]}"'
        unknown = admin.patch(f"/api/v1/{path}/{key}", json={}, headers={"If-Match": '"0123456789abcdef"'})
        assert unknown.status_code == 200, "nothing is changed, so nobody is in the way"
