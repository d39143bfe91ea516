"""Reports over TLS: to an MLLP server of python's `hl7`, to dcmtk's storescp. Who is not believed gets nothing."""

import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway.audit import Actor
from gateway.deliveries.endpoints import try_endpoint
from gateway.deliveries.rows import EndpointWire
from gateway.runtime import Runtime
from tests.adapters.dicom.conftest import DCMTK
from tests.adapters.dicom.tls_files import Pki, stranger
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import Post
from tests.gateway.deliveries.peers import HospitalSystem
from tests.journeys.gateways import listens
from tests.servers import free_ports


@pytest.fixture
def database_url(sqlite_schema: Path, tmp_path: Path) -> str:
    """Of one kind: what is tested is on the wire."""
    shutil.copyfile(sqlite_schema, tmp_path / "gateway.sqlite3")
    return f"sqlite:///{tmp_path / 'gateway.sqlite3'}"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def his(pki: Pki) -> Iterator[HospitalSystem]:
    """With TLS alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate, pki.key)
    with HospitalSystem().listening(ssl=context) as system:
        yield system


@contextmanager
def storescp(folder: Path, pki: Pki) -> Iterator[int]:
    """dcmtk's, with TLS alone, which asks nobody for a certificate."""
    program = DCMTK / "storescp"
    if not program.exists():
        pytest.skip("dcmtk's storescp is not installed")
    folder.mkdir()
    [port] = free_ports(1)
    process = subprocess.Popen(
        [program, "-aet", "PACS", "-od", folder, "+tls", pki.key, pki.certificate, "-ic", "+xa", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not listens(port):
            assert process.poll() is None and time.monotonic() < deadline, "storescp does not listen"
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait(20)


def trusting(pki: Pki) -> dict[str, object]:
    return {"tls": True, "authorities_pem": pki.authority.read_text(), "within_s": 10}


def test_a_hospitals_system_is_spoken_to_by_tls_when_its_authority_is_believed(
    runtime: Runtime, post: Post, his: HospitalSystem, pki: Pki
) -> None:
    right = post.endpoint(EndpointWire.HL7_ORU, his.port, settings=trusting(pki))
    tried = try_endpoint(runtime, Actor(name="it"), right)
    assert (tried.reached, tried.answer.startswith("connected, TLSv1.")) == (True, True)
    assert his.received == []  # trying sends nothing

    post.endpoint(EndpointWire.HL7_MDM, his.port, settings=trusting(pki))
    post.sign()
    while post.send():
        pass
    assert post.states() == ["sent", "sent"]
    assert {str(one["MSH.F9"])[:3] for one in his.received} == {"ORU", "MDM"}


def test_a_system_whose_certificate_nobody_vouches_for_gets_no_message(
    post: Post, his: HospitalSystem, clock: Clock
) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port, settings=trusting(stranger()))
    post.sign()
    post.send()
    [delivery] = post.deliveries()
    assert (delivery.state.value, "certificate is not believed" in delivery.answer) == ("pending", True)
    assert his.received == []


def test_a_system_that_wants_tls_gets_nothing_in_plain(post: Post, his: HospitalSystem) -> None:
    post.endpoint(EndpointWire.HL7_ORU, his.port, settings={"within_s": 3})
    post.sign()
    post.send()
    assert (post.states(), his.received) == (["pending"], [])


def test_a_pacs_gets_document_and_text_by_tls(runtime: Runtime, post: Post, pki: Pki, tmp_path: Path) -> None:
    with storescp(tmp_path / "kept", pki) as port:
        settings = {**trusting(pki), "called_ae_title": "PACS"}
        sr = post.endpoint(EndpointWire.DICOM_SR, port, settings=settings)
        assert try_endpoint(runtime, Actor(name="it"), sr).answer == "C-ECHO 0000"
        post.endpoint(EndpointWire.DICOM_PDF, port, settings=settings)
        post.sign()
        while post.send():
            pass
        assert post.states() == ["sent", "sent"]
    kept = [dcmread(path) for path in (tmp_path / "kept").iterdir()]
    assert sorted(one.Modality for one in kept) == ["DOC", "SR"]


def test_a_pacs_whose_certificate_nobody_vouches_for_gets_no_object(
    runtime: Runtime, post: Post, pki: Pki, tmp_path: Path
) -> None:
    with storescp(tmp_path / "kept", pki) as port:
        settings = {**trusting(stranger()), "called_ae_title": "PACS"}
        endpoint_id = post.endpoint(EndpointWire.DICOM_SR, port, settings=settings)
        assert not try_endpoint(runtime, Actor(name="it"), endpoint_id).reached
        post.sign()
        post.send()
        assert post.states() == ["pending"]
    assert list((tmp_path / "kept").iterdir()) == []
