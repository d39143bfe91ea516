"""Rules as data over HTTP, and what they make of a task: drafts, dry runs, hand-over, take-over, pauses."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from gateway.runtime import Runtime
from tests.builders import County, arrive, waiting_task
from tests.gateway.web.work.conftest import Client
from tests.rule_drafts import let_live
from worklists.base import new_id
from worklists.directory import Person, PersonRole, Role
from worklists.reading import ReadingTask

BOOK = "/api/v1/rules/assignment"


@pytest.fixture
def task_id(runtime: Runtime, county: County) -> uuid.UUID:
    with runtime.sessions.begin() as session:
        return waiting_task(session, county).id


def test_a_centre_begins_with_the_usual_rules_and_makes_them_its_own(
    runtime: Runtime, county: County, client: Client, task_id: uuid.UUID, audited: Callable[..., list[str]]
) -> None:
    head, centre = client("reviewer"), {"centre": str(county.imaging.id)}
    begun = head.get(BOOK, params=centre).json()
    assert (begun["items"], begun["in_force"]["mode"], begun["may_set"]) == ([], "pull", True)
    content = {
        **begun["in_force"],
        "mode": "both",
        "turnaround": [
            {"priority": one, "modality": "", "minutes": 45}
            for one in ("routine", "urgent", "critical", "chest_pain")
        ],
    }

    made = head.post(BOOK, params=centre, json={"content": content, "note": "全部 45 分钟"})
    assert made.status_code == 201, made.text
    version = made.json()["id"]
    early = let_live(head, f"{BOOK}/{version}")
    assert (early.status_code, early.json()["code"]) == (409, "rules_not_tried")
    tried = head.post(f"{BOOK}/{version}/dry-run").json()["dry_run"]
    assert (tried["tasks"], tried["sooner"], tried["later"]) == (1, 1, 0)
    assert let_live(head, f"{BOOK}/{version}").json()["state"] == "live"

    assert head.get(BOOK, params=centre).json()["in_force"] == content
    with runtime.sessions.begin() as session:
        examination = arrive(session, county)
        task = session.scalars(select(ReadingTask).where(ReadingTask.examination_id == examination.id)).one()
        assert task.due_at is not None
        assert (task.due_at - task.waiting_since).total_seconds() == 45 * 60
    assert [one for one in audited() if one.startswith("rules")] == [
        "rules_drafted", "rules_tried", "rules_went_live",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"mode": "shout"}, "mode"),
        ({"turnaround": []}, "turnaround"),
        ({"turnaround": [{"priority": "routine", "modality": "", "minutes": 0}]}, "turnaround.0.minutes"),
        ({"urgencies": [{"priority": "urgent"}]}, "urgencies.0.words"),
        ({"most_open": float(0)}, "most_open"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_cannot_be_used_is_named(
    county: County, client: Client, changed: dict[str, Any], field: str
) -> None:
    head, centre = client("reviewer"), {"centre": str(county.imaging.id)}
    content = {**head.get(BOOK, params=centre).json()["in_force"], **changed}

    answer = head.post(BOOK, params=centre, json={"content": content})

    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]


@pytest.mark.parametrize(("name", "status"), [("wang", 403), ("admin", 201), ("reviewer", 201), ("it", 403)])
def test_a_centres_book_is_edited_by_its_reviewers_and_administrators(
    county: County, client: Client, name: str, status: int
) -> None:
    answer = client(name).post(BOOK, params={"centre": str(county.imaging.id)}, json={})

    assert answer.status_code == status


def test_a_reviewer_edits_neither_another_centres_book_nor_the_countys(
    county: County, client: Client
) -> None:
    head = client("reviewer")

    assert head.post(BOOK, params={"centre": str(county.ecg.id)}, json={}).status_code == 403
    assert head.post("/api/v1/rules/routing", json={}).status_code == 403
    assert head.get("/api/v1/rules/nothing").status_code == 404
    assert client("admin").post("/api/v1/rules/routing", json={}).status_code == 201


def test_who_reviews_at_one_centre_and_reads_at_another_sets_the_rules_of_the_first_alone(
    runtime: Runtime, county: County, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        person = session.scalars(select(Person).where(Person.username == "reviewer")).one()
        role = PersonRole(id=new_id(), person_id=person.id, role=Role.READER, centre_id=county.ecg.id)
        session.add(role)
    head = client("reviewer")

    read = head.get(BOOK, params={"centre": str(county.ecg.id)})
    assert (read.status_code, read.json()["may_set"]) == (200, False)
    assert head.post(BOOK, params={"centre": str(county.ecg.id)}, json={}).status_code == 403
    assert head.get(BOOK, params={"centre": str(county.imaging.id)}).json()["may_set"] is True


def test_a_route_to_a_centre_of_another_kind_is_refused(county: County, client: Client) -> None:
    routes = [{"kind": "imaging", "centre": str(county.ecg.id)}]

    answer = client("admin").post(
        "/api/v1/rules/routing", json={"content": {"routes": routes, "overflows": []}}
    )

    assert [error["field"] for error in answer.json()["errors"]] == ["routes.0.centre"]


def test_a_task_is_handed_over_and_stands_first_with_whom_it_was_given(
    county: County, client: Client, task_id: uuid.UUID, audited: Callable[..., list[str]]
) -> None:
    wang, li = client("wang"), client("li")
    wang.post(f"/api/v1/tasks/{task_id}/claim")

    given = wang.post(
        f"/api/v1/tasks/{task_id}/hand-over", json={"to_person_id": str(county.li.id), "note": "请看左肺尖"}
    )

    assert given.status_code == 200, given.text
    [mine] = li.get("/api/v1/worklist", params={"assigned": "me"}).json()["items"]
    assert (mine["assigned_to"]["name"], mine["handed_over_by"]["name"], mine["hand_over_note"]) == (
        "李医师", "王医师", "请看左肺尖",
    )  # fmt: skip
    refused = wang.post(f"/api/v1/tasks/{task_id}/claim")
    assert (refused.status_code, refused.json()["code"]) == (409, "task_reserved")
    assert li.post(f"/api/v1/tasks/{task_id}/claim").status_code == 200
    assert wang.post(f"/api/v1/tasks/{task_id}/take-over", json={"reason": "急诊等结果"}).status_code == 200
    steps = [one for one in audited() if one in {"task_handed_over", "task_taken_over"}]
    assert steps == ["task_handed_over", "task_taken_over"]


def test_a_paused_task_says_why_and_goes_on(county: County, client: Client, task_id: uuid.UUID) -> None:
    wang = client("wang")
    wang.post(f"/api/v1/tasks/{task_id}/claim")

    paused = wang.post(f"/api/v1/tasks/{task_id}/pause", json={"reason": "等待既往影像"}).json()
    resumed = wang.post(f"/api/v1/tasks/{task_id}/resume").json()

    assert (paused["pause_reason"], resumed["pause_reason"], resumed["paused_at"]) == (
        "等待既往影像",
        "",
        None,
    )
