import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway import accounts
from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from gateway.web.deps import COOKIE
from tests.conftest import Clock
from tests.gateway.web.conftest import County
from worklists.access import Wire
from worklists.directory import Person

PASSWORD = "correct horse battery"


@pytest.fixture
def signed(runtime: Runtime, county: County, anybody: TestClient) -> TestClient:
    """A client; the reader has a password."""
    hashed = accounts.hash_password(PASSWORD)
    with runtime.sessions.begin() as session:
        accounts.set_password(session, county.people["reader"], hashed, now=runtime.now())
    return anybody


def sign_in(client: TestClient, password: str = PASSWORD, username: str = "reader"):
    return client.post("/api/v1/session", json={"username": username, "password": password})


def failed_before(runtime: Runtime, subject: str, failed: int) -> None:
    with runtime.sessions.begin() as session:
        session.add(accounts.SignInFailures(subject=subject, failed=failed, failed_at=runtime.now()))


def actions(runtime: Runtime) -> list[str]:
    with runtime.reading() as session:
        return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_signing_in_answers_who_one_is_and_sets_a_protected_cookie(signed: TestClient, county: County):
    answer = sign_in(signed)

    assert answer.status_code == 200
    user = answer.json()["user"]
    assert (user["username"], user["institution"]["code"]) == ("reader", "H1")
    assert user["roles"] == [
        {
            "role": "reader",
            "centre": {"id": str(county.centre), "name": "影像诊断中心", "kind": "imaging"},
        }
    ]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie
    assert signed.get("/api/v1/session").json()["user"]["csrf_token"] == user["csrf_token"]


@pytest.mark.parametrize("username", ["reader", "nobody"])
def test_wrong_credentials_do_not_say_which_is_wrong(signed: TestClient, username: str):
    answer = sign_in(signed, "wrong", username)

    assert (answer.status_code, answer.json()["code"]) == (401, "wrong_credentials")


@pytest.mark.parametrize("username", ["reader", "nobody"])
def test_failures_lock_the_account_for_longer_each_time(
    signed: TestClient, runtime: Runtime, clock: Clock, username: str
):
    failed_before(runtime, f"account:{username}", accounts.ACCOUNT_TRIES - 1)
    assert sign_in(signed, "wrong", username).status_code == 401

    locked = sign_in(signed, PASSWORD, username)

    assert (locked.status_code, locked.json()["code"]) == (429, "locked_out")
    assert locked.headers["retry-after"] == "30"
    clock.advance(seconds=31)
    assert sign_in(signed, "wrong", username).status_code == 401
    assert sign_in(signed, PASSWORD, username).headers["retry-after"] == "60"


def test_the_right_password_after_the_delay_ends_the_lock(signed: TestClient, runtime: Runtime, clock: Clock):
    failed_before(runtime, "account:reader", accounts.ACCOUNT_TRIES - 1)
    sign_in(signed, "wrong")
    clock.advance(seconds=31)

    assert sign_in(signed).status_code == 200
    assert sign_in(signed, "wrong").status_code == 401


def test_many_failures_lock_the_address(signed: TestClient, runtime: Runtime):
    failed_before(runtime, "address:testclient", accounts.ADDRESS_TRIES - 1)
    sign_in(signed, "wrong", "nobody")

    assert sign_in(signed).status_code == 429


def test_somebody_disabled_cannot_sign_in_and_their_session_ends(
    signed: TestClient, runtime: Runtime, county: County
):
    sign_in(signed)
    with runtime.sessions.begin() as session:
        session.get_one(Person, county.people["reader"]).enabled = False

    assert signed.get("/api/v1/session").status_code == 401
    assert sign_in(signed).status_code == 401


def test_a_cookie_needs_the_csrf_token_and_a_bearer_token_does_not(signed: TestClient):
    token = sign_in(signed).json()["token"]

    refused = signed.delete("/api/v1/session")
    wrong = signed.delete("/api/v1/session", headers={"X-CSRF-Token": "wrong"})
    with_bearer = signed.delete("/api/v1/session", headers={"Authorization": f"Bearer {token}"})

    assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
    assert wrong.json()["code"] == "csrf"
    assert with_bearer.status_code == 204


def test_a_wrong_bearer_token_is_not_rescued_by_the_cookie(signed: TestClient):
    sign_in(signed)

    assert signed.get("/api/v1/session", headers={"Authorization": "Bearer gws_x"}).status_code == 401


def test_signing_out_ends_the_cookie_and_the_bearer_form(signed: TestClient):
    answer = sign_in(signed).json()
    bearer = {"Authorization": f"Bearer {answer['token']}"}
    signed.delete("/api/v1/session", headers={"X-CSRF-Token": answer["user"]["csrf_token"]})

    assert signed.get("/api/v1/session", headers=bearer).status_code == 401
    assert signed.get("/api/v1/session", headers={"Cookie": f"{COOKIE}={answer['token']}"}).status_code == 401


def test_a_session_ends_when_idle_and_after_a_day(signed: TestClient, clock: Clock):
    sign_in(signed)
    clock.advance(hours=7)
    assert signed.get("/api/v1/session").status_code == 200
    clock.advance(hours=8)
    assert signed.get("/api/v1/session").status_code == 401

    sign_in(signed)
    for _ in range(3):
        clock.advance(hours=7)
        assert signed.get("/api/v1/session").status_code == 200
    clock.advance(hours=3)
    assert signed.get("/api/v1/session").status_code == 401


def test_changing_the_password_proves_the_old_one_and_ends_other_sessions(signed: TestClient):
    csrf = sign_in(signed).json()["user"]["csrf_token"]
    headers = {"X-CSRF-Token": csrf}

    def change(current: str, new: str):
        body = {"current": current, "new": new}
        return signed.put("/api/v1/session/password", json=body, headers=headers)

    assert change("wrong", "another good one").json()["code"] == "wrong_credentials"
    assert change(PASSWORD, "short").json()["code"] == "password_too_weak"
    assert change(PASSWORD, "another good one").status_code == 204
    assert sign_in(signed).status_code == 401
    assert sign_in(signed, "another good one").status_code == 200


def test_signing_in_failing_and_leaving_are_audited(signed: TestClient, runtime: Runtime):
    sign_in(signed, "wrong")
    csrf = sign_in(signed).json()["user"]["csrf_token"]
    signed.delete("/api/v1/session", headers={"X-CSRF-Token": csrf})

    assert actions(runtime) == ["sign_in_failed", "signed_in", "signed_out"]


def test_a_lock_out_is_audited_once_and_not_for_each_try(signed: TestClient, runtime: Runtime):
    failed_before(runtime, "account:reader", accounts.ACCOUNT_TRIES - 1)
    sign_in(signed, "wrong")
    for _ in range(3):
        assert sign_in(signed).status_code == 429

    assert actions(runtime) == ["sign_in_locked_out"]


def test_only_hashes_of_secrets_are_stored(signed: TestClient, runtime: Runtime):
    token = sign_in(signed).json()["token"]

    with runtime.reading() as session:
        row = session.scalars(select(accounts.LoginSession)).one()
        credential = session.scalars(select(accounts.Credential)).one()
    assert token not in (row.token_hash, row.csrf_token)
    assert credential.password_hash.startswith("$argon2id$")


def test_a_machine_token_is_known_until_it_expires_and_is_no_person(
    signed: TestClient, runtime: Runtime, county: County, clock: Clock
):
    with runtime.sessions.begin() as session:
        token = accounts.issue_machine_token(
            session,
            name="edge",
            institution_id=county.township,
            wires=[Wire.UPLOAD],
            now=runtime.now(),
            expires_at=clock.time.replace(hour=23),
        )
    bearer = {"Authorization": f"Bearer {token}"}

    assert signed.get("/api/v1/session", headers=bearer).status_code == 403
    assert signed.get("/api/v1/institutions", headers=bearer).status_code == 403
    clock.advance(days=1)
    assert signed.get("/api/v1/session", headers=bearer).status_code == 401
