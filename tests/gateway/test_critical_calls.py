"""Silence around a critical value: one after the other is called, once each, and then IT hears of it."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import select

from gateway.critical_calls import ESCALATE, WATCH
from gateway.probes import Probes
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.system import Overseer
from gateway.tasks import TASKS, schedule_standing
from tests.builders import NOW, County, arrive, build_county
from tests.conftest import Clock
from worklists.base import new_id
from worklists.critical import Channel, CriticalContact, CriticalEvent, Finding, open_event
from worklists.directory import Kind, Person

MINE = {name: TASKS[name] for name in (WATCH, ESCALATE)}


@pytest.fixture
def county(runtime: Runtime) -> County:
    """The township's leader is called first, then the duty desk of the lead hospital."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        for institution, person, title in (
            (county.east, county.radiographer, "值班领导"),
            (county.lead, county.it, "总值班"),
        ):
            session.add(
                CriticalContact(
                    id=new_id(), institution_id=institution.id, position=1, title=title, phone="",
                    person_id=person.id, minutes=5,
                )
            )  # fmt: skip
        schedule_standing(session, runtime)
        finding = Finding(
            examination_id=arrive(session, county).id, kind=Kind.LABORATORY, source_id=new_id(),
            found={"name": "钾", "value": "2.6", "unit": "mmol/L"},
        )  # fmt: skip
        event = open_event(session, finding, now=NOW)
        event.review(county.wang, "", NOW)
        event.notify(NOW, recipient="城东镇卫生院")
    return county


@pytest.fixture
def wait(runtime: Runtime, clock: Clock) -> Callable[[int], list[str]]:
    """So many minutes pass; what was done about the event by then."""

    def wait(minutes: int) -> list[str]:
        for _ in range(minutes * 2):
            sweep_once(runtime, MINE)
            clock.advance(seconds=30)
        sweep_once(runtime, MINE)
        with runtime.reading() as session:
            event = session.scalars(select(CriticalEvent)).one()
            return [step.recipient or step.action.value for step in event.steps[3:]]

    return wait


def test_two_silent_people_are_passed_by(county: County, wait: Callable[[int], list[str]]) -> None:
    assert wait(9) == []
    assert wait(2) == ["值班领导 赵放射"]
    assert wait(5) == ["值班领导 赵放射", "总值班 冯信息"]
    assert wait(6) == ["值班领导 赵放射", "总值班 冯信息", "exhausted"]
    assert wait(20) == ["值班领导 赵放射", "总值班 冯信息", "exhausted"]


def test_who_answers_ends_the_calls(
    runtime: Runtime, county: County, wait: Callable[[int], list[str]]
) -> None:
    assert wait(11) == ["值班领导 赵放射"]
    with runtime.sessions.begin() as session:
        event = session.scalars(select(CriticalEvent)).one()
        person = session.get_one(Person, county.radiographer.id)
        event.receive(person, "2.6", runtime.now(), channel=Channel.PAGE)

    assert wait(25)[-1] == "received"
    assert wait(8)[-1] == "值班领导 赵放射"  # received, and nothing done: the chain begins anew


def test_two_sweeps_at_once_call_one_person(runtime: Runtime, county: County, clock: Clock) -> None:
    sweep_once(runtime, MINE)
    clock.advance(seconds=601)
    threads = [threading.Thread(target=sweep_once, args=(runtime, MINE)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with runtime.reading() as session:
        event = session.scalars(select(CriticalEvent)).one()
        assert [step.action.value for step in event.steps[3:]] == ["escalated"]


def test_it_hears_that_nobody_is_left_until_somebody_answers_and_the_next_clock_runs(
    runtime: Runtime, county: County, wait: Callable[[int], list[str]]
) -> None:
    def faults() -> dict[str, str]:
        found = Overseer(runtime, Probes(runtime)).look().faults
        return {fault.code: fault.where for fault in found if fault.severity == "red"}

    wait(18)
    assert "critical_unanswered" not in faults()
    assert wait(5)[-1] == "exhausted"
    assert faults()["critical_unanswered"] == "城东镇卫生院"

    with runtime.sessions.begin() as session:
        event = session.scalars(select(CriticalEvent)).one()
        person = session.get_one(Person, county.radiographer.id)
        event.receive(person, "2.6", runtime.now(), channel=Channel.PAGE)
    assert "critical_unanswered" not in faults()
    assert wait(32)[-1] == "值班领导 赵放射"
