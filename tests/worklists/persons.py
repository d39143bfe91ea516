"""Patients of two townships who may be one person, for the tests of the patient index."""

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.builders import NOW, County, identity
from worklists import patient_index as index
from worklists.directory import Institution
from worklists.patient_index import (
    Decision,
    PatientProposal,
    ProposalState,
)
from worklists.patients import Patient, create

CARD = "110105197903040017"  # of a man born on 1979-03-04, as `identity()` is
CARD_2 = "330281199203046014"
LATER = NOW + timedelta(minutes=1)


def make_patient(session: Session, institution: Institution, **fields: Any) -> Patient:
    return create(session, institution.id, identity(**{"patient_id": f"N{uuid.uuid4().hex[:6]}", **fields}))


def match_all(session: Session) -> None:
    while found := index.find_unmatched(session, limit=100):
        for patient_id in found:
            index.match(session, patient_id, NOW)
        session.flush()


def proposals(session: Session, *states: ProposalState) -> list[PatientProposal]:
    query = select(PatientProposal).where(PatientProposal.state.in_(states or [ProposalState.OPEN]))
    return list(session.scalars(query))


def decided_by(county: County, reason: str = "核对过身份证") -> Decision:
    return Decision(now=LATER, person=county.reviewer, reason=reason)


def two(
    session: Session, county: County, one: dict[str, Any], other: dict[str, Any]
) -> tuple[Patient, Patient]:
    pair = make_patient(session, county.east, **one), make_patient(session, county.west, **other)
    match_all(session)
    return pair
