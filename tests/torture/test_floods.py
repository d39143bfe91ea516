"""Floods of connections: a device that means it keeps its rate and loses nothing, the listener lives, memory is bounded."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import psutil
import pytest

from tests.bench.blast import Instance, blast
from tests.bench.corpus import Corpus
from tests.journeys.gateways import run_dcmtk
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.flooding import KINDS
from tests.torture.installation import Installation
from tests.torture.tally import count
from tests.torture.verifying import assert_nothing_lost

pytestmark = [pytest.mark.xdist_group("torture-floods"), pytest.mark.timeout(900)]

ROUNDS = [False, True] * 5 if LONG else [True]  # without and with the flood, in turn
STUDY = 120 if LONG else 20
ASSOCIATIONS = 4
KEEPS = 0.5  # of its rate
GROWN_MB = 100  # all processes together


@pytest.mark.parametrize("kinds", [[kind] for kind in KINDS] if LONG else [list(KINDS)], ids="+".join)
def test_a_flood_leaves_a_device_that_means_it_at_least_half_its_rate(
    new_installation: NewInstallation, kinds: list[str]
) -> None:
    corpus = Corpus(STUDY, modality="CT", size=256)
    with new_installation(dicom_idle_timeout_s=5, ingest_workers=1) as one:
        one.start()
        originals: dict[str, bytes] = {}
        send(one, corpus.fresh(), originals)  # warms it up
        one.wait_until_drained()
        before = own_mb(one)
        for kind in kinds:
            rates: dict[bool, list[float]] = {False: [], True: []}
            for floods in ROUNDS:
                with flood(kind, one) if floods else ExitStack():
                    rates[floods].append(send(one, corpus.fresh(), originals))
                    assert run_dcmtk("echoscu", one.dicom_port, calling="DEMO_MR").returncode == 0
                    assert own_mb(one) - before < GROWN_MB
                count(f"floods: {kind}", floods)
            if LONG:  # a busy machine says nothing about rates
                quiet, flooded = median(rates[False]), median(rates[True])
                print(f"{kind}: {quiet:.0f}/s, flooded {flooded:.0f}/s", flush=True)
                assert flooded >= KEEPS * quiet
        assert_nothing_lost(one, set(originals), originals)


def send(one: Installation, instances: list[Instance], originals: dict[str, bytes]) -> float:
    """Instances a second; raises when one is not taken."""
    originals |= {each.sop_instance_uid: each.data_set for each in instances}
    return len(instances) / blast(one.dicom_port, instances, associations=ASSOCIATIONS)


@contextmanager
def flood(kind: str, one: Installation) -> Iterator[None]:
    """From when it has begun to when it is over."""
    command = [sys.executable, "-m", "tests.torture.flooding", kind, str(one.dicom_port)]
    flooder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert flooder.stdout is not None
    try:
        assert flooder.stdout.readline() == "begun\n"
        time.sleep(1.0 if kind != "silent" else 3.0)
        yield
        assert flooder.poll() is None, "the flood has dried up"
    finally:
        flooder.kill()
        flooder.wait()
        flooder.stdout.close()


def own_mb(one: Installation) -> float:
    """Of all processes, without what they share."""
    return sum(psutil.Process(process.pid).memory_full_info().uss for process in one.processes()) / 1e6
