"""The whole sample collection from a stock sender: everything is served as received, or held with the right reason.

The oracle is what dcmtk's `storescp +B` (which keeps bits as they come) wrote from the same sender.
"""

import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from email.parser import BytesHeaderParser
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from sqlalchemy import select

from gateway.index import Held, Instance, Record, Refusal
from gateway.originals import read_original
from gateway.runtime import open_runtime
from tests.journeys.gateways import Gateway, dcmtk, get_json, listens, run_dcmtk, wait_for
from tests.samples import samples_dir
from tests.servers import free_ports

pytestmark = [
    pytest.mark.journey, pytest.mark.samples, pytest.mark.xdist_group("journey-samples"), pytest.mark.timeout(900),
]  # fmt: skip

DELIVERABLE = 118  # of the collection's files, by dcmsend 3.6.7
SEND = ("+sd", "+r", "--no-halt", "--decompress-never")
# What storescp 3.6.7 takes; the gateway takes more, so the sender has more to deliver to it.
ORACLE_SYNTAXES = {f"1.2.840.10008.1.2{end}" for end in (
    "", ".1", ".2", ".1.99", ".4.50", ".4.51", ".4.70", ".4.80", ".4.81", ".4.90", ".4.91", ".5",
)}  # fmt: skip
UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@pytest.fixture(scope="module")
def samples() -> Path:
    return samples_dir() / "dicom"


@pytest.fixture(scope="module")
def received(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """By SOP Instance UID: the data sets that the sender sends, each variant once."""
    folder = tmp_path_factory.mktemp("oracle")
    with storescp(folder) as port:
        run_dcmtk("dcmsend", port, samples, options=SEND, called="ORACLE")
    found: dict[str, list[bytes]] = defaultdict(list)
    paths = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert len(paths) == DELIVERABLE
    for path in paths:
        uid, data_set = split(path.read_bytes())
        if data_set not in found[uid]:
            found[uid].append(data_set)
    return found


@pytest.fixture(scope="module")
def sent(gateway: Gateway, samples: Path) -> str:
    """The collection has been sent to the gateway; what the sender said."""
    done = run_dcmtk("dcmsend", gateway.dicom_port, samples, options=[*SEND, "-v"])
    gateway.wait_until_drained(120)
    return done.stdout


@contextmanager
def storescp(folder: Path) -> Iterator[int]:
    (port,) = free_ports(1)
    command = [dcmtk("storescp"), "+B", "+xa", "--promiscuous", "+uf", "-od", str(folder), str(port)]
    receiver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(port), 20, "storescp listens")
        yield port
    finally:
        receiver.terminate()
        receiver.wait(20)


def test_every_well_formed_instance_answers_and_comes_back_as_received(
    gateway: Gateway, received: Mapping[str, list[bytes]], sent: str
) -> None:
    client = gateway.sign_in("radiographer")
    elsewhere = held_uids(gateway) | refused_uids(gateway)
    served = 0
    for uid, variants in received.items():
        found = client.get("/dicomweb/instances", params={"SOPInstanceUID": uid})
        if found.status_code != 200 or not found.json():
            assert uid in elsewhere, (uid, found.status_code, found.text[:300])
            continue
        [instance] = found.json()
        assert split(retrieve(client, instance)) in [(uid, variant) for variant in variants], uid
        served += 1
    assert served >= 0.9 * len(received)


def test_what_was_refused_at_the_door_contradicted_its_own_request(gateway: Gateway, sent: str) -> None:
    """A file whose meta information is of another class than its data set."""
    with gateway.session() as session:
        refusals = session.scalars(select(Refusal)).all()
    assert sorted(refusal.reason for refusal in refusals) == ["0122"]
    assert all(refusal.detail for refusal in refusals)


def test_the_rest_is_held_with_the_right_reason_and_can_be_downloaded(
    gateway: Gateway, received: Mapping[str, list[bytes]], sent: str
) -> None:
    client = gateway.sign_in("radiographer")
    items = list(pages(client, "/api/v1/held"))
    assert items
    for item in items:
        original = client.get(f"/api/v1/held/{item['id']}/file")
        assert original.status_code == 200
        uid, data_set = split(original.content)
        assert data_set in received[uid] or syntax_of(original.content) not in ORACLE_SYNTAXES
        assert_reason_is_right(gateway, item, original.content, received)


def test_nothing_is_lost_on_the_way(gateway: Gateway, received: Mapping[str, list[bytes]], sent: str) -> None:
    """Each distinct data set that reached the oracle is an instance, held, or was refused."""
    runtime = open_runtime(gateway.settings)
    with gateway.session() as session:
        rows = session.scalars(select(Record).where(Record.kind == "dicom.instance")).all()
        kept = {read_original(runtime, row, offset=row.data_set_offset) for row in rows}
    runtime.engine.dispose()
    refused = refused_uids(gateway)
    for uid, variants in received.items():
        assert uid in refused or kept.issuperset(variants), uid


def test_the_installation_is_sound_afterwards(gateway: Gateway, sent: str) -> None:
    done = gateway.check()
    assert done.returncode == 0, done.stdout


def assert_reason_is_right(
    gateway: Gateway, item: Mapping[str, Any], content: bytes, received: Mapping[str, list[bytes]]
) -> None:
    """Judged by another reader (pydicom) of the same bytes."""
    uid, _ = split(content)
    header = read(content)
    if item["reason"] == "uid_malformed":
        uids = [str(header.get(name) or "") for name in ("StudyInstanceUID", "SeriesInstanceUID")]
        assert any(len(one) > 64 or not UID.fullmatch(one) for one in uids), uids
    elif item["reason"] == "same_uid_other_bytes":
        assert len(received[uid]) > 1
    else:
        assert item["reason"] in ("study_of_another_patient", "patient_contradicts"), item["reason"]
        same = "StudyInstanceUID" if item["reason"].startswith("study") else "PatientID"
        others = [other for other in indexed_headers(gateway) if other.get(same) == header.get(same)]
        assert others, (item["reason"], uid)
        assert all(who(other) != who(header) for other in others)


def who(header: Dataset) -> tuple[str, ...]:
    names = ("PatientID", "PatientName", "PatientSex", "PatientBirthDate")
    return tuple(str(header.get(name) or "") for name in names)


def indexed_headers(gateway: Gateway) -> list[Dataset]:
    runtime = open_runtime(gateway.settings)
    with gateway.session() as session:
        records = session.scalars(select(Record).join(Instance, Instance.record_id == Record.id)).all()
        headers = [read(read_original(runtime, record)) for record in records]
    runtime.engine.dispose()
    return headers


def refused_uids(gateway: Gateway) -> set[str]:
    with gateway.session() as session:
        return set(session.scalars(select(Refusal.sop_instance_uid)))


def held_uids(gateway: Gateway) -> set[str]:
    with gateway.session() as session:
        return {held.header["sop_instance_uid"] for held in session.scalars(select(Held))}


def pages(client: httpx.Client, path: str) -> Iterator[Any]:
    cursor = None
    while True:
        page = get_json(client, path, limit=50, **({"cursor": cursor} if cursor else {}))
        yield from page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return


def retrieve(client: httpx.Client, instance: Mapping[str, Any]) -> bytes:
    """One instance by WADO-RS, in the transfer syntax in which it is stored (PS3.18 10.4)."""
    study, series, uid = (instance[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    answer = client.get(
        f"/dicomweb/studies/{study}/series/{series}/instances/{uid}",
        headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
    )
    assert answer.status_code == 200, (uid, answer.text[:300])
    kind = Message()
    kind["Content-Type"] = answer.headers["Content-Type"]
    boundary = str(kind.get_param("boundary")).encode()
    [_, part, end] = answer.content.split(
        b"--" + boundary
    )  # no instance contains a boundary made for the answer
    assert end.startswith(b"--")
    head, body = part.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)
    assert BytesHeaderParser().parsebytes(head).get_content_type() == "application/dicom"
    return body.removesuffix(b"\r\n")


def split(content: bytes) -> tuple[str, bytes]:
    """SOP Instance UID and data set of a file (PS3.10 7.1)."""
    assert content[128:132] == b"DICM"
    end = 144 + int.from_bytes(content[140:144], "little")
    meta = content[144:end]
    start = meta.index(b"\x02\x00\x03\x00UI") + 8
    length = int.from_bytes(meta[start - 2 : start], "little")
    return meta[start : start + length].rstrip(b"\0 ").decode(), content[end:]


def syntax_of(content: bytes) -> str:
    return str(read(content).file_meta.TransferSyntaxUID)


def read(content: bytes) -> Dataset:
    return dcmread(BytesIO(content), stop_before_pixels=True)
