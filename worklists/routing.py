"""Routing: which centre reads an examination, and when it is due. A task exists from the first object on."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists import reading
from worklists.assignment.books import Books, CentreRules
from worklists.assignment.queues import Queues
from worklists.base import COUNTY_TIME, local_date, new_id
from worklists.directory import Centre, Institution, InstitutionKind, Kind, find_agreement
from worklists.examinations import Examination, Priority
from worklists.reading import OPEN_STATES, Purpose, ReadingTask, TaskState, tasks_of
from worklists.reports import Report, ReportState

__all__ = [
    "COUNTY_TIME",
    "assign_centre",
    "local_date",
    "note_complete",
    "route_arrival",
    "route_arrivals",
    "set_priority",
]

ADDITIONAL_IMAGES_TURNAROUND = timedelta(hours=24)


def route_arrival(
    session: Session, examination: Examination, *, instances: int, now: datetime
) -> ReadingTask:
    """See to it that the examination has its task, and that whoever is reading hears of late objects."""
    [task] = route_arrivals(session, [(examination, instances)], now=now)
    return task


def route_arrivals(
    session: Session, arrived: Sequence[tuple[Examination, int]], *, now: datetime
) -> list[ReadingTask]:
    """The same for many examinations, each with the number of its objects; the tasks in their order."""
    ids = [examination.id for examination, _ in arrived]
    tasks: dict[uuid.UUID, list[ReadingTask]] = defaultdict(list)
    for known in session.scalars(tasks_of(*ids)):
        tasks[known.examination_id].append(known)
    signed = {
        report.examination_id: report
        for report in session.scalars(
            select(Report).where(Report.examination_id.in_(ids), Report.state == ReportState.SIGNED)
        )
    }
    desk = Desk(session, now)
    routed = []
    for examination, instances in arrived:
        task = _open_task(desk, tasks[examination.id], examination, instances, now)
        if task is None:
            task = _next_task(examination, signed.get(examination.id), instances, now)
            session.add(task)
            desk.route(task)
        else:
            desk.weigh(task)
        routed.append(task)
    return routed


def _next_task(examination: Examination, signed: Report | None, instances: int, now: datetime) -> ReadingTask:
    """Nobody has it in hand. Results behind a signed report are read like the first ones: they make its next version."""
    if signed is None:
        return _new_task(examination)
    if examination.kind is not Kind.LABORATORY:
        return _additional_images(examination, signed, instances, now)
    task = _new_task(examination)
    task.waiting_since = now
    return task


def _open_task(
    desk: "Desk",
    tasks: Sequence[ReadingTask],
    examination: Examination,
    instances: int,
    now: datetime,
) -> ReadingTask | None:
    """The task that the objects join, told of them."""
    open_task = next((task for task in reversed(tasks) if task.state in OPEN_STATES), None)
    if open_task is not None:
        open_task.note_late_instances(instances, now)
        open_task.note_arriving(now)
        return open_task
    sent_back = next((task for task in tasks if task.state is TaskState.SENT_BACK), None)
    if sent_back is not None:
        sent_back.note_arriving(now)
        set_clock(desk.books, sent_back)
    return sent_back


def assign_centre(session: Session, task: ReadingTask, now: datetime) -> None:
    """Send the task to the centre that the county's book says, when an agreement allows it.

    Otherwise it waits without a centre, and `waiting_reason` says why.
    """
    Desk(session, now).route(task)


def assign_waiting(session: Session, now: datetime) -> int:
    """Try again for work that no centre could take; an agreement or a centre may be there by now. Says how many went."""
    waiting = session.scalars(
        select(ReadingTask).where(ReadingTask.centre_id.is_(None), ReadingTask.state.in_(OPEN_STATES))
    ).all()
    desk = Desk(session, now)
    for task in waiting:
        desk.route(task)
    return sum(task.centre_id is not None for task in waiting)


def set_priority(session: Session, examination: Examination, priority: Priority) -> None:
    """The township says how urgent it is; open work moves and its clock is set anew."""
    set_priorities(session, [examination], priority)


def set_priorities(session: Session, examinations: Sequence[Examination], priority: Priority) -> None:
    """The same for many."""
    for examination in examinations:
        examination.priority = priority
    books = Books.load(session)
    for task in session.scalars(tasks_of(*(one.id for one in examinations))):
        if task.state in (*OPEN_STATES, TaskState.SENT_BACK):
            task.set_priority(priority)
        if task.state in OPEN_STATES and task.purpose is Purpose.READ:
            set_clock(books, task)


def note_complete(session: Session, whole: Sequence[Examination], now: datetime) -> None:
    """Nothing more is expected: the examinations are whole and their tasks wait for a reader."""
    for examination in whole:
        examination.mark_complete(now)
    reading.note_complete(session, [examination.id for examination in whole])


def set_clock(books: Books, task: ReadingTask) -> None:
    """By when it is to be read, from the moment since which it waits."""
    rules = books.of(task.centre_id, task.examination.kind)
    task.due_at = task.waiting_since + rules.allowed(task.examination)


class Desk:
    """Where work goes, how urgent and how heavy it is, by the books of one moment; asked once for many tasks."""

    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now
        self.books = Books.load(session)
        self._found: dict[tuple[uuid.UUID, Kind, uuid.UUID | None], tuple[Centre | None, str]] = {}
        self._queues = Queues(session, now)

    def route(self, task: ReadingTask) -> None:
        """Choose the centre, and what hangs on it: sub-specialty, urgency, weight, clock."""
        examination = task.examination
        route = self.books.routing.find(examination)
        centre, why = self._centre(examination, route.centre_id if route else None)
        if centre is not None:
            centre = self._overflow(examination, centre) or centre
            self._queues.note(centre.id)
        task.centre, task.waiting_reason, task.centre_id = centre, why, centre.id if centre else None
        task.subspecialty = route.subspecialty if route else ""
        if task.purpose is Purpose.READ:
            examination.priority = self._rules(task).urgency(examination)
            task.set_priority(examination.priority)
            set_clock(self.books, task)
        self.weigh(task)

    def weigh(self, task: ReadingTask) -> None:
        task.weight = self._rules(task).weight(task.examination)

    def _rules(self, task: ReadingTask) -> CentreRules:
        return self.books.of(task.centre_id, task.examination.kind)

    def _overflow(self, examination: Examination, centre: Centre) -> Centre | None:
        for rule in self.books.routing.overflows:
            if rule.from_id == centre.id and self._queues.exceed(rule):
                other, _ = self._centre(examination, rule.to_id)
                if other is not None:
                    return other
        return None

    def _centre(self, examination: Examination, centre_id: uuid.UUID | None) -> tuple[Centre | None, str]:
        key = (examination.institution_id, examination.kind, centre_id)
        if key not in self._found:
            self._found[key] = self._find(*key)
        return self._found[key]

    def _find(
        self, institution_id: uuid.UUID, kind: Kind, centre_id: uuid.UUID | None
    ) -> tuple[Centre | None, str]:
        """The named centre, or that of the kind at the lead hospital; and why there is none."""
        institution = self._session.get_one(Institution, institution_id)
        is_lead = institution.kind is InstitutionKind.LEAD_HOSPITAL
        lead_id = institution_id if is_lead else institution.lead_id
        if centre_id is not None:
            named = self._session.get(Centre, centre_id)
            centre = named if named is not None and named.enabled and named.kind is kind else None
        elif lead_id is None:
            return None, "no_lead_hospital"
        else:
            centre = _centre_of(self._session, lead_id, kind)
        if centre is None:
            return None, "no_centre"
        if centre.institution_id != institution_id and not find_agreement(
            self._session, lead_id=centre.institution_id, member_id=institution_id, kind=kind,
            on=local_date(self._now),
        ):  # fmt: skip
            return None, "no_agreement"
        return centre, ""


def _centre_of(session: Session, institution_id: object, kind: Kind) -> Centre | None:
    return session.scalars(
        select(Centre)
        .where(Centre.institution_id == institution_id, Centre.kind == kind, Centre.enabled)
        .order_by(Centre.id)
    ).first()


def _new_task(examination: Examination) -> ReadingTask:
    return ReadingTask(
        id=new_id(),
        examination=examination,
        examination_id=examination.id,
        purpose=Purpose.READ,
        state=TaskState.ARRIVING,
        rank=examination.priority.rank,
        waiting_since=examination.received_at,
        late_instances=0,
        sent_back_reason="",
    )


def _additional_images(
    examination: Examination, signed: Report, instances: int, now: datetime
) -> ReadingTask:
    """The report stands; its signer looks at what came after it."""
    task = _new_task(examination)
    task.purpose, task.state = Purpose.ADDITIONAL_IMAGES, TaskState.CLAIMED
    task.claimed_by_id, task.claimed_at, task.late_instances = signed.signed_by_id, now, instances
    task.waiting_since, task.due_at = now, now + ADDITIONAL_IMAGES_TURNAROUND
    return task
