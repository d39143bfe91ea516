"""The sweep: finds rows that are due and runs each. In a thread without a broker, by Celery with one.

Each row is leased (commit), worked on without a transaction, and its outcome written (commit). A worker that dies
leaves a lease that runs out, so a task may run twice and bears it. Of a task that takes many at once a set is leased
beside the others, so that thousands of one kind keep nobody else waiting.
"""

import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from gateway import work
from gateway.fault_points import reach
from gateway.hints import Hint
from gateway.runtime import Runtime
from gateway.work import Work

log = structlog.get_logger()

BATCH = 20
TOGETHER = (
    200  # rows of one task that takes many: some tenths of a second, so that no other writer waits for long
)
SETS_IN_ONE_LOOK = 10  # leased ahead for workers: done well before their leases run out
TOGETHER_S = 0.5  # outcomes wait for each other no longer
INTERVAL_S = 0.5  # between two looks; a hint makes it sooner
AWAY_S = 2.0
APART_THREADS = 4  # of each task that waits for others


class NotYet(Exception):
    """A task that found it too early; carries when to look again."""

    def __init__(self, until: datetime):
        super().__init__(until)
        self.until = until


@dataclass(frozen=True, slots=True, kw_only=True)
class Leased:
    """A due row as the worker that leased it knows it."""

    id: uuid.UUID
    task: str
    subject: str
    arguments: Mapping[str, Any]
    generation: int
    leased_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How it went: an error, too early with the time to look again, or done."""

    generation: int
    until: datetime | None = None
    error: str = ""

    def write(self, row: Work, now: datetime) -> None:
        """Into the row."""
        if self.error:
            row.fail(self.error, now, generation=self.generation)
        elif self.until is not None:
            row.postpone(self.until, generation=self.generation)
        else:
            row.succeed(now, generation=self.generation)


@dataclass(frozen=True, slots=True)
class Together:
    """A task that takes many rows at once; answers which of them found it too early, and when to look again."""

    run: Callable[[Runtime, Sequence[Leased]], Mapping[uuid.UUID, datetime]]

    def __call__(self, runtime: Runtime, leased: Leased) -> None:
        early = self.run(runtime, [leased])
        if leased.id in early:
            raise NotYet(early[leased.id])


Task = Callable[[Runtime, Leased], None]


def lease_due(
    runtime: Runtime, tasks: Mapping[str, Task], *, limit: int = BATCH, but: Collection[str] = ()
) -> list[Leased]:
    """Take rows that are due, so that nobody else does: some of any task, and a set of each that takes many.

    `but` are tasks that others see to.
    """
    sets = [name for name, task in tasks.items() if isinstance(task, Together)]
    with runtime.sessions.begin() as session:
        now = runtime.now()
        rows = work.due(session, now, limit=limit, but=[*sets, *but])
        for name in sets:
            rows += work.due(session, now, limit=TOGETHER, only=name)
        leased = [_lease(row, now) for row in rows]
    if leased:
        reach("sweep.leased")
    return leased


def lease_sets(runtime: Runtime, tasks: Mapping[str, Task]) -> Iterator[list[Leased]]:
    """The same for workers beside: each row by itself, or a whole set, until no set was full or it is enough for now."""
    for _ in range(SETS_IN_ONE_LOOK):
        leased = lease_due(runtime, tasks)
        sets = _sets(leased, tasks)
        yield from sets
        if all(len(one) < TOGETHER for one in sets):
            return


def run_leased(runtime: Runtime, leased: Sequence[Leased], tasks: Mapping[str, Task]) -> None:
    """Do the work of leased rows, one or a set, and write down how it went."""
    _write_outcomes(runtime, _work(runtime, leased, tasks))


def sweep_once(runtime: Runtime, tasks: Mapping[str, Task], *, but: Collection[str] = ()) -> int:
    """Run everything that is due now, one after another; answers how many.

    What takes moments is written down together: thousands may be due at once, and others have much to write.
    """
    leased = lease_due(runtime, tasks, but=but)
    outcomes: dict[uuid.UUID, Outcome] = {}
    began = time.monotonic()
    for rows in _sets(leased, tasks):
        outcomes |= _work(runtime, rows, tasks)
        if time.monotonic() - began > TOGETHER_S:
            _write_outcomes(runtime, outcomes)
            outcomes, began = {}, time.monotonic()
    _write_outcomes(runtime, outcomes)
    return len(leased)


def sweep_one(runtime: Runtime, tasks: Mapping[str, Task], only: str) -> int:
    """Run one row of a task that may take long, leased when it is begun; answers how many there were."""
    with runtime.sessions.begin() as session:
        now = runtime.now()
        leased = [_lease(row, now) for row in work.due(session, now, limit=1, only=only)]
    if leased:
        reach("sweep.leased")
        run_leased(runtime, leased, tasks)
    return len(leased)


def _sets(leased: Sequence[Leased], tasks: Mapping[str, Task]) -> list[list[Leased]]:
    """In the order in which they were leased: each by itself, those of a task that takes many as one."""
    sets: dict[object, list[Leased]] = defaultdict(list)
    for one in leased:
        sets[one.task if isinstance(tasks.get(one.task), Together) else one.id].append(one)
    return list(sets.values())


def _work(runtime: Runtime, leased: Sequence[Leased], tasks: Mapping[str, Task]) -> dict[uuid.UUID, Outcome]:
    """How it went with each; nothing of a lease that ran out: that row is somebody else's by now."""
    mine = [one for one in leased if runtime.now() < one.leased_until]
    task = tasks.get(mine[0].task) if len(mine) > 1 else None
    if not isinstance(task, Together):
        return {one.id: _work_alone(runtime, one, tasks) for one in mine}
    try:
        early = task.run(runtime, mine)
    except Exception as error:
        # One of them may be to blame: each by itself then, so that it keeps none of the others.
        log.warning("set_failed", task=mine[0].task, rows=len(mine), exc_info=error)
        return {one.id: _work_alone(runtime, one, tasks) for one in mine}
    return {one.id: Outcome(generation=one.generation, until=early.get(one.id)) for one in mine}


def _work_alone(runtime: Runtime, leased: Leased, tasks: Mapping[str, Task]) -> Outcome:
    try:
        tasks[leased.task](runtime, leased)
    except NotYet as early:
        return Outcome(generation=leased.generation, until=early.until)
    except Exception as error:  # every outcome is a row that a person can see
        log.warning("work_failed", task=leased.task, work_id=str(leased.id), exc_info=error)
        return Outcome(generation=leased.generation, error=f"{type(error).__name__}: {error}"[:500])
    return Outcome(generation=leased.generation)


class SweepThread:
    """The sweep of a gateway without a broker. The hint comes from any process of its tree.

    Tasks that wait for others (`apart`) have threads of their own, so that a slow peer keeps nothing else waiting.
    """

    def __init__(
        self,
        runtime: Runtime,
        tasks: Mapping[str, Task],
        hint: Hint | None = None,
        *,
        apart: Collection[str] = (),
    ):
        self._runtime, self._tasks, self._apart = runtime, tasks, apart
        self._stop, self._hint = threading.Event(), hint or Hint()
        self._threads = [threading.Thread(target=self._run, name="sweep", daemon=True)]
        self._threads += [
            threading.Thread(target=self._run_apart, args=(name,), name=f"sweep-{name}-{number}", daemon=True)
            for name in apart
            for number in range(APART_THREADS)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something may be due: look now."""
        self._hint.set()

    def stop(self) -> None:
        self._stop.set()
        self._hint.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=10)

    def _run(self) -> None:
        self._keep_looking(
            lambda: sweep_once(self._runtime, self._tasks, but=self._apart),
            self._hint.wait,
        )

    def _run_apart(self, name: str) -> None:
        self._keep_looking(lambda: sweep_one(self._runtime, self._tasks, name), self._stop.wait)

    def _keep_looking(self, look: Callable[[], int], wait: Callable[[float], object]) -> None:
        away = False
        while not self._stop.is_set():
            try:
                busy = look() > 0
                away = False
            except SQLAlchemyError as error:
                if not away:
                    log.error("sweep_failed", error=type(error).__name__)
                busy, away = False, True
            if not busy:
                wait(AWAY_S if away else INTERVAL_S)


def _lease(row: Work, now: datetime) -> Leased:
    return Leased(
        id=row.id,
        task=row.task,
        subject=row.subject,
        arguments=row.arguments,
        generation=row.generation,
        leased_until=row.lease(now),
    )


def _write_outcomes(runtime: Runtime, outcomes: Mapping[uuid.UUID, Outcome]) -> None:
    if not outcomes:
        return
    reach("sweep.worked")
    with runtime.sessions.begin() as session:
        rows = session.scalars(select(Work).where(Work.id.in_(outcomes)).order_by(Work.id).with_for_update())
        for row in rows:
            outcomes[row.id].write(row, runtime.now())
