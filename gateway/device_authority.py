"""Certificates for devices, from the command line: the county's own authority, what it issued, what it took back.

Everything lies in `keys/devices/` of the data dir, private keys readable by their owner alone. Each act is audited.
"""

import os
import re
import secrets
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from rich.console import Console
from rich.table import Column, Table
from sqlalchemy import select

from adapters.dicom.admission import read_ae_title
from adapters.dicom.authority import DeviceAuthority, write_p12
from adapters.dicom.tls import describe
from gateway import audit
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.users import ACTOR
from worklists.directory import Device

AUTHORITY_NAME = "Shared-Centre Gateway device authority"
_PASSWORD_BYTES = 9  # twelve characters, to be typed once


class Folder:
    """Where the authority keeps its files."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.data_dir / "keys" / "devices"
        self.certificate, self.key = self.path / "authority.pem", self.path / "authority-key.pem"
        self.revoked = self.path / "revoked.pem"
        self.gateway, self.gateway_key = self.path / "gateway.pem", self.path / "gateway-key.pem"
        self.issued = self.path / "issued"

    def load(self) -> DeviceAuthority:
        if not self.certificate.exists():
            raise SystemExit("there is no authority yet: run `gateway certificate authority` first")
        try:
            return DeviceAuthority.load(self.certificate.read_bytes(), self.key.read_bytes())
        except ValueError as error:
            raise SystemExit(f"{self.key}: {error}") from error

    def keep_issued(self, certificate: x509.Certificate, pem: bytes) -> None:
        self.issued.mkdir(exist_ok=True)
        (self.issued / f"{certificate.serial_number:x}.pem").write_bytes(pem)

    def all_issued(self) -> list[x509.Certificate]:
        found = [x509.load_pem_x509_certificate(file.read_bytes()) for file in self.issued.glob("*.pem")]
        return sorted(found, key=lambda one: (describe(one).common_name, one.not_valid_before_utc))

    def all_revoked(self) -> dict[int, datetime]:
        listed = x509.load_pem_x509_crl(self.revoked.read_bytes())
        return {entry.serial_number: entry.revocation_date_utc for entry in listed}


def make_authority(settings: Settings, console: Console) -> None:
    """Make the authority once; say where it is and what it is known by."""
    folder, runtime = Folder(settings), open_runtime(settings)
    if not folder.certificate.exists():
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = DeviceAuthority.create(AUTHORITY_NAME, now=runtime.now())
        _audit(runtime, "device_authority_made", describe(authority.certificate).fingerprint)
        write_private(folder.key, authority.store().key_pem)
        folder.revoked.write_bytes(authority.sign_revocations([], now=runtime.now()))
        folder.certificate.write_bytes(authority.certificate_pem)
    found = folder.load().certificate
    _say(console, f"Authority: {folder.certificate}")
    _say(console, f"SHA-256 {spell(describe(found).fingerprint)}, until {found.not_valid_after_utc:%Y-%m-%d}")
    _say(console, "Every device gets this file (it is public), so that it believes the gateway.")


def make_gateway_certificate(settings: Settings, names: list[str], *, days: int, console: Console) -> None:
    """Certify the gateway for the names and addresses that devices call; say what to set."""
    folder, runtime = Folder(settings), open_runtime(settings)
    made, certificate = folder.load().issue_server(names, days=days, now=runtime.now())
    _audit(runtime, "certificate_issued", describe(certificate).fingerprint, names=names)
    folder.keep_issued(certificate, made.certificate_pem)
    write_private(folder.gateway_key, made.key_pem)
    replace(folder.gateway, made.certificate_pem)
    _say(console, f"The gateway's certificate, until {certificate.not_valid_after_utc:%Y-%m-%d}. Set, once:")
    _say(
        console,
        f"GATEWAY_TLS_CERTIFICATE={folder.gateway.resolve()}\nGATEWAY_TLS_KEY={folder.gateway_key.resolve()}\n"
        f"GATEWAY_TLS_CLIENT_CA={folder.certificate.resolve()}\n"
        f"GATEWAY_TLS_REVOCATION_LIST={folder.revoked.resolve()}",
    )


def issue_certificate(
    settings: Settings, ae_title: str, *, days: int, out: Path | None, old: bool, console: Console
) -> None:
    """Certify a device; write what it needs into a folder of its own."""
    if read_ae_title(ae_title.encode("utf-8", "replace")) != ae_title or len(ae_title) > 16:
        raise SystemExit(
            f"{ae_title} is no AE title: 1 to 16 ASCII characters, no backslash, no outer blanks"
        )
    folder, runtime = Folder(settings), open_runtime(settings)
    authority = folder.load()
    with runtime.reading() as session:
        device = session.scalars(select(Device).where(Device.ae_title == ae_title)).first()
        institution = device.institution.name if device else ""
    made, certificate = authority.issue_device(ae_title, institution, days=days, now=runtime.now())
    target = out or Path(re.sub(r"[^A-Za-z0-9_-]", "_", ae_title))
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    _audit(runtime, "certificate_issued", describe(certificate).fingerprint, names=[ae_title])
    folder.keep_issued(certificate, made.certificate_pem)
    write_private(target / "key.pem", made.key_pem)
    write_private(
        target / "device.p12",
        write_p12(made, authority.certificate, name=ae_title, password=password, old=old),
    )
    (target / "certificate.pem").write_bytes(made.certificate_pem)
    (target / "authority.pem").write_bytes(authority.certificate_pem)
    _say(
        console,
        f"{target}/: certificate.pem and key.pem, or device.p12 with both; authority.pem",
    )
    _say(console, f"Password of device.p12: {password}")
    _say(console, f"SHA-256 {spell(describe(certificate).fingerprint)}")
    _say(
        console,
        f"Until {certificate.not_valid_after_utc:%Y-%m-%d}. Bring the files to the device, then delete them here.",
    )
    if device is None:
        _say(console, f"No device is registered as {ae_title} yet: enter it under administration.")
    elif device.certificates:
        _say(
            console,
            f"{ae_title} names other certificates under administration: add this one, or empty the field.",
        )


def revoke_certificate(settings: Settings, which: str, console: Console) -> None:
    """Take back every certificate of an AE title, or the one of a serial number or fingerprint."""
    folder, runtime = Folder(settings), open_runtime(settings)
    authority, revoked = folder.load(), folder.all_revoked()
    now = runtime.now()
    found = [
        one for one in folder.all_issued() if one.serial_number not in revoked and which in _names_of(one)
    ]
    if not found:
        raise SystemExit(f"{which}: no certificate in force is known by that; see `gateway certificate list`")
    for certificate in found:
        _audit(runtime, "certificate_revoked", describe(certificate).fingerprint, names=[which])
        revoked[certificate.serial_number] = now
    replace(folder.revoked, authority.sign_revocations(sorted(revoked.items()), now=now))
    for certificate in found:
        _say(console, f"Revoked: {describe(certificate).subject}, serial {certificate.serial_number:x}")


def list_certificates(settings: Settings, console: Console) -> None:
    """Every certificate that was issued, and whether it is in force."""
    folder = Folder(settings)
    folder.load()
    revoked, now = folder.all_revoked(), datetime.now(UTC)
    table = Table("for", *(Column(name, overflow="fold") for name in ("serial", "SHA-256")), "until", "state")
    for one in folder.all_issued():
        state = "revoked" if one.serial_number in revoked else "in force"
        if state == "in force" and one.not_valid_after_utc < now:
            state = "expired"
        until = f"{one.not_valid_after_utc:%Y-%m-%d}"
        known = describe(one)
        table.add_row(known.common_name, f"{one.serial_number:x}", known.fingerprint, until, state)
    console.print(table)


def show_certificate(file: Path, console: Console) -> None:
    """What a certificate file of a device's maker is known by, for the device's row."""
    content = file.read_bytes()
    try:
        read = x509.load_pem_x509_certificate if b"-----BEGIN" in content else x509.load_der_x509_certificate
        found = read(content)
    except ValueError as error:
        raise SystemExit(f"{file}: it holds no certificate") from error
    known = describe(found)
    _say(console, f"Subject   {known.subject}\nIssuer    {found.issuer.rfc4514_string()}")
    _say(console, f"SHA-256   {spell(known.fingerprint)}")
    _say(console, f"In force  {found.not_valid_before_utc:%Y-%m-%d} to {found.not_valid_after_utc:%Y-%m-%d}")


def spell(fingerprint: str) -> str:
    """As other programs print it."""
    return ":".join(fingerprint[at : at + 2].upper() for at in range(0, len(fingerprint), 2))


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read, from its first byte on; whole or not at all."""
    _write(path, content, 0o600)


def replace(path: Path, content: bytes) -> None:
    """Write a file anew, whole or not at all: a listener may be reading it."""
    _write(path, content, 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _say(console: Console, text: str) -> None:
    """As it is: a fingerprint may hold what rich takes for an emoji, and is copied as one line."""
    console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def _names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    known = describe(certificate)
    return known.common_name, known.fingerprint, spell(known.fingerprint), f"{certificate.serial_number:x}"


def _audit(runtime: Runtime, action: audit.Action, fingerprint: str, **detail: object) -> None:
    """Before the act: one that cannot be audited does not happen."""
    with runtime.sessions.begin() as session:
        audit.record(
            session, action, actor=ACTOR, now=runtime.now(), detail={"sha256": fingerprint, **detail}
        )
