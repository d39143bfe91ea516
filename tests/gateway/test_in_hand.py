"""A record that ends the drain's process is found out over its restarts, and two drains never share a folder."""

import json
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, select
from structlog.testing import capture_logs

from gateway import journal
from gateway.drain import drain_until
from gateway.in_hand import FILE_NAME, read_in_hand
from gateway.index import Record, RecordState
from gateway.intake import Drain
from gateway.processes import FORK
from gateway.runtime import Runtime, open_runtime, utc_now
from gateway.settings import Settings
from tests.gateway.sending import Wire, open_wire
from tests.synthetic import new_uid


@pytest.fixture
def wire(runtime: Runtime) -> Wire:
    return open_wire(runtime)


def states(wire: Wire) -> Counter[RecordState]:
    with wire.session() as session:
        return Counter(session.scalars(select(Record.state)))


def drain_in_a_process(settings: Settings, deadly: str, *, careful: bool) -> int:
    """The exit code of a process that indexes all there is, and dies whenever it makes an instance of this name."""

    def run() -> None:
        runtime = open_runtime(settings)

        def look(
            _connection: object, _cursor: object, statement: str, parameters: object, *_: object
        ) -> None:
            if 'INTO "instance"' in statement and deadly in str(parameters):
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(runtime.engine, "before_cursor_execute", look)
        folder = settings.data_dir / "run"
        drain = Drain(runtime, in_hand=read_in_hand(folder, careful=careful))
        while drain.index_new():
            pass

    process = FORK.Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def test_a_record_that_ends_the_process_is_set_apart_after_some_restarts_and_the_others_are_indexed(
    wire: Wire,
) -> None:
    study = new_uid()
    images = [wire.image(study_uid=study) for _ in range(9)]
    wire.send(*images)
    deadly = str(images[4].SOPInstanceUID)
    settings = wire.runtime.settings
    (settings.data_dir / "run").mkdir(parents=True)

    codes = [drain_in_a_process(settings, deadly, careful=False)]
    while codes[-1] and len(codes) < 20:
        codes.append(drain_in_a_process(settings, deadly, careful=True))

    assert codes == [-signal.SIGKILL] * (len(codes) - 1) + [0]
    assert len(codes) <= 9
    assert states(wire) == {RecordState.INDEXED: 8, RecordState.QUARANTINED: 1}
    with wire.session() as session:
        row = session.scalars(select(Record).where(Record.state == RecordState.QUARANTINED)).one()
    assert row.origin["sop_instance_uid"] == deadly
    assert row.reason.startswith("EndedTheDrain")
    assert not (settings.data_dir / "run" / FILE_NAME).exists()  # nothing is noted when all is well


def test_what_was_in_hand_when_everything_was_killed_has_ended_nothing(tmp_path: Path) -> None:
    note = {"in_hand": [["a" * 32, 7]], "suspects": [], "deaths": []}
    (tmp_path / FILE_NAME).write_text(json.dumps({**note, "supervisor": 1 << 30}))
    of_another = read_in_hand(tmp_path, careful=True)
    (tmp_path / FILE_NAME).write_text(json.dumps({**note, "supervisor": os.getppid()}))
    of_the_same = read_in_hand(tmp_path, careful=True)

    assert of_another.suspects == of_the_same.suspects == {("a" * 32, 7)}
    assert (sum(of_another.deaths.values()), sum(of_the_same.deaths.values())) == (0, 1)


def test_a_drain_that_ended_in_order_notes_nothing(wire: Wire) -> None:
    wire.send(wire.image())
    folder = wire.runtime.settings.data_dir / "run"
    folder.mkdir(parents=True)
    drain = Drain(wire.runtime, in_hand=read_in_hand(folder, careful=False))
    drain.index_new()
    assert states(wire) == {RecordState.INDEXED: 1}
    assert list(folder.iterdir()) == []


def test_what_failed_in_a_process_that_lives_is_no_death(wire: Wire) -> None:
    wire.send(wire.image())
    folder = wire.runtime.settings.data_dir / "run"
    folder.mkdir(parents=True)
    [state] = journal.journals(wire.runtime.journal_dir)
    records = journal.read_new(wire.runtime.journal_dir, state, {}).records

    with pytest.raises(ConnectionError), read_in_hand(folder, careful=True).take(records):
        assert json.loads((folder / FILE_NAME).read_text())["in_hand"]
        raise ConnectionError("the database has gone")

    after = read_in_hand(folder, careful=True)
    assert not after.deaths
    assert not after.suspects


def test_a_second_drain_on_the_same_folder_waits_says_so_and_takes_over(wire: Wire) -> None:
    runtime = replace(wire.runtime, now=utc_now)
    first_stop, second_stop = threading.Event(), threading.Event()
    first = threading.Thread(target=drain_until, args=(runtime, first_stop))
    second = threading.Thread(target=drain_until, args=(runtime, second_stop))
    pulse = runtime.settings.data_dir / "run" / "drain.json"
    with capture_logs() as said:
        first.start()
        wait_until(pulse.exists)
        second.start()
        wait_until(lambda: any(one["event"] == "another_drain_runs" for one in said))
        [told] = [one for one in said if one["event"] == "another_drain_runs"]
        assert told["pid"] == str(os.getpid())
        first_stop.set()
        first.join()
        wire.send(wire.image())
        wait_until(lambda: states(wire) == {RecordState.INDEXED: 1})
        second_stop.set()
        second.join()


def wait_until(reached: object) -> None:
    deadline = time.monotonic() + 20
    while not reached():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
