"""The rule book of critical values: how long each step may take at a centre, in minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.critical import CriticalEvent, CriticalState

CRITICAL = "critical"
LOOKED_BACK = timedelta(days=90)
Minutes = Annotated[int, Field(ge=1, le=24 * 60)]


class CriticalBook(BaseModel):
    model_config = ConfigDict(extra="forbid")

    review_minutes: Minutes
    receive_minutes: Minutes
    handle_minutes: Minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """How long each state may last before somebody else is called."""

    review: timedelta
    receive: timedelta
    handle: timedelta

    @classmethod
    def read(cls, content: Mapping[str, Any] | None) -> "Timers":
        stated = content or default_critical()
        return cls(
            **{name: timedelta(minutes=stated[f"{name}_minutes"]) for name in ("review", "receive", "handle")}
        )

    def of(self, state: CriticalState) -> timedelta:
        return {
            CriticalState.FOUND: self.review,
            CriticalState.NOTIFIED: self.receive,
            CriticalState.RECEIVED: self.handle,
        }[state]


def default_critical() -> dict[str, Any]:
    """Custom of hospitals, unconfirmed: ten minutes to look and to answer, half an hour to act."""
    return {"review_minutes": 10, "receive_minutes": 10, "handle_minutes": 30}


def begin_critical(_session: Session, _scope: str) -> dict[str, Any]:
    return default_critical()


def check_critical(_session: Session, _scope: str, _content: dict[str, Any]) -> dict[str, str]:
    """Any times within a day can be used."""
    return {}


def try_critical(session: Session, _scope: str, content: dict[str, Any], now: datetime) -> dict[str, Any]:
    """How many of the last events would have been passed on, and in which state."""
    timers = Timers.read(content)
    late = dict.fromkeys(("review", "receive", "handle"), 0)
    events = session.scalars(select(CriticalEvent).where(CriticalEvent.found_at > now - LOOKED_BACK)).all()
    for event in events:
        at = {step.action.value: step.at for step in event.steps}
        for name, begun, ended, allowed in (
            ("review", "found", "reviewed", timers.review),
            ("receive", "notified", "received", timers.receive),
            ("handle", "received", "handled", timers.handle),
        ):
            late[name] += begun in at and at.get(ended, now) - at[begun] > allowed
    return {"events": len(events), **{f"late_{name}": count for name, count in late.items()}}
