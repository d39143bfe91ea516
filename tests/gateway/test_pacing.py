"""Filing makes way for a burst, and never for ever."""

import threading
import time

from gateway.filing import Filing
from gateway.pacing import LULL_S, Way
from gateway.runtime import Runtime
from tests.conftest import Clock
from tests.gateway.sending import open_wire


def test_packs_wait_while_records_come_in_and_go_out_when_none_do(runtime: Runtime) -> None:
    runtime.journal_dir.mkdir(parents=True)
    way = Way(journal_dir=runtime.journal_dir)
    way.index(lambda: 0)
    assert not way.is_needed()

    way.index(lambda: 1)
    assert way.is_needed()
    time.sleep(LULL_S + 0.1)
    assert not way.is_needed()


def test_packs_wait_while_a_set_is_being_indexed(runtime: Runtime) -> None:
    runtime.journal_dir.mkdir(parents=True)
    way = Way(journal_dir=runtime.journal_dir)
    seen = []

    def look() -> int:
        time.sleep(LULL_S + 0.1)
        seen.append(way.is_needed())
        return 0

    way.index(look)
    assert seen == [True]
    assert not way.is_needed()


def test_whoever_waits_for_a_burst_goes_on_when_it_is_over(runtime: Runtime) -> None:
    runtime.journal_dir.mkdir(parents=True)
    way = Way(journal_dir=runtime.journal_dir)
    way.index(lambda: 1)
    began = time.monotonic()
    way.wait(threading.Event(), 30)
    assert LULL_S - 0.1 < time.monotonic() - began < 10
    began = time.monotonic()
    way.wait(threading.Event(), 0.2)
    assert time.monotonic() - began >= 0.15


def test_a_burst_that_does_not_end_is_made_way_for_so_long_and_no_longer(runtime: Runtime) -> None:
    runtime.journal_dir.mkdir(parents=True)
    way = Way(journal_dir=runtime.journal_dir, longest_s=0.3)
    needed = []
    for _ in range(20):
        way.index(lambda: 1)
        needed.append(way.is_needed())
        time.sleep(0.05)
    assert needed[0]
    assert not all(needed)


def test_no_way_is_made_when_much_waits_in_the_journal(runtime: Runtime) -> None:
    wire = open_wire(runtime)
    wire.send(wire.image())
    way = Way(journal_dir=runtime.journal_dir, most_bytes=1000)
    way.index(lambda: 1)
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
