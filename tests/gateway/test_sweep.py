"""Due rows: run when their time has come, once at a time, again after a failure, later when it is too early."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, select

from gateway import work
from gateway.runtime import Runtime
from gateway.sweep import (
    TOGETHER,
    Leased,
    NotYet,
    SweepThread,
    Together,
    lease_due,
    lease_sets,
    run_leased,
    sweep_once,
)
from gateway.work import FIRST_RETRY, LEASE, LONGEST_RETRY, Work
from tests.conftest import Clock
from tests.journeys.gateways import wait_for


def ask(runtime: Runtime, *subjects: object, task: str = "greet", in_s: float = 0) -> None:
    with runtime.sessions.begin() as session:
        for subject in subjects:
            work.schedule(session, task, subject, due_at=runtime.now() + timedelta(seconds=in_s))


def row(runtime: Runtime) -> Work:
    with runtime.sessions() as session:
        return session.scalars(select(Work)).one()


def done(_runtime: Runtime, _leased: Leased) -> None:
    """A task without trouble."""


def failing(_runtime: Runtime, _leased: Leased) -> None:
    raise OSError("the printer is on fire")


def test_what_is_due_is_run_and_then_done(runtime: Runtime) -> None:
    subjects: list[str] = []
    ask(runtime, "a", "b")

    assert sweep_once(runtime, {"greet": lambda _, leased: subjects.append(leased.subject)}) == 2
    assert sorted(subjects) == ["a", "b"]
    assert sweep_once(runtime, {"greet": done}) == 0


def test_what_is_not_due_waits(runtime: Runtime, clock: Clock) -> None:
    ask(runtime, "a", in_s=10)

    assert sweep_once(runtime, {"greet": done}) == 0
    clock.advance(seconds=11)
    assert sweep_once(runtime, {"greet": done}) == 1


def test_asking_again_moves_the_time_and_makes_no_second_row(runtime: Runtime) -> None:
    ask(runtime, "a", in_s=10)
    ask(runtime, "a", in_s=0)

    assert sweep_once(runtime, {"greet": done}) == 1
    assert row(runtime).done_at is not None


def test_asked_for_while_it_runs_it_runs_again(runtime: Runtime) -> None:
    ask(runtime, "a")

    assert sweep_once(runtime, {"greet": lambda again, _: ask(again, "a")}) == 1
    assert row(runtime).done_at is None
    assert sweep_once(runtime, {"greet": done}) == 1


def test_asked_for_at_another_time_while_it_finds_itself_too_early_the_newer_time_stands(
    runtime: Runtime, clock: Clock
) -> None:
    def too_early(again: Runtime, _leased: Leased) -> None:
        ask(again, "a", in_s=5)  # the association ended meanwhile
        raise NotYet(again.now() + timedelta(minutes=1))

    ask(runtime, "a")
    sweep_once(runtime, {"greet": too_early})

    assert row(runtime).due_at == clock() + timedelta(seconds=5)


def test_too_early_is_no_failure(runtime: Runtime, clock: Clock) -> None:
    def too_early(again: Runtime, _leased: Leased) -> None:
        raise NotYet(again.now() + timedelta(seconds=7))

    ask(runtime, "a")
    sweep_once(runtime, {"greet": too_early})

    found = row(runtime)
    assert (found.due_at, found.attempts, found.last_error) == (clock() + timedelta(seconds=7), 0, "")


def test_outcomes_of_many_are_written_down_together(runtime: Runtime, clock: Clock) -> None:
    def too_early(again: Runtime, leased: Leased) -> None:
        if leased.subject != "0":
            raise NotYet(again.now() + timedelta(seconds=int(leased.subject)))

    ask(runtime, *range(10))
    transactions: list[object] = []
    note = transactions.append
    event.listen(runtime.engine, "commit", note)
    try:
        assert sweep_once(runtime, {"greet": too_early}) == 10
    finally:
        event.remove(runtime.engine, "commit", note)

    assert len(transactions) == 2  # leased, and done or put off
    with runtime.sessions() as session:
        rows = {int(one.subject): one for one in session.scalars(select(Work))}
        assert [number for number, one in rows.items() if one.done_at is not None] == [0]
        assert all(one.due_at - clock() == timedelta(seconds=number) for number, one in rows.items())


def test_a_task_that_takes_many_is_given_a_set_and_keeps_nobody_else_waiting(
    runtime: Runtime, clock: Clock
) -> None:
    sets: list[int] = []
    greeted: list[str] = []

    def count(again: Runtime, leased: Sequence[Leased]) -> Mapping[uuid.UUID, datetime]:
        sets.append(len(leased))
        return {one.id: again.now() + timedelta(hours=1) for one in leased if one.subject == "7"}

    tasks = {"count": Together(count), "greet": lambda _, leased: greeted.append(leased.subject)}
    ask(runtime, *range(TOGETHER + 50), task="count")
    clock.advance(seconds=1)
    ask(runtime, "last")

    assert sweep_once(runtime, tasks) == TOGETHER + 1
    assert (sets, greeted) == ([TOGETHER], ["last"])
    assert sweep_once(runtime, tasks) == 50
    with runtime.sessions() as session:
        [waiting] = session.scalars(select(Work).where(Work.done_at.is_(None)))
    assert (waiting.subject, waiting.due_at, waiting.last_error) == ("7", clock() + timedelta(hours=1), "")


def test_one_of_a_set_that_fails_does_not_keep_the_others(runtime: Runtime) -> None:
    def count(_runtime: Runtime, leased: Sequence[Leased]) -> Mapping[uuid.UUID, datetime]:
        if any(one.subject == "bad" for one in leased):
            raise OSError("the printer is on fire")
        return {}

    ask(runtime, "a", "bad", "b", task="count")
    sweep_once(runtime, {"count": Together(count)})

    with runtime.sessions() as session:
        rows = {one.subject: one for one in session.scalars(select(Work))}
    assert [name for name, one in rows.items() if one.done_at is None] == ["bad"]
    assert "the printer is on fire" in rows["bad"].last_error


def test_workers_are_given_whole_sets_until_none_is_full(runtime: Runtime) -> None:
    def nothing(_runtime: Runtime, _leased: Sequence[Leased]) -> Mapping[uuid.UUID, datetime]:
        return {}

    tasks = {"count": Together(nothing), "greet": done}
    ask(runtime, *range(2 * TOGETHER + 5), task="count")
    ask(runtime, "a", "b")

    sets = list(lease_sets(runtime, tasks))
    assert sorted(map(len, sets)) == [1, 1, 5, TOGETHER, TOGETHER]
    for leased in sets:
        run_leased(runtime, leased, tasks)
    with runtime.sessions() as session:
        assert session.scalars(select(Work).where(Work.done_at.is_(None))).all() == []


def test_a_failure_is_written_down_and_tried_again_later_and_later(runtime: Runtime, clock: Clock) -> None:
    ask(runtime, "a")
    delays = []
    for _ in range(12):
        assert sweep_once(runtime, {"greet": failing}) == 1
        found = row(runtime)
        delays.append(found.due_at - clock())
        assert sweep_once(runtime, {"greet": failing}) == 0
        clock.time = found.due_at

    assert "the printer is on fire" in found.last_error
    assert delays[:3] == [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY]
    assert delays[-1] == LONGEST_RETRY
    sweep_once(runtime, {"greet": done})
    assert (row(runtime).done_at, row(runtime).last_error) == (clock(), "")


def test_one_that_fails_does_not_keep_the_others(runtime: Runtime) -> None:
    ran: list[str] = []
    ask(runtime, "a", task="fail")
    ask(runtime, "b")

    sweep_once(runtime, {"fail": failing, "greet": lambda _, leased: ran.append(leased.subject)})
    assert ran == ["b"]


def test_a_task_that_this_version_does_not_know_is_a_failure_people_can_see(runtime: Runtime) -> None:
    ask(runtime, "a", task="from-the-future")
    sweep_once(runtime, {"greet": done})

    assert "from-the-future" in row(runtime).last_error


def test_a_leased_row_is_nobody_elses_until_the_lease_runs_out(runtime: Runtime, clock: Clock) -> None:
    ask(runtime, "a")
    [mine] = lease_due(runtime, {})

    assert lease_due(runtime, {}) == []
    clock.time = mine.leased_until + timedelta(seconds=1)  # whoever leased it has died
    [theirs] = lease_due(runtime, {})
    assert theirs.leased_until == clock() + LEASE


def test_a_worker_that_comes_after_its_lease_does_nothing(runtime: Runtime, clock: Clock) -> None:
    ran: list[str] = []
    ask(runtime, "a")
    [mine] = lease_due(runtime, {})
    clock.advance(minutes=3)

    run_leased(runtime, [mine], {"greet": lambda _, leased: ran.append(leased.subject)})
    assert ran == []
    assert row(runtime).done_at is None


def test_two_sweepers_never_run_one_row_at_once(runtime: Runtime) -> None:
    ask(runtime, *range(40))
    ran: list[str] = []
    start = threading.Barrier(4)

    def sweep() -> None:
        start.wait()
        while sweep_once(runtime, {"greet": lambda _, leased: ran.append(leased.subject)}):
            pass

    sweepers = [threading.Thread(target=sweep) for _ in range(4)]
    for sweeper in sweepers:
        sweeper.start()
    for sweeper in sweepers:
        sweeper.join()

    assert sorted(ran, key=int) == [str(number) for number in range(40)]


@pytest.fixture
def sweeping(runtime: Runtime) -> Iterator[Callable[..., SweepThread]]:
    started: list[SweepThread] = []

    def start(**tasks: Callable[[Runtime, Leased], None]) -> SweepThread:
        started.append(SweepThread(runtime, tasks))
        started[-1].start()
        return started[-1]

    yield start
    for thread in started:
        thread.stop()


def test_a_hint_wakes_the_sweep_at_once(runtime: Runtime, sweeping: Callable[..., SweepThread]) -> None:
    ran = threading.Event()
    thread = sweeping(greet=lambda _runtime, _leased: ran.set())
    ask(runtime, "a")
    thread.wake()

    assert ran.wait(10)
    wait_for(lambda: row(runtime).done_at, 10, "the outcome is written")
