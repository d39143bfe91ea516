"""The worklist over HTTP: order, filters, counts, pages."""

from datetime import timedelta
from typing import Any

import pytest
from pytest import MonkeyPatch
from sqlalchemy import select

from gateway.finding import COUNTED_LIMIT, count_up_to_limit
from gateway.index import Study
from gateway.runtime import Runtime
from gateway.web import worklist
from tests.bench.many import study_uid, write_studies
from tests.builders import NOW, County, arrive, identity, signed_report, submitted_task, waiting_task
from tests.gateway.web.work.conftest import Client
from worklists import routing
from worklists.directory import Kind
from worklists.examinations import Priority


@pytest.fixture
def ids(runtime: Runtime, county: County) -> dict[str, str]:
    """Examinations by nickname → their id."""
    with runtime.sessions.begin() as session:
        old = waiting_task(
            session, county, first_received_at=NOW - timedelta(hours=2), accession_number="A77"
        )
        young = waiting_task(
            session, county, modality="CT", patient=identity(patient_id="P2", name="单^雄信")
        )
        chest = waiting_task(session, county, priority=Priority.CHEST_PAIN)
        arriving = arrive(session, county, first_received_at=NOW - timedelta(hours=1))
        routing.set_priority(session, arriving, Priority.URGENT)
        mine = waiting_task(session, county)
        mine.claim(county.wang, NOW)
        submitted = submitted_task(session, county)
        signed = signed_report(session, county)
        ecg = waiting_task(session, county, kind=Kind.ECG, modality="ECG")
        west = waiting_task(session, county, institution_id=county.west.id)
        rows = {
            "old": old.examination, "young": young.examination, "chest": chest.examination, "arriving": arriving,
            "mine": mine.examination, "submitted": submitted.examination, "signed": signed.examination,
            "ecg": ecg.examination, "west": west.examination,
        }  # fmt: skip
        return {name: str(row.id) for name, row in rows.items()}


def _seen(client: Client, ids: dict[str, str], who: str = "li", **query: Any) -> list[str]:
    answer = client(who).get("/api/v1/worklist", params=query)
    assert answer.status_code == 200, answer.text
    names = {examination_id: name for name, examination_id in ids.items()}
    return [names[item["examination_id"]] for item in answer.json()["items"]]


def test_urgent_first_then_oldest_and_only_what_is_open(client: Client, ids: dict[str, str]) -> None:
    seen = _seen(client, ids)

    assert seen[:3] == ["chest", "arriving", "old"]
    assert set(seen[3:]) == {"young", "mine", "submitted"}


def test_each_centre_has_its_own(client: Client, ids: dict[str, str]) -> None:
    assert _seen(client, ids, "ecg_reader") == ["ecg"]
    assert _seen(client, ids, "other_reader") == ["west"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"q": "雄信"}, {"young"}),
        ({"q": "shanxiong"}, {"young"}),
        ({"q": "SXX"}, {"young"}),
        ({"q": "a77"}, {"old"}),
        ({"q": "shan p2"}, {"young"}),
        ({"q": "100%"}, set()),
        ({"modality": "CT"}, {"young"}),
        ({"modality": "C"}, set()),
        ({"kind": "ecg"}, set()),
        ({"state": "signed"}, {"signed"}),
        ({"state": ["signed", "submitted"]}, {"signed", "submitted"}),
        ({"site": "WEST"}, set()),
        ({"site": "EAST", "state": "submitted"}, {"submitted"}),
        ({"from": "2026-11-22"}, set()),
        ({"to": "2026-11-20"}, set()),
        ({"from": "2026-11-21", "to": "2026-11-21", "state": "signed"}, {"signed"}),
    ],
)
def test_filters(client: Client, ids: dict[str, str], query: dict[str, Any], expected: set[str]) -> None:
    assert set(_seen(client, ids, **query)) == expected


def test_mine_is_what_i_have(client: Client, ids: dict[str, str]) -> None:
    assert set(_seen(client, ids, "wang", mine="true")) == {"mine", "submitted"}
    assert _seen(client, ids, "li", mine="true") == []


def test_counts_do_not_depend_on_the_state_asked_for(client: Client, ids: dict[str, str]) -> None:
    expected = {
        "arriving": 1, "waiting": 3, "claimed": 1, "submitted": 1, "signed": 1, "sent_back": 0, "mine": 2,
        "assigned": 0, "awaiting_final": 0, "final_overdue": 0,
    }  # fmt: skip
    for query in ({}, {"state": "signed"}):
        assert client("wang").get("/api/v1/worklist", params=query).json()["counts"] == expected


@pytest.mark.parametrize("few", [1_000, -1])
def test_what_is_typed_finds_and_counts_the_same_however_many_it_finds(
    runtime: Runtime, county: County, client: Client, ids: dict[str, str], monkeypatch: MonkeyPatch, few: int
) -> None:
    with runtime.sessions.begin() as session:
        sent_back = waiting_task(session, county)
        sent_back.claim(county.wang, NOW)
        sent_back.send_back(county.wang, "uncooperative", NOW)
        ids["sent_back"] = str(sent_back.examination_id)
    monkeypatch.setattr(worklist, "_ONE_BY_ONE", few)
    wang = client("wang")
    everybody = wang.get("/api/v1/worklist", params={"limit": 500}).json()
    for q in ("仇", "p"):  # the name of whoever has no other, and a letter of every number
        for states in ({}, {"state": "signed"}, {"state": "sent_back"}, {"state": ["signed", "claimed"]}):
            seen = _seen(client, ids, "wang", q=q, **states)
            unnamed = _seen(client, ids, "wang", **states)
            assert seen == [one for one in unnamed if one != "young" or q == "p"]
        found = wang.get("/api/v1/worklist", params={"q": q}).json()
        assert found["counts"]["waiting"] == everybody["counts"]["waiting"] - (q == "仇")
        assert [found["counts"][one] for one in ("signed", "sent_back", "mine")] == [1, 1, 2]
        assert found["next_cursor"] is None


def test_a_filtered_list_has_the_same_counts_on_every_page(client: Client, ids: dict[str, str]) -> None:
    whole = client("li").get("/api/v1/worklist", params={"site": "EAST"}).json()
    first = client("li").get("/api/v1/worklist", params={"site": "EAST", "limit": 4}).json()
    second = (
        client("li").get("/api/v1/worklist", params={"site": "EAST", "cursor": first["next_cursor"]}).json()
    )
    assert whole["items"] == first["items"] + second["items"]
    assert whole["counts"] == first["counts"] == second["counts"]
    assert whole["counts"]["signed"] == 1


def test_pages_join_without_gap_or_overlap_although_work_comes_and_goes(
    runtime: Runtime, client: Client, county: County, ids: dict[str, str]
) -> None:
    whole, li = _seen(client, ids), client("li")
    collected, cursor = [], None
    for _ in range(10):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = li.get("/api/v1/worklist", params=params).json()
        collected += [item["examination_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        with runtime.sessions.begin() as session:  # more urgent work arrives before the place we are at
            waiting_task(
                session, county, priority=Priority.CHEST_PAIN, first_received_at=NOW - timedelta(days=9)
            )

    assert collected == [ids[name] for name in whole]


@pytest.mark.parametrize("cursor", ["nonsense", "MXwy", "4pyT"])
def test_a_cursor_that_is_not_ours_is_refused(client: Client, ids: dict[str, str], cursor: str) -> None:
    answer = client("li").get("/api/v1/worklist", params={"cursor": cursor})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_an_item_says_everything_the_page_shows(client: Client, ids: dict[str, str]) -> None:
    item = client("li").get("/api/v1/worklist", params={"q": "A77"}).json()["items"][0]

    assert item["patient"] == {
        "name": "仇明", "sex": "M", "birth_date": "1979-03-04", "age": "47岁", "patient_id": "P001",
    }  # fmt: skip
    assert (item["site"]["code"], item["centre"]["name"]) == ("EAST", "县域影像诊断中心")
    assert (item["received_at"], item["due_at"]) == ("2026-11-21T04:30:00Z", "2026-11-21T06:30:00Z")
    assert item["claimed_by"] is None
    assert item["report_id"] is None
    assert item["has_clinical_information"] is False


def test_rows_are_counted_no_further_than_anybody_reads(runtime: Runtime, county: County) -> None:
    with runtime.sessions.begin() as session:
        write_studies(session, COUNTED_LIMIT + 5)

    with runtime.reading() as session:
        assert count_up_to_limit(session, select(Study)) == COUNTED_LIMIT
        assert count_up_to_limit(session, select(Study).where(Study.study_instance_uid == study_uid(7))) == 1
