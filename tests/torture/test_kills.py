"""`kill -9` of any one process, or of all, at random moments: whatever was acknowledged is there afterwards, once.

The moments come from a seed that is printed; TORTURE_SEED sets another one, TORTURE_KILLS their number.
`make torture` kills 200 times a stack.
"""

import itertools
import os
import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.gateways import wait_for
from tests.servers import Redis
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import LONG, STACKS, NewInstallation
from tests.torture.installation import Installation
from tests.torture.modality import Modality, uids_of
from tests.torture.verifying import assert_nothing_lost

pytestmark = [pytest.mark.xdist_group("torture-kills"), pytest.mark.timeout(3600)]

SEED = int(os.environ.get("TORTURE_SEED", "20261122"))
KILLS = int(os.environ.get("TORTURE_KILLS", "200" if LONG else "14"))
ALL_AT_ONCE = 0.25  # of the kills; the others are of one process
LARGE_SIZE = 1500  # pixels square: more than a record of a shared segment may have


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
def test_what_was_acknowledged_survives_every_kill(
    new_installation: NewInstallation, tmp_path: Path, stack: str, request: pytest.FixtureRequest
) -> None:
    print(f"seed {SEED}, {KILLS} kills on {stack}")
    chance = random.Random(f"{SEED} {stack}")
    commands = ["ingest", "web"]
    settings: dict[str, object] = {
        "ingest_workers": 2, "journal_bytes": 64 << 20, "cache_bytes": 8 << 20, "pack_bytes": 1 << 20,
        "file_after_s": 0.3,
    }  # fmt: skip
    if stack == STACKS[1]:
        broker: Redis = request.getfixturevalue("redis")
        settings["broker_url"] = broker.url
        commands.append("worker --concurrency 1")
    one = new_installation(stack, **settings)
    one.start(commands)
    with ExitStack() as ends:
        senders = [
            ends.enter_context(Sender(one.dicom_port, tmp_path, name, random.Random(f"{SEED} {name}")))
            for name in ("DEMO_CT", "DEMO_MR", "DEMO2_DR")
        ]
        for number in range(1, KILLS + 1):
            time.sleep(chance.uniform(0.05, 1.5))
            print(
                f"{number}: {kill(one, chance, commands)}; {sum(len(s.accepted) for s in senders)} accepted"
            )
    one.start_what_ended()
    files = [path for sender in senders for path in sender.files]
    accepted = {uid for sender in senders for uid in uids_of(sender.accepted)}
    assert len(accepted) > KILLS, "the kills came too early to show anything"
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


def kill(one: Installation, chance: random.Random, commands: list[str]) -> str:
    """Kill something and start again what nobody else starts again; says what it was."""
    running = one.processes()
    if chance.random() < ALL_AT_ONCE:
        one.kill()
        one.start(commands)
        return "all"
    victim = chance.choice(running)
    victim.kill()
    one.start_what_ended(victim.pid)
    return f"process {running.index(victim) + 1} of {len(running)}"
