"""What a person on duty is called to, on whichever page they are; and the roster that an administrator edits."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway.duty_calls import CALL
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS, schedule_standing
from tests.builders import County, waiting_task
from tests.conftest import Clock
from tests.gateway.web.work.conftest import Client
from worklists.directory import Kind

MINE = {name: TASKS[name] for name in ("watch_chest_pain", CALL)}


@pytest.fixture
def line(county: County) -> dict[str, Any]:
    return {"centre_id": str(county.ecg.id), "person_id": str(county.ecg_reader.id)}


def test_a_township_marks_chest_pain_and_who_is_on_duty_is_called_until_it_is_claimed(
    runtime: Runtime,
    client: Client,
    county: County,
    clock: Clock,
    line: dict[str, Any],
    audited: Callable[..., list[str]],
) -> None:
    assert client("admin").post("/api/v1/duty", json=line).status_code == 201
    with runtime.sessions.begin() as session:
        schedule_standing(session, runtime)
        task = waiting_task(session, county, kind=Kind.ECG, modality="ECG")
    marked = client("radiographer").patch(
        f"/api/v1/examinations/{task.examination_id}", json={"priority": "chest_pain"}
    )
    assert marked.status_code == 200
    reader = client("ecg_reader")
    [first, *_] = reader.get("/api/v1/worklist").json()["items"]
    assert (first["task_id"], first["priority"]) == (str(task.id), "chest_pain")
    sweep_once(runtime, MINE)
    assert reader.get("/api/v1/calls").json() == []

    clock.advance(seconds=181)
    sweep_once(runtime, MINE)

    [call] = reader.get("/api/v1/calls").json()
    assert (call["task"]["task_id"], call["task"]["patient"]["name"]) == (str(task.id), "仇明")
    assert client("wang").get("/api/v1/calls").json() == []
    assert "duty_called" in audited(task.examination_id)
    history = client("radiographer").get(f"/api/v1/examinations/{task.examination_id}").json()["history"]
    assert "duty_called" in [one["what"] for one in history]
    assert reader.post(f"/api/v1/tasks/{task.id}/claim").status_code == 200
    assert reader.get("/api/v1/calls").json() == []


def test_only_readers_are_called(client: Client) -> None:
    assert client("radiographer").get("/api/v1/calls").status_code == 403
    assert client("admin").get("/api/v1/calls").status_code == 403


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"weekdays": "8"}, "weekdays"),
        ({"weekdays": "Mon"}, "weekdays"),
        ({"begins": "8:00", "ends": "17:00"}, "begins"),
        ({"begins": "08:00"}, "ends"),
        ({"begins": "08:00", "ends": "08:00"}, "ends"),
        ({"begins": "08:00", "ends": "24:00"}, "ends"),
        ({"person_id": "00000000-0000-7000-8000-000000000000"}, "person_id"),
        ({"position": 0}, "position"),
    ],
)
def test_a_line_of_the_roster_that_makes_no_sense_is_refused(
    client: Client, line: dict[str, Any], fields: dict[str, Any], field: str
) -> None:
    answer = client("admin").post("/api/v1/duty", json={**line, **fields})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_somebody_who_could_not_claim_it_is_not_put_on_duty(
    client: Client, county: County, line: dict[str, Any]
) -> None:
    answer = client("admin").post("/api/v1/duty", json={**line, "person_id": str(county.wang.id)})

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["person_id"]


def test_a_centre_says_after_how_many_minutes(client: Client, county: County) -> None:
    path = f"/api/v1/centres/{county.ecg.id}"

    assert client("admin").get(path).json()["chest_pain_minutes"] == 3
    assert client("admin").patch(path, json={"chest_pain_minutes": 5}).json()["chest_pain_minutes"] == 5
    assert client("admin").patch(path, json={"chest_pain_minutes": 0}).status_code == 422
