"""`kill -9` of any one process, or of all, at random moments: whatever was acknowledged is there afterwards, once.

The moments come from a seed that is printed; TORTURE_SEED sets another one, TORTURE_KILLS the number of kills a stack.
`make torture` kills 200 times a stack, in parts that can be run by themselves (`-k part3of5`). Half of the kills wait
for a step that is seldom under way; what was under way at each, and how often in all, is printed.
"""

import itertools
import os
import random
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from gateway.fault_points import read_trace
from tests.journeys.gateways import wait_for
from tests.servers import Redis
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.installation import Installation
from tests.torture.lanes import STACKS
from tests.torture.modality import Modality, uids_of
from tests.torture.tally import count
from tests.torture.verifying import assert_nothing_lost

pytestmark = [pytest.mark.xdist_group("torture-kills"), pytest.mark.timeout(3600)]

SEED = int(os.environ.get("TORTURE_SEED", "20261122"))
KILLS = int(os.environ.get("TORTURE_KILLS", "200" if LONG else "6"))
PARTS = max(1, KILLS // 40)
ALL_AT_ONCE = 0.25  # of the kills; the others are of one process
LARGE_SIZE = 1500  # pixels square: more than a record of a shared segment may have
WAITS_S = 3.0  # for a step that is seldom under way

# By the last point that a process passed; what is not named is between two steps.
STEPS = {
    "receiving": ("journal.opened",),
    "writing": ("journal.segment_made", "journal.writing", "single.writing"),
    "syncing": ("journal.written", "single.written", "single.synced", "single.renamed"),
    "answering": ("journal.synced",),
    "indexing": ("index.indexing", "index.indexed"),
    "packing": ("file.putting", "file.packing"),
    "uploading": ("file.packed", "folder.written"),
    "pointing": ("file.put", "file.pointed"),
    "segment removal": ("evict.noting", "evict.noted", "evict.removing"),
    "journal": ("journal.making", "journal.made", "journal.ending", "journal.removing"),
}
STEP_OF = {point: step for step, points in STEPS.items() for point in points}
killed: dict[str, Counter[str]] = {stack: Counter() for stack in STACKS}  # by the parts of this run
parts_done: Counter[str] = Counter()
WAITED_FOR = ("syncing", "indexing", "packing", "uploading", "pointing", "segment removal", "receiving")


class Sender(Modality):
    """One that never has enough: another study follows, now and then with a large instance."""

    def __init__(self, port: int, folder: Path, name: str, chance: random.Random):
        super().__init__(port, [], calling=name, at_once=8)
        self._folder, self._chance = folder, chance

    def run(self) -> None:
        for number in itertools.count(1):
            if self._ended.is_set():
                return
            folder = self._folder / f"{self.name}-{number}"
            patient = f"KILL-{self.name[-2:]}-{number}"
            self._files += write_study(
                folder / "small", self._chance.randint(4, 16), size=96, patient_id=patient
            )
            if number % 7 == 0:
                self._files += write_study(folder / "large", 1, size=LARGE_SIZE, patient_id=patient)
            super().run()

    @property
    def left(self) -> list[Path]:
        return self._files[len(self.accepted) :]

    @property
    def files(self) -> list[Path]:
        return self._files


@pytest.mark.parametrize("stack", STACKS if LONG else STACKS[:1])
@pytest.mark.parametrize("part", range(1, PARTS + 1), ids=lambda part: f"part{part}of{PARTS}")
def test_what_was_acknowledged_survives_every_kill(
    new_installation: NewInstallation, tmp_path: Path, stack: str, part: int, request: pytest.FixtureRequest
) -> None:
    first, last = (part - 1) * KILLS // PARTS + 1, part * KILLS // PARTS
    print(f"seed {SEED}, kills {first} to {last} of {KILLS} on {stack}", flush=True)
    chance = random.Random(f"{SEED} {stack} {part}")
    commands = ["ingest", "web"]
    settings: dict[str, object] = {
        "ingest_workers": 2, "journal_bytes": 64 << 20, "cache_bytes": 2 << 20, "pack_bytes": 1 << 20,
        "file_after_s": 0.3, "faults": f"trace={tmp_path / 'trace'}",
    }  # fmt: skip
    if stack == STACKS[1]:
        broker: Redis = request.getfixturevalue("redis")
        settings["broker_url"] = broker.url
        commands.append("worker --concurrency 1")
    one = new_installation(stack, **settings)
    one.start(commands)
    hit: Counter[str] = Counter()
    with ExitStack() as ends:
        senders = [
            ends.enter_context(Sender(one.dicom_port, tmp_path, name, random.Random(f"{SEED} {part} {name}")))
            for name in ("DEMO_CT", "DEMO_MR", "DEMO2_DR")
        ]
        for number in range(first, last + 1):
            victims = choose(one, chance, tmp_path / "trace", number)
            steps = kill(one, victims, commands, tmp_path / "trace")
            hit.update(steps)
            count("kills")
            for step in steps:
                count(f"at {step}")
            taken = sum(len(sender.accepted) for sender in senders)
            who = f"all {len(victims)}" if len(victims) > 1 else "one"
            print(f"kill {number} of {KILLS}: {who}, {', '.join(steps)}; {taken} accepted", flush=True)
    print(f"under way at the kills on {stack}: {dict(hit.most_common())}", flush=True)
    one.start_what_ended()
    files = [path for sender in senders for path in sender.files]
    accepted = {uid for sender in senders for uid in uids_of(sender.accepted)}
    assert len(accepted) > last - first, "the kills came too early to show anything"
    with ExitStack() as ends:
        rest = [
            ends.enter_context(Modality(one.dicom_port, s.left, calling=s.name.removeprefix("modality-")))
            for s in senders
            if s.left
        ]
        wait_for(lambda: all(modality.is_done for modality in rest), 120, "the rest is taken", one.log)
    originals = data_sets_of(files)
    one.stop()
    assert_nothing_lost(one, set(originals), originals, commands=commands)
    killed[stack] += hit
    parts_done[stack] += 1
    if parts_done[stack] == PARTS and LONG:
        print(f"under way at all kills on {stack}: {dict(killed[stack].most_common())}", flush=True)
        missed = set(WAITED_FOR) - set(killed[stack])
        assert not missed, f"no kill came while {missed} was under way"


def choose(one: Installation, chance: random.Random, trace: Path, number: int) -> list[psutil.Process]:
    """Whom to kill, at this moment: now and then all; else anyone, or whoever is at the step that is waited for."""
    time.sleep(chance.uniform(0.05, 1.5))
    everybody, wanted = one.processes(), WAITED_FOR[number // 2 % len(WAITED_FOR)]
    anyone = chance.choice(everybody)
    together = chance.random() < ALL_AT_ONCE
    if number % 2:
        return everybody if together else [anyone]
    deadline = time.monotonic() + WAITS_S
    while time.monotonic() < deadline:
        for process in everybody:
            if wanted in steps_of(trace, process.pid):
                return everybody if together else [process]
        time.sleep(0.0005)  # the processor is theirs
    return [anyone]


def kill(one: Installation, victims: list[psutil.Process], commands: list[str], trace: Path) -> list[str]:
    """Kill them and start again what nobody else starts again; says what was under way."""
    if len(victims) > 1:
        one.kill()
    else:
        with suppress(psutil.NoSuchProcess):  # it has just been replaced
            victims[0].kill()
    steps = sorted({step for victim in victims for step in steps_of(trace, victim.pid)}) or ["nothing"]
    if len(victims) > 1:
        one.start(commands)
    else:
        one.start_what_ended(victims[0].pid)
    return steps


def steps_of(trace: Path, pid: int) -> set[str]:
    """What a process was doing when it passed its last points."""
    return {STEP_OF[point] for point in read_trace(trace, pid).values() if point in STEP_OF}
