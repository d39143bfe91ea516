"""The drain when something is lost, long, or done by two at once."""

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from gateway.fault_points import arm
from gateway.filing import Filing
from gateway.index import DrainMark, Record, RecordState
from gateway.indexing import SETTLE
from gateway.intake import Drain
from gateway.journal import find_segment
from gateway.runtime import Runtime
from gateway.sweep import Leased
from gateway.tasks import TASKS
from tests.conftest import NOW, Clock
from tests.gateway.sending import Wire, open_wire
from tests.synthetic import new_uid
from worklists.base import new_id
from worklists.examinations import Examination

_opened: list[Any] = []  # called with each file that is opened; a hook of the interpreter stays for good


def _tell(name: str, arguments: tuple[Any, ...]) -> None:
    if name == "open" and _opened:
        _opened[0](str(arguments[0]))


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


@pytest.fixture
def writing(engine: Engine) -> Iterator[set[int]]:
    """The connections that are in a transaction which may write."""
    open_now: set[int] = set()

    def begin(connection: Any) -> None:
        if not connection.get_execution_options().get("read_only", False):
            open_now.add(id(connection.connection.dbapi_connection))

    def end(connection: Any) -> None:
        open_now.discard(id(connection.connection.dbapi_connection))

    for name, listener in (("begin", begin), ("commit", end), ("rollback", end)):
        event.listen(engine, name, listener)
    yield open_now
    for name, listener in (("begin", begin), ("commit", end), ("rollback", end)):
        event.remove(engine, name, listener)


def test_nobodys_writing_waits_while_originals_are_hashed(wire: Wire, writing: set[int]) -> None:
    wire.send(wire.image(), wire.image())
    seen: list[bool] = []
    sys.addaudithook(_tell)
    _opened.append(lambda path: seen.append(bool(writing)) if path.endswith((".seg", ".single")) else None)
    try:
        assert wire.index() == 2
    finally:
        _opened.clear()

    assert len(seen) >= 2
    assert not any(seen)


def test_a_lost_segment_does_not_keep_the_rest_from_being_filed(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image())
    wire.index()
    wire.end_journal()
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    with wire.session() as session:
        lost, kept = session.scalars(select(Record).order_by(Record.id)).all()
    path = find_segment(wire.runtime.journal_dir, lost.journal, lost.segment)
    assert path is not None
    path.unlink()

    filing = Filing(wire.runtime)
    assert filing.file_ready() + filing.file_ready() == 1
    with wire.session() as session:
        assert session.get_one(Record, kept.id).pack_id is not None
        assert session.get_one(Record, lost.id).pack_id is None  # still on the list of what is missing


def test_a_node_that_was_taken_away_keeps_no_other_nodes_examination_from_settling(wire: Wire) -> None:
    with wire.runtime.sessions.begin() as session:
        session.add(DrainMark(node="taken-away", indexed_until=NOW - timedelta(days=30), figures={}))
    wire.send(wire.image())
    wire.index()
    later = replace(wire.runtime, now=lambda: NOW + timedelta(hours=1))
    replace(wire, runtime=later, drain=replace(wire.drain, runtime=later)).index()

    with wire.session() as session:
        examination_id = session.scalars(select(Examination.id)).one()
    TASKS[SETTLE](
        later,
        Leased(
            id=new_id(), task="settle_examination", subject=str(examination_id), arguments={}, generation=1,
            leased_until=NOW + timedelta(hours=2),
        ),
    )  # fmt: skip
    with wire.session() as session:
        assert session.get_one(Examination, examination_id).complete


def test_two_that_count_the_same_examination_count_both(wire: Wire) -> None:
    study = new_uid()
    wire.send(wire.image(study_uid=study))
    wire.index()
    wire.send(wire.image(study_uid=study))

    drain = threading.Thread(target=wire.index)
    with wire.runtime.sessions.begin() as session:  # the drain of another node, or a person who decides
        session.scalars(select(Examination)).one().instances += 1
        session.flush()
        drain.start()
        drain.join(timeout=1.0)  # as long as it takes to come here, or to be waiting
    drain.join(timeout=30)

    with wire.session() as session:
        assert session.scalars(select(Examination)).one().instances == 3


def test_what_a_killed_drain_still_commits_breaks_nothing_for_the_next_one(wire: Wire) -> None:
    """A server goes on with a commit whose sender is dead: the next drain has read the cursors of before."""
    wire.send(*(wire.image() for _ in range(5)))
    arm("index.indexed=delay@1:1.0")
    before = threading.Thread(target=Drain(wire.runtime).index_new)
    try:
        before.start()
        time.sleep(0.5)
        wire.index()
        before.join(timeout=30)
    finally:
        arm("")

    with wire.session() as session:
        assert [record.state for record in session.scalars(select(Record))] == [RecordState.INDEXED] * 5
