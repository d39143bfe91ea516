"""The drain's first step: what was accepted becomes rows once, is held with its reason, or is set apart."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from gateway import work
from gateway.audit import AuditEvent
from gateway.database import open_engine, open_sessions
from gateway.index import DrainMark, Held, HeldReason, Instance, Record, RecordState, Refusal
from gateway.indexing import SETTLE
from gateway.intake import BATCH_RECORDS, Drain
from gateway.runtime import Runtime
from gateway.sweep import Leased, NotYet, sweep_once
from gateway.tasks import TASKS
from gateway.work import Work
from tests.conftest import Clock
from tests.gateway.sending import Wire, open_wire
from tests.servers import Postgres, running
from tests.synthetic import make_images, new_uid
from worklists.base import Base, new_id
from worklists.directory import Device
from worklists.examinations import Association, Examination, get_examination
from worklists.reading import ReadingTask, TaskState


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def count(wire: Wire, row: type[Base]) -> int:
    with wire.session() as session:
        return session.scalar(select(func.count()).select_from(row)) or 0


def only_held(wire: Wire) -> Held:
    with wire.session() as session:
        [held] = session.scalars(select(Held)).all()
        assert held.record.state is RecordState.HELD
        return held


def states(wire: Wire) -> list[RecordState]:
    with wire.session() as session:
        return [record.state for record in session.scalars(select(Record).order_by(Record.sequence))]


def examinations(wire: Wire) -> list[Examination]:
    with wire.session() as session:
        return list(session.scalars(select(Examination).order_by(Examination.id)))


def test_an_instance_becomes_a_study_an_examination_and_a_task(wire: Wire) -> None:
    image = wire.image(patient_id="P1", name="Wang^Qiang=王^强", StudyDescription="胸部平扫")

    wire.send(image)
    assert wire.index() == 1

    [examination] = examinations(wire)
    assert (examination.instances, examination.modality, examination.description) == (1, "CT", "胸部平扫")
    assert examination.study_instance_uid == image.StudyInstanceUID
    assert examination.patient.name == "Wang^Qiang=王^强"
    with wire.session() as session:
        [task] = session.scalars(select(ReadingTask))
        assert task.state is TaskState.ARRIVING
        assert task.centre_id == wire.county.imaging.id


@pytest.mark.parametrize("before", [20_000, 80_000])
def test_what_stands_behind_a_large_element_is_read_too(wire: Wire, before: int) -> None:
    """Before the study's UID (0009), or between it and the size of the image (0021)."""
    [image] = make_images(1, size=256)
    for group in (0x0009, 0x0021):
        image.add_new(group << 16 | 0x0010, "LO", "SOMEBODY")
    image.add_new(0x00091001, "OB", bytes(before))
    image.add_new(0x00211001, "OB", bytes(20_000))
    wire.send(image)
    wire.index()

    with wire.session() as session:
        [row] = session.scalars(select(Instance))
        assert (row.sop_instance_uid, row.rows, row.columns) == (str(image.SOPInstanceUID), 256, 256)


def test_a_record_that_is_read_again_changes_nothing(wire: Wire) -> None:
    wire.send(wire.image(), wire.image())
    wire.index()
    wire.forget_cursors()

    assert wire.index() > 0

    assert (count(wire, Record), count(wire, Instance)) == (2, 2)
    assert [examination.instances for examination in examinations(wire)] == [1, 1]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_the_same_bytes_twice_are_one_instance(wire: Wire, in_one_batch: bool) -> None:
    image = wire.image()
    wire.send(image)
    if not in_one_batch:
        wire.index()
    wire.send(image)
    wire.index()

    assert states(wire) == [RecordState.INDEXED, RecordState.DUPLICATE]
    assert count(wire, Instance) == 1
    assert [examination.instances for examination in examinations(wire)] == [1]


def test_a_further_image_of_a_study_joins_its_examination(wire: Wire) -> None:
    study = new_uid()
    wire.send(wire.image(study_uid=study))
    wire.index()
    wire.send(wire.image(study_uid=study), wire.image(study_uid=study))
    wire.index()

    assert [examination.instances for examination in examinations(wire)] == [3]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_the_same_uid_with_other_bytes_is_held_beside_the_first(wire: Wire, in_one_batch: bool) -> None:
    image = wire.image()
    wire.send(image)
    if not in_one_batch:
        wire.index()
    image.StudyDescription = "another"
    wire.send(image)
    wire.index()

    held = only_held(wire)
    [examination] = examinations(wire)
    assert held.reason is HeldReason.SAME_UID_OTHER_BYTES
    assert (held.examination_id, held.institution_id) == (examination.id, wire.county.east.id)
    assert examination.instances == 1
    assert held.header["study_description"] == "another"


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", ["", "1.2.x", "1." * 40 + "1"])
def test_a_study_or_series_uid_that_cannot_be_used_is_held(wire: Wire, keyword: str, value: str) -> None:
    image = wire.image()
    image.add_new(keyword, "LO", value)  # not as UI: pydicom would warn
    image[keyword].VR = "UI"
    wire.send(image)
    wire.index()

    held = only_held(wire)
    assert held.reason is HeldReason.UID_MALFORMED
    assert ("study" if keyword.startswith("Study") else "series") in held.detail
    assert examinations(wire) == []


@pytest.mark.parametrize(
    "other",
    [{"patient_id": "P2"}, {"name": "Li^Na=李^娜"}, {"PatientBirthDate": "19990909"}, {"PatientSex": "M"}],
)
def test_an_image_of_another_patient_does_not_join_the_study(wire: Wire, other: dict[str, str]) -> None:
    study = new_uid()
    wire.send(wire.image(study_uid=study, patient_id="P1", name="Wang^Qiang=王^强"))
    wire.send(wire.image(**{"study_uid": study, "patient_id": "P1", "name": "Wang^Qiang=王^强", **other}))
    wire.index()

    assert only_held(wire).reason is HeldReason.STUDY_OF_ANOTHER_PATIENT
    assert [examination.instances for examination in examinations(wire)] == [1]


def test_a_study_of_another_institution_is_not_joined(wire: Wire) -> None:
    study = new_uid()
    wire.send(wire.image(study_uid=study))
    wire.send(wire.image(study_uid=study), device=wire.county.west_device)
    wire.index()

    held = only_held(wire)
    assert held.reason is HeldReason.STUDY_OF_ANOTHER_INSTITUTION
    assert held.institution_id == wire.county.west.id
    assert [examination.institution_id for examination in examinations(wire)] == [wire.county.east.id]


def test_the_same_instance_from_another_institution_is_held_even_with_the_same_bytes(wire: Wire) -> None:
    image = wire.image()
    wire.send(image)
    wire.send(image, device=wire.county.west_device)
    wire.index()

    assert only_held(wire).reason is HeldReason.STUDY_OF_ANOTHER_INSTITUTION


def test_a_patient_whom_the_same_number_contradicts_is_held_not_merged(wire: Wire) -> None:
    wire.send(wire.image(patient_id="P1", name="Wang^Qiang=王^强"))
    wire.index()
    wire.send(wire.image(patient_id="P1", name="Li^Na=李^娜"))
    wire.index()

    held = only_held(wire)
    assert (held.reason, held.detail) == (HeldReason.PATIENT_CONTRADICTS, "name")
    assert len(examinations(wire)) == 1


def test_the_same_number_at_another_institution_is_another_patient(wire: Wire) -> None:
    wire.send(wire.image(patient_id="P1", name="Wang^Qiang=王^强"))
    wire.send(wire.image(patient_id="P1", name="Li^Na=李^娜"), device=wire.county.west_device)
    wire.index()

    assert len({examination.patient_id for examination in examinations(wire)}) == 2


def test_what_an_unknown_device_sent_waits_for_a_person(wire: Wire) -> None:
    wire.send(wire.image(), institution_id=None, device_id=None, calling_ae_title="NEW_DR")
    wire.index()

    held = only_held(wire)
    assert (held.reason, held.detail, held.institution_id) == (HeldReason.UNKNOWN_DEVICE, "NEW_DR", None)


def test_a_second_copy_of_what_is_held_is_not_held_twice(wire: Wire) -> None:
    image = wire.image()
    wire.send(image)
    image.StudyDescription = "another"
    wire.send(image, image)
    wire.index()

    only_held(wire)
    assert states(wire) == [RecordState.INDEXED, RecordState.HELD, RecordState.DUPLICATE]


def test_an_id_minted_at_the_door_leads_to_the_examination_that_was_joined(wire: Wire) -> None:
    study, minted = new_uid(), new_id()
    wire.send(wire.image(study_uid=study))
    wire.index()
    wire.send(wire.image(study_uid=study), examination_id=str(minted))
    wire.index()

    [examination] = examinations(wire)
    with wire.session() as session:
        assert get_examination(session, minted).id == examination.id


def test_a_name_in_a_wrongly_declared_character_set_is_read_as_the_device_writes(wire: Wire) -> None:
    image = wire.image()
    image.SpecificCharacterSet = "GB18030"
    image.PatientName = "仇^德海"
    with wire.session() as session:
        session.get_one(Device, wire.county.device.id).character_set = "GB18030"
        session.commit()
    wire.send(image, character_set="GB18030")
    wire.index()

    assert examinations(wire)[0].patient.name == "仇^德海"


# Completeness


def settle_due_at(wire: Wire, examination: Examination) -> timedelta:
    """How long after the last image it is judged."""
    with wire.session() as session:
        row = session.scalars(select(Work).where(Work.task == SETTLE)).one()
        return row.due_at - examination.last_received_at


def settle(wire: Wire) -> None:
    with wire.runtime.reading() as session:
        row = session.scalars(select(Work).where(Work.task == SETTLE)).one()
    leased = Leased(
        id=row.id, task=row.task, subject=row.subject, arguments={}, generation=row.generation,
        leased_until=wire.runtime.now() + work.LEASE,
    )  # fmt: skip
    TASKS[SETTLE](wire.runtime, leased)


def test_an_examination_settles_soon_after_its_association_was_released(wire: Wire, clock: Clock) -> None:
    wire.note("a1", "opened")
    wire.send(wire.image(), association_id="a1")
    wire.index()
    [examination] = examinations(wire)
    assert settle_due_at(wire, examination) == timedelta(seconds=60)

    clock.advance(seconds=2)
    wire.note("a1", "closed", how="released", stored=1, refused=0)
    wire.index()
    assert settle_due_at(wire, examination) == timedelta(seconds=7)

    clock.advance(seconds=4)
    wire.index()
    with pytest.raises(NotYet):
        settle(wire)
    clock.advance(seconds=2)
    wire.index()
    settle(wire)
    [examination] = examinations(wire)
    assert examination.complete


def test_an_aborted_association_is_waited_for_longer(wire: Wire) -> None:
    wire.note("a1", "opened")
    wire.send(wire.image(), association_id="a1")
    wire.note("a1", "closed", how="aborted", stored=1, refused=0)
    wire.index()

    assert settle_due_at(wire, examinations(wire)[0]) == timedelta(seconds=60)


def test_nothing_settles_while_the_drain_is_behind(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    clock.advance(hours=1)  # and no look at the journal since

    with pytest.raises(NotYet):
        settle(wire)
    wire.index()
    settle(wire)
    assert examinations(wire)[0].complete


def test_whoever_waits_for_a_drain_that_is_behind_keeps_no_writer_waiting_and_looks_less_and_less_often(
    wire: Wire, clock: Clock
) -> None:
    wire.send(wire.image())
    wire.index()
    [examination] = examinations(wire)
    waits = []
    with wire.runtime.sessions.begin() as writer:  # on SQLite nobody else could write
        writer.get_one(Examination, examination.id, with_for_update={"of": Examination})
        for seconds in (15, 10, 10, 3600):  # the quiet period is over after five
            clock.advance(seconds=seconds)
            with pytest.raises(NotYet) as early:
                settle(wire)
            waits.append((early.value.until - clock()).total_seconds())

    assert waits == [5, 10, 15, 15]


def test_a_stated_total_that_is_reached_needs_no_quiet(wire: Wire) -> None:
    study = new_uid()
    wire.send(*(wire.image(study_uid=study, NumberOfStudyRelatedInstances=2) for _ in range(2)))
    wire.index()
    settle(wire)

    with wire.session() as session:
        [task] = session.scalars(select(ReadingTask))
        assert task.state is TaskState.WAITING


def test_the_sweep_settles_what_is_due(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=2)
    wire.index()

    assert sweep_once(wire.runtime, TASKS) == 1
    assert examinations(wire)[0].complete


def test_associations_and_devices_carry_the_times_of_the_wire_not_of_the_drain(
    wire: Wire, clock: Clock
) -> None:
    opened_at = clock()
    wire.note("a1", "opened")
    clock.advance(seconds=9)
    closed_at = clock()
    wire.note("a1", "closed", how="released", stored=3, refused=1)
    clock.advance(hours=5)
    wire.index()

    with wire.session() as session:
        row = session.get_one(Association, "a1")
        assert (row.opened_at, row.closed_at, row.stored, row.refused) == (opened_at, closed_at, 3, 1)
        assert session.get_one(Device, wire.county.device.id).last_heard_at == closed_at


def test_what_was_refused_at_the_door_is_shown(wire: Wire) -> None:
    wire.runtime.journal.append(
        "dicom.rejection",
        {
            "calling_ae_title": "NOBODY",
            "result": 1,
            "source": 1,
            "reason": 3,
            "explanation": "calling AE title is not known",
        },
        [],
    )
    wire.index()

    with wire.session() as session:
        [refusal] = session.scalars(select(Refusal))
        assert (refusal.what, refusal.calling_ae_title) == ("association", "NOBODY")
        assert refusal.reason == "1/1/3"


# What breaks


def test_a_poison_record_is_set_apart_and_the_rest_goes_on(wire: Wire) -> None:
    wire.send(wire.image())
    wire.runtime.journal.append("dicom.instance", {"institution_id": "no uuid"}, [b"\x00" * 100])
    wire.send(wire.image())
    wire.index()

    assert states(wire) == [RecordState.INDEXED, RecordState.QUARANTINED, RecordState.INDEXED]
    with wire.session() as session:
        broken = session.scalars(select(Record).where(Record.state == RecordState.QUARANTINED)).one()
        assert broken.reason
    wire.send(wire.image())
    assert wire.index() == 1


def test_what_a_device_sent_that_the_database_does_not_know_waits_as_from_an_unknown_one(wire: Wire) -> None:
    """A database that was restored from before the device was registered, under a journal that is newer."""
    lost = {"device_id": str(new_id()), "institution_id": str(new_id())}
    wire.note("a", "opened", **lost)
    wire.send(wire.image(), calling_ae_title="LOST_CT", **lost)
    wire.send(wire.image(), device_id=None, institution_id=lost["institution_id"])  # by a browser
    wire.send(wire.image())
    wire.note("a", "closed", how="released", wire="stow", uploaded_by_id=str(new_id()), **lost)
    wire.runtime.journal.append("dicom.refusal", {"what": "instance", "status": "A900", **lost}, [])
    wire.index()

    assert states(wire) == [RecordState.HELD, RecordState.HELD, RecordState.INDEXED]
    with wire.session() as session:
        held = session.scalars(select(Held).order_by(Held.id)).all()
        assert [one.reason for one in held] == [HeldReason.UNKNOWN_DEVICE] * 2
        assert held[0].detail == "LOST_CT"
        assert held[0].record.origin["was_known_as"] == lost
        [association] = session.scalars(select(Association))
        assert (association.device_id, association.how) == (None, "released")
        [refusal] = session.scalars(select(Refusal))
        assert (refusal.device_id, refusal.reason) == (None, "A900")


def test_notes_that_are_read_again_change_nothing(wire: Wire) -> None:
    wire.note("a", "opened")
    wire.note("a", "closed", how="released", wire="stow", uploaded_by="his", stored=1)
    wire.runtime.journal.append("dicom.refusal", {"what": "instance", "status": "A900"}, [])
    wire.runtime.journal.append("dicom.rejection", {"result": 1, "source": 1, "reason": 3}, [])
    wire.index()
    for _ in range(2):
        wire.forget_cursors()
        wire.index()

    with wire.session() as session:
        assert sorted(session.scalars(select(Refusal.reason))) == ["1/1/3", "A900"]
        assert len(session.scalars(select(Association)).all()) == 1
        stored = select(AuditEvent).where(AuditEvent.action == "instances_stored")
        assert len(session.scalars(stored).all()) == 1


def test_a_record_of_an_unknown_kind_is_set_apart(wire: Wire) -> None:
    wire.runtime.journal.append("telegram", {}, [b"STOP"])
    wire.index()

    assert states(wire) == [RecordState.QUARANTINED]


def test_bytes_that_rotted_before_they_were_indexed_are_set_apart(wire: Wire) -> None:
    wire.send(wire.image())
    first = wire.unfiled_bytes
    wire.send(wire.image())
    wire.end_journal()
    [segment] = wire.runtime.journal_dir.glob("*/*.seg")
    with segment.open("r+b") as file:
        file.seek(first - 40)  # inside the first body
        byte = file.read(1)
        file.seek(first - 40)
        file.write(bytes((byte[0] ^ 0xFF,)))
    wire.index()

    found = states(wire)
    assert sorted(found) == sorted([RecordState.QUARANTINED, RecordState.INDEXED])
    assert count(wire, Instance) == 1


def test_nothing_is_lost_while_the_database_is_away(wire: Wire, database_url: str) -> None:
    if database_url.startswith("sqlite"):
        pytest.skip("a file does not go away")
    with running(Postgres) as server:
        engine = open_engine(server.url())
        Base.metadata.create_all(engine)
        wire = open_wire(replace(wire.runtime, engine=engine, sessions=open_sessions(engine)))
        wire.send(wire.image())
        wire.index()
        server.stop()
        wire.send(wire.image())
        with pytest.raises(OperationalError):
            wire.drain.index_new()
        server.start()
        wire.drain = Drain(wire.runtime)
        wire.index()
        assert states(wire) == [RecordState.INDEXED, RecordState.INDEXED]
        engine.dispose()


def test_the_drain_says_how_far_it_is_while_much_waits(wire: Wire, clock: Clock) -> None:
    for number in range(BATCH_RECORDS + 1):
        clock.advance(seconds=1)
        wire.note(f"association {number}", "opened")
    last = clock() - timedelta(seconds=1)

    assert wire.drain.index_new() == BATCH_RECORDS

    with wire.session() as session:
        [mark] = session.scalars(select(DrainMark))
        assert mark.indexed_until == last


def test_the_drain_says_how_far_it_is_when_it_has_caught_up(wire: Wire, clock: Clock) -> None:
    wire.index()
    clock.advance(seconds=30)
    wire.index()

    with wire.session() as session:
        [mark] = session.scalars(select(DrainMark))
        assert mark.indexed_until == clock()
