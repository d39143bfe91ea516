"""C-STORE from real peers: Orthanc by its REST, dcmtk, pynetdicom; odd data sets are kept as they came."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE

from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer
from tests.servers import free_ports

SHIPPED = ("CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "liver_1frame.dcm")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An Orthanc of its own, without authentication, on loopback."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("Orthanc is not installed")
    folder = tmp_path_factory.mktemp("orthanc")
    http, dicom = free_ports(2)
    (folder / "orthanc.json").write_text(
        json.dumps({"Name": "sender", "StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": http,
                    "DicomPort": dicom, "DicomAet": "DEMO_CT", "RemoteAccessAllowed": False, "Plugins": []})
    )  # fmt: skip
    process = subprocess.Popen(
        [program, folder / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=60)
    try:
        _wait_for(client)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(30)


def _wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.get("/system").raise_for_status()
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "Orthanc does not answer"
            time.sleep(0.2)


@pytest.mark.parametrize("name", SHIPPED)
def test_orthanc_sends_what_it_has_and_every_element_is_kept(
    orthanc: httpx.Client, server: Server, name: str
):
    content = Path(str(get_testdata_file(name))).read_bytes()
    uploaded = orthanc.post("/instances", content=content).raise_for_status().json()
    modality = {"AET": "GATEWAY", "Host": "127.0.0.1", "Port": server.port}
    orthanc.put("/modalities/gateway", json=modality).raise_for_status()

    assert orthanc.post("/modalities/gateway/echo", json={}).status_code == 200
    sent = orthanc.post(
        "/modalities/gateway/store", json={"Resources": [uploaded["ID"]], "Synchronous": True}
    )

    assert sent.json()["FailedInstancesCount"] == 0
    [record] = server.intake.records
    kept, original = dcmread(BytesIO(record.payload)), dcmread(BytesIO(content))
    assert kept.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    # Orthanc writes lengths of sequences anew, and leaves group lengths and padding out.
    assert _meaning(kept) == _meaning(original)


def test_orthanc_hears_that_the_device_may_not_store(orthanc: httpx.Client, server: Server):
    server.directory.devices = {"DEMO_CT": {"device_id": "ct", "storage_allowed": False}}
    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()
    uploaded = orthanc.post("/instances", content=content).raise_for_status().json()
    orthanc.put("/modalities/gateway", json={"AET": "GATEWAY", "Host": "127.0.0.1", "Port": server.port})

    sent = orthanc.post(
        "/modalities/gateway/store", json={"Resources": [uploaded["ID"]], "Synchronous": True}
    )

    assert sent.status_code >= 400
    [noted] = server.intake.noted("dicom.refusal")
    assert noted["status"] == "0124"


def test_point_11_a_duplicate_is_success_and_never_0111(server: Server):
    data_set = dcmread(str(get_testdata_file("CT_small.dcm")))

    assert [_store(server, data_set) for _ in range(3)] == [0, 0, 0]


def _odd() -> Dataset:
    data_set = dcmread(str(get_testdata_file("CT_small.dcm")))
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    return data_set


def _private_blocks() -> Dataset:
    data_set = _odd()
    for creator in ("MAKER A", "MAKER B"):
        block = data_set.private_block(0x0099, creator, create=True)
        block.add_new(1, "UN", b"\0\1" * 50)
        block.add_new(2, "LO", "private")
    return data_set


def _nested() -> Dataset:
    data_set = inner = _odd()
    for _ in range(40):
        item = Dataset()
        inner.ReferencedSeriesSequence = Sequence([item])
        inner["ReferencedSeriesSequence"].is_undefined_length = True
        inner = item
    inner.SeriesInstanceUID = "1.2.3"
    return data_set


def _empty_sequences() -> Dataset:
    data_set = _odd()
    data_set.ReferencedStudySequence = Sequence([])
    data_set.RequestAttributesSequence = Sequence([Dataset()])
    return data_set


def _wrong_vr() -> Dataset:
    data_set = _odd()
    data_set.add_new(0x00100010, "UN", b"Zhang^San ")
    data_set.add_new(0x00080060, "UN", b"CT")
    return data_set


def _padded() -> Dataset:
    data_set = _odd()
    data_set.add_new(0xFFFCFFFC, "OB", bytes(1000))
    return data_set


def _group_lengths() -> Dataset:
    data_set = _odd()
    for group in (0x0008, 0x0010, 0x0020):
        data_set.add_new(group << 16, "UL", 1_000_000)  # wrong, as old ones often are
    return data_set


@pytest.mark.parametrize(
    "make", [_private_blocks, _nested, _empty_sequences, _wrong_vr, _padded, _group_lengths]
)
def test_point_13_odd_data_sets_of_pynetdicom_are_kept(server: Server, make):
    data_set = make()

    assert _store(server, data_set) == 0

    [record] = server.intake.records
    assert dcmread(BytesIO(record.payload)).SOPInstanceUID == data_set.SOPInstanceUID


@pytest.mark.parametrize(
    ("frames", "table"),
    [([b"\1\2", b"\3\4\5"], False), ([b"\1\2\3", b"\4"], True), ([], False)],
    ids=["a fragment of odd length", "an offset table", "no fragment"],
)
def test_point_12_encapsulated_pixels_of_every_shape_are_kept(
    server: Server, frames: list[bytes], table: bool
):
    fragments = b"".join(b"\xfe\xff\x00\xe0" + len(one).to_bytes(4, "little") + one for one in frames)
    offsets = bytes(4) + (len(frames[0]) + 8).to_bytes(4, "little") if table else b""
    pixels = (
        b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff"
        + b"\xfe\xff\x00\xe0" + len(offsets).to_bytes(4, "little") + offsets
        + fragments + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )  # fmt: skip
    data_set = wire.ct_data_set(pixels=0)[:-12] + pixels
    jpeg = "1.2.840.10008.1.2.4.50"
    with Peer(server.connect()) as peer:
        peer.associate(contexts=((3, wire.CT, (jpeg,)),))
        assert peer.store(data_set).status == 0

    [record] = server.intake.records
    assert record.data_set == data_set


def test_point_12_a_private_transfer_syntax_is_refused_at_negotiation(server: Server):
    entity = AE(ae_title="DEMO_CT")
    entity.add_requested_context(wire.CT, "1.2.840.113619.5.2")  # GE private implicit VR big endian

    association = entity.associate("127.0.0.1", server.port, ae_title="GATEWAY")

    assert [context.result for context in association.rejected_contexts] == [4]
    association.abort()


def _store(server: Server, data_set: Dataset) -> int:
    entity = AE(ae_title="DEMO_CT")
    entity.add_requested_context(data_set.SOPClassUID, ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", server.port, ae_title="GATEWAY")
    status = association.send_c_store(data_set).Status
    association.release()
    return int(status)


def _meaning(data_set: Dataset) -> Dataset:
    for element in list(data_set.iterall()):
        if element.tag.element == 0 or element.tag == 0xFFFCFFFC:
            data_set.pop(element.tag, None)
    return data_set
