"""The roster of a centre: `/api/v1/centres/{centre_id}/roster`."""

import uuid
from datetime import date
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway import roster as use_cases
from gateway.rule_books import may_set
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep
from gateway.web.rule_books import ReadsDep, SetsDep
from gateway.web.shapes import PersonShape
from gateway.web.tasks import who_is
from worklists.assignment.books import ASSIGNMENT
from worklists.directory import Role
from worklists.duty import who_works

router = APIRouter(prefix="/api/v1/centres/{centre_id}/roster", tags=["roster"])

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class _Line(BaseModel):
    """`id` null: a new one."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID | None = None
    person_id: uuid.UUID


class DutyLine(_Line):
    position: Annotated[int, Field(ge=1, le=1000)] = 1
    weekdays: Text = ""
    begins: Text = ""
    ends: Text = ""
    first_day: date | None = None
    last_day: date | None = None


class AbsenceLine(_Line):
    first_day: date
    last_day: date
    cover_id: uuid.UUID | None = None
    note: Text = ""


class QualificationLine(_Line):
    modalities: Annotated[list[Text], Field(max_length=40)] = []
    subspecialties: Annotated[list[Text], Field(max_length=40)] = []
    valid_from: date | None = None
    valid_to: date | None = None


class RosterBody(BaseModel):
    revision: Annotated[str, StringConstraints(max_length=64)]
    duty: Annotated[list[DutyLine], Field(max_length=500)]
    absences: Annotated[list[AbsenceLine], Field(max_length=1000)]
    qualifications: Annotated[list[QualificationLine], Field(max_length=500)]


class ColleagueShape(PersonShape):
    reviews: bool


class WorkingShape(PersonShape):
    covers_for: str | None


class RosterShape(RosterBody):
    people: list[ColleagueShape]
    working: list[WorkingShape]
    may_set: bool


@router.get("")
def read_roster(centre_id: uuid.UUID, caller: ReadsDep, runtime: RuntimeDep) -> RosterShape:
    """Its lines, who could stand on them, and who works at this moment."""
    return _show(runtime, caller, centre_id)


@router.put("")
def keep_roster(centre_id: uuid.UUID, body: RosterBody, caller: SetsDep, runtime: RuntimeDep) -> RosterShape:
    """The whole sheet: lines that it does not name are taken away."""
    wanted = {name: [line.model_dump() for line in getattr(body, name)] for name in use_cases.ENTITY_OF}
    use_cases.keep_sheet(runtime, who_is(caller), centre_id, wanted, revision=body.revision)
    return _show(runtime, caller, centre_id)


def _show(runtime: Runtime, caller: Caller, centre_id: uuid.UUID) -> RosterShape:
    with runtime.reading() as session:
        sheet = use_cases.read_sheet(session, who_is(caller), centre_id)
        return RosterShape(
            revision=sheet.revision,
            duty=[DutyLine.model_validate(row) for row in sheet.duty],
            absences=[AbsenceLine.model_validate(row) for row in sheet.absences],
            qualifications=[QualificationLine.model_validate(row) for row in sheet.qualifications],
            people=[
                ColleagueShape(id=one.id, name=one.name, reviews=one.has_role(Role.REVIEWER, centre_id))
                for one in use_cases.people_of(session, centre_id)
            ],
            working=[
                WorkingShape(
                    id=one.person.id,
                    name=one.person.name,
                    covers_for=one.covers_for.name if one.covers_for else None,
                )
                for one in who_works(session, centre_id, runtime.now())
            ],
            may_set=may_set(session, caller.subject, ASSIGNMENT, str(centre_id)),
        )
