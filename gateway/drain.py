"""The drain process: index what arrives at once, file it behind, and bear it when the database or the store is away."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from adapters.errors import Unavailable
from gateway.filing import Filing
from gateway.intake import DATABASE_AWAY, Drain
from gateway.runtime import Runtime
from gateway.snapshot import refresh_snapshot

log = structlog.get_logger()

SHORTEST_IDLE_S, LONGEST_IDLE_S = 0.025, 0.15  # between two looks at the journals' marks, the longer the quieter
AWAY_S = 1.0  # before asking an absent database or store again
FILING_S = 1.0  # between two looks for what is to be filed
DIRECTORY_S = 2.0  # between two looks whether the directory has changed, perhaps on another machine


def run_drain(runtime: Runtime) -> None:
    """Drain until SIGTERM; what is under way is finished first. Indexing and filing each have a thread of their own.

    When one of them fails for good, both end and the process with them, so that the supervisor starts it again.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    failures: list[Exception] = []

    def run(loop: Callable[[Runtime, threading.Event], None]) -> None:
        try:
            loop(runtime, stop)
        except Exception as error:
            failures.append(error)
            stop.set()

    filing = threading.Thread(target=run, args=(_file_until,), name="filing")
    filing.start()
    run(_index_until)
    filing.join()
    if failures:
        raise failures[0]


def _index_until(runtime: Runtime, stop: threading.Event) -> None:
    drain, away = Drain(runtime), _Away("database")
    look_at_directory_at, idle_s = 0.0, SHORTEST_IDLE_S
    while not stop.is_set():
        try:
            if (
                time.monotonic() >= look_at_directory_at
            ):  # the listeners beside us know devices from its snapshot
                look_at_directory_at = time.monotonic() + DIRECTORY_S
                refresh_snapshot(runtime)
            found = drain.index_new()
            away.is_back()
        except DATABASE_AWAY as error:
            away.is_away(error)
            stop.wait(AWAY_S)
            continue
        idle_s = SHORTEST_IDLE_S if found else min(idle_s * 1.2, LONGEST_IDLE_S)
        if not found:
            stop.wait(idle_s)


def _file_until(runtime: Runtime, stop: threading.Event) -> None:
    filing, away = Filing(runtime), _Away("store")
    while not stop.is_set():
        try:
            filed = filing.file_ready()
            away.is_back()
        except (*DATABASE_AWAY, Unavailable) as error:
            away.is_away(error)
            stop.wait(AWAY_S)
            continue
        if not filed:
            stop.wait(FILING_S)


@dataclass(slots=True)
class _Away:
    """Says once that something is away, and once that it is back."""

    what: str
    since: float | None = None

    def is_away(self, error: Exception) -> None:
        if self.since is None:
            self.since = time.monotonic()
            log.error("became_unavailable", what=self.what, error=type(error).__name__)

    def is_back(self) -> None:
        if self.since is not None:
            log.info("became_available", what=self.what, after_s=round(time.monotonic() - self.since, 1))
            self.since = None
