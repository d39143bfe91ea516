"""The electronic signature in a report's PDF: put there, and verified.

PAdES baseline B-B (ETSI EN 319 142-1), SHA-256 with RSA, invisible: the page itself names the signers.
The signature covers the whole file, the attached manifest too; anything added afterwards makes it invalid.
There is no time-stamping authority: the time of signing is the signer's word, and certificates are judged at it.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import structlog
from asn1crypto import pem, x509  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from adapters.errors import Malformed, Unavailable
from adapters.reports.manifest import manifest_of

log = structlog.get_logger()

FIELD_NAME = "Signature"
DIGEST = "sha256"


class Signer(Protocol):
    """Whoever can sign for one person: a key in memory here, a token or a signing service elsewhere."""

    @property
    def name(self) -> str:
        """The person's name, as certified."""

    @property
    def certificate_pem(self) -> bytes:
        """The person's certificate."""

    @property
    def expires_at(self) -> datetime:
        """When the certificate ends, and a new one is needed."""

    def sign_pdf(self, pdf: bytes, *, reason: str, location: str, signed_at: datetime) -> bytes:
        """The same PDF with a signature appended; the bytes before it are unchanged."""


class SoftwareSigner:
    """Signs with a private key held in memory."""

    def __init__(
        self,
        certificate_pem: bytes,
        key_pem: bytes,
        chain: Sequence[bytes] = (),
        *,
        passphrase: bytes | None = None,
    ) -> None:
        self.certificate_pem = certificate_pem
        certificate = _read_certificate(certificate_pem)
        self.name = _name_of(certificate)
        self.expires_at: datetime = certificate.not_valid_after
        issuers = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        issuers.register_multiple([_read_certificate(issuer) for issuer in chain])
        self._signer = _KeyInMemory(_read_key(key_pem, passphrase, certificate), certificate, issuers)

    def sign_pdf(self, pdf: bytes, *, reason: str, location: str, signed_at: datetime) -> bytes:
        """Append a PAdES signature; `signed_at` is written into it to the second.

        Unavailable when the certificate has ended by then; Malformed when this is no PDF, or one already signed.
        """
        if signed_at >= self.expires_at:
            raise Unavailable(f"the signing certificate ended at {self.expires_at.isoformat()}")
        metadata = signers.PdfSignatureMetadata(
            field_name=FIELD_NAME,
            md_algorithm=DIGEST,
            subfilter=SigSeedSubFilter.PADES,
            reason=reason,
            location=location,
            name=self.name,
        )
        pdf_signer = _PdfSignerAt(
            metadata, signer=self._signer, new_field_spec=SigFieldSpec(FIELD_NAME), signed_at=signed_at
        )
        try:
            signed = pdf_signer.sign_pdf(_MetadataKeepingWriter(io.BytesIO(pdf)))
        except (PdfError, SigningError) as error:
            raise Malformed("the PDF cannot be signed") from error
        return bytes(signed.getbuffer())


class Problem(StrEnum):
    """Why a PDF's signature is not valid."""

    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    CHANGED = "changed"
    ADDED_TO = "added_to"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What can be said of a PDF's signature; `valid` is true only when everything else is in order.

    The manifest is there only when the signature is valid.
    """

    valid: bool
    intact: bool = False
    trusted: bool = False
    covers_whole_document: bool = False
    signer_name: str | None = None
    signer_id: str | None = None
    institution: str | None = None
    signed_at: datetime | None = None
    manifest: bytes | None = None
    problem: Problem | None = None


def verify_pdf(pdf: bytes, *, trust_roots: Sequence[bytes]) -> Verification:
    """Judge a signed report by the root certificates given (PEM). Needs neither network nor our keys.

    Any bytes at all get an answer: what cannot be read is not valid.
    """
    roots = [_read_certificate(root) for root in trust_roots]
    try:
        reader = PdfFileReader(io.BytesIO(pdf))
        signatures = reader.embedded_signatures
        if not signatures:
            return Verification(valid=False, problem=Problem.UNSIGNED)
        if len(signatures) > 1:
            return Verification(valid=False, problem=Problem.ADDED_TO)
        return _judge(reader, signatures[0], roots)
    except Exception as error:  # damaged bytes make a PDF reader fail in any way there is
        log.info("signed_report_was_unreadable", error=type(error).__name__)
        return Verification(valid=False, problem=Problem.UNREADABLE)


def _judge(
    reader: PdfFileReader, signature: EmbeddedPdfSignature, trust_roots: list[x509.Certificate]
) -> Verification:
    signed_at = signature.self_reported_timestamp
    # Certificates end long before records do: they are judged at the time of signing, fetching nothing.
    context = ValidationContext(trust_roots=trust_roots, moment=signed_at, allow_fetching=False)
    status = validate_pdf_signature(signature, signer_validation_context=context)
    covers = status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    subject = signature.signer_cert.subject.native
    intact = status.intact and status.valid
    valid = status.bottom_line and covers
    return Verification(
        valid=valid,
        intact=intact,
        trusted=status.trusted,
        covers_whole_document=covers,
        signer_name=subject.get("common_name"),
        signer_id=subject.get("serial_number"),
        institution=subject.get("organization_name"),
        signed_at=signed_at,
        manifest=manifest_of(reader) if valid else None,
        problem=None if valid else _problem_of(intact=intact, covers=covers),
    )


def _problem_of(*, intact: bool, covers: bool) -> Problem:
    if not intact:
        return Problem.CHANGED
    return Problem.UNTRUSTED if covers else Problem.ADDED_TO


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


class _PdfSignerAt(signers.PdfSigner):
    """pyHanko reads the clock; we say when."""

    def __init__(self, *args: Any, signed_at: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._signed_at = signed_at

    def init_signing_session(self, *args: Any, **kwargs: Any) -> PdfSigningSession:
        session = super().init_signing_session(*args, **kwargs)
        session.system_time = self._signed_at
        return session


class _MetadataKeepingWriter(IncrementalPdfFileWriter):
    """pyHanko rewrites the XMP when it saves, and loses the PDF/A extension schema by it: leave it be.

    The hook is private, so pyHanko is pinned, and a test compares the XMP before and after.
    """

    def _update_meta(self) -> None:
        return


def _read_certificate(certificate_pem: bytes) -> x509.Certificate:
    _, _, der = pem.unarmor(certificate_pem)
    return x509.Certificate.load(der)


def _name_of(certificate: x509.Certificate) -> str:
    return str(certificate.subject.native["common_name"])


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
