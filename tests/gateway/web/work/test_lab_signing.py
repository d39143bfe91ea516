"""Signing a specimen: what is fixed, what keeps it from being signed, the next version, and many at once."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gateway.index import Record
from gateway.intake import Drain
from gateway.lab.rows import LabMessage
from gateway.rendering import render
from gateway.runtime import Runtime
from gateway.work import Work
from tests.adapters.reports.pdftools import squeezed
from tests.builders import NOW, County, signed_report, waiting_task
from tests.fonts import fonts_dir
from tests.gateway.lab.saying import file, message, result, specimen
from tests.gateway.web.work.conftest import Client, Desk
from tests.laboratory import Laboratory, register
from worklists.directory import Centre
from worklists.examinations import Examination
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.specimens import LabSpecimen
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportState

NORMAL = (result("WBC", "5.5"), result("HGB", "140"), result("PLT", "210"))


def reports(runtime: Runtime) -> list[Report]:
    with runtime.reading() as session:
        return list(session.scalars(select(Report).order_by(Report.version)))


def sign(desk: Desk) -> Any:
    return desk.reader.post(f"{desk.task}/sign")


def task_of(runtime: Runtime, barcode: str) -> uuid.UUID:
    """The newest."""
    with runtime.reading() as session:
        return session.scalars(
            select(ReadingTask.id)
            .join(Examination, Examination.id == ReadingTask.examination_id)
            .where(Examination.accession_number == barcode)
            .order_by(ReadingTask.id.desc())
        ).all()[0]


def test_what_rules_released_is_signed_without_a_word(
    open_desk: Callable[..., Desk], runtime: Runtime
) -> None:
    desk = open_desk(*NORMAL)

    assert sign(desk).json()["version"] == 1
    [report] = reports(runtime)
    assert (report.findings, report.impression, report.critical) == ("", "", False)
    assert report.content is not None
    assert [(one["item_code"], one["value"], one["verification"]) for one in report.content["results"]] == [
        ("WBC", "5.50", "automatic"), ("HGB", "140", "automatic"), ("PLT", "210", "automatic"),
    ]  # fmt: skip
    assert report.content["pending"] == []
    assert report.content["panels"][0]["code"] == "CBC"
    assert report.content["results"][0]["device"]["institution"]["name"] == "城东镇卫生院"
    assert report.content["results"][1]["range"] == {"low": 130, "high": 175, "text": ""}
    with runtime.reading() as session:
        assert session.scalars(select(Work).where(Work.task == "render_report")).one().subject == str(
            report.id
        )


def test_the_manifest_names_the_messages(open_desk: Callable[..., Desk], runtime: Runtime) -> None:
    desk = open_desk(*NORMAL)
    sign(desk)

    with runtime.reading() as session:
        row = session.scalars(select(LabMessage)).one()
        record = session.get_one(Record, row.record_id)
    assert json.loads(reports(runtime)[0].manifest)["originals"] == [
        {"sop_instance_uid": f"2.25.{row.id.int}", "sha256": record.sha256, "size_bytes": record.size_bytes}
    ]


def test_what_waits_is_named_and_keeps_it_from_being_signed(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(result("WBC", "32.1"), result("HGB", "128"))

    answer = sign(desk)
    assert (answer.status_code, answer.json()["code"]) == (422, "results_waiting")
    assert "白细胞计数、血红蛋白" in answer.json()["detail"]
    assert [one["field"] for one in answer.json()["errors"]] == ["WBC", "HGB"]


def test_tests_without_a_result_are_printed_as_pending(
    open_desk: Callable[..., Desk], runtime: Runtime
) -> None:
    with runtime.sessions.begin() as session:
        tube = session.scalars(select(LabSpecimen)).one()
        tube.items, tube.unknown_tests = [*tube.items, "GLU"], ["维生素D"]
    desk = open_desk(*NORMAL[:2])
    desk.post(f"{desk.id_of('HGB')}/rerun", reason="与临床不符")
    assert sign(desk).status_code == 200

    content = reports(runtime)[0].content or {}
    assert [(one["name"], one["reason"]) for one in content["pending"]] == [
        ("血红蛋白", "rerun"), ("血小板计数", "not_reported"), ("葡萄糖", "not_resulted"), ("维生素D", "unknown_test"),
    ]  # fmt: skip
    assert [one["item_code"] for one in content["results"]] == ["WBC"]


def test_a_report_without_any_result_is_none(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(result("WBC", "5.5"))
    desk.post(f"{desk.id_of('WBC')}/rerun", reason="凝块")

    assert sign(desk).json()["code"] == "report_incomplete"


def test_a_critical_result_makes_the_report_critical(
    open_desk: Callable[..., Desk], runtime: Runtime
) -> None:
    desk = open_desk(result("WBC", "32.1"))
    desk.post("verify", result_ids=[desk.id_of("WBC")], reason="已复查")
    desk.reader.put(f"{desk.task}/report", json={"impression": "请结合临床。", "findings": ""})
    assert sign(desk).status_code == 200

    [report] = reports(runtime)
    assert (report.critical, report.impression) == (True, "请结合临床。")
    assert (report.content or {})["results"][0]["verified_by"] == "郑检验"


def test_the_report_is_printed_and_sent_as_it_was_signed(
    open_desk: Callable[..., Desk], runtime: Runtime, client: Client, audited: Callable[..., list[str]]
) -> None:
    desk = open_desk(*NORMAL[:2])
    sign(desk)
    [report] = reports(runtime)
    with runtime.sessions.begin() as session:
        session.scalars(select(LabItem).where(LabItem.code == "WBC")).one().name = "别的名字"

    folder = runtime.settings.viewer_dir / "fonts"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(fonts_dir())
    render(runtime, report.id)
    Drain(runtime).index_new()
    township = client("radiographer")
    pdf = squeezed(township.get(f"/api/v1/reports/{report.id}/pdf").content)
    for expected in (
        "检验报告",
        "白细胞计数",
        "5.50",
        "3.5-9.5",
        "仪器本次未报告：血小板计数",
        "检测机构城东镇卫生院",
        "自动审核2项",
    ):
        assert expected in pdf, expected
    answer = township.get(f"/api/v1/reports/{report.id}/oru")
    assert answer.headers["content-type"].startswith("application/hl7-v2")
    assert "|NM|WBC^白细胞计数^99GW||5.50|10\\S\\9/L|3.5-9.5|N|||F|" in answer.text
    assert audited(desk.examination_id)[-1] == "report_opened"
    assert client("west_radiographer").get(f"/api/v1/reports/{report.id}/oru").status_code == 404


def test_only_a_laboratory_report_is_an_oru(client: Client, county: County, runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        about = signed_report(session, county).id

    assert client("radiographer").get(f"/api/v1/reports/{about}/oru").status_code == 404


def test_a_correction_after_the_signature_makes_the_next_version(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory, client: Client
) -> None:
    desk = open_desk(*NORMAL[:2])
    desk.reader.put(f"{desk.task}/report", json={"findings": "标本轻度溶血", "impression": ""})
    assert sign(desk).status_code == 200
    later = message(specimen("B001", result("HGB", "13.1", "g/dL", status="C"), result("PLT", "198")))
    file(runtime, laboratory.bench, later, minutes=5)
    second = task_of(runtime, "B001")
    assert second != desk.task_id

    reader, path = client("lab"), f"/api/v1/tasks/{second}"
    reader.post(f"{path}/claim")
    assert reader.get(path).json()["draft"]["findings"] == "标本轻度溶血"  # written on, not begun anew
    assert reader.post(f"{path}/sign").json()["code"] == "results_waiting"
    assert reader.post(f"{path}/results/verify", json={}).status_code == 200
    assert reader.post(f"{path}/sign").json()["version"] == 2
    first, last = reports(runtime)
    assert (first.state, last.state) == (ReportState.SUPERSEDED, ReportState.SIGNED)
    assert last.findings == "标本轻度溶血"
    changes = {one["item_code"]: one["change"] for one in (last.content or {})["results"]}
    assert changes == {
        "WBC": None, "HGB": {"kind": "corrected", "value": "140", "unit": "g/L"}, "PLT": {"kind": "added"},
    }  # fmt: skip
    assert [one["value"] for one in (first.content or {})["results"]] == ["5.50", "140"]


def test_who_begins_the_next_version_has_written_on_it(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory, client: Client
) -> None:
    """Its words are another's, and whoever takes them over is one of those who may not review them."""
    desk = open_desk(*NORMAL[:2])
    desk.reader.put(f"{desk.task}/report", json={"findings": "标本轻度溶血", "impression": ""})
    assert sign(desk).status_code == 200
    file(runtime, laboratory.bench, message(specimen("B001", result("PLT", "198"))), minutes=5)

    second = task_of(runtime, "B001")
    assert client("lab").post(f"/api/v1/tasks/{second}/claim").status_code == 200

    with runtime.reading() as session:
        task = session.get_one(ReadingTask, second)
        assert task.draft is not None
        assert task.claimed_by is not None
        assert task.draft.written_by == [str(task.claimed_by.id)]


def test_results_that_come_while_it_is_read_are_looked_at_first(
    open_desk: Callable[..., Desk], runtime: Runtime, laboratory: Laboratory
) -> None:
    desk = open_desk(*NORMAL[:2])
    file(runtime, laboratory.bench, message(specimen("B001", NORMAL[2])), minutes=1)

    assert sign(desk).json()["code"] == "report_incomplete"
    assert desk.reader.post(f"{desk.task}/confirm-late").status_code == 200
    assert sign(desk).status_code == 200


def test_an_image_s_report_still_needs_its_words(client: Client, county: County, runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county).id
    wang = client("wang")
    wang.post(f"/api/v1/tasks/{task}/claim")
    assert wang.post(f"/api/v1/tasks/{task}/submit").json()["code"] == "report_incomplete"


@pytest.fixture
def morning(runtime: Runtime, county: County, laboratory: Laboratory) -> list[str]:
    """A whole one, one that waits, one that lacks tests; and one of nobody."""
    with runtime.sessions.begin() as session:
        for barcode in ("M1", "M2"):
            register(session, county, barcode)
        register(session, county, "M3", items=("WBC", "K"))
    sent = {"M1": NORMAL, "M2": (result("HGB", "90"), *NORMAL[::2]), "M3": NORMAL[:1]}
    for minutes, (barcode, results) in enumerate(sent.items()):
        own = [
            result(one.test.code, one.value, observed_at=NOW + timedelta(hours=minutes)) for one in results
        ]
        file(runtime, laboratory.bench, message(specimen(barcode, *own)))
    return [str(task_of(runtime, barcode)) for barcode in sent] + [str(uuid.uuid4())]


def test_many_are_signed_at_once_and_each_is_answered(
    morning: list[str], client: Client, runtime: Runtime, audited: Callable[..., list[str]]
) -> None:
    answer = client("lab").post("/api/v1/lab/sign", json={"task_ids": [*morning, morning[0]]}).json()

    said = [(one["outcome"], one["code"]) for one in answer["items"]]
    assert said == [
        ("signed", None), ("refused", "results_waiting"), ("refused", "results_pending"), ("refused", "not_found"),
    ]  # fmt: skip
    assert "血红蛋白" in answer["items"][1]["detail"]
    [report] = reports(runtime)
    assert answer["items"][0]["report_id"] == str(report.id)
    assert audited() == ["task_claimed", "report_signed"]
    with runtime.reading() as session:  # what was not signed is nobody's
        assert session.get_one(ReadingTask, uuid.UUID(morning[1])).claimed_by_id is None


def test_where_review_is_required_many_are_handed_on_and_signed_by_another(
    morning: list[str], client: Client, runtime: Runtime, laboratory: Laboratory
) -> None:
    with runtime.sessions.begin() as session:
        session.get_one(Centre, laboratory.centre.id).review_required = True
    body = {"task_ids": morning[:1]}

    assert client("lab").post("/api/v1/lab/sign", json=body).json()["items"][0]["outcome"] == "submitted"
    assert (
        client("lab").post("/api/v1/lab/sign", json=body).json()["items"][0]["code"] == "writer_cannot_review"
    )
    assert client("lab_head").post("/api/v1/lab/sign", json=body).json()["items"][0]["outcome"] == "signed"
    [report] = reports(runtime)
    assert (report.writer_id, report.signed_by_id) == (laboratory.reader.id, laboratory.reviewer.id)


def test_only_readers_sign(morning: list[str], client: Client) -> None:
    assert client("radiographer").post("/api/v1/lab/sign", json={"task_ids": morning}).status_code == 403
    assert (
        client("wang").post("/api/v1/lab/sign", json={"task_ids": morning[:1]}).json()["items"][0]["code"]
        == "not_found"
    )
