"""A centre's roster as one sheet: who works when, who is away and who stands in, who reads what.

Its reviewers keep it. Every line that changes is a change of the directory, which an administrator can take back.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.directory import BY_NAME, FieldErrors, describe, keep_lines
from gateway.reading import Who, in_one
from gateway.rule_books import require_reader, require_setter
from gateway.runtime import Runtime
from worklists.assignment.books import ASSIGNMENT
from worklists.assignment.qualifications import ReaderQualification
from worklists.directory import Centre, Person, PersonRole
from worklists.duty import Absence, Duty
from worklists.errors import Conflict, NotFound

ENTITY_OF: Mapping[str, str] = {
    "duty": "duty",
    "absences": "absence",
    "qualifications": "reader_qualification",
}
Lines = Sequence[Mapping[str, Any]]


class RosterMovedOn(Conflict):
    """Somebody else changed it since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The lines of a centre. `revision` is of their content: who writes says what they have read."""

    duty: Sequence[Duty]
    absences: Sequence[Absence]
    qualifications: Sequence[ReaderQualification]

    @property
    def revision(self) -> str:
        content = {
            name: sorted([str(row.id), describe(BY_NAME[entity], row)] for row in getattr(self, name))
            for name, entity in ENTITY_OF.items()
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_sheet(session: Session, who: Who, centre_id: uuid.UUID) -> Sheet:
    """Raises NotAllowed, NotFound."""
    require_reader(session, who.subject, ASSIGNMENT, str(centre_id))
    if session.get(Centre, centre_id) is None:
        raise NotFound("centre")
    return _sheet_of(session, centre_id)


def people_of(session: Session, centre_id: uuid.UUID) -> Sequence[Person]:
    """Who reads or reviews at a centre, by name."""
    here = select(PersonRole.person_id).where(PersonRole.centre_id == centre_id)
    return session.scalars(
        select(Person).where(Person.enabled, Person.id.in_(here)).order_by(Person.name, Person.id)
    ).all()


def keep_sheet(
    runtime: Runtime, who: Who, centre_id: uuid.UUID, wanted: Mapping[str, Lines], *, revision: str
) -> None:
    """The sheet as it is to be. Raises NotAllowed, NotFound, RosterMovedOn, FieldErrors; then nothing is kept."""

    def deed(session: Session) -> None:
        require_setter(session, who.subject, ASSIGNMENT, str(centre_id))
        session.get(Centre, centre_id, with_for_update={"of": Centre}, populate_existing=True)
        sheet = _sheet_of(session, centre_id)
        if sheet.revision != revision:
            raise RosterMovedOn
        wrong: dict[str, str] = {}
        for name, entity in ENTITY_OF.items():
            _require_own(wanted[name], {row.id for row in getattr(sheet, name)})
            lines = [{**line, "centre_id": centre_id} for line in wanted[name]]
            present = getattr(sheet, name)
            found = keep_lines(session, BY_NAME[entity], present, lines, who.actor, runtime.now())
            wrong |= {
                f"{name}.{place}.{field}": reason
                for place, reasons in found.items()
                for field, reason in reasons.items()
            }
        if wrong:
            raise FieldErrors(wrong)

    in_one(runtime, deed)


def _require_own(lines: Lines, known: set[uuid.UUID]) -> None:
    """A line that is named is one of this centre, and named once."""
    named = [line["id"] for line in lines if line["id"] is not None]
    if not set(named) <= known or len(named) != len(set(named)):
        raise NotFound("roster_line")


def _sheet_of(session: Session, centre_id: uuid.UUID) -> Sheet:
    return Sheet(
        duty=session.scalars(
            select(Duty).where(Duty.centre_id == centre_id).order_by(Duty.position, Duty.id)
        ).all(),
        absences=session.scalars(
            select(Absence).where(Absence.centre_id == centre_id).order_by(Absence.first_day, Absence.id)
        ).all(),
        qualifications=session.scalars(
            select(ReaderQualification)
            .where(ReaderQualification.centre_id == centre_id)
            .order_by(ReaderQualification.id)
        ).all(),
    )
