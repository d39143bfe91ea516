import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from structlog.testing import capture_logs

from adapters.errors import Malformed, Unavailable
from gateway.web.edge import JSON_LIMIT_BYTES
from gateway.web.errors import Detailed
from worklists.drafts import DraftChanged
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound
from worklists.reading import (
    ReportIncomplete,
    TaskAlreadyClaimed,
    TaskState,
    TaskStateForbids,
    WriterCannotReview,
)


def raising(app: FastAPI, error: Exception) -> TestClient:
    @app.get("/api/v1/raise")
    def fail() -> None:
        raise error

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("task"), 404, "not_found"),
        (NotAllowed("reader"), 403, "not_allowed"),
        (Conflict("x"), 409, "conflict"),
        (TaskAlreadyClaimed(None, "李"), 409, "task_already_claimed"),  # type: ignore[arg-type]
        (TaskStateForbids(TaskState.SIGNED), 409, "task_state_forbids"),
        (WriterCannotReview(), 409, "writer_cannot_review"),
        (DraftChanged(None), 412, "draft_changed"),
        (ReportIncomplete("findings"), 422, "report_incomplete"),
        (Invalid("reason"), 422, "invalid"),
        (Malformed("no preamble"), 422, "malformed"),
        (Unavailable("object store"), 503, "unavailable"),
        (OperationalError("SELECT 1", {}, Exception()), 503, "unavailable"),
        (StaleDataError("version"), 409, "conflict"),
        (IntegrityError("INSERT", {}, Exception()), 409, "conflict"),
        (ZeroDivisionError("王五"), 500, "unforeseen"),
    ],
)
def test_each_error_has_its_answer(app: FastAPI, error: Exception, status: int, code: str):
    answer = raising(app, error).get("/api/v1/raise")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]
    assert ("retry-after" in answer.headers) == (status == 503)


def test_the_sentence_is_chinese_unless_english_is_preferred(app: FastAPI):
    client = raising(app, TaskAlreadyClaimed(None, "李"))  # type: ignore[arg-type]

    def ask(header: dict[str, str]) -> str:
        return client.get("/api/v1/raise", headers=header).json()["detail"]

    assert ask({}) == "该检查已由李领取。"
    assert "claimed by 李" in ask({"Accept-Language": "en-GB,en;q=0.9,zh;q=0.8"})
    assert ask({"Accept-Language": "fr, zh-CN;q=0.5"}) == "该检查已由李领取。"


def test_an_error_can_carry_members_and_headers(app: FastAPI):
    error = Detailed(DraftChanged(None), members={"current": {"revision": 3}}, headers={"ETag": '"3"'})
    answer = raising(app, error).get("/api/v1/raise")

    assert (answer.status_code, answer.json()["current"], answer.headers["etag"]) == (
        412,
        {"revision": 3},
        '"3"',
    )


def test_what_nobody_foresaw_is_logged_without_its_message(app: FastAPI):
    with capture_logs() as logs:
        answer = raising(app, ZeroDivisionError("王五 1950-01-01")).get("/api/v1/raise")

    assert answer.json()["code"] == "unforeseen"
    assert logs[0]["event"] == "request_failed" and logs[0]["error"] == "ZeroDivisionError"
    assert "王五" not in str(logs) and "王五" not in answer.text


def test_every_answer_carries_the_protecting_headers(anybody: TestClient):
    for path in ("/api/v1/session", "/no/such/page", "/api/v1/openapi.json"):
        headers = anybody.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
    assert anybody.get("/api/v1/session").headers["cache-control"] == "no-store"


def test_only_ohif_may_compile_code_and_use_blob_workers(anybody: TestClient):
    ohif = anybody.get("/ohif/viewer").headers["content-security-policy"]
    app = anybody.get("/app/").headers["content-security-policy"]

    assert "'wasm-unsafe-eval'" in ohif and "worker-src 'self' blob:" in ohif
    assert "eval" not in app
    assert "script-src 'self';" in app


def test_a_body_that_is_too_large_is_refused_by_its_length_and_by_counting(anybody: TestClient):
    headers = {"content-type": "application/json"}
    stated = anybody.post("/api/v1/session", content=b"x" * (JSON_LIMIT_BYTES + 1), headers=headers)
    counted = anybody.post("/api/v1/session", content=iter([b"x" * 100_000] * 12), headers=headers)

    for answer in (stated, counted):
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert "1 MB" in answer.json()["detail"]


def test_a_body_that_cannot_be_used_names_its_fields_and_not_their_content(anybody: TestClient):
    answer = anybody.post("/api/v1/session", json={"username": 5})

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"username", "password"}
    assert (
        anybody.post("/api/v1/session", content="{", headers={"content-type": "application/json"}).status_code
        == 422
    )


def test_unknown_addresses_and_methods_are_problems_too(anybody: TestClient):
    assert anybody.get("/api/v1/nothing").json()["code"] == "not_found"
    assert anybody.patch("/api/v1/session").json()["code"] == "method_not_allowed"
