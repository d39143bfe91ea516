"""Store, database or broker are away while more arrives than a county sends in an hour: all is taken, and there once.

What 26 townships send in their busiest hour are 8,200 instances (docs/scaling.md: 43,000 a day, 19 % of them between
nine and ten). `make torture` sends 20,000 with each part away, and with all three; the memory of each process is
printed and bounded.
"""

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Self

import psutil
import pytest

from gateway.presence import read_processes
from tests.bench.blast import blast
from tests.bench.corpus import Corpus
from tests.journeys.gateways import wait_for
from tests.servers import Postgres, Redis, SeaweedFs
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.installation import Installation
from tests.torture.lanes import STACKS
from tests.torture.tally import count
from tests.torture.verifying import assert_nothing_lost, unfiled

pytestmark = [pytest.mark.xdist_group("torture-hour"), pytest.mark.timeout(1800)]

COUNT = 20_000 if LONG else 1_000
STUDY = 250
DEVICES = ("DEMO_CT", "DEMO_MR", "DEMO2_DR")
GROWN_MB = 60  # a process, from after its first studies to its most
PARTS = ("store", "database", "broker")
CASES = [(part,) for part in PARTS] + [PARTS] if LONG else [PARTS]
COMMANDS = ("ingest", "worker --concurrency 1")
Servers = dict[str, SeaweedFs | Postgres | Redis]


@pytest.fixture
def servers(seaweedfs: SeaweedFs, postgres: Postgres, redis: Redis) -> Servers:
    return dict(zip(PARTS, (seaweedfs, postgres, redis), strict=True))


@pytest.mark.parametrize("away", CASES, ids="+".join)
def test_more_than_an_hour_sends_is_taken_while_they_are_away_and_there_once_afterwards(
    new_installation: NewInstallation, servers: Servers, redis: Redis, away: tuple[str, ...]
) -> None:
    one = new_installation(
        STACKS[1], broker_url=redis.url, ingest_workers=2, file_after_s=1, cache_bytes=0
    ).start(COMMANDS)
    corpus = Corpus(STUDY, modality="CT", size=32)
    originals: dict[str, bytes] = {}
    quiet = send(one, corpus, originals, STUDY)  # everybody has done everything once
    one.wait_until_drained()
    wait_for(lambda: not unfiled(one), 60, "the first are filed", one.log)
    with Memory(one) as memory:
        for part in away:
            servers[part].stop()
        try:
            rate = send(one, corpus, originals, COUNT)
        finally:  # others need them, too
            for part in away:
                servers[part].start()
        began = time.monotonic()
        one.wait_until_drained(300)
        indexed_s = time.monotonic() - began
        wait_for(lambda: not unfiled(one), 300, "all is filed", one.log)
        filed_s = time.monotonic() - began
    print(
        f"{COUNT} instances at {rate:.0f}/s (quiet {quiet:.0f}/s) while {', '.join(away)} were away; "
        f"indexed {indexed_s:.0f} s and filed {filed_s:.0f} s after they came back"
    )
    print(memory.table(), flush=True)
    count(f"sent while away: {', '.join(away)}", COUNT)
    assert memory.grown_mb() < GROWN_MB
    assert_nothing_lost(one, set(originals), originals, commands=COMMANDS)


def send(one: Installation, corpus: Corpus, originals: dict[str, bytes], count: int) -> float:
    """Study after study, from one device after another; instances a second."""
    took = 0.0
    for number in range(0, count, STUDY):
        instances = corpus.fresh()
        originals |= {each.sop_instance_uid: each.data_set for each in instances}
        calling = DEVICES[number // STUDY % len(DEVICES)]
        took += blast(one.dicom_port, instances, associations=4, calling=calling)
    return count / took


class Memory:
    """What each process has in memory that is no file's, looked at twice a second.

    What it shares with whom it was forked from is its own once it writes to that, which is no growth.
    """

    def __init__(self, one: Installation) -> None:
        self._one = one
        self._first: dict[int, float] = {}
        self._most: dict[int, float] = {}
        self._most_own: dict[int, float] = {}
        self._roles: dict[int, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="memory")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def table(self) -> str:
        lines = [
            f"  {self._roles.get(pid, 'supervisor or pool'):<20} at most {own:4.0f} MB of its own, grown by "
            f"{self._most[pid] - self._first[pid]:3.0f} MB"
            for pid, own in self._most_own.items()
        ]
        return "\n".join(lines)

    def grown_mb(self) -> float:
        return max(most - self._first[pid] for pid, most in self._most.items())

    def _look_on(self) -> None:
        self._roles = roles_of(self._one)
        while not self._over.wait(0.5):
            for process in self._one.processes():
                with suppress(psutil.NoSuchProcess):
                    self._note(process.pid, process.memory_full_info())

    def _note(self, pid: int, memory: Any) -> None:
        size = (memory.rss - memory.shared) / 1e6
        self._first.setdefault(pid, size)
        self._most[pid] = max(size, self._most.get(pid, 0.0))
        self._most_own[pid] = max(memory.uss / 1e6, self._most_own.get(pid, 0.0))


def roles_of(one: Installation) -> dict[int, str]:
    seen = read_processes(one.data_dir / "run", node="local", now=datetime.now(UTC))
    return {process.pid: process.role for process in seen if process.pid}
