"""People who sign in, from the command line: for the first administrator, and when nobody can sign in."""

from datetime import datetime

from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import accounts, audit
from gateway.runtime import open_runtime
from gateway.settings import Settings
from worklists.base import new_id
from worklists.directory import Centre, Institution, Person, PersonRole, Role

ACTOR = audit.Actor(name="command line")


def list_people(settings: Settings, console: Console) -> None:
    """Print everybody with institution and roles."""
    table = Table("username", "name", "institution", "roles", "enabled")
    with open_runtime(settings).reading() as session:
        for person in session.scalars(select(Person).order_by(Person.username)):
            roles = ", ".join(_role_text(role) for role in person.roles)
            enabled = "yes" if person.enabled else "no"
            table.add_row(person.username, person.name, person.institution.code, roles, enabled)
    console.print(table)


def add_person(
    settings: Settings, username: str, *, name: str, institution_code: str, roles: list[str], password: str
) -> None:
    """Add somebody. Ends the command with a sentence when something does not fit."""
    _check(password, username)
    runtime, hashed = open_runtime(settings), accounts.hash_password(password)
    with runtime.sessions.begin() as session:
        if session.scalars(select(Person).where(Person.username == username)).first() is not None:
            raise SystemExit(f"there is already a person {username}")
        institution = session.scalars(select(Institution).where(Institution.code == institution_code)).first()
        if institution is None:
            known = (
                ", ".join(session.scalars(select(Institution.code).order_by(Institution.code))) or "none yet"
            )
            raise SystemExit(f"no institution has the code {institution_code}; known: {known}")
        person = Person(id=new_id(), username=username, name=name, institution_id=institution.id)
        person.roles = [_read_role(session, institution, text) for text in roles]
        session.add(person)
        session.flush()
        accounts.set_password(session, person.id, hashed, now=runtime.now())
        _audit(session, "person_added", username, runtime.now())


def set_person_password(settings: Settings, username: str, *, password: str) -> None:
    """Give somebody another password; whoever is signed in as them is signed out."""
    _check(password, username)
    runtime, hashed = open_runtime(settings), accounts.hash_password(password)
    with runtime.sessions.begin() as session:
        accounts.set_password(session, _get(session, username).id, hashed, now=runtime.now())
        _audit(session, "password_set", username, runtime.now())


def disable_person(settings: Settings, username: str) -> None:
    """Let somebody sign in no more."""
    runtime = open_runtime(settings)
    with runtime.sessions.begin() as session:
        _get(session, username).enabled = False
        _audit(session, "person_disabled", username, runtime.now())


def _get(session: Session, username: str) -> Person:
    person = session.scalars(select(Person).where(Person.username == username)).first()
    if person is None:
        raise SystemExit(f"there is no person {username}")
    return person


def _read_role(session: Session, institution: Institution, text: str) -> PersonRole:
    name, _, centre_name = text.partition(":")
    if name not in set(Role):
        raise SystemExit(f"{name} is no role; roles: {', '.join(Role)}")
    role = Role(name)
    if role not in {Role.READER, Role.REVIEWER}:
        return PersonRole(id=new_id(), role=role)
    centres = session.scalars(select(Centre).where(Centre.institution_id == institution.id)).all()
    centre = next((centre for centre in centres if centre.name == centre_name), None)
    if centre is None:
        known = ", ".join(centre.name for centre in centres) or "none"
        raise SystemExit(f"a {name} belongs to a centre ({name}:CENTRE-NAME); of {institution.code}: {known}")
    return PersonRole(id=new_id(), role=role, centre_id=centre.id)


def _role_text(role: PersonRole) -> str:
    return f"{role.role}:{role.centre.name}" if role.centre else role.role.value


def _check(password: str, username: str) -> None:
    try:
        accounts.check_password(password, username=username)
    except accounts.PasswordTooWeak as error:
        shortest = accounts.SHORTEST_PASSWORD
        raise SystemExit(
            f"the password needs at least {shortest} characters and not the user name"
        ) from error


def _audit(session: Session, action: audit.Action, username: str, now: datetime) -> None:
    audit.record(session, action, actor=ACTOR, now=now, detail={"username": username})
