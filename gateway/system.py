"""The state of the whole, for IT people and for metrics: figures and faults, no names of patients.

Without its database it still answers: status files, the journal's folder and probes say the rest.
"""

import shutil
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gateway import journal, sites
from gateway.backups.rows import BackupRun
from gateway.certificate_ends import (
    CertificateFigures,
    authority_of,
    certificates_of,
    certificates_on_tokens,
)
from gateway.deliveries.looking import read_figures
from gateway.faults import Fault, Findings, find_faults
from gateway.figures import (
    BackupFigures,
    DatabaseFigures,
    DeliveryFigures,
    DrainFigures,
    JournalFigures,
    LabFigures,
    NodeFigures,
    PartFigures,
    Rows,
    SigningFigures,
    SilentSite,
    SiteHeard,
    StoreFigures,
    SweepFigures,
    UnansweredFigures,
    Unindexed,
    UntakenFigures,
)
from gateway.filing import waiting_to_be_filed
from gateway.index import DrainMark, Pack, Record, RecordState, SegmentCursor
from gateway.intake import DATABASE_AWAY
from gateway.journal import JournalState
from gateway.listeners import Status, read_status
from gateway.momentary import Momentary
from gateway.presence import ProcessFigures, read_processes
from gateway.probes import Answer, Probes
from gateway.pulse import PulseReading, read_pulse
from gateway.runtime import Runtime
from gateway.signing_causes import FAILED, cause_of_failure
from gateway.snapshot import read_exceptions
from gateway.tasks import RENDER
from gateway.work import Work
from worklists.critical import exhausted_events
from worklists.duty import untaken_since
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn, ReturnState

T = TypeVar("T")

COUNT_RECORDS = 200  # looked at one by one; beyond, the number of unindexed records is reckoned from bytes
JOURNAL_LOOK_S = 2.0
CERTIFICATES_LOOK_S = 60.0
TOTALS_LONGEST_S = 300.0  # among millions of rows; among few they are counted each time
FAILING_AFTER = 3  # attempts; one or two failures are what retries are for
FIGURES_VALID = timedelta(seconds=15)  # three times as long as a drain leaves them


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
    lab: LabFigures | None
    oldest_undelivered_at: datetime | None
    deliveries: DeliveryFigures | None
    processes: tuple[ProcessFigures, ...]
    nodes: tuple[NodeFigures, ...]
    heard: tuple[SiteHeard, ...]
    certificates: tuple[CertificateFigures, ...]
    backup: BackupFigures | None
    disk_low_bytes: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is counted over tables that only grow."""

    packs: int
    packed_bytes: int
    tasks: dict[str, int]
    returns: dict[str, int]


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


class Overseer:
    """Looks at everything for one process."""

    def __init__(self, runtime: Runtime, probes: Probes):
        self._runtime, self._probes = runtime, probes
        self._journals = Kept(lambda: journal.journals(runtime.journal_dir), for_s=JOURNAL_LOOK_S)
        self._certificates = Kept(lambda: certificates_of(runtime.settings), for_s=CERTIFICATES_LOOK_S)
        self._unindexed = Kept(self._look_for_unindexed, for_s=JOURNAL_LOOK_S)
        self._totals: Momentary[None, Totals] = Momentary(for_s=0, longest_s=TOTALS_LONGEST_S, limit=1)

    def look(self) -> System:
        """Everything there is to know now, with the database or without it."""
        runtime, probes, now = self._runtime, self._probes, self._runtime.now()
        folder = runtime.settings.data_dir / "run"
        status, pulse = read_status(folder, now=now), read_pulse(folder, now=now)
        rows, database = self._ask_database(now)
        certificates = [
            *self._certificates.get(),
            *([rows.authority] if rows and rows.authority else []),
            *(rows.tokens if rows else ()),
        ]
        found = Findings(
            status=status,
            journal=self._journal(status, rows),
            drain=_drain(rows, pulse),
            store=_store(runtime, probes.store.ask(), pulse, rows),
            database=DatabaseFigures(kind=runtime.engine.dialect.name, **_part(database, pulse, "database")),
            sweep=self._sweep(rows),
            silent=rows.silent if rows else (),
            lab=rows.lab if rows else None,
            exceptions=read_exceptions(runtime.settings.directory_snapshot),
            other_nodes=journal.unfiled_nodes(self._journals.get()) - {runtime.settings.node},
            disk_low_bytes=runtime.settings.disk_low_bytes,
            certificates=certificates,
            untaken=rows.untaken if rows else None,
            unanswered=rows.unanswered if rows else None,
            backup=rows.backup if rows else None,
            backup_max_age=timedelta(hours=runtime.settings.backup_max_age_h),
            oldest_record_at=rows.oldest_record_at if rows else None,
            oldest_undelivered_at=rows.oldest_undelivered_at if rows else None,
            signing=rows.signing if rows else None,
            deliveries=rows.deliveries if rows else None,
            now=now,
        )
        return System(
            status=status,
            journal=found.journal,
            drain=found.drain,
            store=found.store,
            database=found.database,
            sweep=found.sweep,
            tasks=rows.tasks if rows else {},
            returns=rows.returns if rows else {},
            lab=found.lab,
            oldest_undelivered_at=found.oldest_undelivered_at,
            deliveries=found.deliveries,
            processes=tuple(read_processes(folder, node=runtime.settings.node, now=now)),
            nodes=rows.nodes if rows else (),
            heard=rows.heard if rows else (),
            certificates=tuple(certificates),
            backup=found.backup,
            disk_low_bytes=runtime.settings.disk_low_bytes,
            faults=tuple(find_faults(found)),
        )

    def _ask_database(self, now: datetime) -> tuple[Rows | None, Answer]:
        answer = self._probes.database.ask()
        if not answer.up:
            return None, answer
        try:
            with self._runtime.reading() as session:
                return self._read_rows(session, now), answer
        except (*DATABASE_AWAY, PoolTimeout) as error:  # it went just now
            return None, Answer(up=False, detail=type(error).__name__, since=now)

    def _read_rows(self, session: Session, now: datetime) -> Rows:
        # First: what is indexed meanwhile is counted twice then, never not at all.
        unindexed = self._unindexed.get()
        quarantined = select(func.count()).where(Record.state == RecordState.QUARANTINED)
        waiting = select(
            func.count(), func.coalesce(func.sum(Record.size_bytes), 0), func.min(Record.received_at)
        )
        records, size, oldest_unfiled = session.execute(waiting.where(waiting_to_be_filed())).one()
        totals = self._totals.get(None, lambda: _read_totals(session))
        rule = sites.SilenceRule.of(self._runtime.settings)
        heard = tuple(sites.hear_sites(session, now, rule))
        return Rows(
            quarantined=session.scalar(quarantined) or 0,
            not_filed_records=records,
            not_filed_bytes=int(size),
            unindexed=unindexed,
            drain=_read_marks(session, now),
            packs=totals.packs,
            packed_bytes=totals.packed_bytes,
            sweep=_read_work(session, now),
            silent=tuple(SilentSite(name=s.name, last_heard_at=s.last_heard_at) for s in heard if s.silent),
            oldest_unfiled_at=oldest_unfiled,
            oldest_undelivered_at=session.scalar(
                select(func.min(Report.signed_at))
                .join(ReportReturn, ReportReturn.report_id == Report.id)
                .where(ReportReturn.state == ReturnState.PENDING)
            ),
            oldest_record_at=session.scalar(select(func.min(Record.received_at))),
            heard=heard,
            lab=sites.look_at_laboratory(session, now, rule),
            nodes=_read_nodes(session),
            untaken=_read_untaken(session),
            unanswered=_read_unanswered(session),
            backup=_read_backup(session),
            authority=authority_of(session),
            signing=_read_signing(session),
            deliveries=read_figures(session),
            tokens=certificates_on_tokens(session),
            tasks=totals.tasks,
            returns=totals.returns,
        )

    def _journal(self, status: Status, rows: Rows | None) -> JournalFigures:
        states = self._journals.get()
        unfiled = status.unfiled_bytes
        figures = JournalFigures(
            segments=sum(len(state.segments) for state in states),
            bytes=sum(segment.size_bytes for state in states for segment in state.segments),
            unfiled_bytes=_local_usage(self._runtime) if unfiled is None else unfiled,
            limit_bytes=status.limit_bytes or self._runtime.settings.journal_bytes,
            free_bytes=shutil.disk_usage(self._runtime.settings.data_dir).free,
        )
        if rows is None:
            return figures
        return replace(
            figures,
            not_filed_records=rows.not_filed_records + rows.unindexed.records,
            not_filed_bytes=rows.not_filed_bytes + rows.unindexed.bytes,
            oldest_unfiled_at=min(
                filter(None, (rows.oldest_unfiled_at, rows.unindexed.oldest_at)), default=None
            ),
            unindexed_records=rows.unindexed.records,
            oldest_unindexed_at=rows.unindexed.oldest_at,
            quarantined=rows.quarantined,
        )

    def _sweep(self, rows: Rows | None) -> SweepFigures:
        probe = self._probes.broker
        figures = rows.sweep if rows else SweepFigures(kind="")
        if probe is None:
            return replace(figures, kind="thread")
        return replace(figures, kind="celery", broker=PartFigures(**_part(probe.ask(), None, "broker")))

    def _look_for_unindexed(self) -> Unindexed:
        found = [self._count_unindexed(state) for state in self._journals.get()]
        return Unindexed(
            records=sum(one.records for one in found),
            bytes=sum(one.bytes for one in found),
            oldest_at=min((one.oldest_at for one in found if one.oldest_at), default=None),
        )

    def _count_unindexed(self, state: JournalState) -> Unindexed:
        with self._runtime.reading() as session:
            rows = session.scalars(select(SegmentCursor).where(SegmentCursor.journal == state.id))
            cursors = {row.segment: row.offset for row in rows}
        total = sum(max(0, s.readable_to - cursors.get(s.number, 0)) for s in state.segments)
        if total == 0:
            return Unindexed(records=0, bytes=0, oldest_at=None)
        batch = journal.read_new(self._runtime.journal_dir, state, cursors, limit=COUNT_RECORDS)
        times = [at for record in batch.records if (at := _received_at(record.origin))]
        count = len(batch.records) + len(batch.damaged)
        covered = sum(offset - cursors.get(number, 0) for number, offset in batch.cursors.items())
        if count >= COUNT_RECORDS and covered > 0:
            count = max(count, count * total // covered)
        return Unindexed(records=count, bytes=total, oldest_at=min(times, default=None))


def _part(answer: Answer, pulse: PulseReading | None, name: str) -> dict[str, Any]:
    """What the probe says; the drain may have noticed sooner that a part is away, and meets what a probe does not."""
    told = pulse.away.get(name) if pulse and pulse.alive else None
    since = min(filter(None, (answer.since, told)), default=None)
    why = pulse.why.get(name, "") if pulse and told else ""
    up = answer.up and told is None
    return {"up": up, "detail": why or answer.detail, "since": None if up else since}


def _store(runtime: Runtime, answer: Answer, pulse: PulseReading | None, rows: Rows | None) -> StoreFigures:
    return StoreFigures(
        kind="s3" if runtime.settings.objects.startswith("s3+") else "folder",
        packs=rows.packs if rows else None,
        bytes=rows.packed_bytes if rows else None,
        **_part(answer, pulse, "store"),
    )


def _drain(rows: Rows | None, pulse: PulseReading | None) -> DrainFigures:
    """The figures of all nodes, and whether the drain of this one lives; its own while the database is away."""
    figures = rows.drain if rows else DrainFigures()
    if pulse is None:
        return figures
    if rows is None and pulse.alive:
        figures = DrainFigures(**_told([pulse.figures]))
    return replace(figures, alive=pulse.alive, seen_at=pulse.at)


def _read_marks(session: Session, now: datetime) -> DrainFigures:
    """A record becomes a row when it is indexed, so those received in the last minute were indexed in it."""
    marks = session.scalars(select(DrainMark)).all()
    told = [mark.figures for mark in marks if _is_fresh(mark.figures, now)]
    minute = now - timedelta(minutes=1)
    indexed = select(func.count()).where(Record.received_at >= minute)
    filed = select(func.count()).join(Pack, Pack.id == Record.pack_id).where(Pack.filed_at >= minute)
    counted = {
        "indexed_per_minute": session.scalar(indexed) or 0,
        "filed_per_minute": session.scalar(filed.select_from(Record)) or 0,
    }
    return DrainFigures(
        indexed_at=min((mark.indexed_until for mark in marks), default=None),
        filed_at=max((mark.filed_at for mark in marks if mark.filed_at), default=None),
        **(_told(told) if told and len(told) == len(marks) else counted),
    )


def _is_fresh(figures: dict[str, Any], now: datetime) -> bool:
    at = figures.get("at")
    return at is not None and now - datetime.fromisoformat(at) <= FIGURES_VALID


def _told(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What drains say of themselves, together; of their errors the last."""
    last = max(told, key=lambda figures: figures["last_error_at"] or "")
    at = last["last_error_at"]
    return {
        "indexed_per_minute": sum(figures["indexed_per_minute"] for figures in told),
        "filed_per_minute": sum(figures["filed_per_minute"] for figures in told),
        "last_error": last["last_error"],
        "last_error_at": datetime.fromisoformat(at) if at else None,
    }


def _read_nodes(session: Session) -> tuple[NodeFigures, ...]:
    marks = session.scalars(select(DrainMark).order_by(DrainMark.node)).all()
    return tuple(
        NodeFigures(
            node=mark.node,
            indexed_until=mark.indexed_until,
            filed_at=mark.filed_at,
            told_at=datetime.fromisoformat(mark.figures["at"]) if "at" in mark.figures else None,
        )
        for mark in marks
    )


def _read_untaken(session: Session) -> UntakenFigures | None:
    untaken = untaken_since(session)
    if not untaken:
        return None
    names = dict.fromkeys(task.centre.name for task, _ in untaken if task.centre)
    return UntakenFigures(centres=tuple(names), since=min(since for _, since in untaken))


def _read_unanswered(session: Session) -> UnansweredFigures | None:
    events = exhausted_events(session)
    if not events:
        return None
    names = dict.fromkeys(event.examination.institution.name for event in events)
    return UnansweredFigures(institutions=tuple(names), since=events[0].found_at)


def _read_backup(session: Session) -> BackupFigures | None:
    run = session.scalars(select(BackupRun).order_by(BackupRun.ended_at.desc()).limit(1)).first()
    if run is None:
        return None
    return BackupFigures(
        stamp=run.stamp,
        ended_at=run.ended_at,
        size_bytes=run.size_bytes,
        originals=run.originals,
        verified=run.verified,
        problems=len(run.problems),
    )


def _read_work(session: Session, now: datetime) -> SweepFigures:
    open_and_due = (Work.done_at.is_(None), Work.due_at <= now)
    count, oldest = session.execute(select(func.count(), func.min(Work.due_at)).where(*open_and_due)).one()
    failing = select(func.count()).where(
        Work.done_at.is_(None), Work.attempts >= FAILING_AFTER, Work.last_error != ""
    )
    return SweepFigures(kind="", due=count, oldest_due_at=oldest, failing=session.scalar(failing) or 0)


def _read_signing(session: Session) -> SigningFigures | None:
    waiting = (Work.task == RENDER, Work.done_at.is_(None), Work.last_error.startswith(FAILED))
    count = session.scalar(select(func.count()).select_from(Work).where(*waiting)) or 0
    first = session.scalars(select(Work).where(*waiting).order_by(Work.id).limit(1)).first()
    if first is None:
        return None
    report = session.get(Report, uuid.UUID(first.subject))
    return SigningFigures(
        waiting=count,
        cause=cause_of_failure(first.last_error),
        since=report.signed_at if report is not None else None,
    )


def _read_totals(session: Session) -> Totals:
    packs, packed = session.execute(
        select(func.count(), func.coalesce(func.sum(Pack.size_bytes), 0)).where(Pack.filed_at.is_not(None))
    ).one()
    return Totals(
        packs=packs,
        packed_bytes=int(packed),
        tasks=_count(session, ReadingTask.state),
        returns=_count(session, ReportReturn.state),
    )


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
