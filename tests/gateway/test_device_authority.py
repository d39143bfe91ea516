"""`gateway certificate`: from an empty folder to a device that may connect, and to one that may no more."""

import io
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from rich.console import Console
from sqlalchemy import select

from adapters.dicom.tls import TlsFiles, TlsServer, describe
from gateway import device_authority as certificates
from gateway.audit import AuditEvent
from gateway.device_authority import Folder
from gateway.runtime import Runtime
from worklists.directory import Device, Institution, InstitutionKind


class Said:
    """What a command printed."""

    def __init__(self) -> None:
        self.console = Console(file=io.StringIO(), width=200)

    @property
    def text(self) -> str:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def county(runtime: Runtime, said: Said) -> Runtime:
    """With an authority, and a device."""
    with runtime.sessions.begin() as session:
        township = Institution(code="T1", name="东乡卫生院", kind=InstitutionKind.TOWNSHIP)
        session.add(township)
        session.flush()
        session.add(Device(institution_id=township.id, ae_title="CT 1/A"))
    certificates.make_authority(runtime.settings, said.console)
    return runtime


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_authority_is_made_once_and_its_key_is_its_owners(county: Runtime, said: Said):
    folder = Folder(county.settings)
    before = folder.certificate.read_bytes()

    certificates.make_authority(county.settings, said.console)

    assert folder.certificate.read_bytes() == before
    assert (mode(folder.key), mode(folder.path)) == (0o600, 0o700)
    assert str(folder.certificate) in said.text


def test_the_gateways_files_serve_tls_as_they_are(county: Runtime, said: Said):
    certificates.make_gateway_certificate(
        county.settings, ["gateway.county", "10.1.0.5"], days=30, console=said.console
    )

    set_to = dict(line.split("=", 1) for line in said.text.splitlines() if line.startswith("GATEWAY_TLS_"))
    server = TlsServer(
        TlsFiles(
            certificate=Path(set_to["GATEWAY_TLS_CERTIFICATE"]),
            key=Path(set_to["GATEWAY_TLS_KEY"]),
            client_authorities=Path(set_to["GATEWAY_TLS_CLIENT_CA"]),
            revocation_list=Path(set_to["GATEWAY_TLS_REVOCATION_LIST"]),
        )
    )
    assert server.asks_for_certificates
    assert mode(Path(set_to["GATEWAY_TLS_KEY"])) == 0o600
    made = x509.load_pem_x509_certificate(Path(set_to["GATEWAY_TLS_CERTIFICATE"]).read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["gateway.county"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["10.1.0.5"]


@pytest.mark.parametrize("old", [False, True])
def test_a_device_gets_what_it_needs_in_a_folder(county: Runtime, said: Said, tmp_path: Path, old: bool):
    certificates.issue_certificate(
        county.settings, "CT 1/A", days=30, out=tmp_path / "ct", old=old, console=said.console
    )

    found = {file.name: mode(file) for file in (tmp_path / "ct").iterdir()}
    assert found["key.pem"] == found["device.p12"] == 0o600
    assert set(found) == {"key.pem", "device.p12", "certificate.pem", "authority.pem"}
    (password,) = (line.split()[-1] for line in said.text.splitlines() if line.startswith("Password"))
    key, certificate, others = pkcs12.load_key_and_certificates(
        (tmp_path / "ct" / "device.p12").read_bytes(), password.encode()
    )
    assert key is not None
    assert certificate is not None
    assert describe(certificate).subject == "CN=CT 1/A,O=东乡卫生院"
    assert len(others) == 1
    with county.reading() as session:
        events = session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [event.action for event in events] == ["device_authority_made", "certificate_issued"]
    assert events[-1].detail["sha256"] == describe(certificate).fingerprint


def test_an_unknown_device_gets_one_with_a_hint(county: Runtime, said: Said, tmp_path: Path):
    certificates.issue_certificate(
        county.settings, "NEW", days=1, out=tmp_path, old=False, console=said.console
    )

    assert "No device is registered as NEW" in said.text


@pytest.mark.parametrize("title", ["", "SEVENTEEN_LETTERS", "BACK\\SLASH", "影像", " CT"])
def test_what_is_no_ae_title_gets_none(county: Runtime, said: Said, tmp_path: Path, title: str):
    with pytest.raises(SystemExit, match="is no AE title"):
        certificates.issue_certificate(
            county.settings, title, days=1, out=tmp_path, old=False, console=said.console
        )

    assert Folder(county.settings).all_issued() == []


def test_revoked_ones_are_on_the_list_and_shown_so(county: Runtime, said: Said, tmp_path: Path):
    for title in ("A", "A", "B"):
        certificates.issue_certificate(
            county.settings, title, days=1, out=tmp_path / title, old=False, console=said.console
        )

    certificates.revoke_certificate(county.settings, "A", said.console)

    assert len(Folder(county.settings).all_revoked()) == 2
    with pytest.raises(SystemExit, match="no certificate in force"):
        certificates.revoke_certificate(county.settings, "A", said.console)
    listed = Said()
    certificates.list_certificates(county.settings, listed.console)
    assert (listed.text.count("revoked"), listed.text.count("in force")) == (2, 1)


def test_one_of_several_is_revoked_by_its_serial_number(county: Runtime, said: Said, tmp_path: Path):
    for number in range(2):
        certificates.issue_certificate(
            county.settings, "A", days=1, out=tmp_path / str(number), old=False, console=said.console
        )
    serial = Folder(county.settings).all_issued()[0].serial_number

    certificates.revoke_certificate(county.settings, f"{serial:x}", said.console)

    assert set(Folder(county.settings).all_revoked()) == {serial}


def test_without_an_authority_what_to_do_is_said(runtime: Runtime, said: Said, tmp_path: Path):
    with pytest.raises(SystemExit, match="gateway certificate authority"):
        certificates.issue_certificate(
            runtime.settings, "A", days=1, out=tmp_path, old=False, console=said.console
        )


def test_any_certificate_file_is_shown_by_what_a_device_row_wants(
    county: Runtime, said: Said, tmp_path: Path
):
    folder = Folder(county.settings)

    certificates.show_certificate(folder.certificate, said.console)

    assert describe(folder.load().certificate).fingerprint.upper() in said.text.replace(":", "")
    (tmp_path / "note").write_text("no certificate")
    with pytest.raises(SystemExit, match="holds no certificate"):
        certificates.show_certificate(tmp_path / "note", said.console)
