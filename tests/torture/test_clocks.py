"""The clock jumps by hours, forward and back: nothing is lost, and nothing waits until it is that late again."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway import work
from gateway.filing import Filing
from gateway.index import DrainMark, Record
from gateway.originals import read_original
from gateway.runtime import Runtime
from gateway.sweep import lease_due, sweep_once
from gateway.tasks import TASKS, schedule_standing
from gateway.work import Work
from tests.conftest import Clock
from tests.gateway.sending import Wire, encode, open_wire
from tests.synthetic import new_uid
from worklists.base import new_id
from worklists.examinations import Examination

HOURS = 5


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def test_a_lease_and_the_standing_work_survive_a_clock_that_was_ahead(wire: Wire, clock: Clock) -> None:
    clock.advance(hours=HOURS)
    with wire.runtime.sessions.begin() as session:
        schedule_standing(session, wire.runtime)
    sweep_once(wire.runtime, TASKS)
    clock.advance(seconds=20)
    assert lease_due(wire.runtime, TASKS)  # and whoever leased them dies
    clock.advance(hours=-HOURS)

    leased = lease_due(wire.runtime, TASKS)

    assert {one.task for one in leased} >= {"seal_audit", "release_expired_claims", "route_waiting"}
    assert lease_due(wire.runtime, TASKS) == [], "leased once"
    with wire.session() as session:
        assert all(row.leased_until == clock() + work.LEASE for row in session.scalars(select(Work)))


@pytest.mark.parametrize("jump_h", [HOURS, -HOURS])
def test_a_study_over_which_the_clock_jumps_is_whole_in_time_and_filed(
    wire: Wire, clock: Clock, jump_h: int
) -> None:
    study = new_uid()
    images = [wire.image(study_uid=study) for _ in range(4)]
    wire.send(*images[:2])
    wire.index()
    clock.advance(hours=jump_h)
    wire.send(*images[2:])
    wire.index()
    for _ in range(8):
        clock.advance(seconds=30)
        wire.index()
        sweep_once(wire.runtime, TASKS)
    with wire.session() as session:
        assert session.scalars(select(Examination)).one().complete
        assert len(session.scalars(select(Record)).all()) == 4
    Filing(wire.runtime).file_ready()
    kept = {encode(image) for image in images}
    with wire.session() as session:
        for record in session.scalars(select(Record)):
            assert record.pack_id is not None
            assert read_original(wire.runtime, record, offset=record.data_set_offset) in kept


def test_the_drain_does_not_seem_ahead_for_ever(wire: Wire, clock: Clock) -> None:
    clock.advance(hours=HOURS)
    wire.drain.index_new()
    clock.advance(hours=-HOURS)
    clock.advance(seconds=5)
    wire.drain.index_new()
    with wire.session() as session:
        assert session.scalars(select(DrainMark)).one().indexed_until <= clock() + timedelta(seconds=1)


def test_ids_made_in_one_millisecond_or_after_a_step_back_are_never_the_same() -> None:
    ids = [new_id() for _ in range(20_000)]
    assert len(set(ids)) == len(ids)
