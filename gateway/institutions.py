"""Institutions, from the command line: the first of them, before anybody can sign in."""

from collections.abc import Mapping

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from gateway import directory
from gateway.directory import FieldErrors
from gateway.entities import InstitutionFields
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.users import ACTOR
from gateway.web.messages import say_reason
from worklists.directory import Institution, InstitutionKind

_OPTIONS = {"lead_id": "--lead", "kind": "--kind", "code": "CODE", "name": "--name", "region": "--region"}


def list_institutions(settings: Settings, console: Console) -> None:
    """Print every institution."""
    table = Table("code", "name", "kind", "lead", "region", "enabled")
    with open_runtime(settings).reading() as session:
        for row in session.scalars(select(Institution).order_by(Institution.code)):
            lead = row.lead.code if row.lead else ""
            enabled = "yes" if row.enabled else "no"
            table.add_row(row.code, row.name, row.kind.value, lead, row.region, enabled)
    console.print(table)


def add_institution(
    settings: Settings, code: str, *, name: str, kind: InstitutionKind, lead_code: str | None, region: str
) -> None:
    """Add an institution. Ends the command with a sentence when something does not fit."""
    runtime = open_runtime(settings)
    lead_id = find_institution(runtime, lead_code).id if lead_code else None
    try:
        fields = InstitutionFields(code=code, name=name, kind=kind, lead_id=lead_id, region=region)
        directory.create_thing(runtime, directory.BY_NAME["institution"], fields, ACTOR)
    except FieldErrors as error:
        raise SystemExit(_say(error.reasons)) from error
    except ValidationError as error:
        raise SystemExit(_say({str(one["loc"][0]): "unusable" for one in error.errors()})) from error


def find_institution(runtime: Runtime, code: str) -> Institution:
    """The institution with a code. Ends the command with a sentence when there is none."""
    with runtime.reading() as session:
        rows = {row.code: row for row in session.scalars(select(Institution).order_by(Institution.code))}
    if code not in rows:
        raise SystemExit(f"no institution has the code {code}; known: {', '.join(rows) or 'none yet'}")
    return rows[code]


def _say(reasons: Mapping[str, str]) -> str:
    return "\n".join(f"{_OPTIONS[name]}: {say_reason(why, 'en')}" for name, why in reasons.items())
