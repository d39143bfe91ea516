"""The content of an ECG report over HTTP: saved with its words, refused field by field, frozen at the signature."""

from typing import Any

import pytest

from gateway.runtime import Runtime
from tests.builders import County, add_role, waiting_task
from tests.gateway.web.work.conftest import Client, index_instance
from worklists.directory import Kind, Role
from worklists.ecg_statements import seed_statements

WORDS = {"findings": "窦性心律。", "impression": "正常心电图。"}
MEASURED = {"heart_rate_bpm": 75, "qt_ms": 400, "qtc_ms": 447, "qtc_formula": "bazett"}


@pytest.fixture
def task(runtime: Runtime, county: County) -> str:
    """An ECG at the ECG centre."""
    with runtime.sessions.begin() as session:
        seed_statements(session)
        add_role(session, session.merge(county.reviewer), Role.REVIEWER, county.ecg)
        row = waiting_task(session, county, kind=Kind.ECG, modality="ECG")
    index_instance(runtime, row.examination)
    return f"/api/v1/tasks/{row.id}"


@pytest.fixture
def reader(client: Client, task: str) -> Any:
    """Holds the task."""
    reader = client("ecg_reader")
    assert reader.post(f"{task}/claim").status_code == 200
    return reader


def test_content_is_saved_versioned_and_shown(reader: Any, task: str) -> None:
    content = {"measurements": MEASURED, "statements": ["sinus_rhythm", "normal_ecg"], "layout": "3x4"}
    saved = reader.put(f"{task}/report", json={**WORDS, "content": content}, headers={"If-Match": '"0"'})

    assert saved.status_code == 200, saved.text
    draft = reader.get(task).json()["draft"]
    assert draft["content"]["statements"] == ["sinus_rhythm", "normal_ecg"]
    assert draft["content"]["measurements"]["source"] == dict.fromkeys(
        ["heart_rate_bpm", "qt_ms", "qtc_ms"], "typed"
    )
    late = reader.put(
        f"{task}/report", json={**WORDS, "content": {"statements": []}}, headers={"If-Match": '"0"'}
    )
    assert late.status_code == 412
    assert late.json()["current"]["content"] == draft["content"]


def test_content_that_is_not_sent_stays_and_null_takes_it_away(reader: Any, task: str) -> None:
    reader.put(f"{task}/report", json={**WORDS, "content": {"statements": ["sinus_rhythm"]}})

    assert reader.put(f"{task}/report", json=WORDS).json()["content"]["statements"] == ["sinus_rhythm"]
    assert reader.put(f"{task}/report", json={**WORDS, "content": None}).json()["content"] is None


def test_a_qtc_that_contradicts_is_refused_with_what_it_should_be(reader: Any, task: str) -> None:
    content = {"measurements": {**MEASURED, "qtc_ms": 460}}
    answer = reader.put(
        f"{task}/report", json={**WORDS, "content": content}, headers={"Accept-Language": "en"}
    )

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {
            "field": "content.measurements.qtc_ms",
            "message": "It contradicts QT and rate: the formula gives 447 ms.",
        }
    ]
    assert reader.get(task).json()["draft"] is None


def test_every_wrong_field_is_named_at_once(reader: Any, task: str) -> None:
    content = {"measurements": {"heart_rate_bpm": 4000, "qrs_ms": "wide"}, "statements": ["made_up"]}
    errors = reader.put(f"{task}/report", json={**WORDS, "content": content}).json()["errors"]

    assert {error["field"] for error in errors} == {
        "content.measurements.heart_rate_bpm", "content.measurements.qrs_ms", "content.statements",
    }  # fmt: skip


def test_a_critical_statement_raises_the_flag_and_says_why(client: Client, reader: Any, task: str) -> None:
    content = {"statements": ["stemi_inferior"]}
    saved = reader.put(f"{task}/report", json={**WORDS, "critical": False, "content": content}).json()

    assert (saved["critical"], saved["critical_because"]) == (True, ["stemi_inferior"])
    assert reader.post(f"{task}/submit").status_code == 200
    signed = client("reviewer").post(f"{task}/sign").json()
    report = client("reviewer").get(f"/api/v1/reports/{signed['report_id']}").json()
    assert report["critical"] is True
    assert report["content"]["wording"] == [
        {
            "code": "stemi_inferior", "group": "st_t", "text": "急性下壁ST段抬高型心肌梗死", "critical": True,
            "text_en": "Acute inferior ST-elevation myocardial infarction",
        }
    ]  # fmt: skip


def test_statements_are_listed_in_the_order_of_practice_to_readers_only(client: Client, task: str) -> None:
    listed = client("ecg_reader").get("/api/v1/ecg/statements").json()

    assert (listed[0]["code"], listed[0]["initials"], listed[0]["normal"]) == ("sinus_rhythm", "dxxl", True)
    rule = next(one for one in listed if one["code"] == "qtc_over_500")
    assert (rule["measure"], rule["above"], rule["critical"]) == ("qtc_ms", 500, True)
    assert client("radiographer").get("/api/v1/ecg/statements").status_code == 403


def test_an_administrator_edits_a_statement_and_takes_it_back(client: Client, task: str) -> None:
    admin = client("admin")
    path = "/api/v1/ecg/catalogue/atrial_fibrillation"
    changed = admin.patch(path, json={"text": "房颤", "critical": True})

    assert changed.status_code == 200, changed.text
    assert (changed.json()["text"], changed.json()["initials"]) == ("房颤", "fc")
    [change] = admin.get("/api/v1/changes", params={"entity": "ecg_statement"}).json()["items"]
    assert change["before"] == {"text": "心房颤动", "initials": "xfcd", "critical": False}
    assert admin.post(f"/api/v1/changes/{change['id']}/undo").status_code == 200
    assert admin.get(path).json()["text"] == "心房颤动"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"measure": "qtc_ms"}, "above"),
        ({"above": 5}, "measure"),
        ({"measure": "mood", "above": 5}, "measure"),
        ({"measure": "pr_ms", "above": 300, "below": 200}, "below"),
        ({"critical": True, "normal": True}, "normal"),
        ({"code": "with blank"}, "code"),
        ({"text": ""}, "text"),
    ],
)
def test_a_statement_that_makes_no_sense_is_refused(
    client: Client, task: str, fields: dict[str, Any], field: str
) -> None:
    body = {"code": "county_own", "group": "rhythm", "text": "本县条目", **fields}
    answer = client("admin").post("/api/v1/ecg/catalogue", json=body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
