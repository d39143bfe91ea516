"""A drop folder full of what nobody should send, all at once: each file ends in `done/` or, explained, in `refused/`."""

import io
import random
import struct
import zipfile
from pathlib import Path

import pytest
from pydicom.data import get_testdata_file

from tests.ecg_synthetic import Heart, write_ishne
from tests.gateway.carts.conftest import Drop
from tests.gateway.carts.recordings import aecg, put

ROUNDS = 40  # of 50 files at most
BOMB_MB = 300


def damaged(name: str, content: bytes, chance: random.Random) -> dict[str, bytes]:
    """The same cut short, and with other bytes here and there."""
    files = {f"cut-{number}-{name}": content[: chance.randrange(len(content))] for number in range(6)}
    for number in range(4):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 5, 50))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        files[f"changed-{number}-{name}"] = bytes(changed)
    return files


def zipped(**entries: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return stream.getvalue()


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.xml", "w") as entry:
        for _ in range(BOMB_MB):
            entry.write(bytes(1 << 20))
    return stream.getvalue()


def claiming(content: bytes, format_: str, at: int, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(format_, changed, at, value)
    return bytes(changed)


@pytest.fixture
def hostile(tmp_path: Path) -> dict[str, bytes]:
    chance = random.Random(11)
    day = write_ishne(tmp_path / "day", Heart(), duration_s=5).read_bytes()
    channel = b"r.dat 16 200 16 0 0 0 0 I\n"
    return {
        **damaged("a.ecg", day, chance),
        **damaged("a.dcm", Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes(), chance),
        **damaged("a.xml", aecg(), chance),
        "claims-2-gib.ecg": claiming(day, "<i", 14, 2**31 - 1),
        "claims-30000-leads.ecg": claiming(day, "<h", 156, 30_000),
        "claims-0-hz.ecg": claiming(day, "<h", 272, 0),
        "claims-a-day.zip": zipped(**{"r.hea": b"r 1 500 10000000000\n" + channel, "r.dat": bytes(200)}),
        "claims-1-mhz.zip": zipped(**{"r.hea": b"r 1 1000000 100\n" + channel, "r.dat": bytes(200)}),
        "climbs.zip": zipped(**{"../../r.hea": b"r 1 500 100\n" + channel, "../../r.dat": bytes(200)}),
        "bomb.zip": bomb(),
        "nested.zip": zipped(**{"a.zip": zipped(**{"a.ecg": day})}),
        "entities.xml": b'<!DOCTYPE a [<!ENTITY a "b">]><AnnotatedECG xmlns="urn:hl7-org:v3">&a;</AnnotatedECG>',
        "deep.xml": b'<AnnotatedECG xmlns="urn:hl7-org:v3">' + b"<a>" * 100_000,
        "empty.ecg": b"",
        "空 名 字.ECG": day,
        "n" * 200 + ".ecg": day,
    }


def test_every_file_of_a_hostile_folder_is_taken_or_refused_with_its_reason(
    drop: Drop, hostile: dict[str, bytes]
) -> None:
    folder = drop.root / "cart-1"
    put(folder, hostile)
    for _ in range(ROUNDS):
        drop.look(after_s=drop.settings.drop_incomplete_s + 1)

    left = {path.name for path in folder.iterdir()} - {"done", "refused"}
    done = [path for path in (folder / "done").rglob("*") if path.is_file()]
    refused = [path for path in (folder / "refused").iterdir() if path.suffix != ".txt"]
    assert not left
    assert len(done) + len(refused) == len(hostile)
    assert all(path.with_name(f"{path.name}.txt").is_file() for path in refused)
    assert {"空 名 字.ECG", "n" * 200 + ".ecg"} <= {path.name for path in done}
    assert not {path.name for path in done} & {name for name in hostile if "claims" in name or name[0] == "b"}
    assert len(drop.records("ecg.file")) + len(drop.records("dicom.instance")) == len(done)
