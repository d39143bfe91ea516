"""The drain process: index what arrives at once, file it behind, and bear it when the database or the store is away."""

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import structlog

from adapters.errors import Unavailable
from gateway import journal
from gateway.database import is_away
from gateway.filing import Filing
from gateway.in_hand import read_in_hand
from gateway.index import DrainMark
from gateway.intake import DATABASE_AWAY, Drain
from gateway.objects import StoreFailed
from gateway.pacing import Way, open_way
from gateway.pulse import Pulse
from gateway.runtime import Runtime
from gateway.snapshot import refresh_snapshot

log = structlog.get_logger()

# Between two looks at the journals' marks, the longer the quieter. Few records at a time cost a transaction each:
# the next look waits for some more to come.
SHORTEST_IDLE_S, LONGEST_IDLE_S = 0.025, 0.15
FEW_RECORDS, FEW_IDLE_S = 40, 0.02
PREPARED_S = 0.25  # between two looks whether the database is prepared
LOCK_NAME = "drain.lock"
LOCKED_S = 1.0  # between two looks whether another drain has ended
AWAY_S = 1.0  # before asking an absent database or store again
LONGEST_RETRY_AFTER_S = 60.0  # a store may wish for more; somebody may have mended it meanwhile
LONGEST_AWAY_S = 15.0  # a store that stays away, or is overburdened, is asked less and less often
FILING_S = 0.5  # between two looks for what is to be filed
DIRECTORY_S = 2.0  # between two looks whether the directory has changed, perhaps on another machine
FIGURES_S = 5.0  # between two writings of the figures, at least


def run_drain(runtime: Runtime, *, prepared: Callable[[], bool] = lambda: True) -> None:
    """Drain until SIGTERM; what is under way is finished first. Indexing and filing each have a thread of their own.

    When one of them fails for good, both end and the process with them, so that the supervisor starts it again.
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    drain_until(runtime, stop, prepared=prepared)


def drain_until(
    runtime: Runtime, stop: threading.Event, *, prepared: Callable[[], bool] = lambda: True
) -> None:
    """Drain until told to stop, once the database is prepared and no other drain works on this data folder.

    Raises what ended it for good.
    """
    folder = runtime.settings.data_dir / "run"
    with only_drain(folder, stop) as is_only:
        if is_only:
            _drain_alone(runtime, folder, stop, prepared)


@contextlib.contextmanager
def only_drain(folder: Path, stop: threading.Event) -> Iterator[bool]:
    """Held by one drain of a data folder; another one waits for its end, and says so. False when told to stop first.

    Two would do everything twice and remove each other's unfinished packs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        said = False
        while not (locked := _lock(handle)) and not stop.is_set():
            if not said:
                log.error("another_drain_runs", data_dir=str(folder.parent), pid=os.read(handle, 20).decode())
            said = True
            stop.wait(LOCKED_S)
        if locked:
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield locked
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _drain_alone(runtime: Runtime, folder: Path, stop: threading.Event, prepared: Callable[[], bool]) -> None:
    pulse = Pulse(folder, now=runtime.now)
    drain = Drain(runtime, in_hand=read_in_hand(folder, careful=pulse.was_left))
    way = open_way(runtime.settings)
    failures: list[Exception] = []

    def run(loop: Callable[[], None]) -> None:
        while not prepared() and not stop.wait(PREPARED_S):
            pass
        try:
            loop()
        except Exception as error:
            failures.append(error)
            stop.set()

    beating = threading.Thread(target=pulse.beat_until, args=(stop,), name="pulse")
    filing = threading.Thread(
        target=run, args=(partial(_file_until, runtime, pulse, way, stop),), name="filing"
    )
    beating.start()
    filing.start()
    run(partial(_index_until, runtime, drain, pulse, way, stop))
    filing.join()
    beating.join()
    if failures:
        raise failures[0]


def _index_until(runtime: Runtime, drain: Drain, pulse: Pulse, way: Way, stop: threading.Event) -> None:
    idle_s = SHORTEST_IDLE_S
    for node in journal.unfiled_nodes(journal.journals(runtime.journal_dir)) - {runtime.settings.node}:
        log.warning(
            "journal_of_another_node", node=node
        )  # GATEWAY_NODE was changed; it is drained all the same
    look_at_directory_at = write_figures_at = 0.0
    while not stop.is_set():
        now = time.monotonic()
        try:
            if now >= look_at_directory_at:  # the listeners beside us know devices from its snapshot
                look_at_directory_at = now + DIRECTORY_S
                refresh_snapshot(runtime)
            found = way.index(drain.index_new)
            pulse.indexed.add(found)
            pulse.is_back("database")
            if now >= write_figures_at:
                write_figures_at = now + FIGURES_S
                write_figures(runtime, pulse)
        except DATABASE_AWAY as error:
            if not is_away(error):
                raise
            pulse.is_away("database", error)
            stop.wait(AWAY_S)
            continue
        if not found:
            idle_s = min(idle_s * 1.2, LONGEST_IDLE_S)
            stop.wait(idle_s)
        elif found < FEW_RECORDS:
            idle_s = SHORTEST_IDLE_S
            stop.wait(FEW_IDLE_S)


def write_figures(runtime: Runtime, pulse: Pulse) -> None:
    """Tell the other nodes what this one does; nothing is written while nothing changes."""
    figures = pulse.figures()
    with runtime.reading() as session:
        mark = session.get(DrainMark, runtime.settings.node)
        written = mark.figures if mark else {}
    if mark is None or written == {**figures, "at": written.get("at")}:
        return
    with runtime.sessions.begin() as session:
        session.get_one(DrainMark, runtime.settings.node).figures = figures


def _file_until(runtime: Runtime, pulse: Pulse, way: Way, stop: threading.Event) -> None:
    filing, away_s = Filing(runtime, makes_way=way.is_needed), AWAY_S
    try:
        while not stop.is_set():
            try:
                filed = filing.file_ready()
                pulse.filed.add(filed)
                if filed or not (filing.is_busy or way.is_needed()):  # else nothing was heard of the store
                    pulse.is_back("store")
                    away_s = AWAY_S
            except Unavailable as error:
                pulse.is_away("store", error)
                wished_s = error.retry_after_s if isinstance(error, StoreFailed) else 0.0
                stop.wait(max(away_s, min(wished_s, LONGEST_RETRY_AFTER_S)))
                away_s = min(away_s * 2, LONGEST_AWAY_S)
                continue
            except DATABASE_AWAY as error:
                pulse.note_error(error)  # the indexing beside us says so
                stop.wait(AWAY_S)
                continue
            if not filed:
                way.wait(stop, FILING_S)
    finally:
        filing.close()
