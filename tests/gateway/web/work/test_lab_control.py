"""Quality control over HTTP: who sees which bench, the chart, release and exclusion, targets from the last results."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS
from tests.builders import County
from tests.gateway.lab.saying import file, message, result, specimen
from tests.gateway.web.work.conftest import Client
from tests.laboratory import NOW, Laboratory, build_laboratory, control_material, register
from worklists.laboratory.results import LabResult, Verification

CONTROL = "/api/v1/lab/control"
ON = str(NOW.date())


@pytest.fixture
def lab(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        return build_laboratory(session, county)


def run_control(
    runtime: Runtime, lab: Laboratory, value: str, *, minutes: float, level: str = "QC-1"
) -> None:
    at = NOW + timedelta(minutes=minutes)
    file(runtime, lab.bench, message(specimen(level, result("WBC", value, observed_at=at))), minutes=minutes)


def run_patient(runtime: Runtime, county: County, lab: Laboratory, barcode: str, *, minutes: float) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, barcode, items=["WBC"])
    at = NOW + timedelta(minutes=minutes)
    file(
        runtime, lab.bench, message(specimen(barcode, result("WBC", "6.1", observed_at=at))), minutes=minutes
    )


def chart(person: TestClient, lab: Laboratory, item: str = "WBC") -> Any:
    asked = {
        "device_id": str(lab.bench.id), "item_code": item,
        "from": (NOW - timedelta(days=1)).isoformat(), "to": (NOW + timedelta(days=2)).isoformat(),
    }  # fmt: skip
    return person.get(CONTROL, params=asked)


def verifications(runtime: Runtime) -> list[Verification]:
    with runtime.reading() as session:
        return [one.verification for one in session.query(LabResult).order_by(LabResult.observed_at)]


def test_out_of_control_holds_back_and_a_named_release_lets_through(
    runtime: Runtime, county: County, lab: Laboratory, client: Client, audited: Callable[..., list[str]]
) -> None:
    with runtime.sessions.begin() as session:
        control_material(session, lab.bench, every_hours=24)
    run_control(runtime, lab, "6.1", minutes=0)
    run_patient(runtime, county, lab, "B001", minutes=10)
    assert verifications(runtime) == [Verification.AUTOMATIC]

    run_control(runtime, lab, "6.7", minutes=20)
    assert verifications(runtime) == [Verification.WAITING]
    shown = chart(client("lab"), lab).json()
    assert [(one["verdict"], one["rules"]) for one in shown["results"]] == [
        ("in_control", []), ("out_of_control", ["1_2s", "1_3s"]),
    ]  # fmt: skip
    assert (shown["held_back"], shown["may_decide"], shown["may_set"]) == (1, True, False)

    path = f"{CONTROL}/results/{shown['results'][1]['id']}"
    assert client("radiographer").post(f"{path}/release", json={"reason": "x"}).status_code == 403
    assert client("wang").post(f"{path}/release", json={"reason": "x"}).status_code == 403
    assert client("lab").post(f"{path}/release", json={"reason": " "}).status_code == 422
    answer = client("lab").post(f"{path}/release", json={"reason": "更换试剂后重测合格"})
    assert answer.status_code == 200, answer.text
    released = answer.json()
    assert (released["to_judge"], released["result"]["released_by"]["name"]) == (1, "郑检验")
    assert verifications(runtime) == [Verification.WAITING]  # the rules look at it as work for later
    sweep_once(runtime, TASKS)
    assert verifications(runtime) == [Verification.AUTOMATIC]
    assert "lab_results_judged" in audited()
    again = client("lab").post(f"{path}/release", json={"reason": "再次"})
    assert (again.status_code, again.json()["code"]) == (409, "not_out_of_control")
    assert "control_released" in audited()


def test_an_excluded_result_counts_no_more_and_can_count_again(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        control_material(session, lab.bench)
    run_control(runtime, lab, "6.7", minutes=0)
    run_patient(runtime, county, lab, "B001", minutes=10)
    [bad] = chart(client("lab"), lab).json()["results"]
    path = f"{CONTROL}/results/{bad['id']}"

    out = client("lab").post(f"{path}/exclude", json={"reason": "质控品复溶错误"})
    assert (out.status_code, out.json()["result"]["excluded"], out.json()["to_judge"]) == (200, True, 1)
    sweep_once(runtime, TASKS)
    assert verifications(runtime) == [Verification.AUTOMATIC]
    back = client("lab").post(f"{path}/exclude", json={"reason": "误操作", "excluded": False})
    assert (back.json()["result"]["excluded"], back.json()["held_back"]) == (False, 1)
    assert verifications(runtime) == [Verification.WAITING]
    said = client("radiographer").post(f"{path}/comment", json={"comment": "已更换试剂"})
    assert (said.status_code, said.json()["result"]["comment"]) == (200, "已更换试剂")


def test_each_sees_the_benches_that_are_theirs(
    runtime: Runtime, county: County, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        control_material(session, lab.bench)
        control_material(session, lab.county_bench)

    def seen(username: str) -> int:
        return len(client(username).get(f"{CONTROL}/overview").json()["items"])

    assert {name: seen(name) for name in ("lab", "lab_head", "radiographer", "west_radiographer", "wang")} == {
        "lab": 2, "lab_head": 2, "radiographer": 1, "west_radiographer": 0, "wang": 0,
    }  # fmt: skip
    assert chart(client("west_radiographer"), lab).status_code == 404
    assert chart(client("wang"), lab).status_code == 404
    assert chart(client("it"), lab).status_code == 403
    assert chart(client("lab"), lab, "NONE").status_code == 404


def test_the_overview_says_where_an_analyser_stands(
    runtime: Runtime, lab: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        control_material(session, lab.bench)
        control_material(session, lab.bench, level="2", every_hours=24, mean=12, sd=0.5)
        control_material(session, lab.bench, item_code="PLT", mean=200, sd=10)
    run_control(runtime, lab, "6.5", minutes=-1)
    file(runtime, lab.bench, message(specimen("QC-1", result("HGB", "131", observed_at=NOW))))

    shown = client("lab").get(f"{CONTROL}/overview").json()
    states = {(one["item"]["code"], one["level"]): one["state"] for one in shown["items"]}
    assert states == {
        ("WBC", "1"): "warning",
        ("WBC", "2"): "missing",
        ("PLT", "1"): "never_run",
        ("HGB", "1"): "no_target",
    }
    assert shown["counts"] == {"warning": 1, "missing": 1, "never_run": 1, "no_target": 1}


def test_a_target_comes_from_the_last_results_by_a_person_s_word(
    runtime: Runtime, lab: Laboratory, client: Client
) -> None:
    for place, value in enumerate(["5.9", "6.0", "6.1", "6.0", "9.0"]):
        run_control(runtime, lab, value, minutes=place)
    results = chart(client("lab"), lab).json()["results"]
    assert {one["verdict"] for one in results} == {"unknown"}
    wrong = results[-1]["id"]
    client("lab").post(f"{CONTROL}/results/{wrong}/exclude", json={"reason": "加错"})

    asked = {"device_id": str(lab.bench.id), "item_code": "WBC", "level": "1", "lot": "L1"}
    proposal = client("lab_head").get(f"{CONTROL}/proposal", params=asked).json()
    assert (proposal["count"], proposal["enough"]) == (4, False)
    assert (round(proposal["mean"], 4), round(proposal["sd"], 4)) == (6.0, 0.0816)

    body = {**asked, "mean": 6.0, "sd": 0.08, "valid_from": ON}
    assert client("lab").post(f"{CONTROL}/materials", json=body).status_code == 403
    made = client("lab_head").post(f"{CONTROL}/materials", json=body)
    assert made.status_code == 201, made.text
    assert [one["verdict"] for one in chart(client("lab"), lab).json()["results"]] == [
        "in_control", "in_control", "in_control", "in_control", "out_of_control",
    ]  # fmt: skip
    assert client("lab_head").post(f"{CONTROL}/materials", json=body).status_code == 409

    path = f"{CONTROL}/materials/{made.json()['id']}"
    assert client("lab_head").patch(path, json={"sd": 0}).status_code == 422
    changed = client("lab_head").patch(path, json={"sd": 0.1, "every_hours": 24})
    assert (changed.json()["sd"], changed.json()["every_hours"]) == (0.1, 24)
    assert client("lab_head").patch(path, json={"every_hours": None}).json()["every_hours"] is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"sd": 0}, "sd"), ({"sd": -1}, "sd"), ({"level": " "}, "level"), ({"every_hours": 0}, "every_hours"),
        ({"valid_to": "2020-01-01"}, "valid_to"), ({"mean": None}, "mean"), ({"lot": "9" * 101}, "lot"),
    ],
)  # fmt: skip
def test_a_target_that_cannot_be_is_refused(
    lab: Laboratory, client: Client, fields: dict[str, Any], field: str
) -> None:
    body = {
        "device_id": str(lab.bench.id), "item_code": "WBC", "level": "1", "lot": "L1", "mean": 6, "sd": 0.2,
        "valid_from": ON, **fields,
    }  # fmt: skip
    answer = client("lab_head").post(f"{CONTROL}/materials", json=body)
    assert (answer.status_code, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
