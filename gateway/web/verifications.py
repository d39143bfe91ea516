"""Whether a report is genuine, for anybody who holds it: `/api/v1/verifications/{code}`, rate limited.

Shows no more than is needed to compare it with the paper. Whoever has the file verifies its signatures with the
root certificate, without asking us again.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from sqlalchemy import select

from gateway.signing import find_authority_certificate
from gateway.web.deps import RuntimeDep, peer_address
from gateway.web.limits import RateLimit
from gateway.web.shapes import VerificationShape
from worklists.errors import NotFound
from worklists.names import masked_name
from worklists.reports import Report, ReportState

router = APIRouter(prefix="/api/v1/verifications", tags=["verification"])

BURST = 20  # a counter where several people scan at once, behind one address
PER_SECOND = 0.5
CACHED = "public, max-age=86400"  # it lives for years


@router.get("/authority.pem", response_class=Response)
def show_authority(request: Request, runtime: RuntimeDep) -> Response:
    """The root certificate of everybody who signs here; 404 before the first signature."""
    _limit(request).take(peer_address(request), runtime.now())
    certificate = find_authority_certificate(runtime)
    if certificate is None:
        raise NotFound("authority")
    headers = {"Cache-Control": CACHED, "Content-Disposition": 'attachment; filename="authority.pem"'}
    return Response(certificate, media_type="application/x-pem-file", headers=headers)


@router.get("/{code}")
def verify_report(
    code: Annotated[str, Path(max_length=64)], request: Request, runtime: RuntimeDep
) -> VerificationShape:
    _limit(request).take(peer_address(request), runtime.now())
    with runtime.reading() as session:
        report = session.scalars(select(Report).where(Report.verification_code == code)).one_or_none()
        if report is None:
            raise NotFound("report")
        return VerificationShape(
            valid=report.state is ReportState.SIGNED,
            number=report.number,
            version=report.version,
            state=report.state,
            signed_at=report.signed_at,
            signed_by=report.signed_by.name,
            centre=report.centre.name,
            site=report.examination.institution.name,
            patient=masked_name(report.patient.get("name") or ""),
            pdf_sha256=report.pdf_sha256,
        )


def _limit(request: Request) -> RateLimit:
    """One per application."""
    state = request.app.state
    if not hasattr(state, "verification_limit"):
        state.verification_limit = RateLimit(burst=BURST, per_second=PER_SECOND)
    limit: RateLimit = state.verification_limit
    return limit
