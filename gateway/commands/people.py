"""Who signs in, and where from: people, institutions, the tokens of machines."""

import sys
from typing import Annotated

import typer

from gateway.commands.settings import console, read_settings
from worklists.directory import InstitutionKind

user = typer.Typer(help="People who sign in: list, add, set a password, disable.", no_args_is_help=True)
institution = typer.Typer(
    help="Institutions: list, add; the first before anybody signs in.", no_args_is_help=True
)
token = typer.Typer(help="Tokens of machines: add, list, revoke.", no_args_is_help=True)


@institution.command("list")
def list_institutions() -> None:
    """Every institution with its kind and its lead hospital."""
    from gateway.institutions import list_institutions as run

    run(read_settings(), console)


@institution.command("add")
def add_institution(
    code: str,
    name: Annotated[str, typer.Option(help="The name as it is printed on reports.")],
    kind: Annotated[InstitutionKind, typer.Option(help="What it is in the county.")],
    lead: Annotated[str | None, typer.Option(help="The code of its lead hospital.")] = None,
    region: Annotated[str, typer.Option(help="Where it is.")] = "",
) -> None:
    """Add an institution."""
    from gateway.institutions import add_institution as run

    run(read_settings(), code, name=name, kind=kind, lead_code=lead, region=region)


@user.command("list")
def list_users() -> None:
    """Everybody who can sign in, with roles."""
    from gateway.users import list_people

    list_people(read_settings(), console)


@user.command("add")
def add_user(
    username: str,
    name: Annotated[str, typer.Option(help="The name as it is printed on reports.")],
    institution: Annotated[str, typer.Option(help="The code of the institution.")],
    role: Annotated[list[str], typer.Option(help="A role, or role:CENTRE-NAME for readers and reviewers.")],
) -> None:
    """Add a person; the password is asked for, or read from standard input."""
    from gateway.users import add_person

    add_person(
        read_settings(), username, name=name, institution_code=institution, roles=role, password=_password()
    )


@user.command("password")
def set_user_password(username: str) -> None:
    """Set a person's password; it is asked for, or read from standard input."""
    from gateway.users import set_person_password

    set_person_password(read_settings(), username, password=_password())


@user.command("disable")
def disable_user(username: str) -> None:
    """Let somebody sign in no more; what they signed stays."""
    from gateway.users import disable_person

    disable_person(read_settings(), username)


@token.command("list")
def list_tokens() -> None:
    """Every token of a machine, without its secret."""
    from gateway.machines import list_machine_tokens

    list_machine_tokens(read_settings(), console)


@token.command("add")
def add_token(
    institution: Annotated[str, typer.Option(help="The code of the institution whose machine it is.")],
    wire: Annotated[list[str], typer.Option(help="dicomweb, upload, reports or metrics; may repeat.")],
    name: Annotated[str, typer.Option(help="What the machine is called, as the audit shows it.")],
    days: Annotated[int | None, typer.Option(min=1, help="It ends after so many days.")] = None,
    device: Annotated[
        str | None, typer.Option(help="The AE title of the device that it sends for, with the wire upload.")
    ] = None,
) -> None:
    """Issue a token and print it. It is shown this once."""
    from gateway.machines import add_machine_token

    secret = add_machine_token(
        read_settings(), institution_code=institution, wires=wire, name=name, days=days, device=device
    )
    typer.echo(secret)


@token.command("revoke")
def revoke_token(token_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let a token be used no more; its id is in the list."""
    from gateway.machines import revoke_machine_token

    revoke_machine_token(read_settings(), token_id)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
