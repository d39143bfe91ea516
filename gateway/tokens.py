"""Tokens of machines: issued by an administrator or from the command line, shown once, taken back at any time."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import accounts, audit
from gateway.accounts import MachineToken
from gateway.directory import FieldErrors
from gateway.runtime import Runtime
from worklists.access import Wire
from worklists.directory import Device, Institution
from worklists.errors import NotFound


def list_tokens(
    session: Session, *, after: uuid.UUID | None = None, limit: int | None = None
) -> Sequence[MachineToken]:
    """Those there are, in the order in which they were issued, those after one of them."""
    query = select(MachineToken).order_by(MachineToken.id).limit(limit)
    return session.scalars(query if after is None else query.where(MachineToken.id > after)).all()


def issue_token(
    runtime: Runtime,
    actor: audit.Actor,
    *,
    name: str,
    institution_id: uuid.UUID,
    wires: Collection[Wire],
    expires_at: datetime | None,
    device_id: uuid.UUID | None = None,
) -> tuple[uuid.UUID, str]:
    """A new token: its id, and its secret, which nobody can ever read again. Raises FieldErrors."""
    now = runtime.now()
    with runtime.sessions.begin() as session:
        _check(session, institution_id, device_id, wires, expires_at, now)
        secret = accounts.issue_machine_token(
            session,
            name=name,
            institution_id=institution_id,
            device_id=device_id,
            wires=set(wires),
            now=now,
            expires_at=expires_at,
        )
        session.flush()
        row = session.scalars(
            select(MachineToken).where(MachineToken.token_hash == accounts.hash_token(secret))
        ).one()
        _audit(session, "token_issued", row, actor, now)
        return row.id, secret


def set_enabled(runtime: Runtime, token_id: uuid.UUID, actor: audit.Actor, *, enabled: bool) -> None:
    """Take a token back, or let it be used again. Raises NotFound."""
    with runtime.sessions.begin() as session:
        row = session.get(MachineToken, token_id, with_for_update={"of": MachineToken})
        if row is None:
            raise NotFound("token")
        if row.enabled != enabled:
            row.enabled = enabled
            _audit(session, "token_enabled" if enabled else "token_revoked", row, actor, runtime.now())


def _check(
    session: Session,
    institution_id: uuid.UUID,
    device_id: uuid.UUID | None,
    wires: Collection[Wire],
    expires_at: datetime | None,
    now: datetime,
) -> None:
    reasons: dict[str, str] = {}
    if session.get(Institution, institution_id) is None:
        reasons["institution_id"] = "unknown"
    if device_id is not None:
        device = session.get(Device, device_id)
        if device is None or device.institution_id != institution_id:
            reasons["device_id"] = "unknown"
        elif Wire.UPLOAD not in wires:
            reasons["device_id"] = "upload_only"  # nothing else that it does is a device's
    if not wires:
        reasons["wires"] = "required"
    if expires_at is not None and expires_at <= now:
        reasons["expires_at"] = "past"
    if reasons:
        raise FieldErrors(reasons)


def _audit(
    session: Session, action: audit.Action, row: MachineToken, actor: audit.Actor, now: datetime
) -> None:
    detail = {
        "token": str(row.id),
        "name": row.name,
        "institution": str(row.institution_id),
        "device": str(row.device_id) if row.device_id else None,
        "wires": row.wires,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
    }
    audit.record(session, action, actor=actor, now=now, detail=detail)
