"""The state of the whole, for IT people and for metrics: figures and faults, no names of patients.

Without its database it still answers: status files, the journal's folder and probes say the rest.
"""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from gateway import journal, sites
from gateway.certificate_ends import (
    CertificateFigures,
    authority_of,
    certificates_for_endpoints,
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
    SilentSite,
    SiteHeard,
    StoreFigures,
    SweepFigures,
    Unindexed,
)
from gateway.filing import waiting_to_be_filed
from gateway.index import Pack, Record, RecordState, SegmentCursor
from gateway.intake import DATABASE_AWAY
from gateway.journal import JournalState
from gateway.listeners import Status, read_status
from gateway.momentary import Momentary
from gateway.presence import ProcessFigures, read_processes
from gateway.probes import Answer, Probes
from gateway.pulse import PulseReading, read_pulse
from gateway.runtime import Runtime
from gateway.snapshot import read_exceptions
from gateway.system_rows import (
    Totals,
    read_backup,
    read_marks,
    read_nodes,
    read_signing,
    read_totals,
    read_unanswered,
    read_untaken,
    read_work,
    received_at,
    sum_figures,
)
from worklists.reports import Report, ReportReturn, ReturnState

T = TypeVar("T")

COUNT_RECORDS = 200  # looked at one by one; beyond, the number of unindexed records is reckoned from bytes
JOURNAL_LOOK_S = 2.0
CERTIFICATES_LOOK_S = 60.0
TOTALS_LONGEST_S = 300.0  # among millions of rows; among few they are counted each time


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
            *(rows.certificates if rows else ()),
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
            first_filed_at=rows.first_filed_at if rows else None,
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
        totals = self._totals.get(None, lambda: read_totals(session))
        rule = sites.SilenceRule.of(self._runtime.settings)
        heard = tuple(sites.hear_sites(session, now, rule))
        return Rows(
            quarantined=session.scalar(quarantined) or 0,
            not_filed_records=records,
            not_filed_bytes=int(size),
            unindexed=unindexed,
            drain=read_marks(session, now),
            packs=totals.packs,
            packed_bytes=totals.packed_bytes,
            sweep=read_work(session, now),
            silent=tuple(SilentSite(name=s.name, last_heard_at=s.last_heard_at) for s in heard if s.silent),
            oldest_unfiled_at=oldest_unfiled,
            oldest_undelivered_at=session.scalar(
                select(func.min(Report.signed_at))
                .join(ReportReturn, ReportReturn.report_id == Report.id)
                .where(ReportReturn.state == ReturnState.PENDING)
            ),
            first_filed_at=session.scalar(select(func.min(Pack.filed_at))),
            heard=heard,
            lab=sites.look_at_laboratory(session, now, rule),
            nodes=read_nodes(session),
            untaken=read_untaken(session),
            unanswered=read_unanswered(session),
            backup=read_backup(session),
            authority=authority_of(session),
            signing=read_signing(session),
            deliveries=read_figures(session),
            certificates=(*certificates_on_tokens(session), *certificates_for_endpoints(session)),
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
            writes_direct=status.writes_direct,
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
        times = [at for record in batch.records if (at := received_at(record.origin))]
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
        figures = DrainFigures(**sum_figures([pulse.figures]))
    return replace(figures, alive=pulse.alive, seen_at=pulse.at)


def _local_usage(runtime: Runtime) -> int:
    root = runtime.journal_dir
    return journal.measure_usage(root).unfiled_bytes if root.is_dir() else 0
