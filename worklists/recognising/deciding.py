"""A group of matches: asked, decided whole and once, cited. Looking at a result decides nothing."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from worklists.base import local_date, new_id
from worklists.directory import Institution
from worklists.errors import Conflict, FieldsRefused, NotFound
from worklists.recognising.proposing import Proposal, WhoIsAsked
from worklists.recognising.rows import (
    Choice,
    Outcome,
    RecognitionCitation,
    RecognitionDecision,
    RecognitionGroup,
    RecognitionMatch,
    RecognitionPrice,
    RecognitionReason,
)
from worklists.recognition import RecognitionItem
from worklists.reports import Report, ReportState

# References may be adopted, too: that is encouraged, and no duty.
DECIDABLE = (Outcome.REMINDER, Outcome.REFERENCE)


class AlreadyDecided(Conflict):
    """The group was decided otherwise: the first decision stands, and a new question makes a new group."""


class NotAdopted(Conflict):
    """Only what was adopted can be cited."""


class NoLongerStands(Conflict):
    """The report was made void, or another version has taken its place; carries the code of the item."""

    def __init__(self, item_code: str):
        super().__init__(item_code)
        self.item_code = item_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who decides at the receiving side: the doctor by name, the person where one is signed in."""

    doctor: str
    department: str = ""
    person_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a doctor says of one match."""

    match_id: uuid.UUID
    choice: Choice
    reason_code: str | None = None
    note: str = ""
    told_patient: bool = False


def open_group(
    session: Session,
    *,
    receiving: Institution,
    who: WhoIsAsked,
    encounter: Mapping[str, Any],
    proposals: Sequence[Proposal],
    asker: Asker,
    now: datetime,
) -> RecognitionGroup:
    """Keep what was proposed, as it was proposed."""
    group = RecognitionGroup(
        id=new_id(),
        institution_id=receiving.id,
        patient={**asdict(who), "birth_date": who.birth_date.isoformat()},
        encounter=dict(encounter),
        items=[one.item.code for one in proposals],
        asked_at=now,
        asked_by_id=asker.person_id,
        asked_by=asker.doctor,
    )
    group.matches = [
        RecognitionMatch(
            id=new_id(),
            position=position,
            item_code=one.item.code,
            outcome=one.outcome,
            report_id=one.candidate.report.id,
            source_id=one.candidate.source.id,
            mark=one.candidate.mark["text"],
        )
        for position, one in enumerate(proposals)
        if one.candidate is not None
    ]
    session.add(group)
    session.flush()
    return group


def decide(
    session: Session, group: RecognitionGroup, said: Sequence[Decided], *, asker: Asker, now: datetime
) -> bool:
    """Decide a locked group whole; False where exactly this was decided before.

    Every reminder is decided, each match once; references may be. Nothing is adopted that no longer stands.
    Raises AlreadyDecided, FieldsRefused, NoLongerStands.
    """
    content = _content(said, asker)
    if group.decided_as is not None:
        if group.decided_as != content:
            raise AlreadyDecided(group.id)
        return False
    matches = {match.id: match for match in group.matches}
    reasons = {one.code: one for one in session.scalars(select(RecognitionReason))}
    _check(matches, said, reasons, asker)
    _require_standing(session, [matches[one.match_id] for one in said if one.choice is Choice.ADOPTED])
    for one in said:
        match = matches[one.match_id]
        adopted = one.choice is Choice.ADOPTED
        price = find_price(session, group.institution_id, match.item_code, on=local_date(now))
        session.add(
            RecognitionDecision(
                id=new_id(),
                match_id=match.id,
                choice=one.choice,
                reason_code=one.reason_code,
                counts_as_refusal=not adopted and reasons[str(one.reason_code)].counts_as_refusal,
                note=one.note,
                told_patient=one.told_patient,
                doctor=asker.doctor,
                department=asker.department,
                decided_at=now,
                decided_by_id=asker.person_id,
                saved=price if adopted else Decimal(0),
            )
        )
    group.decided_at, group.decided_as = now, content
    session.flush()
    return True


def cite(
    session: Session, group: RecognitionGroup, match_id: uuid.UUID, *, asker: Asker, now: datetime
) -> bool:
    """An adopted result was written into the record; False when that was said before.

    Raises NotFound, NotAdopted, NoLongerStands.
    """
    match = next((one for one in group.matches if one.id == match_id), None)
    if match is None:
        raise NotFound("match")
    if match.decision is None or match.decision.choice is not Choice.ADOPTED:
        raise NotAdopted(match.id)
    if match.citation is not None:
        return False
    _require_standing(session, [match])
    match.citation = RecognitionCitation(
        id=new_id(), cited_at=now, doctor=asker.doctor, department=asker.department
    )
    session.flush()
    return True


def find_price(session: Session, institution_id: uuid.UUID, item_code: str, *, on: date) -> Decimal:
    """The price in force; 0 where there is none: a missing price never keeps anybody from deciding."""
    price = session.scalars(
        select(RecognitionPrice)
        .where(RecognitionPrice.institution_id == institution_id, RecognitionPrice.item_code == item_code)
        .where(RecognitionPrice.valid_from <= on)
        .where(or_(RecognitionPrice.valid_to.is_(None), RecognitionPrice.valid_to >= on))
        .order_by(RecognitionPrice.valid_from.desc(), RecognitionPrice.id.desc())
        .limit(1)
    ).first()
    return price.amount if price is not None else Decimal(0)


def find_items_in_force(session: Session, on: date) -> list[RecognitionItem]:
    """What can be asked for on a day."""
    return list(
        session.scalars(
            select(RecognitionItem)
            .where(RecognitionItem.effective_from <= on)
            .where(or_(RecognitionItem.effective_to.is_(None), RecognitionItem.effective_to >= on))
            .order_by(RecognitionItem.kind, RecognitionItem.code)
        )
    )


def _require_standing(session: Session, matches: Sequence[RecognitionMatch]) -> None:
    """Their reports stand, and do until the end of the transaction: who makes one void waits, or was first."""
    items = {match.report_id: match.item_code for match in matches}
    query = select(Report.id, Report.state).where(Report.id.in_(items)).order_by(Report.id)
    for report_id, state in session.execute(query.with_for_update(read=True)):
        if state is not ReportState.SIGNED:
            raise NoLongerStands(items[report_id])


def _content(said: Sequence[Decided], asker: Asker) -> dict[str, Any]:
    """What was said, whatever its order: a repeat says the same."""
    decisions = [
        {**asdict(one), "match_id": str(one.match_id), "choice": one.choice.value}
        for one in sorted(said, key=lambda one: str(one.match_id))
    ]
    return {"decisions": decisions, "doctor": asker.doctor, "department": asker.department}


def _check(
    matches: Mapping[uuid.UUID, RecognitionMatch],
    said: Sequence[Decided],
    reasons: Mapping[str, RecognitionReason],
    asker: Asker,
) -> None:
    wrong: dict[str, str] = {}
    named = [one.match_id for one in said]
    if not asker.doctor.strip():
        wrong["doctor"] = "required"
    if {match.id for match in matches.values() if match.outcome is Outcome.REMINDER} - set(named):
        wrong["decisions"] = "every_reminder"
    elif not named:
        wrong["decisions"] = "nothing_to_decide"
    for place, one in enumerate(said):
        at = f"decisions.{place}"
        match = matches.get(one.match_id)
        if match is None or match.outcome not in DECIDABLE:
            wrong[f"{at}.match_id"] = "unknown"
        elif named.count(one.match_id) > 1:
            wrong[f"{at}.match_id"] = "twice"
        wrong |= {f"{at}.{name}": why for name, why in _check_reason(one, reasons).items()}
    if wrong:
        raise FieldsRefused(wrong)


def _check_reason(one: Decided, reasons: Mapping[str, RecognitionReason]) -> dict[str, str]:
    if one.choice is Choice.ADOPTED:
        return {"reason_code": "no_reason_wanted"} if one.reason_code else {}
    if not one.reason_code:
        return {"reason_code": "required"}
    reason = reasons.get(one.reason_code)
    if reason is None or not reason.enabled:
        return {"reason_code": "unknown"}
    return {"note": "required"} if reason.note_required and not one.note.strip() else {}
