"""Whose figures somebody sees: reviewers those of their centres, a township its own, an administrator all without patients.

Names of readers are for the reviewers of their centre; a patient behind a figure for who may open examinations.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.directory import Centre, Person, Role
from worklists.errors import NotAllowed
from worklists.figures.asking import Measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlook:
    """`centre_ids` None: of every centre, as far as it is of this institution."""

    centre_ids: frozenset[uuid.UUID] | None
    institution_id: uuid.UUID | None = None
    names: bool = False
    patients: bool = False

    def shows(self, which: Measure) -> bool:
        """What a reviewer made of a colleague's words stays with the centres: it is no matter of a township."""
        return which is not Measure.DISCREPANCY or self.institution_id is None


def overlook_of(session: Session, person: Person) -> Overlook:
    """Raises NotAllowed."""
    reviewed = person.centre_ids((Role.REVIEWER,))
    if reviewed:
        return Overlook(centre_ids=reviewed, names=True, patients=True)
    if person.has_role(Role.ADMIN):
        return Overlook(centre_ids=frozenset(session.scalars(select(Centre.id))))
    if person.has_role(Role.RADIOGRAPHER):
        return Overlook(centre_ids=None, institution_id=person.institution_id, patients=True)
    raise NotAllowed(Role.REVIEWER, Role.ADMIN, Role.RADIOGRAPHER)
