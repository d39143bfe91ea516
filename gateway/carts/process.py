"""The process that watches the drop folder, beside the listeners and without a database."""

import json
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from gateway.carts.accounts import Accounts
from gateway.carts.apart import Readers
from gateway.carts.folder import Tally, Watch
from gateway.carts.taking import Taking
from gateway.runtime import utc_now
from gateway.settings import Settings
from gateway.threads import JournalThread

log = structlog.get_logger()

LOOK_S = 1.0
STATUS_INTERVAL_S = 1.0


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
    status = StatusFile(settings.data_dir / "run", settings.node, lambda: describe(settings, watch.tally))
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


class StatusFile:
    """Says each second what a process does; others read the file and see a dead one by its age."""

    def __init__(self, folder: Path, node: str, describe: Callable[[], dict[str, Any]]) -> None:
        self._path = folder / f"ingest-{os.getpid()}.json"
        self._node, self._describe = node, describe
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                self._write()
                away = False
            except OSError as error:
                if not away:
                    log.warning("status_not_written", error=error.strerror)
                away = True
            self._stop.wait(STATUS_INTERVAL_S)

    def _write(self) -> None:
        content = {
            "pid": os.getpid(),
            "node": self._node,
            "role": "carts",
            "at": datetime.now(UTC).isoformat(),
            "listeners": [self._describe()],
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        temporary.replace(self._path)
