"""The `gateway` command."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway import __version__
from gateway.commands.certificates import certificate, signer
from gateway.commands.people import institution, token, user
from gateway.commands.settings import console, read_settings
from gateway.logs import set_up_logging
from gateway.processes import collect_seldom

app = typer.Typer(
    name="gateway",
    help="Shared-Centre Gateway (共享诊断中心网关): the township examines, the county diagnoses, the result is recognised.",
    epilog="Settings come from the environment (GATEWAY_…) or the TOML file named by GATEWAY_CONFIG; see docs/operations.md.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(user, name="user")
app.add_typer(institution, name="institution")
app.add_typer(token, name="token")
app.add_typer(signer, name="signer")
app.add_typer(certificate, name="certificate")


def main() -> None:
    """Entry of the console command. What an operator can put right is said in a sentence, not in a traceback."""
    collect_seldom()
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

    run(read_settings())


@app.command()
def demo(
    samples: Annotated[
        bool, typer.Option(help="Push real sample studies over real DICOM associations.")
    ] = True,
) -> None:
    """Run `serve` with a demonstration county: hospitals, townships, centres, devices, people, studies."""
    from gateway.demo import run_demo

    run_demo(read_settings(), samples=samples, console=console)


@app.command()
def ingest() -> None:
    """Run the listeners, each with its journal, and the drain beside them."""
    from gateway.ingest import run_ingest

    run_ingest(read_settings())


@app.command()
def web() -> None:
    """Run the web application; without a broker also the sweep of due work."""
    from gateway.serve import run_web

    run_web(read_settings())


@app.command()
def worker(
    concurrency: Annotated[int, typer.Option(min=1, help="Processes that work at the same time.")] = 2,
    beat: Annotated[bool, typer.Option(help="Also say when to look for due work; one worker must.")] = True,
) -> None:
    """Run a Celery worker for due work. Needs GATEWAY_BROKER_URL."""
    from gateway.celery_app import make_celery, schedule_path

    settings = read_settings()
    arguments = ["worker", "-c", str(concurrency), "--loglevel=warning"]
    arguments += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    if beat:
        arguments += ["-B", "-s", str(schedule_path(settings))]
    make_celery(settings).worker_main(arguments)


@app.command()
def beat() -> None:
    """Say each second when to look for due work, beside workers with --no-beat. One is enough. Needs GATEWAY_BROKER_URL."""
    from gateway.celery_app import make_celery, schedule_path

    settings = read_settings()
    make_celery(settings).start(
        ["beat", "--loglevel=warning", "-s", str(schedule_path(settings)), "--pidfile="]
    )


@app.command()
def status(
    watch: Annotated[bool, typer.Option(help="Look again every two seconds until interrupted.")] = False,
) -> None:
    """Say what is up, behind, full. No names of patients. Ends with 1 when something needs somebody now."""
    from gateway.status import run_status

    sys.exit(0 if run_status(read_settings(), console, watch=watch) else 1)


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    from gateway.preparation import prepare

    prepare(read_settings())
    console.print("The database is at the newest revision.")


@app.command()
def check() -> None:
    """Verify journal, object store, database and audit against one another. Ends with 1 when something is wrong."""
    from gateway.check import run_check

    sys.exit(0 if run_check(read_settings(), console) else 1)


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

    run_backup(
        read_settings(), console, target, originals=originals, verify=verify, keep=keep, every_h=every_h
    )


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
        list_backups(read_settings(), console, source)
    elif verify_only:
        verify_backup(read_settings(), console, source, stamp)
    else:
        run_restore(read_settings(), console, source, stamp)


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

    typer.echo(authority_certificate(open_runtime(read_settings())), nl=False)


if __name__ == "__main__":
    main()
