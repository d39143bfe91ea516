"""Reports over TLS: to an MLLP server of python's `hl7`, to dcmtk's storescp, to a FHIR server. Who is not believed
gets nothing; who demands our certificate gets reports with it alone.
"""

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import select

from gateway.audit import Actor
from gateway.certificate_ends import certificates_for_endpoints
from gateway.deliveries.endpoints import change_endpoint, try_endpoint
from gateway.deliveries.rows import Endpoint, EndpointWire
from gateway.directory import FieldErrors
from gateway.runtime import Runtime
from tests.adapters.dicom.conftest import DCMTK
from tests.adapters.dicom.tls_files import Pki, stranger
from tests.builders import NOW
from tests.conftest import Clock
from tests.gateway.deliveries.conftest import Post
from tests.gateway.deliveries.fhir_server import running_fhir_server
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
def storescp(folder: Path, pki: Pki, *, demands: bool = False) -> Iterator[int]:
    """dcmtk's, with TLS alone, which demands a certificate or asks nobody for one."""
    program = DCMTK / "storescp"
    if not program.exists():
        pytest.skip("dcmtk's storescp is not installed")
    folder.mkdir()
    [port] = free_ports(1)
    asks = ["-rc", "+cf", pki.authority] if demands else ["-ic"]
    process = subprocess.Popen(
        [program, "-aet", "PACS", "-od", folder, "+tls", pki.key, pki.certificate, *asks, "+xa", str(port)],
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


def demanding(pki: Pki) -> ssl.SSLContext:
    """Of a server that speaks to nobody without a certificate of its authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.certificate, pki.key)
    context.load_verify_locations(pki.authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def ours(pki: Pki) -> dict[str, Any]:
    """What is entered: the certificate among the settings, its key apart."""
    certificate, key = pki.device("GATEWAY")
    settings = {
        "authorities_pem": pki.authority.read_text(),
        "certificate_pem": certificate.read_text(),
        "within_s": 10,
    }
    return {"settings": settings, "client_key": key.read_text()}


@contextmanager
def tls_before(port: int, pki: Pki) -> Iterator[int]:
    """What stands before a hospital's server: it ends TLS, demands a certificate, and passes on what comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = demanding(pki)

    def answer(line: socket.socket) -> None:
        with (
            suppress(OSError),
            line,
            context.wrap_socket(line, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port), timeout=60) as server,
        ):
            back = threading.Thread(target=pass_on, args=(server, client), daemon=True)
            back.start()
            pass_on(client, server)
            back.join(60)

    def serve() -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def pass_on(of: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while data := of.recv(65536):
            to.sendall(data)
    with suppress(OSError):
        to.shutdown(socket.SHUT_WR)


def test_a_fhir_server_that_demands_a_certificate_gets_reports_with_ours_alone(
    runtime: Runtime, post: Post, pki: Pki
) -> None:
    with running_fhir_server() as peer, tls_before(peer.port, pki) as port:
        entered = ours(pki)
        url = {"url": f"https://localhost:{port}/fhir"}
        post.sign()
        without = {**entered["settings"], **url, "certificate_pem": ""}
        endpoint_id = post.add(EndpointWire.FHIR, without)
        post.sign()
        post.send()
        assert (post.states(), peer.all("DiagnosticReport")) == (["pending"], [])
        assert not try_endpoint(runtime, Actor(name="it"), endpoint_id).reached

        strange = ours(stranger())
        changes = {"settings": {**strange["settings"], **url, "authorities_pem": pki.authority.read_text()}}
        change_endpoint(
            runtime, Actor(name="admin"), endpoint_id, {**changes, "client_key": strange["client_key"]}
        )
        post.send()
        assert (post.states(), peer.all("DiagnosticReport")) == (["pending"], [])

        changes = {"settings": {**entered["settings"], **url}, "client_key": entered["client_key"]}
        change_endpoint(runtime, Actor(name="admin"), endpoint_id, changes)
        assert try_endpoint(runtime, Actor(name="it"), endpoint_id).answer.startswith("FHIR 4")
        post.send()
        assert (post.states(), peer.one("DiagnosticReport")["status"]) == (["sent"], "final")
        with runtime.reading() as session:
            [until] = certificates_for_endpoints(session)
            row = session.scalars(select(Endpoint)).one()
            kept, settings = row.client_key or b"", json.dumps(row.settings)
        assert until.name == "城东 HIS" and until.ends_at > NOW
        assert b"PRIVATE" not in kept and "PRIVATE" not in settings


def test_a_hospitals_system_that_demands_a_certificate_gets_the_message(
    runtime: Runtime, post: Post, pki: Pki
) -> None:
    with HospitalSystem().listening(ssl=demanding(pki)) as system:
        bare = post.endpoint(EndpointWire.HL7_ORU, system.port, settings=trusting(pki))
        refused = try_endpoint(runtime, Actor(name="it"), bare)
        assert (refused.reached, "certificate" in refused.answer) == (False, True), refused.answer
        entered = ours(pki)
        settings = {**trusting(pki), "certificate_pem": entered["settings"]["certificate_pem"]}
        change_endpoint(runtime, Actor(name="admin"), bare, {"enabled": False})
        right = post.endpoint(
            EndpointWire.HL7_ORU, system.port, settings=settings, client_key=entered["client_key"]
        )
        assert try_endpoint(runtime, Actor(name="it"), right).reached
        post.sign()
        while post.send():
            pass
        assert post.states() == ["sent"]
        assert len(system.received) == 1


def test_a_pacs_that_demands_a_certificate_gets_the_document(
    runtime: Runtime, post: Post, pki: Pki, tmp_path: Path
) -> None:
    with storescp(tmp_path / "kept", pki, demands=True) as port:
        called = {"called_ae_title": "PACS", "tls": True}
        bare = post.endpoint(EndpointWire.DICOM_PDF, port, settings={**trusting(pki), **called})
        assert not try_endpoint(runtime, Actor(name="it"), bare).reached
        entered = ours(pki)
        changes = {"settings": {"host": "127.0.0.1", "port": port, **called, **entered["settings"]}}
        change_endpoint(runtime, Actor(name="admin"), bare, {**changes, "client_key": entered["client_key"]})
        assert try_endpoint(runtime, Actor(name="it"), bare).answer == "C-ECHO 0000"
        post.sign()
        while post.send():
            pass
        assert post.states() == ["sent"]


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"client_key": None}, "client_key", "required"),
        ({"client_key": "no key"}, "client_key", "unusable"),
        ({"client_key": "another"}, "client_key", "unusable"),
        ({"certificate_pem": ""}, "client_key", "unusable"),
        ({"certificate_pem": "no certificate"}, "settings.certificate_pem", "unusable"),
        ({"url": "http://127.0.0.1:1/fhir"}, "settings.certificate_pem", "unusable"),
    ],
)
def test_a_certificate_and_its_key_are_entered_together(
    post: Post, pki: Pki, fields: dict[str, Any], field: str, reason: str
) -> None:
    entered = ours(pki)
    settings = {**entered["settings"], "url": "https://localhost:1/fhir"}
    settings |= {name: value for name, value in fields.items() if name in settings}
    key = fields.get("client_key", entered["client_key"])
    key = pki.device("OTHER")[1].read_text() if key == "another" else key
    with pytest.raises(FieldErrors) as wrong:
        post.add(EndpointWire.FHIR, settings, client_key=key)
    assert wrong.value.reasons == {field: reason}


def test_another_certificate_needs_its_own_key_and_none_takes_the_key_away(
    runtime: Runtime, post: Post, pki: Pki
) -> None:
    entered = ours(pki)
    settings = {**entered["settings"], "url": "https://localhost:1/fhir"}
    endpoint_id = post.add(EndpointWire.FHIR, settings, client_key=entered["client_key"])
    change_endpoint(runtime, Actor(name="admin"), endpoint_id, {"settings": {**settings, "within_s": 5}})
    other = {**settings, "certificate_pem": pki.device("OTHER")[0].read_text()}
    with pytest.raises(FieldErrors) as wrong:
        change_endpoint(runtime, Actor(name="admin"), endpoint_id, {"settings": other})
    assert wrong.value.reasons == {"client_key": "required"}
    change_endpoint(
        runtime, Actor(name="admin"), endpoint_id, {"settings": {**settings, "certificate_pem": ""}}
    )
    with runtime.reading() as session:
        assert session.get_one(Endpoint, endpoint_id).has_client_key is False
