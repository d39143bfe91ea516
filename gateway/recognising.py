"""Mutual recognition at the order: asking what is recognised, deciding it, citing it; each audited with the deed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists.access import Subject, Wire, may_ask, recognition_visible_to
from worklists.base import local_date
from worklists.cards import read_card
from worklists.directory import Institution, Role
from worklists.errors import FieldsRefused, NotAllowed, NotFound
from worklists.recognising import deciding
from worklists.recognising.deciding import Asker, Decided
from worklists.recognising.figures import Figures, figures_by_institution, figures_by_month
from worklists.recognising.proposing import RESIDENT_CARD, WhoIsAsked, propose
from worklists.recognising.rows import RecognitionGroup, RecognitionReason
from worklists.recognition import RecognitionItem

MOST_MONTHS = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What can be asked for, and the reasons for declining it."""

    items: Sequence[RecognitionItem]
    reasons: Sequence[RecognitionReason]


def find_choices(runtime: Runtime, session: Session, subject: Subject) -> Choices:
    _require_asker(subject)
    reasons = select(RecognitionReason).where(RecognitionReason.enabled)
    return Choices(
        items=[
            item
            for item in deciding.find_items_in_force(session, local_date(runtime.now()))
            if not item.negative_list
        ],
        reasons=session.scalars(reasons.order_by(RecognitionReason.position, RecognitionReason.code)).all(),
    )


def ask(
    runtime: Runtime,
    caller: Who,
    who: WhoIsAsked,
    items: Sequence[str],
    *,
    encounter: Mapping[str, Any],
    asker: Asker,
) -> uuid.UUID:
    """What is recognised of the ordered items; kept as a group. Raises NotAllowed, FieldsRefused."""
    _require_asker(caller.subject)
    now = runtime.now()
    _check_card(who, local_date(now))
    with runtime.sessions.begin() as session:
        known = {item.code: item for item in deciding.find_items_in_force(session, local_date(now))}
        unknown = {f"items.{n}": "unknown" for n, code in enumerate(items) if code not in known}
        if unknown:
            raise FieldsRefused(unknown)
        receiving = session.get_one(Institution, caller.subject.institution_id)
        ordered = [known[code] for code in dict.fromkeys(items)]
        proposals = propose(session, receiving=receiving, who=who, items=ordered, now=now)
        group = deciding.open_group(
            session, receiving=receiving, who=who, encounter=encounter, proposals=proposals, asker=asker,
            now=now,
        )  # fmt: skip
        detail = {"group": str(group.id), "items": group.items, "found": len(group.matches)}
        audit.record(session, "recognition_asked", actor=caller.actor, now=now, detail=detail)
        _audit_opening(session, runtime, caller, group)
        return group.id


def look_again(runtime: Runtime, caller: Who, group_id: uuid.UUID) -> None:
    """An opening like the first, and audited like it. Raises NotFound."""
    with runtime.sessions.begin() as session:
        _audit_opening(session, runtime, caller, get_group(session, caller.subject, group_id))


def get_group(
    session: Session, subject: Subject, group_id: uuid.UUID, *, lock: bool = False
) -> RecognitionGroup:
    """Raises NotFound."""
    query = select(RecognitionGroup).where(RecognitionGroup.id == group_id, recognition_visible_to(subject))
    group = session.scalars(query.with_for_update() if lock else query).first()
    if group is None:
        raise NotFound("recognition_group")
    return group


def decide(
    runtime: Runtime, caller: Who, group_id: uuid.UUID, said: Sequence[Decided], *, asker: Asker
) -> None:
    """Decide a group whole; repeated with the same words it changes nothing.

    Raises NotFound, AlreadyDecided, NoLongerStands.
    """
    with runtime.sessions.begin() as session:
        group = get_group(session, caller.subject, group_id, lock=True)
        now = runtime.now()
        if not deciding.decide(session, group, said, asker=asker, now=now):
            return
        session.expire(group)
        for match in group.matches:
            if match.decision is None:
                continue
            audit.record(
                session, "recognition_decided", actor=caller.actor, now=now,
                examination_id=match.report.examination_id,
                detail={
                    "group": str(group.id), "item": match.item_code, "choice": match.decision.choice.value,
                    "reason": match.decision.reason_code,
                },
            )  # fmt: skip


def cite(runtime: Runtime, caller: Who, group_id: uuid.UUID, match_id: uuid.UUID, *, asker: Asker) -> None:
    """The adopted result was written into the record. Raises NotFound, NotAdopted, NoLongerStands."""
    with runtime.sessions.begin() as session:
        group = get_group(session, caller.subject, group_id, lock=True)
        if not deciding.cite(session, group, match_id, asker=asker, now=runtime.now()):
            return
        match = next(one for one in group.matches if one.id == match_id)
        audit.record(
            session, "recognition_cited", actor=caller.actor, now=runtime.now(),
            examination_id=match.report.examination_id,
            detail={"group": str(group.id), "item": match.item_code},
        )  # fmt: skip


def read_by_institution(
    session: Session, subject: Subject, first: date, last: date
) -> dict[uuid.UUID, Figures]:
    return figures_by_institution(session, first=first, last=last, institution_id=_whose(subject))


def read_by_month(session: Session, subject: Subject, first: date, last: date) -> dict[str, Figures]:
    return figures_by_month(session, first=first, last=last, institution_id=_whose(subject))


def check_span(first: date, last: date) -> None:
    """Raises FieldsRefused."""
    months = (last.year - first.year) * 12 + last.month - first.month
    if last < first or months >= MOST_MONTHS:
        raise FieldsRefused({"to": "span"})


def _whose(subject: Subject) -> uuid.UUID | None:
    """None: everybody's. Figures of the county are the administrator's, a township sees its own."""
    if subject.wires is None and Role.ADMIN in subject.roles:
        return None
    _require_asker(subject)
    return subject.institution_id


def _require_asker(subject: Subject) -> None:
    if not may_ask(subject):
        raise NotAllowed(Role.RADIOGRAPHER, Wire.RECOGNITION)


def _check_card(who: WhoIsAsked, today: date) -> None:
    """A mistyped number is told at once: nobody is to conclude from silence that there is nothing."""
    if who.id_type != RESIDENT_CARD:
        return
    card = read_card(who.number, today)
    if card is None:
        raise FieldsRefused({"patient.number": "card_checksum"})
    if not card.fits(who.sex, who.birth_date):
        raise FieldsRefused({"patient.number": "card_and_identity"})


def _audit_opening(session: Session, runtime: Runtime, caller: Who, group: RecognitionGroup) -> None:
    for match in group.matches:
        audit.record(
            session, "recognition_opened", actor=caller.actor, now=runtime.now(),
            examination_id=match.report.examination_id,
            detail={"basis": "recognition", "group": str(group.id), "item": match.item_code},
        )  # fmt: skip
