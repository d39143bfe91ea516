"""The township's side over HTTP: what it made, what it changes, what comes back, what it uploads."""

import io
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydicom import Dataset, dcmread
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import live
from gateway.index import Held, HeldReason, Record, RecordState, Refusal
from gateway.runtime import Runtime
from tests.builders import NOW, SHA, County, arrive, signed_report, waiting_task
from tests.conftest import Clock
from tests.gateway.web.work.conftest import Client
from tests.synthetic import make_images
from worklists.access import Wire
from worklists.base import new_id
from worklists.reports import Report, ReportState, deliver

ROUTE = "/api/v1/examinations"


def _examination(runtime: Runtime, county: County, **fields: Any) -> str:
    with runtime.sessions.begin() as session:
        return str(waiting_task(session, county, **fields).examination_id)


def _signed(runtime: Runtime, county: County, **fields: Any) -> str:
    with runtime.sessions.begin() as session:
        return str(signed_report(session, county, **fields).id)


def _hold(session: Session, county: County, examination_id: str) -> None:
    record = Record(
        id=new_id(), journal="j", sequence=1, node="local", segment=1, offset=0, size_bytes=1, local=False,
        kind="dicom.instance", state=RecordState.HELD, origin={}, received_at=NOW, sha256=SHA,
        institution_id=county.east.id,
    )  # fmt: skip
    session.add(record)
    session.flush()
    session.add(
        Held(
            id=new_id(), record_id=record.id, institution_id=county.east.id, header={},
            examination_id=uuid.UUID(examination_id), reason=HeldReason.SAME_UID_OTHER_BYTES, held_at=NOW,
        )
    )  # fmt: skip


def _told(runtime: Runtime) -> int:
    with runtime.reading() as session:
        return live.read_numbers(session).get("returns", 0)


def test_the_list_shows_what_was_made_and_where_it_is(
    runtime: Runtime, client: Client, county: County
) -> None:
    _signed(runtime, county)
    with runtime.sessions.begin() as session:
        arrive(session, county, instances=2, expected_instances=5)
        waiting_task(session, county, institution_id=county.west.id)
    page = client("radiographer").get(ROUTE).json()

    assert [item["state"] for item in page["items"]] == ["arriving", "signed"]
    assert page["items"][1]["returned"]["state"] == "delivered"
    assert page["items"][0]["device"]["ae_title"] == "EAST_DR"
    counts = page["counts"]
    assert (counts["arriving"], counts["signed"], counts["today"], counts["incomplete"]) == (1, 1, 2, 1)


def test_what_is_incomplete_can_be_asked_for_alone(runtime: Runtime, client: Client, county: County) -> None:
    _examination(runtime, county)
    with runtime.sessions.begin() as session:
        lacking = str(arrive(session, county, instances=2, expected_instances=5).id)
    items = client("radiographer").get(ROUTE, params={"incomplete": "true"}).json()["items"]
    assert [item["examination_id"] for item in items] == [lacking]


def test_what_has_something_held_can_be_asked_for_alone(
    runtime: Runtime, client: Client, county: County
) -> None:
    _examination(runtime, county)
    contradicted = _examination(runtime, county)
    with runtime.sessions.begin() as session:
        _hold(session, county, contradicted)
    radiographer = client("radiographer")
    items = radiographer.get(ROUTE, params={"held": "true"}).json()["items"]
    assert [(item["examination_id"], item["held"]) for item in items] == [(contradicted, 1)]


def test_pages_of_the_list_join(runtime: Runtime, client: Client, county: County) -> None:
    made = [_examination(runtime, county) for _ in range(5)]
    radiographer, seen, cursor = client("radiographer"), [], None
    for _ in range(5):
        page = radiographer.get(ROUTE, params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [item["examination_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted(made, reverse=True)


def test_an_urgent_one_moves_up_on_the_countys_list(
    runtime: Runtime, client: Client, county: County, audited: Callable[..., list[str]]
) -> None:
    first, second = _examination(runtime, county), _examination(runtime, county)
    answer = client("radiographer").patch(
        f"{ROUTE}/{second}", json={"priority": "chest_pain", "clinical_information": " 胸痛2小时 "}
    )

    assert answer.json()["clinical_information"] == "胸痛2小时"
    items = client("wang").get("/api/v1/worklist").json()["items"]
    assert [item["examination_id"] for item in items] == [second, first]
    assert items[0]["has_clinical_information"] is True
    assert audited(second) == ["priority_changed", "clinical_information_changed"]


def test_only_who_made_it_or_has_it_changes_it(runtime: Runtime, client: Client, county: County) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county)
    where = f"{ROUTE}/{task.examination_id}"

    assert client("wang").patch(where, json={"clinical_information": "x"}).status_code == 403
    client("wang").post(f"/api/v1/tasks/{task.id}/claim")
    assert client("wang").patch(where, json={"clinical_information": "x"}).status_code == 200
    assert client("wang").patch(where, json={"village_id": str(county.village.id)}).status_code == 403
    assert client("li").patch(where, json={"clinical_information": "x"}).status_code == 403
    assert client("west_radiographer").patch(where, json={"priority": "urgent"}).status_code == 404


def test_a_village_that_is_named_gets_the_report_too_also_afterwards(
    runtime: Runtime, client: Client, county: County
) -> None:
    report = _signed(runtime, county)
    radiographer, doctor = client("radiographer"), client("village_doctor")
    examination = radiographer.get(f"/api/v1/reports/{report}").json()["examination"]["examination_id"]
    villages = radiographer.get("/api/v1/villages").json()

    assert [village["code"] for village in villages] == ["VILLAGE"]
    assert doctor.get(f"/api/v1/reports/{report}").status_code == 404
    before = _told(runtime)
    radiographer.patch(f"{ROUTE}/{examination}", json={"village_id": villages[0]["id"]})
    assert _told(runtime) > before  # the village's inbox reads again
    assert doctor.get(f"/api/v1/reports/{report}").status_code == 200
    assert [row["report_id"] for row in doctor.get("/api/v1/returns").json()["items"]] == [report]


@pytest.mark.parametrize("who", ["west", "lead", "nobody"])
def test_only_a_village_of_this_township_can_be_named(
    runtime: Runtime, client: Client, county: County, who: str
) -> None:
    other = {"west": county.west.id, "lead": county.lead.id, "nobody": uuid.uuid4()}[who]
    answer = client("radiographer").patch(
        f"{ROUTE}/{_examination(runtime, county)}", json={"village_id": str(other)}
    )

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "village_id")


def test_a_corrected_identity_keeps_what_the_device_said(
    runtime: Runtime, client: Client, county: County, audited: Callable[..., list[str]]
) -> None:
    made = _examination(runtime, county)
    body = {"name": "仇鸣", "sex": "F", "birth_date": "1980-01-01", "patient_id": "P9", "reason": "登记写错"}
    detail = client("radiographer").post(f"{ROUTE}/{made}/identity", json=body).json()

    assert (detail["patient"]["name"], detail["patient"]["patient_id"]) == ("仇鸣", "P9")
    assert detail["patient_as_received"]["name"] == "仇明"
    change = detail["identity_changes"][0]
    assert (change["before"]["name"], change["after"]["name"], change["by"]["name"]) == (
        "仇明",
        "仇鸣",
        "赵放射",
    )
    assert "identity_corrected" in audited(made)
    assert "identity_corrected" in [event["what"] for event in detail["history"]]


@pytest.mark.parametrize(
    ("field", "value"), [("reason", ""), ("name", "  "), ("sex", "X"), ("birth_date", "soon")]
)
def test_a_correction_that_cannot_be_used_names_the_field(
    runtime: Runtime, client: Client, county: County, field: str, value: str
) -> None:
    body = {
        "name": "仇鸣",
        "sex": "F",
        "birth_date": None,
        "patient_id": "P9",
        "reason": "写错",
        field: value,
    }
    answer = client("radiographer").post(f"{ROUTE}/{_examination(runtime, county)}/identity", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


def test_an_id_minted_just_now_is_asked_for_again_and_an_old_one_is_not(client: Client) -> None:
    fresh = client("radiographer").get(f"{ROUTE}/{new_id()}")
    old = client("radiographer").get(f"{ROUTE}/{uuid.UUID(int=7 << 76 | 2 << 62)}")

    assert (fresh.status_code, fresh.headers["retry-after"]) == (404, "1")
    assert old.status_code == 404
    assert "retry-after" not in old.headers


# -- what comes back


def test_the_inbox_is_opened_and_acknowledged_and_the_county_sees_it(
    runtime: Runtime, client: Client, county: County, audited: Callable[..., list[str]]
) -> None:
    report = _signed(runtime, county)
    radiographer = client("radiographer")
    page = radiographer.get("/api/v1/returns").json()
    row = page["items"][0]

    assert (row["report_id"], row["state"], page["counts"]["delivered"]) == (report, "delivered", 1)
    radiographer.get(f"/api/v1/reports/{report}")
    assert (
        radiographer.get("/api/v1/returns", params={"state": "opened"}).json()["items"][0]["id"] == row["id"]
    )
    assert radiographer.post(f"/api/v1/returns/{row['id']}/acknowledge").json()["state"] == "acknowledged"
    assert radiographer.post(f"/api/v1/returns/{row['id']}/acknowledge").status_code == 200
    delivery = client("wang").get(f"/api/v1/reports/{report}").json()["deliveries"][0]
    assert (delivery["state"], delivery["opened_by"]["name"]) == ("acknowledged", "赵放射")
    assert audited(row["examination_id"]) == ["report_opened", "return_acknowledged", "report_opened"]


def test_a_reader_who_looks_does_not_open_it_for_the_township(
    runtime: Runtime, client: Client, county: County
) -> None:
    report = _signed(runtime, county)
    client("wang").get(f"/api/v1/reports/{report}")

    assert client("radiographer").get("/api/v1/returns").json()["items"][0]["state"] == "delivered"


def test_a_document_that_is_still_being_made_is_asked_for_again(
    runtime: Runtime, client: Client, county: County
) -> None:
    report = _signed(runtime, county, delivered=False)
    answer = client("radiographer").get(f"/api/v1/reports/{report}/pdf")

    assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (202, True)
    assert client("radiographer").get("/api/v1/returns").json()["items"] == []


def test_the_document_is_the_one_that_was_kept_and_opening_it_counts(
    runtime: Runtime, client: Client, county: County, drain: Callable[[], int]
) -> None:
    report, pdf = _signed(runtime, county, delivered=False), b"%PDF-1.7 signed"
    origin = {"report_id": report, "received_at": NOW.isoformat(), "institution_id": str(county.lead.id)}
    runtime.journal.append("report.pdf", origin, [pdf])
    drain()
    answer = client("radiographer").get(f"/api/v1/reports/{report}/pdf")

    assert (answer.status_code, answer.content) == (200, pdf)
    assert answer.headers["content-type"] == "application/pdf"
    assert client("radiographer").get("/api/v1/returns").json()["items"][0]["state"] == "opened"


def test_the_overview_counts_the_three_blocks(runtime: Runtime, client: Client, county: County) -> None:
    assert client("radiographer").get("/api/v1/overview").json()["sent_today"]["count"] == 0
    _signed(runtime, county)
    _examination(runtime, county)
    with runtime.sessions.begin() as session:
        arrive(session, county, instances=1, expected_instances=3)
        session.add(
            Refusal(
                id=new_id(), refused_at=NOW, what="instance", institution_id=county.east.id, reason="C000"
            )
        )
    overview = client("radiographer").get("/api/v1/overview").json()

    assert overview == {
        "sent_today": {"count": 3, "arriving": 1, "incomplete": 1, "held": 0, "refused": 1},
        "reading": {"count": 1, "urgent": 0, "next_due_at": "2026-11-21T08:30:00Z"},
        "returned": {"unread": 1, "today": 1},
        "devices": {"out_of_control": 0, "late": 0},
        "laboratory": None,
    }
    assert client("west_radiographer").get("/api/v1/overview").json()["returned"] == {"unread": 0, "today": 0}


def test_refusals_say_why_and_what_to_do_alike_ones_together(
    runtime: Runtime, client: Client, county: County
) -> None:
    with runtime.sessions.begin() as session:
        for title, institution in (
            ("EAST_DR", county.east.id),
            ("EAST_DR", county.east.id),
            ("EAST_DR", None),
        ):
            what = ("instance", "C000") if institution else ("association", "3")
            session.add(
                Refusal(
                    id=new_id(), refused_at=NOW, what=what[0], institution_id=institution,
                    calling_ae_title=title, reason=what[1], sop_instance_uid="1.2",
                )
            )  # fmt: skip
        session.add(
            Refusal(
                id=new_id(), refused_at=NOW, what="instance", institution_id=county.west.id, reason="C000"
            )
        )
    rows = client("radiographer").get("/api/v1/refusals", headers={"Accept-Language": "en"}).json()

    assert sorted((row["what"], row["count"]) for row in rows) == [("association", 1), ("instance", 2)]
    assert all(row["device"]["ae_title"] == "EAST_DR" and row["advice"] for row in rows)


# -- uploads


def _file(image: Dataset) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _upload(who: TestClient, *files: tuple[str, bytes], kind: str = "imaging") -> Any:
    return who.post(ROUTE, data={"kind": kind}, files=[("files", file) for file in files])


def test_uploaded_files_become_one_examination_with_the_minted_id(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    images = [_file(image) for image in make_images(2, patient_id="U1")]
    radiographer = client("radiographer")
    answer = _upload(radiographer, ("a.dcm", images[0]), ("胸片.dcm", images[1]))

    assert answer.status_code == 201, answer.text
    accepted = answer.json()["accepted"]
    minted = {file["examination_id"] for file in accepted}
    assert [file["name"] for file in accepted] == ["a.dcm", "胸片.dcm"]
    assert len(minted) == 1
    early = radiographer.get(f"{ROUTE}/{next(iter(minted))}")
    assert (early.status_code, early.headers["retry-after"]) == (404, "1")
    drain()
    detail = radiographer.get(f"{ROUTE}/{next(iter(minted))}").json()
    assert (detail["instances"], detail["patient"]["patient_id"], detail["site"]["code"]) == (2, "U1", "EAST")
    assert detail["series"][0]["instances"] == 2
    with runtime.sessions() as session:
        records = session.scalars(select(Record)).all()
        assert {record.origin["filename"] for record in records} == {"a.dcm", "胸片.dcm"}


def test_an_upload_that_joins_a_known_study_is_found_under_its_own_id(
    client: Client, drain: Callable[[], int]
) -> None:
    radiographer = client("radiographer")
    first, second = (_file(image) for image in make_images(2))
    one = _upload(radiographer, ("1.dcm", first)).json()["accepted"][0]["examination_id"]
    drain()
    two = _upload(radiographer, ("2.dcm", second)).json()["accepted"][0]["examination_id"]
    drain()

    assert one != two
    assert radiographer.get(f"{ROUTE}/{two}").json()["examination_id"] == one


def test_each_bad_file_says_why_and_the_good_one_is_taken(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    good = _file(next(make_images(1)))
    answer = _upload(
        client("radiographer"),
        ("text.txt", b"not an image"),
        ("empty.dcm", b""),
        ("cut.dcm", good[: len(good) - 100]),
        ("../../etc/passwd", good[:200]),
        ("好" * 300 + ".dcm", good),
        ("x" * 300, good),
        ("good.dcm", good),
    )

    assert answer.status_code == 201
    assert [file["name"] for file in answer.json()["accepted"]] == ["good.dcm"]
    reasons = [(file["name"], file["reason"]) for file in answer.json()["refused"]]
    assert reasons[0][1].startswith("不是 DICOM 文件")
    assert reasons[2][1].startswith("文件内容不完整")
    assert reasons[3][0] == "passwd"
    assert reasons[4][1] == reasons[5][1] == "文件名过长（最多 255 字节）"
    drain()
    refusals = client("radiographer").get("/api/v1/refusals").json()
    assert sum(row["count"] for row in refusals if row["what"] == "file") == 6
    with runtime.sessions() as session:
        assert [record.state for record in session.scalars(select(Record))] == [RecordState.INDEXED]


def test_every_truncation_of_a_file_is_refused_and_nothing_crashes(client: Client) -> None:
    image = next(make_images(1, size=4))
    del image.PixelData
    whole, radiographer = _file(image), client("radiographer")
    files = [(f"{size}.dcm", whole[:size]) for size in range(0, len(whole), 7)]
    answer = _upload(radiographer, *files)
    accepted = {file["name"] for file in answer.json()["accepted"]}

    # Cut between two elements a data set is whole again; the elements that name it must be there all the same.
    for name in accepted:
        cut = dcmread(io.BytesIO(whole[: int(name.removesuffix(".dcm"))]))
        assert cut.SOPInstanceUID == image.SOPInstanceUID
    assert len(accepted) < len(files) / 4


@pytest.mark.parametrize("kind", ["laboratory", "pathology"])
def test_kinds_without_a_reader_yet_are_refused_clearly(client: Client, kind: str) -> None:
    answer = _upload(client("radiographer"), ("a.xml", b"<xml/>"), kind=kind)

    assert (answer.status_code, answer.json()["code"]) == (422, "kind_not_taken")


def test_when_nothing_could_be_taken_the_answer_lists_why(client: Client) -> None:
    answer = _upload(client("radiographer"), ("a.txt", b"hello"))

    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_accepted")
    assert answer.json()["accepted"] == []
    assert answer.json()["refused"][0]["name"] == "a.txt"


@pytest.mark.parametrize(
    ("data", "files", "status"),
    [({}, True, 422), ({"kind": "imaging"}, False, 422), ({"kind": "astrology"}, True, 422)],
)
def test_an_incomplete_form_is_refused(
    client: Client, data: dict[str, str], files: bool, status: int
) -> None:
    sent = [("files", ("a.dcm", b"x"))] if files else None
    answer = client("radiographer").post(ROUTE, data=data, files=sent)

    assert (answer.status_code, answer.json()["code"]) == (status, "invalid")


def test_a_machine_uploads_for_its_institution(
    machine: Callable[[Wire], TestClient], drain: Callable[[], int]
) -> None:
    file = ("a.dcm", _file(next(make_images(1))))

    assert _upload(machine(Wire.REPORTS), file).status_code == 403
    minted = _upload(machine(Wire.UPLOAD), file).json()["accepted"][0]["examination_id"]
    drain()
    assert machine(Wire.UPLOAD).get(f"{ROUTE}/{minted}").json()["site"]["code"] == "EAST"


def test_a_machine_collects_its_reports_but_acknowledges_none(
    runtime: Runtime, county: County, machine: Callable[[Wire], TestClient]
) -> None:
    report = _signed(runtime, county)
    his = machine(Wire.REPORTS)
    row = his.get("/api/v1/returns").json()["items"][0]

    assert his.get(f"/api/v1/reports/{report}").json()["number"]
    assert row["state"] == "delivered"
    assert his.post(f"/api/v1/returns/{row['id']}/acknowledge").status_code == 403


# -- verification


def test_anybody_can_verify_a_report_and_learns_no_more_than_that(
    runtime: Runtime, client: Client, county: County, anybody: TestClient
) -> None:
    report = _signed(runtime, county)
    address = client("wang").get(f"/api/v1/reports/{report}").json()["verification_url"]
    answer = anybody.get(f"/api/v1/verifications/{address.rpartition('/')[2]}")

    assert answer.status_code == 200
    assert (answer.json()["valid"], answer.json()["patient"]) == (True, "仇**")
    assert answer.json()["pdf_sha256"] == SHA
    assert "明" not in answer.text
    assert "心肺" not in answer.text


def test_a_code_that_nobody_issued_is_not_there_and_guessing_is_slow(
    anybody: TestClient, county: County, clock: Clock
) -> None:
    statuses = [anybody.get(f"/api/v1/verifications/guess{n}").status_code for n in range(21)]
    answer = anybody.get("/api/v1/verifications/guess")

    assert statuses == [404] * 20 + [429]
    assert (answer.json()["code"], int(answer.headers["retry-after"]) > 0) == ("too_often", True)
    clock.advance(seconds=2)
    assert anybody.get("/api/v1/verifications/guess").status_code == 404


def test_a_report_without_standing_is_not_valid(
    runtime: Runtime, county: County, anybody: TestClient
) -> None:
    with runtime.sessions.begin() as session:
        report = signed_report(session, county)
        code, report.state = report.verification_code, ReportState.VOID
    answer = anybody.get(f"/api/v1/verifications/{code}").json()

    assert (answer["valid"], answer["state"]) == (False, "void")


def test_delivering_later_reaches_the_inbox(runtime: Runtime, client: Client, county: County) -> None:
    report_id = _signed(runtime, county, delivered=False)
    with runtime.sessions.begin() as session:
        deliver(session, session.get_one(Report, uuid.UUID(report_id)), pdf_sha256=SHA, now=NOW)

    assert client("radiographer").get("/api/v1/returns").json()["items"][0]["report_id"] == report_id


def test_a_correction_after_the_signature_is_seen_by_everybody_concerned(
    runtime: Runtime, client: Client, county: County
) -> None:
    with runtime.sessions.begin() as session:
        report = signed_report(session, county)
    radiographer, wang = client("radiographer"), client("wang")
    route, flag = f"{ROUTE}/{report.examination_id}", "identity_changed_after_signing"
    assert radiographer.get(route).json()[flag] is False
    before = _told(runtime)
    body = {"name": "李四", "sex": "M", "birth_date": "1979-03-04", "patient_id": "P001", "reason": "写错"}
    assert radiographer.post(f"{route}/identity", json=body).json()[flag] is True

    assert _told(runtime) > before
    assert wang.get(f"/api/v1/reports/{report.id}").json()[flag] is True
    assert wang.get(f"/api/v1/tasks/{report.task_id}").json()["task"][flag] is True
    (item,) = wang.get("/api/v1/worklist", params={"state": "signed"}).json()["items"]
    assert (item[flag], item["patient"]["name"]) == (True, "李四")
    assert wang.get(f"/api/v1/reports/{report.id}").json()["patient"]["name"] == "仇明"
