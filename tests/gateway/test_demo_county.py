"""The demonstration county: whatever of it is missing is made, and every kind of report shows its marks."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import accounts
from gateway.demo_analysers import PATIENTS, blood_count
from gateway.demo_county import FIRST_TOWNSHIP, make_county
from gateway.demo_devices import make_checks
from gateway.demo_laboratory import order_specimens
from gateway.demo_past import VILLAGERS, VISITS, make_past
from gateway.index import Record, RecordState
from gateway.intake import Drain
from gateway.lab.rows import LabHeld
from gateway.runtime import Runtime
from tests.builders import NOW
from worklists.base import local_date, new_id
from worklists.control import ControlState
from worklists.critical import CriticalEvent
from worklists.device_control.standing import stands_of
from worklists.directory import Device, Institution, InstitutionKind, Kind
from worklists.examinations import Examination, Priority
from worklists.laboratory.defaults import seed_dictionary, seed_profiles
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.results import Abnormal, LabResult
from worklists.laboratory.rule_defaults import seed_rules
from worklists.patients import PatientIdentity, get_or_create
from worklists.recognising.rows import RecognitionPrice, RecognitionScope
from worklists.recognition import Qualification, RecognitionItem, mark_item, marks_for
from worklists.reports import Report, ReturnState

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
def test_its_devices_stand_in_every_way(runtime: Runtime) -> None:
    for _ in range(2):
        with runtime.sessions.begin() as session:
            make(session)
            make_checks(session, "radiographer", NOW)
    with runtime.reading() as session:
        devices = session.scalars(
            select(Device).join(Institution).where(Institution.code == FIRST_TOWNSHIP)
        ).all()
        states = {one.device.ae_title: one.state for one in stands_of(session, devices, NOW).values()}
    assert states == {
        "DEMO_CT": ControlState.IN_CONTROL,
        "DEMO_DR": ControlState.IN_CONTROL,
        "DEMO_US": ControlState.MISSING,
        "DEMO_MR": ControlState.OUT_OF_CONTROL,
        "DEMO_ECG": ControlState.IN_CONTROL,
        "DEMO_LAB": ControlState.NOT_REQUIRED,
        "DEMO_BC": ControlState.NOT_REQUIRED,
        "DEMO_BS": ControlState.NOT_REQUIRED,
    }


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


@on_one_database
def test_earlier_visits_are_signed_and_read_and_changes_since_then_stop_a_result(runtime: Runtime) -> None:
    with runtime.sessions.begin() as session:
        make(session)
        seed_rules(session, NOW)
    for _ in range(2):
        with runtime.sessions.begin() as session:
            make_past(replace(runtime, now=lambda: NOW), session, FIRST_TOWNSHIP)

    drain = Drain(runtime)
    while drain.index_new():  # the records are known by now
        pass
    with runtime.reading() as session:
        reports = session.scalars(select(Report)).all()
        assert len(reports) == len(VISITS)
        backs = [back for one in reports for back in one.returns]
        village = [back for back in backs if back.recipient.kind is InstitutionKind.VILLAGE]
        unread = [back for back in backs if back.state is not ReturnState.ACKNOWLEDGED]
        assert len(village) == sum(visit.patient in VILLAGERS for visit in VISITS)
        assert [back.state for back in unread] == [ReturnState.DELIVERED] and unread[0] in village
        assert max(one.signed_at for one in reports) < NOW - timedelta(days=1)
        assert not session.scalars(select(LabHeld)).all() and not session.scalars(select(CriticalEvent)).all()
        assert {one.state for one in session.scalars(select(Record))} == {RecordState.INDEXED}
        assert len(session.scalars(select(Record)).all()) == len(VISITS)

    with runtime.sessions.begin() as session:
        order_specimens(session, FIRST_TOWNSHIP, NOW)
    by_patient = {patient.patient_id: (patient, blood) for patient, blood, _ in PATIENTS}
    patient, blood = by_patient["LX20006"]
    _file_today(runtime, blood_count("T1", NOW - timedelta(hours=1), patient, patient.barcode, blood))
    with runtime.reading() as session:
        examination = session.scalars(
            select(Examination).where(Examination.accession_number == patient.barcode)
        ).one()
        stopped = session.scalars(
            select(LabResult).where(LabResult.examination_id == examination.id, LabResult.item_code == "MCV")
        ).one()
        assert (stopped.abnormal, stopped.delta["value"]) == (Abnormal.NONE, "83.1")
        assert "delta" in {one["rule"] for one in stopped.stops}


def _file_today(runtime: Runtime, body: bytes) -> None:
    with runtime.reading() as session:
        counter = session.scalars(select(Device).where(Device.ae_title == "DEMO_BC")).one()
    origin = {
        "device_id": str(counter.id), "institution_id": str(counter.institution_id),
        "received_at": runtime.now().isoformat(),
    }  # fmt: skip
    runtime.journal.append("hl7.message", origin, [body])
    Drain(runtime).index_new()
    runtime.journal.close()
