"""STOW-RS with those who speak it: dicomweb-client, Orthanc's DICOMweb plugin, a sender of one very large instance."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread

from tests.journeys.gateways import Gateway, get_json, wait_for
from tests.servers import free_ports
from tests.synthetic import data_sets_of, new_uid, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-stow"), pytest.mark.timeout(1800)]

ORTHANC, PLUGIN = Path("/usr/sbin/Orthanc"), Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
MULTIPART = 'multipart/related; type="application/dicom"; boundary=b'
LARGE_BYTES = (4 << 30) + (1 << 20) if os.environ.get("GATEWAY_LONG_TESTS") else 200 << 20
GROWTH_LIMIT_BYTES = 80 << 20  # of a process that takes the large instance


@pytest.fixture(scope="module")
def token(gateway: Gateway) -> str:
    """A machine's token of the first township, allowed to upload and to read."""
    done = gateway.run(
        "token", "add", "--institution", "MH-T01", "--wire", "upload", "--wire", "dicomweb", "--name", "PACS"
    )
    assert done.returncode == 0, done.stderr
    return next(word for word in done.stdout.split() if word.startswith("gwm_"))


def found(gateway: Gateway, study_uid: str) -> int:
    """How many instances of a study the township has by now."""
    items = get_json(gateway.sign_in("radiographer"), "/api/v1/examinations", study=study_uid)["items"]
    return sum(item["instances"] for item in items)


def test_dicomweb_client_stores_and_finds_it_again(gateway: Gateway, token: str, tmp_path: Path) -> None:
    files = write_study(tmp_path, 5, size=64, study_uid=(study_uid := new_uid()), patient_id="LX-STOW")
    session = create_session()
    session.headers["Authorization"] = f"Bearer {token}"
    client = DICOMwebClient(f"{gateway.base_url}/dicomweb", session=session)

    answer = client.store_instances([dcmread(file) for file in files], study_instance_uid=study_uid)
    assert answer.RetrieveURL.endswith(f"/dicomweb/studies/{study_uid}")  # its Host header has no port
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == set(
        data_sets_of(files)
    )
    assert "FailedSOPSequence" not in answer
    wait_for(lambda: found(gateway, study_uid) == 5, 30, "it is found", gateway.log)
    images = client.retrieve_study(study_uid, media_types=(("application/dicom", "*"),))
    sent = {image.SOPInstanceUID: image.PixelData for image in map(dcmread, files)}
    assert {image.SOPInstanceUID: image.PixelData for image in images} == sent


@pytest.fixture
def orthanc(gateway: Gateway, token: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """An Orthanc that knows the gateway as a DICOMweb server; a client of its REST API."""
    if not (ORTHANC.exists() and PLUGIN.exists()):
        pytest.skip("Orthanc and its DICOMweb plugin are not installed: Debian's orthanc, orthanc-dicomweb")
    http_port, dicom_port = free_ports(2)
    server = {"Url": f"{gateway.base_url}/dicomweb/", "HttpHeaders": {"Authorization": f"Bearer {token}"}}
    (tmp_path / "orthanc.json").write_text(
        json.dumps(
            {
                "StorageDirectory": str(tmp_path / "db"), "IndexDirectory": str(tmp_path / "db"),
                "HttpPort": http_port, "DicomPort": dicom_port, "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False, "Plugins": [str(PLUGIN)],
                "DicomWeb": {"Enable": True, "Servers": {"gateway": server}},
            }
        )
    )  # fmt: skip
    with (tmp_path / "orthanc.log").open("wb") as log:
        running = subprocess.Popen([ORTHANC, tmp_path / "orthanc.json"], stdout=log, stderr=log)
    client = httpx.Client(base_url=f"http://127.0.0.1:{http_port}", trust_env=False, timeout=120)
    try:
        wait_for(lambda: _answers(client), 60, "Orthanc answers")
        yield client
    finally:
        running.terminate()
        running.wait(20)


def test_orthanc_sends_a_study_by_its_dicomweb_plugin(
    gateway: Gateway, orthanc: httpx.Client, tmp_path: Path
) -> None:
    files = write_study(
        tmp_path / "study", 12, size=64, study_uid=(study_uid := new_uid()), patient_id="LX-ORTHANC"
    )
    for file in files:
        assert orthanc.post("/instances", content=file.read_bytes()).status_code == 200
    [study] = orthanc.get("/studies").json()

    sent = orthanc.post("/dicom-web/servers/gateway/stow", json={"Resources": [study], "Synchronous": True})
    assert sent.status_code == 200, sent.text
    wait_for(lambda: found(gateway, study_uid) == 12, 30, "it is found", gateway.log)


def test_a_large_instance_needs_no_memory_of_its_size(gateway: Gateway, token: str, tmp_path: Path) -> None:
    [file] = write_study(tmp_path, 1, size=16, study_uid=(study_uid := new_uid()), patient_id="LX-LARGE")
    small = file.read_bytes()
    head = small[: small.rindex(b"\xe0\x7f\x10\x00OW")]
    fragment = bytes(1 << 20)

    def parts() -> Iterator[bytes]:
        yield b"--b\r\nContent-Type: application/dicom\r\n\r\n" + head
        yield b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0" + bytes(4)
        for _ in range(LARGE_BYTES // len(fragment)):
            yield b"\xfe\xff\x00\xe0" + len(fragment).to_bytes(4, "little") + fragment
        yield b"\xfe\xff\xdd\xe0" + bytes(4) + b"\r\n--b--\r\n"

    processes = _processes(gateway)
    before = {process.pid: process.memory_info().rss for process in processes}
    began = time.monotonic()
    answer = httpx.post(
        f"{gateway.base_url}/dicomweb/studies/{study_uid}",
        content=parts(),
        timeout=600,
        headers={"Authorization": f"Bearer {token}", "Content-Type": MULTIPART},
    )
    assert answer.status_code == 200, answer.text
    grown = {process.pid: process.memory_info().rss - before[process.pid] for process in processes}
    print(
        f"{LARGE_BYTES >> 20} MiB in {time.monotonic() - began:.1f} s, most grown {max(grown.values()) >> 20} MiB"
    )
    assert max(grown.values()) < GROWTH_LIMIT_BYTES
    wait_for(lambda: found(gateway, study_uid) == 1, 120, "it is found", gateway.log)


def test_a_person_proves_a_request_and_a_machine_needs_none(gateway: Gateway, tmp_path: Path) -> None:
    [file] = write_study(tmp_path, 1, size=16, study_uid=(study_uid := new_uid()), patient_id="LX-CSRF")
    radiographer = gateway.sign_in("radiographer")
    headers = {"Content-Type": "application/dicom"}
    proof = radiographer.headers.pop("X-CSRF-Token")
    refused = radiographer.post("/dicomweb/studies", content=file.read_bytes(), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf")
    headers["X-CSRF-Token"] = proof
    assert (
        radiographer.post("/dicomweb/studies", content=file.read_bytes(), headers=headers).status_code == 200
    )
    wait_for(lambda: found(gateway, study_uid) == 1, 30, "it is found", gateway.log)


def test_the_installation_is_sound_afterwards(gateway: Gateway) -> None:
    gateway.wait_until_drained()
    done = gateway.check()
    assert done.returncode == 0, done.stdout


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/system").status_code == 200
    except httpx.TransportError:
        return False


def _processes(gateway: Gateway) -> list[psutil.Process]:
    """Every process of the gateway's tree."""
    place = str(gateway.data_dir)
    own = [one for one in psutil.process_iter(["cwd", "name"]) if one.info["cwd"] == place]
    assert own
    return own
