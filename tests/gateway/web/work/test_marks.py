"""The mark of recognition over HTTP: lost with the next report, never by one that is signed."""

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway.runtime import Runtime
from tests.builders import NOW, County, add_person, identity, waiting_task
from tests.gateway.lab.saying import file, message, result, specimen
from tests.gateway.web.work import test_device_control as device_control
from tests.gateway.web.work.conftest import Client, Desk, index_instance
from tests.gateway.web.work.test_fhir_kinds import write_and_sign
from tests.gateway.web.work.test_lab_results import qualify
from tests.laboratory import Laboratory, control_material, register
from worklists.base import local_date, new_id
from worklists.directory import Device, Kind, Role
from worklists.examinations import Examination
from worklists.reading import ReadingTask
from worklists.recognition import (
    ItemMapping,
    Qualification,
    QualificationResult,
    RecognitionItem,
    ScopeLevel,
    marks_for,
)
from worklists.reports import Report

WORDS = {"findings": "双肺野清晰。", "impression": "心肺膈未见明显异常。"}


def shown(who: TestClient, report_id: str) -> list[str | None]:
    """The marks that a report shows."""
    answer = who.get(f"/api/v1/reports/{report_id}")
    assert answer.status_code == 200, answer.text
    return [one["text"] for one in answer.json()["marks"] if one["text"]]


def change_qualification(admin: TestClient, runtime: Runtime, **fields: Any) -> None:
    """As an administrator does on the register's page."""
    with runtime.reading() as session:
        held = session.scalars(select(Qualification.id)).one()
    changed = admin.patch(f"/api/v1/recognition/qualifications/{held}", json=fields)
    assert changed.status_code == 200, changed.text


def films(runtime: Runtime, county: County) -> list[str]:
    """Two chest films of the eastern township, which is qualified for them."""
    with runtime.sessions.begin() as session:
        item = RecognitionItem(
            code="DR-CHEST", name="胸部正位", kind=Kind.IMAGING, effective_from=date(2022, 3, 1)
        )
        session.add(item)
        session.flush()
        session.add_all([
            ItemMapping(id=new_id(), kind=Kind.IMAGING, modality="DX", body_part="CHEST", item_code="DR-CHEST"),
            Qualification(
                id=new_id(), institution_id=county.east.id, item_code="DR-CHEST", scope_level=ScopeLevel.NATIONAL,
                scope_label="全国", result=QualificationResult.PASS, valid_from=date(2026, 1, 1),
                valid_to=date(2026, 12, 31),
            ),
        ])  # fmt: skip
        rows = [
            waiting_task(session, county, patient=identity(patient_id=number, name=f"=王^{number}"))
            for number in ("P1", "P2")
        ]
    for place, row in enumerate(rows):
        index_instance(runtime, row.examination, f"1.2.3.{place}")
    return [f"/api/v1/tasks/{row.id}" for row in rows]


@pytest.mark.parametrize(
    "change",
    [{"valid_to": "2026-11-20"}, {"result": "suspended"}, {"result": "fail"}],
    ids=["lapsed", "suspended", "failed"],
)
def test_of_images_the_next_report_has_none_and_the_signed_one_keeps_its_own(
    runtime: Runtime, county: County, client: Client, change: dict[str, str]
) -> None:
    first, second = films(runtime, county)
    before = write_and_sign(client, first, "li", **WORDS)
    assert shown(client("radiographer"), before) == ["全国HR"]
    change_qualification(client("admin"), runtime, **change)
    after = write_and_sign(client, second, "li", **WORDS)
    assert (shown(client("radiographer"), before), shown(client("radiographer"), after)) == (["全国HR"], [])


def mark_of(who: TestClient, report_id: str) -> tuple[str | None, str | None]:
    """The mark of a report of one item, and why it has none."""
    [one] = who.get(f"/api/v1/reports/{report_id}").json()["marks"]
    return one["text"], one["reason"]


def tracings(runtime: Runtime, county: County) -> list[str]:
    """Two ECGs of the eastern township's cart, which is qualified for them."""
    with runtime.sessions.begin() as session:
        item = RecognitionItem(
            code="ECG-REST", name="常规心电图", kind=Kind.ECG, effective_from=date(2022, 3, 1)
        )
        session.add(item)
        session.flush()
        session.add_all([
            ItemMapping(id=new_id(), kind=Kind.ECG, item_code="ECG-REST"),
            Qualification(
                id=new_id(), institution_id=county.east.id, item_code="ECG-REST", scope_level=ScopeLevel.NATIONAL,
                scope_label="全国", result=QualificationResult.PASS, valid_from=date(2026, 1, 1),
                valid_to=date(2026, 12, 31),
            ),
        ])  # fmt: skip
        session.get_one(Device, county.device.id).modality = "ECG"
        add_person(session, "ecg_reviewer", "何主任", county.lead, Role.REVIEWER, county.ecg)
        rows = [
            waiting_task(session, county, kind=Kind.ECG, modality="ECG", patient=identity(patient_id=number))
            for number in ("P1", "P2")
        ]
    return [f"/api/v1/tasks/{row.id}" for row in rows]


CHECKED = {
    "images": (films, "li", "reviewer"),
    "tracings": (tracings, "ecg_reader", "ecg_reviewer"),
}


@pytest.mark.parametrize("kind", CHECKED)
@pytest.mark.parametrize("meanwhile", [False, True])
def test_a_device_out_of_control_takes_the_mark_until_it_is_released(
    runtime: Runtime, county: County, client: Client, kind: str, meanwhile: bool
) -> None:
    make, reader, reviewer = CHECKED[kind]
    first, second = make(runtime, county)
    before = write_and_sign(client, first, reader, reviewer=reviewer, **WORDS)
    failed = device_control.fail(client("radiographer"), county)
    device_control.enter(client("radiographer"), county)  # one that passes afterwards does not end it
    after = write_and_sign(client, second, reader, reviewer=reviewer, **WORDS)
    township = client("radiographer")
    assert mark_of(township, before) == ("全国HR", None)
    assert mark_of(township, after) == (None, "device_out_of_control")
    device_control.release(client(reviewer), failed, meanwhile=meanwhile)
    assert mark_of(township, after) == (None, "device_out_of_control")  # of what is signed nothing changes
    with runtime.reading() as session:
        examination = session.get_one(Report, uuid.UUID(after)).examination
        [mark] = marks_for(session, examination, on=local_date(NOW))
    # Made before the release: it counts where whoever released said so.
    assert (mark.text, mark.reason) == (("全国HR", None) if meanwhile else (None, "device_out_of_control"))


@pytest.mark.parametrize("takes", [False, True])
def test_a_check_that_is_late_takes_the_mark_only_where_the_county_says_so(
    runtime: Runtime, county: County, client: Client, takes: bool
) -> None:
    first, _ = films(runtime, county)
    interval = {
        "modality": "DX", "kind": "status", "every_days": 7, "valid_from": "2026-11-01", "late_takes_mark": takes,
    }  # fmt: skip
    assert client("admin").post("/api/v1/device-control/intervals", json=interval).status_code == 201
    report = write_and_sign(client, first, "li", **WORDS)
    assert mark_of(client("radiographer"), report) == (
        (None, "device_check_late") if takes else ("全国HR", None)
    )


def sign_specimen(runtime: Runtime, client: Client, barcode: str) -> str:
    """Verified with a word and signed by the laboratory's reader."""
    with runtime.reading() as session:
        task = session.scalars(
            select(ReadingTask).join(Examination).where(Examination.accession_number == barcode)
        ).one()
    hers, path = client("lab"), f"/api/v1/tasks/{task.id}"
    assert hers.post(f"{path}/claim").status_code == 200
    items = hers.get(f"/api/v1/examinations/{task.examination_id}/results").json()["items"]
    results = [one["result"] for one in items if one["result"]]
    for one in (one for one in results if one["verification"] == "waiting"):
        verified = hers.post(f"{path}/results/verify", json={"result_ids": [one["id"]], "reason": "复核"})
        assert verified.status_code == 200, verified.text
    signed = hers.post(f"{path}/sign")
    assert signed.status_code == 200, signed.text
    return str(signed.json()["report_id"])


def marks_of_results(who: TestClient, report_id: str) -> dict[str, str]:
    """Item → mark, as a signed laboratory report shows them."""
    said = who.get(f"/api/v1/reports/{report_id}").json()
    return {one["item_name"]: one["text"] for one in said["marks"] if one["text"]}


def lapse(_runtime: Runtime, _laboratory: Laboratory, admin: TestClient) -> None:
    change_qualification(admin, _runtime, valid_to="2026-11-20")


def lose_control(runtime: Runtime, laboratory: Laboratory, _admin: TestClient) -> None:
    """The next control run of the bench is far too high."""
    high = result("WBC", "6.9", observed_at=NOW - timedelta(minutes=2))
    file(runtime, laboratory.bench, message(specimen("QC-1", high)))


@pytest.mark.parametrize("lose", [lapse, lose_control])
def test_of_results_the_next_report_has_none_and_the_signed_one_keeps_its_own(
    open_desk: Callable[..., Desk], runtime: Runtime, county: County, laboratory: Laboratory, client: Client,
    lose: Callable[[Runtime, Laboratory, TestClient], None],
) -> None:  # fmt: skip
    qualify(runtime, county.east.id)
    with runtime.sessions.begin() as session:
        control_material(session, laboratory.bench)
        register(session, county, "B002", patient_id="P2", name="=王^二")
    open_desk(result("WBC", "5.5"), claimed=False)
    before = sign_specimen(runtime, client, "B001")
    assert list(marks_of_results(client("lab"), before).values()) == ["全国HR"]
    lose(runtime, laboratory, client("admin"))
    file(runtime, laboratory.bench, message(specimen("B002", result("WBC", "5.6"))))
    after = sign_specimen(runtime, client, "B002")
    assert list(marks_of_results(client("lab"), before).values()) == ["全国HR"]
    assert marks_of_results(client("lab"), after) == {}
