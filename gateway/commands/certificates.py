"""What signs and what encrypts: keys on a token, certificates of devices."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.commands.settings import console, read_settings

signer = typer.Typer(
    help="Keys on a token: list, give one to a person, take it back, try whatever signs.",
    no_args_is_help=True,
)
certificate = typer.Typer(
    help="Certificates for TLS with devices: the authority, the gateway's own, a device's.",
    no_args_is_help=True,
)


@signer.command("list")
def list_token_keys() -> None:
    """Every key of the token that has a certificate, and who signs with it."""
    from gateway.signing_keys import list_token_keys as run

    run(read_settings(), console)


@signer.command("token")
def use_token(
    username: str, label: Annotated[str, typer.Option(help="The label of the certificate on the token.")]
) -> None:
    """Let a person sign with a key of the token from now on; it is tried first. Again after a renewal."""
    from gateway.signing_keys import use_token as run

    run(read_settings(), username, label=label, console=console)


@signer.command("software")
def use_software(username: str) -> None:
    """Let a person sign with a software key of the county's own authority again."""
    from gateway.signing_keys import use_software as run

    run(read_settings(), username, console)


@signer.command("try")
def try_signing() -> None:
    """Try token, time stamp and seal, a refused PIN too. Ends with 1 when something does not work."""
    from gateway.signing_keys import try_signing as run

    sys.exit(0 if run(read_settings(), console) else 1)


@certificate.command("authority")
def make_authority() -> None:
    """Make the county's own authority for devices, once, and say where it is."""
    from gateway.device_authority import make_authority as run

    run(read_settings(), console)


@certificate.command("gateway")
def make_gateway_certificate(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="What devices call the gateway by: host names, addresses."),
    ],
    days: Annotated[int, typer.Option(min=1, help="It ends after so many days.")] = 1095,
) -> None:
    """Issue the gateway's own certificate and say what to set. Again: a new one, used without a restart."""
    from gateway.device_authority import make_gateway_certificate as run

    run(read_settings(), names, days=days, console=console)


@certificate.command("issue")
def issue_certificate(
    ae_title: str,
    days: Annotated[int, typer.Option(min=1, help="It ends after so many days.")] = 1095,
    out: Annotated[
        Path | None, typer.Option(help="The folder to write to; else one named like the device.")
    ] = None,
    old_windows: Annotated[bool, typer.Option(help="A .p12 that Windows before 2019 can read.")] = False,
) -> None:
    """Issue a device's certificate: PEM and PKCS #12, with the authority's."""
    from gateway.device_authority import issue_certificate as run

    run(read_settings(), ae_title, days=days, out=out, old=old_windows, console=console)


@certificate.command("revoke")
def revoke_certificate(
    which: Annotated[
        str, typer.Argument(help="An AE title (all of its certificates), a serial number or a SHA-256.")
    ],
) -> None:
    """Take a certificate back; listeners know within a second."""
    from gateway.device_authority import revoke_certificate as run

    run(read_settings(), which, console)


@certificate.command("list")
def list_certificates() -> None:
    """Every certificate that was issued, until when, and whether it was revoked."""
    from gateway.device_authority import list_certificates as run

    run(read_settings(), console)


@certificate.command("show")
def show_certificate(file: Path) -> None:
    """Subject and SHA-256 of any certificate file, as a device's row wants them."""
    from gateway.device_authority import show_certificate as run

    run(file, console)
