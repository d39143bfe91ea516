"""Silence around a critical value: the next of the chain is called, up to the duty desk of the lead hospital.

`watch_critical` sets the clock of what has none and writes a due row for each; `escalate_critical` calls one at a time.
Both bear being run twice: a level of the chain is called once.
"""

import uuid
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live, work
from gateway.critical_book import CRITICAL, Timers
from gateway.critical_events import centre_of
from gateway.runtime import Runtime
from gateway.sweep import Leased, NotYet
from worklists import critical
from worklists.critical import CriticalEvent, CriticalState
from worklists.rule_books import live_content

WATCH, ESCALATE = "watch_critical", "escalate_critical"
WATCH_INTERVAL = timedelta(seconds=2)
_TIMED = (CriticalState.FOUND, CriticalState.NOTIFIED, CriticalState.RECEIVED)


def watch_critical(runtime: Runtime, _leased: Leased) -> None:
    """Set the clock of what has none yet, and see to it that a row is due for each."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        waiting = session.scalars(
            select(CriticalEvent)
            .where(CriticalEvent.state.in_(_TIMED), CriticalEvent.due_at.is_(None))
            .order_by(CriticalEvent.found_at.desc())  # those of which nobody is left must not hide new ones
            .limit(200)
        ).all()
        for event in waiting:
            if event.is_exhausted:
                continue
            event.due_at = _since(event) + _timers(session, event).of(event.state)
            work.schedule(session, ESCALATE, event.id, due_at=event.due_at)
    raise NotYet(now + WATCH_INTERVAL)


def escalate_critical(runtime: Runtime, leased: Leased) -> None:
    """Whoever was to act is silent: the next of the chain is called. Bears being run twice: a level is called once."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        event = session.get(CriticalEvent, uuid.UUID(leased.subject), with_for_update={"of": CriticalEvent})
        if event is None or event.state not in _TIMED or event.due_at is None:
            return
        if now < event.due_at:
            raise NotYet(event.due_at)
        contact = event.escalate(critical.chain_of(session, event.examination.institution), now)
        audit.record(
            session,
            "critical_escalated" if contact else "critical_exhausted",
            actor=audit.Actor(name="gateway"),
            now=now,
            examination_id=event.examination_id,
            detail={"event_id": str(event.id), "title": contact.title if contact else ""},
        )
        live.bump(session, "system")
        until = event.due_at
    if until is not None:
        raise NotYet(until)


def _since(event: CriticalEvent) -> datetime:
    """When the present state began."""
    began = [step.at for step in event.steps if step.action.value == event.state.value]
    return max(began, default=event.found_at)


def _timers(session: Session, event: CriticalEvent) -> Timers:
    centre_id = centre_of(session, event)
    content = live_content(session, CRITICAL, str(centre_id)) if centre_id is not None else None
    return Timers.read(content)
