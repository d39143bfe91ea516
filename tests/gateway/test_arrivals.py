"""Of the journals of one node, what came first is indexed first; what comes meanwhile goes with it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import OperationalError

from gateway import journal
from gateway.arrivals import LONGEST_LOOK, Arrivals, Cursors, read_arrivals
from gateway.index import Held, HeldReason, Instance
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.threads import JournalThread
from tests.conftest import NOW, Clock
from tests.gateway.sending import Wire, open_wire
from worklists.examinations import Examination


@pytest.fixture
def listeners(runtime: Runtime) -> Iterator[list[Wire]]:
    """Two listeners of one node, in the order in which their journals are listed."""
    wire, settings = open_wire(runtime), runtime.settings
    thread = JournalThread(settings.journal_dir, node=settings.node, limit_bytes=settings.journal_bytes)
    other = replace(wire, runtime=replace(runtime, journal=thread))
    ids = [
        one.runtime.journal.append("dicom.association", {"association_id": name, "event": "opened"}, [])[0]
        for one, name in ((wire, "a"), (other, "b"))
    ]
    yield [one for _, one in sorted(zip(ids, (wire, other), strict=True), key=lambda pair: pair[0])]
    thread.close()


def look(listeners: list[Wire], cursors: Cursors, *, received_to: datetime, limit: int = 9) -> Arrivals:
    root = listeners[0].runtime.journal_dir
    return read_arrivals(root, journal.journals(root), cursors, received_to=received_to, limit=limit)


def times(arrivals: Arrivals) -> list[str]:
    """When the images among these were received."""
    return [record.origin["received_at"] for record in arrivals.records if record.kind == "dicom.instance"]


@pytest.mark.parametrize("earlier", [0, 1])
def test_of_two_people_with_one_number_the_earlier_wins_whichever_journal_it_is_in(
    listeners: list[Wire], clock: Clock, earlier: int
) -> None:
    first, second = listeners[earlier], listeners[1 - earlier]
    for number in range(3):
        first.send(first.image(patient_id=f"P{number}", name="Wang^Qiang=王^强"))
        clock.advance(seconds=1)
        second.send(second.image(patient_id=f"P{number}", name="Zhao^Min=赵^敏"))
        clock.advance(seconds=1)

    first.index()

    with first.session() as session:
        assert {one.patient.name for one in session.scalars(select(Examination))} == {"Wang^Qiang=王^强"}
        held = session.scalars(select(Held)).all()
        assert [one.reason for one in held] == [HeldReason.PATIENT_CONTRADICTS] * 3
        assert {one.header["patient_name"] for one in held} == {"Zhao^Min=赵^敏"}


def test_batches_of_any_size_follow_the_time_of_arrival(listeners: list[Wire], clock: Clock) -> None:
    for number in range(12):
        wire = listeners[number % 5 % 2]
        wire.send(wire.image())
        clock.advance(seconds=1)

    for limit in (1, 3, 100):
        cursors: Cursors = {}
        seen: list[str] = []
        while (more := look(listeners, cursors, received_to=clock(), limit=limit)).cursors:
            seen += times(more)
            cursors |= more.cursors
        assert seen == sorted(seen)
        assert len(seen) == 12


def test_a_look_says_up_to_when_nothing_is_missing(listeners: list[Wire], clock: Clock) -> None:
    for number in range(4):
        wire = listeners[number % 2]
        wire.send(wire.image())
        clock.advance(seconds=1)

    cut = look(listeners, {}, received_to=clock(), limit=4)  # two associations, two images
    assert cut.until is not None
    assert times(cut)[-1] == cut.until.isoformat()
    assert look(listeners, {}, received_to=clock()).until == clock()


def test_a_look_that_ends_at_a_clock_that_was_ahead_says_nothing_of_when(
    listeners: list[Wire], clock: Clock
) -> None:
    wire = listeners[0]
    clock.advance(hours=3)
    wire.send(wire.image())
    clock.time = NOW
    wire.send(wire.image())  # behind the other in its journal

    assert look(listeners, {}, received_to=clock(), limit=3).until is None


def test_what_was_received_after_the_look_began_waits_for_the_next_one(
    listeners: list[Wire], clock: Clock
) -> None:
    """Before it something may stand in a journal that was listed earlier."""
    began = clock()
    clock.advance(seconds=LONGEST_LOOK.total_seconds() / 2)
    listeners[1].send(listeners[1].image())

    assert times(look(listeners, {}, received_to=began)) == []
    assert times(look(listeners, {}, received_to=clock())) == [clock().isoformat()]


def test_a_clock_that_was_set_back_keeps_nothing_waiting(listeners: list[Wire], clock: Clock) -> None:
    clock.advance(hours=3)
    listeners[0].send(listeners[0].image())
    clock.time = NOW
    listeners[1].send(listeners[1].image())

    listeners[0].index()

    with listeners[0].session() as session:
        assert session.scalar(select(func.count(Instance.id))) == 2


def test_a_record_whose_time_cannot_be_read_comes_with_the_others(
    listeners: list[Wire], clock: Clock
) -> None:
    wire = listeners[0]
    for value in ("yesterday", "2026-11-21T06:30:00", ""):
        wire.send(wire.image(), received_at=value)

    assert len(times(look(listeners, {}, received_to=clock()))) == 3


def test_what_comes_while_a_batch_is_read_goes_with_it(listeners: list[Wire], clock: Clock) -> None:
    wire = listeners[0]
    wire.send(wire.image())
    began = clock()
    clock.advance(seconds=0.5)
    listeners[1].send(wire.image())
    looks = iter([began])
    runtime = replace(wire.runtime, now=lambda: next(looks, clock()))

    assert Drain(runtime).index_new() == 4  # two notes, two images

    with wire.session() as session:
        assert session.scalar(select(func.count(Instance.id))) == 2


def test_what_was_read_and_not_written_is_read_again(listeners: list[Wire], clock: Clock) -> None:
    wire = listeners[0]
    wire.send(wire.image())
    began = clock()
    clock.advance(seconds=0.5)
    wire.send(wire.image())
    wire.end_journal()
    looks, failures = iter([began]), [OperationalError("the connection was lost", None, Exception())]

    def lose(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if 'INTO "record"' in statement and failures:
            raise failures.pop()

    runtime = replace(wire.runtime, now=lambda: next(looks, clock()))
    drain = Drain(runtime)
    event.listen(runtime.engine, "before_cursor_execute", lose)
    try:
        with pytest.raises(OperationalError):
            drain.index_new()
    finally:
        event.remove(runtime.engine, "before_cursor_execute", lose)
    while drain.index_new():
        pass

    with wire.session() as session:
        assert session.scalar(select(func.count(Instance.id))) == 2
