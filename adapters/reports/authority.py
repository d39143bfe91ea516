"""A county's own small certificate authority: one certificate for each person who signs.

PEM in, PEM out; whoever calls keeps the files. There is no revocation list: a person who left gets no new
certificate, and what they signed before stays verifiable. Keys are RSA: with an elliptic curve, pyHanko would
make a PDF/A-3 claim PDF 2.0.

Certificates: RFC 5280.  The document-signing purpose: RFC 9336.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")  # RFC 9336 §3.1
KEY_BITS = 3072  # 128 bits of strength, for as long as records are kept (NIST SP 800-57 Part 1, table 2)
AUTHORITY_YEARS = 20
PERSON_YEARS = 3
NAME_CHARACTERS = 64  # RFC 5280 Appendix A, ub-common-name and ub-organization-name


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A certificate and its private key, both PEM; the key is encrypted when a passphrase was given."""

    certificate_pem: bytes
    key_pem: bytes


class LocalAuthority:
    """Issues certificates under one root that is made once and kept."""

    def __init__(self, certificate: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self._certificate, self._key = certificate, key

    @classmethod
    def create(cls, name: str, *, now: datetime) -> Self:
        """A new authority under its own root certificate."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:NAME_CHARACTERS])])
        ends_at = now + timedelta(days=365 * AUTHORITY_YEARS)
        unsigned = (
            _certificate_of(key, subject, subject, now, ends_at)
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
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def store(self, *, passphrase: bytes | None = None) -> Credentials:
        """What `load` takes."""
        return Credentials(certificate_pem=self.certificate_pem, key_pem=_key_pem(self._key, passphrase))

    def issue(
        self,
        person_name: str,
        person_id: str,
        institution_name: str,
        *,
        now: datetime,
        passphrase: bytes | None = None,
    ) -> Credentials:
        """A key and a certificate for one person; it ends after three years, or with the authority."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, institution_name[:NAME_CHARACTERS]),
                x509.NameAttribute(NameOID.COMMON_NAME, person_name[:NAME_CHARACTERS]),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, person_id),
            ]
        )
        ends_at = min(now + timedelta(days=365 * PERSON_YEARS), self._certificate.not_valid_after_utc)
        root_key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        unsigned = (
            _certificate_of(key, subject, self._certificate.subject, now, ends_at)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(issues=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(root_key_id), critical=False
            )
        )
        certificate = unsigned.sign(self._key, hashes.SHA256())
        return Credentials(
            certificate_pem=certificate.public_bytes(serialization.Encoding.PEM),
            key_pem=_key_pem(key, passphrase),
        )


def _certificate_of(
    key: rsa.RSAPrivateKey, subject: x509.Name, issuer: x509.Name, starts_at: datetime, ends_at: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts_at)
        .not_valid_after(ends_at)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _key_usage(*, issues: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not issues,
        content_commitment=not issues,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=issues,
        crl_sign=issues,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: rsa.RSAPrivateKey, passphrase: bytes | None) -> bytes:
    protection: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)
