"""The demonstration county: whatever of it is missing is made, and every kind of report shows its marks."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import accounts
from gateway.demo_county import FIRST_TOWNSHIP, make_county
from gateway.runtime import Runtime
from tests.builders import NOW
from worklists.base import local_date, new_id
from worklists.directory import Institution, Kind
from worklists.examinations import Examination, Priority
from worklists.laboratory.defaults import seed_dictionary, seed_profiles
from worklists.laboratory.dictionary import LabItem
from worklists.patients import PatientIdentity, get_or_create
from worklists.recognising.rows import RecognitionPrice, RecognitionScope
from worklists.recognition import Qualification, RecognitionItem, mark_item, marks_for

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
PASSWORD = accounts.hash_password("demo-demo-1")


def make(session: Session) -> None:
    seed_dictionary(session)
    seed_profiles(session, NOW)
    make_county(session, password=PASSWORD, now=NOW)


@on_one_database
def test_an_electrocardiogram_and_test_results_carry_marks(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        make(session)
        township = session.scalars(select(Institution).where(Institution.code == FIRST_TOWNSHIP)).one()
        who = PatientIdentity(patient_id="1", name="A", sex="M", birth_date=None)
        examination = Examination(
            id=new_id(), institution_id=township.id, patient=get_or_create(session, township.id, who), kind=Kind.ECG,
            modality="ECG", body_part="", description="", procedure_code="", accession_number="", received_at=NOW,
            last_received_at=NOW, priority=Priority.ROUTINE, instances=1, complete=True, patient_as_received={},
        )  # fmt: skip
        [mark] = marks_for(session, examination, on=local_date(NOW))
        assert (mark.item_name, mark.text) == ("常规心电图检查", "本市HR")

        texts = {}
        for code in ("WBC", "K", "ALT", "TCHOL", "NA"):
            item = session.get_one(RecognitionItem, session.get_one(LabItem, code).recognition_item_code)
            held = session.scalars(
                select(Qualification).where(
                    Qualification.institution_id == township.id, Qualification.item_code == item.code
                )
            ).all()
            texts[code] = mark_item(item, held, on=local_date(NOW)).text
        assert texts == {"WBC": "全国HR", "K": "本省HR", "ALT": "明河县HR", "TCHOL": None, "NA": None}


@on_one_database
def test_making_it_again_adds_nothing(runtime: Runtime) -> None:
    counts = []
    for _ in range(2):
        with runtime.sessions.begin() as session:
            make(session)
        with runtime.reading() as session:
            counts.append(
                [
                    len(session.scalars(select(kind)).all())
                    for kind in (Qualification, RecognitionItem, LabItem, RecognitionPrice, RecognitionScope)
                ]
            )
    assert counts[0] == counts[1]
