"""Whether a printed report is genuine, for anybody who holds it: `/api/v1/verifications/{code}`, rate limited.

Shows no more than is needed to compare it with the paper.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlalchemy import select

from gateway.web.deps import RuntimeDep, peer_address
from gateway.web.limits import RateLimit
from gateway.web.shapes import VerificationShape
from worklists.errors import NotFound
from worklists.names import masked_name
from worklists.reports import Report, ReportState

router = APIRouter(prefix="/api/v1/verifications", tags=["verification"])

BURST = 20  # a counter where several people scan at once, behind one address
PER_SECOND = 0.5


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
