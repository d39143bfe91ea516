"""Specimens over HTTP: the township registers and sends, the county receives by scanning or rejects."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from adapters.lab.said import Coded, MessageKind, StatedOrder
from gateway.runtime import Runtime
from tests.builders import County, submitted_task
from tests.fonts import fonts_dir
from tests.gateway.lab import saying
from tests.gateway.web.work.conftest import Client
from tests.laboratory import Laboratory, build_laboratory, register
from worklists.base import new_id
from worklists.directory import Kind
from worklists.examinations import Examination
from worklists.laboratory.dictionary import LabItem, LabPanel, Section
from worklists.laboratory.results import RerunRequest
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import Patient
from worklists.reading import ReadingTask, TaskState
from worklists.reports import deliver, sign_report

CARD = "110105197903040017"  # a man, born on 4 March 1979
URL = "/api/v1/lab"


@pytest.fixture
def laboratory(runtime: Runtime, county: County) -> Laboratory:
    with runtime.sessions.begin() as session:
        made = build_laboratory(session, county)
        cbc = session.get_one(LabPanel, "CBC")
        cbc.specimen, cbc.tube = "全血", "紫"
        session.add(
            LabPanel(
                code="BIO", name="生化", name_en="Chemistry", section=Section.CHEMISTRY, items=["K"],
                specimen="血清", tube="黄",
            )
        )  # fmt: skip
        session.get_one(LabItem, "GLU").specimen = "血清"
    return made


@pytest.fixture
def township(client: Client, laboratory: Laboratory) -> TestClient:
    return client("radiographer")


@pytest.fixture
def bench(client: Client, laboratory: Laboratory) -> TestClient:
    return client("lab")


def _register(township: TestClient, **body: Any) -> Any:
    stated = {"patient": {"name": "仇明", "national_id": CARD}, "panels": ["CBC"], **body}
    return township.post(f"{URL}/specimens", json=stated)


def _registered(township: TestClient, **body: Any) -> dict[str, Any]:
    answer = _register(township, **body)
    assert answer.status_code == 201, answer.text
    specimen: dict[str, Any] = answer.json()["specimens"][0]
    return specimen


def _send(township: TestClient, runtime: Runtime, *specimens: dict[str, Any], hours: float = 2) -> Any:
    body = {
        "specimen_ids": [one["id"] for one in specimens],
        "courier": "老李",
        "expected_at": (runtime.now() + timedelta(hours=hours)).isoformat(),
    }
    return township.post(f"{URL}/transports", json=body)


def _reasons(answer: Any) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {one["field"]: one["message"] for one in answer.json()["errors"]}


def test_the_card_says_sex_and_birth_date_and_each_tube_gets_a_barcode_of_its_own(
    township: TestClient, audited: Any
) -> None:
    answer = _register(township, panels=["CBC", "BIO"], items=["GLU", "WBC"], priority="urgent")

    assert answer.status_code == 201, answer.text
    blood, serum = answer.json()["specimens"]
    assert (blood["kind"], blood["tube"], blood["items"]) == ("全血", "紫", 3)
    assert (serum["kind"], serum["tube"], [one["name"] for one in serum["extra_items"]]) == (
        "血清", "黄", ["葡萄糖"],
    )  # fmt: skip
    assert blood["patient"] | {"age": None} == {
        "name": "仇明", "sex": "M", "birth_date": "1979-03-04", "age": None, "patient_id": CARD,
    }  # fmt: skip
    assert blood["order_number"] == serum["order_number"] == blood["barcode"] != serum["barcode"]
    assert len(blood["barcode"]) == 12 and blood["barcode"].isdigit()
    assert (blood["state"], blood["priority"]) == ("registered", "urgent")
    assert audited().count("specimen_registered") == 2


CONTRADICTIONS: list[tuple[dict[str, str], str, str]] = [
    ({"national_id": CARD[:-1] + "8"}, "patient.national_id", "校验位"),
    ({"national_id": CARD, "sex": "F"}, "patient.sex", "男性"),
    ({"national_id": CARD, "birth_date": "1979-03-05"}, "patient.birth_date", "1979-03-04"),
    ({"patient_id": "P001"}, "patient.name", "仇明"),
    ({"patient_id": "P001", "name": "仇明", "sex": "F"}, "patient.sex", "P001"),
    ({}, "patient.national_id", "性别和出生日期"),
    ({"national_id": CARD, "name": "仇=明"}, "patient.name", "不能使用"),
]


def test_who_contradicts_is_refused_field_by_field(
    runtime: Runtime, county: County, township: TestClient
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county)

    for patient, field, words in CONTRADICTIONS:
        reasons = _reasons(_register(township, patient={"name": "王五", **patient}))
        assert words in reasons[field], (patient, reasons)

    with runtime.reading() as session:
        assert len(session.scalars(select(Patient)).all()) == 1


def test_somebody_known_is_found_by_card_number_or_name_and_stays_one_patient(
    runtime: Runtime, county: County, township: TestClient
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, national_id=CARD)
    found = {
        text: township.post(f"{URL}/patients/find", json={"text": text}).json()
        for text in (CARD, "P001", "qm", "仇明", CARD[:-1] + "8")
    }
    assert found[CARD]["card"] == {"number": CARD, "sex": "M", "birth_date": "1979-03-04"}
    assert {text: [one["patient_id"] for one in answer["patients"]] for text, answer in found.items()} == {
        CARD: ["P001"], "P001": ["P001"], "qm": ["P001"], "仇明": ["P001"], CARD[:-1] + "8": [],
    }  # fmt: skip
    assert found[CARD[:-1] + "8"]["mistyped"] and "197903" not in found[CARD]["patients"][0]["card"]

    assert _registered(township)["patient"]["patient_id"] == "P001"
    assert _registered(township, patient={"name": "仇明", "patient_id": "P001"})["patient"]["sex"] == "M"
    with runtime.reading() as session:
        assert len(session.scalars(select(Patient)).all()) == 1


def test_a_printed_barcode_is_taken_once_and_the_second_hears_whose_it_is(
    runtime: Runtime, county: County, township: TestClient, client: Client
) -> None:
    assert _registered(township, barcode="LX-0001")["barcode"] == "LX-0001"
    assert "仇明" in _reasons(_register(township, barcode="LX-0001"))["barcodes.0"]
    other = _reasons(_register(client("west_radiographer"), barcode="LX-0001"))["barcodes.0"]
    assert "城东镇卫生院" in other and "仇明" not in other
    assert (
        "2"
        in _reasons(_register(township, panels=["CBC", "BIO"], barcodes=["A001", "A002", "A3"]))["barcodes"]
    )
    assert _reasons(_register(township, panels=["CBC", "BIO"], barcodes=["A001", "A001"])).keys() == {
        "barcodes.1"
    }
    assert _reasons(_register(township, barcode="a b")).keys() == {"barcodes.0"}


def test_what_no_dictionary_knows_and_an_empty_order_are_refused(township: TestClient) -> None:
    assert _reasons(_register(township, panels=["NONE"], items=["WBX"])).keys() == {"panels", "items"}
    assert _reasons(_register(township, panels=[])).keys() == {"panels"}


def test_from_the_township_to_the_county_each_step_stands_with_its_person(
    runtime: Runtime, township: TestClient, bench: TestClient, audited: Any
) -> None:
    first, second = _registered(township), _registered(township, panels=["BIO"])
    sent = _send(township, runtime, first, second)
    assert sent.status_code == 201, sent.text
    number = sent.json()["number"]

    received = bench.post(f"{URL}/receive", json={"barcode": first["barcode"]})

    assert received.status_code == 200, received.text
    body = received.json()
    assert (body["specimen"]["state"], body["unrouted"]) == ("received", "")
    assert (body["transport"]["specimens"], body["transport"]["remaining"]) == (2, 1)
    missing = [one["barcode"] for one in body["transport"]["items"] if one["state"] == "in_transit"]
    assert missing == [second["barcode"]]
    with runtime.reading() as session:
        [examination] = session.scalars(select(Examination))
        assert (examination.kind, examination.accession_number) == (Kind.LABORATORY, first["barcode"])
        assert len(session.scalars(select(ReadingTask)).all()) == 1
    detail = township.get(f"{URL}/specimens/{first['id']}").json()
    assert [(one["step"], one["by"], one["detail"]) for one in detail["steps"]] == [
        ("registered", "赵放射", ""), ("sent", "赵放射", number), ("received", "郑检验", ""),
    ]  # fmt: skip
    assert [one for one in audited() if one.startswith("specimen")] == [
        "specimen_registered", "specimen_registered", "specimens_sent", "specimen_received", "specimen_opened",
    ]  # fmt: skip


def test_a_scan_that_cannot_be_received_says_why_in_a_sentence(
    runtime: Runtime, county: County, township: TestClient, bench: TestClient, client: Client
) -> None:
    specimen = _registered(township)
    elsewhere = _registered(client("west_radiographer"))
    cancelled = _registered(township)
    township.post(f"{URL}/specimens/{cancelled['id']}/cancel", json={"reason": "不做了"})
    bench.post(f"{URL}/receive", json={"barcode": specimen["barcode"]})
    wrong = specimen["barcode"][:-1] + str((int(specimen["barcode"][-1]) + 1) % 10)

    def scan(barcode: str) -> tuple[int, str, str]:
        answer = bench.post(f"{URL}/receive", json={"barcode": barcode})
        return answer.status_code, answer.json()["code"], answer.json()["detail"]

    assert scan("X-123")[:2] == (404, "barcode_unknown")
    assert scan(wrong)[:2] == (404, "barcode_mistyped")
    status, code, words = scan(elsewhere["barcode"])
    assert (status, code) == (409, "sent_elsewhere") and "城西乡卫生院" in words and "县中医院" in words
    status, code, words = scan(specimen["barcode"])
    assert (status, code) == (409, "already_received") and "郑检验" in words
    status, code, words = scan(cancelled["barcode"])
    assert (status, code) == (409, "specimen_state_forbids") and "已取消" in words


def test_late_is_what_is_on_its_way_past_its_time(
    runtime: Runtime, county: County, township: TestClient, bench: TestClient
) -> None:
    specimen = _registered(township)
    transport = _send(township, runtime, specimen).json()
    with runtime.sessions.begin() as session:
        row = session.get_one(LabSpecimen, uuid.UUID(specimen["id"]))
        assert row.transport is not None
        row.transport.expected_at = runtime.now() - timedelta(minutes=5)

    def numbers(state: str) -> list[str]:
        answer = bench.get(f"{URL}/transports", params={"state": state}).json()
        return [one["number"] for one in answer["items"]]

    assert numbers("late") == numbers("on_the_way") == [transport["number"]] and numbers("arrived") == []
    assert township.get(f"{URL}/specimens").json()["items"][0]["transport"]["late"] is True

    bench.post(f"{URL}/receive", json={"barcode": specimen["barcode"]})
    assert numbers("late") == numbers("on_the_way") == [] and numbers("arrived") == [transport["number"]]


def test_a_rejected_specimen_asks_for_a_new_one_until_that_is_registered(
    runtime: Runtime, township: TestClient, bench: TestClient
) -> None:
    specimen = _registered(township)
    bench.post(f"{URL}/receive", json={"barcode": specimen["barcode"]})
    assert bench.post(f"{URL}/specimens/{specimen['id']}/reject", json={"reason": " "}).status_code == 422
    rejected = bench.post(f"{URL}/specimens/{specimen['id']}/reject", json={"reason": "溶血"})
    assert (rejected.status_code, rejected.json()["state"], rejected.json()["reason"]) == (
        200,
        "rejected",
        "溶血",
    )

    def wanted() -> list[str]:
        answer = township.get(f"{URL}/specimens", params={"asked_anew": True}).json()
        assert answer["counts"]["asked_anew"] == len(answer["items"])
        return [one["barcode"] for one in answer["items"]]

    with runtime.reading() as session:
        [task] = session.scalars(select(ReadingTask))
        assert (task.state, task.sent_back_reason) == (TaskState.SENT_BACK, "溶血")
    assert wanted() == [specimen["barcode"]]

    _registered(township, replaces_id=specimen["id"])

    assert wanted() == []
    with runtime.reading() as session:
        assert [task.state for task in session.scalars(select(ReadingTask))] == [TaskState.CANCELLED]


def test_a_rerun_that_needs_another_specimen_asks_the_township_too(
    runtime: Runtime, laboratory: Laboratory, township: TestClient, bench: TestClient
) -> None:
    specimen = _registered(township)
    received = bench.post(f"{URL}/receive", json={"barcode": specimen["barcode"]}).json()["specimen"]
    with runtime.sessions.begin() as session:
        session.add(
            RerunRequest(
                id=new_id(), examination_id=uuid.UUID(received["examination_id"]), item_code="WBC",
                reason="量不足", new_specimen=True, asked_at=runtime.now(), asked_by_id=laboratory.reader.id,
            )
        )  # fmt: skip

    [item] = township.get(f"{URL}/specimens", params={"asked_anew": True}).json()["items"]

    assert (item["asked_anew"]["reason"], item["asked_anew"]["asked_by"]) == ("量不足", "郑检验")


def test_the_township_sees_what_its_bench_shall_test_again_until_that_is_done(
    runtime: Runtime, laboratory: Laboratory, township: TestClient, bench: TestClient
) -> None:
    specimen = _registered(township)
    received = bench.post(f"{URL}/receive", json={"barcode": specimen["barcode"]}).json()["specimen"]
    with runtime.sessions.begin() as session:
        asked = RerunRequest(
            id=new_id(), examination_id=uuid.UUID(received["examination_id"]), item_code="WBC",
            reason="与临床不符", asked_at=runtime.now(), asked_by_id=laboratory.reader.id,
        )  # fmt: skip
        session.add(asked)

    [item] = township.get(f"{URL}/specimens").json()["items"]
    assert item["asked_anew"] is None
    assert [(one["item"]["name"], one["reason"], one["asked_by"]) for one in item["reruns"]] == [
        ("白细胞计数", "与临床不符", "郑检验")
    ]

    with runtime.sessions.begin() as session:
        session.get_one(RerunRequest, asked.id).done_at = runtime.now()
    assert township.get(f"{URL}/specimens").json()["items"][0]["reruns"] == []


def test_who_takes_and_who_tests_may_each_do_their_part_and_nobody_else_sees_it(
    runtime: Runtime, township: TestClient, bench: TestClient, client: Client
) -> None:
    specimen = _registered(township)
    url = f"{URL}/specimens/{specimen['id']}"
    west, imaging, village = client("west_radiographer"), client("wang"), client("village_doctor")
    assert [one.get(url).status_code for one in (township, bench, west, imaging)] == [200, 200, 404, 404]
    assert village.get(f"{URL}/specimens").status_code == 403
    assert imaging.post(f"{URL}/receive", json={"barcode": specimen["barcode"]}).status_code == 403
    assert township.post(f"{url}/reject", json={"reason": "x"}).status_code == 403
    assert bench.post(f"{url}/cancel", json={"reason": "x"}).status_code == 403
    assert _register(bench).status_code == 403
    assert west.post(f"{url}/cancel", json={"reason": "x"}).status_code == 404
    assert _send(west, runtime, specimen).status_code == 404


def test_labels_come_as_one_page_for_each_specimen_and_printing_is_audited(
    runtime: Runtime, township: TestClient, client: Client, audited: Any
) -> None:
    fonts = runtime.settings.viewer_dir / "fonts"
    fonts.parent.mkdir(parents=True, exist_ok=True)
    fonts.symlink_to(fonts_dir())
    ids = [_registered(township)["id"], _registered(township, panels=["BIO"])["id"]]

    printed = township.get(f"{URL}/specimens/labels", params={"ids": ids})

    assert (printed.status_code, printed.headers["content-type"]) == (200, "application/pdf")
    assert b"/Type/Pages/Count 2" in printed.content
    assert township.get(f"{URL}/specimens/{ids[0]}/label").content[:5] == b"%PDF-"
    assert client("west_radiographer").get(f"{URL}/specimens/labels", params={"ids": ids}).status_code == 404
    assert audited().count("specimen_labels_printed") == 2


def test_who_decides_on_an_older_sight_is_told_and_a_tube_found_again_is_sent_again(
    runtime: Runtime, township: TestClient
) -> None:
    specimen = _registered(township)
    assert _send(township, runtime, specimen).status_code == 201
    assert _send(township, runtime, specimen).json()["code"] == "specimen_state_forbids"
    url = f"{URL}/specimens/{specimen['id']}"
    stale = township.post(f"{url}/take-back", json={"version": specimen["version"]})
    assert (stale.status_code, stale.json()["code"]) == (409, "conflict")
    assert township.post(f"{url}/take-back", json={}).json()["state"] == "registered"
    assert _reasons(_send(township, runtime, specimen, hours=-1)).keys() == {"expected_at"}
    assert _send(township, runtime, specimen).status_code == 201


def test_an_order_by_hl7_stands_in_the_same_list_with_what_no_dictionary_knows(
    runtime: Runtime, laboratory: Laboratory, township: TestClient
) -> None:
    order = StatedOrder(
        control="NW", placer_number="H77", tests=(Coded(code="WBC"), Coded(code="X9", text="新项目"))
    )
    said = saying.message(
        saying.specimen("H77", patient=saying.patient(), order=order), kind=MessageKind.ORDERS
    )
    saying.file(runtime, laboratory.bench, said)

    [item] = township.get(f"{URL}/specimens", params={"q": "H77"}).json()["items"]

    assert (item["source"], item["unknown_tests"], item["items"]) == ("order", ["X9 新项目"], 1)
    assert [one["step"] for one in township.get(f"{URL}/specimens/{item['id']}").json()["steps"]] == [
        "by_order"
    ]


def test_two_townships_with_the_same_printed_barcode_are_told_apart_by_a_person(
    runtime: Runtime, county: County, township: TestClient, bench: TestClient
) -> None:
    own = _registered(township, barcode="ROLL-1")
    with runtime.sessions.begin() as session:
        other = register(session, county, "ROLL-2", patient_id="P9")
        other.institution_id, other.barcode = county.lead.id, "ROLL-1"

    ambiguous = bench.post(f"{URL}/receive", json={"barcode": "ROLL-1"})
    assert (ambiguous.status_code, ambiguous.json()["code"]) == (409, "barcode_ambiguous")
    assert {one["site"]["name"] for one in ambiguous.json()["specimens"]} == {"城东镇卫生院", "县人民医院"}
    chosen = bench.post(f"{URL}/receive", json={"barcode": "ROLL-1", "specimen_id": own["id"]})
    assert chosen.json()["specimen"]["site"]["name"] == "城东镇卫生院"


def test_pages_of_the_list_go_on_where_the_last_one_ended(township: TestClient) -> None:
    for _ in range(3):
        _registered(township)
    first = township.get(f"{URL}/specimens", params={"limit": 2}).json()
    second = township.get(f"{URL}/specimens", params={"limit": 2, "cursor": first["next_cursor"]}).json()

    ids = [one["id"] for one in (*first["items"], *second["items"])]
    assert len(set(ids)) == 3 and second["next_cursor"] is None
    assert (first["counts"]["registered"], first["counts"]["asked_anew"]) == (3, 0)
    assert len(township.get(f"{URL}/specimens", params={"q": "仇明"}).json()["items"]) == 3


def test_the_township_s_day_counts_its_specimens_and_what_is_wrong_with_them(
    runtime: Runtime, county: County, client: Client, township: TestClient, bench: TestClient
) -> None:
    def day(person: TestClient) -> Any:
        return person.get("/api/v1/overview").json()["laboratory"]

    assert day(township) is None
    late, rejected, _ = (_registered(township) for _ in range(3))
    _send(township, runtime, late)
    bench.post(f"{URL}/receive", json={"barcode": rejected["barcode"]})
    bench.post(f"{URL}/specimens/{rejected['id']}/reject", json={"reason": "溶血"})
    with runtime.sessions.begin() as session:
        row = session.get_one(LabSpecimen, uuid.UUID(late["id"]))
        assert row.transport is not None
        row.transport.expected_at = runtime.now() - timedelta(minutes=5)
        task = submitted_task(session, county)
        report = sign_report(
            session, task, signer=county.reviewer, marks=(), originals=[], critical=True, now=runtime.now()
        )
        task.examination.kind = Kind.LABORATORY  # a sheet of results is signed elsewhere: here it is counted
        deliver(session, report, pdf_sha256="ab" * 32, now=runtime.now())

    found = day(township)
    assert (found["registered_today"], found["to_send"], found["on_the_way"], found["late"]) == (3, 1, 1, 1)
    assert found["wanted_anew"] == 1
    assert [(one["barcode"], one["reason"]) for one in found["rejected"]] == [(rejected["barcode"], "溶血")]
    assert (found["unread"], found["returned_today"], found["critical"]) == (1, 1, 1)
    assert day(client("west_radiographer")) is None

    asked = {"kind": "laboratory", "critical": True, "state": ["delivered", "opened"]}
    [one] = township.get("/api/v1/returns", params=asked).json()["items"]
    assert one["critical"] and one["kind"] == "laboratory"
    assert township.get("/api/v1/returns", params={"kind": "imaging"}).json()["items"] == []
    township.post(f"/api/v1/returns/{one['id']}/acknowledge")
    assert (day(township)["unread"], day(township)["critical"]) == (0, 0)
