"""Filing makes way for a burst, and never for ever."""

import time

from gateway.filing import Filing
from gateway.pacing import LULL_S, Way
from gateway.runtime import Runtime
from tests.conftest import Clock
from tests.gateway.sending import open_wire


def test_packs_wait_while_records_come_in_and_go_out_when_none_do(runtime: Runtime) -> None:
    runtime.journal_dir.mkdir(parents=True)
    way = Way(journal_dir=runtime.journal_dir)
    way.note_indexed(0)
    assert not way.is_needed()

    way.note_indexed(1)
    assert way.is_needed()
    time.sleep(LULL_S + 0.1)
    assert not way.is_needed()


def test_a_burst_that_does_not_end_is_made_way_for_so_long_and_no_longer(runtime: Runtime) -> None:
    runtime.journal_dir.mkdir(parents=True)
    way = Way(journal_dir=runtime.journal_dir, longest_s=0.3)
    needed = []
    for _ in range(20):
        way.note_indexed(1)
        needed.append(way.is_needed())
        time.sleep(0.05)
    assert needed[0] and not needed[-1]
    assert needed == sorted(needed, reverse=True)  # once only


def test_no_way_is_made_when_much_waits_in_the_journal(runtime: Runtime) -> None:
    wire = open_wire(runtime)
    wire.send(wire.image())
    way = Way(journal_dir=runtime.journal_dir, most_bytes=1000)
    way.note_indexed(1)
    assert not way.is_needed()


def test_a_pack_that_is_due_is_begun_when_the_way_is_free(runtime: Runtime, clock: Clock) -> None:
    wire = open_wire(runtime)
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    burst = [True]
    filing = Filing(runtime, makes_way=lambda: burst[0])

    assert filing.file_ready() == 0
    burst.clear()
    burst.append(False)
    assert filing.file_ready() == 1
    filing.close()
