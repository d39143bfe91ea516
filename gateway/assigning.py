"""Giving work to readers: what a centre's rules push is somebody's within seconds, and somebody else's when it is left.

One run goes over all centres; it bears being run twice, for what is assigned is not chosen again.
"""

from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session, joinedload

from gateway import audit, live
from gateway.runtime import Runtime
from gateway.sweep import Leased, NotYet
from worklists.assignment.books import Books, Mode
from worklists.assignment.choosing import Choice, Chooser
from worklists.directory import Centre
from worklists.duty import who_works
from worklists.examinations import Examination
from worklists.reading import Purpose, ReadingTask, TaskState

ASSIGN = "assign_tasks"
INTERVAL = timedelta(seconds=2)
JUDGED_AGAIN = timedelta(seconds=20)  # nobody could take it: somebody may come on duty, or have room
AT_ONCE = 200  # of a centre, in one transaction; the next follow at once


def assign_tasks(runtime: Runtime, _leased: Leased) -> None:
    """Choose a reader for what waits at every centre whose rules push."""
    now = runtime.now()
    more = False
    with runtime.reading() as session:
        books = Books.load(session)
        centres = [
            one.id
            for one in session.scalars(select(Centre).where(Centre.enabled))
            if books.of(one.id, one.kind).mode is not Mode.PULL
        ]
    for centre_id in centres:
        with runtime.sessions.begin() as session:
            centre = session.get_one(Centre, centre_id)
            more = _assign_at(session, books, centre, now) or more
    raise NotYet(now if more else now + INTERVAL)


def _assign_at(session: Session, books: Books, centre: Centre, now: datetime) -> bool:
    """Answers whether there was more than one transaction should hold. What a person handed over is not touched."""
    rules = books.of(centre.id, centre.kind)
    working = {one.person.id for one in who_works(session, centre.id, now)}
    nobodys = and_(
        ReadingTask.assigned_to_id.is_(None),
        or_(ReadingTask.assigned_at.is_(None), ReadingTask.assigned_at < now - JUDGED_AGAIN),
    )
    tasks = session.scalars(
        select(ReadingTask)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .where(ReadingTask.centre_id == centre.id, ReadingTask.state == TaskState.WAITING)
        .where(ReadingTask.purpose == Purpose.READ, ReadingTask.handed_over_by_id.is_(None))
        .where(
            or_(
                nobodys,
                ReadingTask.assigned_to_id.not_in(working),
                and_(ReadingTask.assigned_to_id.is_not(None), ReadingTask.assigned_at < now - rules.kept),
            )
        )
        .order_by(ReadingTask.rank, ReadingTask.waiting_since, ReadingTask.id)
        .limit(AT_ONCE)
        .options(joinedload(ReadingTask.examination).joinedload(Examination.patient))
        .with_for_update(of=ReadingTask, skip_locked=True)
    ).all()
    if not tasks:
        return False
    before = {task.id: task.assigned_to_id for task in tasks}
    for task in tasks:
        if task.assigned_to_id is not None:
            left = {"released_by": str(task.assigned_to_id)} if task.assigned_to_id in working else {}
            task.leave_in_pool(left, now)
    chooser = Chooser(session=session, centre=centre, rules=rules, now=now)
    for task, choice in chooser.choose(tasks):
        _take(session, task, choice, rules.mode, now)
    if any(task.assigned_to_id != before[task.id] for task in tasks):
        live.bump(session, "worklist")
    return len(tasks) == AT_ONCE


def _take(session: Session, task: ReadingTask, choice: Choice, mode: Mode, now: datetime) -> None:
    if choice.person is None:
        # Who gave it back is remembered until somebody else has it.
        kept = {name: value for name, value in (task.assigned_because or {}).items() if name == "released_by"}
        task.leave_in_pool({**choice.because, **kept}, now)
        return
    task.assign(choice.person, choice.because, reserved=mode is Mode.PUSH, now=now)
    audit.record(
        session,
        "task_assigned",
        actor=audit.Actor(name="gateway"),
        now=now,
        examination_id=task.examination_id,
        detail={"task_id": str(task.id), "to": choice.person.name, **choice.because},
    )
