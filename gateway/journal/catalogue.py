"""Which journals and segments there are, how far each may be read, and their removal.

A journal whose writer is gone is settled once: what it had written but not marked is synced, searched for whole
records, and ended there. Every function may be called from any process at any time.
"""

import contextlib
import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from gateway.fault_points import reach
from gateway.journal.format import MARK_BYTES, Broken, Mark, UnknownFormat, read_mark, write_mark
from gateway.journal.scan import FoundRecord, SegmentScan
from gateway.journal.segment import PAGE_BYTES, segment_path, sync_folder

log = structlog.get_logger(__name__)

LOCK_NAME = "lock"  # held by the writer while it lives
DESCRIPTION_NAME = "journal.json"
_NUMBER_DIGITS = 8
_CHUNK_BYTES = 1024 * 1024
_MARK_TRIES = 50  # a mark is 16 bytes written at once; a reader that meets it half-written looks again


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentState:
    """One segment. `ended`: nothing will be added after `readable_to`. `single`: it holds one large record.

    `size_bytes` leaves out the space that is prepared behind the records of a segment that is still written.
    """

    number: int
    size_bytes: int
    readable_to: int
    ended: bool
    single: bool
    filed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """One journal and its segments by number; `alive` while its writer holds the lock."""

    id: str
    node: str
    alive: bool
    segments: tuple[SegmentState, ...]


def journals(root: Path) -> list[JournalState]:
    """Every journal under the root; those without a writer are settled first."""
    if not root.is_dir():
        return []
    found = []
    for folder in sorted(root.iterdir()):
        if (folder / DESCRIPTION_NAME).is_file() and not folder.name.startswith("."):
            with contextlib.suppress(FileNotFoundError):  # removed by the drain while we looked
                found.append(_journal_state(folder))
    return found


def unfiled_nodes(states: Iterable[JournalState]) -> frozenset[str]:
    """The nodes under whose names something here still waits to be filed."""
    return frozenset(state.node for state in states if any(not segment.filed for segment in state.segments))


def find_segment(root: Path, journal: str, number: int) -> Path | None:
    """The file of a committed segment, wherever its kind has put it."""
    folder = journal_folder(root, journal)
    for suffix in ("seg", "single"):
        path = segment_path(folder, number, suffix)
        if path.exists():
            return path
    return None


def journal_folder(root: Path, journal: str) -> Path:
    if len(journal) != 32 or not set(journal) <= set("0123456789abcdef"):
        raise ValueError("a journal id is 32 hexadecimal digits")
    return root / journal


def used_bytes(segment: Path, size_bytes: int) -> int:
    """How much of a segment file of this size is used: behind the records of a live one, space may be prepared."""
    mark = _mark_of(segment) if segment.suffix == ".seg" else None
    return size_bytes if mark is None or mark.ended else min(size_bytes, mark.offset)


def mark_filed(root: Path, journal: str, number: int) -> None:
    """Note that all records of an ended segment are filed: it is made read-only and no longer fills the journal."""
    path = _ended_segment(root, journal, number)
    if path is not None:
        path.chmod(0o440)


def remove_segment(root: Path, journal: str, number: int) -> None:
    """Remove an ended segment. Removing what is gone already changes nothing."""
    path = _ended_segment(root, journal, number)
    if path is not None:
        path.unlink(missing_ok=True)
        reach("evict.removing")
        path.with_suffix(".mark").unlink(missing_ok=True)


def remove_journal(root: Path, journal: str) -> None:
    """Remove the folder of a journal that has no writer and no segment left."""
    folder = journal_folder(root, journal)
    if not folder.exists():
        return
    state = _journal_state(folder)
    if state.alive or state.segments:
        raise ValueError("the journal is still written or still has segments")
    gone = root / f".gone-{journal}"
    reach("journal.removing")
    folder.rename(gone)  # in one step it is no journal any more; the rest may be repeated
    reach("journal.renamed")
    shutil.rmtree(gone)


def remove_leftovers(root: Path) -> None:
    """Remove what was left by processes that were killed while they made or removed a journal's folder."""
    if not root.is_dir():
        return
    for gone in root.glob(".gone-*"):
        shutil.rmtree(gone, ignore_errors=True)  # perhaps another drain is at it; else the next time
    with making_journals(root, alone=True) as nobody_is:
        for half in root.glob(".new-*") if nobody_is else ():
            shutil.rmtree(half, ignore_errors=True)


@contextlib.contextmanager
def making_journals(root: Path, *, alone: bool = False) -> Iterator[bool]:
    """Held while a journal's folder is being made. `alone`: false instead of a wait when somebody is making one."""
    lock = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)
            locked = True
        except BlockingIOError:
            locked = False
        yield locked
    finally:
        os.close(lock)


def _journal_state(folder: Path) -> JournalState:
    alive = _has_writer(folder)
    if not alive:
        try:
            _settle(folder)
        except (
            OSError
        ) as error:  # a full disk, say: as if its writer lived, until there is room to write its end
            log.warning("journal_not_settled", journal=folder.name, error=error.strerror)
            alive = True
    node = json.loads((folder / DESCRIPTION_NAME).read_text())["node"]
    # Shared segments first: a single record committed before something readable in them is then always listed.
    segments = [*_shared_segments(folder), *_single_segments(folder)]
    return JournalState(
        id=folder.name, node=node, alive=alive, segments=tuple(sorted(segments, key=lambda one: one.number))
    )


def _has_writer(folder: Path) -> bool:
    with (folder / LOCK_NAME).open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _shared_segments(folder: Path) -> Iterator[SegmentState]:
    for path, status in _files(folder, ".seg"):
        mark = _mark_of(path) or Mark(offset=0, ended=False)
        size = status.st_size if mark.ended else min(status.st_size, mark.offset)
        yield _segment_state(path, status, size=size, readable_to=mark.offset, ended=mark.ended, single=False)


def _single_segments(folder: Path) -> Iterator[SegmentState]:
    for path, status in _files(folder, ".single"):
        size = status.st_size
        yield _segment_state(path, status, size=size, readable_to=size, ended=True, single=True)


def _segment_state(
    path: Path, status: os.stat_result, *, size: int, readable_to: int, ended: bool, single: bool
) -> SegmentState:
    return SegmentState(
        number=int(path.stem),
        size_bytes=size,
        readable_to=readable_to,
        ended=ended,
        single=single,
        filed=not status.st_mode & stat.S_IWUSR,
    )


def _files(folder: Path, suffix: str) -> Iterator[tuple[Path, os.stat_result]]:
    for path in folder.iterdir():
        if path.suffix == suffix and len(path.stem) >= _NUMBER_DIGITS and path.stem.isdecimal():
            with contextlib.suppress(FileNotFoundError):
                yield path, path.stat()


def _mark_of(segment: Path) -> Mark | None:
    path = segment.with_suffix(".mark")
    for _ in range(_MARK_TRIES):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        mark = read_mark(data)
        if mark is not None or len(data) != MARK_BYTES:
            return mark
    return None


def _ended_segment(root: Path, journal: str, number: int) -> Path | None:
    path = find_segment(root, journal, number)
    if path is None or path.suffix == ".single":
        return path
    mark = _mark_of(path)
    if mark is None or not mark.ended:
        raise ValueError(f"segment {number} is still being written")
    return path


def _settle(folder: Path) -> None:
    """End every segment of a journal that lost its writer. Costs one look when that was done before."""
    if not any(True for _ in _unsettled(folder)) and not any(folder.glob("*.part")):
        return
    with _locked(folder):
        for path, mark in _unsettled(folder):
            _end_segment(path, mark)
        for part in folder.glob("*.part"):
            part.unlink(missing_ok=True)  # was never acknowledged
        sync_folder(folder)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Held while a journal without a writer is settled. The folder itself: a full disk has no room for another file."""
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _unsettled(folder: Path) -> Iterator[tuple[Path, Mark]]:
    for path, _ in _files(folder, ".seg"):
        mark = _mark_of(path) or Mark(offset=0, ended=False)
        if not mark.ended:
            yield path, mark


def _cut_prepared(path: Path) -> int:
    """Give back the space that was prepared behind the records of a lost writer; returns the file's size then."""
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - _CHUNK_BYTES)
            file.seek(start)
            written = len(file.read(end - start).rstrip(b"\0"))
            end = start + written
            if written:
                break
        end = min(size, end + PAGE_BYTES)  # the last bytes of a record may be zeros as well
        if end < size:
            file.truncate(end)
        return end


def _end_segment(path: Path, mark: Mark) -> None:
    """Sync a segment and end it behind its last whole record; what follows was never acknowledged."""
    size = _cut_prepared(path)
    try:
        with SegmentScan(path) as scan:
            scan.sync()
            end = mark.offset
            for found in scan.records(mark.offset, size, whole=True):
                if isinstance(found, FoundRecord):
                    end = found.next_offset
    except UnknownFormat:
        return  # reading it says so
    except Broken:
        # The header is synced before the first acknowledgement: without it there is no record, unless it rotted.
        with path.open("rb") as file:
            end = size if mark.offset or any(file.read(4096)) else 0
    handle = os.open(path.with_suffix(".mark"), os.O_RDWR | os.O_CREAT, 0o640)
    try:
        os.pwrite(handle, write_mark(Mark(offset=end, ended=True)), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
