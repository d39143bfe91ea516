"""A certificate authority of one's own: a root that is made once and kept, and what it issues.

PEM in, PEM out; whoever calls keeps the files. Keys are RSA, which every reader and every old device can verify.

Certificates and revocation lists: RFC 5280.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

KEY_BITS = 3072  # 128 bits of strength, for as long as records are kept (NIST SP 800-57 Part 1, table 2)
AUTHORITY_YEARS = 20
NAME_CHARACTERS = 64  # RFC 5280 Appendix A, ub-common-name and ub-organization-name


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate and its private key, both PEM; the key is encrypted when a passphrase was given."""

    certificate_pem: bytes
    key_pem: bytes


class RootAuthority:
    """Issues certificates under one root."""

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self.certificate, self._key = certificate, key

    @classmethod
    def create(cls, name: str, *, now: datetime) -> Self:
        """A new authority under its own root certificate."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:NAME_CHARACTERS])])
        ends_at = now + timedelta(days=365 * AUTHORITY_YEARS)
        unsigned = (
            _certificate_of(key.public_key(), subject, subject, now, ends_at)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(issues=True), critical=True)
        )
        return cls(unsigned.sign(key, hashes.SHA256()), key)

    @classmethod
    def load(cls, certificate_pem: bytes, key_pem: bytes, *, passphrase: bytes | None = None) -> Self:
        """The authority as it was stored; ValueError when key, certificate and passphrase do not fit."""
        key = serialization.load_pem_private_key(key_pem, passphrase)
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
            raise ValueError("the authority's key does not belong to its certificate")
        return cls(certificate, key)

    @property
    def certificate_pem(self) -> bytes:
        """The root that verifiers trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def store(self, *, passphrase: bytes | None = None) -> Credentials:
        """What `load` takes."""
        return Credentials(certificate_pem=self.certificate_pem, key_pem=write_key(self._key, passphrase))

    def sign_certificate(
        self,
        key: rsa.RSAPublicKey,
        subject: x509.Name,
        purposes: Iterable[x509.ObjectIdentifier],
        usage: x509.KeyUsage,
        *,
        names: Iterable[x509.GeneralName] = (),
        now: datetime,
        ends_at: datetime,
    ) -> x509.Certificate:
        """A certificate that ends then, or with the authority. `names` are the subject's alternative ones."""
        ends_at = min(ends_at, self.certificate.not_valid_after_utc)
        root_key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        unsigned = (
            _certificate_of(key, subject, self.certificate.subject, now, ends_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_key_id), critical=False
            )
        )
        if names := list(names):
            unsigned = unsigned.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return unsigned.sign(self._key, hashes.SHA256())

    def sign_revocations(self, revoked: Iterable[tuple[int, datetime]], *, now: datetime) -> bytes:
        """A revocation list (PEM) of serial numbers and when; good until the authority ends, or a newer one is made."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(self.certificate.not_valid_after_utc)
        )
        for serial, at in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def write_key(key: rsa.RSAPrivateKey, passphrase: bytes | None = None) -> bytes:
    """A private key as PKCS #8 in PEM."""
    protection: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


def key_usage(*, commits: bool, encrypts: bool = False) -> x509.KeyUsage:
    """What the key of somebody who issues nothing may do: sign, stand by what it signed, take part in a key exchange."""
    return _key_usage(issues=False, commits=commits, encrypts=encrypts)


def _certificate_of(
    key: rsa.RSAPublicKey, subject: x509.Name, issuer: x509.Name, starts_at: datetime, ends_at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts_at)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, issues: bool, commits: bool = False, encrypts: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        content_commitment=commits,
        key_encipherment=encrypts,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )
