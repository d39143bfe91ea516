"""Tokens of machines in administration: `/api/v1/tokens`. The secret is in the answer that makes one, and nowhere else."""

import uuid
from datetime import datetime

from fastapi import APIRouter
from pydantic import AwareDatetime, BaseModel, ConfigDict

from gateway import tokens
from gateway.accounts import MachineToken
from gateway.entity import Name
from gateway.runtime import Runtime
from gateway.web.deps import AdminDep, RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_id_cursor, write_cursor
from worklists.access import Wire

router = APIRouter(prefix="/api/v1/tokens", tags=["administration"])


class NewToken(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    institution_id: uuid.UUID
    device_id: uuid.UUID | None = None
    wires: list[Wire]
    expires_at: AwareDatetime | None = None


class TokenChanges(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: bool


class TokenShape(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    name: str
    institution_id: uuid.UUID
    device_id: uuid.UUID | None
    wires: list[Wire]
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    enabled: bool


class IssuedTokenShape(TokenShape):
    token: str


class TokenPage(BaseModel):
    items: list[TokenShape]
    next_cursor: str | None


@router.get("")
def list_tokens(
    caller: AdminDep, runtime: RuntimeDep, limit: LimitDep = 200, cursor: CursorDep = None
) -> TokenPage:
    after = read_id_cursor(cursor)
    with runtime.reading() as session:
        rows = tokens.list_tokens(session, after=after, limit=limit + 1)
    items = [TokenShape.model_validate(row) for row in rows[:limit]]
    return TokenPage(items=items, next_cursor=write_cursor(items[-1].id) if len(rows) > limit else None)


@router.post("", status_code=201)
def issue_token(body: NewToken, caller: AdminDep, runtime: RuntimeDep) -> IssuedTokenShape:
    token_id, secret = tokens.issue_token(runtime, caller.actor(), **dict(body))
    return IssuedTokenShape(**_get(runtime, token_id).model_dump(), token=secret)


@router.patch("/{token_id}")
def change_token(
    token_id: uuid.UUID, body: TokenChanges, caller: AdminDep, runtime: RuntimeDep
) -> TokenShape:
    tokens.set_enabled(runtime, token_id, caller.actor(), enabled=body.enabled)
    return _get(runtime, token_id)


def _get(runtime: Runtime, token_id: uuid.UUID) -> TokenShape:
    with runtime.reading() as session:
        return TokenShape.model_validate(session.get_one(MachineToken, token_id))
