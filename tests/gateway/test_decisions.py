"""What a person decides about a held instance, and what it must never do to what is there already."""

import uuid

import pytest
from sqlalchemy import select

from gateway import held_deciding
from gateway.audit import Actor
from gateway.index import Held, HeldReason, Instance, Record, RecordState, Study
from gateway.reading import Who
from gateway.runtime import Runtime
from gateway.township import get_examination
from tests.gateway.sending import Wire, open_wire
from tests.synthetic import new_uid
from worklists.access import Subject
from worklists.base import new_id
from worklists.directory import Device
from worklists.errors import Invalid
from worklists.examinations import Examination


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


@pytest.fixture
def who(wire: Wire) -> Who:
    person = wire.county.radiographer
    actor = Actor(name=person.username, person_id=person.id, institution_id=person.institution_id)
    return Who(subject=Subject.of(person), actor=actor)


def waiting(wire: Wire) -> list[Held]:
    with wire.session() as session:
        return list(
            session.scalars(select(Held).where(Held.resolved_at.is_(None)).order_by(Held.held_at, Held.id))
        )


def decide(wire: Wire, who: Who, item: Held, action: str) -> None:
    held_deciding.resolve(wire.runtime, who, item.id, action=action, reason="looked at both")


def current(wire: Wire, sop_instance_uid: str) -> list[Instance]:
    with wire.session() as session:
        query = select(Instance).where(Instance.sop_instance_uid == sop_instance_uid, Instance.current)
        return list(session.scalars(query))


def patients(wire: Wire) -> set[str]:
    with wire.session() as session:
        return {study.examination.patient.patient_id for study in session.scalars(select(Study))}


def test_what_was_sent_again_before_it_was_joined_is_not_there_twice(wire: Wire, who: Who) -> None:
    image = wire.image()
    stranger = Device(id=None, institution_id=None, ae_title="NEW_DR")
    wire.send(image, device=stranger, institution_id=None, device_id=None)
    wire.index()
    with wire.runtime.sessions.begin() as session:
        device = Device(
            id=new_id(), institution_id=wire.county.east.id, ae_title="NEW_DR", name="DR", modality="DX",
            enabled=True,
        )  # fmt: skip
        session.add(device)
    wire.send(image, device=device)
    wire.index()

    [item] = waiting(wire)
    decide(wire, who, item, "join")

    assert len(current(wire, image.SOPInstanceUID)) == 1
    with wire.session() as session:
        [examination] = session.scalars(select(Examination))
        assert examination.instances == 1
        assert session.get_one(Record, item.record_id).state is RecordState.DUPLICATE


def test_two_that_say_to_be_the_same_image_do_not_both_join(wire: Wire, who: Who) -> None:
    study, sop = new_uid(), new_uid()
    wire.send(wire.image(study_uid=study, patient_id="A"))
    for description in ("first", "second"):
        wire.send(
            wire.image(study_uid=study, patient_id="B", SOPInstanceUID=sop, SeriesDescription=description)
        )
    wire.index()

    for item in waiting(wire):
        decide(wire, who, item, "join")

    assert len(current(wire, sop)) == 1
    [left] = waiting(wire)
    assert left.reason is HeldReason.SAME_UID_OTHER_BYTES


def test_a_separated_file_does_not_take_over_the_examination_of_its_upload(wire: Wire, who: Who) -> None:
    minted, study = uuid.uuid4(), new_uid()
    wire.send(wire.image(study_uid=study, patient_id="A", name="Wang^Qiang"), examination_id=str(minted))
    wire.send(wire.image(study_uid=study, patient_id="B", name="Li^Si"), examination_id=str(minted))
    wire.index()

    [item] = waiting(wire)
    decide(wire, who, item, "separate")

    with wire.session() as session:
        assert get_examination(session, who, minted).patient.patient_id == "A"
    assert patients(wire) == {"A", "B"}


def test_an_image_of_another_patient_replaces_nothing_but_may_be_separated(wire: Wire, who: Who) -> None:
    sop = new_uid()
    wire.send(wire.image(patient_id="A", name="Wang^Qiang", SOPInstanceUID=sop))
    wire.send(wire.image(patient_id="B", name="Li^Si", SOPInstanceUID=sop))
    wire.index()
    [item] = waiting(wire)
    assert item.reason is HeldReason.STUDY_OF_ANOTHER_PATIENT

    with pytest.raises(Invalid):
        decide(wire, who, item, "replace")
    decide(wire, who, item, "separate")

    assert len(current(wire, sop)) == 1
    assert patients(wire) == {"A", "B"}


def test_who_says_that_it_is_the_same_patient_is_then_asked_which_image_stays(wire: Wire, who: Who) -> None:
    sop, study = new_uid(), new_uid()
    wire.send(wire.image(patient_id="A", SOPInstanceUID=sop, study_uid=study))
    wire.send(wire.image(patient_id="A1", SOPInstanceUID=sop, study_uid=study))
    wire.index()

    decide(wire, who, waiting(wire)[0], "join")
    [item] = waiting(wire)
    assert item.reason is HeldReason.SAME_UID_OTHER_BYTES
    decide(wire, who, item, "replace")

    [instance] = current(wire, sop)
    assert instance.record_id == item.record_id


def test_a_study_that_is_separated_image_by_image_stays_together(wire: Wire, who: Who) -> None:
    study = new_uid()
    wire.send(wire.image(patient_id="A", name="Wang^Qiang"))
    wire.send(*(wire.image(patient_id="A", name="Li^Si", study_uid=study) for _ in range(3)))
    wire.index()

    for item in waiting(wire):
        assert item.reason is HeldReason.PATIENT_CONTRADICTS
        decide(wire, who, item, "separate")

    with wire.session() as session:
        counts = {row.study_instance_uid: row.instances for row in session.scalars(select(Examination))}
    assert counts[study] == 3
    assert len(counts) == 2


def test_what_was_uploaded_with_an_accession_number_has_it(wire: Wire) -> None:
    wire.send(wire.image(), accession_number="ACC-7")
    wire.index()

    with wire.session() as session:
        assert session.scalars(select(Examination)).one().accession_number == "ACC-7"


@pytest.mark.parametrize("value", ["999999999999", "-999999999999"])
def test_a_number_that_no_integer_string_holds_is_no_reason_to_set_an_image_apart(
    wire: Wire, value: str
) -> None:
    image = wire.image()
    image.InstanceNumber = None
    image.add_new(0x00200013, "LO", value)  # an IS of pydicom would not write it
    wire.send(image)
    wire.index()

    with wire.session() as session:
        assert session.scalars(select(Record)).one().state is RecordState.INDEXED


@pytest.mark.filterwarnings("ignore:Invalid value for VR CS")
def test_text_with_a_zero_byte_in_it_is_no_reason_to_set_an_image_apart(wire: Wire) -> None:
    wire.send(wire.image(StudyDescription="chest\0plain", patient_id="P\0\0 1", BodyPartExamined="CH\0"))
    wire.index()

    with wire.session() as session:
        assert session.scalars(select(Record)).one().state is RecordState.INDEXED


def test_a_total_that_is_no_number_of_images_is_no_total(wire: Wire) -> None:
    image = wire.image()
    image.add_new(0x00201208, "IS", "-1")
    wire.send(image)
    wire.index()

    with wire.session() as session:
        assert session.scalars(select(Examination)).one().expected_instances is None
