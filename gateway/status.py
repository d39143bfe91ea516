"""`gateway status`: what is up, behind, full, on a terminal or as plain lines for a log. No names of patients."""

import time
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from gateway.probes import Probes
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.system import Overseer, System
from gateway.web.messages import say_cause, say_fault

WATCH_S = 2.0
PATIENCE_S = 10.0  # nobody waits behind this command, and its first question also loads a client
GOOD, BAD = "green", "red"


def run_status(settings: Settings, console: Console, *, watch: bool) -> bool:
    """Print it once, or until interrupted; True when nothing is red."""
    runtime = open_runtime(settings)
    overseer = Overseer(runtime, Probes(runtime, patience_s=PATIENCE_S))

    def look() -> tuple[System, Group]:
        found = overseer.look()
        return found, Group(*_page(found, runtime.now()))

    found, page = look()
    if not watch or not console.is_terminal:
        console.print(page)
        return _is_healthy(found)
    with Live(page, console=console, screen=True, auto_refresh=False) as live:
        try:
            while True:
                live.update(page, refresh=True)
                time.sleep(WATCH_S)
                found, page = look()
        except KeyboardInterrupt:
            return _is_healthy(found)


def _is_healthy(found: System) -> bool:
    return not any(fault.severity == "red" for fault in found.faults)


def _page(found: System, now: datetime) -> Iterator[Table | Text]:
    if not found.faults:
        yield Text("nothing is wrong", style=GOOD)
    for fault in found.faults:
        since = f" (for {_age(fault.since, now)})" if fault.since else ""
        style = BAD if fault.severity == "red" else "yellow"
        yield Text(f"{fault.severity}: {say_fault(fault.code, 'en', fault.where)}{since}", style=style)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, state, text in _lines(found, now):
        table.add_row(name, Text.assemble((state, GOOD if state in {"up", "ok"} else BAD), "  ", text))
    yield table


def _lines(found: System, now: datetime) -> Iterator[tuple[str, str, str]]:
    yield from _processes(found, now)
    for one in found.status.listeners:
        text = (
            f"{one.address}:{one.port}, {one.associations} open, {one.instances:,} instances since its start"
        )
        yield f"listener {one.name}", _up(one.up), text
    yield "journal", "ok" if not _full(found) else "full", _journal(found, now)
    yield from _servers(found)
    for node in found.nodes:
        yield f"drain {node.node}", "ok", f"indexed up to {_age(node.indexed_until, now)} ago"
    for certificate in found.certificates:
        state = "ok" if certificate.ends_at > now else "ended"
        yield f"certificate {certificate.name}", state, f"until {certificate.ends_at:%Y-%m-%d}"
    if found.backup is not None:
        backup = found.backup
        state = "ok" if backup.verified and not backup.problems else "unsound"
        yield "backup", state, f"{backup.stamp}, {_age(backup.ended_at, now)} ago, {_size(backup.size_bytes)}"
    for site in (site for site in found.heard if site.silent):
        yield f"site {site.code}", "silent", f"last heard {_age(site.last_heard_at, now)} ago"


def _processes(found: System, now: datetime) -> Iterator[tuple[str, str, str]]:
    for one in found.processes:
        since = f", up for {_age(one.started_at, now)}" if one.alive and one.started_at else ""
        gone = "" if one.alive else f", last seen {_age(one.seen_at, now)} ago"
        where = f"node {one.node}" + (f", {one.host}:{one.pid}" if one.pid and one.host else "")
        yield one.role, _up(one.alive), where + since + gone


def _servers(found: System) -> Iterator[tuple[str, str, str]]:
    database, store = found.database, found.store
    yield f"database {database.kind}", _up(database.up), say_cause(database.detail, "en")
    packs = f"{store.packs:,} packs, {_size(store.bytes or 0)}" if store.packs is not None else ""
    why = "" if store.up else say_cause(store.detail, "en")
    yield f"store {store.kind}", _up(store.up), "; ".join(filter(None, (why, packs)))
    sweep = found.sweep
    if sweep.broker is not None:
        yield "broker", _up(sweep.broker.up), say_cause(sweep.broker.detail, "en")
    if sweep.due is not None:
        yield "due work", "ok", f"{sweep.due} due, {sweep.failing} failing ({sweep.kind})"


def _journal(found: System, now: datetime) -> str:
    figures = found.journal
    text = f"{_size(figures.unfiled_bytes)} of {_size(figures.limit_bytes)}, {_size(figures.free_bytes)} free on the disk"
    if figures.unindexed_records:
        text += (
            f"; {figures.unindexed_records:,} not indexed, oldest {_age(figures.oldest_unindexed_at, now)}"
        )
    if figures.not_filed_records:
        text += f"; {figures.not_filed_records:,} not filed, oldest {_age(figures.oldest_unfiled_at, now)}"
    if figures.writes_direct is False:
        text += "; large bodies go through the page cache (no O_DIRECT on this file system)"
    return text


def _full(found: System) -> bool:
    return bool(found.journal.limit_bytes) and found.journal.unfiled_bytes >= found.journal.limit_bytes


def _up(is_up: bool) -> str:
    return "up" if is_up else "down"


def _age(since: datetime | None, now: datetime) -> str:
    seconds = max(0, int((now - since).total_seconds())) if since else 0
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.1f} GiB"
