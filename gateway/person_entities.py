"""People and their roles as an administrator enters them."""

import re
import uuid
from typing import Any

from pydantic import Field
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.entity import Fields, Name, Reasons, check_exists, is_taken
from worklists.directory import Centre, Institution, Person, PersonRole, Role

_USERNAME = re.compile(r"[^\s/\\\x00-\x1f]{1,64}")


class RoleFields(Fields):
    role: Role
    centre_id: uuid.UUID | None = None


class PersonFields(Fields):
    username: Name
    name: Name
    institution_id: uuid.UUID
    enabled: bool = True
    roles: list[RoleFields] = Field(default_factory=list)


def check_person(session: Session, row: Person) -> Reasons:
    reasons = check_exists(session, Institution, row.institution_id, "institution_id")
    if not _USERNAME.fullmatch(row.username):
        reasons["username"] = "username"
    elif is_taken(session, row, func.lower(Person.username) == row.username.lower()):
        reasons["username"] = "taken"
    for role in row.roles:
        reads = role.role in {Role.READER, Role.REVIEWER}
        if reads and role.centre_id is None:
            reasons["roles"] = "centre_needed"
        elif not reads and role.centre_id is not None:
            reasons["roles"] = "centre_not_wanted"
        elif role.centre_id is not None and session.get(Centre, role.centre_id) is None:
            reasons["roles"] = "unknown"
    if _was_admin(session, row) and not _is_admin(row) and not _other_admins(session, row):
        reasons["roles" if row.enabled else "enabled"] = "last_admin"
    return reasons


def roles_of(wanted: list[dict[str, Any]]) -> list[PersonRole]:
    """Role rows for what was asked, each once."""
    pairs = dict.fromkeys((Role(item["role"]), item["centre_id"]) for item in wanted)
    return [
        PersonRole(role=role, centre_id=uuid.UUID(str(centre_id)) if centre_id else None)
        for role, centre_id in pairs
    ]


def _is_admin(person: Person) -> bool:
    return person.enabled and person.has_role(Role.ADMIN)


def _was_admin(session: Session, person: Person) -> bool:
    """As the database has it, before the change."""
    role = (
        select(PersonRole.id)
        .join(Person, Person.id == PersonRole.person_id)
        .where(Person.id == person.id, Person.enabled, PersonRole.role == Role.ADMIN)
    )
    return session.scalars(role).first() is not None


def _other_admins(session: Session, person: Person) -> bool:
    """Locks them, so that two administrators cannot take the role from each other at once."""
    others = session.scalars(
        select(Person)
        .join(PersonRole, PersonRole.person_id == Person.id)
        .where(Person.enabled, PersonRole.role == Role.ADMIN, Person.id != person.id)
        .order_by(Person.id)
        .with_for_update(of=Person)
    )
    return others.first() is not None
