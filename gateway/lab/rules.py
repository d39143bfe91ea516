"""Rules of verification at work: drafts, dry runs, and the one set that is live. Every step is somebody's, and audited.

What goes live counts for what arrives from then on, and for what still waits: that is judged anew, as work for later.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.directory import FieldErrors
from gateway.lab import judging
from gateway.lab.control import may_set
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists.access import benches_visible_to
from worklists.base import new_id
from worklists.directory import Device, Role
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound
from worklists.laboratory import dry_run
from worklists.laboratory.dictionary import LabItem
from worklists.laboratory.rule_content import check_rules
from worklists.laboratory.rules import Rules
from worklists.laboratory.verification import RuleSetState, VerificationRules
from worklists.rule_books import NotADraft, NotTried

log = structlog.get_logger()

LONGEST_NOTE = 500


def list_rules(session: Session, who: Who) -> Sequence[VerificationRules]:
    """Every version, the newest first. Raises NotAllowed."""
    _require_reader(session, who)
    return session.scalars(select(VerificationRules).order_by(VerificationRules.version.desc())).all()


def get_rules(session: Session, who: Who, rules_id: uuid.UUID) -> VerificationRules:
    """Raises NotFound, NotAllowed."""
    _require_reader(session, who)
    return _get(session, rules_id)


def make_draft(runtime: Runtime, who: Who, *, content: Mapping[str, Any] | None, note: str) -> uuid.UUID:
    """Another version; without a content it begins as the live one is. Raises NotAllowed, FieldErrors."""

    def deed(session: Session) -> uuid.UUID:
        _require_setter(session, who)
        person = get_person(session, who)
        last = session.scalar(select(func.max(VerificationRules.version))) or 0
        row = VerificationRules(
            id=new_id(),
            version=last + 1,
            state=RuleSetState.DRAFT,
            content=_checked(session, content) if content is not None else _live_content(session),
            note=_note_text(note),
            made_at=runtime.now(),
            made_by_id=person.id,
        )
        session.add(row)
        session.flush()
        _record(session, runtime, who, "lab_rules_drafted", row)
        return row.id

    return in_one(runtime, deed)


def change_draft(
    runtime: Runtime, who: Who, rules_id: uuid.UUID, *, content: Mapping[str, Any], note: str
) -> None:
    """Raises NotFound, NotAllowed, NotADraft, FieldErrors. A dry run of what it was before is forgotten."""

    def deed(session: Session) -> None:
        _require_setter(session, who)
        row = _get_draft(session, rules_id)
        checked = _checked(session, content)
        if checked != row.content:
            row.content, row.dry_run = checked, None
        row.note = _note_text(note)
        _record(session, runtime, who, "lab_rules_drafted", row)

    in_one(runtime, deed)


def try_draft(
    runtime: Runtime,
    who: Who,
    rules_id: uuid.UUID,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> None:
    """Run it over the last results and keep what came out; `told` hears how far it is. Raises as `get_draft` does."""
    with runtime.reading() as session:
        row = get_draft(session, who, rules_id)
        content = row.content
        rules = Rules(row.version, content["rules"])
        outcome = dry_run.dry_run(session, rules, now=runtime.now(), told=told)

    def deed(session: Session) -> None:
        draft = _get_draft(session, rules_id)
        if draft.content != content:
            raise Conflict("rules")
        draft.dry_run = outcome
        _record(session, runtime, who, "lab_rules_tried", draft)

    in_one(runtime, deed)
    log.info("rules were tried", version=row.version, results=outcome["results"])


def get_draft(session: Session, who: Who, rules_id: uuid.UUID) -> VerificationRules:
    """One that the caller may try. Raises NotFound, NotAllowed, NotADraft."""
    _require_setter(session, who)
    row = _get(session, rules_id)
    if row.state is not RuleSetState.DRAFT:
        raise NotADraft
    return row


def go_live(runtime: Runtime, who: Who, rules_id: uuid.UUID) -> None:
    """From now on these rules release, also what waits. Raises NotFound, NotAllowed, NotADraft, NotTried."""

    def deed(session: Session) -> None:
        _require_setter(session, who)
        person = get_person(session, who)
        row = _get_draft(session, rules_id)
        if row.dry_run is None:
            raise NotTried
        for before in session.scalars(
            select(VerificationRules).where(VerificationRules.state == RuleSetState.LIVE).with_for_update()
        ):
            before.state = RuleSetState.RETIRED
        session.flush()  # one is live at a time, also for the index
        row.state, row.live_at, row.live_by_id = RuleSetState.LIVE, runtime.now(), person.id
        judging.schedule_all_waiting(session, judging.Because.RULES, now=runtime.now())
        _record(session, runtime, who, "lab_rules_went_live", row)

    in_one(runtime, deed)


def _checked(session: Session, content: Mapping[str, Any]) -> dict[str, Any]:
    known = set(session.scalars(select(LabItem.code)))
    checked, reasons = check_rules(content, known)
    if reasons:
        raise FieldErrors(reasons)
    return checked


def _live_content(session: Session) -> dict[str, Any]:
    content = session.scalars(
        select(VerificationRules.content).where(VerificationRules.state == RuleSetState.LIVE)
    ).one_or_none()
    if content is None:
        raise Invalid("content", "required")
    return dict(content)


def _note_text(note: str) -> str:
    if len(note.strip()) > LONGEST_NOTE:
        raise Invalid("note", "too_long")
    return note.strip()


def _get(session: Session, rules_id: uuid.UUID) -> VerificationRules:
    row = session.get(VerificationRules, rules_id)
    if row is None:
        raise NotFound("rules")
    return row


def _get_draft(session: Session, rules_id: uuid.UUID) -> VerificationRules:
    row = session.scalars(
        select(VerificationRules).where(VerificationRules.id == rules_id).with_for_update()
    ).one_or_none()
    if row is None:
        raise NotFound("rules")
    if row.state is not RuleSetState.DRAFT:
        raise NotADraft
    return row


def _require_reader(session: Session, who: Who) -> None:
    """Whoever decides about results may read what decides about them."""
    reads = who.subject.roles & {Role.READER, Role.REVIEWER} and _sees_a_bench(session, who)
    if not reads and Role.ADMIN not in who.subject.roles:
        raise NotAllowed(Role.READER)


def _sees_a_bench(session: Session, who: Who) -> bool:
    found = select(Device.id).where(benches_visible_to(who.subject)).limit(1)
    return session.scalars(found).first() is not None


def _require_setter(session: Session, who: Who) -> None:
    if not may_set(session, who.subject):
        raise NotAllowed(Role.REVIEWER, Role.ADMIN)


def _record(
    session: Session, runtime: Runtime, who: Who, action: audit.Action, row: VerificationRules
) -> None:
    detail: dict[str, Any] = {"id": str(row.id), "version": row.version, "note": row.note}
    if row.dry_run is not None:
        names = ("results", "released", "stopped", "newly_released", "newly_stopped")
        detail |= {name: row.dry_run[name] for name in names}
    audit.record(session, action, actor=who.actor, now=runtime.now(), detail=detail)
    live.bump(session, "lab")
