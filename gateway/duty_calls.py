"""Chest pain that nobody takes: the next on duty is called, then the next, until somebody takes it or nobody is left.

`watch_chest_pain` notices what is unclaimed and writes a due row for each; `call_duty` calls one person at a time. Both
bear being run twice: who was called is a row, and a place in a round exists once.
"""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live, work
from gateway.runtime import Runtime
from gateway.sweep import Leased, NotYet
from gateway.work import Work
from worklists import duty
from worklists.directory import Person
from worklists.duty import DutyCall
from worklists.reading import ReadingTask

CALL = "call_duty"
WATCH_INTERVAL = timedelta(seconds=2)
ROSTER_INTERVAL = timedelta(seconds=20)  # nobody is left: somebody may come on duty, or be entered


def watch_chest_pain(runtime: Runtime, _leased: Leased) -> None:
    """See to it that a row is due for everything that nobody has taken."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        for task in _unwatched(session):
            since = {"since": now.isoformat()}
            work.schedule(session, CALL, task.id, due_at=now + _patience(task), arguments=since)
    raise NotYet(now + WATCH_INTERVAL)


def call_duty(runtime: Runtime, leased: Leased) -> None:
    """Call whoever is next; done once somebody has taken it."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        task = session.get(ReadingTask, uuid.UUID(leased.subject))
        if task is None or not duty.is_unclaimed_chest_pain(task):
            return
        since = datetime.fromisoformat(leased.arguments["since"])
        calls = duty.calls_of(session, task, since)
        if calls and calls[-1].person_id is not None and now < calls[-1].called_at + _patience(task):
            raise NotYet(calls[-1].called_at + _patience(task))  # it ran already
        call = duty.call_next(session, task, unclaimed_since=since, now=now)
        if call is not None:
            _tell(session, task, call, now)
        until = now + (_patience(task) if call and call.person_id else ROSTER_INTERVAL)
    raise NotYet(until)


def _unwatched(session: Session) -> list[ReadingTask]:
    tasks = {str(task.id): task for task in duty.unclaimed_chest_pain(session)}
    if not tasks:
        return []
    watched = select(Work.subject).where(Work.task == CALL, Work.done_at.is_(None), Work.subject.in_(tasks))
    known = set(session.scalars(watched))
    return [task for subject, task in tasks.items() if subject not in known]


def _patience(task: ReadingTask) -> timedelta:
    return timedelta(minutes=task.centre.chest_pain_minutes if task.centre else 0)


def _tell(session: Session, task: ReadingTask, call: DutyCall, now: datetime) -> None:
    person = session.get(Person, call.person_id) if call.person_id else None
    detail = {"task_id": str(task.id), "place": call.place}
    if person is not None:
        detail |= {"person_id": str(person.id), "person": person.name}
    audit.record(
        session,
        "duty_called" if person else "duty_exhausted",
        actor=audit.Actor(name="gateway"),
        now=now,
        examination_id=task.examination_id,
        detail=detail,
    )
    live.bump(session, "duty", "system")
