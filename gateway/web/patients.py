"""Who is one person: `/api/v1/patients`. What likeness proposes, what contradicts, and what people decided."""

import uuid
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from gateway import patient_index as use_cases
from gateway.finding import Order
from gateway.patient_index import KnownPerson
from gateway.runtime import Runtime
from gateway.web.deps import Caller, RuntimeDep, require
from gateway.web.messages import pick
from gateway.web.paging import CursorDep, LimitDep, read_cursor, read_id_cursor, write_cursor
from gateway.web.shapes import Page, PatientShape, PersonShape, SiteShape
from gateway.web.showing import show_patient, show_person, show_site, show_snapshot
from gateway.web.tasks import who_is
from gateway.web.words.matches import RULES
from worklists.base import local_date
from worklists.cards import masked_number
from worklists.directory import Role
from worklists.patient_index import LinkAction, PatientLinkEvent, PatientProposal, ProposalState
from worklists.patients import Patient

router = APIRouter(prefix="/api/v1/patients", tags=["patients"])

OLDEST_FIRST = Order(
    keys=[(PatientProposal.found_at, False), (PatientProposal.id, False)],
    readers=(datetime.fromisoformat, uuid.UUID),
)
IndexDep = Annotated[Caller, Depends(require(Role.RADIOGRAPHER, Role.REVIEWER))]


class KnownPatientShape(PatientShape):
    """A patient as one institution knows them."""

    id: uuid.UUID
    site: SiteShape
    written_name: str  # every way in which the device wrote it: Zhang^San=张^三
    card: str | None  # masked
    phone: str
    issuer: str
    examinations: int | None = None


class ProposalShape(BaseModel):
    id: uuid.UUID
    conflict: bool
    linked: bool  # both are one person at present
    rule: str
    rule_text: str
    agreement: dict[str, str]  # field → same, alike, unnamed, different, unknown
    sides: list[KnownPatientShape]
    found_at: datetime
    state: ProposalState
    decided_at: datetime | None
    decided_by: PersonShape | None
    reason: str


class LinkMemberShape(BaseModel):
    patient_id: uuid.UUID
    patient: PatientShape  # as they were said to be at that moment
    moved: bool


class LinkEventShape(BaseModel):
    id: uuid.UUID
    at: datetime
    action: LinkAction
    by: PersonShape | None  # null: a rule
    rule: str
    rule_text: str
    reason: str
    members: list[LinkMemberShape]


class KnownPersonShape(BaseModel):
    person_id: uuid.UUID
    patients: list[KnownPatientShape]
    history: list[LinkEventShape]


class DecisionBody(BaseModel):
    reason: str = Field(max_length=2000)


class MergeBody(DecisionBody):
    other_id: uuid.UUID


class SeparateBody(DecisionBody):
    patient_ids: list[uuid.UUID] = Field(min_length=1, max_length=200)


@router.get("")
def find_persons(
    caller: IndexDep,
    runtime: RuntimeDep,
    q: Annotated[str, Query(min_length=2, max_length=100)],
    limit: LimitDep = 20,
    cursor: CursorDep = None,
) -> Page[KnownPersonShape]:
    """By name, pinyin, initials, local number or the last places of the card, among those the caller may know."""
    with runtime.reading() as session:
        found = use_cases.find_persons(
            session, who_is(caller), q, after=read_id_cursor(cursor), limit=limit + 1
        )
        today = local_date(runtime.now())
        return Page(
            items=[_show_person(person, today, caller.language) for person in found[:limit]],
            next_cursor=write_cursor(found[limit - 1].master_id) if len(found) > limit else None,
        )


@router.get("/proposals")
def list_proposals(
    caller: IndexDep,
    runtime: RuntimeDep,
    state: ProposalState = ProposalState.OPEN,
    conflict: bool | None = None,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> Page[ProposalShape]:
    """Pairs of patients of which the caller may know both sides, the longest open first."""
    with runtime.reading() as session:
        query = use_cases.proposals_for(who_is(caller)).where(PatientProposal.state == state)
        if conflict is not None:
            query = query.where(PatientProposal.conflict.is_(conflict))
        rows = session.scalars(OLDEST_FIRST.apply(query, read_cursor(cursor), limit)).unique().all()
        shown = rows[:limit]
        today = local_date(runtime.now())
        return Page(
            items=[_show_proposal(row, today, caller.language) for row in shown],
            next_cursor=write_cursor(OLDEST_FIRST.key_of((shown[-1].found_at, shown[-1].id)))
            if len(rows) > limit
            else None,
            counts=use_cases.count_open(session, who_is(caller)),
        )


@router.post("/proposals/{proposal_id}/confirm")
def confirm(
    proposal_id: uuid.UUID, body: DecisionBody, caller: IndexDep, runtime: RuntimeDep
) -> ProposalShape:
    use_cases.confirm(runtime, who_is(caller), proposal_id, body.reason)
    return _read_proposal(runtime, caller, proposal_id)


@router.post("/proposals/{proposal_id}/refuse")
def refuse(
    proposal_id: uuid.UUID, body: DecisionBody, caller: IndexDep, runtime: RuntimeDep
) -> ProposalShape:
    use_cases.refuse(runtime, who_is(caller), proposal_id, body.reason)
    return _read_proposal(runtime, caller, proposal_id)


@router.post("/separate")
def separate(body: SeparateBody, caller: IndexDep, runtime: RuntimeDep) -> KnownPersonShape:
    """Take patients out of the person that they are linked to; answers the person that they are now."""
    use_cases.separate(runtime, who_is(caller), body.patient_ids, body.reason)
    return _read_person(runtime, caller, body.patient_ids[0])


@router.get("/{patient_id}")
def read_person(patient_id: uuid.UUID, caller: IndexDep, runtime: RuntimeDep) -> KnownPersonShape:
    """Who this is at every institution that the caller may see, and how that came about."""
    with runtime.reading() as session:
        person = use_cases.get_known_person(session, who_is(caller), patient_id)
        shown = _show_person(person, local_date(runtime.now()), caller.language)
    use_cases.note_opening(runtime, who_is(caller), person)
    return shown


@router.post("/{patient_id}/merge")
def merge(patient_id: uuid.UUID, body: MergeBody, caller: IndexDep, runtime: RuntimeDep) -> KnownPersonShape:
    use_cases.merge(runtime, who_is(caller), patient_id, body.other_id, body.reason)
    return _read_person(runtime, caller, patient_id)


def _read_proposal(runtime: Runtime, caller: Caller, proposal_id: uuid.UUID) -> ProposalShape:
    with runtime.reading() as session:
        proposal = use_cases.get_proposal(session, who_is(caller), proposal_id)
        return _show_proposal(proposal, local_date(runtime.now()), caller.language)


def _read_person(runtime: Runtime, caller: Caller, patient_id: uuid.UUID) -> KnownPersonShape:
    with runtime.reading() as session:
        person = use_cases.get_known_person(session, who_is(caller), patient_id)
        return _show_person(person, local_date(runtime.now()), caller.language)


def _show_proposal(row: PatientProposal, today: date, language: str) -> ProposalShape:
    return ProposalShape(
        id=row.id,
        conflict=row.conflict,
        linked=row.first.master_id == row.second.master_id,
        rule=row.rule,
        rule_text=_rule_text(row.rule, language),
        agreement=row.evidence,
        sides=[_show_known(side, today) for side in (row.first, row.second)],
        found_at=row.found_at,
        state=row.state,
        decided_at=row.decided_at,
        decided_by=show_person(row.decided_by),
        reason=row.reason,
    )


def _show_person(person: KnownPerson, today: date, language: str) -> KnownPersonShape:
    return KnownPersonShape(
        person_id=person.master_id,
        patients=[_show_known(one, today, person.examinations.get(one.id, 0)) for one in person.patients],
        history=[_show_event(event, today, language) for event in person.history],
    )


def _show_known(patient: Patient, today: date, examinations: int | None = None) -> KnownPatientShape:
    return KnownPatientShape(
        **show_patient(patient, today).model_dump(),
        id=patient.id,
        site=show_site(patient.institution),
        written_name=patient.name,
        card=masked_number(patient.national_id),
        phone=patient.phone,
        issuer=patient.issuer,
        examinations=examinations,
    )


def _show_event(event: PatientLinkEvent, today: date, language: str) -> LinkEventShape:
    return LinkEventShape(
        id=event.id,
        at=event.at,
        action=event.action,
        by=show_person(event.person),
        rule=event.rule,
        rule_text=_rule_text(event.rule, language),
        reason=event.reason,
        members=[
            LinkMemberShape(
                patient_id=one.patient_id, patient=show_snapshot(one.said, today), moved=one.moved
            )
            for one in event.members
        ],
    )


def _rule_text(rule: str, language: str) -> str:
    return pick(RULES[rule], language) if rule else ""
