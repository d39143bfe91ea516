"""What a message says becomes results, or is held with its reason: never dropped, never guessed, never twice."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from adapters.lab.said import Coded, Control, Message, MessageKind, StatedOrder
from gateway import live
from gateway.lab.filing import CLOCK_IS_WRONG
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS
from tests.builders import County, build_county
from tests.conftest import Clock
from tests.gateway.lab.saying import file, file_again, file_together, message, patient, result, specimen
from tests.laboratory import NOW, Laboratory, build_laboratory, control_material, register
from worklists.control import ControlState
from worklists.critical import CriticalEvent, CriticalState
from worklists.examinations import Examination, Priority
from worklists.laboratory.control import ControlResult, Verdict
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.profiles import AnalyserProfile
from worklists.laboratory.results import Abnormal, LabResult, ResultStatus, Verification
from worklists.laboratory.specimens import LabSpecimen, SpecimenSource, SpecimenState
from worklists.reading import ReadingTask, TaskState

Bench = tuple[County, Laboratory]


@pytest.fixture
def bench(runtime: Runtime) -> Bench:
    with runtime.sessions.begin() as session:
        county = build_county(session)
        laboratory = build_laboratory(session, county)
        register(session, county, "B001")
    return county, laboratory


def results(runtime: Runtime, *, current: bool = True) -> list[LabResult]:
    with runtime.reading() as session:
        query = select(LabResult).order_by(LabResult.item_code, LabResult.run, LabResult.version)
        return [one for one in session.scalars(query) if one.current or not current]


def held(runtime: Runtime) -> list[LabHeld]:
    with runtime.reading() as session:
        return list(
            session.scalars(select(LabHeld).where(LabHeld.resolved_at.is_(None)).order_by(LabHeld.id))
        )


def reasons(runtime: Runtime) -> list[LabHeldReason]:
    return [one.reason for one in held(runtime)]


CBC = (result("WBC", " 5.5", "10*9/L"), result("HGB", "14.21", "g/dL"), result("PLT", "210", "10^9/L"))


def test_results_join_the_specimen_and_stand_on_the_worklist(runtime: Runtime, bench: Bench) -> None:
    message_id = file(runtime, bench[1].bench, message(specimen("B001", *CBC, patient=patient())))

    values = {
        one.item_code: (one.value, one.unit, one.abnormal, one.verification) for one in results(runtime)
    }
    assert values == {
        "WBC": ("5.50", "10^9/L", Abnormal.NONE, Verification.AUTOMATIC),
        "HGB": ("142", "g/L", Abnormal.NONE, Verification.AUTOMATIC),
        "PLT": ("210", "10^9/L", Abnormal.NONE, Verification.AUTOMATIC),
    }
    with runtime.reading() as session:
        [examination] = session.scalars(select(Examination))
        assert (examination.accession_number, examination.description) == ("B001", "血细胞分析")
        assert (examination.instances, examination.expected_instances, examination.complete) == (3, 3, True)
        [task] = session.scalars(select(ReadingTask))
        assert (task.state, task.centre_id) == (TaskState.WAITING, bench[1].centre.id)
        row = session.get_one(LabMessage, message_id)
        assert (row.state, row.filed) == (MessageState.FILED, 3)


def test_messages_of_one_batch_find_what_those_before_them_made(runtime: Runtime, bench: Bench) -> None:
    file_together(runtime, *((bench[1].bench, message(specimen("B001", one))) for one in CBC))

    assert [one.item_code for one in results(runtime)] == ["HGB", "PLT", "WBC"]
    with runtime.reading() as session:
        assert len(session.scalars(select(Examination)).all()) == 1
        assert len(session.scalars(select(ReadingTask)).all()) == 1


def test_a_specimen_that_was_tested_has_been_received(runtime: Runtime, bench: Bench) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", *CBC)))

    with runtime.reading() as session:
        known = session.scalars(select(LabSpecimen)).one()
        tested_at = min(one.observed_at for one in results(runtime))
        assert (known.state, known.received_at) == (SpecimenState.RECEIVED, tested_at)
        assert [(one["step"], one["by"]) for one in known.steps] == [("tested", "分析仪")]


def test_filing_a_message_again_changes_nothing(runtime: Runtime, bench: Bench) -> None:
    said = message(specimen("B001", *CBC))
    message_id = file(runtime, bench[1].bench, said)
    before = [(one.id, one.version) for one in results(runtime, current=False)]

    file_again(runtime, message_id, said)

    assert [(one.id, one.version) for one in results(runtime, current=False)] == before


def test_what_is_abnormal_or_critical_waits_with_the_rule_named(runtime: Runtime, bench: Bench) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "32.1"), result("HGB", "128"))))

    hgb, wbc = results(runtime)
    assert (wbc.abnormal, [stop["rule"] for stop in wbc.stops]) == (
        Abnormal.CRITICAL_HIGH,
        ["range", "critical"],
    )
    assert (hgb.abnormal, hgb.stops) == (Abnormal.LOW, [{"rule": "range", "detail": "128 < 130"}])
    assert hgb.verification is wbc.verification is Verification.WAITING
    with runtime.reading() as session:
        [event] = session.scalars(select(CriticalEvent))
        assert (event.source_id, event.state, event.found["value"]) == (wbc.id, CriticalState.FOUND, "32.10")
        assert session.scalars(select(ReadingTask.rank)).one() == Priority.URGENT.rank


def test_a_specimen_whose_tests_are_not_all_there_waits_for_a_reader_all_the_same(
    runtime: Runtime, bench: Bench, clock: Clock
) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", CBC[0])))
    clock.advance(seconds=30)
    sweep_once(runtime, TASKS)

    with runtime.reading() as session:
        assert session.scalars(select(ReadingTask.state)).one() is TaskState.WAITING


def test_a_critical_value_is_told_to_open_pages_as_it_is_filed_and_no_other(
    runtime: Runtime, bench: Bench
) -> None:
    def rung() -> int:
        with runtime.reading() as session:
            return live.read_numbers(session).get("critical", 0)

    file(runtime, bench[1].bench, message(specimen("B001", result("HGB", "128"))))
    before = rung()
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "32.1"))))

    assert (before, rung()) == (0, 1)


def test_a_correction_is_another_version_and_withdraws_the_critical_event(
    runtime: Runtime, bench: Bench
) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "32.1"))))
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "3.21", status="C"))))

    first, second = results(runtime, current=False)
    assert [(one.run, one.version, one.current, one.value) for one in (first, second)] == [
        (1, 1, False, "32.10"), (1, 2, True, "3.21"),
    ]  # fmt: skip
    assert second.status is ResultStatus.CORRECTED and second.verification is Verification.WAITING
    with runtime.reading() as session:
        assert [event.state for event in session.scalars(select(CriticalEvent))] == [CriticalState.WITHDRAWN]


def test_a_rerun_is_another_run_and_the_first_stays(runtime: Runtime, bench: Bench) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "5.5"))))
    later = result("WBC", "5.7", observed_at=NOW + timedelta(minutes=10), dilution="2")
    file(runtime, bench[1].bench, message(specimen("B001", later)))

    first, second = results(runtime, current=False)
    assert [(one.run, one.current, one.value) for one in (first, second)] == [
        (1, False, "5.50"),
        (2, True, "5.70"),
    ]
    assert [stop["rule"] for stop in second.stops] == ["status"]


def test_a_final_result_follows_its_preliminary_one_and_not_the_other_way(
    runtime: Runtime, bench: Bench
) -> None:
    final = message(specimen("B001", result("WBC", "5.6", status="F")))
    preliminary = message(specimen("B001", result("WBC", "5.5", status="P")))
    file(runtime, bench[1].bench, preliminary)
    file(runtime, bench[1].bench, final)
    file(runtime, bench[1].bench, preliminary)

    assert [(one.version, one.status) for one in results(runtime)] == [(2, ResultStatus.FINAL)]
    assert reasons(runtime) == []  # the same preliminary one was known

    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "5.4", status="P"))))
    assert reasons(runtime) == [LabHeldReason.OLDER_THAN_CURRENT]


def test_a_correction_of_what_never_came_is_held(runtime: Runtime, bench: Bench) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", "5.5", status="C"))))

    assert reasons(runtime) == [LabHeldReason.NOTHING_TO_CORRECT]
    assert results(runtime) == []


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (result("XYZ", "1"), LabHeldReason.UNKNOWN_TEST),
        (result("GLU", "5", "furlong"), LabHeldReason.UNKNOWN_UNIT),
        (result("WBC", "-----"), LabHeldReason.UNREADABLE_VALUE),
        (result("WBC", ""), LabHeldReason.UNREADABLE_VALUE),
        (result("WBC", "5.5", status="?"), LabHeldReason.UNREADABLE_VALUE),
    ],
)
def test_what_cannot_be_understood_is_held_and_the_rest_is_filed(
    runtime: Runtime, bench: Bench, one: object, reason: LabHeldReason
) -> None:
    assert isinstance(one, type(CBC[0]))
    message_id = file(runtime, bench[1].bench, message(specimen("B001", CBC[2], one)))

    [waiting] = held(runtime)
    assert (waiting.reason, waiting.position) == (reason, 1)
    assert [one.item_code for one in results(runtime)] == ["PLT"]
    with runtime.reading() as session:
        row = session.get_one(LabMessage, message_id)
        assert (row.state, row.results, row.filed) == (MessageState.HELD, 2, 1)


@pytest.mark.parametrize("value", ["1e999", "-9e27", "1e19"])
def test_a_number_that_nothing_can_have_is_no_value(runtime: Runtime, bench: Bench, value: str) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", value), result("GLU", "5.1"))))

    assert [one.item_code for one in results(runtime)] == ["GLU"]
    assert reasons(runtime) == [LabHeldReason.UNREADABLE_VALUE]


def test_after_the_fix_the_same_message_is_filed_whole(runtime: Runtime, bench: Bench) -> None:
    said = message(specimen("B001", CBC[2], result("SUGAR", "5.1", "mmol/L")))
    message_id = file(runtime, bench[1].bench, said)
    with runtime.sessions.begin() as session:
        profile = session.get_one(AnalyserProfile, "test")
        profile.content = {**profile.content, "tests": {**profile.content["tests"], "SUGAR": {"item": "GLU"}}}

    file_again(runtime, message_id, said)

    assert reasons(runtime) == []
    assert [(one.item_code, one.value) for one in results(runtime)] == [("GLU", "5.10"), ("PLT", "210")]


def test_a_number_without_a_unit_waits_until_the_profile_says_in_which_it_is(
    runtime: Runtime, bench: Bench
) -> None:
    """The same analyser's haemoglobin is 14.2 or 142, and its potassium 4.0 either way: nobody can tell from the number."""
    state_units(runtime, {})
    said = message(specimen("B001", result("HGB", "14.2"), result("K", "4.1"), result("HBSAG", "阴性")))
    message_id = file(runtime, bench[1].bench, said)

    assert [one.item_code for one in results(runtime)] == ["HBSAG"]  # a word has no unit
    assert [(one.reason, one.detail["expected"]) for one in held(runtime)] == [
        (LabHeldReason.UNIT_MISSING, "g/L"), (LabHeldReason.UNIT_MISSING, "mmol/L"),
    ]  # fmt: skip

    state_units(runtime, {"HGB": "g/dL", "K": "mmol/L"})
    file_again(runtime, message_id, said)

    assert reasons(runtime) == []
    found = {one.item_code: (one.value, one.unit, one.reported["unit"]) for one in results(runtime)}
    assert found == {"HBSAG": ("阴性", "", ""), "HGB": ("142", "g/L", ""), "K": ("4.10", "mmol/L", "")}


def test_a_control_run_without_a_unit_waits_too(runtime: Runtime, bench: Bench) -> None:
    state_units(runtime, {})
    file(runtime, bench[1].bench, message(specimen("QC-1", result("WBC", "6.1"))))

    assert reasons(runtime) == [LabHeldReason.UNIT_MISSING]


def state_units(runtime: Runtime, units: dict[str, str]) -> None:
    """What a person says on the page of the mapping."""
    with runtime.sessions.begin() as session:
        profile = session.get_one(AnalyserProfile, "test")
        codes = ("WBC", "HGB", "PLT", "K", "GLU", "HBSAG")
        tests = {code: {"item": code, **({"unit": units[code]} if code in units else {})} for code in codes}
        profile.content = {**profile.content, "tests": tests}


@pytest.mark.parametrize(
    ("barcode", "who", "reason"),
    [
        ("", None, LabHeldReason.NO_BARCODE),
        ("B999", patient(), LabHeldReason.UNKNOWN_BARCODE),
        ("B001", patient(name="=王^芳"), LabHeldReason.PATIENT_MISMATCH),
        ("B001", patient(sex="F"), LabHeldReason.PATIENT_MISMATCH),
        ("B001", patient(patient_id="P777"), LabHeldReason.PATIENT_MISMATCH),
    ],
)
def test_results_of_nobody_we_know_are_attached_to_nobody(
    runtime: Runtime, bench: Bench, barcode: str, who: object, reason: LabHeldReason
) -> None:
    file(runtime, bench[1].bench, message(replace(specimen(barcode, *CBC), patient=who)))

    assert reasons(runtime) == [reason]
    assert results(runtime) == []


def test_a_person_may_say_which_specimen_it_is(runtime: Runtime, bench: Bench) -> None:
    said = message(specimen("B0O1", *CBC))  # a letter for a digit
    message_id = file(runtime, bench[1].bench, said)
    with runtime.sessions.begin() as session:
        known = session.scalars(select(LabSpecimen)).one()
        session.get_one(LabMessage, message_id).attached = {"0": str(known.id)}

    file_again(runtime, message_id, said)

    assert len(results(runtime)) == 3 and reasons(runtime) == []


def test_a_bench_that_works_without_orders_makes_the_specimen(runtime: Runtime, bench: Bench) -> None:
    device = bench[1].bench
    with runtime.sessions.begin() as session:
        session.merge(device).without_order = True

    file(
        runtime,
        device,
        message(specimen("17", *CBC, patient=patient(patient_id="M17", name="=王^芳", sex="F"))),
    )

    with runtime.reading() as session:
        made = session.scalars(select(LabSpecimen).where(LabSpecimen.barcode == "17")).one()
        assert (made.source, made.patient.display_name) == (SpecimenSource.ANALYSER, "王芳")
    hgb = next(one for one in results(runtime) if one.item_code == "HGB")
    assert (hgb.range_low, hgb.abnormal) == (115, Abnormal.NONE)


def test_the_county_s_bench_finds_the_specimens_of_its_members_alone(runtime: Runtime, bench: Bench) -> None:
    file(runtime, bench[1].county_bench, message(specimen("B001", *CBC)))

    with runtime.reading() as session:
        assert session.scalars(select(Examination)).one().institution_id == bench[0].east.id

    with runtime.sessions.begin() as session:
        county = bench[0]
        other = register(session, county, "B002")
        other.institution_id = county.west.id
    file(runtime, bench[1].county_bench, message(specimen("B002", *CBC)))
    assert reasons(runtime) == [LabHeldReason.UNKNOWN_BARCODE]


@pytest.mark.parametrize("named", ["by the message", "by its barcode"])
def test_control_material_is_no_patient(runtime: Runtime, bench: Bench, named: str) -> None:
    with runtime.sessions.begin() as session:
        control_material(session, bench[1].bench)
    control = Control(level="1", lot="L1") if named == "by the message" else None
    file(runtime, bench[1].bench, message(replace(specimen("QC-1", result("WBC", "6.7")), control=control)))

    with runtime.reading() as session:
        [one] = session.scalars(select(ControlResult))
        assert (one.verdict, one.rules, round(one.z or 0, 6)) == (
            Verdict.OUT_OF_CONTROL,
            ["1_2s", "1_3s"],
            3.5,
        )
    assert results(runtime) == []

    file(runtime, bench[1].bench, message(specimen("B001", *CBC)), minutes=1)
    wbc = next(one for one in results(runtime) if one.item_code == "WBC")
    assert wbc.control_state is ControlState.OUT_OF_CONTROL
    assert wbc.stops == [{"rule": "control", "detail": "out_of_control"}]


def test_what_the_instrument_remarks_of_the_specimen_stops_its_results(
    runtime: Runtime, bench: Bench
) -> None:
    odd = (result("Mode", "open"), result("Left Shift?", "T"))
    file(runtime, bench[1].bench, message(specimen("B001", CBC[0], *odd)))

    [wbc] = results(runtime)
    assert (wbc.instrument_flags, wbc.stops) == (
        ["Left Shift?"], [{"rule": "instrument_flag", "detail": "Left Shift?"}],
    )  # fmt: skip


def test_a_remark_stops_the_items_that_it_is_about(runtime: Runtime, bench: Bench) -> None:
    odd = (result("Left Shift?", "T"), result("Turbidity?", "T"))
    with runtime.sessions.begin() as session:
        profile = session.get_one(AnalyserProfile, "test")
        tests = {
            **profile.content["tests"],
            "Turbidity?": {"flag": ["HGB"]},
            "Left Shift?": {"flag": ["WBC"]},
        }
        profile.content = {**profile.content, "tests": tests}
    file(runtime, bench[1].bench, message(specimen("B001", *CBC, *odd)))

    assert {one.item_code: one.instrument_flags for one in results(runtime)} == {
        "WBC": ["Left Shift?"], "HGB": ["Turbidity?"], "PLT": [],
    }  # fmt: skip


def test_a_large_change_against_the_last_result_waits(runtime: Runtime, bench: Bench) -> None:
    with runtime.sessions.begin() as session:
        register(session, bench[0], "B002")
    early = result("HGB", "165", observed_at=NOW - timedelta(days=2))
    file(runtime, bench[1].bench, message(specimen("B001", early)))
    file(runtime, bench[1].bench, message(specimen("B002", result("HGB", "131"))))

    hgb = next(one for one in results(runtime) if one.value == "131")
    assert hgb.delta is not None and (hgb.delta["value"], hgb.delta["percent"]) == ("165", -20.6)
    assert [stop["rule"] for stop in hgb.stops] == ["delta"]


@pytest.mark.parametrize("value", ["<10", ">5"])
def test_a_value_that_may_be_beyond_its_range_waits(runtime: Runtime, bench: Bench, value: str) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("WBC", value))))

    [wbc] = results(runtime)
    assert (wbc.value, wbc.abnormal, [stop["rule"] for stop in wbc.stops]) == (
        value,
        Abnormal.NONE,
        ["range"],
    )


def test_of_two_values_in_one_message_a_person_says_which_counts(runtime: Runtime, bench: Bench) -> None:
    twice = (result("WBC", "5.5", sub_id="1"), result("WBC", "6.0", sub_id="2"), result("PLT", "210"))
    file(runtime, bench[1].bench, message(specimen("B001", *twice, CBC[1], CBC[1])))

    found = {one.item_code: one for one in results(runtime)}
    assert found["WBC"].stops == [{"rule": "status", "detail": "repeated"}]
    assert found["PLT"].stops == found["HGB"].stops == []
    assert len(results(runtime, current=False)) == 4


@pytest.mark.parametrize(("behind", "believed"), [(timedelta(days=3), True), (timedelta(days=9000), False)])
def test_an_analyser_whose_clock_is_wrong_puts_no_result_behind_an_old_one(
    runtime: Runtime, bench: Bench, behind: timedelta, believed: bool
) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", result("PLT", "210"))))
    again = message(specimen("B001", result("PLT", "20", observed_at=NOW - behind), CBC[0]))
    message_id = file(runtime, bench[1].bench, again, minutes=5)

    plt = next(one for one in results(runtime) if one.item_code == "PLT")
    assert plt.value == ("210" if believed else "20")
    with runtime.reading() as session:
        assert session.get_one(LabMessage, message_id).warnings == [CLOCK_IS_WRONG]


def test_a_barcode_of_the_county_and_of_a_member_that_sent_its_own_is_nobody_s(
    runtime: Runtime, bench: Bench
) -> None:
    county, laboratory = bench
    with runtime.sessions.begin() as session:
        own = register(session, county, "B001X", patient_id="L1")
        own.barcode, own.institution_id = "B001", county.lead.id
    file(runtime, laboratory.county_bench, message(specimen("B001", CBC[0])))
    with runtime.sessions.begin() as session:
        sent = session.scalars(select(LabSpecimen).where(LabSpecimen.institution_id == county.east.id)).one()
        sent.sent_at = NOW
    file(runtime, laboratory.county_bench, message(specimen("B001", CBC[2])))

    assert [one.item_code for one in results(runtime)] == ["WBC"]
    assert reasons(runtime) == [LabHeldReason.AMBIGUOUS_BARCODE]


@pytest.mark.parametrize("merged", [True, False])
def test_a_number_that_was_merged_into_the_patient_s_is_the_patient_s(
    runtime: Runtime, bench: Bench, merged: bool
) -> None:
    with runtime.sessions.begin() as session:
        known = session.scalars(select(LabSpecimen)).one().patient
        other = register(session, bench[0], "B002", patient_id="P777").patient
        if merged:
            other.master_id = known.master_id
    file(runtime, bench[1].bench, message(specimen("B001", CBC[0], patient=patient(patient_id="P777"))))

    assert len(results(runtime)) == merged
    assert reasons(runtime) == ([] if merged else [LabHeldReason.PATIENT_MISMATCH])


def test_another_identity_card_is_another_patient(runtime: Runtime, bench: Bench) -> None:
    cards = ("440524197903040014", "440524197903040030")  # both of a man of that day
    with runtime.sessions.begin() as session:
        session.scalars(select(LabSpecimen)).one().patient.national_id = cards[0]
    for card in cards:
        who = patient(patient_id="", national_id=card)
        file(runtime, bench[1].bench, message(specimen("B001", CBC[2], patient=who)))

    [one] = held(runtime)
    assert (one.reason, one.detail["fields"]) == (LabHeldReason.PATIENT_MISMATCH, ["national_id"])


def test_results_behind_a_signed_report_open_a_task_of_their_own(runtime: Runtime, bench: Bench) -> None:
    file(runtime, bench[1].bench, message(specimen("B001", *CBC)))
    with runtime.sessions.begin() as session:
        session.scalars(select(ReadingTask)).one().state = TaskState.SIGNED
    file(runtime, bench[1].bench, message(specimen("B001", result("PLT", "211", status="C"))))

    with runtime.reading() as session:
        states = [task.state for task in session.scalars(select(ReadingTask).order_by(ReadingTask.id))]
        assert states == [TaskState.SIGNED, TaskState.WAITING]


def test_an_order_takes_back_the_tests_that_it_names(runtime: Runtime, bench: Bench) -> None:
    def order(control: str, *codes: str) -> Message:
        tests = tuple(Coded(code=code) for code in codes)
        said = replace(specimen("B001"), order=StatedOrder(control=control, tests=tests))
        return message(said, kind=MessageKind.ORDERS)

    def known() -> LabSpecimen:
        with runtime.reading() as session:
            return session.scalars(select(LabSpecimen)).one()

    file(runtime, bench[1].bench, order("NW", "K", "GLU"))
    file(runtime, bench[1].bench, order("CA", "K", "WBC"))
    assert (known().state, known().items) == (SpecimenState.REGISTERED, ["WBC", "HGB", "PLT", "GLU"])

    file(runtime, bench[1].bench, order("CA", "K"))
    assert [one.detail for one in held(runtime)] == [{"why": "unknown_order"}]

    file(runtime, bench[1].bench, order("CA", "CBC", "GLU"))
    assert (known().state, known().items) == (SpecimenState.CANCELLED, [])


@pytest.mark.parametrize("state", [SpecimenState.REJECTED, SpecimenState.CANCELLED])
def test_an_order_for_a_specimen_that_is_none_any_more_is_held(
    runtime: Runtime, bench: Bench, state: SpecimenState
) -> None:
    with runtime.sessions.begin() as session:
        session.scalars(select(LabSpecimen)).one().state = state
    ordered = replace(specimen("B001"), order=StatedOrder(control="NW", tests=(Coded(code="K"),)))
    file(runtime, bench[1].bench, message(ordered, kind=MessageKind.ORDERS))

    assert [one.detail for one in held(runtime)] == [{"why": state.value}]


def test_an_order_registers_a_specimen_that_its_results_find(runtime: Runtime, bench: Bench) -> None:
    order = StatedOrder(control="NW", placer_number="O77", tests=(), panel=None)
    ordered = replace(
        specimen("B777", patient=patient(patient_id="P777", name="=王^芳", sex="F")), order=order
    )
    with runtime.reading() as session:
        assert session.get_one(LabItem, "K").loinc == ""
    file(runtime, bench[1].bench, message(ordered, kind=MessageKind.ORDERS))
    file(runtime, bench[1].bench, message(specimen("B777", result("K", "4.1"))))

    with runtime.reading() as session:
        known = session.scalars(select(LabSpecimen).where(LabSpecimen.barcode == "B777")).one()
        assert (known.source, known.order_number) == (SpecimenSource.ORDER, "O77")
    assert [one.item_code for one in results(runtime)] == ["K"]
