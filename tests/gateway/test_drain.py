"""The drain process as others see it: its pulse, its figures, and what it waits for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.errors import Unavailable
from gateway.drain import drain_until, write_figures
from gateway.index import DrainMark
from gateway.objects import open_object_store
from gateway.probes import Probes
from gateway.pulse import Pulse, read_pulse
from gateway.runtime import Runtime, utc_now
from gateway.system import Overseer
from tests.conftest import Clock
from tests.gateway.sending import Wire, open_wire


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


@contextmanager
def draining(runtime: Runtime) -> Iterator[None]:
    """A drain that runs beside the test."""
    stop = threading.Event()
    thread = threading.Thread(target=drain_until, args=(runtime, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.02)
    return False


def marks(wire: Wire) -> list[DrainMark]:
    with wire.session() as session:
        return list(session.scalars(select(DrainMark)))


def test_a_drain_that_runs_has_a_pulse_and_one_that_ended_in_order_has_none(wire: Wire) -> None:
    runtime = replace(wire.runtime, now=utc_now)
    folder = runtime.settings.data_dir / "run"
    with draining(runtime):
        assert wait_for(lambda: read_pulse(folder, now=utc_now()) is not None)
        pulse = read_pulse(folder, now=utc_now())
        assert pulse is not None
        assert pulse.alive

    assert read_pulse(folder, now=utc_now()) is None


def test_a_drain_says_that_the_store_is_away(wire: Wire, tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "in-the-way").write_text("a file")
    away = open_object_store(str(tmp_path / "in-the-way" / "objects"))
    wire.send(wire.image())
    wire.index()
    clock.advance(minutes=1)
    folder = wire.runtime.settings.data_dir / "run"

    def is_told() -> bool:
        pulse = read_pulse(folder, now=clock())
        return pulse is not None and "store" in pulse.away and pulse.why["store"] == "EEXIST"

    with draining(replace(wire.runtime, objects=away)):
        assert wait_for(is_told)


def test_the_figures_of_a_drain_are_those_that_are_shown(wire: Wire, clock: Clock) -> None:
    wire.index()  # makes the mark of this node
    pulse = Pulse(wire.runtime.settings.data_dir / "run", now=clock)
    pulse.indexed.add(3)
    pulse.indexed.add(4)
    pulse.note_error(Unavailable("words that may quote a patient"))
    write_figures(wire.runtime, pulse)

    [mark] = marks(wire)
    shown = Overseer(wire.runtime, Probes(wire.runtime)).look().drain

    assert mark.figures["indexed_per_minute"] == 7
    assert "words" not in str(mark.figures)
    assert (shown.indexed_per_minute, shown.last_error, shown.last_error_at) == (7, "Unavailable", clock())


def test_figures_that_a_drain_left_long_ago_are_not_shown(wire: Wire, clock: Clock) -> None:
    wire.index()
    pulse = Pulse(wire.runtime.settings.data_dir / "run", now=clock)
    pulse.indexed.add(7)
    write_figures(wire.runtime, pulse)
    clock.advance(minutes=2)

    assert Overseer(wire.runtime, Probes(wire.runtime)).look().drain.indexed_per_minute == 0


def test_figures_that_did_not_change_are_not_written_again(wire: Wire, clock: Clock) -> None:
    wire.index()
    pulse = Pulse(wire.runtime.settings.data_dir / "run", now=clock)
    write_figures(wire.runtime, pulse)
    [first] = marks(wire)
    clock.advance(seconds=5)
    write_figures(wire.runtime, pulse)

    assert marks(wire)[0].figures == first.figures


def test_what_is_not_filed_is_counted_beside_what_fills_the_limit(wire: Wire, clock: Clock) -> None:
    wire.send(wire.image(), wire.image())
    wire.index()
    wire.send(wire.image())  # accepted, not indexed
    overseer = Overseer(wire.runtime, Probes(wire.runtime))
    before = overseer.look().journal
    clock.advance(minutes=1)
    with draining(wire.runtime):
        assert wait_for(lambda: all_filed(wire.runtime))
    after = Overseer(wire.runtime, Probes(wire.runtime)).look().journal

    assert (before.not_filed_records, before.unindexed_records) == (3, 1)
    assert 0 < (before.not_filed_bytes or 0) <= before.unfiled_bytes
    assert (after.not_filed_records, after.not_filed_bytes) == (0, 0)
    assert after.unfiled_bytes > 0  # the segment is still being written


def all_filed(runtime: Runtime) -> bool:
    return Overseer(runtime, Probes(runtime)).look().journal.not_filed_records == 0


def test_a_pulse_that_cannot_be_read_is_none(tmp_path: Path, clock: Clock) -> None:
    for content in ("", "{", "[]", '{"at": "now", "away": {}}', '{"at": "2026-11-21T06:30:00+00:00"}'):
        (tmp_path / "drain.json").write_text(content)
        assert read_pulse(tmp_path, now=clock()) is None
    Pulse(tmp_path, now=clock).beat()
    pulse = read_pulse(tmp_path, now=clock() + timedelta(seconds=5))
    assert pulse is not None
    assert pulse.alive
