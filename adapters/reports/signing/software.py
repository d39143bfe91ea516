"""Signs with a private key held in memory."""

from collections.abc import Sequence
from datetime import datetime

from asn1crypto import x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pyhanko.sign import signers
from pyhanko_certvalidator.registry import SimpleCertificateStore

from adapters.reports.signing.pades import DIGEST, name_of, read_certificate, sign_pdf
from adapters.reports.signing.stamping import TimeStampServer


class SoftwareSigner:
    """One person's key, as PEM."""

    def __init__(
        self,
        certificate_pem: bytes,
        key_pem: bytes,
        chain: Sequence[bytes] = (),
        *,
        passphrase: bytes | None = None,
        stamper: TimeStampServer | None = None,
    ) -> None:
        self.certificate_pem = certificate_pem
        certificate = read_certificate(certificate_pem)
        self.name = name_of(certificate)
        self.expires_at: datetime = certificate.not_valid_after
        self._stamper = stamper
        issuers = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        issuers.register_multiple([read_certificate(issuer) for issuer in chain])
        self._key = _KeyInMemory(_read_key(key_pem, passphrase, certificate), certificate, issuers)

    def sign_pdf(self, pdf: bytes, *, reason: str, location: str, signed_at: datetime) -> bytes:
        """See `pades.sign_pdf`."""
        return sign_pdf(
            pdf,
            self._key,
            name=self.name,
            reason=reason,
            location=location,
            signed_at=signed_at,
            expires_at=self.expires_at,
            stamper=self._stamper,
        )


class _KeyInMemory(signers.Signer):
    """pyHanko's own loads and checks the key for every signature, which takes longer than signing."""

    def __init__(
        self, key: rsa.RSAPrivateKey, certificate: x509.Certificate, issuers: SimpleCertificateStore
    ) -> None:
        super().__init__(signing_cert=certificate, cert_registry=issuers)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:  # asked for the size
            return bytes(self._key.key_size // 8)
        if digest_algorithm != DIGEST:
            raise ValueError(f"{digest_algorithm} instead of {DIGEST}")
        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _read_key(key_pem: bytes, passphrase: bytes | None, certificate: x509.Certificate) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(key_pem, passphrase)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("only RSA keys sign PDF/A-3: others make pyHanko declare PDF 2.0")
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if public != certificate.public_key.dump():
        raise ValueError("the key does not belong to the certificate")
    return key
