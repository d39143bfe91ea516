"""Choosing a reader: who is qualified, works now, did not make the images, has room, knows the patient, has least to do.

The choice and its reasons are kept with the task, so that nobody wonders why it is theirs.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from worklists.assignment.books import CentreRules
from worklists.assignment.qualifications import ReaderQualification, qualifications_of
from worklists.base import local_date
from worklists.directory import Centre, Person, Role
from worklists.duty import OnDuty, who_works
from worklists.examinations import Examination
from worklists.patients import Patient
from worklists.reading import Purpose, ReadingTask, TaskState
from worklists.reports import Report, ReportState

REMEMBERED = timedelta(days=2 * 365)  # who read somebody's earlier examination knows them for so long
_IN_HAND = (TaskState.ARRIVING, TaskState.WAITING, TaskState.CLAIMED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Whose it is to be, or nobody's; and why."""

    person: Person | None
    because: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Chooser:
    """The readers of one centre at one moment; their load grows with each choice."""

    session: Session
    centre: Centre
    rules: CentreRules
    now: datetime
    _working: list[OnDuty] = field(init=False)
    _loads: dict[uuid.UUID, float] = field(init=False)
    _qualified: dict[uuid.UUID, ReaderQualification] = field(init=False)

    def __post_init__(self) -> None:
        self._working = who_works(self.session, self.centre.id, self.now)
        self._loads = loads_of(self.session, [one.person.id for one in self._working])
        self._qualified = qualifications_of(self.session, self.centre.id)

    def choose(self, tasks: Sequence[ReadingTask]) -> list[tuple[ReadingTask, Choice]]:
        """One choice for each, in their order."""
        known = self._who_knows(tasks) if self.rules.continuity else {}
        chosen = []
        for task in tasks:
            choice = self._choose(task, known.get(task.examination.patient.master_id))
            if choice.person is not None:
                self._loads[choice.person.id] = self._load(choice.person) + task.weight
            chosen.append((task, choice))
        return chosen

    def _choose(self, task: ReadingTask, knows: uuid.UUID | None) -> Choice:
        able = self._working
        for why, fits in (
            ("nobody_on_duty", None),
            ("nobody_qualified", self._is_qualified),
            ("only_who_made_it", _did_not_make_it),
            ("released_by_all", _has_not_released_it),
            ("all_full", self._has_room),
        ):
            able = [one for one in able if fits is None or fits(one.person, task)]
            if not able:
                return Choice(person=None, because={"nobody": why})
        first = min(
            able,
            key=lambda one: (one.person.id != knows, self._load(one.person), one.position, one.person.id),
        )
        reasons = ["qualified" if first.person.id in self._qualified else "of_the_centre"]
        reasons.append("covers" if first.covers_for is not None else "on_duty")
        reasons.append("knows_the_patient" if first.person.id == knows else "least_load")
        because: dict[str, Any] = {
            "reasons": reasons, "load": round(self._load(first.person), 2), "considered": len(able)
        }  # fmt: skip
        if first.covers_for is not None:
            because["covers_for"] = first.covers_for.name
        return Choice(person=first.person, because=because)

    def _is_qualified(self, person: Person, task: ReadingTask) -> bool:
        line = self._qualified.get(person.id)
        return line is None or line.covers(task.examination, task.subspecialty, local_date(self.now))

    def _has_room(self, person: Person, task: ReadingTask) -> bool:
        load = self._load(person)
        return not load or load + task.weight <= self.rules.most_open

    def _load(self, person: Person) -> float:
        return self._loads.get(person.id, 0.0)

    def _who_knows(self, tasks: Sequence[ReadingTask]) -> dict[uuid.UUID, uuid.UUID]:
        """Patient → who of the working wrote the last report of them at this centre."""
        rows = self.session.execute(
            select(Patient.master_id, Report.writer_id)
            .join(Examination, Examination.id == Report.examination_id)
            .join(Patient, Patient.id == Examination.patient_id)
            .where(Patient.master_id.in_({task.examination.patient.master_id for task in tasks}))
            .where(Report.centre_id == self.centre.id, Report.state == ReportState.SIGNED)
            .where(Report.signed_at > self.now - REMEMBERED)
            .where(Report.writer_id.in_([one.person.id for one in self._working]))
            .order_by(Report.signed_at, Report.id)
        )
        return {row.master_id: row.writer_id for row in rows}


def loads_of(session: Session, person_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, float]:
    """Points of work that each has in hand: what they hold, and what is theirs and not begun."""
    holder = func.coalesce(ReadingTask.claimed_by_id, ReadingTask.assigned_to_id)
    rows = session.execute(
        select(holder.label("person_id"), func.sum(ReadingTask.weight).label("load"))
        .where(ReadingTask.state.in_(_IN_HAND), ReadingTask.purpose == Purpose.READ)
        .where(or_(ReadingTask.claimed_by_id.in_(person_ids), ReadingTask.assigned_to_id.in_(person_ids)))
        .group_by(holder)
    )
    return {row.person_id: float(row.load) for row in rows}


def _did_not_make_it(person: Person, task: ReadingTask) -> bool:
    """Who works at the modalities of the institution that made it may have made it."""
    makes = any(role.role is Role.RADIOGRAPHER for role in person.roles)
    return not (makes and person.institution_id == task.examination.institution_id)


def _has_not_released_it(person: Person, task: ReadingTask) -> bool:
    return (task.assigned_because or {}).get("released_by") != str(person.id)
