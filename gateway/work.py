"""Rows that are due: later work is a row with a due time, written with the fact that caused it.

A sweep finds due rows and runs each: lease it (commit), do the work without a transaction, write the outcome
(commit). Leases expire, so a task may run twice and must bear it. No broker holds any truth.
"""

import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Index, UniqueConstraint, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists import bulk
from worklists.base import Base, new_id

LEASE = timedelta(minutes=2)
FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=30)
# Nothing is asked for later than this. What seems so was written by a clock that went ahead and was set back.
FURTHEST = timedelta(hours=1)


class Work(Base):
    """Something to do at `due_at`, once per task and subject."""

    __tablename__ = "work"
    __table_args__ = (
        UniqueConstraint("task", "subject"),
        Index("ix_work_due", "done_at", "due_at"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task: Mapped[str]
    subject: Mapped[str]
    arguments: Mapped[dict[str, Any]] = mapped_column(default=dict)
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    leased_until: Mapped[datetime | None]
    last_error: Mapped[str] = mapped_column(default="")
    done_at: Mapped[datetime | None]
    generation: Mapped[int] = mapped_column(default=0)

    def lease(self, now: datetime) -> datetime:
        """Take the row; answers until when."""
        self.leased_until, self.attempts = now + LEASE, self.attempts + 1
        return self.leased_until

    def succeed(self, now: datetime, *, generation: int) -> None:
        """Done, unless it was asked for again while it ran."""
        self.leased_until = None
        if self.generation == generation:
            self.done_at, self.last_error = now, ""

    def postpone(self, until: datetime, *, generation: int) -> None:
        """Not yet: look again then, unless another time was asked for while it ran. No failure."""
        self.leased_until, self.attempts = None, 0
        if self.generation == generation:
            self.due_at = until

    def fail(self, error: str, now: datetime, *, generation: int) -> None:
        """Try again later and later, unless another time was asked for while it ran."""
        self.leased_until, self.last_error = None, error
        if self.generation == generation:
            self.due_at = now + min(FIRST_RETRY * 2 ** min(self.attempts - 1, 16), LONGEST_RETRY)

    def retry(self, now: datetime) -> None:
        """A person asked for it: due at once."""
        self.due_at, self.done_at, self.attempts = now, None, 0


def schedule(
    session: Session,
    task: str,
    subject: object,
    *,
    due_at: datetime,
    arguments: Mapping[str, Any] | None = None,
) -> Work:
    """Ask for a task on a subject at a time; asking again moves the time and wakes what was done."""
    row = session.scalars(select(Work).where(Work.task == task, Work.subject == str(subject))).first()
    if row is None:
        row = Work(id=new_id(), task=task, subject=str(subject), attempts=0, generation=0, due_at=due_at)
        session.add(row)
    row.due_at, row.done_at, row.generation = due_at, None, row.generation + 1
    row.arguments = dict(arguments or {})
    return row


def schedule_all(
    session: Session,
    task: str,
    due_at: Mapping[str, datetime],
    *,
    arguments: Mapping[str, Any] | None = None,
) -> None:
    """The same for many subjects, with the same arguments."""
    rows = [
        {
            "id": new_id(),
            "task": task,
            "subject": subject,
            "arguments": dict(arguments or {}),
            "due_at": at,
            "attempts": 0,
            "last_error": "",
            "generation": 1,
        }
        for subject, at in sorted(due_at.items())  # in one order, so that no two wait for each other
    ]
    bulk.insert_rows(
        session,
        Work,
        rows,
        on_conflict="ON CONFLICT (task, subject) DO UPDATE SET due_at = excluded.due_at, done_at = NULL, "
        "arguments = excluded.arguments, generation = work.generation + 1",
    )


def due(
    session: Session, now: datetime, *, limit: int, only: str | None = None, but: Collection[str] = ()
) -> list[Work]:
    """Rows whose time has come and whom nobody is working on, the longest due first; of one task, or of all but these."""
    return list(
        session.scalars(
            select(Work)
            .where(Work.done_at.is_(None), or_(Work.due_at <= now, Work.due_at > now + FURTHEST))
            .where(
                or_(
                    Work.leased_until.is_(None),
                    Work.leased_until <= now,
                    Work.leased_until > now + LEASE + FURTHEST,
                )
            )
            .where(Work.task == only if only is not None else Work.task.not_in(but))
            .order_by(Work.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )
