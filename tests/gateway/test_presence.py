"""Which processes of a node are there, as their files say."""

import json
from datetime import timedelta
from pathlib import Path

from gateway.presence import Presence, read_processes
from tests.conftest import NOW, Clock


def test_a_process_is_there_until_it_ends_in_order(tmp_path: Path, clock: Clock):
    presence = Presence(tmp_path, role="worker", node="n1", now=clock)
    presence.say()

    [found] = read_processes(tmp_path, node="n1", now=clock())
    assert (found.role, found.node, found.alive) == ("worker", "n1", True)

    presence.start()
    presence.stop()
    assert read_processes(tmp_path, node="n1", now=clock()) == []


def test_one_that_was_killed_is_missed_and_later_forgotten(tmp_path: Path, clock: Clock):
    Presence(tmp_path, role="web", node="n1", now=clock).say()

    clock.advance(seconds=6)
    [found] = read_processes(tmp_path, node="n1", now=clock())
    assert not found.alive

    clock.advance(minutes=11)
    assert read_processes(tmp_path, node="n1", now=clock()) == []


def test_listeners_and_drain_are_read_along(tmp_path: Path):
    ingest = {"pid": 7, "node": "n1", "at": (NOW - timedelta(seconds=1)).isoformat()}
    (tmp_path / "ingest-7.json").write_text(json.dumps(ingest))
    (tmp_path / "drain.json").write_text(json.dumps({"at": NOW.isoformat(), "away": {}}))

    found = read_processes(tmp_path, node="n1", now=NOW)

    assert [(one.role, one.pid, one.alive) for one in found] == [("drain", None, True), ("ingest", 7, True)]


def test_a_file_that_is_no_status_is_no_process(tmp_path: Path):
    (tmp_path / "process-web-x-1.json").write_text("{")

    assert read_processes(tmp_path, node="n1", now=NOW) == []
