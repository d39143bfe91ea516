"""Messages of one batch see what those before them made, though all of it is written together."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError

from adapters.lab.said import Control, Message, MessageKind, StatedOrder
from gateway.intake import Drain
from gateway.lab.filing import SENT_TOGETHER, file_messages
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.runtime import Runtime
from tests.builders import County, build_county
from tests.gateway.lab.listening import oru
from tests.gateway.lab.saying import file_together, message, patient, result, specimen
from tests.gateway.lab.saying import row as message_row
from tests.laboratory import NOW, Laboratory, build_laboratory, control_material, register
from worklists.base import new_id
from worklists.control import ControlState
from worklists.critical import CriticalEvent, CriticalState
from worklists.directory import Device
from worklists.examinations import Examination, Priority
from worklists.laboratory.results import LabResult, Verification
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import Patient
from worklists.reading import ReadingTask

LATER = NOW + timedelta(minutes=5)
Bench = tuple[County, Laboratory]


@pytest.fixture
def bench(runtime: Runtime) -> Bench:
    """Both analysers work without orders too."""
    runtime.journal_dir.mkdir(parents=True, exist_ok=True)
    with runtime.sessions.begin() as session:
        county = build_county(session)
        laboratory = build_laboratory(session, county)
        laboratory.bench.without_order = laboratory.county_bench.without_order = True
        register(session, county, "B001")
    return county, laboratory


def versions(runtime: Runtime, barcode: str, item_code: str = "WBC") -> list[tuple[int, int, bool, str]]:
    """Run, version, whether it counts, value."""
    with runtime.reading() as session:
        found = session.scalars(
            select(LabResult)
            .join(Examination, Examination.id == LabResult.examination_id)
            .where(Examination.accession_number == barcode, LabResult.item_code == item_code)
            .order_by(LabResult.run, LabResult.version)
        )
        return [(one.run, one.version, one.current, one.value) for one in found]


def of_nobody_known(barcode: str, wbc: str, number: str = "M17") -> Message:
    return message(
        specimen(barcode, result("WBC", wbc), patient=patient(patient_id=number, name="=王^芳", sex="F"))
    )


def test_two_messages_of_one_new_patient_make_one_patient(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    file_together(runtime, (device, of_nobody_known("17", "5.1")), (device, of_nobody_known("18", "5.2")))

    with runtime.reading() as session:
        [who] = session.scalars(select(Patient).where(Patient.patient_id == "M17"))
        assert who.master_id == who.id
        made = session.scalars(select(LabSpecimen).where(LabSpecimen.patient_id == who.id))
        assert {one.barcode for one in made} == {"17", "18"}
        assert len(session.scalars(select(ReadingTask)).all()) == 2


def test_two_messages_of_one_new_specimen_make_one_specimen(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    rest = message(
        specimen("17", result("PLT", "210"), patient=patient(patient_id="M17", name="=王^芳", sex="F"))
    )
    file_together(runtime, (device, of_nobody_known("17", "5.1")), (device, rest))

    with runtime.reading() as session:
        [examination] = session.scalars(select(Examination))
        assert (examination.accession_number, examination.instances) == ("17", 2)
        assert len(session.scalars(select(LabSpecimen).where(LabSpecimen.barcode == "17")).all()) == 1
        assert len(session.scalars(select(ReadingTask)).all()) == 1


def test_another_patient_on_a_specimen_of_the_batch_is_held(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    file_together(
        runtime, (device, of_nobody_known("17", "5.1")), (device, of_nobody_known("17", "9.9", number="M18"))
    )

    assert versions(runtime, "17") == [(1, 1, True, "5.10")]
    with runtime.reading() as session:
        [held] = session.scalars(select(LabHeld))
        assert held.reason is LabHeldReason.PATIENT_MISMATCH
        assert held.examination_id == session.scalars(select(Examination.id)).one()


def test_the_county_s_bench_joins_a_specimen_that_its_member_made_in_the_batch(
    runtime: Runtime, bench: Bench
) -> None:
    laboratory = bench[1]
    file_together(
        runtime,
        (laboratory.bench, of_nobody_known("17", "5.1")),
        (laboratory.county_bench, message(specimen("17", result("PLT", "210")))),
    )

    with runtime.reading() as session:
        assert session.scalars(select(Examination)).one().instances == 2


def test_a_critical_value_and_its_correction(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    wrong, right, again = (
        message(specimen("B001", result("WBC", value, status=status)))
        for value, status in (("32.1", "F"), ("3.21", "C"), ("31.0", "C"))
    )
    file_together(runtime, (device, wrong), (device, right), (device, again))

    assert versions(runtime, "B001") == [
        (1, 1, False, "32.10"), (1, 2, False, "3.21"), (1, 3, True, "31.00"),
    ]  # fmt: skip
    with runtime.reading() as session:
        events = session.scalars(select(CriticalEvent))
        assert {one.found["value"]: one.state for one in events} == {
            "32.10": CriticalState.WITHDRAWN,
            "31.00": CriticalState.FOUND,
        }
        assert session.scalars(select(ReadingTask.rank)).one() == Priority.URGENT.rank


def test_a_rerun_counts_and_is_compared_with_what_the_batch_released(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    with runtime.sessions.begin() as session:
        register(session, bench[0], "B002")
    file_together(
        runtime,
        (device, message(specimen("B001", result("HGB", "140")))),
        (device, message(specimen("B001", result("HGB", "139", observed_at=LATER)))),
        (device, message(specimen("B002", result("HGB", "100", observed_at=LATER + timedelta(hours=1))))),
    )

    assert versions(runtime, "B001", "HGB") == [(1, 1, False, "140"), (2, 1, True, "139")]
    with runtime.reading() as session:
        last = session.scalars(select(LabResult).where(LabResult.value == "100")).one()
        # The rerun replaces what rules had released, so it waits; what it replaced counts no more.
        assert last.delta is None
        assert {one["rule"] for one in last.stops} == {"range"}


def test_control_material_in_the_middle_holds_back_what_was_before_and_what_is_behind(
    runtime: Runtime, bench: Bench
) -> None:
    device = bench[1].bench
    with runtime.sessions.begin() as session:
        control_material(session, device)
        register(session, bench[0], "B002")
    control = message(specimen("QC", result("WBC", "6.9"), control=Control(level="1", lot="L1")))
    file_together(
        runtime,
        (device, message(specimen("B001", result("WBC", "5.5")))),
        (device, control),
        (device, message(specimen("B002", result("WBC", "5.6", observed_at=LATER)))),
        (device, message(specimen("B001", result("WBC", "5.7", status="C")))),
    )

    assert versions(runtime, "B001") == [(1, 1, False, "5.50"), (1, 2, True, "5.70")]
    with runtime.reading() as session:
        found = session.scalars(select(LabResult).where(LabResult.current)).all()
        assert {one.value for one in found} == {"5.70", "5.60"}
        for one in found:
            assert one.control_state is ControlState.OUT_OF_CONTROL
            assert one.verification is Verification.WAITING


def test_orders_in_between_lose_nothing(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    order = message(
        specimen("O1", patient=patient(patient_id="M17", name="=王^芳", sex="F"), order=StatedOrder(control="NW")),
        kind=MessageKind.ORDERS,
    )  # fmt: skip
    file_together(
        runtime,
        (device, of_nobody_known("17", "5.1")),
        (device, order),
        (device, of_nobody_known("17", "5.1")),
        (device, of_nobody_known("18", "5.2")),
        (device, message(specimen("O1", result("WBC", "5.3")))),
    )

    with runtime.reading() as session:
        assert session.scalars(select(Patient).where(Patient.patient_id == "M17")).one()
        barcodes = session.scalars(
            select(Examination.accession_number).order_by(Examination.accession_number)
        )
        assert list(barcodes) == ["17", "18", "O1"]
        assert session.scalars(select(LabHeld)).all() == []
    assert versions(runtime, "17") == [(1, 1, True, "5.10")]


def test_a_record_that_breaks_a_batch_takes_nothing_with_it(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    for number in range(5):
        origin = {
            "institution_id": str(device.institution_id),
            "device_id": str(device.id),
            "received_at": runtime.now().isoformat(),
        }
        kind = "lab.nonsense" if number == 2 else "hl7.message"
        runtime.journal.append(kind, origin, [oru(f"N{number}", control_id=str(number)).encode()])
    drain = Drain(runtime)
    while drain.index_new():
        pass

    with runtime.reading() as session:
        assert [row.state for row in session.scalars(select(LabMessage))] == [MessageState.FILED] * 4
        barcodes = session.scalars(select(LabSpecimen.barcode).where(LabSpecimen.barcode.like("N%")))
        assert sorted(barcodes) == ["N0", "N1", "N3", "N4"]
        assert len(session.scalars(select(Patient).where(Patient.patient_id == "P001")).all()) == 1
        assert len(session.scalars(select(LabResult)).all()) == 12


def test_two_drains_at_once_make_one_patient(runtime: Runtime, bench: Bench) -> None:
    """Their analysers are different ones of one institution: nothing else makes them wait for each other."""
    device = bench[1].bench
    with runtime.sessions.begin() as session:
        other = Device(
            id=new_id(), institution_id=device.institution_id, ae_title="OTHER",
            name="分析仪", modality="LAB", profile_code="test", without_order=True,
        )  # fmt: skip
        session.add(other)
    second = threading.Thread(target=file_together, args=(runtime, (other, of_nobody_known("18", "5.2"))))
    with runtime.sessions.begin() as session:
        said = of_nobody_known("17", "5.1")
        file_messages(runtime, session, [(message_row(session, device, said), said)])
        second.start()
        second.join(timeout=0.5)
        assert second.is_alive()  # it waits its turn
    second.join(timeout=30)

    with runtime.reading() as session:
        assert session.scalars(select(Patient).where(Patient.patient_id == "M17")).one()
        assert len(session.scalars(select(LabResult)).all()) == 2


def test_results_of_a_batch_that_are_on_their_way_are_known_to_what_follows(
    runtime: Runtime, bench: Bench
) -> None:
    """What a correction replaces is in the database before the correction is filed."""
    device = bench[1].bench
    with runtime.sessions.begin() as session:
        register(session, bench[0], "B002")
    others = [
        (device, of_nobody_known(f"N{number}", "5.1", number=f"M{number}")) for number in range(SENT_TOGETHER)
    ]
    file_together(
        runtime,
        (device, message(specimen("B001", result("WBC", "5.5"), result("HGB", "140")))),
        *others,
        (device, message(specimen("B001", result("WBC", "5.6", status="C")))),
        (device, message(specimen("B002", result("HGB", "100", observed_at=LATER)))),
        (device, message(specimen("B001", result("WBC", "5.7", observed_at=LATER)))),
    )

    assert versions(runtime, "B001") == [
        (1, 1, False, "5.50"), (1, 2, False, "5.60"), (2, 1, True, "5.70"),
    ]  # fmt: skip
    with runtime.reading() as session:
        compared = session.scalars(select(LabResult).where(LabResult.value == "100")).one()
        assert compared.delta is not None and compared.delta["value"] == "140"
        assert set(session.scalars(select(LabMessage.state))) == {MessageState.FILED}
        assert session.scalar(select(func.count()).select_from(LabResult)) == SENT_TOGETHER + 5


def test_a_specimen_that_a_person_changed_meanwhile_makes_the_batch_begin_anew(
    runtime: Runtime, bench: Bench
) -> None:
    """Nothing is written over: the drain files the batch again on what it finds then."""
    said = message(specimen("B001", result("WBC", "5.5")))
    with runtime.sessions() as session, pytest.raises(StaleDataError):
        known = session.scalars(select(LabSpecimen).where(LabSpecimen.barcode == "B001")).one()
        set_committed_value(known, "version", known.version - 1)  # as it was read before somebody changed it
        file_messages(runtime, session, [(message_row(session, bench[1].bench, said), said)])

    assert versions(runtime, "B001") == []
