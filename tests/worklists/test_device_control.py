"""How a device stands by its checks at a moment: out of control until a named person says otherwise, late, in time."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, County, waiting_task
from worklists.base import local_date, new_id
from worklists.control import ControlState
from worklists.device_control.entering import Said, enter, release
from worklists.device_control.rows import (
    CheckImmutable,
    CheckKind,
    CheckNotOpen,
    CheckResult,
    DeviceCheck,
    DeviceCheckInterval,
)
from worklists.device_control.standing import Stand, stand_of_examination, stands_of
from worklists.directory import Device
from worklists.errors import Conflict, FieldsRefused, Invalid
from worklists.examinations import Association, ExaminationAssociation

TODAY = local_date(NOW)
DAY = timedelta(days=1)


def check(
    session: Session, county: County, result: CheckResult, days_ago: int = 0, *, device: Device | None = None,
    kind: CheckKind = CheckKind.DAILY, corrects: DeviceCheck | None = None, next_due_on: date | None = None,
) -> DeviceCheck:  # fmt: skip
    said = Said(
        kind=kind,
        result=result,
        done_on=TODAY - days_ago * DAY,
        next_due_on=next_due_on,
        note="模体 CT 值偏移",
    )
    found = enter(
        session,
        device or county.device,
        county.radiographer,
        said,
        corrects=corrects,
        now=NOW - days_ago * DAY,
    )
    session.expire_all()
    return found


def failed(session: Session, county: County, days_ago: int = 0, **fields: object) -> DeviceCheck:
    return check(session, county, CheckResult.FAIL, days_ago, **fields)  # type: ignore[arg-type]


def passed(session: Session, county: County, days_ago: int = 0, **fields: object) -> DeviceCheck:
    return check(session, county, CheckResult.PASS, days_ago, **fields)  # type: ignore[arg-type]


def every(session: Session, days: int, modality: str = "", **fields: object) -> None:
    given = {"kind": CheckKind.DAILY, "valid_from": TODAY - 100 * DAY, **fields}
    session.add(DeviceCheckInterval(id=new_id(), modality=modality, every_days=days, **given))
    session.flush()


def stand(session: Session, county: County, at: datetime = NOW) -> Stand:
    return stands_of(session, [county.device], at)[county.device.id]


def state(session: Session, county: County, at: datetime = NOW) -> ControlState:
    return stand(session, county, at).state


def test_of_a_device_of_which_nothing_is_asked_nothing_is_said(session: Session, county: County) -> None:
    assert state(session, county) is ControlState.NOT_REQUIRED
    passed(session, county)
    assert state(session, county) is ControlState.IN_CONTROL


def test_it_is_out_of_control_from_the_day_of_the_failed_check_on(session: Session, county: County) -> None:
    passed(session, county, 5)
    one = failed(session, county, 2)
    found = stand(session, county)
    assert (found.state, found.failed, found.takes_mark) == (ControlState.OUT_OF_CONTROL, one, True)
    assert state(session, county, NOW - 2 * DAY) is ControlState.OUT_OF_CONTROL
    assert state(session, county, NOW - 3 * DAY) is ControlState.IN_CONTROL


def test_a_later_check_that_passed_does_not_end_it(session: Session, county: County) -> None:
    failed(session, county, 2)
    passed(session, county, 1)
    assert state(session, county) is ControlState.OUT_OF_CONTROL


@pytest.mark.parametrize("covers", [False, True])
def test_a_release_ends_it_and_says_whether_what_was_made_meanwhile_counts(
    session: Session, county: County, covers: bool
) -> None:
    one = failed(session, county, 3, kind=CheckKind.STATUS)
    release(session, one, county.reviewer, "更换球管后复检合格", covers_meanwhile=covers, now=NOW - DAY)
    session.flush()
    assert state(session, county) is ControlState.IN_CONTROL
    assert (state(session, county, NOW - 2 * DAY) is ControlState.OUT_OF_CONTROL) is not covers


def test_a_release_counts_for_those_of_its_kind_that_failed_before_it(
    session: Session, county: County
) -> None:
    first, second = failed(session, county, 3), failed(session, county, 1)
    other = failed(session, county, 2, kind=CheckKind.STATUS)
    release(session, second, county.reviewer, "调整后合格", covers_meanwhile=False, now=NOW)
    session.flush()
    assert (first.is_open, second.is_open, other.is_open) == (False, False, True)
    assert stand(session, county).failed is other


def test_nothing_is_released_twice_or_without_a_reason(session: Session, county: County) -> None:
    one, fine = failed(session, county, 1), passed(session, county)
    with pytest.raises(Invalid):
        release(session, one, county.reviewer, " ", covers_meanwhile=True, now=NOW)
    release(session, one, county.reviewer, "调整", covers_meanwhile=True, now=NOW)
    for decided in (one, fine):
        with pytest.raises(CheckNotOpen):
            release(session, decided, county.reviewer, "又一次", covers_meanwhile=True, now=NOW)


def test_a_correction_takes_the_place_of_what_was_entered_wrong(session: Session, county: County) -> None:
    wrong = failed(session, county, 1)
    right = passed(session, county, 1, corrects=wrong)
    assert state(session, county) is ControlState.IN_CONTROL
    assert (wrong.corrected_by, wrong.is_open) == (right, False)
    with pytest.raises(Conflict):
        passed(session, county, corrects=wrong)


def test_a_check_never_changes(session: Session, county: County) -> None:
    one = failed(session, county)
    one.result = CheckResult.PASS
    with pytest.raises(CheckImmutable):
        session.flush()


def test_a_failed_check_says_what_failed_and_no_day_lies_ahead(session: Session, county: County) -> None:
    for said, field in (
        (Said(kind=CheckKind.DAILY, result=CheckResult.FAIL, done_on=TODAY), "note"),
        (Said(kind=CheckKind.DAILY, result=CheckResult.PASS, done_on=TODAY + DAY), "done_on"),
        (
            Said(kind=CheckKind.DAILY, result=CheckResult.PASS, done_on=TODAY, next_due_on=TODAY),
            "next_due_on",
        ),
    ):
        with pytest.raises(FieldsRefused) as refused:
            enter(session, county.device, county.radiographer, said, now=NOW)
        assert list(refused.value.reasons) == [field]


def test_a_check_that_is_late_is_a_reminder_unless_the_county_says_more(
    session: Session, county: County
) -> None:
    passed(session, county, 8)
    every(session, 7, "DX")
    found = stand(session, county)
    assert found.due is not None
    assert (found.state, found.due.on, found.takes_mark) == (ControlState.MISSING, TODAY - DAY, False)
    assert state(session, county, NOW - DAY) is ControlState.IN_CONTROL
    session.scalars(select(DeviceCheckInterval)).one().late_takes_mark = True
    session.flush()
    assert stand(session, county).takes_mark


def test_what_was_never_checked_has_one_interval_from_its_beginning(session: Session, county: County) -> None:
    every(session, 7, valid_from=TODAY - 7 * DAY)
    assert state(session, county) is ControlState.NOT_REQUIRED
    assert state(session, county, NOW + DAY) is ControlState.MISSING


def test_an_interval_of_the_modality_stands_before_the_general_one(session: Session, county: County) -> None:
    passed(session, county, 3)
    every(session, 1)
    assert state(session, county) is ControlState.MISSING
    every(session, 30, "DX")
    every(session, 1, "CT")
    assert state(session, county) is ControlState.IN_CONTROL


def test_the_day_that_a_protocol_names_stands_before_the_interval(session: Session, county: County) -> None:
    every(session, 1)
    passed(session, county, 3, next_due_on=TODAY + DAY)
    assert state(session, county) is ControlState.IN_CONTROL
    assert state(session, county, NOW + 2 * DAY) is ControlState.MISSING


def test_an_examination_stands_as_the_worst_of_the_devices_that_sent_it_when_it_was_made(
    session: Session, county: County
) -> None:
    examination = waiting_task(session, county, studied_at=NOW - 2 * DAY).examination
    for number, device in enumerate((county.device, county.west_device)):
        session.add(Association(id=str(number), device_id=device.id, opened_at=NOW))
        session.add(ExaminationAssociation(examination_id=examination.id, association_id=str(number)))
    session.flush()
    found = stand_of_examination(session, examination)
    assert found is not None
    assert found.state is ControlState.NOT_REQUIRED
    failed(session, county, 1, device=county.west_device)
    found = stand_of_examination(session, examination)
    assert found is not None
    assert found.state is ControlState.NOT_REQUIRED  # it failed the day after
    failed(session, county, 2, device=county.west_device)
    found = stand_of_examination(session, examination)
    assert found is not None
    assert (found.state, found.device.ae_title) == (ControlState.OUT_OF_CONTROL, "WEST_CT")


def test_what_no_device_sent_is_nobodys(session: Session, county: County) -> None:
    examination = waiting_task(session, county, device_id=None).examination
    assert stand_of_examination(session, examination) is None
