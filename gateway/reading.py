"""What readers and reviewers do: one transaction each, seen through the one door, audited with the deed.

When somebody else was first, the deed is tried again on what they left, and then says what it met there.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import EllipsisType
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from gateway import audit, live
from gateway.audit import Actor, AuditEvent
from gateway.runtime import Runtime
from worklists.access import Subject, visible_to
from worklists.directory import Kind, Person
from worklists.drafting import save_draft
from worklists.errors import Invalid, NotAllowed, NotFound
from worklists.examinations import Examination
from worklists.laboratory.reporting import begin_from_last
from worklists.reading import ReadingTask, TaskState

T = TypeVar("T")
TRIES = 3
OPENING = timedelta(minutes=15)  # who comes back later opens it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """The device that a machine speaks for: what it sends is as if that had sent it."""

    device_id: uuid.UUID
    ae_title: str
    character_set: str | None

    def as_origin(self) -> dict[str, str | None]:
        return {
            "device_id": str(self.device_id),
            "calling_ae_title": self.ae_title,
            "character_set": self.character_set,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who does it: what they may see, how the audit names them, and the device of a machine."""

    subject: Subject
    actor: Actor
    sender: Sender | None = None

    def sent_from(self) -> dict[str, str | None]:
        """What an origin says of the device."""
        return self.sender.as_origin() if self.sender else {"device_id": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftText:
    """What a reader typed."""

    findings: str
    impression: str
    critical: bool = False
    preliminary: bool = False
    positive: bool | None = None  # not said: the words decide
    content: Mapping[str, Any] | EllipsisType | None = ...  # not stated: stays as it is


def get_task(session: Session, subject: Subject, task_id: uuid.UUID) -> ReadingTask:
    """A task at one of the caller's centres, or one that they hold. A prior that they may see is no work of theirs."""
    task = session.scalars(
        select(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(ReadingTask.id == task_id, visible_to(subject))
    ).one_or_none()
    mine = task is not None and (
        task.centre_id in subject.centre_ids or task.claimed_by_id == subject.person_id
    )
    if task is None or not mine:
        raise NotFound("task")
    return task


def claim(runtime: Runtime, who: Who, task_id: uuid.UUID) -> None:
    def deed(session: Session) -> None:
        task, person = get_task(session, who.subject, task_id), get_person(session, who)
        claim_in(runtime, session, who, task, person)

    in_one(runtime, deed)


def claim_in(runtime: Runtime, session: Session, who: Who, task: ReadingTask, person: Person) -> None:
    """The same in a transaction of the caller's."""
    now = runtime.now()
    task.claim(person, now)
    if task.examination.kind is Kind.LABORATORY:
        begin_from_last(session, task, person, now)
    record_deed(session, who, "task_claimed", task, now)
    live.bump(session, "worklist")


def renew(runtime: Runtime, who: Who, task_id: uuid.UUID) -> None:
    """The reading room is still open: nothing that anybody needs to be told."""
    _change(runtime, who, task_id, None, lambda task, person, now: task.renew(person, now))


def release(runtime: Runtime, who: Who, task_id: uuid.UUID) -> None:
    _change(runtime, who, task_id, "task_released", lambda task, person, now: task.release(person, now))


def take_over(runtime: Runtime, who: Who, task_id: uuid.UUID, reason: str) -> None:
    """Take what is another's. Raises TaskStateForbids when it is nobody's."""
    detail: dict[str, str] = {"reason": reason}

    def deed(task: ReadingTask, person: Person, now: datetime) -> None:
        before = task.take_over(person, reason, now)
        detail["from"] = before.name if before else ""

    _change(runtime, who, task_id, "task_taken_over", deed, detail)


def hand_over(runtime: Runtime, who: Who, task_id: uuid.UUID, to_person_id: uuid.UUID, note: str) -> None:
    """Give it to a colleague of the centre, with a note. Raises NotAllowed, Invalid."""
    detail: dict[str, str] = {"note": note}

    def change(session: Session) -> None:
        now = runtime.now()
        task, colleague = get_task(session, who.subject, task_id), session.get(Person, to_person_id)
        if colleague is None:
            raise Invalid("to_person_id", "unknown")
        task.hand_over(get_person(session, who), colleague, note, now)
        record_deed(session, who, "task_handed_over", task, now, {"to": colleague.name, **detail})
        live.bump(session, "worklist")

    in_one(runtime, change)


def pause(runtime: Runtime, who: Who, task_id: uuid.UUID, reason: str) -> None:
    _change(
        runtime, who, task_id, "task_paused",
        lambda task, person, now: task.pause(person, reason, now), {"reason": reason},
    )  # fmt: skip


def resume(runtime: Runtime, who: Who, task_id: uuid.UUID) -> None:
    _change(runtime, who, task_id, "task_resumed", lambda task, person, now: task.resume(person, now))


def send_back(runtime: Runtime, who: Who, task_id: uuid.UUID, reason: str) -> None:
    _change(
        runtime, who, task_id, "examination_sent_back",
        lambda task, person, now: task.send_back(person, reason, now), {"reason": reason},
    )  # fmt: skip


def confirm_late(runtime: Runtime, who: Who, task_id: uuid.UUID) -> None:
    _change(
        runtime, who, task_id, "late_instances_confirmed",
        lambda task, person, _: task.confirm_late_instances(person),
    )  # fmt: skip


def reject(runtime: Runtime, who: Who, task_id: uuid.UUID, reason: str, *, revision: int | None) -> None:
    """Hand back the text that was shown at `revision`; None does not ask. Raises DraftChanged."""

    def deed(task: ReadingTask, person: Person, now: datetime) -> None:
        task.require_shown(revision)
        task.reject(person, reason, now)

    _change(runtime, who, task_id, "report_rejected", deed, {"reason": reason})


def save(runtime: Runtime, who: Who, task_id: uuid.UUID, text: DraftText, *, revision: int | None) -> None:
    """Keep what was typed; only the first save of a claim is worth a row of audit. Raises DraftChanged.

    Whoever else has the text open is told: in review several may write, and decide about what they read.
    """

    def deed(session: Session) -> None:
        now = runtime.now()
        task, person = get_task(session, who.subject, task_id), get_person(session, who)
        draft, reviews = task.draft, task.state is TaskState.SUBMITTED
        begun = draft is None or (task.claimed_at is not None and draft.saved_at < task.claimed_at)
        corrected = reviews and draft is not None and draft.saved_at <= task.waiting_since
        anothers = draft is not None and draft.saved_by.id != person.id
        save_draft(
            session, task, writer=person, findings=text.findings, impression=text.impression,
            critical=text.critical, preliminary=text.preliminary, positive=text.positive, content=text.content,
            revision=revision, now=now,
        )  # fmt: skip
        if begun or corrected:
            record_deed(session, who, "draft_corrected" if corrected else "draft_begun", task, now)
        if (
            reviews or anothers
        ):  # else only its holder may write, and nobody else has it open to decide about it
            live.bump(session, "worklist")

    in_one(runtime, deed)


def note_opening(
    runtime: Runtime, who: Who, action: audit.Action, examination_id: uuid.UUID, **detail: str
) -> None:
    """One row of audit for each person and opening, not for each time that a page reads again."""
    now = runtime.now()
    with runtime.reading() as session:
        known = session.scalars(
            select(AuditEvent.id)
            .where(AuditEvent.examination_id == examination_id, AuditEvent.action == action)
            .where(AuditEvent.at > now - OPENING, AuditEvent.actor == who.actor.name)
            .where(AuditEvent.person_id == who.actor.person_id)
            .limit(1)
        ).first()
    if known is None:
        with runtime.sessions.begin() as session:
            audit.record(
                session, action, actor=who.actor, now=now, examination_id=examination_id, detail=detail
            )


def in_one(runtime: Runtime, deed: Callable[[Session], T]) -> T:
    """A deed in one transaction, done again on what another left when they were first."""
    for attempt in range(TRIES):
        try:
            with runtime.sessions.begin() as session:
                return deed(session)
        except StaleDataError:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def get_person(session: Session, who: Who) -> Person:
    """The caller's row in this transaction. Raises NotAllowed for a machine."""
    person = session.get(Person, who.actor.person_id) if who.actor.person_id else None
    if person is None:
        raise NotAllowed("person")
    return person


def _change(
    runtime: Runtime,
    who: Who,
    task_id: uuid.UUID,
    action: audit.Action | None,
    deed: Callable[[ReadingTask, Person, datetime], None],
    detail: Mapping[str, Any] | None = None,
) -> None:
    def change(session: Session) -> None:
        now = runtime.now()
        task = get_task(session, who.subject, task_id)
        deed(task, get_person(session, who), now)
        if action is not None:
            record_deed(session, who, action, task, now, detail)
            live.bump(session, "worklist")

    in_one(runtime, change)


def record_deed(
    session: Session,
    who: Who,
    action: audit.Action,
    task: ReadingTask,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    audit.record(
        session, action, actor=who.actor, now=now, examination_id=task.examination_id,
        detail={"task_id": str(task.id), **(detail or {})},
    )  # fmt: skip
