"""Whether a report is genuine, for anybody who holds it: `/api/v1/verifications/…`, rate limited.

Shows no more than is needed to compare it with the paper. Whoever has the file verifies its signatures with the
root certificate, without asking us again.
"""

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from gateway import verifying
from gateway.momentary import Momentary
from gateway.runtime import Runtime
from gateway.signing import trust_roots
from gateway.verifying import Kept
from gateway.web.deps import RuntimeDep, peer_address
from gateway.web.limits import RateLimit
from worklists.errors import NotFound
from worklists.names import masked_name
from worklists.reports import Report, ReportState

if TYPE_CHECKING:
    from adapters.reports.signing.verification import Verification
    from gateway.judging import Checked, SealChecked

router = APIRouter(prefix="/api/v1/verifications", tags=["verification"])

BURST = 20  # a counter where several people scan at once, behind one address
PER_SECOND = 0.5
UPLOADS, UPLOADS_PER_SECOND = 5, 0.1  # each is read in a process of its own
CACHED = "public, max-age=86400"  # it lives for years
JUDGED_FOR_S, COMPARED_FOR_S = 60.0, 600.0  # the bytes do not change; what is trusted, and the store, may

CodeDep = Annotated[str, Path(max_length=64)]


class Shape(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class VersionShape(BaseModel):
    version: int
    state: ReportState
    signed_at: datetime
    signed_by: str


class ReportVerificationShape(BaseModel):
    valid: bool
    code: str
    number: str
    version: int
    state: ReportState
    signed_at: datetime
    signed_by: str
    centre: str
    site: str
    patient: str
    pdf_sha256: str | None
    originals: int
    versions: list[VersionShape]


class CertificateFactsShape(Shape):
    name: str
    institution: str | None
    issuer: str
    serial: str
    starts_at: datetime
    ends_at: datetime
    sha256: str


class StampShape(Shape):
    at: datetime
    authority: str
    trusted: bool


class SignatureShape(BaseModel):
    valid: bool
    problem: str | None
    level: str | None
    certificate: CertificateFactsShape | None
    signed_at: datetime | None
    stamp: StampShape | None


class SealShape(BaseModel):
    valid: bool
    algorithm: str
    sealed_at: datetime
    certificate: CertificateFactsShape | None


class DocumentCheckShape(BaseModel):
    made: bool
    signature: SignatureShape | None
    seal: SealShape | None


class OriginalsCheckShape(BaseModel):
    sound: int
    replaced: int
    changed: int
    missing: int


class FileCheckShape(BaseModel):
    sha256: str
    report: ReportVerificationShape | None
    signature: SignatureShape


class Limits:
    """What one application remembers: how often who asked, and what it found a moment ago."""

    def __init__(self) -> None:
        self.asking = RateLimit(burst=BURST, per_second=PER_SECOND)
        self.sending = RateLimit(burst=UPLOADS, per_second=UPLOADS_PER_SECOND)
        self.judged: Momentary[str, Checked] = Momentary(for_s=JUDGED_FOR_S, limit=200)
        self.compared: Momentary[str, dict[Kept, int]] = Momentary(for_s=COMPARED_FOR_S, limit=200)


def get_limits(request: Request) -> Limits:
    state = request.app.state
    if not hasattr(state, "verification_limits"):
        state.verification_limits = Limits()
    limits: Limits = state.verification_limits
    return limits


LimitsDep = Annotated[Limits, Depends(get_limits)]


def take_turn(request: Request, runtime: RuntimeDep, limits: LimitsDep) -> None:
    limits.asking.take(peer_address(request), runtime.now())


@router.get("/authority.pem", response_class=Response, dependencies=[Depends(take_turn)])
def show_authority(runtime: RuntimeDep) -> Response:
    """The root certificates by which everything signed here is verified; 404 before there is one."""
    certificate = b"".join(trust_roots(runtime))
    if not certificate:
        raise NotFound("authority")
    headers = {"Cache-Control": CACHED, "Content-Disposition": 'attachment; filename="authority.pem"'}
    return Response(certificate, media_type="application/x-pem-file", headers=headers)


@router.post("/documents")
async def check_file(request: Request, runtime: RuntimeDep, limits: LimitsDep) -> FileCheckShape:
    """A PDF as it is, in the body: whether we issued exactly these bytes, and what its signature says."""
    limits.sending.take(peer_address(request), runtime.now())
    content = await request.body()
    return await run_in_threadpool(_check_file, runtime, limits, content)


@router.get("/{code}", dependencies=[Depends(take_turn)])
def verify_report(code: CodeDep, runtime: RuntimeDep) -> ReportVerificationShape:
    with runtime.reading() as session:
        return _show_report(session, verifying.find_report(session, code))


@router.get("/{code}/signature", dependencies=[Depends(take_turn)])
def verify_signature(code: CodeDep, runtime: RuntimeDep, limits: LimitsDep) -> DocumentCheckShape:
    """What the signed document itself says; not made yet while it waits for a token or a time stamp."""
    checked = _judge(runtime, limits, code)
    if checked is None:
        return DocumentCheckShape(made=False, signature=None, seal=None)
    seal = _show_seal(checked.seal) if checked.seal is not None else None
    return DocumentCheckShape(made=True, signature=_show_signature(checked.signature), seal=seal)


@router.get("/{code}/seal", response_class=Response, dependencies=[Depends(take_turn)])
def download_seal(code: CodeDep, runtime: RuntimeDep) -> Response:
    """The institution's detached signature over the PDF (DER)."""
    with runtime.reading() as session:
        signature, _ = verifying.find_seal_of(session, code)
    return Response(signature, media_type="application/octet-stream", headers=_named(f"{code}.sm2.sig"))


@router.get("/{code}/seal.pem", response_class=Response, dependencies=[Depends(take_turn)])
def download_seal_certificate(code: CodeDep, runtime: RuntimeDep) -> Response:
    """The certificate that verifies it, with its issuers."""
    with runtime.reading() as session:
        _, certificate = verifying.find_seal_of(session, code)
    return Response(certificate, media_type="application/x-pem-file", headers=_named(f"{code}.sm2.pem"))


@router.post("/{code}/originals", dependencies=[Depends(take_turn)])
def compare_originals(code: CodeDep, runtime: RuntimeDep, limits: LimitsDep) -> OriginalsCheckShape:
    """Read every original that the report was written from, and compare it with what was signed."""
    counted = limits.compared.get(code, lambda: verifying.check_originals(runtime, code))
    return OriginalsCheckShape(**{kept.value: count for kept, count in counted.items()})


def _check_file(runtime: Runtime, limits: Limits, content: bytes) -> FileCheckShape:
    sha256 = hashlib.sha256(content).hexdigest()
    with runtime.reading() as session:
        report = verifying.find_by_document(session, sha256)
        shown = _show_report(session, report) if report is not None else None
    known = _judge(runtime, limits, shown.code) if shown is not None else None
    found = known.signature if known is not None else _judge_stranger(runtime, content)
    return FileCheckShape(sha256=sha256, report=shown, signature=_show_signature(found))


def _judge(runtime: Runtime, limits: Limits, code: str) -> "Checked | None":
    """Kept for a moment once it is made."""
    from gateway.judging import check_document  # noqa: PLC0415 (only who asks needs it: 20 MB)

    def find() -> "Checked":
        checked = check_document(runtime, code)
        if checked is None:
            raise _NotMade
        return checked

    try:
        return limits.judged.get(code, find)
    except _NotMade:
        return None


def _judge_stranger(runtime: Runtime, content: bytes) -> "Verification":
    from gateway.judging import judge_stranger  # noqa: PLC0415

    return judge_stranger(runtime, content)


class _NotMade(Exception):
    """An answer that does not hold for a moment: nothing keeps it."""


def _show_report(session: Session, report: Report) -> ReportVerificationShape:
    return ReportVerificationShape(
        valid=report.state is ReportState.SIGNED,
        code=report.verification_code,
        number=report.number,
        version=report.version,
        state=report.state,
        signed_at=report.signed_at,
        signed_by=report.signed_by.name,
        centre=report.centre.name,
        site=report.examination.institution.name,
        patient=masked_name(report.patient.get("name") or ""),
        pdf_sha256=report.pdf_sha256,
        originals=verifying.count_originals(report),
        versions=[
            VersionShape(
                version=one.version, state=one.state, signed_at=one.signed_at, signed_by=one.signed_by.name
            )
            for one in verifying.versions_of(session, report)
        ],
    )


def _show_signature(found: "Verification") -> SignatureShape:
    facts, stamp = found.certificate, found.stamp
    return SignatureShape(
        valid=found.valid,
        problem=found.problem.value if found.problem else None,
        level=("PAdES B-T" if stamp else "PAdES B-B") if facts else None,
        certificate=CertificateFactsShape.model_validate(facts) if facts else None,
        signed_at=found.signed_at,
        stamp=StampShape.model_validate(stamp) if stamp else None,
    )


def _show_seal(seal: "SealChecked") -> SealShape:
    facts = seal.found.certificate
    return SealShape(
        valid=seal.found.valid,
        algorithm=seal.algorithm,
        sealed_at=seal.sealed_at,
        certificate=CertificateFactsShape.model_validate(facts) if facts else None,
    )


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
