"""Checks before the signature, preliminary reports at night, and what a reviewer changed, over HTTP."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from gateway.index import Record
from gateway.live import read_numbers
from gateway.runtime import Runtime
from tests.builders import NOW, County, waiting_task
from tests.conftest import Clock
from tests.gateway.web.work.conftest import Client, index_instance
from tests.rule_drafts import keep, let_live
from worklists.checking.book import CHECKING, default_checking
from worklists.examinations import Priority
from worklists.reports import Report
from worklists.reviewing import ReportDiscrepancy
from worklists.rule_books import RuleVersion, VersionState

SOUND = {"findings": "双肺野清晰。", "impression": "心肺膈未见明显异常。"}
WRONG_SIDE = {"findings": "左肺下野见斑片影。右肺野清晰。", "impression": "右肺下野炎症。"}
RIGHT_SIDE = {"findings": "左肺下野见斑片影。右肺野清晰。", "impression": "左肺下野炎症。"}
NIGHT = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # 23:00 of the county


@pytest.fixture
def task(runtime: Runtime, county: County) -> str:
    with runtime.sessions.begin() as session:
        row = waiting_task(session, county, priority=Priority.URGENT)
    index_instance(runtime, row.examination)
    return f"/api/v1/tasks/{row.id}"


@pytest.fixture
def nights(runtime: Runtime, county: County) -> None:
    """The imaging centre lets one reader sign at night what is urgent."""
    content = default_checking()
    content["preliminary"] |= {"allowed": True, "final_minutes": 600}
    live(runtime, county, content)


def live(runtime: Runtime, county: County, content: dict[str, Any]) -> None:
    with runtime.sessions.begin() as session:
        session.add(
            RuleVersion(
                book=CHECKING, scope=str(county.imaging.id), version=1, state=VersionState.LIVE, content=content,
                made_at=NOW, live_at=NOW, note="",
            )
        )  # fmt: skip


def write(client: Client, task: str, text: dict[str, Any], who: str = "wang") -> TestClient:
    caller = client(who)
    assert caller.post(f"{task}/claim").status_code == 200
    save(caller, task, text)
    return caller


def save(caller: TestClient, task: str, text: dict[str, Any]) -> dict[str, Any]:
    answer = caller.put(f"{task}/report", json=text)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def submitted(client: Client, task: str, text: dict[str, Any] = SOUND) -> None:
    assert write(client, task, text).post(f"{task}/submit").status_code == 200


def overriding(doubts: list[dict[str, Any]], reason: str = "已核对，无误") -> dict[str, Any]:
    return {"overrides": [{"key": one["key"], "reason": reason} for one in doubts]}


# checks


def test_a_check_names_the_place(client: Client, task: str) -> None:
    wang = write(client, task, WRONG_SIDE)

    answer = wang.post(f"{task}/check").json()

    [doubt] = answer["doubts"]
    assert (doubt["code"], doubt["section"], doubt["detail"]) == (
        "laterality_texts",
        "impression",
        {"elsewhere": "左肺"},
    )
    assert WRONG_SIDE["impression"][doubt["begin"] : doubt["end"]] == doubt["quoted"] == "右肺"
    assert "laterality_texts" in answer["reasoned"]
    assert answer["quick_reasons"]


def test_a_check_of_a_text_that_moved_on_is_told_so(client: Client, task: str) -> None:
    wang = write(client, task, WRONG_SIDE)

    answer = wang.post(f"{task}/check", headers={"If-Match": '"99"'})

    assert (answer.status_code, answer.json()["current"]["impression"]) == (412, WRONG_SIDE["impression"])


def test_what_is_doubted_is_not_handed_on_before_somebody_says_why_it_stands(
    client: Client, task: str, audited: Callable[..., list[str]]
) -> None:
    wang = write(client, task, WRONG_SIDE)
    refused = wang.post(f"{task}/submit")
    assert (refused.status_code, refused.json()["code"]) == (409, "report_doubted")
    doubts = refused.json()["doubts"]
    assert wang.get(task).json()["task"]["state"] == "claimed"

    without = wang.post(
        f"{task}/submit", json=overriding(doubts, "")
    )  # of this check the centre wants a reason
    assert without.json()["code"] == "report_doubted"
    assert wang.get(task).json()["overrides"] == []

    assert wang.post(f"{task}/submit", json=overriding(doubts)).status_code == 200
    assert "doubts_overridden" in audited()


def test_the_reviewer_sees_what_was_overridden_and_is_not_asked_again(client: Client, task: str) -> None:
    wang = write(client, task, WRONG_SIDE)
    wang.post(f"{task}/submit", json=overriding(wang.post(f"{task}/check").json()["doubts"]))
    head = client("reviewer")

    [seen] = head.get(task).json()["overrides"]
    assert (seen["code"], seen["quoted"], seen["reason"], seen["by"]["name"]) == (
        "laterality_texts", "右肺", "已核对，无误", "王医师",
    )  # fmt: skip
    signed = head.post(f"{task}/sign")
    assert signed.status_code == 200, signed.text

    review = head.get(f"/api/v1/reports/{signed.json()['report_id']}/review").json()
    assert [one["quoted"] for one in review["overrides"]] == ["右肺"]
    shown = client("radiographer").get(f"/api/v1/reports/{signed.json()['report_id']}").json()
    assert "overrides" not in shown


def test_what_the_reviewer_makes_wrong_is_doubted_too(client: Client, task: str) -> None:
    submitted(client, task, RIGHT_SIDE)
    head = client("reviewer")
    save(head, task, WRONG_SIDE)
    graded = {"discrepancy": {"grade": "minor", "category": "wording"}}

    refused = head.post(f"{task}/sign", json=graded)
    assert refused.json()["code"] == "report_doubted"

    said = overriding(refused.json()["doubts"]) | graded
    assert head.post(f"{task}/sign", json=said).status_code == 200


def test_what_needs_no_reason_is_overridden_without_one(client: Client, task: str) -> None:
    wang = write(client, task, {**SOUND, "findings": "双肺野清晰。。"})
    doubts = wang.post(f"{task}/submit").json()["doubts"]
    assert [one["code"] for one in doubts] == ["punctuation"]

    assert wang.post(f"{task}/submit", json=overriding(doubts, "")).status_code == 200


def test_an_image_that_came_after_the_words_is_said(runtime: Runtime, client: Client, task: str) -> None:
    wang = write(client, task, SOUND)
    with runtime.sessions.begin() as session:
        session.execute(update(Record).values(received_at=runtime.now() + timedelta(seconds=5)))

    assert [one["code"] for one in wang.post(f"{task}/check").json()["doubts"]] == ["stale"]


def test_a_centre_turns_checks_off_after_a_dry_run_over_its_reports(
    client: Client, county: County, task: str
) -> None:
    wang = write(client, task, WRONG_SIDE)
    wang.post(f"{task}/submit", json=overriding(wang.post(f"{task}/check").json()["doubts"]))
    head, base = client("reviewer"), "/api/v1/rules/checking"
    head.post(f"{task}/sign")
    book = head.get(base, params={"centre": str(county.imaging.id)}).json()
    assert book["may_set"]
    made = head.post(base, params={"centre": str(county.imaging.id)}, json={}).json()

    run = head.post(f"{base}/{made['id']}/dry-run").json()["dry_run"]

    assert (run["reports"], run["stopped"]) == (1, 1)
    [line] = run["checks"]
    assert (line["check"], line["reports"]) == ("laterality_texts", 1)
    assert line["examples"][0]["quoted"] == "右肺"

    content = made["content"]
    for one in content["checks"]:
        one["on"] = False
    assert keep(head, f"{base}/{made['id']}", content).status_code == 200
    assert head.post(f"{base}/{made['id']}/dry-run").json()["dry_run"]["stopped"] == 0
    assert let_live(head, f"{base}/{made['id']}").json()["state"] == "live"


def test_a_book_names_every_check_once(client: Client, county: County) -> None:
    content = default_checking()
    content["checks"] = content["checks"][1:] + content["checks"][-1:]
    content["preliminary"] |= {"allowed": True, "priorities": []}

    answer = client("reviewer").post(
        "/api/v1/rules/checking", params={"centre": str(county.imaging.id)}, json={"content": content}
    )

    fields = {one["field"] for one in answer.json()["errors"]}
    assert {"checks", "preliminary.priorities", "checks.10.check"} <= fields


# preliminary reports


def test_one_reader_signs_a_preliminary_report_at_night_and_a_second_makes_it_final(
    runtime: Runtime, client: Client, task: str, clock: Clock, nights: None
) -> None:
    clock.time = NIGHT
    wang = write(client, task, RIGHT_SIDE | {"preliminary": True})
    assert wang.get(task).json()["permissions"]["sign_preliminary"]

    first = wang.post(f"{task}/sign").json()

    assert (first["version"], first["preliminary"]) == (1, True)
    shown = wang.get(task).json()
    assert shown["task"]["state"] == "submitted"
    assert shown["task"]["preliminary_at"] is not None
    assert shown["task"]["due_at"] == "2026-11-22T01:00:00Z"
    report = client("li").get(f"/api/v1/reports/{first['report_id']}").json()
    assert (report["preliminary"], report["state"], report["marks"]) == (True, "signed", [])
    assert wang.post(f"{task}/sign").json()["code"] == "writer_cannot_review"

    counts = client("reviewer").get("/api/v1/worklist").json()["counts"]
    assert (counts["awaiting_final"], counts["final_overdue"]) == (1, 0)
    clock.time = NIGHT + timedelta(hours=11)
    head = client("reviewer")
    listed = head.get("/api/v1/worklist", params={"awaiting_final": True}).json()
    assert (len(listed["items"]), listed["counts"]["final_overdue"]) == (1, 1)

    final = head.post(f"{task}/sign").json()

    assert (final["version"], final["preliminary"]) == (2, False)
    after = head.get(f"/api/v1/reports/{final['report_id']}").json()
    assert after["amendment"] == {"kind": "final", "reason": "", "of_version": 1}
    assert head.get(f"/api/v1/reports/{first['report_id']}").json()["state"] == "superseded"
    assert head.get("/api/v1/worklist").json()["counts"]["awaiting_final"] == 0
    [row] = _discrepancies(runtime)
    assert (row.grade, row.changed) == ("none", False)


def test_a_final_report_that_says_something_else_is_graded_against_the_preliminary_one(
    runtime: Runtime, client: Client, task: str, clock: Clock, nights: None
) -> None:
    clock.time = NIGHT
    wang = write(client, task, SOUND | {"preliminary": True})
    first = wang.post(f"{task}/sign").json()["report_id"]
    head = client("reviewer")
    head.post(f"{task}/reject", json={"reason": "左肺下野"})
    save(wang, task, RIGHT_SIDE)
    assert wang.post(f"{task}/submit").status_code == 200  # it is his word again, and not what went out

    assert head.post(f"{task}/sign").json()["code"] == "grade_required"
    said = {"discrepancy": {"grade": "major", "category": "missed", "note": "左肺下野炎症漏诊"}}
    final = head.post(f"{task}/sign", json=said).json()

    [item] = wang.get("/api/v1/feedback").json()["items"]
    assert (item["grade"], item["of_preliminary"]) == ("major", True)
    pieces = client("reviewer").get(f"/api/v1/reports/{final['report_id']}/difference").json()
    assert (pieces["version"], pieces["before_version"]) == (2, 1)
    assert first != final["report_id"]


@pytest.mark.parametrize(
    ("at", "priority"),
    [
        (datetime(2026, 11, 21, 4, 0, tzinfo=UTC), Priority.URGENT),  # noon of the county
        (NIGHT, Priority.ROUTINE),
    ],
)
def test_by_day_or_of_what_can_wait_no_preliminary_report_is_signed(
    runtime: Runtime,
    client: Client,
    county: County,
    clock: Clock,
    nights: None,
    at: datetime,
    priority: Priority,
) -> None:
    with runtime.sessions.begin() as session:
        row = waiting_task(session, county, priority=priority)
    clock.time = at
    task = f"/api/v1/tasks/{row.id}"
    wang = write(client, task, SOUND | {"preliminary": True})

    assert not wang.get(task).json()["permissions"]["sign_preliminary"]
    answer = wang.post(f"{task}/sign")

    assert (answer.status_code, answer.json()["code"]) == (409, "preliminary_not_allowed")


def test_a_preliminary_report_that_is_void_waits_for_nobody(
    client: Client, task: str, clock: Clock, nights: None
) -> None:
    clock.time = NIGHT
    report = write(client, task, SOUND | {"preliminary": True}).post(f"{task}/sign").json()["report_id"]
    head = client("reviewer")

    said = head.post(f"/api/v1/reports/{report}/void", json={"reason": "患者有误", "after": "nothing"})

    assert said.status_code == 200
    assert head.get("/api/v1/worklist").json()["items"] == []
    assert head.get(task).json()["task"]["state"] == "cancelled"


def test_what_somebody_has_a_report_of_is_not_sent_back(
    client: Client, task: str, clock: Clock, nights: None
) -> None:
    clock.time = NIGHT
    wang = write(client, task, SOUND | {"preliminary": True})
    wang.post(f"{task}/sign")
    client("reviewer").post(f"{task}/reject", json={"reason": "补充"})

    assert not wang.get(task).json()["permissions"]["send_back"]
    assert wang.post(f"{task}/send-back", json={"reason": "重拍"}).status_code == 409


# a text that several have open


def _told(runtime: Runtime) -> int:
    """How often an open reading room was told to look again."""
    with runtime.reading() as session:
        return read_numbers(session).get("worklist", 0)


def test_a_correction_in_review_is_told_at_once_with_the_name_of_who_made_it(
    client: Client, task: str, runtime: Runtime
) -> None:
    submitted(client, task, RIGHT_SIDE)
    head, before = client("reviewer"), _told(runtime)

    for place, words in enumerate(("左肺下野炎症。", "左肺下野炎症，建议复查。"), 1):
        save(head, task, RIGHT_SIDE | {"impression": words})
        assert _told(runtime) == before + place

    draft = client("wang").get(task).json()["draft"]
    assert (draft["saved_by"]["name"], draft["writer"]["name"]) == ("周主任", "王医师")


def test_what_its_only_writer_types_makes_nobody_look_again_and_what_the_next_one_types_does(
    client: Client, task: str, runtime: Runtime
) -> None:
    wang = write(client, task, RIGHT_SIDE)
    before = _told(runtime)
    save(wang, task, RIGHT_SIDE | {"impression": "右肺下野炎症，建议复查。"})
    assert _told(runtime) == before

    li = client("li")
    assert li.post(f"{task}/take-over", json={"reason": "换班"}).status_code == 200
    before = _told(runtime)
    save(li, task, RIGHT_SIDE | {"impression": "右肺下野感染。"})
    assert _told(runtime) == before + 1
    assert wang.get(task).json()["draft"]["saved_by"]["name"] == "李医师"


# discrepancies


def _discrepancies(runtime: Runtime) -> list[ReportDiscrepancy]:
    with runtime.reading() as session:
        return list(session.scalars(select(ReportDiscrepancy)))


def test_the_reviewer_corrects_the_text_and_stays_its_reviewer(
    client: Client, task: str, clock: Clock, audited: Callable[..., list[str]]
) -> None:
    submitted(client, task, RIGHT_SIDE)
    head = client("reviewer")
    clock.advance(seconds=9)
    changed = RIGHT_SIDE | {"impression": "左肺下野炎症，建议复查。"}

    save(head, task, changed)
    save(head, task, changed)

    shown = head.get(task).json()
    assert (shown["draft"]["writer"]["name"], shown["permissions"]["sign"]) == ("王医师", True)
    assert shown["submission"]["impression"] == RIGHT_SIDE["impression"]
    assert audited().count("draft_corrected") == 1
    refused = head.post(f"{task}/sign")
    assert (refused.status_code, refused.json()["code"]) == (409, "grade_required")
    no_category = head.post(f"{task}/sign", json={"discrepancy": {"grade": "minor"}})
    assert (no_category.status_code, no_category.json()["errors"][0]["field"]) == (422, "category")

    said = {"discrepancy": {"grade": "minor", "category": "incomplete", "note": "补充复查建议"}}
    report = head.post(f"{task}/sign", json=said).json()["report_id"]

    signed = head.get(f"/api/v1/reports/{report}").json()
    assert (signed["writer"]["name"], signed["reviewer"]["name"]) == ("王医师", "周主任")
    assert signed["impression"] == changed["impression"]


def test_feedback_is_read_acknowledged_and_answered_by_its_writer(client: Client, task: str) -> None:
    submitted(client, task, RIGHT_SIDE)
    head, wang = client("reviewer"), client("wang")
    save(head, task, RIGHT_SIDE | {"impression": "左肺下野炎症，建议复查。"})
    said = {"discrepancy": {"grade": "minor", "category": "incomplete", "note": "补充复查建议"}}
    head.post(f"{task}/sign", json=said)

    answer = wang.get("/api/v1/feedback").json()
    [item] = answer["items"]
    assert answer["counts"]["unread"] == 1
    assert [one for one in item["impression"] if one["before"] != one["after"]] == [
        {"before": "", "after": "，建议复查"}
    ]
    assert (item["reviewer"]["name"], item["note"], item["acknowledged_at"]) == (
        "周主任",
        "补充复查建议",
        None,
    )
    path = f"/api/v1/feedback/{item['id']}/acknowledge"
    assert head.post(path, json={}).status_code == 403
    assert client("other_reader").post(path, json={}).status_code == 404

    assert wang.post(path, json={"reply": "同意，谢谢"}).json()["acknowledged_at"] is not None

    assert wang.get("/api/v1/feedback", params={"unread": True}).json()["items"] == []
    [given] = head.get("/api/v1/feedback", params={"whose": "given"}).json()["items"]
    assert given["reply"] == "同意，谢谢"


def test_a_report_signed_as_it_was_handed_on_is_counted_and_is_no_news(
    runtime: Runtime, client: Client, task: str
) -> None:
    submitted(client, task)
    assert client("reviewer").post(f"{task}/sign").status_code == 200

    [row] = _discrepancies(runtime)
    assert (row.grade, row.changed) == ("none", False)
    assert client("wang").get("/api/v1/feedback").json()["items"] == []


def test_a_writer_does_not_write_on_what_they_handed_on(client: Client, task: str) -> None:
    submitted(client, task)

    assert client("wang").put(f"{task}/report", json=RIGHT_SIDE).json()["code"] == "task_state_forbids"
    assert client("li").put(f"{task}/report", json=RIGHT_SIDE).status_code == 403


def test_a_discrepancy_is_kept_with_its_signature_or_not_at_all(
    runtime: Runtime, client: Client, task: str
) -> None:
    submitted(client, task, RIGHT_SIDE)
    head = client("reviewer")
    save(head, task, SOUND)

    assert head.post(f"{task}/sign").status_code == 409

    with runtime.reading() as session:
        assert session.scalars(select(Report)).all() == []
    assert _discrepancies(runtime) == []
