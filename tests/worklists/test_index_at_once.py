"""Two drains that meet in the patient index, on both databases."""

import threading
import uuid

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from tests.builders import NOW, build_county, identity
from tests.worklists.persons import CARD, make_patient, match_all
from worklists import patient_index as index
from worklists.patient_index import (
    PatientLinkEvent,
)
from worklists.patients import Patient, create


@pytest.mark.parametrize("_round", range(3))
def test_two_drains_that_link_at_once_make_one_person(sessions: sessionmaker[Session], _round: int) -> None:
    with sessions.begin() as session:
        county = build_county(session)
        places = (county.east, county.west, county.lead, county.other_lead)
        ids = [make_patient(session, place, national_id=CARD).id for place in places]
    barrier, failures = threading.Barrier(len(ids)), []

    def work(patient_id: uuid.UUID) -> None:
        barrier.wait()
        try:
            with sessions.begin() as session:
                index.match(session, patient_id, NOW)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(patient_id,)) for patient_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    with sessions() as session:
        assert len(set(session.scalars(select(Patient.master_id)))) == 1
        moved = [
            m.patient_id for e in session.scalars(select(PatientLinkEvent)) for m in e.members if m.moved
        ]
        assert len(moved) >= len(ids) - 1


def test_two_drains_that_make_the_same_patient_at_once_make_one_person(
    sessions: sessionmaker[Session],
) -> None:
    with sessions.begin() as session:
        east = build_county(session).east.id
    with sessions() as one, sessions() as other:  # neither sees the other's row
        first = create(one, east, identity()).id
        one.commit()
        second = create(other, east, identity()).id
        other.commit()
    with sessions.begin() as session:
        match_all(session)
    with sessions() as session:
        assert session.get_one(Patient, first).master_id == session.get_one(Patient, second).master_id
