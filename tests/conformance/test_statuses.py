"""What a refused C-STORE says to pynetdicom, dcmtk and Orthanc (PS3.4 B.2.3, PS3.7 Annex C); what ends without an answer."""

import struct
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from adapters.errors import Unavailable
from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.conformance.peers import associate, run_dcmtk, send_by_orthanc, send_bytes, start_dcmtk
from tests.synthetic import make_images

CT_FILE = Path(str(get_testdata_file("CT_small.dcm")))
GOOD = wire.ct_data_set()


@pytest.mark.parametrize(
    ("data_set", "request_fields", "status", "element"),
    [
        (GOOD, {"sop_class": wire.MR}, 0x0122, 0x00000002),
        (GOOD, {"instance": "1.2_3"}, 0x0117, 0x00001000),
        (GOOD, {"instance": "1.2.3.4.5"}, 0xA900, 0x00080018),
        (wire.ct_data_set(sop_class=wire.MR), {}, 0xA900, 0x00080016),
        (wire.ct_data_set(instance=None), {}, 0xA900, 0x00080018),
        (wire.ct_data_set(sop_class=None), {}, 0xA900, 0x00080016),
        (GOOD[:-7], {}, 0xC000, 0x7FE00010),
        (b"P5 this is a picture, but no data set", {}, 0xC000, None),
    ],
    ids=["class", "instance", "other instance", "other class", "no instance", "no class", "cut short", "rubbish"],
)  # fmt: skip
def test_pynetdicom_reads_the_status_the_comment_and_the_element(
    server: Server, data_set: bytes, request_fields: dict[str, str], status: int, element: int | None
):
    association = associate(server.port)

    answer = send_bytes(association, data_set, **{"instance": wire.INSTANCE, **request_fields})

    assert answer.Status == status
    assert 0 < len(str(answer.ErrorComment)) <= 64
    if element is not None:
        assert answer.OffendingElement == element
    assert not server.intake.records
    assert send_bytes(association, GOOD, instance=wire.INSTANCE).Status == 0  # the association goes on
    association.release()


def test_a_device_that_may_not_store_is_told_so_by_its_status(server: Server):
    server.directory.devices = {"DEMO_CT": {"device_id": "ct", "storage_allowed": False}}
    association = associate(server.port)

    answer = send_bytes(association, GOOD, instance=wire.INSTANCE)
    association.release()

    assert (answer.Status, str(answer.ErrorComment)) == (0x0124, "this device may not store")
    assert "Status: 0x124" in run_dcmtk("storescu", server.port, CT_FILE)


@pytest.mark.parametrize("fault", ["at once", "while it is written", "at the sync"])
def test_no_room_is_out_of_resources_and_passes(server: Server, orthanc: httpx.Client, fault: str):
    if fault == "at once":
        server.intake.open_error = Unavailable("journal is full")
    elif fault == "at the sync":
        server.intake.commit_error = Unavailable("journal cannot be synced")
    else:
        server.intake.room = 20_000
    association = associate(server.port)

    answer = send_bytes(association, _large(), instance=wire.INSTANCE)

    assert answer.Status == 0xA700
    assert "OutOfResources" in run_dcmtk("storescu", server.port, CT_FILE)
    assert send_by_orthanc(orthanc, server.port, CT_FILE.read_bytes()).status_code >= 400
    server.intake.open_error = server.intake.commit_error = None
    server.intake.room = 1 << 40
    assert send_bytes(association, _large(), instance=wire.INSTANCE).Status == 0
    association.release()
    assert "(Success)" in run_dcmtk("storescu", server.port, CT_FILE)
    assert send_by_orthanc(orthanc, server.port, CT_FILE.read_bytes()).json()["FailedInstancesCount"] == 0


def test_nothing_is_coerced_so_no_warning_is_answered(server: Server):
    """What other providers coerce and answer B000 for: a name that is too long, a date that is none, a padded UID."""
    odd = (
        wire.explicit(8, 0x16, "UI", wire.CT.encode()) + wire.explicit(8, 0x18, "UI", wire.INSTANCE.encode())
        + wire.explicit(8, 0x20, "DA", b"99.99.2026") + wire.explicit(0x10, 0x10, "PN", b"A" * 200)
        + wire.explicit(0x10, 0x20, "LO", b" 17 ") + wire.explicit(0x20, 0xD, "UI", b"1.2.840.1 ")
    )  # fmt: skip
    association = associate(server.port)

    assert send_bytes(association, odd, instance=wire.INSTANCE).Status == 0
    association.release()

    assert server.intake.records[0].data_set == odd


def test_an_association_that_stays_idle_is_aborted():
    with Server(idle_timeout_s=0.5) as server:
        association = associate(server.port)

        _wait_until(lambda: association.is_aborted)

        _wait_until(lambda: server.acceptor.counters.associations_open == 0)
        assert "(Success)" in run_dcmtk("storescu", server.port, CT_FILE)


def test_dcmtk_aborts_and_what_it_stored_before_is_kept(server: Server):
    run_dcmtk("storescu", server.port, "--abort", CT_FILE)

    _wait_until(lambda: server.acceptor.counters.associations_open == 0)
    assert len(server.intake.records) == 1


def test_a_sender_that_is_killed_within_a_large_instance_leaves_nothing(server: Server, tmp_path: Path):
    server.intake.keeps_payloads = False
    [image] = make_images(1, size=64, Rows=10_000, Columns=10_000, PixelData=bytes(200_000_000))
    image.save_as(tmp_path / "large.dcm", enforce_file_format=True)
    sender = start_dcmtk("storescu", server.port, tmp_path / "large.dcm")
    _wait_until(lambda: bool(server.intake.open_entries))

    sender.kill()
    sender.wait()

    _wait_until(lambda: not server.intake.open_entries)
    assert not server.intake.records
    assert "(Success)" in run_dcmtk("storescu", server.port, CT_FILE)


def test_the_file_that_is_kept_names_what_was_negotiated(server: Server):
    association = associate(server.port)
    data_set = _large(6_000_000)

    assert send_bytes(association, data_set, instance=wire.INSTANCE).Status == 0
    association.release()

    [record] = server.intake.records
    meta = dcmread(BytesIO(record.payload), stop_before_pixels=True).file_meta
    assert record.data_set == data_set
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (wire.CT, wire.INSTANCE)
    assert (meta.TransferSyntaxUID, meta.SourceApplicationEntityTitle) == (wire.EXPLICIT, "DEMO_CT")
    assert meta.FileMetaInformationVersion == b"\0\1"


@pytest.mark.parametrize("title", ["A" * 16, "CT-1_ROOM 2"])
def test_titles_of_dcmtk_are_told_apart_whole(server: Server, title: str):
    server.directory.devices = {title: {"device_id": "ct"}}

    assert "Rejected" not in run_dcmtk("echoscu", server.port, calling=title)
    assert "Calling AE Title Not Recognized" in run_dcmtk("echoscu", server.port, calling=title[:-1])


def test_a_title_with_a_backslash_is_no_title(server: Server):
    assert "Calling AE Title Not Recognized" in run_dcmtk("echoscu", server.port, calling="CT\\1")


def _large(size: int = 40_000) -> bytes:
    head = wire.ct_data_set(pixels=0)[:-12]
    return head + struct.pack("<HH2sxxI", 0x7FE0, 0x10, b"OW", size) + bytes(size)


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)
