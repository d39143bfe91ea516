"""The timeline of a person: lines of every kind, bounded, and one opened in its place."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydicom.uid import EncapsulatedPDFStorage
from sqlalchemy import event, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from gateway import priors
from gateway.index import Instance
from gateway.runtime import Runtime
from tests.builders import NOW, County, signed_report, waiting_task
from tests.gateway.lab.saying import result
from tests.gateway.web.work.conftest import Client, Desk, index_instance
from worklists.base import new_id
from worklists.directory import Kind
from worklists.laboratory.results import LabAttachment
from worklists.reading import ReadingTask


@pytest.fixture
def task(runtime: Runtime, county: County) -> str:
    with runtime.sessions.begin() as session:
        return f"/api/v1/tasks/{waiting_task(session, county).id}"


def _lines(client: Client, task: str, who: str = "wang") -> list[dict[str, Any]]:
    client(who).post(f"{task}/claim")
    found: list[dict[str, Any]] = client(who).get(task).json()["priors"]
    return found


def _make_pdf(session: Session, sop_instance_uid: str) -> None:
    row = session.scalars(select(Instance).where(Instance.sop_instance_uid == sop_instance_uid)).one()
    row.sop_class_uid = str(EncapsulatedPDFStorage)


def test_a_line_says_what_was_concluded_and_opening_it_is_audited(
    runtime: Runtime, client: Client, county: County, task: str, audited: Callable[..., list[str]]
) -> None:
    with runtime.sessions.begin() as session:
        report = signed_report(session, county, first_received_at=NOW - timedelta(days=9))
        about, positive = report.examination_id, report.positive
    [line] = _lines(client, task)

    assert line["examination_id"] == str(about)
    assert (line["kind"], line["positive"], line["critical"]) == ("imaging", positive, False)
    assert (line["linked"], line["elsewhere"], line["documents"]) == (False, False, 0)
    assert line["report"]["impression"] == "心肺膈未见明显异常。"
    assert "findings" not in line["report"]
    assert "examination_opened" not in audited(about)

    opened = client("wang").get(f"{task}/priors/{about}").json()
    assert opened["findings"] == "双肺野清晰。"
    assert opened["prior"] == line
    assert audited(about)[-1] == "examination_opened"


def test_a_document_among_its_images_is_listed_with_the_route_that_shows_it(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    with runtime.sessions.begin() as session:
        prior = waiting_task(session, county, kind=Kind.ECG, first_received_at=NOW - timedelta(days=5))
    index_instance(runtime, prior.examination, "1.2.7")
    [before] = _lines(client, task)
    with runtime.sessions.begin() as session:
        _make_pdf(session, "1.2.7")
    [after] = _lines(client, task)
    opened = client("wang").get(f"{task}/priors/{prior.examination_id}").json()

    assert (before["documents"], after["documents"]) == (0, 1)
    [document] = opened["documents"]
    assert (document["name"], document["media_type"]) == ("正位", "application/pdf")
    study = prior.examination.study_instance_uid
    assert document["url"] == f"/dicomweb/studies/{study}/series/1.2/instances/1.2.7/rendered"
    assert (opened["findings"], opened["measurements"], opened["prior"]["report"]) == ("", {}, None)


def test_a_specimen_shows_what_is_abnormal_critical_first_and_its_attachments(
    runtime: Runtime, client: Client, county: County, open_desk: Callable[..., Desk]
) -> None:
    desk = open_desk(result("WBC", "32.1"), result("HGB", "128"), result("PLT", "210"))
    assert desk.post("verify", result_ids=None).status_code == 200
    with runtime.sessions.begin() as session:
        picture = LabAttachment(
            id=new_id(), examination_id=desk.examination_id, message_id=new_id(), position=1, name="WBC.PNG",
            media_type="image/png", size_bytes=3, received_at=NOW,
        )  # fmt: skip
        session.add(picture)
        task = f"/api/v1/tasks/{waiting_task(session, county).id}"
    [waits] = _lines(client, task)
    assert [one["item_code"] for one in waits["abnormal"]] == ["HGB"]  # nobody has released the critical one
    assert (waits["positive"], waits["critical"], waits["documents"]) == (True, False, 1)

    desk.post("verify", result_ids=[desk.id_of("WBC")], reason="复查一致")
    [line] = _lines(client, task)
    opened = client("wang").get(f"{task}/priors/{desk.examination_id}").json()

    assert [(one["item_code"], one["abnormal"], one["critical"]) for one in line["abnormal"]] == [
        ("WBC", "HH", True), ("HGB", "L", False),
    ]  # fmt: skip
    assert (line["abnormal_count"], line["positive"], line["critical"]) == (2, True, True)
    assert line["abnormal"][0]["value"] == "32.10"
    assert [one["url"] for one in opened["documents"]] == [f"/api/v1/lab/attachments/{picture.id}"]


def test_another_institutions_examination_is_marked(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    with runtime.sessions.begin() as session:
        mine = session.get_one(ReadingTask, UUID(task.rpartition("/")[2])).examination.patient
        other = waiting_task(session, county, institution_id=county.west.id)
        other.examination.patient.master_id = mine.master_id
    [line] = _lines(client, task)

    assert (line["elsewhere"], line["linked"], line["site"]["name"]) == (True, True, county.west.name)


def test_what_is_behind_the_first_page_is_counted_and_comes_with_the_cursor(
    runtime: Runtime, client: Client, county: County, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(priors, "MOST_PRIORS", 3)
    with runtime.sessions.begin() as session:
        made = [
            str(waiting_task(session, county, first_received_at=NOW - timedelta(days=days)).examination_id)
            for days in range(1, 6)
        ]
    detail = client("wang").get(task).json()
    rest = client("wang").get(f"{task}/priors", params={"cursor": detail["priors_cursor"]}).json()

    assert [one["examination_id"] for one in detail["priors"]] == made[:3]
    assert detail["priors_total"] == 5
    assert [one["examination_id"] for one in rest["items"]] == made[3:]
    assert (rest["total"], rest["next_cursor"]) == (5, None)
    assert client("wang").get(f"{task}/priors", params={"cursor": "eA"}).status_code == 422


def test_twenty_priors_are_read_with_as_many_statements_as_two(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    def add(count: int) -> None:
        with runtime.sessions.begin() as session:
            for _ in range(count):
                signed_report(session, county, first_received_at=NOW - timedelta(days=3))

    wang = client("wang")
    add(2)
    wang.get(f"{task}/priors")
    few = _statements(runtime, lambda: wang.get(f"{task}/priors"))
    add(18)
    many = _statements(runtime, lambda: wang.get(f"{task}/priors"))

    assert len(wang.get(f"{task}/priors").json()["items"]) == 20
    assert len(many) == len(few)


def test_only_who_may_see_a_prior_opens_it(
    runtime: Runtime, client: Client, county: County, task: str
) -> None:
    with runtime.sessions.begin() as session:
        ecg = waiting_task(session, county, kind=Kind.ECG).examination_id
    wang = client("wang")

    assert wang.get(f"{task}/priors/{ecg}").status_code == 404  # not held yet
    wang.post(f"{task}/claim")
    assert wang.get(f"{task}/priors/{ecg}").status_code == 200
    assert client("reviewer").get(f"{task}/priors/{ecg}").status_code == 404
    wang.post(f"{task}/release")
    assert wang.get(f"{task}/priors/{ecg}").status_code == 404


def _statements(runtime: Runtime, deed: Callable[[], object]) -> Sequence[str]:
    with runtime.reading() as session:
        engine = session.get_bind()
    assert isinstance(engine, Engine)
    heard: list[str] = []

    def hear(_c: object, _k: object, statement: str, *_rest: object) -> None:
        heard.append(statement)

    event.listen(engine, "before_cursor_execute", hear)
    try:
        deed()
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    return heard
