"""Codes by which a report is read without signing in: `/api/v1/reports/{id}/share`, `/api/v1/shares/{id}`."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from adapters.reports.qr import draw_qr
from gateway import sharing as use_cases
from gateway import township
from gateway.sharing import Shared, address_of
from gateway.web.deps import Caller, CallerDep, RuntimeDep
from gateway.web.report_shapes import ShareShape
from gateway.web.report_showing import show_share
from gateway.web.tasks import who_is
from worklists.errors import NotAllowed
from worklists.sharing import ReportShare, spoken_code

router = APIRouter(prefix="/api/v1", tags=["shares"])


class ShareBody(BaseModel):
    """`anew`: another code in the place of the one that stands."""

    anew: bool = False


class CodeShape(BaseModel):
    """A share with its code: shown to who may give it away. `qr` is an SVG of the address."""

    share: ShareShape
    code: str
    address: str
    qr: str


def get_sharer(caller: CallerDep) -> Caller:
    """Somebody of an institution that gets reports back: people alone, for what they hand out."""
    if caller.person_id is None or not caller.subject.roles & township.RECIPIENTS:
        raise NotAllowed("shares")
    return caller


SharerDep = Annotated[Caller, Depends(get_sharer)]


@router.post("/reports/{report_id}/share")
def share(report_id: uuid.UUID, body: ShareBody, caller: SharerDep, runtime: RuntimeDep) -> CodeShape:
    """The code of a report: made when there is none. Each showing is audited."""
    shared = use_cases.share_report(runtime, who_is(caller), report_id, anew=body.anew)
    return _show(runtime, shared)


@router.delete("/shares/{share_id}", status_code=204)
def revoke(share_id: uuid.UUID, caller: SharerDep, runtime: RuntimeDep) -> Response:
    use_cases.revoke(runtime, who_is(caller), share_id)
    return Response(status_code=204)


@router.get("/shares/{share_id}/slip", responses={200: {"content": {"application/pdf": {}}}})
def read_slip(
    share_id: uuid.UUID,
    caller: SharerDep,
    runtime: RuntimeDep,
    paper: Literal["a5", "roll"] = "a5",
    language: Literal["zh-CN", "en"] = "zh-CN",
) -> Response:
    """To hand out: in Chinese unless asked otherwise, whatever language who prints it has."""
    pdf = use_cases.print_slip(runtime, who_is(caller), share_id, paper=paper, language=language)
    headers = {"Content-Disposition": 'inline; filename="slip.pdf"', "Cache-Control": "no-store"}
    return Response(pdf, media_type="application/pdf", headers=headers)


def _show(runtime: RuntimeDep, shared: Shared) -> CodeShape:
    address = address_of(runtime.settings.base_url, shared.code)
    now: datetime = runtime.now()
    with runtime.reading() as session:
        row = session.get_one(ReportShare, shared.share_id)
        return CodeShape(
            share=show_share(row, now), code=spoken_code(shared.code), address=address, qr=draw_qr(address)
        )
