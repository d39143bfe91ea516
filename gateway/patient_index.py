"""What people say about who is one person: each deed in one transaction, audited with it.

The audit names patients by their ids. Who may decide: `access.identities_visible_to`, about both sides.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased, joinedload

from gateway import audit, live
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists import patient_index as index
from worklists.access import identities_visible_to
from worklists.errors import NotFound
from worklists.examinations import Examination
from worklists.patient_index import (
    Decision,
    PatientLinkEvent,
    PatientProposal,
    ProposalState,
)
from worklists.patients import Patient, matches

MOST_MEMBERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPerson:
    """One person, as far as the caller may see them: the rows of institutions, and what was said of their links."""

    master_id: uuid.UUID
    patients: Sequence[Patient]
    examinations: dict[uuid.UUID, int]
    history: Sequence[PatientLinkEvent]


def proposals_for(who: Who) -> Select[PatientProposal]:
    """The proposals of which the caller may see both sides."""
    first, second = aliased(Patient), aliased(Patient)
    seen = select(Patient.id).where(identities_visible_to(who.subject))
    return (
        select(PatientProposal)
        .join(first, first.id == PatientProposal.first_id)
        .join(second, second.id == PatientProposal.second_id)
        .where(first.id.in_(seen), second.id.in_(seen))
        .options(
            joinedload(PatientProposal.first).joinedload(Patient.institution),
            joinedload(PatientProposal.second).joinedload(Patient.institution),
            joinedload(PatientProposal.decided_by),
        )
    )


def count_open(session: Session, who: Who) -> dict[str, int]:
    """How many wait, by what they are."""
    query = proposals_for(who).where(PatientProposal.state == ProposalState.OPEN)
    rows = session.execute(
        query.with_only_columns(PatientProposal.conflict, func.count(), maintain_column_froms=True).group_by(
            PatientProposal.conflict
        )
    )
    found = {row[0]: row[1] for row in rows}
    return {"proposals": found.get(False, 0), "conflicts": found.get(True, 0)}


def get_proposal(session: Session, who: Who, proposal_id: uuid.UUID) -> PatientProposal:
    """Raises NotFound."""
    found = session.scalars(proposals_for(who).where(PatientProposal.id == proposal_id)).one_or_none()
    if found is None:
        raise NotFound("proposal")
    return found


def confirm(runtime: Runtime, who: Who, proposal_id: uuid.UUID, reason: str) -> None:
    """Raises NotFound, ProposalDecided, Invalid."""

    def deed(session: Session) -> None:
        index.take_turn(session)
        proposal = get_proposal(session, who, proposal_id)
        index.confirm(session, proposal, _decision(runtime, session, who, reason))
        _note(runtime, session, who, "patients_merged", [proposal.first_id, proposal.second_id], reason)

    in_one(runtime, deed)


def refuse(runtime: Runtime, who: Who, proposal_id: uuid.UUID, reason: str) -> None:
    """Raises NotFound, ProposalDecided, Invalid."""

    def deed(session: Session) -> None:
        index.take_turn(session)
        proposal = get_proposal(session, who, proposal_id)
        index.refuse(session, proposal, _decision(runtime, session, who, reason))
        _note(runtime, session, who, "patients_kept_apart", [proposal.first_id, proposal.second_id], reason)

    in_one(runtime, deed)


def merge(runtime: Runtime, who: Who, patient_id: uuid.UUID, other_id: uuid.UUID, reason: str) -> None:
    """Raises NotFound, Invalid."""

    def deed(session: Session) -> None:
        index.take_turn(session)
        one, other = get_patient(session, who, patient_id), get_patient(session, who, other_id)
        index.merge(session, one, other, _decision(runtime, session, who, reason))
        _note(runtime, session, who, "patients_merged", [one.id, other.id], reason)

    in_one(runtime, deed)


def separate(runtime: Runtime, who: Who, patient_ids: Sequence[uuid.UUID], reason: str) -> None:
    """Take these out of the person that they are linked to. Raises NotFound, Invalid, Conflict."""

    def deed(session: Session) -> None:
        index.take_turn(session)
        leaving = [get_patient(session, who, patient_id) for patient_id in dict.fromkeys(patient_ids)]
        index.separate(session, leaving, _decision(runtime, session, who, reason))
        _note(runtime, session, who, "patients_separated", [patient.id for patient in leaving], reason)

    in_one(runtime, deed)


def get_patient(session: Session, who: Who, patient_id: uuid.UUID) -> Patient:
    """Raises NotFound, also for one of whom the caller may not know."""
    query = select(Patient).where(Patient.id == patient_id, identities_visible_to(who.subject))
    found = session.scalars(query).one_or_none()
    if found is None:
        raise NotFound("patient")
    return found


def get_known_person(session: Session, who: Who, patient_id: uuid.UUID) -> KnownPerson:
    """Who somebody is, at all institutions that the caller may see. Raises NotFound."""
    patient = get_patient(session, who, patient_id)
    seen = _seen_members(session, who, [patient.master_id])
    events = index.history_of(session, [member.id for member in seen])
    return KnownPerson(
        master_id=patient.master_id,
        patients=seen,
        examinations=_count_examinations(session, seen),
        history=[event for event in events if _may_see(session, who, event)],
    )


def find_persons(
    session: Session, who: Who, q: str, *, after: uuid.UUID | None, limit: int
) -> list[KnownPerson]:
    """Persons one of whose rows is found by what was typed, in the order of their master ids."""
    found = select(Patient.master_id).where(identities_visible_to(who.subject), *matches(q)).distinct()
    query = found.order_by(Patient.master_id).limit(limit)
    masters = session.scalars(query if after is None else query.where(Patient.master_id > after)).all()
    members = _seen_members(session, who, masters)
    counts = _count_examinations(session, members)
    return [
        KnownPerson(
            master_id=master_id,
            patients=[member for member in members if member.master_id == master_id],
            examinations=counts,
            history=[],
        )
        for master_id in masters
    ]


def note_opening(runtime: Runtime, who: Who, person: KnownPerson) -> None:
    """Somebody looked who somebody is."""
    with runtime.sessions.begin() as session:
        _record(runtime, session, who, "patient_opened", [patient.id for patient in person.patients], "")


def _seen_members(session: Session, who: Who, masters: Sequence[uuid.UUID]) -> list[Patient]:
    query = (
        select(Patient)
        .where(Patient.master_id.in_(masters), identities_visible_to(who.subject))
        .options(joinedload(Patient.institution))
        .order_by(Patient.id)
        .limit(MOST_MEMBERS)
    )
    return list(session.scalars(query))


def _count_examinations(session: Session, patients: Sequence[Patient]) -> dict[uuid.UUID, int]:
    rows = session.execute(
        select(Examination.patient_id, func.count())
        .where(Examination.patient_id.in_([patient.id for patient in patients]))
        .group_by(Examination.patient_id)
    )
    return {row[0]: row[1] for row in rows}


def _may_see(session: Session, who: Who, event: PatientLinkEvent) -> bool:
    """An event says who was linked: whoever may not see all of them is not told that there was one."""
    concerned = {member.patient_id for member in event.members}
    seen = select(func.count()).where(Patient.id.in_(concerned), identities_visible_to(who.subject))
    return session.scalar(seen) == len(concerned)


def _decision(runtime: Runtime, session: Session, who: Who, reason: str) -> Decision:
    return Decision(now=runtime.now(), person=get_person(session, who), reason=reason.strip())


def _note(
    runtime: Runtime,
    session: Session,
    who: Who,
    action: audit.Action,
    patient_ids: Sequence[uuid.UUID],
    reason: str,
) -> None:
    _record(runtime, session, who, action, patient_ids, reason)
    live.bump(session, "patients", "worklist")


def _record(
    runtime: Runtime,
    session: Session,
    who: Who,
    action: audit.Action,
    patient_ids: Sequence[uuid.UUID],
    reason: str,
) -> None:
    detail = {"patient_ids": [str(patient_id) for patient_id in patient_ids], "reason": reason.strip()}
    audit.record(session, action, actor=who.actor, now=runtime.now(), detail=detail)
