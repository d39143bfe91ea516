"""The state of the whole, for IT people and for metrics: figures and faults, no names of patients."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import journal
from gateway.index import DrainMark, Pack, Record, RecordState, SegmentCursor
from gateway.journal import JournalState
from gateway.listeners import Status, read_status
from gateway.probes import Answer, Probes
from gateway.runtime import Runtime
from gateway.work import Work
from worklists.reading import ReadingTask
from worklists.reports import ReportReturn

T = TypeVar("T")

COUNT_RECORDS = (
    200  # looked at one by one; beyond that the number of unindexed records is reckoned from bytes
)
JOURNAL_LOOK_S = 2.0
SILENT_DRAIN, SLOW_DRAIN = timedelta(seconds=30), timedelta(minutes=5)
LATE_SWEEP = timedelta(minutes=5)
FAILING_AFTER = 3  # attempts; one or two failures are what retries are for
NEARLY_FULL = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFigures:
    segments: int = 0
    bytes: int = 0
    unfiled_bytes: int = 0
    limit_bytes: int = 0
    unindexed_records: int = 0
    oldest_unindexed_at: datetime | None = None
    quarantined: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainFigures:
    indexed_per_minute: int = 0
    filed_per_minute: int = 0
    indexed_at: datetime | None = None
    filed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFigures:
    kind: str
    up: bool
    packs: int
    bytes: int
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFigures:
    kind: str
    up: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFigures:
    kind: str
    due: int
    oldest_due_at: datetime | None
    failing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong now; `code` is a key of `gateway.web.messages.FAULTS`."""

    code: str
    where: str
    severity: str  # red: somebody must act now; amber: look at it today
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    status: Status
    journal: JournalFigures
    drain: DrainFigures
    store: StoreFigures
    database: DatabaseFigures
    sweep: SweepFigures
    tasks: dict[str, int]
    returns: dict[str, int]
    faults: tuple[Fault, ...]


class Kept(Generic[T]):
    """A look that costs something, kept for a moment."""

    def __init__(self, look: Callable[[], T], *, for_s: float):
        self._look, self._for_s = look, for_s
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until = float("-inf")

    def get(self) -> T:
        with self._lock:
            if self._value is None or time.monotonic() >= self._until:
                self._value = self._look()
                self._until = time.monotonic() + self._for_s
            return self._value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Backlog:
    segments: int
    bytes: int
    records: int
    oldest_at: datetime | None


class Overseer:
    """Looks at everything for one process."""

    def __init__(self, runtime: Runtime, probes: Probes):
        self._runtime, self._probes = runtime, probes
        self._backlog = Kept(self._look_at_journals, for_s=JOURNAL_LOOK_S)

    def look(self) -> System:
        """Raises what the database raises when it is away."""
        runtime, now = self._runtime, self._runtime.now()
        status = read_status(runtime.settings.data_dir / "run", now=now)
        store = self._probes.store.ask()
        with runtime.reading() as session:
            journal_figures = self._journal(session, status)
            drain = _drain(session, now)
            sweep = _sweep(session, runtime, now)
            return System(
                status=status,
                journal=journal_figures,
                drain=drain,
                store=_store(session, runtime, store),
                database=DatabaseFigures(kind=runtime.engine.dialect.name, up=True, detail=""),
                sweep=sweep,
                tasks=_count(session, ReadingTask.state),
                returns=_count(session, ReportReturn.state),
                faults=tuple(find_faults(status, journal_figures, drain, sweep, store, now)),
            )

    def _journal(self, session: Session, status: Status) -> JournalFigures:
        backlog = self._backlog.get()
        quarantined = select(func.count()).where(Record.state == RecordState.QUARANTINED)
        unfiled = status.unfiled_bytes
        if unfiled is None:
            unfiled = _local_usage(self._runtime)
        return JournalFigures(
            segments=backlog.segments,
            bytes=backlog.bytes,
            unfiled_bytes=unfiled,
            limit_bytes=status.limit_bytes or self._runtime.settings.journal_bytes,
            unindexed_records=backlog.records,
            oldest_unindexed_at=backlog.oldest_at,
            quarantined=session.scalar(quarantined) or 0,
        )

    def _look_at_journals(self) -> _Backlog:
        root, segments, size, records = self._runtime.journal_dir, 0, 0, 0
        oldest: list[datetime] = []
        for state in journal.journals(root):
            segments += len(state.segments)
            size += sum(segment.size_bytes for segment in state.segments)
            count, oldest_at = self._unindexed(state)
            records += count
            oldest += [oldest_at] if oldest_at else []
        return _Backlog(segments=segments, bytes=size, records=records, oldest_at=min(oldest, default=None))

    def _unindexed(self, state: JournalState) -> tuple[int, datetime | None]:
        with self._runtime.reading() as session:
            rows = session.scalars(select(SegmentCursor).where(SegmentCursor.journal == state.id))
            cursors = {row.segment: row.offset for row in rows}
        total = sum(max(0, s.readable_to - cursors.get(s.number, 0)) for s in state.segments)
        if total == 0:
            return 0, None
        batch = journal.read_new(self._runtime.journal_dir, state, cursors, limit=COUNT_RECORDS)
        times = [at for record in batch.records if (at := _received_at(record.origin))]
        count = len(batch.records) + len(batch.damaged)
        covered = sum(offset - cursors.get(number, 0) for number, offset in batch.cursors.items())
        if count >= COUNT_RECORDS and covered > 0:
            count = max(count, count * total // covered)
        return count, min(times, default=None)


def find_faults(
    status: Status,
    figures: JournalFigures,
    drain: DrainFigures,
    sweep: SweepFigures,
    store: Answer,
    now: datetime,
) -> list[Fault]:
    """What is wrong now, the worst first."""
    found = [
        Fault(code="listener_down", where=f"{one.name} :{one.port}", severity="red", since=one.seen_at)
        for one in status.listeners
        if not one.up
    ]
    if not store.up:
        found.append(Fault(code="store_away", where=store.detail, severity="red"))
    if figures.limit_bytes and figures.unfiled_bytes >= NEARLY_FULL * figures.limit_bytes:
        full = figures.unfiled_bytes >= figures.limit_bytes
        found.append(
            Fault(
                code="journal_full" if full else "journal_filling",
                where="journal",
                severity="red" if full else "amber",
            )
        )
    found += _drain_faults(figures, drain, now)
    if sweep.oldest_due_at is not None and now - sweep.oldest_due_at > LATE_SWEEP:
        found.append(Fault(code="sweep_late", where=sweep.kind, severity="red", since=sweep.oldest_due_at))
    if sweep.failing:
        found.append(Fault(code="work_failing", where=str(sweep.failing), severity="amber"))
    if figures.quarantined:
        found.append(Fault(code="quarantine", where=str(figures.quarantined), severity="amber"))
    if status.dropped_notes:
        found.append(Fault(code="notes_dropped", where=str(status.dropped_notes), severity="amber"))
    return sorted(found, key=lambda fault: fault.severity, reverse=True)


def _drain_faults(figures: JournalFigures, drain: DrainFigures, now: datetime) -> list[Fault]:
    oldest = figures.oldest_unindexed_at
    if oldest is not None and now - oldest > SILENT_DRAIN:
        severity = "red" if now - oldest > SLOW_DRAIN else "amber"
        return [Fault(code="drain_behind", where="drain", severity=severity, since=oldest)]
    if drain.indexed_at is not None and oldest is None and now - drain.indexed_at > SILENT_DRAIN:
        return [Fault(code="drain_silent", where="drain", severity="red", since=drain.indexed_at)]
    return []


def _drain(session: Session, now: datetime) -> DrainFigures:
    """A record becomes a row when it is indexed, so those received in the last minute were indexed in it."""
    marks = session.scalars(select(DrainMark)).all()
    minute = now - timedelta(minutes=1)
    indexed = select(func.count()).where(Record.received_at >= minute)
    filed = select(func.count()).join(Pack, Pack.id == Record.pack_id).where(Pack.filed_at >= minute)
    return DrainFigures(
        indexed_per_minute=_figure(marks, "indexed_per_minute", session.scalar(indexed)),
        filed_per_minute=_figure(marks, "filed_per_minute", session.scalar(filed.select_from(Record))),
        indexed_at=min((mark.indexed_until for mark in marks), default=None),
        filed_at=max((mark.filed_at for mark in marks if mark.filed_at), default=None),
    )


def _figure(marks: Any, name: str, otherwise: int | None) -> int:
    told = [int(mark.figures[name]) for mark in marks if name in mark.figures]
    return sum(told) if told else otherwise or 0


def _sweep(session: Session, runtime: Runtime, now: datetime) -> SweepFigures:
    open_and_due = (Work.done_at.is_(None), Work.due_at <= now)
    count, oldest = session.execute(select(func.count(), func.min(Work.due_at)).where(*open_and_due)).one()
    failing = select(func.count()).where(
        Work.done_at.is_(None), Work.attempts >= FAILING_AFTER, Work.last_error != ""
    )
    return SweepFigures(
        kind="celery" if runtime.settings.broker_url else "thread",
        due=count,
        oldest_due_at=oldest,
        failing=session.scalar(failing) or 0,
    )


def _store(session: Session, runtime: Runtime, answer: Answer) -> StoreFigures:
    packs, size = session.execute(select(func.count(), func.coalesce(func.sum(Pack.size_bytes), 0))).one()
    kind = "s3" if runtime.settings.objects.startswith("s3+") else "folder"
    return StoreFigures(kind=kind, up=answer.up, packs=packs, bytes=int(size), detail=answer.detail)


def _count(session: Session, state: Any) -> dict[str, int]:
    return {row[0].value: row[1] for row in session.execute(select(state, func.count()).group_by(state))}


def _local_usage(runtime: Runtime) -> int:
    root = runtime.journal_dir
    return journal.measure_usage(root).unfiled_bytes if root.is_dir() else 0


def _received_at(origin: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(origin.get("received_at") or origin.get("at")))
    except ValueError:
        return None
