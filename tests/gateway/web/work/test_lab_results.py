"""The laboratory's page over HTTP: results with all that is beside them, and what is decided about them."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from tests.builders import NOW, County, add_agreement, add_person
from tests.gateway.lab.saying import file, message, patient, result, specimen
from tests.gateway.web.work.conftest import Client, Desk
from tests.laboratory import Laboratory, control_material, register
from worklists.base import new_id
from worklists.critical import CriticalEvent, CriticalState
from worklists.directory import Kind, Role
from worklists.examinations import Examination
from worklists.laboratory.control import ControlResult
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.results import RerunRequest
from worklists.reading import ReadingTask
from worklists.recognition import Qualification, QualificationResult, RecognitionItem, ScopeLevel

ABNORMAL = (result("WBC", "32.1"), result("HGB", "128"), result("PLT", "210"))


def test_the_sheet_shows_every_item_in_the_panel_s_order(open_desk: Callable[..., Desk]) -> None:
    sheet = open_desk(*ABNORMAL[:2]).sheet()

    assert [(one["item_code"], one["ordered"], one["panel"]) for one in sheet["items"]] == [
        ("WBC", True, "CBC"), ("HGB", True, "CBC"), ("PLT", True, "CBC"),
    ]  # fmt: skip
    wbc, hgb, plt = sheet["items"]
    assert plt["result"] is None
    assert (wbc["result"]["value"], wbc["result"]["abnormal"], wbc["result"]["critical"]) == (
        "32.10",
        "HH",
        True,
    )
    assert wbc["result"]["range"] == {"low": 3.5, "high": 9.5, "text": ""}
    assert [stop["rule"] for stop in wbc["result"]["stops"]] == ["range", "critical"]
    assert hgb["result"]["device"]["name"] == "分析仪"
    assert sheet["specimen"]["barcode"] == "B001"
    assert sheet["specimen"]["panels"] == [{"code": "CBC", "name": "血细胞分析"}]
    assert sheet["counts"] == {
        "ordered": 3, "resulted": 2, "waiting": 2, "abnormal": 2, "critical": 1, "held": 0, "rerun": 0,
    }  # fmt: skip


def test_what_was_held_of_the_specimen_stands_beside_it(open_desk: Callable[..., Desk]) -> None:
    sheet = open_desk(result("WBC", "5"), result("GLU", "5", "furlong")).sheet()

    [held] = sheet["held"]
    assert (held["reason"], held["detail"]["expected"]) == ("unknown_unit", "mmol/L")
    assert sheet["counts"]["held"] == 1


def test_the_person_s_earlier_results_come_with_it(
    open_desk: Callable[..., Desk], runtime: Runtime, county: County, laboratory: Laboratory
) -> None:
    with runtime.sessions.begin() as session:
        register(session, county, "B000").collected_at = NOW - timedelta(days=9)
    for days, value in ((9, "141"), (2, "139")):
        one = result("HGB", value, observed_at=NOW - timedelta(days=days))
        file(runtime, laboratory.bench, message(specimen("B000", one)))
    desk = open_desk(result("HGB", "140"))

    assert [
        one["value"] for one in desk.item("HGB")["history"]
    ] == []  # the second of B000 waits: it replaces one
    with runtime.sessions.begin() as session:
        task = session.scalars(
            select(ReadingTask)
            .join(Examination, Examination.id == ReadingTask.examination_id)
            .where(Examination.accession_number == "B000")
        ).one()
    desk.reader.post(f"/api/v1/tasks/{task.id}/claim")
    assert desk.reader.post(f"/api/v1/tasks/{task.id}/results/verify", json={}).status_code == 200
    assert [one["value"] for one in desk.item("HGB")["history"]] == ["139"]


def test_looking_at_results_is_audited_as_an_opening(
    open_desk: Callable[..., Desk], audited: Callable[..., list[str]]
) -> None:
    desk = open_desk(*ABNORMAL, claimed=False)
    desk.sheet()
    desk.sheet()

    assert audited(desk.examination_id) == ["examination_opened"]


@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("lab", 200), ("lab_head", 200), ("radiographer", 200), ("west_radiographer", 404),
        ("village_doctor", 404), ("wang", 404), ("other_reader", 404), ("it", 403), ("admin", 403), ("auditor", 403),
    ],
)  # fmt: skip
def test_who_may_see_results(open_desk: Callable[..., Desk], client: Client, who: str, status: int) -> None:
    desk = open_desk(*ABNORMAL, claimed=False)

    assert client(who).get(f"/api/v1/examinations/{desk.examination_id}/results").status_code == status


def test_verifying_all_leaves_what_is_critical(
    open_desk: Callable[..., Desk], audited: Callable[..., list[str]]
) -> None:
    desk = open_desk(*ABNORMAL)
    sheet = desk.post("verify", result_ids=None).json()

    verified = {one["item_code"]: one["result"]["verification"] for one in sheet["items"]}
    assert verified == {"WBC": "waiting", "HGB": "verified", "PLT": "automatic"}
    hgb = sheet["items"][1]["result"]
    assert (hgb["verified_by"]["name"], hgb["verified_at"] is not None) == ("郑检验", True)
    assert audited(desk.examination_id)[-2:] == ["task_claimed", "results_verified"]


def test_a_critical_result_is_verified_by_itself_and_with_a_word(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(*ABNORMAL)
    wbc, hgb = desk.id_of("WBC"), desk.id_of("HGB")

    together = desk.post("verify", result_ids=[wbc, hgb], reason="复查一致")
    assert (together.status_code, together.json()["code"]) == (422, "not_together")
    assert "白细胞计数" in together.json()["detail"]
    silent = desk.post("verify", result_ids=[wbc])
    assert (silent.status_code, silent.json()["errors"][0]["field"]) == (422, "reason")
    assert desk.post("verify", result_ids=[wbc], reason="复查一致，已电话通知").status_code == 200
    assert desk.item("WBC")["result"]["verification"] == "verified"


def test_out_of_control_asks_for_a_word_until_a_person_released_it(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory
) -> None:
    with runtime.sessions.begin() as session:
        control_material(session, laboratory.bench)
    file(
        runtime,
        laboratory.bench,
        message(specimen("QC-1", result("WBC", "6.9", observed_at=NOW - timedelta(hours=1)))),
    )
    desk = open_desk(result("WBC", "5.5"))
    assert desk.item("WBC")["result"]["control_state"] == "out_of_control"
    assert desk.item("WBC")["needs_word"] is True

    assert desk.post("verify", result_ids=[desk.id_of("WBC")]).status_code == 422
    with runtime.sessions.begin() as session:
        one = session.scalars(select(ControlResult)).one()
        one.released_at, one.release_reason = NOW, "更换试剂"
    assert desk.item("WBC")["needs_word"] is False
    assert desk.post("verify", result_ids=[desk.id_of("WBC")]).status_code == 200


def test_only_who_has_the_task_decides(open_desk: Callable[..., Desk], client: Client) -> None:
    desk = open_desk(*ABNORMAL)
    path = f"{desk.task}/results/verify"

    assert client("lab_head").post(path, json={}).json()["code"] == "task_already_claimed"
    assert client("wang").post(path, json={}).status_code == 404
    assert client("radiographer").post(path, json={}).status_code == 403
    assert desk.reader.post(f"{desk.task}/release").status_code == 200
    assert desk.reader.post(path, json={}).json()["code"] == "task_state_forbids"


def test_what_was_replaced_meanwhile_is_not_verified(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory
) -> None:
    desk = open_desk(*ABNORMAL)
    seen = desk.id_of("HGB")
    file(runtime, laboratory.bench, message(specimen("B001", result("HGB", "12.9", "g/dL", status="C"))))

    answer = desk.post("verify", result_ids=[seen])
    assert (answer.status_code, answer.json()["code"]) == (409, "result_moved_on")
    assert "血红蛋白" in answer.json()["detail"]
    assert [one["value"] for one in desk.item("HGB")["earlier"]] == ["128"]


def test_a_remark_stands_with_its_result(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(*ABNORMAL)
    assert desk.post(f"{desk.id_of('WBC')}/remark", remark=" 镜检：可见幼稚细胞 ").status_code == 200

    assert desk.item("WBC")["result"]["remark"] == "镜检：可见幼稚细胞"
    assert desk.post("verify", result_ids=[desk.id_of("WBC")]).status_code == 200  # the remark is the word
    assert desk.post(f"{desk.id_of('WBC')}/remark", remark="长" * 501).status_code == 422
    assert desk.post(f"{uuid.uuid4()}/remark", remark="x").status_code == 404


def test_a_rerun_is_open_until_the_bench_sent_it(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory
) -> None:
    desk = open_desk(*ABNORMAL)
    assert desk.post(f"{desk.id_of('WBC')}/rerun", reason="").status_code == 422
    sheet = desk.post(f"{desk.id_of('WBC')}/rerun", reason="与临床不符", new_specimen=True).json()
    wbc = sheet["items"][0]
    assert (wbc["result"]["verification"], sheet["counts"]["rerun"]) == ("rerun", 1)
    assert (wbc["rerun"]["reason"], wbc["rerun"]["new_specimen"], wbc["rerun"]["asked_by"]["name"]) == (
        "与临床不符", True, "郑检验",
    )  # fmt: skip
    assert desk.post(f"{desk.id_of('WBC')}/rerun", reason="再次").status_code == 409

    again = result("WBC", "30.8", observed_at=NOW + timedelta(minutes=20))
    file(runtime, laboratory.bench, message(specimen("B001", again)))
    wbc = desk.item("WBC")
    assert (wbc["result"]["run"], wbc["result"]["value"], wbc["rerun"]) == (2, "30.80", None)
    with runtime.reading() as session:
        assert session.scalars(select(RerunRequest)).one().done_at is not None


def test_what_a_rule_released_can_be_taken_back(
    open_desk: Callable[..., Desk], audited: Callable[..., list[str]]
) -> None:
    desk = open_desk(*ABNORMAL)
    plt = desk.id_of("PLT")
    assert desk.post(f"{plt}/unverify", reason=" ").status_code == 422
    assert desk.post(f"{plt}/unverify", reason="血小板聚集").status_code == 200

    one = desk.item("PLT")["result"]
    assert (one["verification"], one["verified_at"]) == ("waiting", None)
    assert one["stops"] == [{"rule": "person", "detail": "血小板聚集"}]
    assert desk.post(f"{plt}/unverify", reason="血小板聚集").status_code == 409
    assert audited(desk.examination_id)[-1] == "result_unverified"


def test_another_run_may_be_the_one_that_counts(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory
) -> None:
    desk = open_desk(result("WBC", "32.1"))
    first = desk.id_of("WBC")
    later = result("WBC", "5.6", observed_at=NOW + timedelta(minutes=9))
    file(runtime, laboratory.bench, message(specimen("B001", later)))
    second = desk.id_of("WBC")
    assert desk.post(f"{second}/choose", reason="复检").status_code == 409  # it counts already

    assert desk.post(f"{first}/choose", reason="第二次加样不足").status_code == 200
    wbc = desk.item("WBC")
    assert (wbc["result"]["id"], wbc["result"]["verification"]) == (first, "waiting")
    assert wbc["result"]["stops"][-1] == {"rule": "person", "detail": "第二次加样不足"}
    assert [one["value"] for one in wbc["earlier"]] == ["5.60"]
    with runtime.reading() as session:
        assert session.scalars(select(CriticalEvent)).one().state is CriticalState.FOUND
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "result_chosen")).one()
        assert event.detail["reason"] == "第二次加样不足"


def qualify(runtime: Runtime, institution_id: uuid.UUID, **fields: Any) -> None:
    """WBC is in the catalogue, and the institution passed its quality assessment for it."""
    with runtime.sessions.begin() as session:
        if session.get(RecognitionItem, "R-WBC") is None:
            session.add(
                RecognitionItem(
                    code="R-WBC", name="白细胞计数", kind=Kind.LABORATORY, negative_list=False,
                    effective_from=date(2022, 3, 1),
                )
            )  # fmt: skip
            session.flush()
            session.get_one(LabItem, "WBC").recognition_item_code = "R-WBC"
        values: dict[str, Any] = {
            "scope_level": ScopeLevel.NATIONAL, "scope_label": "全国", "result": QualificationResult.PASS,
            "valid_from": date(2026, 1, 1), "valid_to": date(2026, 12, 31), **fields,
        }  # fmt: skip
        session.add(Qualification(id=new_id(), institution_id=institution_id, item_code="R-WBC", **values))


def test_a_mark_is_of_the_item_and_of_whose_analyser_measured_it(
    open_desk: Callable[..., Desk], runtime: Runtime, county: County
) -> None:
    qualify(runtime, county.lead.id)
    desk = open_desk(result("WBC", "5.5"), result("PLT", "210"))
    assert desk.item("WBC")["mark"] == {"text": None, "scope": None, "reason": "not_qualified"}

    qualify(runtime, county.east.id)
    assert desk.item("WBC")["mark"] == {"text": "全国HR", "scope": "national", "reason": None}
    assert desk.item("PLT")["mark"]["reason"] == "not_in_catalogue"


def test_a_result_out_of_control_carries_no_mark(
    open_desk: Callable[..., Desk], runtime: Runtime, county: County, laboratory: Laboratory
) -> None:
    qualify(runtime, county.east.id)
    with runtime.sessions.begin() as session:
        control_material(session, laboratory.bench)
    file(
        runtime,
        laboratory.bench,
        message(specimen("QC-1", result("WBC", "6.9", observed_at=NOW - timedelta(hours=1)))),
    )
    desk = open_desk(result("WBC", "5.5"))

    assert desk.item("WBC")["mark"]["reason"] == "out_of_control"


def test_the_worklist_counts_what_there_is_to_do(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(*ABNORMAL, result("GLU", "5", "furlong"))
    [item] = desk.reader.get("/api/v1/worklist").json()["items"]

    assert item["lab"] == {
        "ordered": 3, "resulted": 3, "waiting": 2, "abnormal": 2, "critical": 1, "held": 1, "rerun": 0,
    }  # fmt: skip


def test_another_centre_s_reader_has_no_history_that_is_not_theirs(
    runtime: Runtime, county: County, laboratory: Laboratory, client: Client
) -> None:
    with runtime.sessions.begin() as session:
        session.merge(county.west).lead_id = county.lead.id
        add_agreement(session, county.lead, county.west, kind=Kind.LABORATORY)
        add_person(session, "west_bench", "韩化验", county.west, Role.RADIOGRAPHER)
        register(session, county, "W001").institution_id = county.west.id
    file(
        runtime,
        laboratory.bench,
        message(specimen("B001", result("HGB", "140", observed_at=NOW - timedelta(days=1)))),
    )
    with runtime.sessions.begin() as session:
        bench = session.merge(laboratory.bench)
        bench.institution_id = county.west.id
        session.flush()
        west = bench
    file(runtime, west, message(specimen("W001", result("HGB", "141"))))
    with runtime.reading() as session:
        about = session.scalars(select(Examination.id).where(Examination.accession_number == "W001")).one()

    path = f"/api/v1/examinations/{about}/results"
    assert [one["history"] for one in client("west_bench").get(path).json()["items"] if one["result"]] == [[]]
    [seen] = [one["history"] for one in client("lab").get(path).json()["items"] if one["result"]]
    assert [one["value"] for one in seen] == ["140"]


def test_specimens_are_asked_for_by_what_there_is_of_them(
    open_desk: Callable[..., Desk], runtime: Runtime, county: County
) -> None:
    with runtime.sessions.begin() as session:
        for number, name in (("B002", "P002"), ("B003", "P003"), ("B004", "P004")):
            register(session, county, number, patient_id=name)
    desk = open_desk(result("WBC", "5.5"), result("HGB", "140"), result("PLT", "210"))
    bench = desk.laboratory.bench
    for barcode, who, results in (
        ("B002", "P002", [result("WBC", "5.5"), result("HGB", "140"), result("PLT", "12")]),
        (
            "B003",
            "P003",
            [result("WBC", "12.5"), result("HGB", "140"), result("PLT", "210"), result("NEW", "1")],
        ),
        ("B004", "P004", [result("WBC", "5.5")]),
    ):
        file(runtime, bench, message(specimen(barcode, *results, patient=patient(patient_id=who))))

    def found(sign: str) -> set[str]:
        page = desk.reader.get("/api/v1/worklist", params={"lab": sign}).json()
        assert page["counts"]["waiting"] + page["counts"]["claimed"] + page["counts"]["arriving"] == len(
            page["items"]
        )
        return {item["accession_number"] for item in page["items"]}

    assert found("critical") == {"B002"}
    assert found("abnormal") == {"B002", "B003"}
    assert found("waiting") == {"B002", "B003"}
    assert found("held") == {"B003"}
    assert found("clean") == {"B001"}
    assert desk.reader.get("/api/v1/worklist", params={"lab": "other"}).status_code == 422
