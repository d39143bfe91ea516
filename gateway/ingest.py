"""The ingest processes: listeners that accept from inherited sockets, each with its journal, and the drain beside them."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
import uvloop

from adapters.dicom.acceptor import Acceptor
from adapters.dicom.association import Config
from gateway.drain import run_drain
from gateway.ingest_health import run_health
from gateway.journal import Journal, measure_usage
from gateway.processes import Supervisor
from gateway.runtime import open_runtime
from gateway.settings import Settings
from gateway.snapshot import DeviceDirectory

log = structlog.get_logger()

BACKLOG = 512  # connections that wait while every worker is busy for a moment
STATUS_INTERVAL_S = 1.0


def run_ingest(settings: Settings) -> None:
    """Run the listeners, the drain and the node's health until told to stop."""
    children = ingest_children(settings)
    children["health"] = lambda: run_health(settings)
    Supervisor(children=children).run()


def ingest_children(
    settings: Settings, *, prepared: Callable[[], bool] = lambda: True
) -> dict[str, Callable[[], None]]:
    """The processes of an ingest node. Binds the ports now, so that an occupied one is heard of at once."""
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    listener = listen(settings.bind, settings.dicom_port)
    workers = {
        f"ingest-{number}": partial(_run_worker, settings, listener)
        for number in range(1, settings.ingest_workers + 1)
    }
    return {**workers, "drain": lambda: run_drain(open_runtime(settings), prepared=prepared)}


def listen(address: str, port: int) -> socket.socket:
    """A listening socket. Ends the command with a sentence when the port cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        raise SystemExit(f"port {port} on {address} cannot be used: {error.strerror}") from error
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def _run_worker(settings: Settings, listener: socket.socket) -> None:
    uvloop.run(_serve(settings, listener))


async def _serve(settings: Settings, listener: socket.socket) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    journal = Journal.create(settings.journal_dir, node=settings.node, limit_bytes=settings.journal_bytes)
    acceptor = Acceptor(
        listener,
        intake=journal,
        admission=DeviceDirectory(
            settings.directory_snapshot,
            called_ae_title=settings.dicom_ae_title if settings.dicom_check_called_ae_title else None,
        ),
        config=Config(
            accept_unknown_storage=settings.dicom_accept_unknown_storage,
            idle_timeout_s=settings.dicom_idle_timeout_s,
            max_associations=settings.dicom_max_associations,
            max_associations_per_peer=settings.dicom_max_associations_per_peer,
        ),
    )
    acceptor.start()
    log.info("listener_started", wire="dicom", address=settings.bind, port=listener.getsockname()[1])
    status = asyncio.create_task(_publish_status(settings, listener, acceptor, journal))
    await stop.wait()
    await acceptor.close()
    await journal.close()
    status.cancel()
    _status_path(settings).unlink(missing_ok=True)


async def _publish_status(
    settings: Settings, listener: socket.socket, acceptor: Acceptor, journal: Journal
) -> None:
    """Say each second what this process does; others read the file and see a dead one by its age."""
    path, away = _status_path(settings), False
    while True:
        try:
            status = _status(settings, listener, acceptor, journal)
            await asyncio.to_thread(_write_whole, path, json.dumps(status))
            away = False
        except OSError as error:  # a full disk, or a folder that the drain removed while we looked
            if not away:
                log.warning("status_not_written", error=error.strerror)
            away = True
        await asyncio.sleep(STATUS_INTERVAL_S)


def _status(
    settings: Settings, listener: socket.socket, acceptor: Acceptor, journal: Journal
) -> dict[str, object]:
    counters = acceptor.counters
    usage = measure_usage(settings.journal_dir)
    return {
        "pid": os.getpid(),
        "node": settings.node,
        "at": datetime.now(UTC).isoformat(),
        "listeners": [
            {
                "name": "dicom",
                "address": settings.bind,
                "port": listener.getsockname()[1],
                "associations": counters.associations_open,
                "accepted": counters.associations_accepted,
                "refused": sum(counters.associations_rejected.values()),
                "instances": counters.instances,
                "bytes": counters.bytes,
                "refused_by_reason": dict(counters.associations_rejected),
                "refused_instances_by_status": dict(counters.refusals),
            }
        ],
        "journal": {
            **asdict(usage),
            "limit_bytes": settings.journal_bytes,
            "dropped_notes": journal.dropped_notes,
        },
    }


def _status_path(settings: Settings) -> Path:
    return settings.data_dir / "run" / f"ingest-{os.getpid()}.json"


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)
