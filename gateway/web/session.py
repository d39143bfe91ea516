"""Signing in and out: `/api/v1/session`."""

import uuid
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from gateway import accounts
from gateway.accounts import NotSignedIn
from gateway.runtime import Runtime
from gateway.web.deps import COOKIE, Caller, CallerDep, RuntimeDep, find_secret, peer_address
from worklists.directory import InstitutionKind, Kind, Person, Role
from worklists.errors import NotAllowed

router = APIRouter(prefix="/api/v1/session", tags=["session"])


class Credentials(BaseModel):
    username: str = Field(max_length=200)
    password: str = Field(max_length=1024)


class PasswordChange(BaseModel):
    current: str = Field(max_length=1024)
    new: str = Field(max_length=1024)


class InstitutionShape(BaseModel):
    id: uuid.UUID
    code: str
    name: str
    kind: InstitutionKind


class CentreShape(BaseModel):
    id: uuid.UUID
    name: str
    kind: Kind


class RoleShape(BaseModel):
    role: Role
    centre: CentreShape | None


class UserShape(BaseModel):
    id: uuid.UUID
    username: str
    name: str
    institution: InstitutionShape
    roles: list[RoleShape]
    csrf_token: str
    demo: bool


class SignedInShape(BaseModel):
    token: str
    user: UserShape


class WhoShape(BaseModel):
    user: UserShape


def get_signed_in_person(caller: CallerDep) -> Caller:
    if caller.person_id is None:
        raise NotAllowed("person")
    return caller


PersonDep = Annotated[Caller, Depends(get_signed_in_person)]


@router.post("")
def sign_in(body: Credentials, request: Request, response: Response, runtime: RuntimeDep) -> SignedInShape:
    signed_in = accounts.sign_in(runtime, body.username, body.password, address=peer_address(request))
    response.set_cookie(
        COOKIE,
        signed_in.token,
        max_age=int(accounts.ENDS_AFTER.total_seconds()),
        httponly=True,
        secure=runtime.settings.secure_cookies,
        samesite="strict",
        path="/",
    )
    user = _show_user(runtime, signed_in.session.person_id, signed_in.session.csrf_token)
    return SignedInShape(token=signed_in.token, user=user)


@router.get("")
def who_am_i(caller: PersonDep, request: Request, runtime: RuntimeDep) -> WhoShape:
    secret, _ = find_secret(request)
    login = accounts.find_session(runtime, secret or "")
    if login is None:
        raise NotSignedIn
    return WhoShape(user=_show_user(runtime, login.person_id, login.csrf_token))


@router.delete("", status_code=204)
def sign_out(caller: PersonDep, request: Request, response: Response, runtime: RuntimeDep) -> None:
    secret, _ = find_secret(request)
    accounts.sign_out(runtime, secret or "", address=caller.address)
    request.app.state.onlookers.forget(caller.token_hash)
    request.app.state.callers.forget(caller.token_hash)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")


@router.put("/password", status_code=204)
def change_password(body: PasswordChange, caller: PersonDep, runtime: RuntimeDep) -> None:
    if caller.person_id is not None:
        accounts.change_own_password(
            runtime, caller.person_id, body.current, body.new, address=caller.address
        )


def _show_user(runtime: Runtime, person_id: uuid.UUID, csrf_token: str) -> UserShape:
    with runtime.reading() as session:
        person = session.get_one(Person, person_id)
        institution = person.institution
        roles = sorted(person.roles, key=lambda role: (role.role, str(role.centre_id)))
        return UserShape(
            id=person.id,
            username=person.username,
            name=person.name,
            institution=InstitutionShape(
                id=institution.id, code=institution.code, name=institution.name, kind=institution.kind
            ),
            roles=[
                RoleShape(
                    role=role.role,
                    centre=CentreShape(id=role.centre.id, name=role.centre.name, kind=role.centre.kind)
                    if role.centre
                    else None,
                )
                for role in roles
            ],
            csrf_token=csrf_token,
            demo=runtime.settings.demo_password is not None,
        )
