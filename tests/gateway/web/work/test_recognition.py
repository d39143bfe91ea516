"""Recognition at the order over HTTP: who may ask, what a match shows, decisions, citations, statistics."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.xlsx import read_workbook
from gateway.runtime import Runtime
from tests.builders import NOW, County, add_role, identity, signed_report
from tests.gateway.web.work.conftest import Client
from worklists.access import Wire
from worklists.base import local_date, new_id
from worklists.directory import Kind, Person, Role
from worklists.recognising.rows import RecognitionDecision, RecognitionPrice, seed_reasons
from worklists.recognition import (
    ItemMapping,
    Mark,
    Qualification,
    QualificationResult,
    RecognitionItem,
    ScopeLevel,
    marks_for,
)
from worklists.reports import Report

URL = "/api/v1/recognition"
PATIENT = {"number": "11010519491231002X", "name": "仇明", "sex": "F", "birth_date": "1949-12-31"}
QUESTION = {
    "patient": PATIENT,
    "items": ["DR-CHEST", "CT-HEAD"],
    "encounter": {"number": "M0001", "department": "内科"},
}


@pytest.fixture
def report(runtime: Runtime, county: County) -> Report:
    """A nationally recognised chest film of the western township, signed just now."""
    with runtime.sessions.begin() as session:
        for code in ("DR-CHEST", "CT-HEAD"):
            session.add(
                RecognitionItem(
                    code=code, name=code, kind=Kind.IMAGING, valid_days=14, effective_from=date(2022, 3, 1)
                )
            )
        session.flush()
        held = Qualification(
            id=new_id(), institution_id=county.west.id, item_code="DR-CHEST", scope_level=ScopeLevel.NATIONAL,
            scope_label="全国", result=QualificationResult.PASS, valid_from=date(2026, 1, 1),
            valid_to=date(2026, 12, 31),
        )  # fmt: skip
        session.add(held)
        session.add(
            RecognitionPrice(
                id=new_id(), institution_id=county.east.id, item_code="DR-CHEST", amount=Decimal("80.50"),
                valid_from=date(2026, 1, 1),
            )
        )  # fmt: skip
        seed_reasons(session)
        mark = Mark(
            item_code="DR-CHEST", item_name="DR-CHEST", text="全国HR", scope="national", remark="", reason=None,
            qualification_ids=(str(held.id),),
        )  # fmt: skip
        who = identity(
            sex="F", birth_date=date(1949, 12, 31), national_id=PATIENT["number"], name="QIU^MING=仇^明"
        )
        there = replace(
            county,
            wang=_at_the_other_centre(session, county, county.wang, Role.READER),
            reviewer=_at_the_other_centre(session, county, county.reviewer, Role.REVIEWER),
        )
        report = signed_report(
            session, there, marks=(mark,), patient=who, institution_id=county.west.id,
            device_id=county.west_device.id,
        )  # fmt: skip
        session.expunge_all()
        return report


def _at_the_other_centre(session: Session, county: County, person: Person, role: Role) -> Person:
    row = session.get_one(Person, person.id)
    add_role(session, row, role, county.other_imaging)
    return row


def ask(who: TestClient, **changes: Any) -> dict[str, Any]:
    answer = who.post(f"{URL}/matches", json={**QUESTION, **changes})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_match_shows_what_recognition_allows_and_is_audited_as_an_opening(
    county: County, client: Client, report: Report, audited: Callable[..., list[str]]
) -> None:
    group = ask(client("radiographer"))
    found, nothing = group["matches"]
    assert (found["outcome"], found["mark"], found["source"]["code"]) == ("reminder", "全国HR", "WEST")
    assert found["result"]["impression"] == "心肺膈未见明显异常。"
    assert (nothing["outcome"], nothing["id"], nothing["result"]) == ("none", None, None)
    assert group["patient"]["number"] == "110105********002X"
    assert not {"report_id", "examination_id", "study_instance_uid"} & set(found)
    assert audited(report.examination_id) == ["recognition_opened"]
    # It opens nothing else: neither the report nor the examination.
    reader = client("radiographer")
    assert reader.get(f"/api/v1/reports/{report.id}").status_code == 404
    assert reader.get(f"/api/v1/examinations/{report.examination_id}").status_code == 404
    assert reader.get(f"{URL}/matches/{group['id']}").json()["matches"][0]["outcome"] == "reminder"
    assert audited(report.examination_id) == ["recognition_opened"] * 2
    assert client("west_radiographer").get(f"{URL}/matches/{group['id']}").status_code == 404


@pytest.mark.parametrize("name", ["wang", "it", "auditor", "village_doctor", "admin"])
def test_who_orders_nothing_may_not_ask(client: Client, report: Report, name: str) -> None:
    who = client(name)
    assert who.post(f"{URL}/matches", json=QUESTION).status_code == 403
    assert who.get(f"{URL}/choices").status_code == 403


def test_a_machine_asks_with_its_own_wire_and_names_the_doctor(
    client: Client, machine: Callable[..., TestClient], report: Report
) -> None:
    assert machine(Wire.REPORTS).post(f"{URL}/matches", json=QUESTION).status_code == 403
    his = machine(Wire.RECOGNITION)
    group = ask(his, encounter={"number": "M1", "doctor": "李内科"})
    assert group["asked_by"] == "李内科"
    said = [{"match_id": group["matches"][0]["id"], "decision": "adopted"}]
    url = f"{URL}/matches/{group['id']}/decisions"
    nameless = his.post(url, json={"decisions": said})
    assert [one["field"] for one in nameless.json()["errors"]] == ["doctor"]
    assert his.post(url, json={"decisions": said, "doctor": "李内科"}).status_code == 200
    assert his.get(f"/api/v1/reports/{report.id}").status_code in {403, 404}


def test_a_decision_is_made_once_repeated_and_contradicted(
    runtime: Runtime, client: Client, report: Report, audited: Callable[..., list[str]]
) -> None:
    township = client("radiographer")
    group = ask(township)
    url, match = f"{URL}/matches/{group['id']}", group["matches"][0]["id"]
    refused = township.post(f"{url}/decisions", json={"decisions": []})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "decisions")
    early = township.post(f"{url}/citations", json={"match_id": match})
    assert (early.status_code, early.json()["code"]) == (409, "recognition_not_adopted")

    adopted = {"decisions": [{"match_id": match, "decision": "adopted"}]}
    first, second = (township.post(f"{url}/decisions", json=adopted) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    decision = first.json()["matches"][0]["decision"]
    assert (decision["doctor"], decision["saved"]) == ("赵放射", "80.50")
    other = {"decisions": [{"match_id": match, "decision": "declined", "reason_code": "1"}]}
    refused = township.post(f"{url}/decisions", json=other)
    assert (refused.status_code, refused.json()["code"]) == (409, "recognition_decided")

    cited = [township.post(f"{url}/citations", json={"match_id": match}).json() for _ in range(2)]
    assert cited[0] == cited[1]
    assert cited[0]["matches"][0]["cited_at"]
    assert audited(report.examination_id) == [
        "recognition_opened", "recognition_decided", "recognition_cited"
    ]  # fmt: skip
    with runtime.reading() as session:
        assert len(session.scalars(select(RecognitionDecision)).all()) == 1


def test_a_declined_result_is_shown_no_more(client: Client, report: Report) -> None:
    township = client("radiographer")
    group = ask(township)
    said = {
        "match_id": group["matches"][0]["id"],
        "decision": "declined",
        "reason_code": "2",
        "told_patient": True,
    }
    answer = township.post(f"{URL}/matches/{group['id']}/decisions", json={"decisions": [said]})
    match = answer.json()["matches"][0]
    assert (match["result"], match["decision"]["told_patient"], match["decision"]["saved"]) == (
        None,
        True,
        "0.00",
    )


@pytest.mark.parametrize(
    ("patient", "field"),
    [
        ({"number": "110105194912310021"}, "patient.number"),
        ({"sex": "M"}, "patient.number"),
        ({"birth_date": "1949-12-30"}, "patient.number"),
        ({"name": ""}, "patient.name"),
    ],
)
def test_a_mistyped_document_is_told_at_once(
    client: Client, report: Report, patient: dict[str, str], field: str
) -> None:
    answer = client("radiographer").post(
        f"{URL}/matches", json={**QUESTION, "patient": {**PATIENT, **patient}}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_an_item_that_is_in_no_catalogue_is_named(client: Client, report: Report) -> None:
    answer = client("radiographer").post(f"{URL}/matches", json={**QUESTION, "items": ["DR-CHEST", "X"]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "items.1")


def test_statistics_of_ones_own_and_of_the_county_as_json_and_as_a_workbook(
    runtime: Runtime, client: Client, report: Report
) -> None:
    township = client("radiographer")
    group = ask(township)
    said = [{"match_id": group["matches"][0]["id"], "decision": "adopted"}]
    township.post(f"{URL}/matches/{group['id']}/decisions", json={"decisions": said})
    today = local_date(runtime.now())
    span = {"from": str(today), "to": str(today)}
    [line] = township.get(f"{URL}/statistics", params=span).json()["items"]
    assert (line["key"], line["reminders"], line["adopted"], line["adoption_rate"]) == ("EAST", 1, 1, 1.0)
    assert (line["saved"], line["declined"]) == ("80.50", 0)
    assert client("west_radiographer").get(f"{URL}/statistics", params=span).json()["items"] == []
    assert client("admin").get(f"{URL}/statistics", params=span).json()["total"]["adopted"] == 1
    assert client("wang").get(f"{URL}/statistics", params=span).status_code == 403

    months = {"from": str(today - timedelta(days=40)), "to": str(today), "by": "month"}
    shown = client("admin").get(f"{URL}/statistics", params=months).json()
    assert [one["adoption_rate"] for one in shown["items"]] == [None] * (len(shown["items"]) - 1) + [1.0]
    answer = client("admin").get(f"{URL}/statistics", params={**months, "format": "xlsx"})
    [sheet] = read_workbook(answer.content).values()
    assert (sheet[0][0], sheet[-1][0], sheet[-1][9], sheet[-1][12]) == (
        "机构编码/月份",
        "合计",
        "100.0%",
        "80.50",
    )
    backwards = {"from": str(today), "to": str(today - timedelta(days=1))}
    assert township.get(f"{URL}/statistics", params=backwards).status_code == 422


def test_tables_of_recognition_are_edited_and_carried_over_by_administrators(
    county: County, client: Client, report: Report
) -> None:
    admin = client("admin")
    price = {"institution_id": str(county.west.id), "item_code": "DR-CHEST", "valid_from": "2026-01-01"}
    made = admin.post(f"{URL}/prices", json={**price, "amount": "75.5"})
    assert (made.status_code, made.json()["amount"]) == (201, "75.50")
    again = admin.post(f"{URL}/prices", json={**price, "amount": "80"})
    assert [one["field"] for one in again.json()["errors"]] == ["valid_from"]
    assert admin.post(f"{URL}/prices", json={**price, "amount": "0.001"}).status_code == 422
    scope = {"level": "province", "label": "本省", "region": "甲县"}
    assert admin.post(f"{URL}/scopes", json=scope).json()["unconfirmed"] is True
    assert admin.post(f"{URL}/scopes", json=scope).status_code == 422
    assert admin.post(f"{URL}/scopes", json={**scope, "level": "national"}).status_code == 422
    assert admin.patch(f"{URL}/reasons/6", json={"unconfirmed": False}).json()["note_required"] is True
    own = {"institution_id": str(county.east.id), "enabled": True, "minimum_hours": 12}
    assert admin.post(f"{URL}/own-source", json=own).status_code == 201
    assert admin.post(f"{URL}/own-source", json=own).status_code == 422
    assert client("radiographer").get(f"{URL}/prices").status_code == 403

    rows = [["code", "name"], ["A", "甲"], ["B", ""]]
    book = admin.post("/api/v1/workbooks/write", json={"rows": rows}).content
    read = admin.post("/api/v1/workbooks/read", files={"file": ("a.xlsx", book)})
    assert read.json()["rows"] == rows
    broken = admin.post("/api/v1/workbooks/read", files={"file": ("a.xlsx", b"code,name")})
    assert (broken.status_code, broken.json()["code"]) == (422, "malformed")


def test_a_qualification_that_lapses_takes_the_mark_from_the_next_report_and_from_no_signed_one(
    runtime: Runtime, county: County, report: Report
) -> None:
    with runtime.sessions.begin() as session:
        session.add(
            ItemMapping(
                id=new_id(), kind=Kind.IMAGING, modality="DX", body_part="CHEST", item_code="DR-CHEST"
            )
        )
        signed = session.get_one(Report, report.id)
        day = local_date(NOW)
        assert marks_for(session, signed.examination, on=day)[0].text == "全国HR"
        [held] = session.scalars(select(Qualification))
        held.valid_to = day - timedelta(days=1)
        session.flush()
        [mark] = marks_for(session, signed.examination, on=day)
        assert (mark.text, mark.reason) == (None, "not_qualified")
        session.expire_all()
        assert [one["text"] for one in session.get_one(Report, report.id).marks] == ["全国HR"]
