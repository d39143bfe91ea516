"""What can be said of a signed report: by whom, when, by whose word, and whether a byte was changed since.

Certificates end long before records do: the signer's is judged at the time of the stamp, or at the time that the
signer stated where there is none. Nothing is fetched, and no revocation list is asked.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

import structlog
from asn1crypto import x509  # type: ignore[import-untyped]
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InvalidCertificateError, PathBuildingError, PathValidationError

from adapters.reports.manifest import manifest_of
from adapters.reports.signing.pades import name_of, read_certificates

log = structlog.get_logger()

# A county's authority may certify either; who may only encrypt does not sign.
_MAY_SIGN = KeyUsageConstraints(
    key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False
)


class Problem(StrEnum):
    """Why a PDF's signature is not valid."""

    UNREADABLE = "unreadable"
    UNSIGNED = "unsigned"
    CHANGED = "changed"
    ADDED_TO = "added_to"
    UNTRUSTED = "untrusted"
    STAMP_UNTRUSTED = "stamp_untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a certificate says of whom it was issued to."""

    name: str
    person_id: str | None
    institution: str | None
    issuer: str
    serial: str
    starts_at: datetime
    ends_at: datetime
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A trusted time, and whose."""

    at: datetime
    authority: str
    trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What can be said of a PDF's signature; `valid` is true only when everything else is in order.

    The manifest is there only when the signature is valid.
    """

    valid: bool
    intact: bool = False
    trusted: bool = False
    covers_whole_document: bool = False
    certificate: CertificateFacts | None = None
    signed_at: datetime | None = None
    stamp: Stamp | None = None
    manifest: bytes | None = None
    problem: Problem | None = None


def verify_pdf(pdf: bytes, *, trust_roots: Sequence[bytes]) -> Verification:
    """Judge a signed report by the root certificates given (PEM). Needs neither network nor our keys.

    Any bytes at all get an answer: what cannot be read is not valid.
    """
    roots = [certificate for root in trust_roots for certificate in read_certificates(root)]
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


def is_trusted(certificate_pem: bytes, *, trust_roots: Sequence[bytes], at: datetime) -> bool:
    """Whether a person's certificate leads to one of the roots at that time, and may sign."""
    roots = [certificate for root in trust_roots for certificate in read_certificates(root)]
    context = ValidationContext(trust_roots=roots, moment=at, allow_fetching=False)
    certificate = read_certificates(certificate_pem)[0]
    try:
        _MAY_SIGN.validate(certificate)
        validator = CertificateValidator(certificate, intermediate_certs=roots, validation_context=context)
        asyncio.run(validator.async_validate_usage(set()))  # type: ignore[no-untyped-call]
    except (PathBuildingError, PathValidationError, InvalidCertificateError):
        return False
    return True


def facts_of(certificate: x509.Certificate) -> CertificateFacts:
    subject = certificate.subject.native
    return CertificateFacts(
        name=name_of(certificate),
        person_id=subject.get("serial_number") or subject.get("user_id"),
        institution=subject.get("organization_name"),
        issuer=str(certificate.issuer.native.get("common_name") or certificate.issuer.human_friendly),
        serial=f"{certificate.serial_number:x}",
        starts_at=certificate.not_valid_before,
        ends_at=certificate.not_valid_after,
        sha256=certificate.sha256.hex(),
    )


def _judge(
    reader: PdfFileReader, signature: EmbeddedPdfSignature, trust_roots: list[x509.Certificate]
) -> Verification:
    stated_at, stamped_at = signature.self_reported_timestamp, _stamped_at(signature)
    context = ValidationContext(trust_roots=trust_roots, moment=stamped_at or stated_at, allow_fetching=False)
    status = validate_pdf_signature(
        signature, signer_validation_context=context, key_usage_settings=_MAY_SIGN
    )
    covers = status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    stamp = _stamp_of(status)
    if stamped_at is not None and stamp is None:
        raise ValueError("a time stamp that is not read")
    found = Verification(
        valid=status.bottom_line and covers,
        intact=status.intact and status.valid,
        trusted=status.trusted,
        covers_whole_document=covers,
        certificate=facts_of(signature.signer_cert),
        signed_at=stated_at,
        stamp=stamp,
    )
    if found.valid:
        return replace(found, manifest=manifest_of(reader))
    return replace(found, problem=_problem_of(found))


def _stamped_at(signature: EmbeddedPdfSignature) -> datetime | None:
    tokens = [
        value["content"]
        for attribute in signature.signer_info["unsigned_attrs"]
        if attribute["type"].native == "signature_time_stamp_token"
        for value in attribute["values"]
    ]
    if not tokens:
        return None
    at: datetime = tokens[0]["encap_content_info"]["content"].parsed["gen_time"].native
    return at


def _stamp_of(status: PdfSignatureStatus) -> Stamp | None:
    stamp = status.timestamp_validity
    if stamp is None:
        return None
    trusted = stamp.valid and stamp.intact and stamp.trusted
    return Stamp(at=stamp.timestamp, authority=name_of(stamp.signing_cert), trusted=trusted)


def _problem_of(found: Verification) -> Problem:
    if not found.intact:
        return Problem.CHANGED
    if not found.covers_whole_document:
        return Problem.ADDED_TO
    if found.trusted and found.stamp is not None and not found.stamp.trusted:
        return Problem.STAMP_UNTRUSTED
    return Problem.UNTRUSTED
