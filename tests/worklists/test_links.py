"""What a link between patients opens, and what it does not."""

import uuid

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, County, arrive, identity, task_of, waiting_task
from tests.worklists.persons import CARD, decided_by, make_patient, match_all
from worklists import patient_index as index
from worklists.access import Subject, identities_visible_to, visible_to
from worklists.directory import Kind
from worklists.examinations import Examination, correct_identity
from worklists.patients import Patient


def _linked_examinations(session: Session, county: County) -> tuple[Examination, Examination]:
    """One of the east and one of the west, of one person."""
    east = waiting_task(session, county, patient=identity(national_id=CARD)).examination
    west = waiting_task(
        session, county, institution_id=county.west.id, device_id=county.west_device.id,
        patient=identity(patient_id="W9", national_id=CARD),
    ).examination  # fmt: skip
    match_all(session)
    return east, west


def _seen_by(session: Session, subject: Subject) -> set[uuid.UUID]:
    return set(session.scalars(select(Examination.id).where(visible_to(subject))))


def test_who_holds_a_task_sees_priors_through_the_link_and_nobody_else_does(
    session: Session, county: County
) -> None:
    east, west = _linked_examinations(session, county)
    wang, li = Subject.of(county.wang), Subject.of(county.li)
    assert _seen_by(session, wang) == {east.id}
    task_of(session, east).claim(county.wang, NOW)
    session.flush()

    assert _seen_by(session, wang) == {east.id, west.id}
    assert _seen_by(session, li) == {east.id}
    for person, own in ((county.radiographer, east), (county.west_radiographer, west)):
        assert _seen_by(session, Subject.of(person)) == {own.id}
    task_of(session, east).release(county.wang, NOW)
    session.flush()
    assert _seen_by(session, wang) == {east.id}


def test_a_prior_is_closed_again_when_the_link_is_taken_back(session: Session, county: County) -> None:
    east, west = _linked_examinations(session, county)
    task_of(session, east).claim(county.wang, NOW)
    index.separate(session, [west.patient], decided_by(county))

    assert _seen_by(session, Subject.of(county.wang)) == {east.id}


def test_priors_of_every_kind_are_seen(session: Session, county: County) -> None:
    east, _ = _linked_examinations(session, county)
    ecg = arrive(session, county, kind=Kind.ECG, patient=identity(national_id=CARD))
    task_of(session, east).claim(county.wang, NOW)
    session.flush()

    assert ecg.id in _seen_by(session, Subject.of(county.wang))


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("radiographer", {"east", "unread"}), ("west_radiographer", {"west"}), ("reviewer", {"east"}),
        ("wang", set()), ("ecg_reader", set()), ("village_doctor", set()), ("it", set()), ("admin", set()),
        ("auditor", set()),
    ],
)  # fmt: skip
def test_who_may_know_who_somebody_is(session: Session, county: County, who: str, seen: set[str]) -> None:
    east, west = _linked_examinations(session, county)
    unread = make_patient(session, county.east, name="李^四")
    names = {east.patient_id: "east", west.patient_id: "west", unread.id: "unread"}
    subject = Subject.of(county.people[who])
    found = session.scalars(select(Patient.id).where(identities_visible_to(subject)))

    assert {names[patient_id] for patient_id in found} == seen


def test_a_corrected_identity_is_looked_at_again(session: Session, county: County) -> None:
    examination = arrive(session, county)
    match_all(session)
    correct_identity(
        session,
        examination,
        identity=identity(name="仇^铭"),
        reason="写错",
        person=county.radiographer,
        now=NOW,
    )
    session.flush()

    assert index.find_unmatched(session, limit=10) == [examination.patient_id]
