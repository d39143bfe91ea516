"""What somebody on duty is called to: `/api/v1/calls`, read by every page that they have open."""

import uuid
from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from gateway.web.deps import RuntimeDep
from gateway.web.shapes import WorklistItem
from gateway.web.showing import show_tasks
from gateway.web.worklist import ReaderDep
from worklists.duty import open_calls_of

router = APIRouter(prefix="/api/v1", tags=["reading"])


class CallShape(BaseModel):
    id: uuid.UUID
    called_at: datetime
    task: WorklistItem


@router.get("/calls")
def list_calls(caller: ReaderDep, runtime: RuntimeDep) -> list[CallShape]:
    """Chest pain that this person was called to and nobody has taken, the oldest call first."""
    if caller.person_id is None:
        return []
    with runtime.reading() as session:
        calls = [
            call
            for call in open_calls_of(session, caller.person_id)
            if call.task.centre_id in caller.subject.centre_ids
        ]
        tasks = show_tasks(session, [call.task_id for call in calls])
        return [
            CallShape(id=call.id, called_at=call.called_at, task=task)
            for call, task in zip(calls, tasks, strict=True)
        ]
