"""Certificates for tests of TLS, made once per run: an authority, the gateway's, devices' good and bad."""

import functools
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from adapters.dicom.authority import DeviceAuthority
from adapters.dicom.tls import TlsFiles

NOW = datetime.now(UTC).replace(microsecond=0)


class Pki:
    """Files in a folder; `device` gives the paths of a certificate and its key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.root = DeviceAuthority.create("Test authority", now=NOW - timedelta(days=400))
        self.authority = folder / "authority.pem"
        self.authority.write_bytes(self.root.certificate_pem)
        self.revoked = folder / "revoked.pem"
        self.revoke()
        self.certificate, self.key = folder / "gateway.pem", folder / "gateway-key.pem"
        self.renew_gateway()

    @property
    def files(self) -> TlsFiles:
        return TlsFiles(
            certificate=self.certificate,
            key=self.key,
            client_authorities=self.authority,
            revocation_list=self.revoked,
        )

    def renew_gateway(self) -> None:
        made, _ = self.root.issue_server(["localhost", "127.0.0.1"], days=30, now=NOW)
        self.certificate.write_bytes(made.certificate_pem)
        self.key.write_bytes(made.key_pem)

    def device(self, ae_title: str, *, days: int = 30, now: datetime = NOW) -> tuple[Path, Path]:
        made, _ = self.root.issue_device(ae_title, "东乡卫生院", days=days, now=now)
        certificate, key = self.folder / f"{ae_title}.pem", self.folder / f"{ae_title}-key.pem"
        certificate.write_bytes(made.certificate_pem)
        key.write_bytes(made.key_pem)
        return certificate, key

    def revoke(self, *certificates: Path) -> None:
        serials = [x509.load_pem_x509_certificate(one.read_bytes()).serial_number for one in certificates]
        self.revoked.write_bytes(self.root.sign_revocations([(one, NOW) for one in serials], now=NOW))


@functools.cache
def stranger() -> Pki:
    """Another authority, that nobody here believes."""
    return Pki(Path(tempfile.mkdtemp(prefix="stranger-")))
