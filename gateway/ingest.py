"""The ingest processes: listeners that accept from inherited sockets, each with its journal, and the drain beside them."""

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
import uvloop

from adapters.dicom.acceptor import Acceptor
from adapters.dicom.association import Config
from adapters.dicom.counters import Counters
from adapters.dicom.tally import ProcessTally, Tally
from gateway.connecting import Policy
from gateway.doors import Door, Doors, describe_tls, leave, listen, open_doors
from gateway.ingest_health import run_health
from gateway.journal import Journal, measure_usage
from gateway.late_journal import LateJournal
from gateway.preparation import Awaited
from gateway.processes import Supervisor
from gateway.settings import Settings
from gateway.snapshot import DeviceDirectory
from gateway.status_file import publish

log = structlog.get_logger()


def run_ingest(settings: Settings) -> None:
    """Run the listeners, the drain and the node's health until told to stop."""
    children = ingest_children(settings, prepared=Awaited(settings).is_done)
    children["health"] = lambda: run_health(settings)
    Supervisor(children=children).run()


def ingest_children(
    settings: Settings, *, prepared: Callable[[], bool] = lambda: True
) -> dict[str, Callable[[], None]]:
    """The processes of an ingest node. Binds the ports now, so that an occupied one is heard of at once."""
    settings.journal_dir.mkdir(parents=True, exist_ok=True)
    doors, tally = open_doors(settings), Tally(settings.ingest_workers)
    ftp = listen(settings.bind, settings.ftp_port) if settings.ftp_port is not None else None
    for left in (settings.data_dir / "run").glob("ingest-*"):
        left.unlink(missing_ok=True)  # of processes that were killed; who lives writes it again
    workers = {
        f"ingest-{number + 1}": partial(_run_worker, settings, doors, tally, number)
        for number in range(settings.ingest_workers)
    }
    return {
        **workers,
        **({"lab": lambda: _run_lab(settings, doors)} if doors.lab else {}),
        "folder": lambda: _run_folder(settings, doors),
        **({"ftp": lambda: _run_ftp(settings, doors, ftp)} if ftp is not None else {}),
        "drain": lambda: _run_drain(settings, doors, prepared),
    }


def _run_drain(settings: Settings, doors: Doors, prepared: Callable[[], bool]) -> None:
    leave(doors.dicom + doors.lab)
    # Loaded by the drain's process alone: the listeners, forked from the same one, are smaller by 60 MB without it.
    from gateway.drain import run_drain  # noqa: PLC0415
    from gateway.runtime import open_runtime  # noqa: PLC0415

    run_drain(open_runtime(settings), prepared=prepared)


def _run_lab(settings: Settings, doors: Doors) -> None:
    leave(doors.dicom)
    from gateway.lab.process import run_lab  # noqa: PLC0415 (as above)

    run_lab(settings, doors.lab)


def _run_folder(settings: Settings, doors: Doors) -> None:
    leave(doors.dicom + doors.lab)
    from gateway.carts.process import run_folder  # noqa: PLC0415 (as above)

    run_folder(settings)


def _run_ftp(settings: Settings, doors: Doors, listener: socket.socket) -> None:
    leave(doors.dicom + doors.lab)
    from gateway.carts.ftp.server import run_ftp  # noqa: PLC0415 (as above)

    run_ftp(settings, listener)


def _run_worker(settings: Settings, doors: Doors, tally: Tally, number: int) -> None:
    leave(doors.lab)
    uvloop.run(_serve(settings, doors.dicom, tally.of(number)))


async def _serve(settings: Settings, doors: Sequence[Door], tally: ProcessTally) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    journal = LateJournal(
        partial(
            Journal.create,
            settings.journal_dir,
            node=settings.node,
            limit_bytes=settings.journal_bytes,
            prepares_space=True,
        )
    )
    acceptors = [_make_acceptor(settings, door, journal, tally) for door in doors]
    for door, acceptor in zip(doors, acceptors, strict=True):
        acceptor.start()
        log.info("listener_started", wire=door.name, address=settings.bind, port=door.port)
    status = asyncio.create_task(
        publish(_status_path(settings), lambda: _status(settings, doors, acceptors, journal))
    )
    await stop.wait()
    await asyncio.gather(*(acceptor.close() for acceptor in acceptors))
    await journal.close()
    status.cancel()
    _status_path(settings).unlink(missing_ok=True)


def _make_acceptor(settings: Settings, door: Door, journal: LateJournal, tally: ProcessTally) -> Acceptor:
    return Acceptor(
        door.listener,
        intake=journal,
        admission=DeviceDirectory(
            settings.directory_snapshot,
            called_ae_title=settings.dicom_ae_title if settings.dicom_check_called_ae_title else None,
            policy=Policy(
                require_tls=settings.dicom_require_tls,
                asks_for_certificates=settings.tls_client_ca is not None,
            ),
        ),
        config=Config(
            accept_unknown_storage=settings.dicom_accept_unknown_storage,
            idle_timeout_s=settings.dicom_idle_timeout_s,
            max_associations=settings.dicom_max_associations,
            max_associations_per_peer=settings.dicom_max_associations_per_peer,
        ),
        tls=door.tls,
        tally=tally,
    )


def _status(
    settings: Settings, doors: Sequence[Door], acceptors: Sequence[Acceptor], journal: LateJournal
) -> dict[str, object]:
    usage = measure_usage(settings.journal_dir)
    return {
        "pid": os.getpid(),
        "node": settings.node,
        "at": datetime.now(UTC).isoformat(),
        "listeners": [
            _describe_listener(settings, door, acceptor.counters)
            for door, acceptor in zip(doors, acceptors, strict=True)
        ],
        "journal": {
            **asdict(usage),
            "limit_bytes": settings.journal_bytes,
            "dropped_notes": journal.dropped_notes,
            "writes_direct": journal.writes_direct,
        },
    }


def _describe_listener(settings: Settings, door: Door, counters: Counters) -> dict[str, object]:
    return {
        "name": door.name,
        "address": settings.bind,
        "port": door.port,
        "associations": counters.associations_open,
        "accepted": counters.associations_accepted,
        "refused": sum((counters.associations_rejected + counters.connections_refused).values()),
        "instances": counters.instances,
        "bytes": counters.bytes,
        "refused_by_reason": dict(counters.associations_rejected + counters.connections_refused),
        "refused_instances_by_status": dict(counters.refusals),
        **({"tls": describe_tls(door.tls)} if door.tls else {}),
    }


def _status_path(settings: Settings) -> Path:
    return settings.data_dir / "run" / f"ingest-{os.getpid()}.json"
