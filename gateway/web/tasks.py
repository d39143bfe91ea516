"""Reading one examination: `/api/v1/tasks/…`."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, StringConstraints
from sqlalchemy.orm import Session

from gateway import device_control, handing_on, reading
from gateway.handing_on import Word
from gateway.priors import find_priors
from gateway.reading import DraftText, Who
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, get_person
from gateway.web.device_control_shapes import StandShape, show_stand
from gateway.web.errors import Detailed
from gateway.web.examination_showing import show_examination_detail
from gateway.web.priors_showing import show_page
from gateway.web.reading_shapes import DraftBody, DraftShape, HandOnBody, SignedShape, TaskDetail
from gateway.web.reading_showing import (
    show_doubt,
    show_draft,
    show_override,
    show_permissions,
    show_rejection,
    show_submission,
)
from gateway.web.shapes import ReasonBody, WorklistItem
from gateway.web.showing import show_task
from gateway.web.worklist import ReaderDep
from worklists.checking.rows import ReportDoubted, find_overrides
from worklists.drafts import DraftChanged
from worklists.errors import Invalid
from worklists.examinations import Examination
from worklists.reviewing import Verdict, find_baseline

router = APIRouter(prefix="/api/v1/tasks/{task_id}", tags=["reading"])


class HandOverBody(BaseModel):
    to_person_id: uuid.UUID
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


IfMatch = Annotated[str | None, Header(max_length=40)]


@router.get("")
def read_task(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> TaskDetail:
    with runtime.reading() as session:
        task = reading.get_task(session, caller.subject, task_id)
        priors = show_page(find_priors(session, caller.subject, task.examination), task.examination)
        detail = TaskDetail(
            task=show_task(session, task.id),
            examination=show_examination_detail(session, task),
            draft=show_draft(session, task.draft) if task.draft else None,
            review_required=task.centre is not None and task.centre.review_required,
            permissions=show_permissions(session, task, get_person(session, caller), runtime.now()),
            rejection=show_rejection(task.draft),
            overrides=[show_override(row) for row in find_overrides(session, task.id)],
            submission=show_submission(find_baseline(session, task.id)),
            doubted_device=_show_doubted(session, task.examination),
            priors=priors.items,
            priors_total=priors.total,
            priors_cursor=priors.next_cursor,
        )
    reading.note_opening(
        runtime, who_is(caller), "examination_opened", detail.task.examination_id, task_id=str(task_id)
    )
    return detail


@router.post("/claim")
def claim(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.claim(runtime, who_is(caller), task_id)
    return _show(runtime, caller, task_id)


@router.post("/renew")
def renew(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.renew(runtime, who_is(caller), task_id)
    return _show(runtime, caller, task_id)


@router.post("/release")
def release(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.release(runtime, who_is(caller), task_id)
    return _show(runtime, caller, task_id)


@router.post("/take-over")
def take_over(task_id: uuid.UUID, body: ReasonBody, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    """What somebody else holds, or what was assigned to them."""
    reading.take_over(runtime, who_is(caller), task_id, body.reason)
    return _show(runtime, caller, task_id)


@router.post("/hand-over")
def hand_over(task_id: uuid.UUID, body: HandOverBody, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.hand_over(runtime, who_is(caller), task_id, body.to_person_id, body.note)
    return _show(runtime, caller, task_id)


@router.post("/pause")
def pause(task_id: uuid.UUID, body: ReasonBody, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    """Its clock stands still until it is resumed, handed on or signed."""
    reading.pause(runtime, who_is(caller), task_id, body.reason)
    return _show(runtime, caller, task_id)


@router.post("/resume")
def resume(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.resume(runtime, who_is(caller), task_id)
    return _show(runtime, caller, task_id)


@router.post("/send-back")
def send_back(task_id: uuid.UUID, body: ReasonBody, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.send_back(runtime, who_is(caller), task_id, body.reason)
    return _show(runtime, caller, task_id)


@router.post("/confirm-late")
def confirm_late(task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> WorklistItem:
    reading.confirm_late(runtime, who_is(caller), task_id)
    return _show(runtime, caller, task_id)


@router.put("/report")
def save_draft(
    task_id: uuid.UUID,
    body: DraftBody,
    caller: ReaderDep,
    runtime: RuntimeDep,
    response: Response,
    if_match: IfMatch = None,
) -> DraftShape:
    text = DraftText(**body.model_dump(exclude=set() if "content" in body.model_fields_set else {"content"}))
    with showing_the_newer(runtime, caller, task_id):
        reading.save(runtime, who_is(caller), task_id, text, revision=read_revision(if_match))
    draft = _find_draft(runtime, caller, task_id)
    if draft is None:
        raise AssertionError("a draft that was saved is there")
    response.headers["ETag"] = f'"{draft.revision}"'
    return draft


@router.post("/submit")
def submit(
    task_id: uuid.UUID,
    caller: ReaderDep,
    runtime: RuntimeDep,
    body: HandOnBody | None = None,
    if_match: IfMatch = None,
) -> WorklistItem:
    with showing_the_newer(runtime, caller, task_id):
        handing_on.submit(
            runtime, who_is(caller), task_id, revision=read_revision(if_match), word=_word(body)
        )
    return _show(runtime, caller, task_id)


@router.post("/reject")
def reject(
    task_id: uuid.UUID, body: ReasonBody, caller: ReaderDep, runtime: RuntimeDep, if_match: IfMatch = None
) -> WorklistItem:
    with showing_the_newer(runtime, caller, task_id):
        reading.reject(runtime, who_is(caller), task_id, body.reason, revision=read_revision(if_match))
    return _show(runtime, caller, task_id)


@router.post("/sign")
def sign(
    task_id: uuid.UUID,
    caller: ReaderDep,
    runtime: RuntimeDep,
    request: Request,
    body: HandOnBody | None = None,
    if_match: IfMatch = None,
) -> SignedShape:
    """What its reader marked as preliminary is signed as that, and waits for a second person."""
    with showing_the_newer(runtime, caller, task_id):
        report = handing_on.sign(
            runtime, who_is(caller), task_id, revision=read_revision(if_match), word=_word(body)
        )
    wake_sweep(request)
    return SignedShape(report_id=report.id, version=report.version, preliminary=report.preliminary)


def wake_sweep(request: Request) -> None:
    """There is something due: a hint, without which the sweep comes by itself."""
    wake = getattr(request.app.state, "wake_sweep", None)
    if wake is not None:
        wake()


def who_is(caller: Caller) -> Who:
    return Who(subject=caller.subject, actor=caller.actor(), sender=caller.sender)


def _show_doubted(session: Session, examination: Examination) -> StandShape | None:
    stand = device_control.doubt_about(session, examination)
    return show_stand(stand) if stand else None


def _show(runtime: Runtime, caller: Caller, task_id: uuid.UUID) -> WorklistItem:
    with runtime.reading() as session:
        task = reading.get_task(session, caller.subject, task_id)
        return show_task(session, task.id)


def _find_draft(runtime: Runtime, caller: Caller, task_id: uuid.UUID) -> DraftShape | None:
    with runtime.reading() as session:
        draft = reading.get_task(session, caller.subject, task_id).draft
        return show_draft(session, draft) if draft else None


@contextmanager
def showing_the_newer(runtime: Runtime, caller: Caller, task_id: uuid.UUID) -> Iterator[None]:
    """Whoever acted on an older text is answered with the newer one."""
    try:
        yield
    except DraftChanged as error:
        current = _find_draft(runtime, caller, task_id)
        raise Detailed(
            error, members={"current": current.model_dump(mode="json") if current else None}
        ) from error
    except ReportDoubted as error:
        doubts = [show_doubt(one).model_dump(mode="json") for one in error.doubts]
        raise Detailed(error, members={"doubts": doubts}) from error


def _word(body: HandOnBody | None) -> Word:
    if body is None:
        return Word()
    said = body.discrepancy
    return Word(
        overrides={one.key: one.reason for one in body.overrides},
        verdict=Verdict(grade=said.grade, category=said.category, note=said.note) if said else None,
    )


def read_revision(if_match: str | None) -> int | None:
    """The revision in `If-Match` (RFC 9110 §13.1.1); `*` and nothing ask for none."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"?([0-9]{1,9})"?', if_match.strip())
    if found is None:
        raise Invalid("If-Match")
    return int(found.group(1))
