"""How any RSA key signs a PDF: PAdES baseline B-B, or B-T with a time stamp (ETSI EN 319 142-1), SHA-256.

Invisible: the page itself names the signers. The signature covers the whole file, the attached manifest too; anything
added afterwards makes it invalid. Keys are RSA: with an elliptic curve pyHanko would make a PDF/A-3 claim PDF 2.0.
"""

import io
from datetime import datetime
from typing import Any

from asn1crypto import pem, x509  # type: ignore[import-untyped]
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_signer import PdfSigningSession

from adapters.errors import Malformed
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.stamping import TimeStampServer

FIELD_NAME = "Signature"
DIGEST = "sha256"
STAMPED_BYTES = 2 * 24 * 1024  # hexadecimal; a stamp brings the chain of its authority


def sign_pdf(
    pdf: bytes,
    key: signers.Signer,
    *,
    name: str,
    reason: str,
    location: str,
    signed_at: datetime,
    expires_at: datetime,
    stamper: TimeStampServer | None,
) -> bytes:
    """Append a signature; `signed_at` is written into it to the second.

    CannotSign when the certificate has ended by then or no stamp is to be had; Malformed when this is no PDF, or one
    already signed.
    """
    if signed_at >= expires_at:
        raise CannotSign(Cause.CERTIFICATE_ENDED, f"at {expires_at.isoformat()}")
    metadata = signers.PdfSignatureMetadata(
        field_name=FIELD_NAME,
        md_algorithm=DIGEST,
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        location=location,
        name=name,
    )
    pdf_signer = _PdfSignerAt(
        metadata,
        signer=key,
        timestamper=stamper,
        new_field_spec=SigFieldSpec(FIELD_NAME),
        signed_at=signed_at,
    )
    reserved = STAMPED_BYTES if stamper is not None else None  # else the authority is asked twice, for a size
    try:
        signed = pdf_signer.sign_pdf(_MetadataKeepingWriter(io.BytesIO(pdf)), bytes_reserved=reserved)
    except (PdfError, SigningError) as error:
        raise Malformed("the PDF cannot be signed") from error
    return bytes(signed.getbuffer())


def read_certificate(certificate_pem: bytes) -> x509.Certificate:
    """The first certificate of a PEM text."""
    _, _, der = pem.unarmor(certificate_pem)
    return x509.Certificate.load(der)


def read_certificates(certificates_pem: bytes) -> list[x509.Certificate]:
    """All of them, in their order."""
    found = pem.unarmor(certificates_pem, multiple=True)
    return [x509.Certificate.load(der) for kind, _, der in found if kind == "CERTIFICATE"]


def name_of(certificate: x509.Certificate) -> str:
    """The common name, or the whole subject where there is none."""
    native = certificate.subject.native
    return str(native.get("common_name") or certificate.subject.human_friendly)


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
