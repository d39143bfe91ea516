"""Analysers over TLS, through the ports and the process that a county runs: who is let in, who is not, and why."""

import socket
import ssl
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from gateway.doors import open_doors
from gateway.index import Record, Refusal
from gateway.runtime import Runtime, utc_now
from gateway.settings import Settings
from gateway.web.refusals import explain
from tests.adapters.dicom.tls_files import Pki, stranger
from tests.builders import build_county
from tests.gateway.lab.listening import Hl7Line, drain, listening, oru, tell_listeners
from tests.instruments import ACK, Instrument
from tests.journeys.gateways import wait_for
from tests.laboratory import build_laboratory, register
from tests.servers import free_ports, need
from worklists.directory import Device, TlsException
from worklists.laboratory.results import LabResult

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

BENCH = "EAST_LAB"
CRP = (
    "H|\\^&|||BC-5300|||||||P|1|20261121143000",
    "O|1|B001||^^^HGB|R",
    "R|1|^^^HGB|142|g/L||N||F",
    "L|1|N",
)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def secured(runtime: Runtime, pki: Pki) -> Iterator[Settings]:
    """The laboratory process of a county that requires TLS, and knows one bench."""
    with runtime.sessions.begin() as session:
        county = build_county(session)
        build_laboratory(session, county).bench.sender = "BC-5300"
        register(session, county, "B001")
    tell_listeners(runtime)
    mllp, mllp_tls, astm, astm_tls = free_ports(4)
    settings = runtime.settings.model_copy(
        update={
            "tls_certificate": pki.certificate, "tls_key": pki.key, "tls_client_ca": pki.authority,
            "tls_revocation_list": pki.revoked, "lab_require_tls": True, "dicom_port": 0, "dicom_tls_port": 0,
            "mllp_port": mllp, "mllp_tls_port": mllp_tls, "astm_port": astm, "astm_tls_port": astm_tls,
        }
    )  # fmt: skip
    doors = open_doors(settings)
    with listening(settings, doors.lab):
        yield settings
    for door in doors.dicom:
        door.listener.close()


def shows(pki: Pki, credentials: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=pki.authority)
    if credentials is not None:
        context.load_cert_chain(*credentials)
    return context


def values(runtime: Runtime) -> dict[str, str]:
    drain(runtime)
    with runtime.reading() as session:
        return {one.item_code: one.value for one in session.scalars(select(LabResult))}


def wait_until_told(runtime: Runtime, *causes: str) -> None:
    """The IT page says so, in words; nobody waits for a note to be written."""

    def told() -> bool:
        drain(runtime)
        with runtime.reading() as session:
            rows = session.scalars(select(Refusal)).all()
        assert all(explain(row.what, row.reason, "", "zh-CN", cause=row.cause)[0] for row in rows)
        return set(causes) <= {row.cause for row in rows}

    wait_for(told, 10, f"{causes} are told of")


def test_an_analyser_with_its_certificate_is_let_in_on_both_wires_and_filed(
    runtime: Runtime, pki: Pki, secured: Settings
) -> None:
    own = shows(pki, pki.device(BENCH))
    with Hl7Line(secured.mllp_tls_port, tls=own) as line:
        assert "MSA|AA|1" in line.ask(oru())
    with Instrument(secured.astm_tls_port, tls=own) as analyser:
        assert analyser.send(CRP) == ACK * 5

    assert values(runtime)["WBC"] == "5.50"
    with runtime.reading() as session:
        records = session.scalars(
            select(Record).where(Record.kind.in_(["hl7.message", "astm.message"]))
        ).all()
    assert {one.kind for one in records} == {"hl7.message", "astm.message"}
    assert {bool(one.origin["tls"]) and len(one.origin["certificate"]) for one in records} == {64}


def test_another_s_certificate_or_none_is_refused_and_it_people_can_see_why(
    runtime: Runtime, pki: Pki, secured: Settings
) -> None:
    with Hl7Line(secured.mllp_tls_port, tls=shows(pki, pki.device("WEST_LAB"))) as line:
        assert "MSA|AR|1" in line.ask(oru())
    with Hl7Line(secured.mllp_tls_port, tls=shows(pki, None)) as line:
        assert "MSA|AR|1" in line.ask(oru())
    with Instrument(secured.astm_tls_port, tls=shows(pki, None)) as analyser:
        assert ACK * 3 not in analyser.send(CRP)
    with Hl7Line(secured.mllp_port) as plain:
        assert "MSA|AR|1" in plain.ask(oru())

    assert values(runtime) == {}
    wait_until_told(runtime, "certificate_wrong", "certificate_missing", "tls_required")


def test_a_device_s_own_exceptions_are_kept_to(runtime: Runtime, pki: Pki, secured: Settings) -> None:
    except_bench(runtime, TlsException.NO_CERTIFICATE)
    with Hl7Line(secured.mllp_tls_port, tls=shows(pki, None)) as line:
        assert "MSA|AA|1" in line.ask(oru())
    with Hl7Line(secured.mllp_port) as plain:
        assert "MSA|AR|2" in plain.ask(oru(control_id="2"))

    except_bench(runtime, TlsException.PLAIN)

    def let_in() -> bool:  # the directory is looked at once a second
        with Hl7Line(secured.mllp_port) as plain:
            return "MSA|AA|3" in plain.ask(oru(control_id="3"))

    wait_for(let_in, 10, "the exception is known at the door")


def test_who_is_revoked_or_of_another_authority_comes_to_nothing(
    runtime: Runtime, pki: Pki, secured: Settings
) -> None:
    own = shows(pki, pki.device(BENCH))
    assert not is_heard(secured, shows(pki, stranger().device(BENCH)))
    assert is_heard(secured, own)

    pki.revoke(pki.folder / f"{BENCH}.pem")
    try:
        wait_for(lambda: not is_heard(secured, own), 10, "the revocation is known")
    finally:
        pki.revoke()

    wait_until_told(runtime, "certificate_unknown", "certificate_revoked")


def test_old_tls_and_plain_bytes_on_the_tls_ports_are_refused_and_harm_nobody(
    runtime: Runtime, pki: Pki, secured: Settings
) -> None:
    need("openssl", "Debian's package openssl")
    for port in (secured.mllp_tls_port, secured.astm_tls_port):
        for version in ("-tls1", "-tls1_1"):
            said = handshake(port, version, "-cipher", "ALL:@SECLEVEL=0")
            assert "Cipher is (NONE)" in said
        assert "TLSv1.2" in handshake(port, "-tls1_2")
    silent = [socket.create_connection(("127.0.0.1", secured.mllp_tls_port)) for _ in range(20)]
    with Hl7Line(secured.mllp_tls_port) as plain:
        assert plain.ask(oru()) == ""
    with Instrument(secured.astm_tls_port) as analyser:
        analyser.say(b"\x05" * 16)
        assert b"\x06" not in analyser.hear(64)

    assert is_heard(secured, shows(pki, pki.device(BENCH)))
    for one in silent:
        one.close()
    assert values(runtime)["WBC"] == "5.50"
    wait_until_told(runtime, "tls_version", "plain_on_tls_port")


def except_bench(runtime: Runtime, exception: TlsException) -> None:
    with runtime.sessions.begin() as session:
        bench = session.scalars(select(Device).where(Device.ae_title == BENCH)).one()
        bench.tls_exception, bench.tls_exception_reason = exception, "of the maker's software"
        bench.tls_exception_until = utc_now().date() + timedelta(days=2)
    tell_listeners(runtime)


def is_heard(secured: Settings, context: ssl.SSLContext) -> bool:
    """Whether a message is acknowledged; one that comes to nothing is not answered at all."""
    try:
        with Hl7Line(secured.mllp_tls_port, tls=context) as line:
            return "MSA|AA|1" in line.ask(oru())
    except OSError:  # of TLS 1.3 the refusal comes after what the client takes for the end of the handshake
        return False


def handshake(port: int, *options: str) -> str:
    found = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options],
        input="", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    return found.stdout + found.stderr
