"""An ECG file among the instances: it becomes an examination, is known again, is held, is put first."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom.uid import UID, EncapsulatedPDFStorage
from sqlalchemy import func, select

from adapters.ecg.description import describe
from adapters.ecg.dicom_writing import TWELVE_LEAD
from adapters.ecg.recording import Document, EcgPatient, EcgRecording
from gateway.audit import Actor
from gateway.ecg.rows import DESCRIBE
from gateway.index import Held, Instance, Record, RecordState, Study
from gateway.reading import Who
from gateway.runtime import Runtime
from gateway.work import Work
from tests.ecg_synthetic import make_recording
from tests.gateway.sending import Wire, open_wire
from worklists.access import Subject
from worklists.base import Base, new_id
from worklists.directory import Kind
from worklists.examinations import Examination, Priority, get_examination
from worklists.reading import ReadingTask

PATIENT = EcgPatient(patient_id="E1", name="Wang^Qiang=王^强", sex="M")


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def recorded(patient: EcgPatient = PATIENT, **fields: Any) -> EcgRecording:
    return replace(make_recording(), patient=patient, **fields)


def send(wire: Wire, recording: EcgRecording, body: bytes = b"ecg", **origin: Any) -> str:
    """Accept a file; answers the id that was minted for it."""
    minted = str(new_id())
    values = {
        "institution_id": str(wire.county.device.institution_id),
        "wire": "folder",
        "filename": "1.scp",
        "examination_id": minted,
        "received_at": wire.runtime.now().isoformat(),
        "ecg": describe(recording),
        **origin,
    }
    wire.runtime.journal.append("ecg.file", values, [body])
    return minted


def radiographer(wire: Wire) -> Who:
    person = wire.county.radiographer
    actor = Actor(name=person.username, person_id=person.id, institution_id=person.institution_id)
    return Who(subject=Subject.of(person), actor=actor)


def count(wire: Wire, row: type[Base]) -> int:
    with wire.session() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def only_examination(wire: Wire) -> Examination:
    with wire.session() as session:
        return session.scalars(select(Examination)).one()


def test_a_file_becomes_an_examination_of_the_ecg_centre(wire: Wire) -> None:
    minted = send(wire, recorded())

    assert wire.index() == 1

    examination = only_examination(wire)
    assert str(examination.id) == minted
    assert (examination.kind, examination.modality, examination.instances) == (Kind.ECG, "ECG", 1)
    assert examination.description == "十二导联心电图"
    assert examination.patient.name == "Wang^Qiang=王^强"
    assert examination.studied_at == make_recording().started_at
    with wire.session() as session:
        [due] = session.scalars(select(Work).where(Work.task == DESCRIBE))
        assert due.subject == str(session.scalars(select(Record.id)).one())


def test_the_same_bytes_again_are_a_duplicate_whose_id_leads_to_the_first(wire: Wire) -> None:
    first = send(wire, recorded())
    second = send(wire, recorded())

    wire.index()

    with wire.session() as session:
        states = session.scalars(select(Record.state).order_by(Record.sequence)).all()
        assert states == [RecordState.INDEXED, RecordState.DUPLICATE]
        assert str(get_examination(session, uuid.UUID(second)).id) == first


def test_two_formats_of_one_moment_are_one_examination(wire: Wire) -> None:
    send(wire, recorded(format="scp"), b"scp")
    send(wire, recorded(format="aecg"), b"aecg")

    wire.index()

    assert (count(wire, Examination), count(wire, Study), count(wire, Instance)) == (1, 1, 2)


NOBODY = recorded(EcgPatient())
BY_A_NUMBER = recorded(EcgPatient(patient_id="1"))
BEFORE_ITS_CLOCK_WAS_SET = recorded(started_at=datetime(2000, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("recording", [NOBODY, BY_A_NUMBER, BEFORE_ITS_CLOCK_WAS_SET])
def test_files_of_which_nobody_knows_that_they_are_one_patients_moment_stay_apart(
    wire: Wire, recording: EcgRecording
) -> None:
    send(wire, recording, b"one")
    send(wire, recording, b"other")

    wire.index()

    assert count(wire, Examination) == 2


def test_a_document_is_an_examination_too(wire: Wire) -> None:
    page = EcgRecording(
        format="pdf", leads=(), sampling_rate_hz=0, patient=PATIENT,
        document=Document(media_type="application/pdf", pages=1),
    )  # fmt: skip

    send(wire, page)
    wire.index()

    assert only_examination(wire).description == "心电图"


@pytest.mark.parametrize("value", ["", "1.2.3.", "1.2..3"])  # carts end theirs with a dot
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_waveform_whose_uids_are_no_uids_waits_for_nobody_and_is_known_again(
    wire: Wire, keyword: str, value: str
) -> None:
    waveform = wire.image()
    waveform.SOPClassUID = TWELVE_LEAD.sop_class_uid
    waveform.add_new(keyword, "LO", value)  # not as UI: pydicom would warn
    waveform[keyword].VR = "UI"
    wire.send(waveform)
    wire.index()
    wire.send(waveform)
    wire.index()

    assert only_examination(wire).instances == 1
    assert count(wire, Held) == 0
    with wire.session() as session:
        states = session.scalars(select(Record.state).order_by(Record.sequence)).all()
        assert states == [RecordState.INDEXED, RecordState.DUPLICATE]
        study = session.scalars(select(Study)).one()
        [series] = study.series
        uids = (
            study.study_instance_uid,
            series.series_instance_uid,
            *session.scalars(select(Instance.sop_instance_uid)),
        )
        assert all(UID(uid).is_valid for uid in uids)
        assert sum(uid.startswith("2.25.") for uid in uids) >= 1


@pytest.mark.parametrize(("of", "kind"), [("ECG", Kind.ECG), ("CT", Kind.IMAGING)])
def test_a_pdf_that_an_ecg_cart_calls_a_document_is_read_as_an_ecg(wire: Wire, of: str, kind: Kind) -> None:
    with wire.runtime.sessions.begin() as session:
        session.merge(wire.county.device).modality = of
    page = wire.image(modality="DOC")
    page.SOPClassUID = EncapsulatedPDFStorage
    wire.send(page)

    wire.index()

    assert only_examination(wire).kind is kind


def test_two_waveforms_without_uids_are_two_examinations(wire: Wire) -> None:
    for name in ("Wang^Qiang", "Wang^Qiang", "Li^Na"):
        waveform = wire.image(name=name, patient_id=name)
        waveform.SOPClassUID = TWELVE_LEAD.sop_class_uid
        waveform.ContentTime = f"0901{count(wire, Record):02d}"
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):
            del waveform[keyword]
        wire.send(waveform)
        wire.index()

    assert count(wire, Examination) == 3


@pytest.mark.parametrize("origin", [{"priority": "chest_pain"}, {"ecg": describe(recorded(acute=True))}])
def test_what_cannot_wait_is_read_first(wire: Wire, origin: dict[str, Any]) -> None:
    send(wire, recorded(), **origin)

    wire.index()

    assert only_examination(wire).priority is Priority.CHEST_PAIN
    with wire.session() as session:
        assert session.scalars(select(ReadingTask.rank)).one() == Priority.CHEST_PAIN.rank


def test_sent_again_with_the_mark_of_chest_pain_it_cannot_wait_either(wire: Wire) -> None:
    send(wire, recorded())
    wire.index()

    send(wire, recorded(), priority="chest_pain")
    wire.index()

    assert only_examination(wire).priority is Priority.CHEST_PAIN
    with wire.session() as session:
        assert session.scalars(select(ReadingTask.rank)).one() == Priority.CHEST_PAIN.rank


def test_another_patient_under_the_same_number_is_read_at_once_and_is_another_patient(wire: Wire) -> None:
    """Many carts call everybody by one number: whose ECG it is must not keep chest pain waiting."""
    send(wire, recorded())
    other = EcgPatient(patient_id="E1", name="Zhao^Min=赵^敏", sex="F")
    send(wire, recorded(other, started_at=None), b"other", priority="chest_pain")
    wire.index()

    assert count(wire, Held) == 0
    with wire.session() as session:
        names = {one.patient.display_name for one in session.scalars(select(Examination))}
        assert names == {"王强", "赵敏"}
        assert len({one.patient.master_id for one in session.scalars(select(Examination))}) == 2


def test_the_character_set_of_a_device_changes_nothing_of_a_file(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        session.merge(wire.county.device).character_set = "GB18030"
    send(wire, recorded(), device_id=str(wire.county.device.id))

    wire.index()

    assert only_examination(wire).patient.name == "Wang^Qiang=王^强"
