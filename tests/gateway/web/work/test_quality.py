"""Grades of what was made: one click by who reads it, seen by who made it, and a sheet of each month."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from adapters.xlsx import read_workbook
from gateway.runtime import Runtime
from tests.builders import County, waiting_task
from tests.gateway.web.work.conftest import Client
from worklists.base import COUNTY_TIME
from worklists.grading import seed_grade_reasons
from worklists.reading import ReadingTask


@pytest.fixture
def task(runtime: Runtime, county: County) -> ReadingTask:
    with runtime.sessions.begin() as session:
        seed_grade_reasons(session)
        made = waiting_task(session, county)
        session.expunge_all()
        return made


def say(who: TestClient, task: ReadingTask, grade: str, *reasons: str, note: str = "") -> Any:
    return who.post(
        f"/api/v1/tasks/{task.id}/grade", json={"grade": grade, "reasons": list(reasons), "note": note}
    )


def test_a_grade_is_seen_by_the_township_with_its_reasons(
    task: ReadingTask, client: Client, audited: Callable[..., list[str]]
) -> None:
    wang = client("wang")
    before = wang.get(f"/api/v1/tasks/{task.id}/grade").json()
    assert before["grade"] is None
    assert {"positioning", "exposure", "labelling"} <= {one["code"] for one in before["choices"]}
    assert not {"lead-off", "haemolysis", "gain"} & {one["code"] for one in before["choices"]}

    said = say(wang, task, "C", "positioning", "motion", note="请重拍")

    assert said.status_code == 200, said.text
    [row] = client("radiographer").get("/api/v1/examinations").json()["items"]
    assert row["quality"]["grade"] == "C"
    assert [one["name"] for one in row["quality"]["reasons"]] == ["体位不正", "运动伪影"]
    assert row["quality"]["note"] == "请重拍"
    detail = client("radiographer").get(f"/api/v1/examinations/{task.examination_id}").json()
    assert detail["quality"] == row["quality"]
    assert "image_graded" in [one["what"] for one in detail["history"]]
    assert audited(task.examination_id)[0] == "image_graded"


def test_the_last_grade_counts_and_the_first_stays(task: ReadingTask, client: Client) -> None:
    wang = client("wang")
    for grade, *reasons in (("C", "motion"), ("A",), ("B", "exposure")):
        assert say(wang, task, grade, *reasons).status_code == 200
    sheet = client("radiographer").get("/api/v1/quality/sheet", params={"month": _month(wang)}).json()

    assert (sheet["graded"], sheet["grades"]) == (1, {"A": 0, "B": 1, "C": 0})
    assert [(one["code"], one["count"]) for one in sheet["reasons"]] == [("exposure", 1)]


@pytest.mark.parametrize(
    ("grade", "reasons", "note"),
    [
        ("B", (), ""), ("C", (), " "), ("A", ("motion",), ""), ("B", ("nonsense",), ""), ("B", ("lead-off",), ""),
        ("B", ("motion", "motion"), ""), ("D", (), ""),
    ],
)  # fmt: skip
def test_a_grade_without_sense_is_refused(
    task: ReadingTask, client: Client, grade: str, reasons: tuple[str, ...], note: str
) -> None:
    assert say(client("wang"), task, grade, *reasons, note=note).status_code == 422


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("wang", 200), ("reviewer", 200), ("ecg_reader", 404), ("other_reader", 404), ("radiographer", 403),
        ("village_doctor", 403), ("it", 403), ("admin", 403), ("auditor", 403),
    ],
)  # fmt: skip
def test_who_may_grade(task: ReadingTask, client: Client, name: str, status: int) -> None:
    assert say(client(name), task, "A").status_code == status
    assert client(name).get(f"/api/v1/tasks/{task.id}/grade").status_code == status


def test_a_sheet_names_what_was_poor_and_an_administrators_names_nobody(
    task: ReadingTask, county: County, client: Client
) -> None:
    wang = client("wang")
    say(wang, task, "C", "positioning", note="左侧截断")
    asked = {"month": _month(wang), "institution": str(county.east.id)}

    own = client("radiographer").get("/api/v1/quality/sheet", params=asked).json()
    centres = client("reviewer").get("/api/v1/quality/sheet", params=asked).json()
    admins = client("admin").get("/api/v1/quality/sheet", params=asked).json()

    assert (own["grades"], own["shares"]["C"]) == ({"A": 0, "B": 0, "C": 1}, 1.0)
    assert own["poor"][0]["patient"]["name"] == "仇明"
    assert own["poor"][0]["task_id"] is None
    assert centres["poor"][0]["task_id"] == str(task.id)
    assert (admins["poor"][0]["patient"], admins["poor"][0]["note"]) == (None, "左侧截断")
    assert "仇明" not in client("admin").get("/api/v1/quality/sheet", params=asked).text
    assert client("west_radiographer").get("/api/v1/quality/sheet", params=asked).status_code == 404
    assert client("wang").get("/api/v1/quality/sheet", params=asked).status_code == 403
    assert [one["code"] for one in client("radiographer").get("/api/v1/quality/members").json()] == ["EAST"]


def test_a_sheet_goes_out_as_a_workbook(task: ReadingTask, client: Client) -> None:
    wang = client("wang")
    say(wang, task, "C", "positioning")
    asked = {"month": _month(wang), "format": "xlsx"}

    book = read_workbook(client("radiographer").get("/api/v1/quality/sheet", params=asked).content)

    assert book["图像质量"][4] == ["丙", "1", "100.0%"]
    assert book["原因"][1] == ["体位不正", "1"]
    assert book["丙级明细"][1][4:6] == ["仇明", "体位不正"]
    assert book["丙级明细"][1][0] == f"{_graded_at(wang):%Y-%m-%d %H:%M}"
    assert client("radiographer").get("/api/v1/quality/sheet", params={"month": "2026-13"}).status_code == 422


def _month(who: TestClient) -> str:
    return f"{_graded_at(who):%Y-%m}"


def _graded_at(who: TestClient) -> datetime:
    """As the county's clocks have it."""
    [one] = who.get("/api/v1/worklist").json()["items"]
    return datetime.fromisoformat(one["quality"]["graded_at"]).astimezone(COUNTY_TIME)
