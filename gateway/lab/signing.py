"""Signing a morning's work: every specimen whose results are all released, each in a transaction of its own."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from gateway.handing_on import say, sign_in, submit_in
from gateway.reading import Who, claim_in, get_person, get_task, in_one
from gateway.runtime import Runtime
from worklists.directory import Kind
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound
from worklists.laboratory.reporting import ResultsPending
from worklists.reading import TaskState
from worklists.reports import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one task: a report, handed on for review when there is neither, or the error that kept it."""

    task_id: uuid.UUID
    report: Report | None = None
    error: Exception | None = None


def sign_each(runtime: Runtime, who: Who, task_ids: Sequence[uuid.UUID]) -> list[Outcome]:
    """Sign those that may be; where the centre requires review, hand them on, or sign what others handed on."""
    return [_sign_one(runtime, who, task_id) for task_id in dict.fromkeys(task_ids)]


def _sign_one(runtime: Runtime, who: Who, task_id: uuid.UUID) -> Outcome:
    try:
        report = in_one(runtime, lambda session: _take_and_sign(runtime, session, who, task_id))
    except (NotFound, NotAllowed, Conflict, Invalid, StaleDataError) as error:
        return Outcome(task_id=task_id, error=error)
    return Outcome(task_id=task_id, report=report)


def _take_and_sign(runtime: Runtime, session: Session, who: Who, task_id: uuid.UUID) -> Report | None:
    """Nobody looks at it line by line here: what lacks a test is signed by itself."""
    task, person = get_task(session, who.subject, task_id), get_person(session, who)
    if task.examination.kind is not Kind.LABORATORY:
        raise NotFound("task")
    pending = say(runtime, session, task.examination).pending
    if pending:
        raise ResultsPending(pending)
    if task.state is TaskState.SUBMITTED:
        return sign_in(runtime, session, who, task, person)
    if task.state is not TaskState.CLAIMED or task.claimed_by_id != person.id:
        claim_in(runtime, session, who, task, person)
    if task.centre is not None and task.centre.review_required:
        submit_in(runtime, session, who, task, person)
        return None
    return sign_in(runtime, session, who, task, person)
