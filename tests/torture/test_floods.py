"""Floods of connections: a device that means it keeps its rate and loses nothing, the listener lives, memory is bounded."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import psutil
import pytest

from tests.bench.blast import blast
from tests.bench.corpus import Corpus
from tests.journeys.gateways import run_dcmtk, wait_for
from tests.torture.conftest import LONG, NewInstallation
from tests.torture.flooding import KINDS
from tests.torture.installation import Installation
from tests.torture.verifying import assert_nothing_lost

pytestmark = [pytest.mark.xdist_group("torture-floods"), pytest.mark.timeout(900)]

ROUNDS = 5 if LONG else 1  # each without and with the flood, in turn
STUDY = 120 if LONG else 20
ASSOCIATIONS = 4
KEEPS = 0.5  # of its rate
GROWN_MB = 100  # all processes together


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_leaves_a_device_that_means_it_at_least_half_its_rate(
    new_installation: NewInstallation, kind: str
) -> None:
    corpus = Corpus(STUDY, modality="CT", size=256)
    with new_installation(dicom_idle_timeout_s=5, ingest_workers=1) as one:
        one.start()
        first = corpus.fresh()
        originals = {each.sop_instance_uid: each.data_set for each in first}
        blast(one.dicom_port, first, associations=ASSOCIATIONS)  # warms it up
        one.wait_until_drained()
        before = own_mb(one)
        quiet: list[float] = []
        flooded: list[float] = []
        for _ in range(ROUNDS):
            for rates, floods in ((quiet, False), (flooded, True)):
                instances = corpus.fresh()
                originals |= {each.sop_instance_uid: each.data_set for each in instances}
                with flood(kind, one) if floods else ExitStack():
                    rates.append(len(instances) / blast(one.dicom_port, instances, associations=ASSOCIATIONS))
                    assert run_dcmtk("echoscu", one.dicom_port, calling="DEMO_MR").returncode == 0
                    assert own_mb(one) - before < GROWN_MB
        print(f"{kind}: {median(quiet):.0f}/s, flooded {median(flooded):.0f}/s")
        if LONG:  # a busy machine says nothing about rates
            assert median(flooded) >= KEEPS * median(quiet)
        assert_nothing_lost(one, set(originals), originals)


@contextmanager
def flood(kind: str, one: Installation) -> Iterator[None]:
    """From when it has begun to when it is over."""
    before = connections(one)
    flooder = subprocess.Popen([sys.executable, "-m", "tests.torture.flooding", kind, str(one.dicom_port)])
    try:
        wait_for(lambda: connections(one) > before or kind in {"drop", "garbage"}, 60, "the flood comes")
        time.sleep(1.0 if kind != "silent" else 3.0)
        yield
        assert flooder.poll() is None, "the flood has dried up"
    finally:
        flooder.kill()
        flooder.wait()


def connections(one: Installation) -> int:
    return sum(len(process.net_connections(kind="tcp")) for process in one.processes())


def own_mb(one: Installation) -> float:
    """Of all processes, without what they share."""
    return sum(psutil.Process(process.pid).memory_full_info().uss for process in one.processes()) / 1e6
