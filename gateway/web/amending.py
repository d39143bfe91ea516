"""Addenda, corrections, void reports, and what is other than in the version before: `/api/v1/reports/{id}/…`."""

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, StringConstraints

from gateway import amending as use_cases
from gateway import township
from gateway.web.deps import RuntimeDep
from gateway.web.reports import ReportCallerDep
from gateway.web.shapes import PersonShape
from gateway.web.showing import show_known_person
from gateway.web.tasks import wake_sweep, who_is
from gateway.web.worklist import ReaderDep
from worklists.amending import AfterVoid, AmendmentKind, difference, find_void, version_before
from worklists.errors import NotFound

router = APIRouter(prefix="/api/v1", tags=["reports"])

Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class AmendBody(BaseModel):
    kind: AmendmentKind
    reason: Reason


class VoidBody(BaseModel):
    reason: Reason
    after: AfterVoid


class BegunShape(BaseModel):
    task_id: uuid.UUID


class ChangeShape(BaseModel):
    before: str
    after: str


class DifferenceShape(BaseModel):
    version: int
    before_version: int
    findings: list[ChangeShape]
    impression: list[ChangeShape]


class VoidShape(BaseModel):
    reason: str
    after: AfterVoid
    voided_at: datetime
    voided_by: PersonShape


@router.post("/reports/{report_id}/amend", status_code=201)
def amend(report_id: uuid.UUID, body: AmendBody, caller: ReaderDep, runtime: RuntimeDep) -> BegunShape:
    """A task with the words of the report, in the caller's hands; the report stands until it is signed."""
    return BegunShape(task_id=use_cases.begin(runtime, who_is(caller), report_id, body.kind, body.reason))


@router.post("/tasks/{task_id}/give-up-amendment", status_code=204)
def give_up(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> Response:
    use_cases.give_up(runtime, who_is(caller), task_id)
    return Response(status_code=204)


@router.post("/reports/{report_id}/void")
def make_void(
    report_id: uuid.UUID, body: VoidBody, caller: ReaderDep, runtime: RuntimeDep, request: Request
) -> VoidShape:
    """A reviewer of the centre says that it is void, and what becomes of the examination."""
    use_cases.make_void(runtime, who_is(caller), report_id, body.reason, body.after)
    wake_sweep(request)
    return read_void(report_id, caller, runtime)


@router.get("/reports/{report_id}/void")
def read_void(report_id: uuid.UUID, caller: ReportCallerDep, runtime: RuntimeDep) -> VoidShape:
    """404 for a report that is not void."""
    with runtime.reading() as session:
        void = find_void(session, township.get_report(session, who_is(caller), report_id))
        if void is None:
            raise NotFound("void")
        return VoidShape(
            reason=void.reason,
            after=void.after,
            voided_at=void.voided_at,
            voided_by=show_known_person(void.voided_by),
        )


@router.get("/reports/{report_id}/difference")
def read_difference(report_id: uuid.UUID, caller: ReportCallerDep, runtime: RuntimeDep) -> DifferenceShape:
    """Piece by piece what is other than in the version before; 404 for a first version."""
    with runtime.reading() as session:
        report = township.get_report(session, who_is(caller), report_id)
        before = version_before(session, report)
        if before is None:
            raise NotFound("version")
        return DifferenceShape(
            version=report.version,
            before_version=before.version,
            findings=show_changes(before.findings, report.findings),
            impression=show_changes(before.impression, report.impression),
        )


def show_changes(before: str, after: str) -> list[ChangeShape]:
    return [ChangeShape(before=one.before, after=one.after) for one in difference(before, after)]
