"""Rules of verification over HTTP: a draft is tried before it goes live, one is live, history stays."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS
from tests.builders import County
from tests.gateway.lab.saying import file, message, result, specimen
from tests.gateway.web.work.conftest import Client
from tests.laboratory import NOW, Laboratory, build_laboratory, register
from tests.rule_drafts import let_live, seen
from worklists.base import new_id
from worklists.directory import PersonRole, Role
from worklists.laboratory.results import LabResult, Verification

RULES = "/api/v1/rules/verification"


@pytest.fixture
def lab(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        return build_laboratory(session, county)


def draft(person: TestClient, *rules: dict[str, Any]) -> str:
    answer = person.post(RULES, json={"content": {"rules": list(rules)}, "note": "放宽范围"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def send(runtime: Runtime, county: County, lab: Laboratory, barcode: str, value: str) -> LabResult:
    with runtime.sessions.begin() as session:
        register(session, county, barcode, items=["WBC"])
    minutes = float(barcode)
    at = NOW + timedelta(minutes=minutes)
    file(
        runtime, lab.bench, message(specimen(barcode, result("WBC", value, observed_at=at))), minutes=minutes
    )
    with runtime.reading() as session:
        return session.query(LabResult).order_by(LabResult.id.desc()).limit(1).one()


def test_a_draft_is_tried_on_the_last_results_and_goes_live(
    runtime: Runtime, county: County, lab: Laboratory, client: Client, audited: Callable[..., list[str]]
) -> None:
    assert send(runtime, county, lab, "1", "9.9").verification is Verification.WAITING  # > 9.5
    assert send(runtime, county, lab, "2", "5.0").verification is Verification.AUTOMATIC
    head = client("lab_head")
    rules_id = draft(
        head, {"code": "range", "percent": 10}, {"code": "critical"}, {"code": "manual_item", "items": ["K"]}
    )

    early = let_live(head, f"{RULES}/{rules_id}")
    assert (early.status_code, early.json()["code"]) == (409, "rules_not_tried")
    tried = head.post(f"{RULES}/{rules_id}/dry-run").json()["dry_run"]
    assert (tried["results"], tried["released"], tried["was_released"], tried["newly_released"]) == (
        2,
        2,
        1,
        1,
    )
    [change] = tried["changes"]
    assert (change["value"], change["before"], change["after"]) == ("9.90", ["range"], [])

    live = let_live(head, f"{RULES}/{rules_id}").json()
    assert (live["state"], live["version"], live["live_by"]["name"]) == ("live", 2, "何主任")
    assert send(runtime, county, lab, "3", "9.9").verification is Verification.AUTOMATIC
    listed = head.get(RULES).json()["items"]
    assert [(one["version"], one["state"]) for one in listed] == [(2, "live"), (1, "retired")]
    assert head.get(f"{RULES}/{listed[1]['id']}").json()["content"]["rules"][0]["code"] == "range"
    assert [action for action in audited() if action.startswith("rules")] == [
        "rules_drafted", "rules_tried", "rules_went_live",
    ]  # fmt: skip


def test_what_waits_is_judged_anew_by_the_rules_that_went_live(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    near = send(runtime, county, lab, "1", "9.9")
    far = send(runtime, county, lab, "2", "25")
    handed_back = send(runtime, county, lab, "3", "9.8")
    with runtime.sessions.begin() as session:
        session.get_one(LabResult, handed_back.id).stops = [{"rule": "person", "detail": "再看看"}]
    head = client("lab_head")
    rules_id = draft(head, {"code": "range", "percent": 10})
    head.post(f"{RULES}/{rules_id}/dry-run")
    let_live(head, f"{RULES}/{rules_id}")
    assert head.get(RULES).json()["stand"]["to_judge"] == 3

    sweep_once(runtime, TASKS)

    assert head.get(RULES).json()["stand"]["to_judge"] == 0
    with runtime.reading() as session:
        found = [session.get_one(LabResult, one.id) for one in (near, far, handed_back)]
        noted = session.scalars(
            select(AuditEvent).where(AuditEvent.action == "lab_results_judged").order_by(AuditEvent.id)
        ).all()
    assert [(one.verification, one.rules_version) for one in found] == [
        (Verification.AUTOMATIC, 2), (Verification.WAITING, 2), (Verification.WAITING, 1),
    ]  # fmt: skip
    details = {one.examination_id: one.detail for one in noted}
    assert details == {
        near.examination_id: {
            "because": "rules", "rules_version": 2, "released": [str(near.id)], "waiting": 0,
        },
        far.examination_id: {"because": "rules", "rules_version": 2, "released": [], "waiting": 1},
    }  # fmt: skip


def test_a_dry_run_says_how_far_it_is(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    for number in range(1, 4):
        send(runtime, county, lab, str(number), "5.0")
    head = client("lab_head")
    rules_id = draft(head, {"code": "range"})
    asked = {"Accept": "application/x-ndjson"}
    answer = head.post(f"{RULES}/{rules_id}/dry-run", headers=asked)
    told = [json.loads(line) for line in answer.text.splitlines()]
    assert told[:-1] == [{"done": 0, "of": 3}, {"done": 3, "of": 3}]
    assert told[-1]["rules"]["dry_run"]["results"] == 3
    let_live(head, f"{RULES}/{rules_id}")
    assert head.post(f"{RULES}/{rules_id}/dry-run", headers=asked).status_code == 409


def test_a_changed_draft_is_tried_again_and_history_is_not_changed(lab: Laboratory, client: Client) -> None:
    head = client("lab_head")
    rules_id = draft(head, {"code": "range"})
    head.post(f"{RULES}/{rules_id}/dry-run")
    body = {"content": {"rules": [{"code": "range", "percent": 5}]}, "note": "n"}
    changed = head.put(f"{RULES}/{rules_id}", json=body, headers=seen(head, f"{RULES}/{rules_id}")).json()
    assert (changed["dry_run"], changed["content"]["rules"][0]["percent"]) == (None, 5.0)

    head.post(f"{RULES}/{rules_id}/dry-run")
    let_live(head, f"{RULES}/{rules_id}")
    for answer in (
        head.put(f"{RULES}/{rules_id}", json=body, headers=seen(head, f"{RULES}/{rules_id}")),
        head.post(f"{RULES}/{rules_id}/dry-run"),
        let_live(head, f"{RULES}/{rules_id}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "rules_not_a_draft")


def test_a_draft_without_a_content_begins_as_the_live_rules_are(lab: Laboratory, client: Client) -> None:
    made = client("admin").post(RULES, json={"note": "从现行规则开始"})
    assert made.status_code == 201
    assert [one["code"] for one in made.json()["content"]["rules"]][:2] == ["range", "critical"]


def test_what_cannot_be_a_rule_is_refused_by_its_field(lab: Laboratory, client: Client) -> None:
    body = {"content": {"rules": [{"code": "range"}, {"code": "delta", "items": ["NONE"]}]}}
    answer = client("lab_head").post(RULES, json=body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "rules.1.items")


@pytest.mark.parametrize(
    ("username", "reads", "writes"),
    [("lab_head", 200, 201), ("admin", 200, 201), ("lab", 200, 403), ("wang", 403, 403), ("reviewer", 403, 403),
     ("radiographer", 403, 403), ("it", 403, 403)],
)  # fmt: skip
def test_rules_are_the_laboratory_s(
    lab: Laboratory, client: Client, username: str, reads: int, writes: int
) -> None:
    person = client(username)
    assert person.get(RULES).status_code == reads
    assert person.post(RULES, json={"note": ""}).status_code == writes


def test_who_reads_in_the_laboratory_and_reviews_elsewhere_sets_none_of_its_rules(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        session.add(
            PersonRole(id=new_id(), person_id=lab.reader.id, role=Role.REVIEWER, centre_id=county.imaging.id)
        )
    person = client("lab")
    assert person.get(RULES).json()["may_set"] is False
    assert person.post(RULES, json={"note": ""}).status_code == 403
