"""A disk is full: the journal's, the database's, the store's. Nothing half-kept, nothing lost, no hand needed after."""

import shutil
import time
from pathlib import Path

import pytest

from tests.journeys.gateways import run_dcmtk, wait_for
from tests.synthetic import data_sets_of, write_study
from tests.torture.conftest import NewInstallation
from tests.torture.disks import SmallDisk
from tests.torture.modality import Modality, uids_of
from tests.torture.verifying import assert_nothing_lost, unfiled

pytestmark = [pytest.mark.xdist_group("torture-disks"), pytest.mark.timeout(900)]

FLOOR_MB = 256  # the journal leaves so much free (gateway/journal/room.py)


def test_a_full_disk_under_the_journal_is_said_and_recovered_from(
    new_installation: NewInstallation, tmp_path: Path
) -> None:
    files = write_study(tmp_path / "study", 150, size=128)
    files[100:100] = write_study(tmp_path / "large", 1, size=1500)
    with SmallDisk(tmp_path, size_mb=FLOOR_MB + 300) as disk:
        one = new_installation(folder=disk.path, file_after_s=0.2).start()
        with Modality(one.dicom_port, files, at_once=10) as modality:
            wait_for(lambda: len(modality.accepted) >= 20, 60, "studies arrive", one.log)
            disk.fill()
            wait_for(lambda: len(modality.refused) >= 3, 60, "it says that it is full", one.log)
            assert set(modality.refused) == {"Refused: OutOfResources"}
            told = len(modality.accepted)
            assert run_dcmtk("echoscu", one.dicom_port).returncode == 0, "the listener lives"
            one.kill()
            one.start()  # on the full disk
            assert run_dcmtk("echoscu", one.dicom_port, options=["-to", "10", "-ta", "20"]).returncode == 0
            time.sleep(2)
            assert len(modality.accepted) == told
            disk.make_room()
            wait_for(lambda: modality.is_done, 120, "all is taken without a hand", one.log)
        assert_nothing_lost(one, uids_of(files), data_sets_of(files))
        one.kill()


def test_a_full_disk_under_the_database_delays_the_index_alone(
    new_installation: NewInstallation, tmp_path: Path
) -> None:
    files = write_study(tmp_path / "study", 80, size=64)
    with SmallDisk(tmp_path, size_mb=40) as disk:
        one = new_installation(file_after_s=0.2)
        for part in one.data_dir.glob("gateway.sqlite3*"):
            shutil.move(part, disk.path / part.name)
        one.use_database(f"sqlite:///{disk.path / 'gateway.sqlite3'}")
        one.start()
        assert run_dcmtk("storescu", one.dicom_port, *files[:20]).returncode == 0
        one.wait_until_drained()
        disk.fill()
        assert run_dcmtk("storescu", one.dicom_port, *files[20:]).returncode == 0
        wait_for(lambda: "became_unavailable" in one.log(), 60, "the drain says so", one.log)
        one.kill()
        one.start()  # on the full disk
        assert run_dcmtk("echoscu", one.dicom_port).returncode == 0
        disk.make_room()
        one.wait_until_drained(120)
        assert_nothing_lost(one, uids_of(files), data_sets_of(files))
        one.close()


def test_a_full_disk_under_the_store_delays_the_filing_alone(
    new_installation: NewInstallation, tmp_path: Path
) -> None:
    files = write_study(tmp_path / "study", 80, size=128)
    with SmallDisk(tmp_path, size_mb=40) as disk:
        one = new_installation(object_store=str(disk.path / "objects"), file_after_s=0.2, pack_bytes=1 << 20)
        disk.fill(leave_bytes=1 << 20)
        one.start()
        assert run_dcmtk("storescu", one.dicom_port, *files).returncode == 0
        one.wait_until_drained()
        wait_for(lambda: "became_unavailable" in one.log(), 60, "the drain says so", one.log)
        assert unfiled(one)
        assert not list((disk.path / "objects").rglob(".put-*")), "nothing half-kept"
        disk.make_room()
        wait_for(lambda: not unfiled(one), 60, "all is filed without a hand", one.log)
        assert_nothing_lost(one, uids_of(files), data_sets_of(files))
        one.close()
