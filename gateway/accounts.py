"""Accounts: passwords, sign-in with a lock-out that grows, sessions, and tokens for machines.

A session has one secret: the browser keeps it as a cookie and proves its requests with the CSRF token, anybody
else sends it as a bearer token. Only hashes of secrets are stored. Argon2 runs outside of every transaction.
"""

import hashlib
import secrets
import threading
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NewType

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import ForeignKey, bindparam, delete, select, update
from sqlalchemy.orm import Mapped, Session, joinedload, mapped_column, relationship

from gateway import audit
from gateway.runtime import Runtime
from worklists.access import Wire
from worklists.base import Base, new_id
from worklists.directory import Device, Institution, Person, PersonRole

IDLE_AFTER = timedelta(hours=8)
ENDS_AFTER = timedelta(hours=24)
TOUCH_EVERY = timedelta(minutes=1)  # a read need not write each time

ACCOUNT_TRIES, ADDRESS_TRIES = 5, 30  # many people sit behind one hospital's address
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=30), timedelta(minutes=15)
FAILURES_FORGOTTEN_AFTER = timedelta(hours=24)

SESSION_PREFIX, MACHINE_PREFIX = "gws_", "gwm_"
SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 256

HashedPassword = NewType("HashedPassword", str)

_HASHER = PasswordHash((Argon2Hasher(),))
# An unknown name costs as much as a wrong password; nobody learns from the clock who exists.
_nobody = cache(lambda: _HASHER.hash(secrets.token_urlsafe(32)))
# Argon2 takes 64 MiB each; this also bounds how many guesses run between a check and its count.
ARGON2_TICKETS = 2
ARGON2_AT_ONCE = threading.BoundedSemaphore(ARGON2_TICKETS)


class NotSignedIn(Exception):
    """Nobody is known from what the request carries."""


class WrongCredentials(Exception):
    """The name or the password is not right; never says which."""


class LockedOut(Exception):
    """Too many failures from this account or address; carries until when."""

    def __init__(self, until: datetime, now: datetime):
        super().__init__(until)
        self.retry_after_s = max(1, int((until - now).total_seconds() + 0.999))


class PasswordTooWeak(Exception):
    """The new password cannot be used."""


class Credential(Base):
    """A person's password, hashed."""

    __tablename__ = "credential"

    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), primary_key=True)
    password_hash: Mapped[str]
    changed_at: Mapped[datetime]


class SignInFailures(Base):
    """How often signing in failed for an account (also one that does not exist) or from an address."""

    __tablename__ = "sign_in_failures"

    subject: Mapped[str] = mapped_column(primary_key=True)
    failed: Mapped[int] = mapped_column(default=0)
    failed_at: Mapped[datetime] = mapped_column(index=True)
    locked_until: Mapped[datetime | None]

    def note(self, now: datetime, *, tries: int) -> None:
        self.failed, self.failed_at = self.failed + 1, now
        if self.failed >= tries:
            self.locked_until = now + min(FIRST_DELAY * 2 ** min(self.failed - tries, 16), LONGEST_DELAY)


class LoginSession(Base):
    """Somebody is signed in, until they leave, for as long as they do something, at most a day."""

    __tablename__ = "login_session"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"), index=True)
    csrf_token: Mapped[str]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(default="")

    person: Mapped[Person] = relationship(lazy="joined")

    def is_valid(self, now: datetime) -> bool:
        return now < self.expires_at and now < self.last_used_at + IDLE_AFTER and self.person.enabled


_HASHED = "hashed"
# Every request asks this: in one statement, put together once, without what nobody asks of it.
_SIGNED_IN = (
    select(LoginSession)
    .where(LoginSession.token_hash == bindparam(_HASHED))
    .options(joinedload(LoginSession.person).joinedload(Person.roles).raiseload(PersonRole.centre))
)


class MachineToken(Base):
    """A machine of an institution may use some wires. What it sends is of its device, when it has one."""

    __tablename__ = "machine_token"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    institution_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("institution.id"))
    device_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("device.id"))
    wires: Mapped[list[Any]]
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    enabled: Mapped[bool] = mapped_column(default=True)

    institution: Mapped[Institution] = relationship(lazy="joined")
    device: Mapped[Device | None] = relationship(lazy="joined")

    def is_valid(self, now: datetime) -> bool:
        """Also: its device is in use, and still where the token is good for."""
        unexpired = self.expires_at is None or now < self.expires_at
        device = self.device
        fits = device is None or (device.enabled and device.institution_id == self.institution_id)
        return self.enabled and unexpired and self.institution.enabled and fits


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A new session and its secret, which is shown this once."""

    token: str
    session: LoginSession


def sign_in(runtime: Runtime, username: str, password: str, *, address: str) -> SignedIn:
    """A new session. Raises LockedOut before it looks at the password, WrongCredentials after."""
    subjects = {f"account:{username.casefold()[:200]}": ACCOUNT_TRIES, f"address:{address}": ADDRESS_TRIES}
    with ARGON2_AT_ONCE:
        person, password_hash = _find_credential(runtime, username, subjects)
        right = _verify(password, password_hash or _nobody())
        if person is None or not right or not person.enabled:
            _note_failure(runtime, person, username, subjects, address)
            raise WrongCredentials
    now = runtime.now()
    with runtime.sessions.begin() as session:
        session.execute(delete(SignInFailures).where(SignInFailures.subject == next(iter(subjects))))
        session.execute(delete(LoginSession).where(LoginSession.expires_at < now))
        token, row = _begin_session(session, person.id, address, now)
        audit.record(session, "signed_in", actor=_actor(person, address), now=now)
        session.flush()
        session.refresh(row)
    return SignedIn(token=token, session=row)


def sign_out(runtime: Runtime, token: str, *, address: str) -> None:
    """End the session; its cookie and bearer form are worth nothing from now on."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        row = session.get(LoginSession, hash_token(token))
        if row is not None:
            audit.record(session, "signed_out", actor=_actor(row.person, address), now=now)
            session.delete(row)


def find_session(runtime: Runtime, token: str) -> LoginSession | None:
    """The valid session that a secret belongs to; this counts as using it."""
    now = runtime.now()
    with runtime.reading() as session:
        row = session.scalars(_SIGNED_IN, {_HASHED: hash_token(token)}).unique().one_or_none()
        if row is None or not row.is_valid(now):
            return None
    if now - row.last_used_at >= TOUCH_EVERY:
        with runtime.sessions.begin() as session:
            touched = session.get(LoginSession, row.token_hash)
            if touched is not None:
                touched.last_used_at = now
    return row


def find_valid(session: Session, token_hashes: Collection[str], now: datetime) -> frozenset[str]:
    """Which of these sessions are valid, by the hashes of their tokens; that counts as no use of them."""
    rows = session.scalars(
        select(LoginSession)
        .where(LoginSession.token_hash.in_(token_hashes))
        .options(joinedload(LoginSession.person).lazyload(Person.roles))  # nobody asks what they may do
    )
    return frozenset(row.token_hash for row in rows if row.is_valid(now))


def find_machine(runtime: Runtime, token: str) -> MachineToken | None:
    """The valid machine token that a secret belongs to; this counts as using it."""
    now = runtime.now()
    with runtime.reading() as session:
        row = session.scalars(
            select(MachineToken).where(MachineToken.token_hash == hash_token(token))
        ).one_or_none()
        if row is None or not row.is_valid(now):
            return None
    if row.last_used_at is None or now - row.last_used_at >= TOUCH_EVERY:
        with runtime.sessions.begin() as session:
            session.execute(update(MachineToken).where(MachineToken.id == row.id).values(last_used_at=now))
    return row


def hash_password(password: str) -> HashedPassword:
    """What is stored of a password. Takes its time: do it before the transaction."""
    with ARGON2_AT_ONCE:
        return HashedPassword(_HASHER.hash(password))


def set_password(session: Session, person_id: uuid.UUID, hashed: HashedPassword, *, now: datetime) -> None:
    """Give a person this password and end every session that they have."""
    credential = session.get(Credential, person_id)
    if credential is None:
        credential = Credential(person_id=person_id)
        session.add(credential)
    credential.password_hash, credential.changed_at = hashed, now
    session.execute(delete(LoginSession).where(LoginSession.person_id == person_id))


def change_own_password(
    runtime: Runtime, person_id: uuid.UUID, current: str, new: str, *, address: str
) -> None:
    """Change one's own password, proving the present one. A wrong one counts like a failed sign-in."""
    with runtime.reading() as session:
        person = session.get_one(Person, person_id)
    subjects = {
        f"account:{person.username.casefold()[:200]}": ACCOUNT_TRIES,
        f"address:{address}": ADDRESS_TRIES,
    }
    with ARGON2_AT_ONCE:
        _, password_hash = _find_credential(runtime, person.username, subjects)
        if not _verify(current, password_hash or _nobody()):
            _note_failure(runtime, person, person.username, subjects, address)
            raise WrongCredentials
    check_password(new, username=person.username)
    hashed, now = hash_password(new), runtime.now()
    with runtime.sessions.begin() as session:
        set_password(session, person_id, hashed, now=now)
        audit.record(session, "password_changed", actor=_actor(person, address), now=now)


def check_password(password: str, *, username: str) -> None:
    """Raises PasswordTooWeak."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordTooWeak
    if username and username.casefold() in password.casefold() and len(password) < 2 * SHORTEST_PASSWORD:
        raise PasswordTooWeak


def issue_machine_token(
    session: Session,
    *,
    name: str,
    institution_id: uuid.UUID,
    wires: Iterable[Wire],
    now: datetime,
    expires_at: datetime | None = None,
    device_id: uuid.UUID | None = None,
) -> str:
    """A token for a machine of an institution; it is shown this once."""
    token = MACHINE_PREFIX + secrets.token_urlsafe(32)
    session.add(
        MachineToken(
            id=new_id(),
            token_hash=hash_token(token),
            name=name,
            institution_id=institution_id,
            device_id=device_id,
            wires=sorted(wire.value for wire in wires),
            created_at=now,
            expires_at=expires_at,
            enabled=True,
        )
    )
    return token


def hash_token(token: str) -> str:
    """Tokens are random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def _find_credential(
    runtime: Runtime, username: str, subjects: Iterable[str]
) -> tuple[Person | None, str | None]:
    now = runtime.now()
    with runtime.reading() as session:
        rows = session.scalars(select(SignInFailures).where(SignInFailures.subject.in_(list(subjects))))
        until = max((row.locked_until for row in rows if row.locked_until), default=now)
        person = session.scalars(select(Person).where(Person.username == username)).one_or_none()
        credential = session.get(Credential, person.id) if person else None
    if until > now:  # not audited each time: whoever hammers must not fill the audit
        raise LockedOut(until, now)
    return person, credential.password_hash if credential else None


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether it is the one that was hashed; None, for somebody who is not there, costs as much."""
    with ARGON2_AT_ONCE:
        return _verify(password, password_hash or _nobody()) and password_hash is not None


def _verify(password: str, password_hash: str) -> bool:
    try:
        return _HASHER.verify(password[: LONGEST_PASSWORD + 1], password_hash)
    except UnknownHashError:
        return False


def _note_failure(
    runtime: Runtime, person: Person | None, username: str, subjects: dict[str, int], address: str
) -> None:
    now = runtime.now()
    with runtime.sessions.begin() as session:
        session.execute(
            delete(SignInFailures).where(SignInFailures.failed_at < now - FAILURES_FORGOTTEN_AFTER)
        )
        locked = False
        for subject, tries in sorted(subjects.items()):
            row = session.get(SignInFailures, subject, with_for_update=True)
            if row is None:
                row = SignInFailures(subject=subject, failed=0, failed_at=now)
                session.add(row)
            row.note(now, tries=tries)
            locked = locked or row.locked_until is not None
        action: audit.Action = "sign_in_locked_out" if locked else "sign_in_failed"
        actor = _actor(person, address, username)
        audit.record(session, action, actor=actor, now=now, outcome="failure")


def _begin_session(
    session: Session, person_id: uuid.UUID, address: str, now: datetime
) -> tuple[str, LoginSession]:
    token = SESSION_PREFIX + secrets.token_urlsafe(32)
    row = LoginSession(
        token_hash=hash_token(token),
        person_id=person_id,
        csrf_token=secrets.token_urlsafe(24),
        created_at=now,
        last_used_at=now,
        expires_at=now + ENDS_AFTER,
        address=address,
    )
    session.add(row)
    return token, row


def _actor(person: Person | None, address: str, username: str = "") -> audit.Actor:
    if person is None:
        return audit.Actor(name=username[:100], address=address)
    return audit.Actor(
        name=person.username, person_id=person.id, institution_id=person.institution_id, address=address
    )
