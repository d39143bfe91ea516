"""The process that listens to analysers: HL7 over MLLP and ASTM, plain and over TLS, on one event loop with one journal.

It holds thousands of idle lines and no database; only an analyser's question opens one.
"""

import asyncio
import os
import resource
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop

from adapters.hl7.counters import Counters as Hl7Counters
from adapters.hl7.known import Known
from adapters.hl7.listener import Config, MllpServer
from adapters.lab.connection import AstmSettings
from adapters.lab.listener import AstmServer
from gateway.connecting import Policy
from gateway.doors import Door, describe_tls
from gateway.journal import Journal, measure_usage
from gateway.lab.admission import LabAdmission
from gateway.lab.answering import LabDesk
from gateway.late_journal import LateJournal
from gateway.processes import keep_what_is_loaded
from gateway.settings import Settings
from gateway.snapshot import DirectoryFile
from gateway.status_file import publish

log = structlog.get_logger()

ROLE = "lab"
ASTM_DOORS = ("astm", "astm-tls")
SPARE_FILES = 1024  # beside connections: the journal, the database, those who are turned away
AT_ONCE_BYTES = 1 << 20  # of a large message, before others have their turn
GRACE_S = 4.0  # two listeners close at once, within what the supervisor waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A door and the server behind it."""

    door: Door
    server: MllpServer | AstmServer


def run_lab(settings: Settings, doors: Sequence[Door]) -> None:
    """Serve until told to stop."""
    _allow_files(settings.lab_max_connections + SPARE_FILES)
    keep_what_is_loaded()
    uvloop.run(_serve_until_told(settings, doors))


def _allow_files(wanted: int) -> None:
    """As many as connections may come; a machine that allows fewer is told of."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        log.warning("few_files_allowed", wanted=wanted, allowed=max(allowed, soft))


async def _serve_until_told(settings: Settings, doors: Sequence[Door]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(settings, doors, stop)


async def serve(settings: Settings, doors: Sequence[Door], stop: asyncio.Event) -> None:
    """Listen at these doors until `stop` is set; what is whole by then is kept and answered."""
    journal = LateJournal(
        partial(
            Journal.create,
            settings.journal_dir,
            node=settings.node,
            limit_bytes=settings.journal_bytes,
            prepares_space=True,
        )
    )
    desk = LabDesk(settings)
    listening = open_listeners(settings, doors, journal, desk)
    for one in listening:
        one.server.start()
        log.info("listener_started", wire=one.door.name, address=settings.bind, port=one.door.port)
    status = asyncio.create_task(
        publish(_status_path(settings), lambda: describe(settings, listening, journal))
    )
    await stop.wait()
    await asyncio.gather(*(one.server.close(GRACE_S) for one in listening))
    await journal.close()
    desk.close()
    status.cancel()
    _status_path(settings).unlink(missing_ok=True)


def open_listeners(
    settings: Settings, doors: Sequence[Door], journal: LateJournal, desk: LabDesk
) -> list[Listening]:
    """A server for each door, all with the same directory, journal and desk."""
    directory, known = DirectoryFile(settings.directory_snapshot), Known()
    keep = partial(_keep, journal)
    return [
        Listening(
            door=door,
            server=_astm(settings, door, directory, keep, journal, desk)
            if door.name in ASTM_DOORS
            else _mllp(settings, door, directory, keep, journal, desk, known),
        )
        for door in doors
    ]


def _mllp(
    settings: Settings,
    door: Door,
    directory: DirectoryFile,
    keep: "partial[Any]",
    journal: LateJournal,
    desk: LabDesk,
    known: Known,
) -> MllpServer:
    return MllpServer(
        door.listener,
        admission=LabAdmission(directory, policy=_policy(settings), hears_strangers=True),
        keep=keep,
        notice=journal.note,
        desk=desk,
        config=Config(
            max_connections=settings.lab_max_connections,
            max_connections_per_peer=settings.lab_max_connections_per_peer,
            idle_timeout_s=settings.lab_idle_timeout_s or None,
        ),
        tls=door.tls,
        known=known,
    )


def _astm(
    settings: Settings,
    door: Door,
    directory: DirectoryFile,
    keep: "partial[Any]",
    journal: LateJournal,
    desk: LabDesk,
) -> AstmServer:
    return AstmServer(
        door.listener,
        admission=LabAdmission(directory, policy=_policy(settings)),
        keep=keep,
        notice=journal.note,
        desk=desk,
        settings=AstmSettings(
            max_connections=settings.lab_max_connections,
            max_connections_per_peer=settings.lab_max_connections_per_peer,
        ),
        tls=door.tls,
    )


def _policy(settings: Settings) -> Policy:
    return Policy(
        require_tls=settings.lab_require_tls, asks_for_certificates=settings.tls_client_ca is not None
    )


async def _keep(journal: LateJournal, kind: str, origin: Mapping[str, Any], body: Sequence[bytes]) -> None:
    """Durable when it returns. Raises Unavailable."""
    size = sum(map(len, body))
    entry = journal.open(kind, origin, size_hint=size)
    try:
        if size > AT_ONCE_BYTES:
            for part in body:
                for begin in range(0, len(part), AT_ONCE_BYTES):
                    entry.write(memoryview(part)[begin : begin + AT_ONCE_BYTES])
                    await asyncio.sleep(0)
            body = ()
        await entry.commit(body)
    finally:
        entry.abort()  # changes nothing after a commit


def describe(settings: Settings, listening: Sequence[Listening], journal: LateJournal) -> dict[str, object]:
    """What the status file says."""
    return {
        "pid": os.getpid(),
        "node": settings.node,
        "role": ROLE,
        "at": datetime.now(UTC).isoformat(),
        "listeners": [_describe_listener(settings, one) for one in listening],
        "journal": {
            **asdict(measure_usage(settings.journal_dir)),
            "limit_bytes": settings.journal_bytes,
            "dropped_notes": journal.dropped_notes,
            "writes_direct": journal.writes_direct,
        },
    }


def _describe_listener(settings: Settings, one: Listening) -> dict[str, object]:
    door, counters = one.door, one.server.counters
    messages = counters.messages.total() if isinstance(counters, Hl7Counters) else counters.messages
    return {
        "name": door.name,
        "address": settings.bind,
        "port": door.port,
        "associations": counters.connections_open,
        "accepted": counters.connections_accepted,
        "refused": counters.connections_refused.total(),
        "instances": messages,
        "bytes": counters.bytes,
        "refused_by_reason": dict(counters.connections_refused),
        "refused_instances_by_status": dict(counters.refusals),
        **({"tls": describe_tls(door.tls)} if door.tls else {}),
    }


def _status_path(settings: Settings) -> Path:
    return settings.data_dir / "run" / f"ingest-{os.getpid()}.json"
