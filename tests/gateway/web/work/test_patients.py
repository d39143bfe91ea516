"""The patient index over HTTP: who is asked, both sides, confirm, refuse, merge, separate, history, search."""

from collections.abc import Callable
from typing import Any

import pytest

from gateway import matching
from gateway.runtime import Runtime
from tests.builders import NOW, County, arrive, identity, task_of, waiting_task
from tests.gateway.web.work.conftest import Client
from worklists.base import new_id
from worklists.directory import Agreement, Institution

CARD = "110105197903040017"


@pytest.fixture
def two(runtime: Runtime, county: County) -> dict[str, Any]:
    """仇明 at the eastern township and, by name only, at another one that the same hospital reads for."""
    with runtime.sessions.begin() as session:
        south = Institution(
            id=new_id(), code="SOUTH", name="城南镇卫生院", kind="township", lead_id=county.lead.id
        )
        session.add(south)
        session.flush()
        session.add(
            Agreement(
                id=new_id(), lead_id=county.lead.id, member_id=south.id, kind=None, valid_from=NOW.date()
            )
        )
        session.flush()
        east = waiting_task(session, county, patient=identity(national_id=CARD))
        other = waiting_task(
            session, county, institution_id=south.id, device_id=None,
            patient=identity(patient_id="S9", name="QIU^MING", phone="13800001234"),
        )  # fmt: skip
        found = {
            "east": str(east.examination.patient_id), "south": str(other.examination.patient_id),
            "east_task": str(east.id), "south_examination": str(other.examination_id),
        }  # fmt: skip
    while matching.match_new(runtime):
        pass
    return found


def _proposals(client: Client, who: str = "reviewer", **params: Any) -> list[dict[str, Any]]:
    answer = client(who).get("/api/v1/patients/proposals", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def _decide(
    client: Client, item: dict[str, Any], deed: str, reason: str = "电话核对", who: str = "reviewer"
) -> Any:
    return client(who).post(f"/api/v1/patients/proposals/{item['id']}/{deed}", json={"reason": reason})


def test_both_sides_are_shown_with_what_agrees(client: Client, two: dict[str, Any]) -> None:
    (item,) = _proposals(client)

    assert (item["rule"], item["conflict"], item["linked"]) == ("pinyin", False, False)
    assert item["rule_text"] == "姓名读音、性别、出生日期一致"
    assert (item["agreement"]["name"], item["agreement"]["birth_date"]) == ("alike", "same")
    sides = {side["site"]["code"]: side for side in item["sides"]}
    assert (sides["EAST"]["name"], sides["EAST"]["card"]) == ("仇明", "110105********0017")
    assert (sides["SOUTH"]["name"], sides["SOUTH"]["phone"]) == ("QIU MING", "13800001234")
    counts = client("reviewer").get("/api/v1/patients/proposals").json()["counts"]
    assert counts == {"proposals": 1, "conflicts": 0}


@pytest.mark.parametrize("who", ["radiographer", "west_radiographer"])
def test_a_township_sees_no_pair_of_which_one_side_is_anothers(
    client: Client, two: dict[str, Any], who: str
) -> None:
    assert _proposals(client, who) == []
    assert client(who).get(f"/api/v1/patients/{two['south']}").status_code == 404
    assert client(who).get("/api/v1/patients", params={"q": "qiuming"}).status_code == 200


@pytest.mark.parametrize("who", ["wang", "village_doctor", "it", "admin", "auditor"])
def test_nobody_else_is_asked(client: Client, two: dict[str, Any], who: str) -> None:
    for path in ("/proposals", f"/{two['east']}", "?q=qiuming"):
        assert client(who).get(f"/api/v1/patients{path}").status_code == 403
    assert (
        client(who)
        .post("/api/v1/patients/separate", json={"patient_ids": [two["east"]], "reason": "x"})
        .status_code
        == 403
    )


def test_confirming_makes_one_person_whose_priors_are_seen(
    client: Client, two: dict[str, Any], audited: Callable[..., list[str]]
) -> None:
    (item,) = _proposals(client)
    answer = _decide(client, item, "confirm")

    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed")
    assert answer.json()["decided_by"]["name"] == "周主任"
    assert "patients_merged" in audited()
    again = _decide(client, item, "confirm")
    assert (again.status_code, again.json()["code"]) == (409, "proposal_decided")
    client("wang").post(f"/api/v1/tasks/{two['east_task']}/claim")
    (prior,) = client("wang").get(f"/api/v1/tasks/{two['east_task']}").json()["priors"]
    assert (prior["examination_id"], prior["linked"]) == (two["south_examination"], True)
    assert (prior["site"]["code"], prior["patient"]["name"]) == ("SOUTH", "QIU MING")


def test_refusing_is_remembered_with_who_and_why(
    client: Client, two: dict[str, Any], runtime: Runtime
) -> None:
    (item,) = _proposals(client)

    assert _decide(client, item, "refuse", " ").json()["errors"][0]["field"] == "reason"
    assert _decide(client, item, "refuse", "两个人").json()["state"] == "refused"
    assert _proposals(client) == []
    (kept,) = _proposals(client, state="refused")
    assert (kept["reason"], kept["decided_by"]["name"]) == ("两个人", "周主任")


def test_a_person_is_read_with_their_history_and_separated_again(
    client: Client, two: dict[str, Any], audited: Callable[..., list[str]]
) -> None:
    reviewer = client("reviewer")
    merged = reviewer.post(
        f"/api/v1/patients/{two['east']}/merge", json={"other_id": two["south"], "reason": "同一人"}
    )
    assert merged.status_code == 200, merged.text
    assert {one["id"] for one in merged.json()["patients"]} == {two["east"], two["south"]}
    parted = reviewer.post(
        "/api/v1/patients/separate", json={"patient_ids": [two["south"]], "reason": "认错了"}
    )

    assert [one["id"] for one in parted.json()["patients"]] == [two["south"]]
    history = reviewer.get(f"/api/v1/patients/{two['east']}").json()["history"]
    assert [(event["action"], event["reason"], event["by"]["name"]) for event in history] == [
        ("merged", "同一人", "周主任"), ("separated", "认错了", "周主任"),
    ]  # fmt: skip
    assert {(one["patient"]["name"], one["moved"]) for one in history[1]["members"]} == {
        ("仇明", False),
        ("QIU MING", True),
    }
    assert [action for action in audited() if action.startswith("patient")] == [
        "patients_merged",
        "patients_separated",
        "patient_opened",
    ]


def test_a_township_is_told_nothing_of_links_beyond_its_own(client: Client, two: dict[str, Any]) -> None:
    _decide(client, _proposals(client)[0], "confirm")
    shown = client("radiographer").get(f"/api/v1/patients/{two['east']}").json()

    assert [one["id"] for one in shown["patients"]] == [two["east"]]
    assert shown["history"] == []


@pytest.mark.parametrize("q", ["仇明", "qiuming", "qm", "P001", "40017", "0017", "040017 qiu"])
def test_persons_are_found_by_name_sound_number_and_card(client: Client, two: dict[str, Any], q: str) -> None:
    found = client("reviewer").get("/api/v1/patients", params={"q": q}).json()["items"]

    assert two["east"] in {one["id"] for person in found for one in person["patients"]}


def test_pages_of_persons_show_each_once(client: Client, two: dict[str, Any]) -> None:
    first = client("reviewer").get("/api/v1/patients", params={"q": "qiu", "limit": 1}).json()
    second = (
        client("reviewer")
        .get("/api/v1/patients", params={"q": "qiu", "limit": 1, "cursor": first["next_cursor"]})
        .json()
    )

    assert second["next_cursor"] is None
    assert {page["items"][0]["patients"][0]["id"] for page in (first, second)} == {two["east"], two["south"]}


def test_a_worklist_is_searched_by_what_others_call_the_person(client: Client, two: dict[str, Any]) -> None:
    def found(q: str, who: str = "wang") -> set[str]:
        items = client(who).get("/api/v1/worklist", params={"q": q}).json()["items"]
        return {item["site"]["code"] for item in items}

    assert found("仇明") == {"EAST"}
    assert found("0017") == {"EAST"}
    _decide(client, _proposals(client)[0], "confirm")
    assert found("仇明") == {"EAST", "SOUTH"}
    assert found("0017") == {"EAST", "SOUTH"}
    assert found("李四") == set()


def test_searching_tells_a_township_nothing_that_only_others_know(
    client: Client, two: dict[str, Any]
) -> None:
    _decide(client, _proposals(client)[0], "confirm")
    items = client("radiographer").get("/api/v1/examinations", params={"q": "S9"}).json()["items"]

    assert items == []


def test_one_person_at_one_township_is_settled_there(
    client: Client, runtime: Runtime, county: County
) -> None:
    with runtime.sessions.begin() as session:
        for number in ("P001", "P002"):
            examination = arrive(session, county, patient=identity(patient_id=number))
            assert task_of(session, examination)
    while matching.match_new(runtime):
        pass
    (item,) = _proposals(client, "radiographer")

    assert item["rule"] == "name"
    assert _decide(client, item, "confirm", who="west_radiographer").status_code == 404
    assert _decide(client, item, "confirm", who="radiographer").status_code == 200
