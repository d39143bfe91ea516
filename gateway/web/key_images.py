"""Key images: `/api/v1/tasks/{task_id}/key-images`, and those that a signed report shows."""

import uuid
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, field_validator

from gateway import key_images as use_cases
from gateway import township
from gateway.dicomweb.parsed import Parsed
from gateway.dicomweb.served import Served
from gateway.dicomweb.shelf import Shelf
from gateway.key_images import Asked
from gateway.originals import Original, open_original
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep
from gateway.web.reports import ReportCallerDep
from gateway.web.tasks import who_is
from gateway.web.worklist import ReaderDep
from worklists.errors import Invalid
from worklists.key_images import LONGEST_CAPTION, KeyImage

router = APIRouter(prefix="/api/v1", tags=["key images"])

_TASK = "/tasks/{task_id}/key-images"
_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
Caption = Annotated[str, Field(max_length=2 * LONGEST_CAPTION)]  # trimmed before it is measured
Uid = Annotated[str, Field(min_length=1, max_length=64)]  # PS3.5 9.1
Frame = Annotated[int, Field(ge=1, le=1_000_000)]


class WindowShape(BaseModel):
    """PS3.3 C.11.2.1.2."""

    center: float = Field(allow_inf_nan=False)
    width: float = Field(gt=0, allow_inf_nan=False)


class ChooseBody(BaseModel):
    sop_instance_uid: Uid
    frame: Frame = 1
    window: WindowShape | None = None
    caption: Caption = ""


class CaptionBody(BaseModel):
    id: uuid.UUID
    caption: Caption = ""


class ArrangeBody(BaseModel):
    """All of them, in their order."""

    items: list[CaptionBody] = Field(max_length=50)

    @field_validator("items")
    @classmethod
    def _each_once(cls, items: list[CaptionBody]) -> list[CaptionBody]:
        if len({one.id for one in items}) != len(items):
            raise ValueError("an id stands twice")
        return items


class KeyImageShape(BaseModel):
    id: uuid.UUID
    caption: str
    sop_instance_uid: str
    frame: int
    window: WindowShape | None
    snapshot: bool
    width: int
    height: int
    sha256: str


@router.get(_TASK)
def list_key_images(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> list[KeyImageShape]:
    with runtime.reading() as session:
        return [_show(row) for row in use_cases.list_of_task(session, who_is(caller), task_id)]


@router.post(_TASK, status_code=201)
def choose_frame(
    task_id: uuid.UUID, body: ChooseBody, caller: ReaderDep, runtime: RuntimeDep, request: Request
) -> KeyImageShape:
    """A frame at its window, made into a picture now. The same view again is the one that there is."""
    window = (body.window.center, body.window.width) if body.window else None
    asked = Asked(
        sop_instance_uid=body.sop_instance_uid, frame=body.frame, window=window, caption=body.caption
    )
    made = use_cases.choose_frame(runtime, who_is(caller), task_id, asked, _finder(request, caller))
    return _read(runtime, caller, task_id, made)


@router.post(
    _TASK + "/snapshot",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"image/png": {}, "image/jpeg": {}}, "required": True}},
)
async def choose_snapshot(
    task_id: uuid.UUID,
    caller: ReaderDep,
    runtime: RuntimeDep,
    request: Request,
    sop_instance_uid: Annotated[str, Query(min_length=1, max_length=64)],
    frame: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    caption: Annotated[str, Query(max_length=2 * LONGEST_CAPTION)] = "",
) -> KeyImageShape:
    """What stood in the viewport over that frame, with its annotations; the body is the picture."""
    asked, find = (
        Asked(sop_instance_uid=sop_instance_uid, frame=frame, caption=caption),
        _finder(request, caller),
    )
    data = await request.body()
    made = await run_in_threadpool(
        use_cases.choose_snapshot, runtime, who_is(caller), task_id, asked, find, data
    )
    return await run_in_threadpool(_read, runtime, caller, task_id, made)


@router.put(_TASK)
def arrange(
    task_id: uuid.UUID, body: ArrangeBody, caller: ReaderDep, runtime: RuntimeDep
) -> list[KeyImageShape]:
    use_cases.arrange(runtime, who_is(caller), task_id, {one.id: one.caption for one in body.items})
    return list_key_images(task_id, caller, runtime)


@router.delete(_TASK + "/{key_image_id}", status_code=204)
def take_away(task_id: uuid.UUID, key_image_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> None:
    use_cases.take_away(runtime, who_is(caller), task_id, key_image_id)


@router.get(_TASK + "/{key_image_id}/picture", responses=_PICTURE, response_class=Response)
def read_picture(
    task_id: uuid.UUID, key_image_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep
) -> Response:
    with runtime.reading() as session:
        row = use_cases.picture_of_task(session, who_is(caller), task_id, key_image_id)
        return _answer(runtime, row, use_cases.find_original(session, row))


@router.get("/reports/{report_id}/key-images/{key_image_id}", responses=_PICTURE, response_class=Response)
def read_picture_of_report(
    report_id: uuid.UUID, key_image_id: uuid.UUID, caller: ReportCallerDep, runtime: RuntimeDep
) -> Response:
    with runtime.reading() as session:
        report = township.get_report(session, who_is(caller), report_id)
        row = use_cases.picture_of_report(session, report, key_image_id)
        original = use_cases.find_original(session, row)
    township.open_report(runtime, who_is(caller), report_id)
    return _answer(runtime, row, original)


def _finder(request: Request, caller: Caller) -> Callable[[str, str], tuple[Served, Parsed]]:
    """The instance of a study as it is served to this person."""
    shelf: Shelf = request.app.state.shelf

    def find(study: str, sop_instance_uid: str) -> tuple[Served, Parsed]:
        opened = shelf.open(caller.token_hash, caller.subject, study)
        served = shelf.list(opened).by_uid.get(sop_instance_uid)
        if served is None or not served.has_pixels:
            raise Invalid("sop_instance_uid", "not_of_the_examination")
        return served, shelf.parse(served)

    return find


def _read(runtime: Runtime, caller: Caller, task_id: uuid.UUID, key_image_id: uuid.UUID) -> KeyImageShape:
    with runtime.reading() as session:
        return _show(use_cases.picture_of_task(session, who_is(caller), task_id, key_image_id))


def _show(row: KeyImage) -> KeyImageShape:
    has_window = row.window_center is not None and row.window_width is not None
    return KeyImageShape(
        id=row.id,
        caption=row.caption,
        sop_instance_uid=row.sop_instance_uid,
        frame=row.frame,
        window=WindowShape.model_validate({"center": row.window_center, "width": row.window_width})
        if has_window
        else None,
        snapshot=row.snapshot,
        width=row.width,
        height=row.height,
        sha256=row.sha256,
    )


def _answer(runtime: Runtime, row: KeyImage, original: Original) -> Response:
    headers = {
        "Content-Length": str(row.size_bytes),
        "ETag": f'"{row.sha256}"',
        "Cache-Control": "private, max-age=300",
    }
    return StreamingResponse(open_original(runtime, original), media_type="image/jpeg", headers=headers)
