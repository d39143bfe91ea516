"""Rendering: a signed report's rows become its document, typeset, signed, and appended to the journal."""

import base64
import uuid
from dataclasses import replace

from adapters.reports.pdf import write_pdf
from adapters.reports.signing.port import CannotSign, Cause
from adapters.reports.signing.verification import Problem, verify_pdf
from gateway import signing
from gateway.ecg.report import draw_tracing, find_signed_ecg
from gateway.fonts import fonts_of
from gateway.key_images import read_pictures
from gateway.report_documents import report_document
from gateway.runtime import Runtime
from gateway.signing import trust_roots
from gateway.signing_means import find_seal
from worklists.directory import Kind
from worklists.reports import Report

_WHY_NOT_VALID = {
    Problem.UNTRUSTED: Cause.SIGNER_UNTRUSTED,
    Problem.STAMP_UNTRUSTED: Cause.STAMP_UNTRUSTED,
}


def render(runtime: Runtime, report_id: uuid.UUID) -> None:
    """Make the signed document of a report and put it into the journal, like any original."""
    with runtime.sessions() as session:
        report = session.get_one(Report, report_id)
        if report.pdf_sha256 is not None:
            return
        document = report_document(session, report, base_url=runtime.settings.base_url)
        manifest, signer_id = report.manifest.encode(), report.signed_by_id
        signed_at, location = report.signed_at, report.centre.name
        institution_id = report.centre.institution_id
        pictures = read_pictures(runtime, session, report)
        ecg = find_signed_ecg(session, report) if report.examination.kind is Kind.ECG else None
    if pictures:
        document = replace(document, key_pictures=pictures)
    if ecg is not None:
        document = replace(document, tracing=draw_tracing(runtime, ecg))
    signer = signing.signer_for(runtime, signer_id, signed_at=signed_at)
    pdf = write_pdf(document, manifest=manifest, fonts=fonts_of(runtime))
    signed = signer.sign_pdf(pdf, reason=document.title, location=location, signed_at=signed_at)
    origin = {
        "report_id": str(report_id),
        "institution_id": str(institution_id),
        "received_at": runtime.now().isoformat(),
        "filename": f"{document.report_number}-{document.version}.pdf",
        **_attested(runtime, signed),
    }
    runtime.journal.append("report.pdf", origin, [signed])


def _attested(runtime: Runtime, signed: bytes) -> dict[str, object]:
    """What is kept beside the signed document: the institution's seal over it. Nothing leaves that is not valid."""
    found = verify_pdf(signed, trust_roots=trust_roots(runtime))
    if not found.valid:
        raise CannotSign(
            _WHY_NOT_VALID.get(found.problem or Problem.UNREADABLE, Cause.NOT_VALID), str(found.problem)
        )
    seal = find_seal(runtime.settings)
    if seal is None:
        return {}
    now = runtime.now()
    return {
        "seal": {
            "algorithm": seal.algorithm,
            "signature": base64.b64encode(seal.sign(signed, signed_at=now)).decode(),
            "certificate": seal.certificate_pem.decode(),
            "sealed_at": now.isoformat(),
        }
    }
