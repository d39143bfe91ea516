"""A specimen on its way: what may become of it, who sees it, and numbers that are given out once."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, build_county
from tests.laboratory import build_laboratory, register
from worklists.access import Subject, specimens_visible_to
from worklists.errors import Invalid
from worklists.laboratory.examining import open_examination, return_to_township
from worklists.laboratory.numbers import check_digit, is_barcode, is_mistyped, issue_barcode
from worklists.laboratory.specimens import LabSpecimen, LabTransport, SpecimenState, SpecimenStateForbids
from worklists.reading import TaskAlreadyClaimed, TaskState, tasks_of


def test_steps_say_what_happened_when_and_by_whom(session: Session) -> None:
    county = build_county(session)
    laboratory = build_laboratory(session, county)
    specimen = register(session, county)
    transport = LabTransport(
        institution_id=county.east.id, number="T1", sent_at=NOW, sent_by=county.radiographer, expected_at=NOW
    )

    specimen.send(transport, county.radiographer, NOW)
    specimen.receive(laboratory.reader, NOW)
    specimen.reject(laboratory.reader, " 溶血 ", NOW)

    assert [(one["step"], one["by"], one["detail"]) for one in specimen.steps] == [
        ("sent", "赵放射", "T1"), ("received", "郑检验", ""), ("rejected", "郑检验", "溶血"),
    ]  # fmt: skip
    with pytest.raises(SpecimenStateForbids):
        specimen.receive(laboratory.reader, NOW)


def test_what_is_in_work_is_not_cancelled_and_a_reason_is_needed(session: Session) -> None:
    county = build_county(session)
    specimen = register(session, county)
    with pytest.raises(Invalid):
        specimen.cancel(county.radiographer, " ", NOW)
    assert specimen.state is SpecimenState.REGISTERED
    specimen.receive(county.wang, NOW)
    with pytest.raises(SpecimenStateForbids):
        specimen.cancel(county.radiographer, "不做了", NOW)


@pytest.mark.parametrize(
    ("tested_h", "received_h"),
    [(-1, -1), (-3, 0), (1, 0)],
    ids=["as the analyser says", "before it was taken: a wrong clock", "after now: a wrong clock"],
)
def test_what_was_tested_was_received_no_later(session: Session, tested_h: int, received_h: int) -> None:
    specimen = register(session, build_county(session))
    specimen.collected_at = NOW - timedelta(hours=2)

    specimen.note_tested("分析仪", NOW + timedelta(hours=tested_h), NOW)

    assert specimen.state is SpecimenState.RECEIVED
    assert specimen.received_at == NOW + timedelta(hours=received_h)


def test_a_rejected_specimen_goes_back_unless_somebody_else_reads_it(session: Session) -> None:
    county = build_county(session)
    laboratory = build_laboratory(session, county)
    specimen = register(session, county)
    specimen.receive(laboratory.reader, NOW)
    examination = open_examination(session, specimen, now=NOW)
    session.flush()
    [task] = session.scalars(tasks_of(examination.id))
    task.claim(laboratory.reader, NOW)
    specimen.reject(laboratory.reviewer, "凝块", NOW)

    with pytest.raises(TaskAlreadyClaimed):
        return_to_township(session, specimen, laboratory.reviewer, NOW)
    return_to_township(session, specimen, laboratory.reader, NOW)

    assert (task.state, task.sent_back_reason) == (TaskState.SENT_BACK, "凝块")


def test_specimens_are_seen_by_who_took_them_and_by_the_laboratory_of_their_lead_hospital(
    session: Session,
) -> None:
    county = build_county(session)
    laboratory = build_laboratory(session, county)
    register(session, county)
    sees = {
        person.username: bool(
            session.scalars(select(LabSpecimen).where(specimens_visible_to(Subject.of(person)))).all()
        )
        for person in (*county.people.values(), laboratory.reader, laboratory.reviewer)
    }

    assert {name for name, seen in sees.items() if seen} == {"radiographer", "lab", "lab_head"}


def test_barcodes_are_given_out_once_and_tell_a_mistyped_digit(session: Session) -> None:
    county = build_county(session)
    build_laboratory(session, county)
    first = issue_barcode(session, NOW)
    taken = f"{first[:6]}00002"
    register(session, county, taken + check_digit(taken))
    second = issue_barcode(session, NOW)

    assert (first, second[:11]) == (f"26112100001{check_digit('26112100001')}", "26112100003")
    assert check_digit("7992739871") == "3"  # the example of ISO/IEC 7812-1
    assert not is_mistyped(first) and is_mistyped(first[:-1] + str((int(first[-1]) + 1) % 10))
    assert is_barcode("LX-0012/3") and not is_barcode("a b") and not is_barcode("B1")
