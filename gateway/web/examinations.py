"""What a township made, and what it can do about it: `/api/v1/examinations`, `/refusals`, `/villages`."""

import uuid
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from gateway import reading, township, uploading
from gateway.database import plan_as_usual
from gateway.finding import newest_read_task
from gateway.index import Refusal
from gateway.reading import Who
from gateway.runtime import Runtime
from gateway.sent import Sent, has_held, lacks_instances
from gateway.uploading import File, NothingAccepted, RefusedFile
from gateway.web.deps import Caller, CallerDep, RuntimeDep, UploaderDep, require
from gateway.web.errors import Detailed
from gateway.web.examination_showing import show_examination_detail
from gateway.web.paging import CursorDep, LimitDep, read_cursor, write_next
from gateway.web.refusals import explain
from gateway.web.shapes import ExaminationDetail, ExaminationItem, Page, SiteShape
from gateway.web.showing import show_device, show_examinations, show_site
from gateway.web.tasks import who_is
from gateway.web.township_shapes import (
    AcceptedShape,
    ExaminationChanges,
    IdentityBody,
    RefusalShape,
    RefusedShape,
    UploadShape,
)
from worklists.directory import Device, Role
from worklists.errors import NotAllowed, NotFound
from worklists.examinations import Examination
from worklists.patients import PatientIdentity
from worklists.reading import ReadingTask, TaskState

router = APIRouter(prefix="/api/v1", tags=["township"])

MOST_FILES = 5000  # of one upload; a large CT has three thousand images
NOT_YET_INDEXED = timedelta(hours=1)  # how long after an id was minted its file may still be on its way
REFUSALS_SHOWN = timedelta(days=7)


RadiographerDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER))]
_KNOWS_EXAMINATIONS = {Role.RADIOGRAPHER, Role.VILLAGE, Role.READER, Role.REVIEWER}


def get_examination_caller(caller: CallerDep) -> Caller:
    """Anybody who deals with examinations; which of them is the door's question."""
    if caller.subject.wires is None and not caller.subject.roles & _KNOWS_EXAMINATIONS:
        raise NotAllowed("examinations")
    return caller


ExaminationCallerDep = Annotated[Caller, Depends(get_examination_caller)]


async def get_form(_caller: UploaderDep, request: Request) -> AsyncIterator[FormData]:
    """The multipart body; read only for somebody who may upload."""
    async with request.form(max_files=MOST_FILES, max_fields=20) as form:
        yield form


@router.get("/examinations")
def list_examinations(
    caller: RadiographerDep,
    runtime: RuntimeDep,
    state: Annotated[list[TaskState] | None, Query()] = None,
    q: Annotated[str, Query(max_length=100)] = "",
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    study: Annotated[str, Query(max_length=64, description="Study Instance UID")] = "",
    incomplete: bool = False,
    held: bool = False,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[ExaminationItem]:
    """What this institution made, newest first; `incomplete` and `held` ask for those alone."""
    with runtime.reading() as session:
        sent = Sent(session, caller.subject, q, (first, last), runtime.now())
        listed: list[ColumnElement[bool]] = [ReadingTask.state.in_(state)] if state else []
        listed += [Examination.study_instance_uid == study] if study else []
        listed += [lacks_instances()] if incomplete else []
        listed += [has_held()] if held else []
        found, counts = sent.find(listed, read_cursor(cursor), limit)
        plan_as_usual(session)
        shown = show_examinations(session, found.ids, recipient_id=caller.subject.institution_id)
        return Page(items=shown, next_cursor=write_next(found.next_key), counts=counts)


@router.get("/examinations/{examination_id}")
def read_examination(
    examination_id: uuid.UUID, caller: ExaminationCallerDep, runtime: RuntimeDep
) -> ExaminationDetail:
    detail = _show(runtime, caller, examination_id)
    reading.note_opening(runtime, who_is(caller), "examination_opened", detail.examination_id)
    return detail


@router.patch("/examinations/{examination_id}")
def change_examination(
    examination_id: uuid.UUID, body: ExaminationChanges, caller: ExaminationCallerDep, runtime: RuntimeDep
) -> ExaminationDetail:
    changes = body.model_dump(exclude_unset=True)
    own_id = township.change_examination(runtime, who_is(caller), examination_id, changes)
    return _show(runtime, caller, own_id)


@router.post("/examinations/{examination_id}/identity")
def correct_identity(
    examination_id: uuid.UUID, body: IdentityBody, caller: RadiographerDep, runtime: RuntimeDep
) -> ExaminationDetail:
    identity = PatientIdentity(
        patient_id=body.patient_id.strip(), name=body.name.strip(), sex=body.sex, birth_date=body.birth_date
    )
    own_id = township.correct_identity(runtime, who_is(caller), examination_id, identity, body.reason)
    return _show(runtime, caller, own_id)


@router.post(
    "/examinations",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["kind", "files"],
                        "properties": {
                            "kind": {"type": "string", "enum": ["imaging", "ecg", "laboratory", "pathology"]},
                            "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
                            "accession_number": {"type": "string"},
                            "priority": {"type": "string", "enum": ["chest_pain"]},
                        },
                    }
                }
            }
        }
    },
)
def upload_files(
    caller: UploaderDep, runtime: RuntimeDep, form: Annotated[FormData, Depends(get_form)]
) -> UploadShape:
    files = [
        File(name=one.filename or "", stream=one.file)
        for one in form.getlist("files")
        if isinstance(one, UploadFile)
    ]
    try:
        upload = uploading.receive_files(
            runtime,
            who_is(caller),
            _field(form, "kind"),
            files,
            accession_number=_field(form, "accession_number", "")[:64],
            priority=_field(form, "priority", ""),
        )
    except NothingAccepted as error:
        refused = [_show_refused(file, caller.language).model_dump() for file in error.refused]
        raise Detailed(error, members={"accepted": [], "refused": refused}) from error
    return UploadShape(
        accepted=[
            AcceptedShape(name=file.name, examination_id=file.examination_id) for file in upload.accepted
        ],
        refused=[_show_refused(file, caller.language) for file in upload.refused],
    )


@router.get("/refusals")
def list_refusals(caller: RadiographerDep, runtime: RuntimeDep, limit: LimitDep = 50) -> list[RefusalShape]:
    """What was turned away at the door of this institution's devices lately, alike ones in one row."""
    titles = select(Device.ae_title).where(Device.institution_id == caller.subject.institution_id)
    ours = or_(
        Refusal.institution_id == caller.subject.institution_id,
        and_(Refusal.institution_id.is_(None), Refusal.calling_ae_title.in_(titles)),
    )
    alike = (Refusal.calling_ae_title, Refusal.what, Refusal.reason, Refusal.cause, Refusal.detail)
    query = (
        select(
            func.max(Refusal.refused_at).label("at"), func.count(), func.max(Refusal.sop_instance_uid), *alike
        )
        .where(ours, Refusal.refused_at > runtime.now() - REFUSALS_SHOWN)
        .group_by(*alike)
        .order_by(func.max(Refusal.refused_at).desc())
        .limit(limit)
    )
    with runtime.reading() as session:
        devices = {
            device.ae_title: device
            for device in session.scalars(
                select(Device).where(Device.institution_id == caller.subject.institution_id)
            )
        }
        return [
            _show_refusal(devices.get(title), at, count, uid, (what, reason, cause, detail), caller.language)
            for at, count, uid, title, what, reason, cause, detail in session.execute(query)
        ]


@router.get("/villages")
def list_villages(caller: RadiographerDep, runtime: RuntimeDep) -> list[SiteShape]:
    """The village points to which this township may have reports sent."""
    with runtime.reading() as session:
        return [show_site(row) for row in township.find_villages(session, caller.subject.institution_id)]


def _show(runtime: Runtime, caller: Caller, examination_id: uuid.UUID) -> ExaminationDetail:
    with runtime.reading() as session:
        examination = _find(session, who_is(caller), examination_id, runtime.now())
        task = session.scalars(
            select(ReadingTask).where(ReadingTask.examination_id == examination.id, newest_read_task())
        ).one()
        return show_examination_detail(session, task, recipient_id=caller.subject.institution_id)


def _find(session: Session, who: Who, examination_id: uuid.UUID, now: datetime) -> Examination:
    """Raises NotFound; for an id of the last hour it says to ask again, whatever became of the file."""
    try:
        return township.get_examination(session, who, examination_id)
    except NotFound as error:
        minted_ms = examination_id.int >> 80 if examination_id.version == 7 else 0
        if minted_ms > (now - NOT_YET_INDEXED).timestamp() * 1000:
            raise Detailed(error, headers={"Retry-After": "1"}) from error
        raise


def _field(form: FormData, name: str, otherwise: str | None = None) -> str:
    value = form.get(name, otherwise)
    if not isinstance(value, str):
        raise RequestValidationError([{"loc": ("body", name), "type": "missing", "msg": "", "input": None}])
    return value


def _show_refused(file: RefusedFile, language: str) -> RefusedShape:
    return RefusedShape(name=file.name, reason=explain("file", file.reason, file.detail, language)[0])


def _show_refusal(
    device: Device | None, at: datetime, count: int, uid: str, why: tuple[str, str, str, str], language: str
) -> RefusalShape:
    what, code, cause, detail = why
    reason, advice = explain(what, code, detail, language, cause=cause)
    return RefusalShape(
        at=at,
        device=show_device(device),
        what=what,
        reason=reason,
        advice=advice,
        sop_instance_uid=uid or "",
        count=count,
    )
