"""Signed reports: they never change, versions, the manifest, and the way back to the township."""

import hashlib
import json
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, identity, signed_report, submitted_task
from worklists.errors import NotFound
from worklists.examinations import correct_identity
from worklists.reading import ReportIncomplete, TaskState, get_task
from worklists.reports import (
    Original,
    Report,
    ReportImmutable,
    ReportReturn,
    ReportState,
    ReturnState,
    deliver,
    find_renamed,
    sign_report,
)


def test_a_report_says_who_wrote_who_signed_and_when(session: Session, county: County) -> None:
    report = signed_report(session, county)

    assert (report.writer, report.signed_by, report.reviewer) == (
        county.wang,
        county.reviewer,
        county.reviewer,
    )
    assert (report.version, report.signed_at, report.state) == (1, NOW, ReportState.SIGNED)
    assert report.number.startswith("20261121")
    assert len(report.verification_code) >= 16


def test_the_number_carries_the_countys_day(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    late_evening = NOW.replace(hour=20)
    report = sign_report(session, task, signer=county.reviewer, marks=[], originals=[], now=late_evening)

    assert report.number.startswith("20261122")


def test_the_manifest_lists_every_original_in_one_canonical_form(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    originals = [Original(sop_instance_uid=uid, sha256="ab", size_bytes=3) for uid in ("1.2.9", "1.2.10")]
    report = sign_report(session, task, signer=county.reviewer, marks=[], originals=originals, now=NOW)
    content = json.loads(report.manifest)

    assert [o["sop_instance_uid"] for o in content["originals"]] == ["1.2.10", "1.2.9"]
    assert content["study_instance_uid"] == task.examination.study_instance_uid
    assert report.manifest == json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert report.manifest_sha256 == hashlib.sha256(report.manifest.encode()).hexdigest()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("findings", "改了"), ("impression", "改了"), ("marks", [{"text": "全国HR"}]), ("manifest", "{}"),
        ("patient", {"name": "别人"}), ("critical", True), ("number", "1"), ("version", 7),
        ("signed_at", NOW + timedelta(days=1)), ("pdf_sha256", "00"),
    ],
)  # fmt: skip
def test_nothing_that_was_signed_can_be_changed(
    session: Session, county: County, field: str, value: object
) -> None:
    report = signed_report(session, county)
    session.commit()
    _ = report.pdf_sha256
    setattr(report, field, value)

    with pytest.raises(ReportImmutable):
        session.flush()


def test_only_its_state_moves_on(session: Session, county: County) -> None:
    report = signed_report(session, county)
    session.commit()
    report.state = ReportState.VOID
    session.commit()

    assert session.get_one(Report, report.id).state is ReportState.VOID


def test_a_corrected_patient_does_not_change_what_was_signed(session: Session, county: County) -> None:
    report = signed_report(session, county)
    correct_identity(
        session, report.examination, identity=identity(name="李^四"), reason="写错", person=county.radiographer,
        now=NOW,
    )  # fmt: skip
    session.commit()

    assert report.patient["name"] == "QIU^MING=仇^明"


def test_a_report_of_a_patient_who_was_corrected_afterwards_is_found(
    session: Session, county: County
) -> None:
    def say(name: str) -> None:
        correct_identity(
            session, report.examination, identity=identity(name=name), reason="写错",
            person=county.radiographer, now=NOW,
        )  # fmt: skip
        session.flush()

    report = signed_report(session, county)
    assert find_renamed(session, [report]) == set()
    say("仇明")  # nothing but what the report says
    assert find_renamed(session, [report]) == set()
    say("李^四")
    assert find_renamed(session, [report]) == {report.id}
    say("QIU^MING=仇^明")
    assert find_renamed(session, [report]) == set()


def test_a_report_that_cannot_be_signed_leaves_nothing(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    assert task.draft is not None
    task.draft.impression = ""

    with pytest.raises(ReportIncomplete):
        sign_report(session, task, signer=county.reviewer, marks=[], originals=[], now=NOW)
    assert session.query(Report).count() == 0


def test_it_goes_back_to_the_township_and_the_village_it_names(session: Session, county: County) -> None:
    task = submitted_task(session, county)
    task.examination.village_id = county.village.id
    report = sign_report(session, task, signer=county.reviewer, marks=[], originals=[], now=NOW)

    assert {row.recipient_id for row in report.returns} == {county.east.id, county.village.id}
    assert {row.state for row in report.returns} == {ReturnState.PENDING}


def _return(session: Session, report: Report) -> ReportReturn:
    return session.query(ReportReturn).filter_by(report_id=report.id).one()


def test_a_return_is_delivered_opened_acknowledged_and_the_first_time_counts(
    session: Session, county: County
) -> None:
    row = _return(session, signed_report(session, county))
    later = NOW + timedelta(hours=1)

    assert (row.state, row.delivered_at) == (ReturnState.DELIVERED, NOW)
    row.open(county.radiographer, NOW)
    row.open(county.radiographer, later)
    assert (row.state, row.opened_at) == (ReturnState.OPENED, NOW)
    row.acknowledge(county.radiographer, NOW)
    row.acknowledge(county.radiographer, later)
    row.open(county.radiographer, later)
    assert (row.state, row.acknowledged_at) == (ReturnState.ACKNOWLEDGED, NOW)


def test_acknowledging_without_opening_counts_as_opened(session: Session, county: County) -> None:
    row = _return(session, signed_report(session, county))
    row.acknowledge(county.radiographer, NOW)

    assert (row.opened_at, row.opened_by_id) == (NOW, county.radiographer.id)


def test_what_is_not_delivered_yet_can_be_neither_opened_nor_acknowledged(
    session: Session, county: County
) -> None:
    row = _return(session, signed_report(session, county, delivered=False))
    row.open(county.radiographer, NOW)

    assert (row.state, row.opened_at) == (ReturnState.PENDING, None)
    with pytest.raises(NotFound):
        row.acknowledge(county.radiographer, NOW)


def test_delivering_twice_keeps_the_first_time(session: Session, county: County) -> None:
    report = signed_report(session, county)
    deliver(session, report, pdf_sha256=str(report.pdf_sha256), now=NOW + timedelta(hours=1))
    session.flush()

    assert _return(session, report).delivered_at == NOW


def test_a_new_version_supersedes_the_one_before(session: Session, county: County) -> None:
    first = signed_report(session, county)
    task = get_task(session, first.task_id)
    task.state = TaskState.SUBMITTED  # an amendment reopens the work; its own use case comes later
    second = sign_report(session, task, signer=county.reviewer, marks=[], originals=[], now=NOW)

    assert (second.version, first.state, second.state) == (2, ReportState.SUPERSEDED, ReportState.SIGNED)
