"""The ingest processes: listeners that accept from inherited sockets, each with its journal, and the drain beside them."""

import asyncio
import gc
import ipaddress
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
import uvloop

from adapters.dicom.acceptor import Acceptor
from adapters.dicom.association import Config
from adapters.dicom.counters import Counters
from adapters.dicom.tally import ProcessTally, Tally
from adapters.dicom.tls import TlsFiles, TlsServer, Unusable
from gateway.connecting import Policy
from gateway.ingest_health import run_health
from gateway.journal import Journal, measure_usage
from gateway.late_journal import LateJournal
from gateway.preparation import Awaited
from gateway.processes import Supervisor
from gateway.settings import Settings
from gateway.snapshot import DeviceDirectory
from gateway.status_file import INTERVAL_S, write_whole

log = structlog.get_logger()

BACKLOG = 512  # connections that wait while every worker is busy for a moment


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
        "folder": lambda: _run_folder(settings, doors),
        **({"ftp": lambda: _run_ftp(settings, doors, ftp)} if ftp is not None else {}),
        "drain": lambda: _run_drain(settings, doors, prepared),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A port where devices knock, and the TLS that is spoken there."""

    name: str
    listener: socket.socket
    tls: TlsServer | None = None

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])


def open_doors(settings: Settings) -> tuple[Door, ...]:
    """The DICOM ports. Ends the command with a sentence when one cannot be had, or its TLS files cannot serve."""
    tls = _open_tls(settings)
    plain = Door(name="dicom", listener=listen(settings.bind, settings.dicom_port))
    if not settings.dicom_require_tls and not is_loopback(settings.bind):
        log.warning("plain_dicom_on_network", address=settings.bind, port=plain.port)
    if tls is None:
        return (plain,)
    secured = Door(name="dicom-tls", listener=listen(settings.bind, settings.dicom_tls_port), tls=tls)
    return plain, secured


def _open_tls(settings: Settings) -> TlsServer | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return TlsServer(
            TlsFiles(
                certificate=settings.tls_certificate,
                key=settings.tls_key,
                client_authorities=settings.tls_client_ca,
                revocation_list=settings.tls_revocation_list,
            )
        )
    except Unusable as error:
        raise SystemExit(f"TLS cannot be offered: {error}") from error


def is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


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


def _run_drain(settings: Settings, doors: Sequence[Door], prepared: Callable[[], bool]) -> None:
    for door in doors:
        door.listener.close()  # a drain that hangs in a dead disk must not keep the ports from those who start anew
    # Loaded by the drain's process alone: the listeners, forked from the same one, are smaller by 60 MB without it.
    from gateway.drain import run_drain  # noqa: PLC0415
    from gateway.runtime import open_runtime  # noqa: PLC0415

    run_drain(open_runtime(settings), prepared=prepared)


def _run_folder(settings: Settings, doors: Sequence[Door]) -> None:
    for door in doors:
        door.listener.close()
    from gateway.carts.process import run_folder  # noqa: PLC0415 (as above)

    run_folder(settings)


def _run_ftp(settings: Settings, doors: Sequence[Door], listener: socket.socket) -> None:
    for door in doors:
        door.listener.close()
    from gateway.carts.ftp.server import run_ftp  # noqa: PLC0415 (as above)

    run_ftp(settings, listener)


def _run_worker(settings: Settings, doors: Sequence[Door], tally: Tally, number: int) -> None:
    gc.collect()
    gc.freeze()  # what is loaded by now stays: nobody need look through it for garbage
    uvloop.run(_serve(settings, doors, tally.of(number)))


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
    status = asyncio.create_task(_publish_status(settings, doors, acceptors, journal))
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


async def _publish_status(
    settings: Settings, doors: Sequence[Door], acceptors: Sequence[Acceptor], journal: LateJournal
) -> None:
    """Say each second what this process does; others read the file and see a dead one by its age."""
    path, away = _status_path(settings), False
    while True:
        try:
            status = _status(settings, doors, acceptors, journal)
            await asyncio.to_thread(write_whole, path, status)
            away = False
        except OSError as error:  # a full disk, or a folder that the drain removed while we looked
            if not away:
                log.warning("status_not_written", error=error.strerror)
            away = True
        await asyncio.sleep(INTERVAL_S)


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
        **({"tls": _describe_tls(door.tls)} if door.tls else {}),
    }


def _describe_tls(tls: TlsServer) -> dict[str, object]:
    tls.refresh()
    lists = tls.material.lists.values()
    return {
        "subject": tls.material.certificate.subject,
        "error": tls.error,
        "lists": {one.issuer: one.next_update.isoformat() for one in lists if one.next_update},
    }


def _status_path(settings: Settings) -> Path:
    return settings.data_dir / "run" / f"ingest-{os.getpid()}.json"
