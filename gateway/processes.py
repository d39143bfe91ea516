"""A tree of processes: a supervisor that starts children, starts again what died, and stops all together."""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess

import structlog

log = structlog.get_logger()

FORK = multiprocessing.get_context("fork")  # children inherit the listening sockets
STOP_TIMEOUT_S = 10.0
FIRST_RESTART_S, LONGEST_RESTART_S = 0.5, 15.0
GARBAGE_AFTER = 10_000
STEADY_S = 30.0  # a child that lived this long starts again at once
_PR_SET_PDEATHSIG = 1  # prctl(2)
_M_ARENA_MAX = -8  # mallopt(3)


@dataclass(slots=True)
class _Child:
    run: Callable[[], None]
    process: BaseProcess
    started_at: float
    restart_at: float | None = None
    restarts: int = 0


@dataclass(slots=True)
class Supervisor:
    """Runs named children until it is told to stop (SIGTERM, SIGINT, a terminal that hangs up).

    A SIGHUP without a terminal asks to read files anew: that happens by itself, so it changes nothing.
    """

    children: Mapping[str, Callable[[], None]]
    on_tick: Callable[[], None] = lambda: None
    _running: dict[str, _Child] = field(default_factory=dict)
    _stopping: bool = False

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, self._stop if os.isatty(0) else _say_nothing_to_read)
        keep_what_is_loaded()
        for name, target in self.children.items():
            self._running[name] = _Child(target, _start(name, target), time.monotonic())
        while not self._stopping:
            self._restart_dead()
            self.on_tick()
            time.sleep(0.2)
        self._end_all()

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _restart_dead(self) -> None:
        now = time.monotonic()
        for name, child in self._running.items():
            if child.process.is_alive():
                continue
            if child.restart_at is None:
                lived = now - child.started_at
                child.restarts = 0 if lived > STEADY_S else child.restarts + 1
                delay = min(FIRST_RESTART_S * 2**child.restarts, LONGEST_RESTART_S)
                child.restart_at = now + delay
                log.error("process_ended", process=name, code=child.process.exitcode, again_in_s=delay)
            elif now >= child.restart_at:
                child.process, child.started_at = _start(name, child.run), now
                child.restart_at = None

    def _end_all(self) -> None:
        for child in self._running.values():
            if child.process.is_alive():
                child.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for name, child in self._running.items():
            child.process.join(max(0.0, deadline - time.monotonic()))
            if child.process.is_alive():
                log.warning("process_killed", process=name)
                child.process.kill()
                child.process.join()


def _say_nothing_to_read(_number: int, _frame: object) -> None:
    log.info("files_are_read_when_they_change")


def die_with_parent(parent: int, how: signal.Signals = signal.SIGTERM) -> None:
    """End this process when the one that forked it ends, however that ends; at once when it has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:
        os._exit(1)


def work_apart(name: str, work: Callable[[], None]) -> None:
    """Do it in a process of its own and wait: what it loads is nobody's afterwards. What it raises is raised here."""
    receiving, sending = FORK.Pipe(duplex=False)

    def run() -> None:
        try:
            work()
        except Exception as error:  # whatever it is, it is for who asked
            sending.send(error)

    process = _start(name, run)
    sending.close()
    error: Exception | None = None
    with suppress(EOFError), receiving:  # nothing is said of what went well
        error = receiving.recv()
    process.join()
    if error is not None:
        raise error
    if process.exitcode:
        raise RuntimeError(f"the process {name} ended with {process.exitcode}")


def collect_seldom() -> None:
    """Look for garbage after ten thousand new objects, not seven hundred: hundreds of thousands are loaded to stay,
    and a fifth of the time that this takes was spent in going through them.
    """
    gc.set_threshold(GARBAGE_AFTER)


@contextmanager
def garbage_later() -> Iterator[None]:
    """For work of a second or two that keeps what it makes to its end: to look through it meanwhile finds nothing."""
    looked_for = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looked_for:
            gc.enable()


def keep_what_is_loaded() -> None:
    """What is there by now stays: nobody looks through it for garbage, and who is forked shares its memory for longer."""
    gc.collect()
    gc.freeze()


def share_one_heap() -> None:
    """The threads of this process allocate from one heap. glibc gives each its own, which keeps for that thread alone
    what it once needed; threads that take turns in Python hardly ever wait for one another here.
    """
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):  # another C library has one heap anyway
        libc.mallopt(_M_ARENA_MAX, 1)


def _start(name: str, target: Callable[[], None]) -> BaseProcess:
    process = FORK.Process(target=_run_child, args=(name, target, os.getpid()), name=f"gateway-{name}")
    # Told to end in its first moment, a child would take the word for its supervisor's, whose handler it still has.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return process


def _run_child(name: str, target: Callable[[], None], parent: int) -> None:
    """A child dies with its supervisor, however that dies: an orphan would hold the ports."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    for number in (signal.SIGINT, signal.SIGHUP):  # both reach the whole group; the supervisor decides
        signal.signal(number, signal.SIG_IGN)
    die_with_parent(parent)
    try:
        target()
    except KeyboardInterrupt:
        sys.exit(0)
    except Exception:
        log.exception("process_failed", process=name)
        sys.exit(1)
