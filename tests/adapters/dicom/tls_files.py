"""Certificates for tests of TLS, made once per run: an authority, the gateway's, devices' good and bad."""

import functools
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from adapters.authority import write_key
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

    def weak_device(
        self, folder: Path, *, bits: int = 2048, signed_with: str = "sha256"
    ) -> tuple[Path, Path]:
        """Issued by the authority as nobody should any more, by openssl: `cryptography` would not."""
        authority_key, request = folder / "authority-key.pem", folder / "request.pem"
        certificate, key = folder / "weak.pem", folder / "weak-key.pem"
        authority_key.write_bytes(self.root.store().key_pem)
        ask = ["req", "-new", "-newkey", f"rsa:{bits}", "-nodes", "-subj", "/CN=DEMO_CT", "-keyout", key]
        sign = [
            "x509",
            "-req",
            f"-{signed_with}",
            "-days",
            "30",
            "-CA",
            self.authority,
            "-CAkey",
            authority_key,
        ]
        for words in ([*ask, "-out", request], [*sign, "-in", request, "-out", certificate]):
            subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
        return certificate, key

    def revoke(self, *certificates: Path) -> None:
        serials = [x509.load_pem_x509_certificate(one.read_bytes()).serial_number for one in certificates]
        self.revoked.write_bytes(self.root.sign_revocations([(one, NOW) for one in serials], now=NOW))


@functools.cache
def stranger() -> Pki:
    """Another authority, that nobody here believes."""
    return Pki(Path(tempfile.mkdtemp(prefix="stranger-")))


class Chain:
    """A root, an authority below it that issues the device's certificate, and a revocation list of each.

    The gateway knows `believed`: the root, and with `known_below` the authority too. The device sends its
    certificate with the authority's.
    """

    def __init__(self, folder: Path, *, known_below: bool) -> None:
        root_key, below_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(3))
        self._root = _certify("Root authority", root_key, "Root authority", root_key, authority=True)
        self._below = _certify("Authority below", below_key, "Root authority", root_key, authority=True)
        self._device = _certify("DEMO_CT", key, "Authority below", below_key, authority=False)
        self._keys = {"Root authority": root_key, "Authority below": below_key}
        self.believed, self.revoked = folder / "believed.pem", folder / "lists.pem"
        self.believed.write_bytes(_pem(self._root) + (_pem(self._below) if known_below else b""))
        self.credentials = folder / "device.pem", folder / "device-key.pem"
        self.credentials[0].write_bytes(_pem(self._device) + _pem(self._below))
        self.credentials[1].write_bytes(write_key(key))

    def list_revoked(self, **revoked: bool) -> None:
        """Write the lists that are named, revoking or not: `root` the authority, `below` the device."""
        about = {"root": ("Root authority", self._below), "below": ("Authority below", self._device)}
        lists = (self.revocations(*about[who], revoked=is_so) for who, is_so in revoked.items())
        self.revoked.write_bytes(b"".join(lists))

    def revocations(
        self, issuer: str, of: x509.Certificate, *, revoked: bool, days_ago: int = 0, delta: bool = False
    ) -> bytes:
        at = NOW - timedelta(days=days_ago)
        made = (
            x509.CertificateRevocationListBuilder().issuer_name(_name(issuer))
            .last_update(at).next_update(at + timedelta(days=30))
        )  # fmt: skip
        if revoked:
            entry = (
                x509.RevokedCertificateBuilder().serial_number(of.serial_number).revocation_date(at).build()
            )
            made = made.add_revoked_certificate(entry)
        if delta:
            made = made.add_extension(x509.DeltaCRLIndicator(7), critical=True)
        return made.sign(self._keys[issuer], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    @property
    def below(self) -> x509.Certificate:
        return self._below


def _certify(
    name: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, *, authority: bool
) -> x509.Certificate:
    return (
        x509.CertificateBuilder().subject_name(_name(name)).issuer_name(_name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(NOW - timedelta(days=9))
        .not_valid_after(NOW + timedelta(days=90))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )  # fmt: skip


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
