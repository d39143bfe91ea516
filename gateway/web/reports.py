"""Signed reports: `/api/v1/reports/…`, for whoever may see them, people and machines."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse, StreamingResponse

from gateway import township
from gateway.lab.reports_out import write_message
from gateway.originals import open_original
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.report_shapes import ReportShape
from gateway.web.report_showing import show_report, show_share
from gateway.web.showing import show_examinations
from gateway.web.tasks import who_is
from worklists.access import Wire
from worklists.directory import Role
from worklists.errors import NotAllowed
from worklists.reports import find_renamed
from worklists.sharing import shares_of

router = APIRouter(prefix="/api/v1/reports/{report_id}", tags=["reports"])

HL7 = "application/hl7-v2; charset=utf-8"
RETRY_AFTER_S = 2  # a document is typeset and signed in under a second, then indexed
_READ_BY = {Role.READER, Role.REVIEWER, Role.RADIOGRAPHER, Role.VILLAGE}


def get_report_caller(caller: CallerDep) -> Caller:
    """Somebody who deals with reports at all."""
    wires = caller.subject.wires
    if (Wire.REPORTS not in wires) if wires is not None else not (caller.subject.roles & _READ_BY):
        raise NotAllowed("reports")
    return caller


ReportCallerDep = Annotated[Caller, Depends(get_report_caller)]


@router.get("")
def read_report(report_id: uuid.UUID, caller: ReportCallerDep, runtime: RuntimeDep) -> ReportShape:
    township.open_report(runtime, who_is(caller), report_id)
    with runtime.reading() as session:
        report = township.get_report(session, who_is(caller), report_id)
        recipient_id = caller.subject.institution_id
        [item] = show_examinations(session, [report.task_id], recipient_id=recipient_id)
        return show_report(
            report,
            item,
            base_url=runtime.settings.base_url,
            identity_changed=report.id in find_renamed(session, [report]),
            shares=[show_share(row, runtime.now()) for row in shares_of(session, [report.examination_id])],
        )


@router.get(
    "/pdf", responses={200: {"content": {"application/pdf": {}}}, 202: {"description": "still being made"}}
)
def read_document(report_id: uuid.UUID, caller: ReportCallerDep, runtime: RuntimeDep) -> Response:
    with runtime.reading() as session:
        report = township.get_report(session, who_is(caller), report_id)
        record = township.find_document(session, report)
    if record is None:
        return JSONResponse(
            {"report_id": str(report_id), "state": "being_made"},
            202,
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )
    chunks = open_original(runtime, record)  # raises before anybody is told that it was opened
    township.open_report(runtime, who_is(caller), report_id)
    return StreamingResponse(
        chunks,
        media_type="application/pdf",
        headers={
            "Content-Length": str(record.size_bytes),
            "Content-Disposition": f'inline; filename="{report.number}-{report.version}.pdf"',
            "ETag": f'"{record.sha256}"',
        },
    )


@router.get("/oru", responses={200: {"content": {HL7: {}}}})
def read_message(report_id: uuid.UUID, caller: ReportCallerDep, runtime: RuntimeDep) -> Response:
    """A laboratory report as `ORU^R01` of HL7 v2.5.1, unframed; 404 for any other."""
    with runtime.reading() as session:
        report = township.get_report(session, who_is(caller), report_id)
        message = write_message(session, report, base_url=runtime.settings.base_url)
        name = f"{report.number}-{report.version}.hl7"
    township.open_report(runtime, who_is(caller), report_id)
    return Response(
        message,
        media_type=HL7,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
