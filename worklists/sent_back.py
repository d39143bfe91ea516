"""Examinations that went back to their township: each time is a row, when, by whom, why, and since when there is another."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from worklists.base import Base, new_id


class SentBack(Base):
    """It was to be made again. Where it was made, who would have read it and of what kind it was, as of that moment."""

    __tablename__ = "sent_back"
    __table_args__ = (Index("ix_sent_back_centre", "centre_id", "at"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"), index=True)
    examination_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("examination.id"), index=True)
    centre_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("centre.id"))
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    modality: Mapped[str]
    at: Mapped[datetime]
    by_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("person.id"))  # None: before it was kept
    reason: Mapped[str]
    remade_at: Mapped[datetime | None]  # when objects of another attempt came
