"""Autoverification: rules, as data, that release what they may; all else waits for a person with the rule named.

One set is live at a time. A draft is tried on the last results before it goes live, and what it would have done
stands with it.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base, new_id, only_where


class RuleSetState(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    RETIRED = "retired"


class VerificationRules(Base):
    """One version of the rules."""

    __tablename__ = "lab_verification_rules"
    __table_args__ = (
        Index("ix_lab_verification_rules_live", "state", unique=True, **only_where("state = 'live'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    version: Mapped[int] = mapped_column(unique=True)
    state: Mapped[RuleSetState] = mapped_column(default=RuleSetState.DRAFT)
    content: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(default="")
    made_at: Mapped[datetime]
    made_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    live_at: Mapped[datetime | None]
    live_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    dry_run: Mapped[dict[str, Any] | None]
