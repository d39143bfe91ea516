"""Rule books: rules that people edit as data.

A book has a scope: a centre's id, or nothing for the whole county. Every version of it stays; one of each book and
scope is live. What a content means is the book's own business.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.base import Base, new_id, only_where
from worklists.directory import Person
from worklists.errors import Conflict
from worklists.revision import ChangedSince, clock_text, revision_of

COUNTY = ""  # the scope of a book that counts everywhere


class VersionState(StrEnum):
    DRAFT = "draft"
    LIVE = "live"
    RETIRED = "retired"


class NotADraft(Conflict):
    """What is or was live is history, and history stays."""


class NotTried(Conflict):
    """A draft goes live after a dry run of exactly its content."""


class LiveMovedOn(Conflict):
    """Another version is live than the one that the draft was begun from: that one would be undone unseen."""

    def __init__(self, live: "RuleVersion"):
        super().__init__("live")
        self.live_id, self.version = live.id, live.version
        self.by, self.at = live.live_by.name if live.live_by else "—", clock_text(live.live_at)


class RuleVersion(Base):
    """One version of a book. `begun_from`: the number of the version that was live when it was begun; 0: none was.

    `changed_at` and `changed_by` are of the words of a draft; None: they are as they were made.
    """

    __tablename__ = "rule_version"
    __table_args__ = (
        UniqueConstraint("book", "scope", "version"),
        Index("ix_rule_version_live", "book", "scope", unique=True, **only_where("state = 'live'")),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    book: Mapped[str]
    scope: Mapped[str] = mapped_column(default=COUNTY)
    version: Mapped[int]
    state: Mapped[VersionState] = mapped_column(default=VersionState.DRAFT)
    content: Mapped[dict[str, Any]]
    note: Mapped[str] = mapped_column(default="")
    made_at: Mapped[datetime]
    made_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    live_at: Mapped[datetime | None]
    live_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    dry_run: Mapped[dict[str, Any] | None]
    begun_from: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime | None]
    changed_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))

    made_by: Mapped[Person | None] = relationship(foreign_keys=[made_by_id])
    changed_by: Mapped[Person | None] = relationship(foreign_keys=[changed_by_id])
    live_by: Mapped[Person | None] = relationship(foreign_keys=[live_by_id])

    @property
    def revision(self) -> str:
        """Of what people write in it; a dry run leaves it as it is."""
        return revision_of([self.content, self.note])

    def require_seen(self, revision: str) -> None:
        """Raises ChangedSince."""
        if self.revision != revision:
            last = self.changed_by or self.made_by
            raise ChangedSince(last.name if last else None, self.changed_at or self.made_at)

    def rewrite(
        self, content: Mapping[str, Any], note: str, *, revision: str, person: Person | None, now: datetime
    ) -> None:
        """Of a draft alone, by somebody who has read it at `revision`. A dry run of what it was before is forgotten.

        What it says already may be said again: the answer to the first time was lost on its way (RFC 9110 §13.1.1).
        """
        self.require_draft()
        if (dict(content), note) == (self.content, self.note):
            return
        self.require_seen(revision)
        if dict(content) != self.content:
            self.content, self.dry_run = dict(content), None
        self.note, self.changed_at, self.changed_by = note, now, person

    def keep_dry_run(self, of: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """What came out of trying the content `of`. Raises Conflict when it was rewritten meanwhile."""
        self.require_draft()
        if self.content != of:
            raise Conflict("rules")
        self.dry_run = dict(outcome)

    def require_draft(self) -> None:
        if self.state is not VersionState.DRAFT:
            raise NotADraft


def live_version(session: Session, book: str, scope: str = COUNTY) -> RuleVersion | None:
    return session.scalars(
        select(RuleVersion).where(
            RuleVersion.book == book, RuleVersion.scope == scope, RuleVersion.state == VersionState.LIVE
        )
    ).one_or_none()


def live_content(session: Session, book: str, scope: str = COUNTY) -> dict[str, Any] | None:
    row = live_version(session, book, scope)
    return row.content if row is not None else None


def live_contents(session: Session, *books: str) -> dict[tuple[str, str], dict[str, Any]]:
    """(book, scope) → what is live of it."""
    rows = session.execute(
        select(RuleVersion.book, RuleVersion.scope, RuleVersion.content).where(
            RuleVersion.book.in_(books), RuleVersion.state == VersionState.LIVE
        )
    )
    return {(row.book, row.scope): row.content for row in rows}


def make_version(
    session: Session,
    book: str,
    scope: str,
    *,
    content: Mapping[str, Any],
    note: str,
    person: Person | None,
    now: datetime,
    begun_from: int = 0,
) -> RuleVersion:
    """Another draft, numbered behind the last. `begun_from`: what was live where its content was taken from."""
    last = session.scalar(
        select(func.max(RuleVersion.version)).where(RuleVersion.book == book, RuleVersion.scope == scope)
    )
    row = RuleVersion(
        id=new_id(),
        book=book,
        scope=scope,
        version=(last or 0) + 1,
        state=VersionState.DRAFT,
        content=dict(content),
        note=note,
        made_at=now,
        made_by_id=person.id if person else None,
        begun_from=begun_from,
    )
    session.add(row)
    session.flush()
    return row


def hold_book(session: Session, book: str, scope: str) -> None:
    """One at a time lets a version of it live."""
    rows = select(RuleVersion.id).where(RuleVersion.book == book, RuleVersion.scope == scope)
    session.execute(rows.order_by(RuleVersion.version).with_for_update())


def require_replaces(session: Session, row: RuleVersion, replaces: int) -> None:
    """What is live now is the version of which the caller knows. Raises LiveMovedOn."""
    live = live_version(session, row.book, row.scope)
    if live is not None and live.version != replaces:
        raise LiveMovedOn(live)


def go_live(session: Session, row: RuleVersion, *, person: Person | None, now: datetime) -> None:
    """From now on this version counts, and the one before is history. Raises NotADraft, NotTried."""
    row.require_draft()
    if row.dry_run is None:
        raise NotTried
    live = select(RuleVersion).where(
        RuleVersion.book == row.book, RuleVersion.scope == row.scope, RuleVersion.state == VersionState.LIVE
    )
    for before in session.scalars(live.with_for_update()):
        before.state = VersionState.RETIRED
    session.flush()  # one is live at a time, also for the index
    row.state, row.live_at, row.live_by_id = VersionState.LIVE, now, person.id if person else None
