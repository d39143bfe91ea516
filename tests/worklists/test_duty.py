"""Who is on duty at a moment of the county's day, and who is called next."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.builders import NOW, County, add_person, waiting_task
from worklists.base import COUNTY_TIME, new_id
from worklists.directory import Kind, Person, Role
from worklists.duty import (
    Duty,
    call_next,
    calls_of,
    on_duty,
    open_calls_of,
    unclaimed_chest_pain,
    untaken_since,
)
from worklists.examinations import Priority
from worklists.reading import ReadingTask


def local(text: str) -> datetime:
    """2026-11-23 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=COUNTY_TIME)


@pytest.mark.parametrize(
    ("line", "moment", "covered"),
    [
        ({}, "2026-11-23T03:00", True),
        ({"weekdays": "12345"}, "2026-11-27T12:00", True),
        ({"weekdays": "12345"}, "2026-11-28T12:00", False),
        ({"begins": "08:00", "ends": "17:30"}, "2026-11-23T08:00", True),
        ({"begins": "08:00", "ends": "17:30"}, "2026-11-23T17:30", False),
        ({"begins": "08:00", "ends": "17:30"}, "2026-11-23T07:59", False),
        ({"begins": "20:00", "ends": "08:00"}, "2026-11-23T23:00", True),
        ({"begins": "20:00", "ends": "08:00"}, "2026-11-23T07:59", True),
        ({"begins": "20:00", "ends": "08:00"}, "2026-11-23T12:00", False),
        ({"weekdays": "1", "begins": "20:00", "ends": "08:00"}, "2026-11-24T07:00", True),  # Monday's night
        ({"weekdays": "1", "begins": "20:00", "ends": "08:00"}, "2026-11-23T07:00", False),  # Sunday's night
        ({"weekdays": "1", "begins": "20:00", "ends": "08:00"}, "2026-11-24T21:00", False),
    ],
)
def test_a_line_covers_its_days_and_its_hours(line: dict[str, str], moment: str, covered: bool) -> None:
    row = Duty(**{"weekdays": "", "begins": "", "ends": "", **line})

    assert row.covers(local(moment)) is covered


def put_on_duty(session: Session, county: County, person: Person, position: int, **fields: Any) -> None:
    session.add(
        Duty(
            id=new_id(), centre_id=county.ecg.id, person_id=person.id, position=position,
            **{"weekdays": "", "begins": "", "ends": "", **fields},
        )
    )  # fmt: skip
    session.flush()


@pytest.fixture
def second(session: Session, county: County) -> Person:
    return add_person(session, "second", "郑二线", county.lead, Role.READER, county.ecg)


@pytest.fixture
def pain(session: Session, county: County) -> ReadingTask:
    return waiting_task(session, county, kind=Kind.ECG, priority=Priority.CHEST_PAIN)


def test_the_roster_is_called_in_its_order_and_each_once(
    session: Session, county: County, second: Person
) -> None:
    put_on_duty(session, county, second, 2)
    put_on_duty(session, county, county.ecg_reader, 1)
    put_on_duty(session, county, county.ecg_reader, 3)

    assert on_duty(session, county.ecg.id, NOW) == [county.ecg_reader, second]


def test_who_was_disabled_or_reads_elsewhere_is_not_called(
    session: Session, county: County, second: Person
) -> None:
    put_on_duty(session, county, second, 1)
    put_on_duty(session, county, county.wang, 2)
    second.enabled = False
    session.flush()

    assert on_duty(session, county.ecg.id, NOW) == []


def test_everybody_is_called_in_turn_and_then_that_nobody_is_left_once(
    session: Session, county: County, second: Person, pain: ReadingTask
) -> None:
    put_on_duty(session, county, county.ecg_reader, 1)
    put_on_duty(session, county, second, 2)

    called = [call_next(session, pain, unclaimed_since=NOW, now=NOW) for _ in range(4)]

    assert [call.person_id if call else "nothing" for call in called] == [
        county.ecg_reader.id, second.id, None, "nothing",
    ]  # fmt: skip
    assert [call.place for call in calls_of(session, pain, NOW)] == [1, 2, 3]
    assert [task.id for task, _ in untaken_since(session)] == [pain.id]
    assert [call.task_id for call in open_calls_of(session, second.id)] == [pain.id]


def test_once_it_is_taken_nobody_is_called_to_it_any_more(
    session: Session, county: County, pain: ReadingTask
) -> None:
    put_on_duty(session, county, county.ecg_reader, 1)
    for _ in range(2):
        call_next(session, pain, unclaimed_since=NOW, now=NOW)
    pain.claim(county.ecg_reader, NOW)
    session.flush()

    assert open_calls_of(session, county.ecg_reader.id) == []
    assert untaken_since(session) == []
    assert unclaimed_chest_pain(session) == []


def test_only_chest_pain_that_waits_at_a_centre_is_watched(
    session: Session, county: County, pain: ReadingTask
) -> None:
    waiting_task(session, county, kind=Kind.ECG, priority=Priority.URGENT)
    elsewhere = waiting_task(session, county, kind=Kind.LABORATORY, priority=Priority.CHEST_PAIN)

    assert elsewhere.centre_id is None
    assert unclaimed_chest_pain(session) == [pain]
