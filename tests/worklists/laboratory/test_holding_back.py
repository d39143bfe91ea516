"""Control material over time: what it says of the analyser, and what that does to patients' results."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import County
from tests.laboratory import NOW, Laboratory, build_laboratory, control_material, register
from worklists import bulk
from worklists.control import ControlState
from worklists.errors import Conflict, Invalid
from worklists.laboratory import holding_back
from worklists.laboratory.control import ControlResult, Verdict
from worklists.laboratory.controlling import control_state, record_control
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.examining import open_examination
from worklists.laboratory.interpretation import Bearer, interpret
from worklists.laboratory.recording import NewResult, Sheet
from worklists.laboratory.releasing import Releaser
from worklists.laboratory.results import LabResult, ResultStatus, Verification


@pytest.fixture
def lab(session: Session, county: County) -> Laboratory:
    laboratory = build_laboratory(session, county)
    control_material(session, laboratory.bench, every_hours=24)
    return laboratory


def control(session: Session, lab: Laboratory, z: float, *, hours: float, level: str = "1") -> ControlResult:
    """A run of control material so many hours after the morning, and what follows."""
    at, number = NOW + timedelta(hours=hours), 6.0 + 0.2 * z
    item = session.get_one(LabItem, "WBC")
    row = record_control(
        session, device_id=lab.bench.id, item=item, level=level, lot="L1", value=f"{number:.2f}", number=number,
        unit="", observed_at=at, received_at=at,
    )  # fmt: skip
    holding_back.settle(session, lab.bench.id, "WBC", releaser=Releaser(session=session, now=at))
    return row


def patient(
    session: Session, county: County, lab: Laboratory, barcode: str, *, hours: float, value: str = "6.1"
) -> LabResult:
    at = NOW + timedelta(hours=hours)
    specimen = register(session, county, barcode, items=["WBC"])
    examination = open_examination(session, specimen, now=at)
    item = session.get_one(LabItem, "WBC")
    sheet = Sheet(examination_id=examination.id, patient_id=specimen.patient_id, results=[])
    sheet.record(
        NewResult(
            item=item, item_code="WBC", status=ResultStatus.FINAL, reported={}, observed_at=at, received_at=at,
            device_id=lab.bench.id,
            interpreted=interpret(item, value=value, unit=item.unit, bearer=Bearer(sex="M", age_days=20_000)),
        )
    )  # fmt: skip
    Releaser(session=session, now=at).release(examination, sheet)
    bulk.insert_values(session, LabResult, sheet.added)
    return session.get_one(LabResult, sheet.added[0].id)


def state(session: Session, lab: Laboratory, *, hours: float) -> ControlState:
    return control_state(session, lab.bench.id, "WBC", NOW + timedelta(hours=hours))


def releaser(session: Session, *, hours: float = 12) -> Releaser:
    return Releaser(session=session, now=NOW + timedelta(hours=hours))


def test_control_material_that_is_due_and_was_not_run_is_missing(session: Session, lab: Laboratory) -> None:
    assert state(session, lab, hours=0) is ControlState.MISSING
    control(session, lab, 0.5, hours=0)

    assert state(session, lab, hours=24) is ControlState.IN_CONTROL
    assert state(session, lab, hours=24.1) is ControlState.MISSING
    assert state(session, lab, hours=-0.1) is ControlState.MISSING
    assert control_state(session, lab.bench.id, "PLT", NOW) is ControlState.NOT_REQUIRED


def test_out_of_control_reaches_back_and_ends_by_a_person_alone(session: Session, lab: Laboratory) -> None:
    control(session, lab, 0.5, hours=0)
    bad = control(session, lab, 3.5, hours=2)
    control(session, lab, 0.1, hours=3)

    states = [state(session, lab, hours=hours) for hours in (-1, 0, 1, 2, 5)]
    assert states == [
        ControlState.MISSING, ControlState.IN_CONTROL, ControlState.OUT_OF_CONTROL,
        ControlState.OUT_OF_CONTROL, ControlState.OUT_OF_CONTROL,
    ]  # fmt: skip
    holding_back.release(session, bad, lab.reader, reason="更换试剂后重测合格", releaser=releaser(session))
    assert [state(session, lab, hours=hours) for hours in (1, 5)] == [ControlState.IN_CONTROL] * 2
    assert (bad.released_by, bad.release_reason) == (lab.reader, "更换试剂后重测合格")


def test_results_since_the_last_good_control_are_held_back_until_it_is_released(
    session: Session, county: County, lab: Laboratory
) -> None:
    control(session, lab, 0.5, hours=0)
    good, doubtful = (patient(session, county, lab, f"B{h}", hours=h) for h in (-0.5, 1))
    verified = patient(session, county, lab, "B1a", hours=1.5, value="12")
    verified.verification, verified.verified_at = Verification.VERIFIED, NOW
    session.flush()
    assert (good.verification, doubtful.verification) == (Verification.WAITING, Verification.AUTOMATIC)

    bad = control(session, lab, 3.5, hours=2)
    late = patient(session, county, lab, "B3", hours=3)

    assert good.control_state is ControlState.MISSING  # before the good one: not concerned
    for one in (doubtful, late):
        assert (one.verification, one.verified_at) == (Verification.WAITING, None)
        assert one.control_state is ControlState.OUT_OF_CONTROL
        assert one.stops == [{"rule": "control", "detail": "out_of_control"}]
    assert (verified.verification, verified.control_state) == (
        Verification.VERIFIED,
        ControlState.OUT_OF_CONTROL,
    )

    settled = holding_back.release(session, bad, lab.reader, reason="重测合格", releaser=releaser(session))
    assert settled.to_judge == {doubtful.examination_id, late.examination_id}
    for one in (doubtful, late):
        assert releaser(session).judge_again(one.examination, [one]) == [one]
    for one in (doubtful, late):
        assert (one.verification, one.stops) == (Verification.AUTOMATIC, [])
        assert one.control_state is ControlState.IN_CONTROL
    assert verified.control_state is ControlState.IN_CONTROL


def test_rules_without_a_rule_for_control_hold_back_all_the_same(session: Session, county: County) -> None:
    lab = build_laboratory(session, county, rules=["range"])
    control_material(session, lab.bench)
    control(session, lab, 3.5, hours=0)

    one = patient(session, county, lab, "B1", hours=1)
    assert one.stops == [{"rule": "control", "detail": "out_of_control"}]
    assert one.verification is Verification.WAITING


def test_what_else_stops_a_result_goes_on_stopping_it_after_the_release(
    session: Session, county: County, lab: Laboratory
) -> None:
    bad = control(session, lab, 3.5, hours=0)
    one = patient(session, county, lab, "B1", hours=1, value="12")
    holding_back.release(session, bad, lab.reader, reason="重测合格", releaser=releaser(session))
    releaser(session).judge_again(one.examination, [one])

    assert (one.verification, [stop["rule"] for stop in one.stops]) == (Verification.WAITING, ["range"])


def test_a_release_begins_a_new_row(session: Session, lab: Laboratory) -> None:
    rows = [control(session, lab, 0.3, hours=place) for place in range(10)]
    assert (rows[-1].rules, rows[-1].verdict) == (["10_x"], Verdict.OUT_OF_CONTROL)
    holding_back.release(session, rows[-1], lab.reader, reason="已重新校准", releaser=releaser(session))

    assert control(session, lab, 0.3, hours=13).rules == []


def test_a_release_covers_what_was_out_of_control_before_it_and_nothing_behind(
    session: Session, lab: Laboratory
) -> None:
    first, second, third = (control(session, lab, 3.5, hours=hours) for hours in (0, 1, 2))
    holding_back.release(session, second, lab.reader, reason="重测合格", releaser=releaser(session))

    assert first.released_at is not None and third.released_at is None
    assert state(session, lab, hours=5) is ControlState.OUT_OF_CONTROL
    with pytest.raises(holding_back.NotOutOfControl):
        holding_back.release(session, second, lab.reader, reason="再次", releaser=releaser(session))
    with pytest.raises(Invalid):
        holding_back.release(session, third, lab.reader, reason=" ", releaser=releaser(session))


def test_what_is_excluded_says_nothing_of_the_analyser_and_those_behind_are_judged_anew(
    session: Session, county: County, lab: Laboratory
) -> None:
    first, second = control(session, lab, 2.5, hours=0), control(session, lab, 2.5, hours=24)
    held = patient(session, county, lab, "B1", hours=24.5)
    assert (first.verdict, second.rules) == (Verdict.WARNING, ["1_2s", "2_2s"])
    assert held.verification is Verification.WAITING

    holding_back.exclude(
        session, first, lab.reader, excluded=True, reason="质控品复溶错误", releaser=releaser(session)
    )
    assert (second.rules, second.verdict) == (["1_2s"], Verdict.WARNING)
    releaser(session).judge_again(held.examination, [held])
    assert held.verification is Verification.AUTOMATIC
    with pytest.raises(Conflict):
        holding_back.exclude(
            session, first, lab.reader, excluded=True, reason="x", releaser=releaser(session)
        )

    holding_back.exclude(
        session, first, lab.reader, excluded=False, reason="误操作", releaser=releaser(session)
    )
    assert (second.rules, held.verification) == (["1_2s", "2_2s"], Verification.WAITING)


def test_a_control_result_that_arrives_late_is_judged_where_it_belongs(
    session: Session, lab: Laboratory
) -> None:
    later = control(session, lab, 2.5, hours=24)
    assert later.rules == ["1_2s"]
    control(session, lab, 2.5, hours=0)

    assert later.rules == ["1_2s", "2_2s"]


def test_material_of_another_lot_or_level_is_not_taken_for_it(session: Session, lab: Laboratory) -> None:
    control_material(session, lab.bench, level="2", mean=12.0, sd=0.5, lot="")
    assert control(session, lab, 0, hours=0, level="3").verdict is Verdict.UNKNOWN
    anything = control(session, lab, 30, hours=1, level="2")  # 12.0 of a material for any lot
    assert (anything.verdict, anything.z, anything.lot) == (Verdict.IN_CONTROL, 0, "L1")
    assert len(session.scalars(select(ControlResult)).all()) == 2
