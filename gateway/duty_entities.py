"""What is edited of who works when, who reads what, who is away, and who is called for critical values."""

import uuid
from datetime import date
from typing import Annotated

from pydantic import (
    Field,
)
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.entity import Entity, Fields, Name, Reasons, Text, check_dates, check_exists
from worklists.assignment.qualifications import ReaderQualification
from worklists.critical import CriticalContact
from worklists.directory import (
    Centre,
    Institution,
    Person,
)
from worklists.duty import TIME_OF_DAY, WEEKDAYS, Absence, Duty, is_callable


class DutyFields(Fields):
    centre_id: uuid.UUID
    position: Annotated[int, Field(ge=1, le=1000)] = 1
    person_id: uuid.UUID
    weekdays: Text = ""
    begins: Text = ""
    ends: Text = ""
    first_day: date | None = None
    last_day: date | None = None


class AbsenceFields(Fields):
    centre_id: uuid.UUID
    person_id: uuid.UUID
    first_day: date
    last_day: date
    cover_id: uuid.UUID | None = None
    note: Text = ""


class ReaderQualificationFields(Fields):
    centre_id: uuid.UUID
    person_id: uuid.UUID
    modalities: list[Text] = Field(default_factory=list)
    subspecialties: list[Text] = Field(default_factory=list)
    valid_from: date | None = None
    valid_to: date | None = None


class CriticalContactFields(Fields):
    institution_id: uuid.UUID
    position: Annotated[int, Field(ge=1, le=1000)] = 1
    title: Name
    phone: Text = ""
    person_id: uuid.UUID | None = None
    minutes: Annotated[int, Field(ge=1, le=24 * 60)] = 5


def _check_duty(session: Session, row: Duty) -> Reasons:
    reasons = {
        **check_exists(session, Centre, row.centre_id, "centre_id"),
        **check_exists(session, Person, row.person_id, "person_id"),
    }
    person = session.get(Person, row.person_id)
    if person is not None and not is_callable(person, row.centre_id):
        reasons["person_id"] = "not_reader_there"
    if not WEEKDAYS.fullmatch(row.weekdays):
        reasons["weekdays"] = "weekdays"
    reasons |= {
        name: "time_of_day"
        for name in ("begins", "ends")
        if getattr(row, name) and not TIME_OF_DAY.fullmatch(getattr(row, name))
    }
    if bool(row.begins) != bool(row.ends):
        reasons["ends" if row.begins else "begins"] = "required"
    elif row.begins and row.begins == row.ends:
        reasons["ends"] = "time_of_day"
    if row.first_day is not None:
        reasons |= check_dates(row.first_day, row.last_day, "last_day")
    return reasons


def _check_reader_of(session: Session, centre_id: uuid.UUID, person_id: uuid.UUID, name: str) -> Reasons:
    person = session.get(Person, person_id)
    if person is None:
        return {name: "unknown"}
    return {} if is_callable(person, centre_id) else {name: "not_reader_there"}


def _check_absence(session: Session, row: Absence) -> Reasons:
    reasons = {
        **check_exists(session, Centre, row.centre_id, "centre_id"),
        **check_exists(session, Person, row.person_id, "person_id"),
        **check_dates(row.first_day, row.last_day, "last_day"),
    }
    if row.cover_id is None:
        return reasons
    if row.cover_id == row.person_id:
        return {**reasons, "cover_id": "unusable"}
    return {**reasons, **_check_reader_of(session, row.centre_id, row.cover_id, "cover_id")}


def _check_qualification_to_read(session: Session, row: ReaderQualification) -> Reasons:
    reasons = {
        **check_exists(session, Centre, row.centre_id, "centre_id"),
        **_check_reader_of(session, row.centre_id, row.person_id, "person_id"),
    }
    if row.valid_from is not None:
        reasons |= check_dates(row.valid_from, row.valid_to, "valid_to")
    same = select(ReaderQualification.id).where(
        ReaderQualification.centre_id == row.centre_id,
        ReaderQualification.person_id == row.person_id,
        ReaderQualification.id != row.id,
    )
    if session.scalars(same).first() is not None:
        reasons["person_id"] = "taken"
    return reasons


def _check_critical_contact(session: Session, row: CriticalContact) -> Reasons:
    reasons = check_exists(session, Institution, row.institution_id, "institution_id")
    if row.person_id is not None:
        reasons |= check_exists(session, Person, row.person_id, "person_id")
    elif not row.phone.strip():
        reasons["phone"] = "required"
    return reasons


DUTY: tuple[Entity, ...] = (
    Entity(name="duty", path="duty", row=Duty, fields=DutyFields, check=_check_duty),
    Entity(name="absence", path="absences", row=Absence, fields=AbsenceFields, check=_check_absence),
    Entity(
        name="reader_qualification",
        path="reader-qualifications",
        row=ReaderQualification,
        fields=ReaderQualificationFields,
        check=_check_qualification_to_read,
    ),
    Entity(
        name="critical_contact",
        path="critical-contacts",
        row=CriticalContact,
        fields=CriticalContactFields,
        check=_check_critical_contact,
    ),
)
