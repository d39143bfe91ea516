"""The community's patient index: which patients of several institutions are one person.

Rows of `Patient` that share a `master_id` are one person. A link moves rows to another master id and is written
down as an event with everybody it concerned; nothing is deleted, and taking a link back is an event too. What
likeness proposes waits for a person; a refusal is remembered for good, and no rule links over it.

Rules: `matching`. All changes of links take turns, so that two who link at once make one person.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import product
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, and_, func, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id
from worklists.directory import Person
from worklists.errors import Conflict, Invalid, NotFound
from worklists.matching import Evidence, Outcome, Rule, compare, judge
from worklists.patients import Patient, find

_TURN = 0x53434749  # the key of our advisory lock; any number that nobody else in this database uses
MOST_CANDIDATES = 500  # people of one birth date; where a placeholder date is common, the newest
NOT_ONE_PERSON = Rule("linked_and_different", Outcome.CONFLICT, {})


class ProposalState(StrEnum):
    OPEN = "open"
    CONFIRMED = "confirmed"  # a person said that they are one
    REFUSED = "refused"  # a person said that they are two
    LINKED = "linked"  # they became one in another way
    WITHDRAWN = "withdrawn"  # what was alike is no longer so


class LinkAction(StrEnum):
    LINKED = "linked"  # by a rule
    MERGED = "merged"  # by a person
    SEPARATED = "separated"
    REFUSED = "refused"


class ProposalDecided(Conflict):
    """Somebody has decided about it, or it no longer holds."""


class PatientProposal(Base):
    """Two patients who may be one person, or who contradict one another; one row per pair, for good."""

    __tablename__ = "patient_proposal"
    __table_args__ = (
        UniqueConstraint("first_id", "second_id"),
        Index("ix_patient_proposal_state", "state", "found_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    first_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"))
    second_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"), index=True)
    rule: Mapped[str]
    conflict: Mapped[bool] = mapped_column(default=False)
    evidence: Mapped[dict[str, Any]]
    state: Mapped[ProposalState] = mapped_column(default=ProposalState.OPEN)
    found_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    reason: Mapped[str] = mapped_column(default="")

    first: Mapped[Patient] = relationship(foreign_keys=[first_id])
    second: Mapped[Patient] = relationship(foreign_keys=[second_id])
    decided_by: Mapped[Person | None] = relationship(foreign_keys=[decided_by_id])

    def decide(self, state: ProposalState, decision: "Decision") -> None:
        self.state, self.decided_at, self.reason = state, decision.now, decision.reason
        self.decided_by_id = decision.person.id if decision.person else None


class PatientLinkEvent(Base):
    """That patients became one person, or ceased to be: who said so, when, why. Never changed."""

    __tablename__ = "patient_link_event"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime]
    action: Mapped[LinkAction]
    person_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    rule: Mapped[str] = mapped_column(default="")
    reason: Mapped[str] = mapped_column(default="")
    from_master_id: Mapped[uuid.UUID]
    to_master_id: Mapped[uuid.UUID]
    evidence: Mapped[dict[str, Any]]

    person: Mapped[Person | None] = relationship()
    members: Mapped[list["PatientLinkMember"]] = relationship(lazy="selectin")


class PatientLinkMember(Base):
    """Whom an event concerned: who moved to the other master id, and who was there or stayed."""

    __tablename__ = "patient_link_member"

    event_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient_link_event.id"), primary_key=True)
    patient_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("patient.id"), primary_key=True, index=True)
    moved: Mapped[bool]
    said: Mapped[dict[str, Any]]  # who they were said to be at that moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who decides, when and why; without a person it is a rule."""

    now: datetime
    person: Person | None = None
    reason: str = ""

    def require_reason(self) -> None:
        if not self.reason.strip():
            raise Invalid("reason", "required")


def find_unmatched(session: Session, *, limit: int) -> list[uuid.UUID]:
    """Patients at whom the index has not looked since they came or changed, the first first."""
    return list(
        session.scalars(
            select(Patient.id).where(Patient.matched_at.is_(None)).order_by(Patient.id).limit(limit)
        )
    )


def match(session: Session, patient_id: uuid.UUID, now: datetime) -> bool:
    """Look who else this patient may be: link, propose or show a conflict. Says whether anybody was linked."""
    take_turn(session)
    patient = session.get(Patient, patient_id, populate_existing=True)
    if patient is None:
        raise NotFound("patient")
    linked = False
    seen = {patient.id}
    known = _proposals_of(session, patient)
    for other in _candidates(session, patient):
        seen.add(other.id)
        linked = _match_pair(session, patient, other, known.get(other.id), now) or linked
    _withdraw_stale(known.values(), patient, seen, now)
    patient.matched_at = now
    return linked


def is_alone(session: Session, patient: Patient) -> bool:
    """Whether `match` would find nobody to link, to propose or to withdraw; it writes nothing and takes no turn."""
    if any(pair.state is ProposalState.OPEN for pair in _proposals_of(session, patient).values()):
        return False
    return not any(_is_of_interest(patient, other) for other in _candidates(session, patient))


def take_turn(session: Session) -> None:
    """One changes links at a time, until its transaction ends: short, and rare beside what arrives."""
    if session.get_bind().dialect.name == "postgresql":  # SQLite lets one writer in at a time anyway
        session.execute(select(func.pg_advisory_xact_lock(_TURN)))


def members_of(session: Session, master_id: uuid.UUID) -> list[Patient]:
    """Everybody who is this person now."""
    query = select(Patient).where(Patient.master_id == master_id).order_by(Patient.id)
    return list(session.scalars(query.execution_options(populate_existing=True)))


def confirm(session: Session, proposal: PatientProposal, decision: Decision) -> None:
    """They are one person. Raises ProposalDecided."""
    take_turn(session)
    session.refresh(proposal)
    if proposal.state is not ProposalState.OPEN:
        raise ProposalDecided(proposal.id)
    if proposal.conflict and proposal.first.master_id != proposal.second.master_id:
        raise Invalid("action")  # what cannot be one person is corrected first
    decision.require_reason()
    merge(session, proposal.first, proposal.second, decision, rule=proposal.rule)
    proposal.decide(ProposalState.CONFIRMED, decision)


def refuse(session: Session, proposal: PatientProposal, decision: Decision) -> None:
    """They are two persons; remembered. Raises ProposalDecided."""
    decision.require_reason()
    take_turn(session)
    session.refresh(proposal)
    if proposal.state is not ProposalState.OPEN:
        raise ProposalDecided(proposal.id)
    one, other = proposal.first, proposal.second
    if one.master_id == other.master_id:
        raise Conflict("linked")  # `separate` says who leaves
    proposal.decide(ProposalState.REFUSED, decision)
    _note(
        session, LinkAction.REFUSED, [one], [other], decision, rule=proposal.rule, evidence=proposal.evidence,
        masters=(one.master_id, other.master_id),
    )  # fmt: skip


def merge(
    session: Session, one: Patient, other: Patient, decision: Decision, *, rule: str = ""
) -> PatientLinkEvent | None:
    """A person, or a message that speaks for one, says that two are one person; refusals between them are over.

    None when they are one already.
    """
    take_turn(session)
    decision.require_reason()
    session.refresh(one)
    session.refresh(other)
    if one.master_id == other.master_id:
        return None
    for pair in _proposals_between(session, _group(session, one), _group(session, other)):
        pair.decide(ProposalState.CONFIRMED, decision)
    return _join(session, one, other, LinkAction.MERGED, decision, rule=rule, evidence=compare(one, other))


def merge_numbers(
    session: Session, institution_id: uuid.UUID, *, kept: str, given_up: str, decision: Decision
) -> list[PatientLinkEvent]:
    """An institution says that two of its local numbers are one person's (ADT^A40 says it this way). Raises NotFound."""
    keeping, giving_up = (find(session, institution_id, number) for number in (kept, given_up))
    if not keeping or not giving_up:
        raise NotFound("patient")
    events = [merge(session, keeping[0], patient, decision) for patient in giving_up]
    return [event for event in events if event is not None]


def separate(session: Session, patients: Sequence[Patient], decision: Decision) -> PatientLinkEvent:
    """These are another person than the others that they were linked with; no rule links them again."""
    decision.require_reason()
    take_turn(session)
    for patient in patients:
        session.refresh(patient)
    masters = {patient.master_id for patient in patients}
    if len(masters) != 1:
        raise Invalid("patients")
    members = members_of(session, masters.pop())
    leaving = [member for member in members if member in patients]
    staying = [member for member in members if member not in patients]
    if not leaving or not staying:
        raise Conflict("patients")
    old, new = members[0].master_id, new_id()
    for one, other in product(leaving, staying):
        _remember_refusal(session, one, other, decision)
    for patient in leaving:
        patient.master_id = new
    session.flush()
    return _note(session, LinkAction.SEPARATED, leaving, staying, decision, masters=(old, new))


def history_of(session: Session, patient_ids: Iterable[uuid.UUID]) -> list[PatientLinkEvent]:
    """Everything that was said about these patients' links, the first first."""
    of = select(PatientLinkMember.event_id).where(PatientLinkMember.patient_id.in_(list(patient_ids)))
    query = select(PatientLinkEvent).where(PatientLinkEvent.id.in_(of))
    return list(session.scalars(query.order_by(PatientLinkEvent.at, PatientLinkEvent.id)))


def _candidates(session: Session, patient: Patient) -> list[Patient]:
    """Everybody whom some rule may join with this patient, and those who are joined already."""
    ways: list[ColumnElement[bool]] = [Patient.master_id == patient.master_id]
    if patient.national_id:
        ways.append(Patient.national_id == patient.national_id)
    if patient.phone:
        ways.append(Patient.phone == patient.phone)
    if patient.patient_id:
        ways.append(
            and_(Patient.institution_id == patient.institution_id, Patient.patient_id == patient.patient_id)
        )
    if patient.birth_date:
        ways.append(and_(Patient.birth_date == patient.birth_date, _sex_can_be(patient.sex)))
    found: dict[uuid.UUID, Patient] = {}
    for way in ways:  # one by one: each has its index
        query = select(Patient).where(way, Patient.id != patient.id).order_by(Patient.id.desc())
        rows = session.scalars(query.limit(MOST_CANDIDATES).execution_options(populate_existing=True))
        found.update((row.id, row) for row in rows)
    return sorted(found.values(), key=lambda row: row.id)


def _sex_can_be(sex: str | None) -> ColumnElement[bool]:
    if sex not in {"M", "F"}:
        return Patient.id == Patient.id
    return or_(Patient.sex.is_(None), Patient.sex.not_in(["F" if sex == "M" else "M"]))


def _is_of_interest(patient: Patient, other: Patient) -> bool:
    rule, evidence = judge(patient, other)
    if patient.master_id == other.master_id:
        return rule.outcome is Outcome.CONFLICT or evidence.differs
    return rule.outcome is not Outcome.NOTHING


def _match_pair(
    session: Session, patient: Patient, other: Patient, known: PatientProposal | None, now: datetime
) -> bool:
    rule, evidence = judge(patient, other)
    if known is not None and known.state is ProposalState.REFUSED:
        return False
    if patient.master_id == other.master_id:
        decided = known is not None and known.state is ProposalState.CONFIRMED
        if (rule.outcome is Outcome.CONFLICT or evidence.differs) and not decided:
            _propose(session, known, patient, other, NOT_ONE_PERSON, evidence, now)
        return False
    if rule.outcome is Outcome.LINK and not _objection(session, patient, other):
        _join(
            session, patient, other, LinkAction.LINKED, Decision(now=now), rule=rule.code, evidence=evidence
        )
        return True
    if rule.outcome is not Outcome.NOTHING:
        _propose(session, known, patient, other, rule, evidence, now)
    return False


def _objection(session: Session, one: Patient, other: Patient) -> bool:
    """Somebody of the one cannot be somebody of the other, or a person said so."""
    pairs = list(product(_group(session, one), _group(session, other)))
    if any(compare(a, b).differs for a, b in pairs):
        return True
    between = _proposals_between(session, [a for a, _ in pairs], [b for _, b in pairs])
    return any(pair.state is ProposalState.REFUSED for pair in between)


def _join(
    session: Session,
    one: Patient,
    other: Patient,
    action: LinkAction,
    decision: Decision,
    *,
    rule: str,
    evidence: Evidence,
) -> PatientLinkEvent:
    """The younger master id gives way to the older."""
    to, giving_way = sorted((one.master_id, other.master_id))
    there, moving = members_of(session, to), members_of(session, giving_way)
    for pair in _proposals_between(session, there, moving):
        if pair.state is ProposalState.OPEN and not pair.conflict:
            pair.state, pair.decided_at = ProposalState.LINKED, decision.now
    for patient in moving:
        patient.master_id = to
    session.flush()
    return _note(
        session, action, moving, there, decision, rule=rule, evidence=evidence.as_json(),
        masters=(giving_way, to),
    )  # fmt: skip


def _propose(
    session: Session,
    known: PatientProposal | None,
    one: Patient,
    other: Patient,
    rule: Rule,
    evidence: Evidence,
    now: datetime,
) -> None:
    first, second = sorted((one, other), key=lambda patient: patient.id)
    row = known or PatientProposal(id=new_id(), first_id=first.id, second_id=second.id, reason="")
    news = known is None or known.state is not ProposalState.OPEN or known.rule != rule.code
    row.rule, row.evidence = rule.code, evidence.as_json()
    row.conflict, row.state = rule.outcome is Outcome.CONFLICT, ProposalState.OPEN
    if news:
        row.found_at, row.decided_at, row.decided_by_id, row.reason = now, None, None, ""
    session.add(row)
    session.flush()


def _remember_refusal(session: Session, one: Patient, other: Patient, decision: Decision) -> None:
    rule, evidence = judge(one, other)
    known = _proposal_of(session, one, other)
    if known is None:
        _propose(session, None, one, other, rule, evidence, decision.now)
        known = _proposal_of(session, one, other)
    if known is not None:
        known.conflict = False
        known.decide(ProposalState.REFUSED, decision)


def _withdraw_stale(
    known: Iterable[PatientProposal], patient: Patient, seen: set[uuid.UUID], now: datetime
) -> None:
    """Open proposals of this patient that no rule makes any more."""
    for pair in known:
        other = pair.second if pair.first_id == patient.id else pair.first
        if pair.state is ProposalState.OPEN and not (other.id in seen and _is_of_interest(patient, other)):
            pair.state, pair.decided_at = ProposalState.WITHDRAWN, now


def _proposals_of(session: Session, patient: Patient) -> dict[uuid.UUID, PatientProposal]:
    """What was ever proposed about this patient, by the other one."""
    either = or_(PatientProposal.first_id == patient.id, PatientProposal.second_id == patient.id)
    rows = session.scalars(select(PatientProposal).where(either).execution_options(populate_existing=True))
    return {row.second_id if row.first_id == patient.id else row.first_id: row for row in rows}


def _proposal_of(session: Session, one: Patient, other: Patient) -> PatientProposal | None:
    first, second = sorted((one.id, other.id))
    return session.scalars(
        select(PatientProposal).where(PatientProposal.first_id == first, PatientProposal.second_id == second)
    ).one_or_none()


def _proposals_between(
    session: Session, ones: Iterable[Patient], others: Iterable[Patient]
) -> list[PatientProposal]:
    left, right = [patient.id for patient in ones], [patient.id for patient in others]
    across = or_(
        and_(PatientProposal.first_id.in_(left), PatientProposal.second_id.in_(right)),
        and_(PatientProposal.first_id.in_(right), PatientProposal.second_id.in_(left)),
    )
    return list(session.scalars(select(PatientProposal).where(across)))


def _group(session: Session, patient: Patient) -> list[Patient]:
    return members_of(session, patient.master_id)


def _note(
    session: Session,
    action: LinkAction,
    moved: Sequence[Patient],
    others: Sequence[Patient],
    decision: Decision,
    *,
    masters: tuple[uuid.UUID, uuid.UUID],
    rule: str = "",
    evidence: dict[str, Any] | None = None,
) -> PatientLinkEvent:
    event = PatientLinkEvent(
        id=new_id(),
        at=decision.now,
        action=action,
        person_id=decision.person.id if decision.person else None,
        rule=rule,
        reason=decision.reason.strip(),
        from_master_id=masters[0],
        to_master_id=masters[1],
        evidence=evidence or {},
    )
    event.members = [
        PatientLinkMember(patient_id=patient.id, moved=is_moved, said=patient.identity.as_json())
        for is_moved, patients in ((True, moved), (False, others))
        for patient in patients
    ]
    session.add(event)
    session.flush()
    return event
