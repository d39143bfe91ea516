"""Chest pain that nobody takes: one after the other is called, once by two sweeps, and then IT hears of it."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select, update

from gateway.audit import AuditEvent
from gateway.duty_calls import CALL
from gateway.probes import Probes
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.system import Overseer
from gateway.tasks import TASKS, schedule_standing
from gateway.work import Work
from tests.builders import NOW, County, add_person, build_county, waiting_task
from tests.conftest import Clock
from worklists.base import new_id
from worklists.directory import Centre, Kind, Person, Role
from worklists.duty import Duty, DutyCall
from worklists.examinations import Priority
from worklists.reading import ReadingTask
from worklists.routing import set_priority

MINE = {name: TASKS[name] for name in ("watch_chest_pain", CALL)}


@pytest.fixture
def county(runtime: Runtime) -> County:
    """Two people are on duty at the ECG centre: 吴医师, then 郑二线."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        second = add_person(session, "second", "郑二线", county.lead, Role.READER, county.ecg)
        for position, person in enumerate((county.ecg_reader, second), start=1):
            session.add(
                Duty(
                    id=new_id(), centre_id=county.ecg.id, person_id=person.id, position=position, weekdays="",
                    begins="", ends="",
                )
            )  # fmt: skip
        schedule_standing(session, runtime)
    return county


@pytest.fixture
def pain(runtime: Runtime, county: County) -> ReadingTask:
    with runtime.sessions.begin() as session:
        return waiting_task(session, county, kind=Kind.ECG, priority=Priority.CHEST_PAIN)


@pytest.fixture
def wait(runtime: Runtime, clock: Clock) -> Callable[[float], None]:
    """So many seconds pass, and the sweep looks every thirty of them."""

    def wait(seconds: float) -> None:
        for _ in range(int(seconds / 30)):
            sweep_once(runtime, MINE)
            clock.advance(seconds=30)
        sweep_once(runtime, MINE)

    return wait


def called(runtime: Runtime) -> list[str | None]:
    with runtime.sessions() as session:
        names = {person.id: person.name for person in session.scalars(select(Person))}
        calls = session.scalars(select(DutyCall).order_by(DutyCall.unclaimed_since, DutyCall.place))
        return [names[call.person_id] if call.person_id else None for call in calls]


def change(runtime: Runtime, pain: ReadingTask, deed: Callable[[ReadingTask, Person], None]) -> None:
    with runtime.sessions.begin() as session:
        reader = session.scalars(select(Person).where(Person.username == "ecg_reader")).one()
        deed(session.get_one(ReadingTask, pain.id), reader)


def test_nobody_is_called_before_the_minutes_are_over(
    runtime: Runtime, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    wait(150)
    assert called(runtime) == []
    wait(30)
    assert called(runtime) == ["吴医师"]


def test_the_next_is_called_after_the_same_time_and_then_it_is_said_that_nobody_is_left(
    runtime: Runtime, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    wait(540)
    assert called(runtime) == ["吴医师", "郑二线", None]
    wait(210)
    assert called(runtime) == ["吴医师", "郑二线", None]
    with runtime.sessions() as session:
        actions = session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)).all()
        [exhausted] = session.scalars(select(AuditEvent).where(AuditEvent.action == "duty_exhausted"))
        assert [one for one in actions if one.startswith("duty_")] == ["duty_called"] * 2 + ["duty_exhausted"]
        assert exhausted.examination_id == pain.examination_id


def test_who_comes_on_duty_after_that_is_called_too(
    runtime: Runtime, county: County, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    wait(540)
    with runtime.sessions.begin() as session:
        third = add_person(session, "third", "冯三线", county.lead, Role.READER, county.ecg)
        session.add(
            Duty(id=new_id(), centre_id=county.ecg.id, person_id=third.id, position=3, weekdays="", begins="", ends="")
        )  # fmt: skip
    wait(30)

    assert called(runtime) == ["吴医师", "郑二线", None, "冯三线"]


def test_a_centre_says_how_long_it_waits(
    runtime: Runtime, county: County, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    with runtime.sessions.begin() as session:
        session.execute(update(Centre).where(Centre.id == county.ecg.id).values(chest_pain_minutes=1))
    wait(60)

    assert called(runtime) == ["吴医师"]


def test_what_is_taken_calls_nobody_and_what_is_given_back_begins_anew(
    runtime: Runtime, clock: Clock, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    wait(180)
    change(runtime, pain, lambda task, reader: task.claim(reader, clock()))
    wait(600)
    assert called(runtime) == ["吴医师"]
    change(runtime, pain, lambda task, reader: task.release(reader, NOW))
    wait(210)
    assert called(runtime) == ["吴医师", "吴医师"]


def test_what_is_marked_later_is_watched_from_then_and_what_is_unmarked_is_not(
    runtime: Runtime, county: County, wait: Callable[[float], None]
) -> None:
    with runtime.sessions.begin() as session:
        task = waiting_task(session, county, kind=Kind.ECG)
    wait(300)
    change(runtime, task, lambda row, _: set_priority_of(row, Priority.CHEST_PAIN))
    wait(120)
    assert called(runtime) == []
    wait(90)
    assert called(runtime) == ["吴医师"]
    change(runtime, task, lambda row, _: set_priority_of(row, Priority.ROUTINE))
    wait(300)
    assert called(runtime) == ["吴医师"]


def set_priority_of(task: ReadingTask, priority: Priority) -> None:
    from sqlalchemy.orm import object_session

    session = object_session(task)
    assert session is not None
    set_priority(session, task.examination, priority)


def test_a_row_that_runs_twice_calls_once(
    runtime: Runtime, clock: Clock, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    wait(180)
    with runtime.sessions.begin() as session:  # the worker died before it wrote its outcome
        session.execute(update(Work).where(Work.task == CALL).values(due_at=clock(), leased_until=None))
    sweep_once(runtime, MINE)

    assert called(runtime) == ["吴医师"]


def test_two_sweeps_at_once_call_once(
    runtime: Runtime, clock: Clock, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    sweep_once(runtime, MINE)
    clock.advance(seconds=200)
    sweeps = [threading.Thread(target=sweep_once, args=(runtime, MINE)) for _ in range(4)]
    for sweep in sweeps:
        sweep.start()
    for sweep in sweeps:
        sweep.join()

    assert called(runtime) == ["吴医师"]


def test_it_hears_of_it_once_the_roster_is_exhausted_and_until_somebody_takes_it(
    runtime: Runtime, clock: Clock, pain: ReadingTask, wait: Callable[[float], None]
) -> None:
    def faults() -> dict[str, str]:
        found = Overseer(runtime, Probes(runtime)).look().faults
        return {fault.code: fault.where for fault in found if fault.severity == "red"}

    wait(360)
    assert "chest_pain_untaken" not in faults()
    wait(180)
    assert faults()["chest_pain_untaken"] == "县域心电诊断中心"
    change(runtime, pain, lambda task, reader: task.claim(reader, clock()))
    assert "chest_pain_untaken" not in faults()
