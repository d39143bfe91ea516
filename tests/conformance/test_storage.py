"""C-STORE from real peers: Orthanc by its REST, dcmtk, pynetdicom; odd data sets are kept as they came."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from adapters.dicom.transfer_syntaxes import ENCODINGS, Encoding
from tests.adapters.dicom import wire
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.wire import Peer
from tests.conformance.odd import ODD
from tests.conformance.peers import associate, send_by_orthanc, send_bytes

SHIPPED = ("CT_small.dcm", "MR_small_RLE.dcm", "JPEG2000.dcm", "SC_rgb_jpeg_dcmtk.dcm", "liver_1frame.dcm")


@pytest.mark.parametrize("name", SHIPPED)
def test_orthanc_sends_what_it_has_and_every_element_is_kept(
    orthanc: httpx.Client, server: Server, name: str
):
    content = Path(str(get_testdata_file(name))).read_bytes()

    sent = send_by_orthanc(orthanc, server.port, content)

    assert orthanc.post("/modalities/gateway/echo", json={}).status_code == 200
    assert sent.json()["FailedInstancesCount"] == 0
    [record] = server.intake.records
    kept, original = dcmread(BytesIO(record.payload)), dcmread(BytesIO(content))
    assert kept.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
    # Orthanc writes lengths of sequences anew, and leaves group lengths and padding out.
    assert _meaning(kept) == _meaning(original)


def test_orthanc_hears_that_the_device_may_not_store(orthanc: httpx.Client, server: Server):
    server.directory.devices = {"DEMO_CT": {"device_id": "ct", "storage_allowed": False}}
    content = Path(str(get_testdata_file("CT_small.dcm"))).read_bytes()

    sent = send_by_orthanc(orthanc, server.port, content)

    assert sent.status_code >= 400
    [noted] = server.intake.noted("dicom.refusal")
    assert noted["status"] == "0124"


def test_a_duplicate_is_success_and_never_0111(server: Server):
    data_set = dcmread(str(get_testdata_file("CT_small.dcm")))

    assert [_store(server, data_set) for _ in range(3)] == [0, 0, 0]


@pytest.mark.parametrize("kind", ODD)
def test_odd_data_sets_of_pynetdicom_are_kept(server: Server, kind: str):
    data_set = ODD[kind]()

    assert _store(server, data_set) == 0

    [record] = server.intake.records
    assert dcmread(BytesIO(record.payload)).SOPInstanceUID == data_set.SOPInstanceUID


@pytest.mark.parametrize(
    ("frames", "table"),
    [([b"\1\2", b"\3\4\5"], False), ([b"\1\2\3", b"\4"], True), ([], False)],
    ids=["a fragment of odd length", "an offset table", "no fragment"],
)
def test_encapsulated_pixels_of_every_shape_are_kept(server: Server, frames: list[bytes], table: bool):
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


@pytest.mark.parametrize("syntax", sorted(ENCODINGS))
def test_every_transfer_syntax_is_stored_as_received(server: Server, syntax: str):
    data_set = _encoded(ENCODINGS[syntax])
    association = associate(server.port, wire.CT, syntax)
    assert association.accepted_contexts[0].transfer_syntax == [syntax]
    assert send_bytes(association, data_set, instance=wire.INSTANCE).Status == 0
    association.release()

    [record] = server.intake.records
    assert (record.data_set, record.origin["transfer_syntax_uid"]) == (data_set, syntax)
    head = dcmread(BytesIO(record.payload[: record.origin["data_set_offset"]]))
    assert (head.file_meta.TransferSyntaxUID, head.file_meta.MediaStorageSOPInstanceUID) == (
        syntax,
        wire.INSTANCE,
    )


def test_an_extended_offset_table_is_kept(server: Server):
    frames = [bytes([n]) * (10 + 2 * n) for n in range(3)]
    table = struct.pack("<3Q", 0, 18, 38)
    lengths = struct.pack("<3Q", *map(len, frames))
    pixels = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(one)) + one for one in [b"", *frames])
    data_set = (
        wire.ct_data_set(pixels=0)[:-12]
        + b"\xe0\x7f\x01\0OV\0\0" + struct.pack("<I", 24) + table
        + b"\xe0\x7f\x02\0OV\0\0" + struct.pack("<I", 24) + lengths
        + b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff" + pixels + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )  # fmt: skip
    association = associate(server.port, wire.CT, "1.2.840.10008.1.2.4.70")

    assert send_bytes(association, data_set, instance=wire.INSTANCE).Status == 0
    association.release()

    [record] = server.intake.records
    kept = dcmread(BytesIO(record.payload))
    tables = (kept.ExtendedOffsetTable, kept.ExtendedOffsetTableLengths)
    found = generate_frames(kept.PixelData, number_of_frames=3, extended_offsets=tables)
    assert list(found) == frames


def test_a_private_transfer_syntax_is_refused_at_negotiation(server: Server):
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


def _encoded(encoding: Encoding) -> bytes:
    """A header alone, of which there is one in every encoding."""
    data_set = Dataset()
    data_set.SOPClassUID, data_set.SOPInstanceUID = wire.CT, wire.INSTANCE
    data_set.PatientName, data_set.StudyInstanceUID, data_set.Rows = "Test^Only", "1.2.3.4", 512
    out = BytesIO()
    data_set.save_as(out, implicit_vr=encoding.implicit_vr, little_endian=not encoding.big_endian)
    if not encoding.deflated:
        return out.getvalue()
    deflate = zlib.compressobj(wbits=-15)
    deflated = deflate.compress(out.getvalue()) + deflate.flush()
    return deflated + bytes(len(deflated) % 2)


def _meaning(data_set: Dataset) -> Dataset:
    for element in list(data_set.iterall()):
        if element.tag.element == 0 or element.tag == 0xFFFCFFFC:
            data_set.pop(element.tag, None)
    return data_set
