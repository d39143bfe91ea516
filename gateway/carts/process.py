"""The process that watches the drop folder, beside the listeners and without a database."""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import structlog

from gateway.carts.accounts import Accounts
from gateway.carts.apart import Readers
from gateway.carts.folder import Tally, Watch
from gateway.carts.taking import Taking
from gateway.runtime import utc_now
from gateway.settings import Settings
from gateway.status_file import StatusFile
from gateway.threads import JournalThread

log = structlog.get_logger()

LOOK_S = 1.0


def open_taking(settings: Settings) -> Taking:
    """For a process that has no runtime: what it needs of one."""
    taking = Taking(
        journal=JournalThread(settings.journal_dir, node=settings.node, limit_bytes=settings.journal_bytes),
        readers=Readers(),
        work_dir=settings.taking_dir,
        now=utc_now,
    )
    taking.clean()
    return taking


def run_folder(settings: Settings) -> None:
    """Look every second until told to stop; what is under way is finished first."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    taking = open_taking(settings)
    accounts = Accounts(settings.directory_snapshot)
    watch = Watch(settings, taking, accounts)
    status = status_of(settings, lambda: describe(settings, watch.tally))
    status.start()
    log.info("drop_folder_watched", folder=str(settings.drop_folder))
    try:
        while not stop.is_set():
            done = watch.look()
            stop.wait(0 if done else LOOK_S)
    finally:
        status.stop()
        taking.readers.close()
        taking.journal.close()


def describe(settings: Settings, tally: Tally) -> dict[str, Any]:
    """What the folder is among the listeners: a wire without a port."""
    return {
        "name": "folder",
        "address": str(settings.drop_folder),
        "port": 0,
        "associations": 0,
        "accepted": tally.taken,
        "refused": sum(tally.refused.values()),
        "instances": tally.taken,
        "bytes": tally.bytes,
        "refused_by_reason": dict(tally.refused),
        "troubles": dict(tally.troubles),
    }


def status_of(settings: Settings, describe: Callable[[], dict[str, Any]]) -> StatusFile:
    """What this process says among the listeners."""

    def told() -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "node": settings.node,
            "role": "carts",
            "at": utc_now().isoformat(),
            "listeners": [describe()],
        }

    return StatusFile(settings.data_dir / "run" / f"ingest-{os.getpid()}.json", told)
