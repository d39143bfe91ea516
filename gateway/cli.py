"""The `gateway` command."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console

from gateway import __version__, fault_points
from gateway.logs import set_up_logging
from gateway.settings import PREFIX, Settings, unknown_variables
from worklists.directory import InstitutionKind

app = typer.Typer(
    name="gateway",
    help="Shared-Centre Gateway (共享诊断中心网关): the township examines, the county diagnoses, the result is recognised.",
    epilog="Settings come from the environment (GATEWAY_…) or the TOML file named by GATEWAY_CONFIG; see docs/operations.md.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
user = typer.Typer(help="People who sign in: list, add, set a password, disable.", no_args_is_help=True)
app.add_typer(user, name="user")
institution = typer.Typer(
    help="Institutions: list, add; the first before anybody signs in.", no_args_is_help=True
)
app.add_typer(institution, name="institution")
token = typer.Typer(help="Tokens of machines: add, list, revoke.", no_args_is_help=True)
app.add_typer(token, name="token")
signer = typer.Typer(
    help="Keys on a token: list, give one to a person, take it back, try whatever signs.",
    no_args_is_help=True,
)
app.add_typer(signer, name="signer")
certificate = typer.Typer(
    help="Certificates for TLS with devices: the authority, the gateway's own, a device's.",
    no_args_is_help=True,
)
app.add_typer(certificate, name="certificate")
console = Console()


def main() -> None:
    """Entry of the console command. What an operator can put right is said in a sentence, not in a traceback."""
    set_up_logging()
    try:
        app()
    except Exception as error:
        sentence = _explain(error)
        if sentence is None:
            raise
        raise SystemExit(sentence) from None


def _explain(error: Exception) -> str | None:
    """What is wrong around us; None for what is wrong with us."""
    from sqlalchemy import exc  # only a command that failed needs it

    if isinstance(error, exc.ArgumentError):  # also of a database that we have no driver for
        return "GATEWAY_DATABASE_URL: sqlite:///PATH or postgresql://USER:PASSWORD@HOST/NAME is expected"
    if isinstance(error, exc.ProgrammingError | exc.OperationalError | exc.InterfaceError):
        said = str(error.orig).partition("\n")[0]
        if "no such table" in said or "UndefinedTable" in type(error.orig).__name__:
            return "the database has no tables yet: run `gateway migrate` first"
        return None if isinstance(error, exc.ProgrammingError) else f"the database cannot be used: {said}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return None


def _version(wanted: bool) -> None:
    if wanted:
        console.print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Where `--version` lives."""


@app.command()
def serve() -> None:
    """Run everything in one process tree: listeners, drain, web and sweep. No server to install.

    Data lies in GATEWAY_DATA_DIR (SQLite, originals as files) unless GATEWAY_DATABASE_URL and
    GATEWAY_OBJECT_STORE say otherwise.
    """
    from gateway.serve import serve as run

    run(_settings())


@app.command()
def demo(
    samples: Annotated[
        bool, typer.Option(help="Push real sample studies over real DICOM associations.")
    ] = True,
) -> None:
    """Run `serve` with a demonstration county: hospitals, townships, centres, devices, people, studies."""
    from gateway.demo import run_demo

    run_demo(_settings(), samples=samples, console=console)


@app.command()
def ingest() -> None:
    """Run the listeners, each with its journal, and the drain beside them."""
    from gateway.ingest import run_ingest

    run_ingest(_settings())


@app.command()
def web() -> None:
    """Run the web application; without a broker also the sweep of due work."""
    from gateway.serve import run_web

    run_web(_settings())


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Processes that work at the same time.")] = 2,
    beat: Annotated[bool, typer.Option(help="Also say when to look for due work; one worker must.")] = True,
) -> None:
    """Run a Celery worker for due work. Needs GATEWAY_BROKER_URL."""
    from gateway.celery_app import make_celery, schedule_path

    settings = _settings()
    arguments = ["worker", "-c", str(concurrency), "--loglevel=warning"]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    if beat:
        arguments += ["-B", "-s", str(schedule_path(settings))]
    make_celery(settings).worker_main(arguments)


@app.command()
def beat() -> None:
    """Say each second when to look for due work, beside workers with --no-beat. One is enough. Needs GATEWAY_BROKER_URL."""
    from gateway.celery_app import make_celery, schedule_path

    settings = _settings()
    make_celery(settings).start(
        ["beat", "--loglevel=warning", "-s", str(schedule_path(settings)), "--pidfile="]
    )


@app.command()
def status(
    watch: Annotated[bool, typer.Option(help="Look again every two seconds until interrupted.")] = False,
) -> None:
    """Say what is up, behind, full. No names of patients. Ends with 1 when something needs somebody now."""
    from gateway.status import run_status

    sys.exit(0 if run_status(_settings(), console, watch=watch) else 1)


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    from gateway.preparation import prepare

    prepare(_settings())
    console.print("The database is at the newest revision.")


@app.command()
def check() -> None:
    """Verify journal, object store, database and audit against one another. Ends with 1 when something is wrong."""
    from gateway.check import run_check

    sys.exit(0 if run_check(_settings(), console) else 1)


@app.command()
def backup(
    target: Annotated[
        str | None,
        typer.Argument(
            help="A folder, or s3+http(s)://KEY:SECRET@HOST:PORT/BUCKET; else GATEWAY_BACKUP_STORE."
        ),
    ] = None,
    originals: Annotated[bool, typer.Option(help="Also copy the packs, each once for all backups.")] = False,
    verify: Annotated[bool, typer.Option(help="Read everything back.")] = True,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Remove all but so many backups afterwards.")
    ] = None,
    every_h: Annotated[float | None, typer.Option(min=0.01, help="Go on: one each so many hours.")] = None,
) -> None:
    """Back up database, list of packs, unfiled journal, keys and settings while everything runs.

    Keys are sealed with GATEWAY_BACKUP_PASSPHRASE, or a passphrase that is asked for. Ends with 1 when something is
    wrong with the backup.
    """
    from gateway.backups.commands import run_backup

    run_backup(_settings(), console, target, originals=originals, verify=verify, keep=keep, every_h=every_h)


@app.command()
def restore(
    source: Annotated[
        str | None, typer.Argument(help="Where the backups are; else GATEWAY_BACKUP_STORE.")
    ] = None,
    stamp: Annotated[str | None, typer.Option(help="Which backup; else the newest.")] = None,
    verify_only: Annotated[
        bool, typer.Option("--verify", help="Only say whether the backup is whole.")
    ] = False,
    show: Annotated[bool, typer.Option("--list", help="Only list the backups.")] = False,
) -> None:
    """Bring a backup back into an installation whose database is empty."""
    from gateway.backups.commands import list_backups, run_restore, verify_backup

    if show:
        list_backups(_settings(), console, source)
    elif verify_only:
        verify_backup(_settings(), console, source, stamp)
    else:
        run_restore(_settings(), console, source, stamp)


@app.command("serial-bridge")
def serial_bridge(
    device: Annotated[
        str, typer.Option(help="The serial port: /dev/ttyS0, /dev/ttyUSB0, /dev/serial/by-id/…")
    ],
    to: Annotated[str, typer.Option(metavar="HOST:PORT", help="The county's ASTM listener.")],
    baud: Annotated[int, typer.Option(min=50)] = 9600,
    bits: Annotated[int, typer.Option(min=5, max=8, help="Data bits.")] = 8,
    parity: Annotated[str, typer.Option(help="none, even or odd.")] = "none",
    stop: Annotated[int, typer.Option(min=1, max=2, help="Stop bits.")] = 1,
    flow: Annotated[str, typer.Option(help="none, rtscts or xonxoff.")] = "none",
    tls: Annotated[bool, typer.Option(help="Speak TLS with the county.")] = False,
    ca: Annotated[
        Path | None, typer.Option(help="Who certifies the county (PEM); else the system's.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="Our own, if the county asks for one (PEM).")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Its key (PEM), unless the certificate's file has it.")
    ] = None,
    astm: Annotated[
        bool, typer.Option(help="Answer ENQ with NAK while the county is away; without: another protocol.")
    ] = True,
) -> None:
    """Carry an analyser's serial line to the county, on a computer beside it. Needs no settings and no data."""
    from gateway.serial_bridge import County, SerialLine, run_serial_bridge

    host, colon, port = to.rpartition(":")
    if not (host and colon and port.isdigit()):
        raise typer.BadParameter("HOST:PORT is expected", param_hint="--to")
    if parity not in ("none", "even", "odd"):
        raise typer.BadParameter("none, even or odd is expected", param_hint="--parity")
    if flow not in ("none", "rtscts", "xonxoff"):
        raise typer.BadParameter("none, rtscts or xonxoff is expected", param_hint="--flow")
    line = SerialLine(
        device=device,
        baud=baud,
        data_bits=bits,
        parity=parity[0].upper(),
        stop_bits=stop,
        rtscts=flow == "rtscts",
        xonxoff=flow == "xonxoff",
    )
    county = County(
        host=host.strip("[]"), port=int(port), tls=tls, authority=ca, certificate=certificate, key=key
    )
    run_serial_bridge(line, county, astm=astm)


@app.command()
def authority() -> None:
    """Print the root certificate (PEM) by which anybody verifies a signed report; it is made when there is none."""
    from gateway.runtime import open_runtime
    from gateway.signing import authority_certificate

    typer.echo(authority_certificate(open_runtime(_settings())), nl=False)


@institution.command("list")
def list_institutions() -> None:
    """Every institution with its kind and its lead hospital."""
    from gateway.institutions import list_institutions as run

    run(_settings(), console)


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

    run(_settings(), code, name=name, kind=kind, lead_code=lead, region=region)


@user.command("list")
def list_users() -> None:
    """Everybody who can sign in, with roles."""
    from gateway.users import list_people

    list_people(_settings(), console)


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
        _settings(), username, name=name, institution_code=institution, roles=role, password=_password()
    )


@user.command("password")
def set_user_password(username: str) -> None:
    """Set a person's password; it is asked for, or read from standard input."""
    from gateway.users import set_person_password

    set_person_password(_settings(), username, password=_password())


@user.command("disable")
def disable_user(username: str) -> None:
    """Let somebody sign in no more; what they signed stays."""
    from gateway.users import disable_person

    disable_person(_settings(), username)


@token.command("list")
def list_tokens() -> None:
    """Every token of a machine, without its secret."""
    from gateway.machines import list_machine_tokens

    list_machine_tokens(_settings(), console)


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
        _settings(), institution_code=institution, wires=wire, name=name, days=days, device=device
    )
    typer.echo(secret)


@token.command("revoke")
def revoke_token(token_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Let a token be used no more; its id is in the list."""
    from gateway.machines import revoke_machine_token

    revoke_machine_token(_settings(), token_id)


@signer.command("list")
def list_token_keys() -> None:
    """Every key of the token that has a certificate, and who signs with it."""
    from gateway.signing_keys import list_token_keys as run

    run(_settings(), console)


@signer.command("token")
def use_token(
    username: str, label: Annotated[str, typer.Option(help="The label of the certificate on the token.")]
) -> None:
    """Let a person sign with a key of the token from now on; it is tried first. Again after a renewal."""
    from gateway.signing_keys import use_token as run

    run(_settings(), username, label=label, console=console)


@signer.command("software")
def use_software(username: str) -> None:
    """Let a person sign with a software key of the county's own authority again."""
    from gateway.signing_keys import use_software as run

    run(_settings(), username, console)


@signer.command("try")
def try_signing() -> None:
    """Try token, time stamp and seal, a refused PIN too. Ends with 1 when something does not work."""
    from gateway.signing_keys import try_signing as run

    sys.exit(0 if run(_settings(), console) else 1)


@certificate.command("authority")
def make_authority() -> None:
    """Make the county's own authority for devices, once, and say where it is."""
    from gateway.device_authority import make_authority as run

    run(_settings(), console)


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

    run(_settings(), names, days=days, console=console)


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

    run(_settings(), ae_title, days=days, out=out, old=old_windows, console=console)


@certificate.command("revoke")
def revoke_certificate(
    which: Annotated[
        str, typer.Argument(help="An AE title (all of its certificates), a serial number or a SHA-256.")
    ],
) -> None:
    """Take a certificate back; listeners know within a second."""
    from gateway.device_authority import revoke_certificate as run

    run(_settings(), which, console)


@certificate.command("list")
def list_certificates() -> None:
    """Every certificate that was issued, until when, and whether it was revoked."""
    from gateway.device_authority import list_certificates as run

    run(_settings(), console)


@certificate.command("show")
def show_certificate(file: Path) -> None:
    """Subject and SHA-256 of any certificate file, as a device's row wants them."""
    from gateway.device_authority import show_certificate as run

    run(file, console)


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _settings() -> Settings:
    for name in unknown_variables(os.environ):
        typer.echo(f"warning: {name} is no setting; see docs/operations.md", err=True)
    try:
        settings = Settings()
    except ValidationError as error:
        for problem in error.errors():
            name = _name_of(problem)
            console.print(f"[red]{name}[/red]: {problem['msg']}", highlight=False)
        raise typer.Exit(2) from error
    except OSError as error:
        console.print(f"[red]settings[/red] {error.filename}: {error.strerror}")
        raise typer.Exit(2) from error
    fault_points.arm(settings.faults)
    return settings


def _name_of(problem: ErrorDetails) -> str:
    """As it is written where it stands: a key of the file that is no setting is no variable either."""
    name = "_".join(str(part) for part in problem["loc"])
    return name if problem["type"] == "unknown_setting" else PREFIX + name.upper()


if __name__ == "__main__":
    main()
