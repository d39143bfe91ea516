"""What somebody is qualified to read at a centre."""

import uuid
from datetime import date
from typing import Any

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from worklists.assignment.books import modalities_of
from worklists.base import Base, new_id
from worklists.directory import Person
from worklists.examinations import Examination


class ReaderQualification(Base):
    """What somebody is qualified to read at a centre; without a line they read all of it. Empty lists: anything."""

    __tablename__ = "reader_qualification"
    __table_args__ = (UniqueConstraint("centre_id", "person_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("centre.id"))
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))
    modalities: Mapped[list[Any]] = mapped_column(default=list)
    subspecialties: Mapped[list[Any]] = mapped_column(default=list)
    valid_from: Mapped[date | None]
    valid_to: Mapped[date | None]

    person: Mapped[Person] = relationship()

    def covers(self, examination: Examination, subspecialty: str, on: date) -> bool:
        in_force = (self.valid_from is None or self.valid_from <= on) and (
            self.valid_to is None or on <= self.valid_to
        )
        reads = not self.modalities or bool(set(self.modalities) & modalities_of(examination))
        knows = not subspecialty or not self.subspecialties or subspecialty in self.subspecialties
        return in_force and reads and knows


def qualifications_of(session: Session, centre_id: uuid.UUID) -> dict[uuid.UUID, ReaderQualification]:
    rows = session.scalars(select(ReaderQualification).where(ReaderQualification.centre_id == centre_id))
    return {row.person_id: row for row in rows}
