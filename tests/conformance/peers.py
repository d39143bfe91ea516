"""Real senders: dcmtk's programs, an Orthanc by its REST, and pynetdicom with bytes that its own checks would not send."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE

from adapters.dicom.scu import Gate
from tests.adapters.dicom.conftest import DCMTK
from tests.adapters.dicom.wire import CT, EXPLICIT
from tests.servers import free_ports


def run_dcmtk(
    program: str, port: int, *arguments: str | Path, calling: str = "DEMO_CT", called: str = "GATEWAY"
) -> str:
    """What the program said, verbosely."""
    running = start_dcmtk(program, port, *arguments, calling=calling, called=called)
    return running.communicate(timeout=60)[0]


def start_dcmtk(
    program: str, port: int, *arguments: str | Path, calling: str = "DEMO_CT", called: str = "GATEWAY"
) -> "subprocess.Popen[str]":
    if not (DCMTK / program).exists():
        pytest.skip(f"dcmtk's {program} is not installed")
    command = [DCMTK / program, "-v", "-aet", calling, "-aec", called, "127.0.0.1", port, *arguments]
    return subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )  # fmt: skip


def associate(
    port: int, sop_class: str = CT, syntax: str = EXPLICIT, *, calling: str = "DEMO_CT"
) -> Association:
    """By pynetdicom, established."""
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = 20
    entity.add_requested_context(sop_class, syntax)
    association = entity.associate("127.0.0.1", port, ae_title="GATEWAY")
    assert association.is_established
    return association


def send_bytes(
    association: Association, data_set: bytes, *, sop_class: str = CT, instance: str
) -> Dataset | C_STORE:
    """C-STORE of bytes as they are, in pynetdicom's words: it would not itself say one thing and send another."""
    request = C_STORE()
    request.MessageID, request.Priority = 7, 2
    request.AffectedSOPClassUID, request.AffectedSOPInstanceUID = sop_class, instance
    request.DataSet = BytesIO(data_set)
    with reactor_held(association):
        association.dimse.send_msg(request, association.accepted_contexts[0].context_id)
        _, answer = association.dimse.get_msg(block=True)
    assert isinstance(answer, C_STORE)
    return answer


@contextmanager
def reactor_held(association: Association) -> Iterator[None]:
    """Answers are ours to read: pynetdicom's own thread, which drops one now and then, stays where it waits."""
    own, gate = association._reactor_checkpoint, Gate()
    association._reactor_checkpoint = gate
    assert gate.reached.wait(20)
    try:
        yield
    finally:
        association._reactor_checkpoint = own
        gate.open()


@contextmanager
def running_orthanc(folder: Path, ae_title: str = "DEMO_CT") -> Iterator[httpx.Client]:
    """An Orthanc of its own, without authentication, on loopback; its REST."""
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("Orthanc is not installed")
    http, dicom = free_ports(2)
    (folder / "orthanc.json").write_text(
        json.dumps({"Name": "sender", "StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": http,
                    "DicomPort": dicom, "DicomAet": ae_title, "RemoteAccessAllowed": False, "Plugins": [],
                    "OverwriteInstances": True})
    )  # fmt: skip
    process = subprocess.Popen(
        [program, folder / "orthanc.json"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    client = httpx.Client(base_url=f"http://127.0.0.1:{http}", timeout=60, trust_env=False)
    try:
        _wait_for(client)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(30)


def send_by_orthanc(orthanc: httpx.Client, port: int, content: bytes) -> httpx.Response:
    """Give Orthanc a file, let it store that at the port; its answer."""
    uploaded = orthanc.post("/instances", content=content).raise_for_status().json()
    modality = {"AET": "GATEWAY", "Host": "127.0.0.1", "Port": port}
    orthanc.put("/modalities/gateway", json=modality).raise_for_status()
    return orthanc.post(
        "/modalities/gateway/store", json={"Resources": [uploaded["ID"]], "Synchronous": True}
    )


def _wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.get("/system").raise_for_status()
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "Orthanc does not answer"
            time.sleep(0.2)
