"""Named places on the path of an instance at which a test lets this process die, fail or wait.

Off unless `GATEWAY_FAULTS` arms some: `journal.written=kill@3; file.putting=error; index.indexed=delay@1:0.5`.
`kill` ends the process as SIGKILL does, `error` raises what really goes wrong there, `delay` waits so many seconds.
`@n` means only the n-th time that a process comes there; without it every time. Each process counts for itself.

`trace=FOLDER` beside or without them: where each process is, in a file of memory by its number, which outlives it.
"""

import errno
import mmap
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog

from adapters.errors import Unavailable

log = structlog.get_logger(__name__)

ACTIONS = ("kill", "error", "delay")
DELAY_S = 0.2  # when nothing else is said
TRACE = "trace"
_LINE_BYTES = 32  # of a trace: the last point of a kind, filled up with blanks


def _no_space() -> Exception:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _bad_disk() -> Exception:
    return OSError(errno.EIO, os.strerror(errno.EIO))


def _store_away() -> Exception:
    return Unavailable("the object store cannot be reached: a fault was asked for")


def _database_away() -> Exception:
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415 (the listeners never need it)

    return OperationalError("COMMIT", None, Exception("a fault was asked for"))


# In the order in which an instance passes them: what goes wrong there, or None where nothing can fail by itself.
POINTS: Mapping[str, Callable[[], Exception] | None] = {
    "journal.making": _no_space,  # the folder of a new journal is written, not yet under its name
    "journal.made": _bad_disk,  # it has its name, which is not synced
    "journal.opened": None,  # an instance begins to arrive
    "journal.segment_made": _no_space,  # a new segment with its header; its name is not synced
    "journal.writing": _no_space,  # before a group is written
    "journal.written": _bad_disk,  # before it is synced
    "journal.synced": None,  # before the mark says so
    "journal.marked": None,  # before anybody is answered
    "journal.preparing": _no_space,  # before space behind the records is filled with zeros
    "journal.ending": _bad_disk,  # before a segment is ended
    "single.writing": _no_space,  # before a part of a large body is written
    "single.flying": _bad_disk,  # before a thread writes a piece of it
    "single.written": _bad_disk,  # before it is synced
    "single.synced": _bad_disk,  # before it is renamed
    "single.renamed": _bad_disk,  # before its name is synced
    "index.indexing": _database_away,  # before the rows of a batch are made
    "index.indexed": _database_away,  # they are made, before the commit
    "index.committed": None,
    "file.packing": _bad_disk,  # before each body that is packed
    "file.packed": None,  # all bodies are read, the rest of the pack goes to the store
    "file.putting": _store_away,  # before the store is asked
    "folder.written": _no_space,  # an object in a folder before it gets its name
    "file.put": _store_away,  # the pack is in the store, no row points to it
    "file.pointed": _database_away,  # the rows point to it, before the commit
    "file.committed": None,
    "file.marked": None,  # a segment is marked as filed
    "evict.noting": _database_away,  # before the rows are told that a segment goes
    "evict.noted": None,  # the rows say that a segment is not here, it still is
    "evict.removing": _bad_disk,  # the segment is removed, its mark is not
    "evict.removed": None,
    "journal.removing": _bad_disk,  # its cursors are gone, before the folder is
    "journal.renamed": _bad_disk,  # it is no journal any more, its folder is still there
    "sweep.leased": None,  # due rows are leased, nothing is done
    "deliver.begun": None,  # the attempt is a row, nothing is sent
    "deliver.answered": None,  # the peer has answered, which is not noted
    "sweep.worked": None,  # a task is done, its outcome is not written
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens at a point. `at`: only the n-th time, 0 is every time."""

    point: str
    action: str
    at: int = 0
    delay_s: float = DELAY_S


_armed: dict[str, list[Fault]] = {}
_reached: dict[str, int] = {}
_traces: "list[_Trace]" = []  # one or none


def reach(point: str) -> None:
    """This process is at a named point. Costs a look at an empty table unless something is armed."""
    if _armed:
        _act(point)


def arm(faults: str) -> None:
    """Let happen from now on, in this process and its children, what `GATEWAY_FAULTS` says, and nothing else."""
    for forgotten in (_armed, _reached, _traces):
        forgotten.clear()
    for fault in read_faults(faults):
        if fault.point == TRACE:
            _traces.append(_Trace(Path(fault.action)))
        _armed.setdefault(fault.point, []).append(fault)
    if _armed:
        log.warning("faults_armed", faults=faults)


def read_faults(text: str) -> list[Fault]:
    """The faults that a setting asks for; a ValueError says what is no fault."""
    return [_read_fault(part.strip()) for part in text.split(";") if part.strip()]


def _read_fault(text: str) -> Fault:
    point, _, wanted = (part.strip() for part in text.partition("="))
    if point == TRACE and Path(wanted).is_absolute():
        return Fault(point=TRACE, action=wanted)
    wanted, _, seconds = wanted.partition(":")
    action, _, at = wanted.partition("@")
    if point not in POINTS:
        raise ValueError(f"there is no fault point {point!r}; there are {', '.join(POINTS)}")
    if action not in ACTIONS:
        raise ValueError(f"{point}: {action!r} is none of {', '.join(ACTIONS)}")
    if action == "error" and POINTS[point] is None:
        raise ValueError(f"{point}: nothing fails there by itself; kill and delay are possible")
    return Fault(
        point=point, action=action, at=int(at) if at else 0, delay_s=float(seconds) if seconds else DELAY_S
    )


def read_trace(folder: Path, pid: int) -> dict[str, str]:
    """The last point of each kind (`journal`, `index`, …) at which a process was; it may be dead."""
    path = folder / str(pid)
    points = path.read_bytes().replace(b"\0", b" ").decode().split() if path.exists() else []
    return {point.partition(".")[0]: point for point in points}


class _Trace:
    """Where this process is, written into shared pages: a look costs nothing, and a kill does not undo it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds = {kind: n for n, kind in enumerate(dict.fromkeys(p.partition(".")[0] for p in POINTS))}
        self._pid = 0

    def note(self, point: str) -> None:
        if self._pid != os.getpid():  # forked since
            self._open()
        start = self._kinds[point.partition(".")[0]] * _LINE_BYTES
        self._pages[start : start + _LINE_BYTES] = point.encode().ljust(_LINE_BYTES)

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / str(os.getpid())).open("w+b") as file:
            file.truncate(len(self._kinds) * _LINE_BYTES)
            self._pages = mmap.mmap(file.fileno(), 0)
        self._pid = os.getpid()


def _act(point: str) -> None:
    for trace in _traces:
        trace.note(point)
    here = _armed.get(point)
    if here is None:
        return
    _reached[point] = _reached.get(point, 0) + 1
    for fault in here:
        if fault.at in (0, _reached[point]):
            _let_happen(fault)


def _let_happen(fault: Fault) -> None:
    log.warning("fault_happened", point=fault.point, action=fault.action)  # standard error: written at once
    if fault.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault.action == "delay":
        time.sleep(fault.delay_s)
    else:
        natural = POINTS[fault.point]
        assert natural is not None
        raise natural()
