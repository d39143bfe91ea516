"""Results of specimens: `/api/v1/examinations/{id}/results`, and what is decided about them under their task."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from gateway import reading
from gateway.lab import reading as lab_reading
from gateway.lab.showing import get_sheet
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep
from gateway.web.examinations import ExaminationCallerDep
from gateway.web.lab_shapes import SheetShape
from gateway.web.lab_showing import show_sheet
from gateway.web.shapes import ReasonBody
from gateway.web.tasks import who_is
from gateway.web.worklist import ReaderDep

router = APIRouter(prefix="/api/v1", tags=["laboratory"])

MOST_AT_ONCE = 500  # results of one specimen: a large one has two hundred


class VerifyBody(BaseModel):
    """`result_ids` null: all that wait and need no word of their own."""

    result_ids: list[uuid.UUID] | None = Field(default=None, min_length=1, max_length=MOST_AT_ONCE)
    reason: str = Field(default="", max_length=2000)


class RemarkBody(BaseModel):
    remark: str = Field(max_length=2000)


class RerunBody(BaseModel):
    reason: str = Field(max_length=2000)
    new_specimen: bool = False


@router.get("/examinations/{examination_id}/results")
def read_results(examination_id: uuid.UUID, caller: ExaminationCallerDep, runtime: RuntimeDep) -> SheetShape:
    sheet = _sheet(runtime, caller, examination_id)
    reading.note_opening(runtime, who_is(caller), "examination_opened", sheet.examination_id)
    return sheet


def get_task_of_results(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> uuid.UUID:
    """The examination of a task that is the caller's to see. Raises NotFound."""
    with runtime.reading() as session:
        return reading.get_task(session, caller.subject, task_id).examination_id


ExaminationOfTask = Annotated[uuid.UUID, Depends(get_task_of_results)]
_TASK = "/tasks/{task_id}/results"


@router.post(_TASK + "/verify")
def verify(
    task_id: uuid.UUID, about: ExaminationOfTask, body: VerifyBody, caller: ReaderDep, runtime: RuntimeDep
) -> SheetShape:
    lab_reading.verify(runtime, who_is(caller), task_id, body.result_ids, reason=body.reason)
    return _sheet(runtime, caller, about)


@router.post(_TASK + "/{result_id}/remark")
def note_remark(
    task_id: uuid.UUID,
    result_id: uuid.UUID,
    about: ExaminationOfTask,
    body: RemarkBody,
    caller: ReaderDep,
    runtime: RuntimeDep,
) -> SheetShape:
    lab_reading.note_remark(runtime, who_is(caller), task_id, result_id, body.remark)
    return _sheet(runtime, caller, about)


@router.post(_TASK + "/{result_id}/rerun")
def ask_rerun(
    task_id: uuid.UUID,
    result_id: uuid.UUID,
    about: ExaminationOfTask,
    body: RerunBody,
    caller: ReaderDep,
    runtime: RuntimeDep,
) -> SheetShape:
    lab_reading.ask_rerun(
        runtime, who_is(caller), task_id, result_id, body.reason, new_specimen=body.new_specimen
    )
    return _sheet(runtime, caller, about)


@router.post(_TASK + "/{result_id}/unverify")
def unverify(
    task_id: uuid.UUID,
    result_id: uuid.UUID,
    about: ExaminationOfTask,
    body: ReasonBody,
    caller: ReaderDep,
    runtime: RuntimeDep,
) -> SheetShape:
    lab_reading.unverify(runtime, who_is(caller), task_id, result_id, body.reason)
    return _sheet(runtime, caller, about)


@router.post(_TASK + "/{result_id}/choose")
def choose(
    task_id: uuid.UUID,
    result_id: uuid.UUID,
    about: ExaminationOfTask,
    body: ReasonBody,
    caller: ReaderDep,
    runtime: RuntimeDep,
) -> SheetShape:
    """Another run of its item is the one that counts."""
    lab_reading.choose(runtime, who_is(caller), task_id, result_id, body.reason)
    return _sheet(runtime, caller, about)


def _sheet(runtime: Runtime, caller: Caller, examination_id: uuid.UUID) -> SheetShape:
    with runtime.reading() as session:
        sheet = get_sheet(
            session, caller.subject, examination_id,
            print_community_mark=runtime.settings.print_community_mark,
        )  # fmt: skip
        return show_sheet(sheet)
