"""TLS as a server: what is offered, whose certificates are believed, and files that may change while it runs.

TLS 1.2 and 1.3, only suites with forward secrecy and authenticated encryption, nothing to fall back to
(PS3.15 B.12, BCP 195: RFC 8996, RFC 9325). No tickets and no renegotiation: every connection proves itself anew.
A client may come without a certificate, who may stay without one is decided when it has said its AE title; one that
it presents must be issued by the client authorities (or be one of their file itself), in date and not revoked: nor
may any authority between it and the one that is believed be (RFC 5280 6.1). An issuer without a list revokes nothing.
"""

import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID, NameOID

from adapters.dicom.ports import Certificate, ConnectionRefused, Tls

log = structlog.get_logger()

LOOK_AGAIN_S = 1.0
# RFC 9325 4.2, and ChaCha20-Poly1305 of the same strength for devices without AES in hardware. TLS 1.3 has no others.
SUITES_OF_TLS_1_2 = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_DER = 2  # _ssl.ENCODING_DER
_SECURITY_LEVEL = 2  # OpenSSL: RSA keys of 2048 bits at least, no SHA-1 signatures


class Unusable(Exception):
    """The files cannot serve; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Where certificate and key lie (PEM). Without client authorities no client is asked for a certificate."""

    certificate: Path
    key: Path
    client_authorities: Path | None = None
    revocation_list: Path | None = None

    def all(self) -> tuple[Path, ...]:
        files = (self.certificate, self.key, self.client_authorities, self.revocation_list)
        return tuple(file for file in files if file is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """What one authority says is revoked, until when it will say so anew."""

    issuer: str
    serials: frozenset[int]
    next_update: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The files, read and fitting together."""

    context: ssl.SSLContext
    certificate: Certificate
    lists: Mapping[bytes, RevocationList]  # by the issuer's name, DER


class TlsServer:
    """TLS from files; when they change and are usable, connections from then on use the new ones."""

    def __init__(self, files: TlsFiles, *, look_again_s: float = LOOK_AGAIN_S) -> None:
        """Raises Unusable."""
        self._files, self._look_again_s = files, look_again_s
        self._stamps = _stamps(files)
        self._look_again_at = time.monotonic() + look_again_s
        self.material = read_material(files)
        self.error: str | None = None  # why the files as they are now are not used

    @property
    def asks_for_certificates(self) -> bool:
        return self._files.client_authorities is not None

    def context(self) -> ssl.SSLContext:
        """For the next connection."""
        self.refresh()
        return self.material.context

    def refresh(self) -> None:
        """Read the files again if they have changed. Unusable ones change nothing."""
        now = time.monotonic()
        if now < self._look_again_at:
            return
        self._look_again_at = now + self._look_again_s
        stamps = _stamps(self._files)
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self.material = read_material(self._files)
        except Unusable as error:  # certificate and key are replaced one after the other
            self.error = str(error)
            log.error("tls_files_unusable", error=self.error)
        else:
            self.error = None
            log.info("tls_files_read", subject=self.material.certificate.subject)

    def identify(self, connection: ssl.SSLObject) -> Tls:
        """Who is at the other end. Raises ConnectionRefused for a certificate that was taken back."""
        version = connection.version() or ""
        chain = _verified_chain(connection)
        if not chain:
            return Tls(version=version)
        self._check_revocation(chain[0], "certificate_revoked")
        for authority in chain[1:]:
            self._check_revocation(authority, "authority_revoked")
        return Tls(version=version, certificate=describe(chain[0]))

    def _check_revocation(self, found: x509.Certificate, cause: str) -> None:
        known = self.material.lists.get(found.issuer.public_bytes())
        if known is None:
            return
        if known.next_update is not None and known.next_update < datetime.now(UTC):
            words = f"the revocation list of {known.issuer} is out of date"
            raise ConnectionRefused("revocation_list_over", words, describe(found))
        if found.serial_number in known.serials:
            raise ConnectionRefused(cause, "the certificate is revoked", describe(found))


def read_material(files: TlsFiles) -> Material:
    """Read the files and see that they fit together. Raises Unusable."""
    chain = _read_certificates(files.certificate)
    authorities = _read_certificates(files.client_authorities) if files.client_authorities else []
    if chain[0].not_valid_after_utc < datetime.now(UTC):
        raise Unusable(f"{files.certificate}: the certificate has expired")
    return Material(
        context=_make_context(files),
        certificate=describe(chain[0]),
        lists=_read_lists(files.revocation_list, authorities) if files.revocation_list else {},
    )


def describe(certificate: x509.Certificate) -> Certificate:
    """What a certificate is known by."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Certificate(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        subject=certificate.subject.rfc4514_string(),
        common_name=str(names[0].value) if len(names) == 1 else "",
    )


def _verified_chain(connection: ssl.SSLObject) -> list[x509.Certificate]:
    """The peer's certificate and those above it, up to the one that is believed; empty when it presented none."""
    if connection.getpeercert(binary_form=True) is None:
        return []
    # Python 3.13 has this as SSLObject.get_verified_chain(); before, only what lies under it does.
    found = connection._sslobj.get_verified_chain()  # type: ignore[attr-defined]
    return [x509.load_der_x509_certificate(one.public_bytes(_DER)) for one in found]


def _make_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.set_ciphers(f"{':'.join(SUITES_OF_TLS_1_2)}:@SECLEVEL={_SECURITY_LEVEL}")
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
    try:
        # An encrypted key would be asked for on a terminal that nobody sits at.
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
    except (ssl.SSLError, OSError, ValueError) as error:
        raise Unusable(f"{files.key}: {_why_no_key(files.key, error)}") from error
    if files.client_authorities is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        # A device's own certificate, or an authority between, is believed because it is in the file.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(files.client_authorities)
    return context


def _no_password() -> str:
    raise ValueError("it is encrypted; it must be readable without a password, by its owner alone")


def _why_no_key(key: Path, error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        fits = error.reason == "KEY_VALUES_MISMATCH"
        return "it is not the certificate's key" if fits else "it is no private key in PEM that can be used"
    return str(error.strerror) if isinstance(error, OSError) else str(error)


def _read_certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Unusable(f"{path}: it holds no certificate in PEM") from error


def _read_lists(path: Path, authorities: Sequence[x509.Certificate]) -> dict[bytes, RevocationList]:
    """By issuer; of several of one issuer the latest counts, wherever in the file it stands."""
    found = sorted(_load_lists(path), key=lambda one: one.last_update_utc)
    return {one.issuer.public_bytes(): _read_list(path, one, authorities) for one in found}


def _read_list(
    path: Path, found: x509.CertificateRevocationList, authorities: Sequence[x509.Certificate]
) -> RevocationList:
    issuer = found.issuer.rfc4514_string()
    if not any(_signed(found, authority) for authority in authorities):
        raise Unusable(f"{path}: the list of {issuer} is not signed by one of the client authorities")
    if any(one.oid == ExtensionOID.DELTA_CRL_INDICATOR for one in found.extensions):
        raise Unusable(f"{path}: the list of {issuer} names only what changed since another list")
    return RevocationList(
        issuer=issuer,
        serials=frozenset(entry.serial_number for entry in found),
        next_update=found.next_update_utc,
    )


def _signed(found: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    if authority.subject != found.issuer:
        return False
    try:
        return found.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, UnsupportedAlgorithm, TypeError):
        return False


def _load_lists(path: Path) -> list[x509.CertificateRevocationList]:
    """One or more in PEM, or one in DER as authorities publish it."""
    end = b"-----END X509 CRL-----"
    try:
        content = path.read_bytes()
        if end in content:
            return [x509.load_pem_x509_crl(part + end) for part in content.split(end)[:-1]]
        return [x509.load_der_x509_crl(content)]
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise Unusable(f"{path}: it holds no certificate revocation list") from error


def _stamps(files: TlsFiles) -> tuple[tuple[int, ...] | None, ...]:
    return tuple(_stamp(file) for file in files.all())


def _stamp(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


# Why a handshake failed, in our words. What is not here is a peer that went away or talked rubbish.
_VERIFICATION = {  # X509_V_ERR_… of OpenSSL's x509_vfy.h
    9: "certificate_not_yet_valid",
    10: "certificate_expired",
    2: "certificate_unknown",
    18: "certificate_unknown",
    19: "certificate_unknown",
    20: "certificate_unknown",
    21: "certificate_unknown",
    26: "certificate_purpose",
    66: "certificate_weak",  # the device's key, its authority's key, a signature
    67: "certificate_weak",
    68: "certificate_weak",
}
_HANDSHAKE = {
    "UNSUPPORTED_PROTOCOL": "tls_version",
    "NO_PROTOCOLS_AVAILABLE": "tls_version",
    "VERSION_TOO_LOW": "tls_version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "tls_version",
    "NO_SHARED_CIPHER": "tls_suites",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "tls_suites",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "tls_suites",
    "TLSV1_ALERT_UNKNOWN_CA": "gateway_not_trusted",
    "SSLV3_ALERT_BAD_CERTIFICATE": "gateway_not_trusted",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "gateway_not_trusted",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "gateway_not_trusted",
    "WRONG_VERSION_NUMBER": "plain_on_tls_port",
    "HTTP_REQUEST": "plain_on_tls_port",
    "UNKNOWN_PROTOCOL": "plain_on_tls_port",
    "CA_MD_TOO_WEAK": "certificate_weak",
    "EE_KEY_TOO_SMALL": "certificate_weak",
    "CA_KEY_TOO_SMALL": "certificate_weak",
}


def find_cause(error: Exception) -> str | None:
    """What a person must put right after a handshake that failed; None when nothing can be said."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATION.get(error.verify_code, "certificate_unusable")
    if isinstance(error, ssl.SSLError):
        return _HANDSHAKE.get(error.reason or "")
    return None
