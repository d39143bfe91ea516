"""Which processes of this node are there: web, worker and beat say so every second in a file of their own.

Host and process id name the file: containers that share a data folder have the same ids. What the listeners and the
drain write anyway is read along.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.pulse import FILE_NAME as DRAIN_FILE
from gateway.status_file import StatusFile

GONE_AFTER = timedelta(seconds=5)
FORGOTTEN_AFTER = timedelta(
    minutes=10
)  # a process that died and has not come back; then it is no news any more


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessFigures:
    """One process as it last said of itself."""

    role: str  # ingest, carts, drain, web, worker, beat
    node: str
    host: str
    pid: int | None
    started_at: datetime | None
    seen_at: datetime
    alive: bool


class Presence:
    """Says that this process is there, until it ends in order. One that is killed is missed by the age of its file."""

    def __init__(self, folder: Path, *, role: str, node: str, now: Callable[[], datetime]):
        self._folder, self._now = folder, now
        path = folder / f"process-{role}-{socket.gethostname()}-{os.getpid()}.json"
        facts = {
            "role": role, "node": node, "host": socket.gethostname(), "pid": os.getpid(),
            "started_at": now().isoformat(),
        }  # fmt: skip
        self._file = StatusFile(path, lambda: {**facts, "at": now().isoformat()})

    def start(self) -> None:
        self._forget_the_dead()
        self._file.start()

    def stop(self) -> None:
        self._file.stop()

    def say(self) -> None:
        """Once, now. Raises OSError."""
        self._file.say()

    def _forget_the_dead(self) -> None:
        for path in self._folder.glob("process-*.json"):
            found = _read(path)
            if found is None or self._now() - found["at"] > FORGOTTEN_AFTER:
                path.unlink(missing_ok=True)


def read_processes(folder: Path, *, node: str, now: datetime) -> list[ProcessFigures]:
    """Every process that was heard lately, in the order of roles."""
    found = [_figures(content, now) for path in folder.glob("process-*.json") if (content := _read(path))]
    found += list(_of_ingest(folder, node, now))
    known = [one for one in found if one.alive or now - one.seen_at <= FORGOTTEN_AFTER]
    return sorted(known, key=lambda one: (one.role, one.host, one.pid or 0))


def _of_ingest(folder: Path, node: str, now: datetime) -> Iterator[ProcessFigures]:
    for role, pattern in (("ingest", "ingest-*.json"), ("drain", DRAIN_FILE)):
        for path in folder.glob(pattern):
            if content := _read(path):
                said = {"node": node, "host": "", "pid": None, "role": role, **content}
                yield _figures(said, now)


def _figures(content: dict[str, Any], now: datetime) -> ProcessFigures:
    started = content.get("started_at")
    return ProcessFigures(
        role=str(content["role"]),
        node=str(content["node"]),
        host=str(content["host"]),
        pid=content["pid"],
        started_at=datetime.fromisoformat(started) if started else None,
        seen_at=content["at"],
        alive=now - content["at"] <= GONE_AFTER,
    )


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        content["at"] = datetime.fromisoformat(content["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # gone between the listing and now, or not written by one of ours
    return content
