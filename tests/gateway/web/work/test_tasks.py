"""Reading over HTTP: claim, write, review, sign, and what others hear meanwhile."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.index import Instance
from gateway.runtime import Runtime
from gateway.work import Work
from tests.builders import NOW, County, late, signed_report, submitted_task, waiting_task
from tests.conftest import Clock
from tests.gateway.web.work.conftest import Client, index_instance
from worklists.directory import Kind
from worklists.reading import get_task
from worklists.reports import Report

TEXT = {"findings": "双肺野清晰。", "impression": "心肺膈未见明显异常。"}


@pytest.fixture
def task(runtime: Runtime, county: County) -> str:
    with runtime.sessions.begin() as session:
        row = waiting_task(session, county)
    index_instance(runtime, row.examination)
    return f"/api/v1/tasks/{row.id}"


def _submitted(client: Client, task: str) -> None:
    wang = client("wang")
    assert wang.post(f"{task}/claim").status_code == 200
    assert wang.put(f"{task}/report", json=TEXT).status_code == 200
    assert wang.post(f"{task}/submit").status_code == 200


def test_the_whole_way_from_claim_to_signature(runtime: Runtime, client: Client, task: str) -> None:
    _submitted(client, task)
    answer = client("reviewer").post(f"{task}/sign")

    assert answer.status_code == 200
    assert answer.json()["version"] == 1
    with runtime.sessions() as session:
        report = session.scalars(select(Report)).one()
        due = session.scalars(select(Work).where(Work.task == "render_report")).one()
        assert (str(report.id), due.subject) == (answer.json()["report_id"], str(report.id))
        assert '"sop_instance_uid":"1.2.3"' in report.manifest


def test_every_deed_is_audited_in_its_order_and_autosaves_are_not(
    client: Client, task: str, audited: Callable[..., list[str]]
) -> None:
    wang, reviewer = client("wang"), client("reviewer")
    wang.get(task)
    wang.get(task)  # the page reads again: still the same opening
    wang.post(f"{task}/claim")
    wang.post(f"{task}/renew")
    for _ in range(3):
        wang.put(f"{task}/report", json=TEXT)
    wang.post(f"{task}/submit")
    reviewer.post(f"{task}/reject", json={"reason": "请描述左肺门"})
    wang.post(f"{task}/submit")
    reviewer.post(f"{task}/sign")

    assert audited() == [
        "examination_opened", "task_claimed", "draft_begun", "report_submitted", "report_rejected",
        "report_submitted", "report_signed",
    ]  # fmt: skip


def test_who_comes_back_later_opens_it_again(
    client: Client, task: str, clock: Clock, audited: Callable[..., list[str]]
) -> None:
    wang = client("wang")
    wang.get(task)
    client("li").get(task)
    clock.advance(minutes=16)
    wang.get(task)

    assert audited() == ["examination_opened"] * 3


def test_the_second_reader_is_told_who_has_it(client: Client, task: str) -> None:
    client("wang").post(f"{task}/claim")
    answer = client("li").post(f"{task}/claim")

    assert (answer.status_code, answer.json()["code"]) == (409, "task_already_claimed")
    assert "王医师" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def _at_once(deeds: list[Callable[[], Any]]) -> list[int]:
    statuses: list[int] = []
    barrier = threading.Barrier(len(deeds))

    def run(deed: Callable[[], Any]) -> None:
        barrier.wait()
        statuses.append(deed().status_code)

    threads = [threading.Thread(target=run, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(statuses)


def test_of_two_claims_at_once_one_wins_and_the_other_hears_its_name(client: Client, task: str) -> None:
    clients = [client("wang"), client("li")]

    assert _at_once([lambda one=one: one.post(f"{task}/claim") for one in clients]) == [200, 409]  # type: ignore[misc]


def test_of_two_signatures_at_once_one_stands(runtime: Runtime, client: Client, task: str) -> None:
    _submitted(client, task)
    clients = [client("reviewer"), client("reviewer")]

    assert _at_once([lambda one=one: one.post(f"{task}/sign") for one in clients]) == [200, 409]  # type: ignore[misc]
    with runtime.sessions() as session:
        assert len(session.scalars(select(Report)).all()) == 1


def test_a_draft_carries_its_revision_and_an_older_page_gets_the_newer_text(
    client: Client, task: str
) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")
    first = wang.put(f"{task}/report", json=TEXT, headers={"If-Match": '"0"'})
    second = wang.put(
        f"{task}/report", json=TEXT | {"findings": "新"}, headers={"If-Match": first.headers["etag"]}
    )
    stale = wang.put(
        f"{task}/report", json=TEXT | {"findings": "旧"}, headers={"If-Match": first.headers["etag"]}
    )

    assert (first.headers["etag"], first.json()["revision"], second.headers["etag"]) == ('"1"', 1, '"2"')
    assert (stale.status_code, stale.json()["code"]) == (412, "draft_changed")
    assert (stale.json()["current"]["findings"], stale.json()["current"]["revision"]) == ("新", 2)
    assert wang.get(task).json()["draft"]["findings"] == "新"


def _shown(client: Client, who: str, task: str) -> dict[str, str]:
    """The header with which a page says which text it shows."""
    return {"If-Match": f'"{client(who).get(task).json()["draft"]["revision"]}"'}


@pytest.mark.parametrize("verb", ["sign", "reject"])
def test_a_reviewer_decides_only_about_the_text_that_was_shown(
    runtime: Runtime, client: Client, task: str, verb: str
) -> None:
    _submitted(client, task)
    seen, reviewer = _shown(client, "reviewer", task), client("reviewer")
    client("reviewer").post(f"{task}/reject", json={"reason": "请描述左肺门"})
    client("wang").put(f"{task}/report", json=TEXT | {"findings": "左肺门增大。"})
    client("wang").post(f"{task}/submit")
    stale = reviewer.post(f"{task}/{verb}", json={"reason": "x"}, headers=seen)

    assert (stale.status_code, stale.json()["code"]) == (412, "draft_changed")
    assert stale.json()["current"]["findings"] == "左肺门增大。"
    assert reviewer.get(task).json()["task"]["state"] == "submitted"
    with runtime.sessions() as session:
        assert session.scalars(select(Report)).all() == []
    newer = {"If-Match": f'"{stale.json()["current"]["revision"]}"'}
    assert reviewer.post(f"{task}/{verb}", json={"reason": "x"}, headers=newer).status_code == 200


def test_a_writer_hands_on_only_the_text_that_was_shown(client: Client, task: str) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")
    wang.put(f"{task}/report", json=TEXT)
    seen = _shown(client, "wang", task)
    wang.put(f"{task}/report", json=TEXT | {"findings": "在另一窗口改过。"})
    stale = wang.post(f"{task}/submit", headers=seen)

    assert (stale.status_code, stale.json()["current"]["findings"]) == (412, "在另一窗口改过。")
    assert wang.post(f"{task}/submit", headers=_shown(client, "wang", task)).status_code == 200


def test_submitting_and_rejecting_tell_the_new_revision(client: Client, task: str) -> None:
    wang, reviewer = client("wang"), client("reviewer")
    wang.post(f"{task}/claim")
    saved = wang.put(f"{task}/report", json=TEXT).json()["revision"]
    submitted = wang.post(f"{task}/submit", headers={"If-Match": f'"{saved}"'}).json()["draft_revision"]
    rejected = reviewer.post(
        f"{task}/reject", json={"reason": "x"}, headers={"If-Match": f'"{submitted}"'}
    ).json()["draft_revision"]

    assert saved < submitted < rejected
    assert wang.post(f"{task}/submit", headers={"If-Match": f'"{rejected}"'}).status_code == 200


def test_before_the_first_save_the_shown_revision_is_none_at_all(client: Client, task: str) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")

    assert wang.post(f"{task}/submit", headers={"If-Match": '"0"'}).json()["code"] == "report_incomplete"
    wang.put(f"{task}/report", json=TEXT)
    assert wang.post(f"{task}/submit", headers={"If-Match": '"0"'}).status_code == 412


def test_an_if_match_that_is_no_revision_is_refused(client: Client, task: str) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")
    answer = wang.put(f"{task}/report", json=TEXT, headers={"If-Match": '"abc"'})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "If-Match")


def test_the_detail_says_what_one_may_do(client: Client, task: str) -> None:
    def permissions(who: str) -> set[str]:
        return {name for name, may in client(who).get(task).json()["permissions"].items() if may}

    assert permissions("wang") == {"claim"}
    client("wang").post(f"{task}/claim")
    assert permissions("wang") == {"release", "edit", "submit", "send_back", "hand_over", "pause"}
    assert permissions("li") == {"take_over"}
    client("wang").put(f"{task}/report", json=TEXT)
    client("wang").post(f"{task}/submit")
    assert permissions("wang") == set()
    assert permissions("reviewer") == {"edit", "reject", "sign"}


def test_the_writer_cannot_sign(client: Client, task: str) -> None:
    _submitted(client, task)
    answer = client("wang").post(f"{task}/sign")

    assert (answer.status_code, answer.json()["code"]) == (409, "writer_cannot_review")


def test_a_report_without_impression_is_not_handed_on(client: Client, task: str) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")
    wang.put(f"{task}/report", json={"findings": "x"})
    answer = wang.post(f"{task}/submit")

    assert (answer.status_code, answer.json()["code"]) == (422, "report_incomplete")
    assert answer.json()["errors"][0]["field"] == "impression"


def test_a_rejection_is_shown_to_the_writer(client: Client, task: str) -> None:
    _submitted(client, task)
    client("reviewer").post(f"{task}/reject", json={"reason": "请描述左肺门"})
    rejection = client("wang").get(task).json()["rejection"]

    assert (rejection["reason"], rejection["by"]["name"]) == ("请描述左肺门", "周主任")


def test_sending_back_needs_a_reason_and_shows_it(client: Client, task: str) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")
    blank = wang.post(f"{task}/send-back", json={"reason": " "})
    sent = wang.post(f"{task}/send-back", json={"reason": "移动伪影"})

    assert (blank.status_code, sent.json()["state"]) == (422, "sent_back")
    item = client("radiographer").get("/api/v1/examinations").json()["items"][0]
    assert (item["state"], item["sent_back_reason"]) == ("sent_back", "移动伪影")


def test_a_lease_that_ran_out_is_anybodys(client: Client, task: str, clock: Clock) -> None:
    client("wang").post(f"{task}/claim")
    clock.advance(minutes=14)
    assert client("wang").post(f"{task}/renew").status_code == 200
    clock.advance(minutes=14)
    assert client("li").post(f"{task}/claim").status_code == 409
    clock.advance(minutes=2)
    assert client("li").post(f"{task}/claim").json()["claimed_by"]["name"] == "李医师"
    assert client("wang").post(f"{task}/renew").json()["code"] == "task_already_claimed"


def test_late_images_are_confirmed_before_the_report_goes_on(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    wang = client("wang")
    wang.post(f"{task}/claim")
    wang.put(f"{task}/report", json=TEXT)
    with runtime.sessions.begin() as session:
        row = get_task(session, UUID(task.rpartition("/")[2]))
        late(session, county, row.examination, instances=3)

    assert wang.get(task).json()["task"]["late_instances"] == 3
    assert wang.post(f"{task}/submit").json()["errors"][0]["field"] == "late_instances"
    assert wang.post(f"{task}/confirm-late").json()["late_instances"] == 0
    assert wang.post(f"{task}/submit").status_code == 200


def test_priors_of_every_kind_are_shown_while_the_task_is_held(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    with runtime.sessions.begin() as session:
        signed_report(session, county, first_received_at=NOW - timedelta(days=9))
        waiting_task(session, county, kind=Kind.ECG, first_received_at=NOW - timedelta(days=5))
    wang = client("wang")
    before = wang.get(task).json()["priors"]
    wang.post(f"{task}/claim")
    after = wang.get(task).json()["priors"]

    assert [prior["kind"] for prior in before] == ["imaging"]
    assert [prior["kind"] for prior in after] == ["ecg", "imaging"]
    assert after[1]["report"]["impression"] == "心肺膈未见明显异常。"
    assert after[0]["report"] is None


def test_another_centres_task_is_not_there_even_when_its_examination_is_a_prior(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    with runtime.sessions.begin() as session:
        other = waiting_task(session, county, kind=Kind.ECG)
    wang = client("wang")
    wang.post(f"{task}/claim")

    assert wang.get(f"/api/v1/examinations/{other.examination_id}").status_code == 200
    assert wang.get(f"/api/v1/tasks/{other.id}").status_code == 404
    assert wang.post(f"/api/v1/tasks/{other.id}/claim").status_code == 404


def test_signing_counts_only_the_current_version_of_what_was_read(
    runtime: Runtime, client: Client, county: County
) -> None:
    with runtime.sessions.begin() as session:
        row = submitted_task(session, county)
    index_instance(runtime, row.examination, "1.2.9")
    with runtime.sessions.begin() as session:
        session.scalars(select(Instance)).one().current = False
    answer = client("reviewer").post(f"/api/v1/tasks/{row.id}/sign")

    assert answer.status_code == 200
    with runtime.sessions() as session:
        assert '"originals":[]' in session.scalars(select(Report)).one().manifest


def test_the_audit_names_who_and_from_where(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    client("wang").post(f"{task}/claim")
    with runtime.sessions() as session:
        event = session.scalars(select(AuditEvent)).one()

    assert (event.person_id, event.actor, event.institution_id) == (county.wang.id, "wang", county.lead.id)
    assert event.address == "testclient"
