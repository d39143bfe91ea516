"""Who is on duty at a centre, and who was called when chest pain found nobody.

A line of the roster is a person with a place in the order, between two days, on some weekdays and between two times of
day where it says so.
What begins before midnight belongs to the day on which it begins.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import ForeignKey, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import COUNTY_TIME, Base, local_date, new_id
from worklists.directory import Person
from worklists.examinations import Examination, Priority
from worklists.reading import Purpose, ReadingTask, TaskState

WEEKDAYS = re.compile(r"[1-7]{0,7}")  # ISO 8601: 1 is Monday; empty is every day
TIME_OF_DAY = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
UNCLAIMED = (TaskState.ARRIVING, TaskState.WAITING)
# Chest pain that nobody has taken, at a centre that could.
_WAITS = (
    ReadingTask.rank == Priority.CHEST_PAIN.rank,
    ReadingTask.state.in_(UNCLAIMED),
    ReadingTask.centre_id.is_not(None),
    ReadingTask.purpose == Purpose.READ,
)


class Duty(Base):
    """One line of a centre's roster. Lower positions are called first."""

    __tablename__ = "duty"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centre.id"), index=True)
    position: Mapped[int] = mapped_column(default=1)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    weekdays: Mapped[str] = mapped_column(default="")
    begins: Mapped[str] = mapped_column(default="")  # HH:MM in the county; both empty: the whole day
    ends: Mapped[str] = mapped_column(default="")
    first_day: Mapped[date | None]
    last_day: Mapped[date | None]

    person: Mapped[Person] = relationship()

    def covers(self, now: datetime) -> bool:
        """Whether this moment is theirs."""
        return self.shift_day(now) is not None

    def shift_day(self, now: datetime) -> date | None:
        """The day to which a moment of theirs belongs: that on which the shift began."""
        local = now.astimezone(COUNTY_TIME)
        today, yesterday = local.date(), local.date() - timedelta(days=1)
        if not self.begins or not self.ends:
            return today if self._is_on(today) else None
        begins, ends, clock = _time(self.begins), _time(self.ends), local.time()
        if begins < ends:
            return today if begins <= clock < ends and self._is_on(today) else None
        if clock >= begins:
            return today if self._is_on(today) else None
        return yesterday if clock < ends and self._is_on(yesterday) else None

    def _is_on(self, day: date) -> bool:
        return (
            (not self.weekdays or str(day.isoweekday()) in self.weekdays)
            and (self.first_day is None or self.first_day <= day)
            and (self.last_day is None or day <= self.last_day)
        )


class Absence(Base):
    """Somebody is away from a day to a day, both inclusive; `cover` has their place on the roster meanwhile."""

    __tablename__ = "absence"
    __table_args__ = (Index("ix_absence_last_day", "centre_id", "last_day"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centre.id"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    first_day: Mapped[date]
    last_day: Mapped[date]
    cover_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    note: Mapped[str] = mapped_column(default="")

    person: Mapped[Person] = relationship(foreign_keys=[person_id])
    cover: Mapped[Person | None] = relationship(foreign_keys=[cover_id])


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDuty:
    """Somebody who works now. `covers_for`: whose place it is."""

    person: Person
    position: int
    covers_for: Person | None = None


class DutyCall(Base):
    """Somebody was called to a task that nobody had taken. `person_id` None: nobody was left to be called."""

    __tablename__ = "duty_call"
    __table_args__ = (
        UniqueConstraint("task_id", "unclaimed_since", "place"),
        Index("ix_duty_call_person", "person_id", "called_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"))
    unclaimed_since: Mapped[datetime]  # as it was noticed; calls with the same one are one round
    place: Mapped[int]
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    called_at: Mapped[datetime]

    task: Mapped[ReadingTask] = relationship()


def who_works(session: Session, centre_id: uuid.UUID, now: datetime) -> list[OnDuty]:
    """In the order of the roster, each once, with those who stand in for the absent in their places."""
    lines = session.scalars(
        select(Duty).where(Duty.centre_id == centre_id).order_by(Duty.position, Duty.id)
    ).all()
    absences = _absences_around(session, centre_id, local_date(now))
    working: dict[uuid.UUID, OnDuty] = {}
    for line in lines:
        day = line.shift_day(now)
        if day is None:
            continue
        away = {one.person_id: one for one in absences if one.first_day <= day <= one.last_day}
        absence = away.get(line.person_id)
        person = absence.cover if absence is not None else line.person
        if person is None or person.id in away or not is_callable(person, centre_id):
            continue
        covers_for = line.person if absence is not None else None
        working.setdefault(person.id, OnDuty(person=person, position=line.position, covers_for=covers_for))
    return list(working.values())


def on_duty(session: Session, centre_id: uuid.UUID, now: datetime) -> list[Person]:
    """Who can be called now, in the order of the roster."""
    return [one.person for one in who_works(session, centre_id, now)]


def _absences_around(session: Session, centre_id: uuid.UUID, day: date) -> Sequence[Absence]:
    """Of the day and of the one before: its night reaches into this one."""
    return session.scalars(
        select(Absence)
        .where(Absence.centre_id == centre_id, Absence.first_day <= day)
        .where(Absence.last_day >= day - timedelta(days=1))
        .order_by(Absence.id)
    ).all()


def is_callable(person: Person, centre_id: uuid.UUID) -> bool:
    """Somebody who could claim what they are called to."""
    return person.enabled and centre_id in person.centre_ids()


def unclaimed_chest_pain(session: Session) -> list[ReadingTask]:
    return list(session.scalars(select(ReadingTask).where(*_WAITS).order_by(ReadingTask.id)))


def is_unclaimed_chest_pain(task: ReadingTask) -> bool:
    """The same of a row that is there."""
    return (
        task.rank == Priority.CHEST_PAIN.rank
        and task.state in UNCLAIMED
        and task.centre_id is not None
        and task.purpose is Purpose.READ
    )


def calls_of(session: Session, task: ReadingTask, unclaimed_since: datetime) -> list[DutyCall]:
    """Of one round, in their order."""
    same = (DutyCall.task_id == task.id, DutyCall.unclaimed_since == unclaimed_since)
    return list(session.scalars(select(DutyCall).where(*same).order_by(DutyCall.place)))


def call_next(
    session: Session, task: ReadingTask, *, unclaimed_since: datetime, now: datetime
) -> DutyCall | None:
    """Call whoever is next and was not called in this round; once nobody is left, that is kept, once."""
    if task.centre_id is None:
        return None
    calls = calls_of(session, task, unclaimed_since)
    called = {call.person_id for call in calls}
    left = [person for person in on_duty(session, task.centre_id, now) if person.id not in called]
    if not left and None in called:
        return None
    call = DutyCall(
        id=new_id(),
        task_id=task.id,
        unclaimed_since=unclaimed_since,
        place=len(calls) + 1,
        person_id=left[0].id if left else None,
        called_at=now,
    )
    session.add(call)
    session.flush()
    return call


def open_calls_of(session: Session, person_id: uuid.UUID) -> list[DutyCall]:
    """What a person was called to and nobody has taken, the oldest first."""
    calls = session.scalars(
        select(DutyCall)
        .join(ReadingTask, ReadingTask.id == DutyCall.task_id)
        .where(DutyCall.person_id == person_id, *_WAITS)
        .order_by(DutyCall.called_at)
    )
    return list({call.task_id: call for call in calls}.values())


def untaken_since(session: Session) -> list[tuple[ReadingTask, datetime]]:
    """Chest pain that everybody on duty was called to and nobody has taken, and since when it waits."""
    rows = session.execute(
        select(ReadingTask, Examination.received_at)
        .join(Examination, Examination.id == ReadingTask.examination_id)
        .join(DutyCall, DutyCall.task_id == ReadingTask.id)
        .where(DutyCall.person_id.is_(None), *_WAITS)
        .order_by(Examination.received_at)
    ).unique()
    return [(task, received_at) for task, received_at in rows]


def _time(text: str) -> time:
    return time.fromisoformat(text)
