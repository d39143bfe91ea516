"""TLS at the DICOM port: what is offered, who comes in, and what is said to and about the others (PS3.15 B.12)."""

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom import AE

from adapters.dicom.tls import SUITES_OF_TLS_1_2, TlsFiles, TlsServer, Unusable
from tests.adapters.dicom import wire
from tests.adapters.dicom.conftest import DCMTK
from tests.adapters.dicom.memory import Server
from tests.adapters.dicom.tls_files import NOW, Chain, Pki, stranger
from tests.adapters.dicom.wire import Peer

VERIFICATION = "1.2.840.10008.1.1"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def secured(pki: Pki, request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(on_uvloop=request.param)
    server.tls = TlsServer(pki.files, look_again_s=0)
    with server:
        yield server


@pytest.fixture
def tls_server(pki: Pki) -> Iterator[Server]:
    server = Server(artim_s=1)
    server.tls = TlsServer(pki.files, look_again_s=0)
    with server:
        yield server


def client(pki: Pki, credentials: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pki.authority)
    if credentials:
        context.load_cert_chain(*credentials)
    return context


def echo(server: Server, context: ssl.SSLContext, calling: str = "DEMO_CT") -> int | None:
    """The status of C-ECHO by pynetdicom; None when there was no association."""
    entity = AE(ae_title=calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    entity.add_requested_context(VERIFICATION)
    association = entity.associate(
        "127.0.0.1", server.port, ae_title="GATEWAY", tls_args=(context, "localhost")
    )
    if not association.is_established:
        return None
    status = association.send_c_echo().Status
    association.release()
    return status


def dcmtk(program: str, server: Server, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    if not (DCMTK / program).exists():
        pytest.skip(f"dcmtk's {program} is not installed")
    command = [DCMTK / program, "-aet", "DEMO_CT", "-aec", "GATEWAY", *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=60, check=False
    )


def s_client(server: Server, *options: str | Path) -> str:
    """What openssl says of a handshake."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", *map(str, options)]
    found = subprocess.run(command, input="", capture_output=True, text=True, timeout=30, check=False)
    return found.stdout + found.stderr


def refused_causes(server: Server) -> list[str]:
    deadline = time.monotonic() + 5
    while not (noted := server.intake.noted("dicom.connection")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return [note["cause"] for note in noted]


def test_pynetdicom_stores_over_tls_and_its_certificate_is_in_the_origin(secured: Server, pki: Pki, ct: Path):
    context = client(pki, pki.device("DEMO_CT"))
    entity = AE(ae_title="DEMO_CT")
    entity.add_requested_context(dcmread(ct).SOPClassUID, dcmread(ct).file_meta.TransferSyntaxUID)
    association = entity.associate(
        "127.0.0.1", secured.port, ae_title="GATEWAY", tls_args=(context, "localhost")
    )

    assert association.send_c_store(ct).Status == 0
    association.release()

    [record] = secured.intake.records
    [over] = secured.directory.heard_over
    assert over is not None
    assert over.certificate is not None
    assert (over.certificate.common_name, record.origin["certificate"]) == (
        "DEMO_CT",
        over.certificate.fingerprint,
    )
    assert record.origin["tls"] == "TLSv1.3"


def test_storescu_of_dcmtk_stores_over_tls(tls_server: Server, pki: Pki, ct: Path):
    certificate, key = pki.device("DEMO_CT")

    found = dcmtk(
        "storescu", tls_server, "+tls", key, certificate, "+cf", pki.authority, "-ic", "127.0.0.1",
        str(tls_server.port), ct,
    )  # fmt: skip

    assert found.returncode == 0, found.stderr
    assert len(tls_server.intake.records) == 1


def test_dcmtk_without_a_certificate_comes_as_far_as_the_directory(tls_server: Server, pki: Pki):
    found = dcmtk(
        "echoscu", tls_server, "+tla", "+cf", pki.authority, "-ic", "127.0.0.1", str(tls_server.port)
    )

    assert found.returncode == 0, found.stderr
    [over] = tls_server.directory.heard_over
    assert over is not None
    assert over.certificate is None


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_tls_1_2_and_1_3_are_spoken(tls_server: Server, version: str):
    assert re.search(r"Cipher is (TLS_|ECDHE)", s_client(tls_server, version))


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_nothing_below_tls_1_2_is_spoken(tls_server: Server, version: str):
    said = s_client(tls_server, version, "-cipher", "ALL:@SECLEVEL=0")

    assert "Cipher is (NONE)" in said
    assert refused_causes(tls_server) == ["tls_version"]


@pytest.mark.parametrize("suite", SUITES_OF_TLS_1_2)
def test_suites_with_forward_secrecy_and_authenticated_encryption_are_offered(pki: Pki, suite: str):
    offered = {one["name"] for one in TlsServer(pki.files).context().get_ciphers()}

    assert suite in offered
    assert all(name in SUITES_OF_TLS_1_2 or name.startswith("TLS_") for name in offered)


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "DHE-RSA-AES256-SHA256"])
def test_suites_without_them_are_not(tls_server: Server, suite: str):
    said = s_client(tls_server, "-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")

    assert "Cipher is (NONE)" in said
    assert refused_causes(tls_server) == ["tls_suites"]


def test_there_is_no_renegotiation_no_ticket_and_no_compression(tls_server: Server):
    said = s_client(tls_server, "-tls1_2")

    assert (
        "Secure Renegotiation IS supported" in said
    )  # RFC 5746, so that a client need not fear an injected one
    assert "Compression: NONE" in said
    assert "TLS session ticket:" not in said


def test_a_certificate_of_another_authority_is_refused(secured: Server, pki: Pki):
    assert echo(secured, client(pki, stranger().device("DEMO_CT"))) is None

    assert refused_causes(secured) == ["certificate_unknown"]
    assert secured.acceptor.counters.connections_refused["certificate_unknown"] == 1
    assert echo(secured, client(pki, pki.device("DEMO_CT"))) == 0


def test_an_expired_certificate_is_refused(secured: Server, pki: Pki):
    old = pki.device("OLD_CT", days=30, now=NOW - timedelta(days=60))

    assert echo(secured, client(pki, old)) is None

    assert refused_causes(secured) == ["certificate_expired"]


def test_a_certificate_that_is_not_yet_in_force_is_refused(secured: Server, pki: Pki):
    early = pki.device("EARLY_CT", now=NOW + timedelta(days=2))

    assert echo(secured, client(pki, early)) is None

    assert refused_causes(secured) == ["certificate_not_yet_valid"]


@pytest.mark.parametrize("weakness", [{"bits": 1024}, {"signed_with": "sha1"}], ids=["key", "signature"])
def test_a_weak_certificate_is_refused(tls_server: Server, pki: Pki, tmp_path: Path, weakness: Any):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    weak.set_ciphers("DEFAULT:@SECLEVEL=0")
    weak.load_verify_locations(pki.authority)
    weak.load_cert_chain(*pki.weak_device(tmp_path, **weakness))

    assert echo(tls_server, weak) is None

    assert refused_causes(tls_server) == ["certificate_weak"]


def test_a_revoked_certificate_is_refused_by_name_and_without_a_restart(secured: Server, pki: Pki):
    lost, kept = pki.device("LOST_CT"), pki.device("KEPT_CT")
    assert echo(secured, client(pki, lost)) == 0

    pki.revoke(lost[0])

    assert echo(secured, client(pki, lost)) is None
    [noted] = secured.intake.noted("dicom.connection")
    assert noted["cause"] == "certificate_revoked"
    assert "CN=LOST_CT" in noted["certificate"]
    assert echo(secured, client(pki, kept)) == 0
    pki.revoke()


def test_a_peer_that_does_not_trust_the_gateway_is_named(tls_server: Server, pki: Pki):
    assert echo(tls_server, client(stranger())) is None

    assert refused_causes(tls_server) == ["gateway_not_trusted"]


def test_plain_dicom_on_the_tls_port_is_refused_and_named(secured: Server):
    with Peer(secured.connect()) as peer:
        peer.send(wire.associate_rq())
        assert peer.connection.recv(100)[:1] in (b"", b"\x15")  # at most a TLS alert

    assert refused_causes(secured) == ["plain_on_tls_port"]


def test_tls_on_the_plain_port_is_refused_and_named(server: Server, pki: Pki):
    assert echo(server, client(pki)) is None

    assert refused_causes(server) == ["tls_on_plain_port"]


def test_a_handshake_that_does_not_come_to_its_end_is_cut_after_artim(tls_server: Server, pki: Pki):
    hello = ssl.MemoryBIO()
    attempt = client(pki).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        attempt.do_handshake()
    rest = hello.read()
    began = time.monotonic()
    with tls_server.connect() as silent, tls_server.connect() as slow:
        with pytest.raises(ConnectionError):
            for byte in rest:  # some 500, ten a second
                slow.sendall(bytes([byte]))
                time.sleep(0.1)
        assert silent.recv(1) == b""
    assert time.monotonic() - began < 5
    assert echo(tls_server, client(pki)) == 0


def test_a_new_certificate_is_used_without_a_restart_and_a_bad_one_is_not(tls_server: Server, pki: Pki):
    before = _fingerprint(tls_server, pki)

    pki.certificate.write_text("half of it")
    assert _fingerprint(tls_server, pki) == before
    assert tls_server.tls is not None
    assert "no certificate in PEM" in str(tls_server.tls.error)

    pki.renew_gateway()
    assert _fingerprint(tls_server, pki) != before
    assert tls_server.tls.error is None


def test_a_devices_own_certificate_is_believed_when_it_is_in_the_file(pki: Pki, tmp_path: Path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, own = tmp_path / "key.pem", tmp_path / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=VENDOR_US", "-days", "1",
         "-keyout", key, "-out", own], check=True, capture_output=True,
    )  # fmt: skip
    together = tmp_path / "clients.pem"
    together.write_bytes(pki.authority.read_bytes() + own.read_bytes())
    server = Server()
    server.tls = TlsServer(
        TlsFiles(
            certificate=pki.certificate, key=pki.key, client_authorities=together, revocation_list=pki.revoked
        )
    )
    with server:
        assert echo(server, client(pki, (own, key))) == 0
        assert echo(server, client(pki, pki.device("DEMO_CT"))) == 0


def test_a_revocation_list_that_is_out_of_date_lets_nobody_in(pki: Pki, tmp_path: Path):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    key = serialization.load_pem_private_key(pki.root.store().key_pem, None)
    stale = (
        x509.CertificateRevocationListBuilder().issuer_name(pki.root.certificate.subject)
        .last_update(NOW - timedelta(days=9)).next_update(NOW - timedelta(days=2)).sign(key, hashes.SHA256())
    )  # fmt: skip
    old = tmp_path / "old.crl"
    old.write_bytes(stale.public_bytes(serialization.Encoding.DER))
    server = Server()
    server.tls = TlsServer(
        TlsFiles(
            certificate=pki.certificate, key=pki.key, client_authorities=pki.authority, revocation_list=old
        )
    )
    with server:
        assert echo(server, client(pki, pki.device("DEMO_CT"))) is None
        assert refused_causes(server) == ["revocation_list_over"]


@pytest.mark.parametrize(
    ("known_below", "lists", "cause"),
    [
        (False, {"root": False}, None),
        (False, {"root": True}, "authority_revoked"),
        (True, {"root": True}, "authority_revoked"),
        (True, {"below": False}, None),
        (True, {"below": True}, "certificate_revoked"),
        (True, {"below": True, "root": True}, "certificate_revoked"),
    ],
)
def test_every_certificate_of_a_chain_is_judged_by_its_issuers_list(
    pki: Pki, tmp_path: Path, known_below: bool, lists: dict[str, bool], cause: str | None
):
    chain = Chain(tmp_path, known_below=known_below)
    chain.list_revoked(**lists)
    server = chained(pki, chain)
    with server:
        assert echo(server, client(pki, chain.credentials)) == (0 if cause is None else None)
        if cause is not None:
            assert refused_causes(server) == [cause]


def test_an_old_list_of_an_authority_above_lets_nobody_in(pki: Pki, tmp_path: Path):
    chain = Chain(tmp_path, known_below=False)
    chain.revoked.write_bytes(chain.revocations("Root authority", chain.below, revoked=False, days_ago=40))
    with chained(pki, chain) as server:
        assert echo(server, client(pki, chain.credentials)) is None
        assert refused_causes(server) == ["revocation_list_over"]


def test_of_two_lists_of_one_authority_the_later_counts_wherever_it_stands(pki: Pki, tmp_path: Path):
    chain = Chain(tmp_path, known_below=False)
    new = chain.revocations("Root authority", chain.below, revoked=True)
    old = chain.revocations("Root authority", chain.below, revoked=False, days_ago=2)
    for together in (new + old, old + new):
        chain.revoked.write_bytes(together)
        with chained(pki, chain) as server:
            assert echo(server, client(pki, chain.credentials)) is None


def test_a_list_of_changes_alone_is_no_list(pki: Pki, tmp_path: Path):
    chain = Chain(tmp_path, known_below=False)
    chain.revoked.write_bytes(chain.revocations("Root authority", chain.below, revoked=True, delta=True))

    with pytest.raises(Unusable, match="only what changed"):
        chained(pki, chain)


def chained(pki: Pki, chain: Chain) -> Server:
    """A gateway that believes the authorities of a chain."""
    server = Server()
    server.tls = TlsServer(
        TlsFiles(
            certificate=pki.certificate, key=pki.key, client_authorities=chain.believed,
            revocation_list=chain.revoked,
        )
    )  # fmt: skip
    return server


def test_one_peer_that_is_refused_again_and_again_leaves_one_note_a_minute(tls_server: Server):
    for _ in range(5):
        with Peer(tls_server.connect()) as peer:
            peer.send(wire.associate_rq())
            peer.read_pdu()

    assert refused_causes(tls_server) == ["plain_on_tls_port"]
    assert tls_server.acceptor.counters.connections_refused["plain_on_tls_port"] == 5


@pytest.mark.parametrize(
    ("spoilt", "words"),
    [
        ("certificate", "holds no certificate"),
        ("key", "is no private key"),
        ("other key", "is not the certificate's key"),
        ("encrypted key", "is encrypted"),
        ("client_authorities", "holds no certificate"),
        ("revocation_list", "holds no certificate revocation list"),
        ("other list", "is not signed by one of the client authorities"),
        ("missing", "No such file"),
    ],
)
def test_files_that_cannot_serve_are_named(pki: Pki, tmp_path: Path, spoilt: str, words: str):
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    (tmp_path / "encrypted.pem").write_bytes(pki.root.store(passphrase=b"secret").key_pem)
    wrong = {
        "other key": {"key": stranger().key},
        "encrypted key": {"key": tmp_path / "encrypted.pem"},
        "other list": {"revocation_list": stranger().revoked},
        "missing": {"certificate": tmp_path / "none.pem"},
    }.get(spoilt, {spoilt: rubbish})
    given = {
        "certificate": pki.certificate,
        "key": pki.key,
        "client_authorities": pki.authority,
        "revocation_list": pki.revoked,
    }

    with pytest.raises(Unusable, match=words):
        TlsServer(TlsFiles(**{**given, **wrong}))


def _fingerprint(server: Server, pki: Pki) -> bytes:
    with (
        socket.create_connection(("127.0.0.1", server.port)) as raw,
        client(pki).wrap_socket(raw, server_hostname="localhost") as connection,
    ):
        found = connection.getpeercert(binary_form=True)
        assert found
        return found
