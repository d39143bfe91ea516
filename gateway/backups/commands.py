"""`gateway backup` and `gateway restore`, as their users meet them: sentences, and an exit code."""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from adapters.errors import Malformed, Unavailable
from gateway.backups.archive import Archive, Manifest, find_backups, get_archive
from gateway.backups.databases import DumpFailed
from gateway.backups.making import NoPassphrase, Wanted, make_backup, remove_old
from gateway.backups.restoring import SHOWN, CannotRestore, restore_backup
from gateway.backups.sealed import WrongPassphrase
from gateway.backups.steps import Steps
from gateway.backups.verifying import find_problems
from gateway.objects import ObjectMissing, ObjectStore, open_object_store
from gateway.runtime import open_runtime
from gateway.settings import Settings

log = structlog.get_logger()

AGAIN_S = 300.0  # after a backup that failed, in a row of backups


def run_backup(
    settings: Settings,
    console: Console,
    place: str | None,
    *,
    originals: bool,
    verify: bool,
    keep: int | None,
    every_h: float | None,
) -> None:
    """Make one backup, or one after another for ever."""
    store = _store(settings, place)
    wanted = Wanted(passphrase=_passphrase(settings, new=True), originals=originals, verify=verify)

    def make() -> bool:
        sound = _make(settings, console, store, wanted)
        for stamp in remove_old(store, keep) if keep else ():
            console.print(f"removed {stamp}", highlight=False)
        return sound

    if every_h is None:
        sys.exit(0 if _said(make) else 1)
    while True:
        began = time.monotonic()
        try:
            sound = make()
        except (*_EXPECTED, SQLAlchemyError) as error:  # the next one may go well
            log.error("backup_failed", error=type(error).__name__, reason=_sentence(error))
            sound = False
        time.sleep(max(0.0, (every_h * 3600 if sound else AGAIN_S) - (time.monotonic() - began)))


def run_restore(settings: Settings, console: Console, place: str | None, stamp: str | None) -> None:
    store = _store(settings, place)

    def restore() -> bool:
        archive = get_archive(store, stamp)
        runtime = open_runtime(settings)
        restored = restore_backup(runtime, archive, _passphrase(settings, new=False), Steps(console))
        _show(console, restored.manifest)
        for key in restored.missing[:SHOWN]:
            console.print(f"[red]missing[/] {key}", highlight=False)
        if restored.missing:
            console.print(f"[red]{len(restored.missing)} packs are neither in the store nor in the backup[/]")
        for node, count in restored.manifest.elsewhere.items():
            console.print(
                f"[yellow]![/] {count} records lie in the journal of node {node} alone", highlight=False
            )
        console.print("Restored. Next: `gateway check`, then start the processes.")
        return not restored.missing

    sys.exit(0 if _said(restore) else 1)


def verify_backup(settings: Settings, console: Console, place: str | None, stamp: str | None) -> None:
    store = _store(settings, place)

    def verify() -> bool:
        archive = get_archive(store, stamp)
        manifest = archive.manifest()
        _show(console, manifest)
        with tempfile.TemporaryDirectory(prefix="gateway-") as work, console.status("reading"):
            found = find_problems(
                archive,
                manifest,
                originals=open_object_store(settings.objects),
                passphrase=settings.backup_passphrase or _asked(new=False),
                work=Path(work),
            )
        for problem in (*manifest.problems, *found):
            console.print(f"[red]✗[/] {problem}", highlight=False)
        return not found and not manifest.problems

    sys.exit(0 if _said(verify) else 1)


def list_backups(settings: Settings, console: Console, place: str | None) -> None:
    store = _store(settings, place)

    def show() -> bool:
        table = Table("backup", "version", "database", "size", "packs", "originals", "problems")
        for stamp in find_backups(store):
            one = Archive(store, stamp).manifest()
            size = f"{one.size_bytes / (1 << 20):,.1f} MiB"
            table.add_row(
                stamp, one.gateway_version, one.database, size, str(one.packs), "yes" if one.originals else "no",
                str(len(one.problems)),
            )  # fmt: skip
        console.print(table)
        return True

    sys.exit(0 if _said(show) else 1)


def _make(settings: Settings, console: Console, store: ObjectStore, wanted: Wanted) -> bool:
    runtime = open_runtime(settings)
    try:
        manifest = make_backup(runtime, store, wanted, Steps(console))
    finally:
        runtime.engine.dispose()
    _show(console, manifest)
    for problem in manifest.problems:
        console.print(f"[red]✗[/] {problem}", highlight=False)
    for node, count in manifest.elsewhere.items():
        console.print(
            f"[yellow]![/] {count} records lie in the journal of node {node} alone: they are not in this backup",
            highlight=False,
        )
    return not manifest.problems


def _show(console: Console, manifest: Manifest) -> None:
    originals = "with their copies" if manifest.originals else "listed"
    console.print(
        f"backup {manifest.stamp}: {manifest.database} {manifest.revision}, {manifest.size_bytes / (1 << 20):,.1f} MiB, "
        f"{manifest.packs} packs ({manifest.packs_bytes / (1 << 30):,.2f} GiB) {originals}",
        highlight=False,
    )


_EXPECTED = (Unavailable, DumpFailed, Malformed, CannotRestore, WrongPassphrase, NoPassphrase, ObjectMissing)


def _said(command: Callable[[], bool]) -> bool:
    """What can be put right is a sentence, not a traceback."""
    try:
        return command()
    except _EXPECTED as error:
        raise SystemExit(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, WrongPassphrase):
        return "the passphrase does not open the keys of this backup"
    if isinstance(error, NoPassphrase):
        return "there are keys to back up: set GATEWAY_BACKUP_PASSPHRASE (or a secret file), or run it at a terminal"
    if isinstance(error, ObjectMissing):
        return f"there is no complete backup here: {error}"
    return str(error)


def _store(settings: Settings, place: str | None) -> ObjectStore:
    chosen = place or settings.backup_store
    if chosen is None:
        raise SystemExit("where to? Name a folder or a bucket, or set GATEWAY_BACKUP_STORE")
    try:
        return open_object_store(chosen)
    except ValueError as error:
        raise SystemExit(str(error)) from error


def _passphrase(settings: Settings, *, new: bool) -> str | None:
    return settings.backup_passphrase or _asked(new=new)


def _asked(*, new: bool) -> str | None:
    if not sys.stdin.isatty():
        return None
    answer: str = typer.prompt("Passphrase of the keys", hide_input=True, confirmation_prompt=new)
    return answer
