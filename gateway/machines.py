"""Tokens of machines, from the command line."""

import uuid
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from gateway import tokens
from gateway.directory import FieldErrors
from gateway.institutions import find_institution
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.users import ACTOR
from worklists.access import Wire
from worklists.directory import Device
from worklists.errors import NotFound


def list_machine_tokens(settings: Settings, console: Console) -> None:
    """Print every token with what it is for; the secrets are not known here."""
    table = Table("id", "name", "institution", "device", "wires", "issued", "last used", "expires", "state")
    runtime = open_runtime(settings)
    with runtime.reading() as session:
        for row in tokens.list_tokens(session):
            expires = f"{row.expires_at:%Y-%m-%d %H:%M}Z" if row.expires_at else "never"
            used = f"{row.last_used_at:%Y-%m-%d %H:%M}Z" if row.last_used_at else "never"
            state = "in force" if row.is_valid(runtime.now()) else "enabled" if row.enabled else "revoked"
            table.add_row(
                str(row.id),
                row.name,
                row.institution.code,
                row.device.ae_title if row.device else "",
                ", ".join(row.wires),
                f"{row.created_at:%Y-%m-%d %H:%M}Z",
                used,
                expires,
                "expired" if state == "enabled" else state,
            )
    console.print(table)


def add_machine_token(
    settings: Settings,
    *,
    institution_code: str,
    wires: list[str],
    name: str,
    days: int | None,
    device: str | None = None,
) -> str:
    """Issue a token; answers its secret. Ends the command with a sentence when something does not fit."""
    unknown = [wire for wire in wires if wire not in set(Wire)]
    if unknown:
        raise SystemExit(f"{unknown[0]} is no wire; wires: {', '.join(Wire)}")
    runtime = open_runtime(settings)
    try:
        _, secret = tokens.issue_token(
            runtime,
            ACTOR,
            name=name,
            institution_id=find_institution(runtime, institution_code).id,
            device_id=_find_device(runtime, device) if device else None,
            wires=[Wire(wire) for wire in wires],
            expires_at=runtime.now() + timedelta(days=days) if days else None,
        )
    except FieldErrors as error:
        if "device_id" not in error.reasons:
            raise
        raise SystemExit(
            f"{device} is no device of {institution_code}, or the token has not the wire upload"
        ) from error
    return secret


def _find_device(runtime: Runtime, ae_title: str) -> uuid.UUID:
    with runtime.reading() as session:
        found = session.scalars(select(Device.id).where(Device.ae_title == ae_title)).one_or_none()
    if found is None:
        raise SystemExit(f"there is no device {ae_title}")
    return found


def revoke_machine_token(settings: Settings, token_id: str) -> None:
    """Let a token be used no more."""
    try:
        tokens.set_enabled(open_runtime(settings), uuid.UUID(token_id), ACTOR, enabled=False)
    except (ValueError, NotFound) as error:
        raise SystemExit(f"there is no token {token_id}; see: gateway token list") from error
