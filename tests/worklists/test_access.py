"""One door for seeing: the architecture's table, role × institution × what is to be seen, complete."""

import uuid

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import (
    NOW,
    County,
    add_role,
    arrive,
    late,
    signed_report,
    task_of,
    waiting_task,
    write_draft,
)
from worklists.access import Sight, Subject, Wire, made_by, tasks_read_by, visible_to
from worklists.directory import Kind, Role
from worklists.examinations import Examination
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn, deliver, sign_report

E, I, R = Sight.EXAMINATION, Sight.IMAGES, Sight.REPORT  # noqa: E741
ALL, NONE = {E, I, R}, set[Sight]()

# The examinations: made at east and waiting; made at east, reported, for the village too; made at west and
# reported; an ECG made at east; one of east without a centre.
NAMES = ("waiting", "reported", "west", "ecg", "unrouted")
TABLE: dict[str, dict[str, set[Sight]]] = {
    "radiographer": {"waiting": ALL, "reported": ALL, "west": NONE, "ecg": ALL, "unrouted": ALL},
    "west_radiographer": {"waiting": NONE, "reported": NONE, "west": ALL, "ecg": NONE, "unrouted": NONE},
    "village_doctor": {"waiting": NONE, "reported": {E, R}, "west": NONE, "ecg": NONE, "unrouted": NONE},
    "wang": {"waiting": ALL, "reported": ALL, "west": NONE, "ecg": NONE, "unrouted": NONE},
    "reviewer": {"waiting": ALL, "reported": ALL, "west": NONE, "ecg": NONE, "unrouted": NONE},
    "ecg_reader": {"waiting": NONE, "reported": NONE, "west": NONE, "ecg": ALL, "unrouted": NONE},
    "other_reader": {"waiting": NONE, "reported": NONE, "west": ALL, "ecg": NONE, "unrouted": NONE},
    "it": dict.fromkeys(NAMES, NONE),
    "admin": dict.fromkeys(NAMES, NONE),
    "auditor": dict.fromkeys(NAMES, NONE),
}


@pytest.fixture
def examinations(session: Session, county: County) -> dict[str, Examination]:
    reported = signed_report(session, county, delivered=False)
    session.add(ReportReturn(id=uuid.uuid4(), report_id=reported.id, recipient_id=county.village.id))
    session.flush()
    session.refresh(reported)
    deliver(session, reported, pdf_sha256="00", now=NOW)
    unrouted = arrive(session, county, kind=Kind.PATHOLOGY)
    west = waiting_task(session, county, institution_id=county.west.id, device_id=county.west_device.id)
    return {
        "waiting": waiting_task(session, county).examination,
        "reported": reported.examination,
        "west": west.examination,
        "ecg": arrive(session, county, kind=Kind.ECG),
        "unrouted": unrouted,
    }


def _seen(session: Session, subject: Subject, examinations: dict[str, Examination]) -> dict[str, set[Sight]]:
    seen: dict[str, set[Sight]] = {name: set() for name in examinations}
    for sight in Sight:
        ids = set(session.scalars(select(Examination.id).where(visible_to(subject, sight))))
        for name, examination in examinations.items():
            if examination.id in ids:
                seen[name].add(sight)
    return seen


def test_the_table_names_everybody(county: County) -> None:
    assert set(TABLE) | {"li"} == set(county.people)  # 李 is 王's colleague and sees the same


@pytest.mark.parametrize("who", TABLE)
def test_people_see_what_the_table_says(
    session: Session, county: County, examinations: dict[str, Examination], who: str
) -> None:
    assert _seen(session, Subject.of(county.people[who]), examinations) == TABLE[who]


@pytest.mark.parametrize(
    ("wires", "sights"),
    [
        ({Wire.DICOMWEB}, {E, I}),
        ({Wire.REPORTS}, {E, R}),
        ({Wire.UPLOAD}, {E}),
        ({Wire.METRICS}, NONE),
        (set(), NONE),
        ({Wire.DICOMWEB, Wire.REPORTS}, ALL),
    ],
)
def test_a_machine_sees_its_own_institution_for_its_wires(
    session: Session,
    county: County,
    examinations: dict[str, Examination],
    wires: set[Wire],
    sights: set[Sight],
) -> None:
    machine = Subject(institution_id=county.east.id, wires=frozenset(wires))

    assert _seen(session, machine, examinations) == {
        **dict.fromkeys(("waiting", "reported", "ecg", "unrouted"), sights),
        "west": set(),
    }


def test_somebody_without_roles_sees_nothing(
    session: Session, county: County, examinations: dict[str, Examination]
) -> None:
    county.radiographer.roles.clear()
    session.flush()

    assert set().union(*_seen(session, Subject.of(county.radiographer), examinations).values()) == set()


def test_a_reader_of_two_centres_sees_both(
    session: Session, county: County, examinations: dict[str, Examination]
) -> None:
    add_role(session, county.wang, Role.READER, county.other_imaging)
    seen = _seen(session, Subject.of(county.wang), examinations)

    assert {name for name, sights in seen.items() if sights} == {"waiting", "reported", "west"}


def test_priors_of_every_kind_are_seen_only_while_a_task_of_the_patient_is_held(
    session: Session, county: County, examinations: dict[str, Examination]
) -> None:
    task = task_of(session, examinations["waiting"])

    def seen() -> set[Sight]:
        return _seen(session, Subject.of(county.wang), examinations)["ecg"]

    assert seen() == NONE
    task.claim(county.wang, NOW)
    session.flush()
    assert seen() == ALL
    assert _seen(session, Subject.of(county.li), examinations)["ecg"] == NONE
    task.release(county.wang, NOW)
    session.flush()
    assert seen() == NONE


def test_a_held_task_opens_no_other_patient(
    session: Session, county: County, examinations: dict[str, Examination]
) -> None:
    task_of(session, examinations["waiting"]).claim(county.wang, NOW)
    session.flush()

    assert _seen(session, Subject.of(county.wang), examinations)["west"] == NONE


def test_a_report_that_is_not_delivered_is_not_the_recipients_yet(session: Session, county: County) -> None:
    report = signed_report(session, county, delivered=False)
    session.add(ReportReturn(id=uuid.uuid4(), report_id=report.id, recipient_id=county.village.id))
    session.flush()

    subject = Subject.of(county.village_doctor)
    assert session.scalars(select(Examination.id).where(visible_to(subject, R))).all() == []


def test_the_door_holds_in_queries_that_join_tasks_and_returns_themselves(
    session: Session, county: County, examinations: dict[str, Examination]
) -> None:
    """The predicate's own subqueries must not mix with the query around them."""
    tasks = select(ReadingTask).join(ReadingTask.examination)
    assert session.scalars(tasks.where(visible_to(Subject.of(county.ecg_reader)))).all() == [
        task_of(session, examinations["ecg"])
    ]
    returns = (
        select(ReportReturn)
        .join(Report, Report.id == ReportReturn.report_id)
        .join(Examination, Examination.id == Report.examination_id)
    )
    village = session.scalars(returns.where(visible_to(Subject.of(county.village_doctor), R))).all()
    assert {row.report.examination_id for row in village} == {examinations["reported"].id}
    assert session.scalars(returns.where(visible_to(Subject.of(county.west_radiographer), R))).all() == []


def test_additional_images_are_seen_by_the_centre(session: Session, county: County) -> None:
    report = signed_report(session, county)
    late(session, county, report.examination)

    subject = Subject.of(county.reviewer)
    assert session.scalars(select(Examination.id).where(visible_to(subject, I))).all() == [
        report.examination_id
    ]


def test_a_township_sees_a_report_made_elsewhere_that_is_addressed_to_it(
    session: Session, county: County
) -> None:
    task = waiting_task(session, county, institution_id=county.lead.id)
    task.claim(county.wang, NOW)
    write_draft(session, task, county.wang)
    task.submit(county.wang, NOW)
    report = sign_report(session, task, signer=county.reviewer, marks=[], originals=[], now=NOW)
    session.add(ReportReturn(id=uuid.uuid4(), report_id=report.id, recipient_id=county.east.id))
    session.flush()
    session.refresh(report)
    deliver(session, report, pdf_sha256="00", now=NOW)
    session.flush()

    assert _seen(session, Subject.of(county.radiographer), {"it": task.examination})["it"] == ALL


@pytest.mark.parametrize("name", TABLE)
def test_the_short_ways_lead_to_nothing_that_the_door_does_not(
    session: Session, county: County, examinations: dict[str, Examination], name: str
) -> None:
    """Lists of a centre's tasks and of what an institution made ask less, and show no more."""
    subject = Subject.of(getattr(county, name))
    seen = {one.id for key, one in examinations.items() if E in TABLE[name][key]}
    read = set(session.scalars(select(ReadingTask.examination_id).where(tasks_read_by(subject))))
    made = set(session.scalars(select(Examination.id).where(made_by(subject))))

    assert read == (seen if subject.roles & {Role.READER, Role.REVIEWER} else set())
    assert made == (seen if Role.RADIOGRAPHER in subject.roles else set())


def test_machines_have_no_lists_of_a_centre_or_township(session: Session, county: County) -> None:
    waiting_task(session, county)
    roles = frozenset({Role.READER, Role.RADIOGRAPHER})
    machine = Subject(
        institution_id=county.east.id, centre_ids=frozenset({county.imaging.id}), roles=roles,
        wires=frozenset({Wire.DICOMWEB}),
    )  # fmt: skip
    assert session.scalars(select(ReadingTask.id).where(tasks_read_by(machine))).all() == []
    assert session.scalars(select(Examination.id).where(made_by(machine))).all() == []
