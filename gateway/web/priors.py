"""What the same person had before: `/api/v1/tasks/{id}/priors`, a page of lines, and one opened in its place."""

import uuid

from fastapi import APIRouter

from gateway import reading
from gateway.priors import find_documents, find_priors, get_prior
from gateway.web.deps import RuntimeDep
from gateway.web.paging import CursorDep, read_cursor
from gateway.web.priors_shapes import OpenedPriorShape, PriorsShape
from gateway.web.priors_showing import show_opened, show_page
from gateway.web.tasks import who_is
from gateway.web.worklist import ReaderDep

router = APIRouter(prefix="/api/v1/tasks/{task_id}/priors", tags=["reading"])


@router.get("")
def list_priors(
    task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep, cursor: CursorDep = None
) -> PriorsShape:
    key = read_cursor(cursor)
    with runtime.reading() as session:
        about = reading.get_task(session, caller.subject, task_id).examination
        shown = show_page(find_priors(session, caller.subject, about, key), about)
    reading.note_opening(runtime, who_is(caller), "examination_opened", about.id, task_id=str(task_id))
    return shown


@router.get("/{examination_id}")
def open_prior(
    task_id: uuid.UUID, examination_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep
) -> OpenedPriorShape:
    """Its report and what came beside its images. In the audit as an opening of that examination."""
    with runtime.reading() as session:
        about = reading.get_task(session, caller.subject, task_id).examination
        prior = get_prior(session, caller.subject, about, examination_id)
        shown = show_opened(prior, find_documents(session, caller.subject, examination_id), about)
    reading.note_opening(runtime, who_is(caller), "examination_opened", examination_id, task_id=str(task_id))
    return shown
