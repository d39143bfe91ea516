"""What routes ask for: the runtime, the caller, the caller with a role. Routes open no transaction themselves."""

import hmac
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from gateway import accounts, audit
from gateway.accounts import LoginSession, MachineToken, NotSignedIn
from gateway.momentary import Momentary
from gateway.reading import Sender
from gateway.runtime import Runtime
from gateway.web.errors import CsrfFailed
from gateway.web.messages import choose_language
from worklists.access import Subject, Wire
from worklists.directory import Device, Person, Role
from worklists.errors import NotAllowed

COOKIE = "gateway_session"
_SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, in which language, from where: a person, or a machine with a token (then no `person_id`)."""

    subject: Subject
    person_id: uuid.UUID | None
    username: str
    name: str
    language: str
    address: str
    token_hash: str
    sender: Sender | None = None

    def actor(self) -> audit.Actor:
        return audit.Actor(
            name=self.username,
            person_id=self.person_id,
            institution_id=self.subject.institution_id,
            address=self.address,
        )


async def get_runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


RuntimeDep = Annotated[Runtime, Depends(get_runtime)]


async def get_language(request: Request) -> str:
    return language_of(request)


LanguageDep = Annotated[str, Depends(get_language)]


def find_secret(request: Request) -> tuple[str | None, bool]:
    """The secret a request carries, and whether it came as a bearer token. A bearer token leaves the cookie aside."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None, True
    return request.cookies.get(COOKIE), False


def language_of(request: Request) -> str:
    return choose_language(request.headers.get("accept-language"))


def peer_address(request: Request) -> str:
    return request.client.host if request.client else ""


def get_caller(request: Request, runtime: RuntimeDep) -> Caller:
    """Who asks. Raises NotSignedIn; CsrfFailed for a cookie without its proof."""
    secret, bearer = find_secret(request)
    if secret is None:
        raise NotSignedIn
    if bearer and secret.startswith(accounts.MACHINE_PREFIX):
        machine = accounts.find_machine(runtime, secret)
        if machine is None:
            raise NotSignedIn
        return _machine_caller(request, machine)
    login = accounts.find_session(runtime, secret)
    if login is None:
        raise NotSignedIn
    if not bearer:
        _check_csrf(request, login)
    return _person_caller(request, login)


CallerDep = Annotated[Caller, Depends(get_caller)]

RECOGNISED_FOR_S = 1.0  # so long a signed-out session may still look on in a process that knew it
Callers = Momentary[str, Caller]


def remember_callers() -> Callers:
    return Momentary(for_s=RECOGNISED_FOR_S, limit=10_000)


def get_onlooking_caller(request: Request, runtime: RuntimeDep) -> Caller:
    """Who asks, as of a moment ago: for reading alone, where a viewer sends hundreds of requests a second."""
    secret, _ = find_secret(request)
    if secret is None or request.method not in _SAFE_METHODS:
        return get_caller(request, runtime)
    callers: Callers = request.app.state.callers
    caller = callers.get(accounts.hash_token(secret), lambda: get_caller(request, runtime))
    return replace(caller, language=language_of(request), address=peer_address(request))


OnlookingCallerDep = Annotated[Caller, Depends(get_onlooking_caller)]


def require(*roles: Role) -> Callable[[Caller], Caller]:
    """A dependency: the caller, who has one of these roles. `Annotated[Caller, Depends(require(Role.IT))]`."""

    def caller_with_role(caller: CallerDep) -> Caller:
        if not caller.subject.roles & set(roles):
            raise NotAllowed(*roles)
        return caller

    return caller_with_role


ItDep = Annotated[Caller, Depends(require(Role.IT))]
AdminDep = Annotated[Caller, Depends(require(Role.ADMIN))]
AuditorDep = Annotated[Caller, Depends(require(Role.AUDITOR))]


def get_uploader(caller: CallerDep) -> Caller:
    """Whoever may send files: a radiographer, or a machine that was given this wire."""
    wires = caller.subject.wires
    if (Wire.UPLOAD not in wires) if wires is not None else Role.RADIOGRAPHER not in caller.subject.roles:
        raise NotAllowed("upload")
    return caller


UploaderDep = Annotated[Caller, Depends(get_uploader)]


def get_person(session: Session, caller: Caller) -> Person:
    """The caller's own row in this transaction. Raises NotAllowed for a machine."""
    person = session.get(Person, caller.person_id) if caller.person_id else None
    if person is None:
        raise NotAllowed("person")
    return person


def _check_csrf(request: Request, login: LoginSession) -> None:
    sent = request.headers.get("x-csrf-token", "")
    if request.method not in _SAFE_METHODS and not hmac.compare_digest(
        sent.encode(), login.csrf_token.encode()
    ):
        raise CsrfFailed


def _person_caller(request: Request, login: LoginSession) -> Caller:
    return Caller(
        subject=Subject.of(login.person),
        person_id=login.person_id,
        username=login.person.username,
        name=login.person.name,
        language=language_of(request),
        address=peer_address(request),
        token_hash=login.token_hash,
    )


def _machine_caller(request: Request, machine: MachineToken) -> Caller:
    return Caller(
        subject=Subject(
            institution_id=machine.institution_id, wires=frozenset(Wire(wire) for wire in machine.wires)
        ),
        person_id=None,
        username=machine.name,
        name=machine.name,
        language=language_of(request),
        address=peer_address(request),
        token_hash=machine.token_hash,
        sender=_sender(machine.device) if machine.device else None,
    )


def _sender(device: Device) -> Sender:
    return Sender(device_id=device.id, ae_title=device.ae_title, character_set=device.character_set)
