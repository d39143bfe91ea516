"""A file in which a process says every second what it does.

Others read it whole at any moment, and see by its age that a process is dead; one that ends in order takes it away.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger()

INTERVAL_S = 1.0


class StatusFile:
    """Written by a thread of its own until it is stopped. A full disk stops the saying and nothing else."""

    def __init__(self, path: Path, describe: Callable[[], Mapping[str, Any]]) -> None:
        self._path, self._describe = path, describe
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        self._path.unlink(missing_ok=True)

    def say(self) -> None:
        """Once, now. Raises OSError."""
        write_whole(self._path, self._describe())

    def _run(self) -> None:
        away = False
        while not self._stop.is_set():
            try:
                self.say()
                away = False
            except OSError as error:
                if not away:
                    log.warning("status_not_written", file=self._path.name, error=error.strerror)
                away = True
            self._stop.wait(INTERVAL_S)


async def publish(path: Path, describe: Callable[[], Mapping[str, Any]]) -> None:
    """As StatusFile, of a process that runs an event loop: described on it, until cancelled."""
    away = False
    while True:
        try:
            await asyncio.to_thread(write_whole, path, describe())
            away = False
        except OSError as error:  # a full disk, or a folder that the drain removed while we looked
            if not away:
                log.warning("status_not_written", file=path.name, error=error.strerror)
            away = True
        await asyncio.sleep(INTERVAL_S)


def write_whole(path: Path, content: Mapping[str, Any]) -> None:
    """Whoever reads finds the old content or the new one. Not synced: it is no news after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)
