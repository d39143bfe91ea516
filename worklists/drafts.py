"""What will become a report: the words that grow on a task, and who wrote them."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from worklists.base import Base
from worklists.directory import Person
from worklists.errors import Conflict

if TYPE_CHECKING:
    from worklists.reading import ReadingTask


class DraftState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"


class DraftChanged(Conflict):
    """The draft was saved elsewhere since it was read; carries the newer one."""

    def __init__(self, current: "Draft | None"):
        super().__init__("draft")
        self.current = current


class Draft(Base):
    """What will become a report. Each save raises its revision; an older one is told so and loses nothing."""

    __tablename__ = "draft"

    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"), primary_key=True)
    findings: Mapped[str] = mapped_column(default="")
    impression: Mapped[str] = mapped_column(default="")
    critical: Mapped[bool] = mapped_column(default=False)
    preliminary: Mapped[bool] = mapped_column(default=False)
    positive: Mapped[bool | None]  # not said: the words decide at the signature
    content: Mapped[dict[str, Any] | None]  # of an ECG measurements and statements, else templates and scores
    state: Mapped[DraftState] = mapped_column(default=DraftState.DRAFT)
    writer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    written_by: Mapped[list[Any]] = mapped_column(default=list)  # ids of everybody who wrote on it
    saved_at: Mapped[datetime]
    saved_by_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("person.id")
    )  # a reviewer; else its writer
    rejection_reason: Mapped[str] = mapped_column(default="")
    rejected_by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))
    rejected_at: Mapped[datetime | None]
    revision: Mapped[int] = mapped_column()

    task: Mapped["ReadingTask"] = relationship(back_populates="draft")
    writer: Mapped[Person] = relationship(foreign_keys=[writer_id], lazy="joined")
    rejected_by: Mapped[Person | None] = relationship(foreign_keys=[rejected_by_id])
    corrected_by: Mapped[Person | None] = relationship(foreign_keys=[saved_by_id])

    @property
    def saved_by(self) -> Person:
        """Whose words the newest are."""
        return self.corrected_by or self.writer

    def note_writer(self, person: Person) -> None:
        """Somebody wrote on it, or handed it on as their own: none of them can review it."""
        self.writer, self.writer_id = person, person.id
        if not self.was_written_by(person):
            self.written_by = [*(self.written_by or []), str(person.id)]

    def was_written_by(self, person: Person) -> bool:
        return str(person.id) in (self.written_by or [])

    __mapper_args__ = {"version_id_col": revision}  # noqa: RUF012 (SQLAlchemy reads it from the class)
