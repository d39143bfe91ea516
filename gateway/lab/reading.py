"""What people of the laboratory do with results: one transaction each, by whoever has the task, audited with the deed."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.critical_events import note_verified
from gateway.reading import Who, get_person, get_task, in_one
from gateway.runtime import Runtime
from worklists.directory import Kind, Person
from worklists.errors import NotFound
from worklists.laboratory import verifying
from worklists.laboratory.alarming import Alarms
from worklists.laboratory.results import LabResult
from worklists.reading import ReadingTask

Deed = Callable[[Session, ReadingTask, Person, datetime], Mapping[str, Any]]


def verify(
    runtime: Runtime, who: Who, task_id: uuid.UUID, result_ids: Sequence[uuid.UUID] | None, *, reason: str
) -> int:
    """Release these, or with None all that wait and need no word of their own. Says how many."""

    def deed(session: Session, task: ReadingTask, person: Person, now: datetime) -> Mapping[str, Any]:
        if result_ids is None:
            waiting = verifying.find_waiting(session, task.examination_id)
            chosen = [one for one in waiting if not verifying.needs_a_word(session, one)]
        else:
            chosen = verifying.get_results(session, task.examination_id, result_ids)
        verifying.verify(session, chosen, person, reason=reason, now=now)
        note_verified(session, [one.id for one in chosen if one.critical], person, now)
        items = [one.item_code for one in chosen]
        return {"items": items, **({"reason": reason.strip()} if reason.strip() else {})}

    return len(_change(runtime, who, task_id, "results_verified", deed)["items"])


def unverify(runtime: Runtime, who: Who, task_id: uuid.UUID, result_id: uuid.UUID, reason: str) -> None:
    _change_one(
        runtime, who, task_id, result_id, "result_unverified",
        lambda _session, result, _person, _now: verifying.unverify(result, reason), {"reason": reason},
    )  # fmt: skip


def note_remark(runtime: Runtime, who: Who, task_id: uuid.UUID, result_id: uuid.UUID, remark: str) -> None:
    _change_one(
        runtime, who, task_id, result_id, "result_remarked",
        lambda _session, result, _person, _now: verifying.note_remark(result, remark),
    )  # fmt: skip


def ask_rerun(
    runtime: Runtime, who: Who, task_id: uuid.UUID, result_id: uuid.UUID, reason: str, *, new_specimen: bool
) -> None:
    def deed(session: Session, result: LabResult, person: Person, now: datetime) -> None:
        verifying.ask_rerun(session, result, person, reason=reason, new_specimen=new_specimen, now=now)

    detail = {"reason": reason, "new_specimen": new_specimen}
    _change_one(runtime, who, task_id, result_id, "rerun_asked", deed, detail)


def choose(runtime: Runtime, who: Who, task_id: uuid.UUID, result_id: uuid.UUID, reason: str) -> None:
    """Another run of an item is the one that counts."""

    def deed(session: Session, result: LabResult, _person: Person, now: datetime) -> None:
        verifying.choose(session, result, reason)
        alarms = Alarms()
        alarms.note(result.examination, result, verifying.find_versions_before(session, result))
        alarms.carry_out(session, now=now)

    _change_one(runtime, who, task_id, result_id, "result_chosen", deed, {"reason": reason})


def _change_one(
    runtime: Runtime,
    who: Who,
    task_id: uuid.UUID,
    result_id: uuid.UUID,
    action: audit.Action,
    decide: Callable[[Session, LabResult, Person, datetime], object],
    detail: Mapping[str, Any] | None = None,
) -> None:
    def deed(session: Session, task: ReadingTask, person: Person, now: datetime) -> Mapping[str, Any]:
        [result] = verifying.get_results(session, task.examination_id, [result_id])
        decide(session, result, person, now)
        return {"items": [result.item_code], "run": result.run, **(detail or {})}

    _change(runtime, who, task_id, action, deed)


def _change(
    runtime: Runtime, who: Who, task_id: uuid.UUID, action: audit.Action, deed: Deed
) -> Mapping[str, Any]:
    """The deed of who has the task, which it also keeps for them. Answers what the audit says of it."""

    def change(session: Session) -> Mapping[str, Any]:
        now = runtime.now()
        task, person = get_task(session, who.subject, task_id), get_person(session, who)
        if task.examination.kind is not Kind.LABORATORY:
            raise NotFound("result")
        task.renew(person, now)
        detail = deed(session, task, person, now)
        if detail["items"]:
            audit.record(
                session, action, actor=who.actor, now=now, examination_id=task.examination_id,
                detail={"task_id": str(task.id), **detail},
            )  # fmt: skip
            live.bump(session, "worklist", "lab")
        return detail

    return in_one(runtime, change)
