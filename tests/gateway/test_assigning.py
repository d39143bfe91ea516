"""Centres whose rules push: a reader has it within one run of the sweep, and the next when it is left."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from gateway.assigning import ASSIGN
from gateway.audit import AuditEvent
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS, schedule_standing
from tests.builders import NOW, County, build_county, identity, waiting_task
from tests.conftest import Clock
from worklists.assignment.books import ASSIGNMENT, default_assignment
from worklists.base import new_id
from worklists.directory import Kind
from worklists.duty import Duty
from worklists.reading import ReadingTask
from worklists.rule_books import go_live, make_version

MINE = {ASSIGN: TASKS[ASSIGN]}
Begin = Callable[..., County]


@pytest.fixture
def begin(runtime: Runtime) -> Begin:
    """王 and 李 are on duty at an imaging centre with these rules."""

    def begin(**rules: Any) -> County:
        with runtime.sessions.begin() as session:
            county = build_county(session)
            for position, person in enumerate((county.wang, county.li), start=1):
                session.add(
                    Duty(
                        id=new_id(), centre_id=county.imaging.id, person_id=person.id, position=position,
                        weekdays="", begins="", ends="",
                    )
                )  # fmt: skip
            content = {**default_assignment(Kind.IMAGING), **rules}
            row = make_version(
                session, ASSIGNMENT, str(county.imaging.id), content=content, note="", person=None, now=NOW
            )
            row.keep_dry_run(content, {})
            go_live(session, row, person=None, now=NOW)
            schedule_standing(session, runtime)
        return county

    return begin


def wait_for_a_reader(runtime: Runtime, county: County, count: int = 1) -> None:
    with runtime.sessions.begin() as session:
        for number in range(count):
            waiting_task(session, county, instances=0, patient=identity(patient_id=f"P{number}"))


def holders(runtime: Runtime) -> list[str | None]:
    with runtime.reading() as session:
        tasks = session.scalars(select(ReadingTask).order_by(ReadingTask.id))
        return [task.assigned_to.name if task.assigned_to else None for task in tasks]


def test_a_pool_is_left_alone(runtime: Runtime, begin: Begin) -> None:
    wait_for_a_reader(runtime, begin(mode="pull"))

    sweep_once(runtime, MINE)

    assert holders(runtime) == [None]


@pytest.mark.parametrize(("mode", "reserved"), [("push", True), ("both", False)])
def test_work_is_dealt_out_with_its_reasons(
    runtime: Runtime, begin: Begin, mode: str, reserved: bool
) -> None:
    wait_for_a_reader(runtime, begin(mode=mode), 3)

    sweep_once(runtime, MINE)

    assert holders(runtime) == ["王医师", "李医师", "王医师"]
    with runtime.reading() as session:
        task = session.scalars(select(ReadingTask).order_by(ReadingTask.id).limit(1)).one()
        event = session.scalars(select(AuditEvent).where(AuditEvent.action == "task_assigned")).first()
    assert task.reserved is reserved
    assert task.assigned_because is not None
    assert task.assigned_because["reasons"] == ["of_the_centre", "on_duty", "least_load"]
    assert event is not None
    assert event.detail["to"] == "王医师"


def test_what_is_not_begun_in_time_goes_to_the_next_and_is_nobodys_when_all_left_it(
    runtime: Runtime, begin: Begin, clock: Clock
) -> None:
    wait_for_a_reader(runtime, begin(mode="push", kept_minutes=30))
    sweep_once(runtime, MINE)
    sweep_once(runtime, MINE)
    assert holders(runtime) == ["王医师"]

    clock.advance(seconds=31 * 60)
    sweep_once(runtime, MINE)

    assert holders(runtime) == ["李医师"]


def test_what_nobody_could_take_is_tried_again_once_somebody_has_room(
    runtime: Runtime, begin: Begin, clock: Clock
) -> None:
    county = begin(mode="push", most_open=1)
    wait_for_a_reader(runtime, county, 3)
    sweep_once(runtime, MINE)
    assert holders(runtime) == ["王医师", "李医师", None]
    with runtime.sessions.begin() as session:
        first = session.scalars(select(ReadingTask).order_by(ReadingTask.id).limit(1)).one()
        first.claim(session.merge(county.wang), runtime.now())
        first.send_back(session.merge(county.wang), "运动伪影", NOW)

    clock.advance(seconds=25)
    sweep_once(runtime, MINE)

    assert holders(runtime)[1:] == ["李医师", "王医师"]


def test_who_is_off_duty_loses_what_they_have_not_begun(runtime: Runtime, begin: Begin, clock: Clock) -> None:
    county = begin(mode="push")
    wait_for_a_reader(runtime, county, 2)
    sweep_once(runtime, MINE)
    with runtime.sessions.begin() as session:
        session.delete(session.scalars(select(Duty).where(Duty.person_id == county.wang.id)).one())

    clock.advance(seconds=3)
    sweep_once(runtime, MINE)

    assert holders(runtime) == ["李医师", "李医师"]


def test_what_a_colleague_handed_over_stays_with_whom_they_chose(
    runtime: Runtime, begin: Begin, clock: Clock
) -> None:
    county = begin(mode="push", kept_minutes=1)
    wait_for_a_reader(runtime, county)
    with runtime.sessions.begin() as session:
        task = session.scalars(select(ReadingTask)).one()
        task.claim(session.merge(county.li), runtime.now())
        task.hand_over(session.merge(county.li), session.merge(county.wang), "请看", runtime.now())

    clock.advance(seconds=600)
    sweep_once(runtime, MINE)

    assert holders(runtime) == ["王医师"]


def test_hundreds_are_dealt_out_in_one_go(runtime: Runtime, begin: Begin) -> None:
    wait_for_a_reader(runtime, begin(mode="push", most_open=1000), 230)

    sweep_once(runtime, MINE)
    sweep_once(runtime, MINE)

    counts = {name: holders(runtime).count(name) for name in ("王医师", "李医师")}
    assert counts == {"王医师": 115, "李医师": 115}
