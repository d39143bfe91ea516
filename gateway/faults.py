"""What is wrong now, from the figures: the worst first, each since when, where that is known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.certificate_ends import CertificateFigures
from gateway.figures import (
    BackupFigures,
    DatabaseFigures,
    DeliveryFigures,
    DrainFigures,
    JournalFigures,
    LabFigures,
    SigningFigures,
    SilentSite,
    StoreFigures,
    SweepFigures,
    UnansweredFigures,
    UntakenFigures,
)
from gateway.filing import FREE_BYTES
from gateway.listeners import Status
from gateway.snapshot import DatedException
from worklists.base import local_date

SILENT_DRAIN, SLOW_DRAIN = timedelta(seconds=30), timedelta(minutes=5)
SLOW_FILING = timedelta(minutes=10)
LATE_SWEEP = timedelta(minutes=5)
# A system that is restarted is back before the first; what waits for one longer is for a person, reports lie in inboxes.
FAILING_ENDPOINT, FAILING_ENDPOINT_LONG = timedelta(minutes=10), timedelta(hours=24)
LATE_RETURN = timedelta(minutes=10)  # typesetting, signing, journal and index take seconds
CERTIFICATE_WARNING, CERTIFICATE_URGENT = timedelta(days=30), timedelta(days=7)
NEARLY_FULL = 0.8
# How long before its end a person hears of it: time to visit a township; to fetch a file.
EXCEPTION_ENDING, LIST_ENDING = timedelta(days=30), timedelta(days=3)
HELD_LONG = timedelta(hours=1)  # results that nobody has looked at: somebody waits for them
NAMED_SITES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is wrong now; `code` is a key of `gateway.web.words.faults.FAULTS`."""

    code: str
    where: str
    severity: str  # red: somebody must act now; amber: look at it today
    since: datetime | None = None
    peer_cause: str = ""  # of `gateway.deliveries.causes`


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the faults are found in."""

    status: Status
    journal: JournalFigures
    drain: DrainFigures
    store: StoreFigures
    database: DatabaseFigures
    sweep: SweepFigures
    silent: Sequence[SilentSite]
    lab: LabFigures | None
    exceptions: Sequence[DatedException]
    other_nodes: frozenset[str]
    disk_low_bytes: int
    certificates: Sequence[CertificateFigures]
    untaken: UntakenFigures | None
    unanswered: UnansweredFigures | None
    backup: BackupFigures | None
    backup_max_age: timedelta
    first_filed_at: datetime | None
    oldest_undelivered_at: datetime | None
    signing: SigningFigures | None
    deliveries: DeliveryFigures | None
    now: datetime


def find_faults(found: Findings) -> list[Fault]:
    """What is wrong now, the worst first."""
    parts = (
        _chest_pain, _critical, _away, _listeners, _journal, _node, _disk, _drain, _filing, _work, _signing, _returns,
        _deliveries, _certificates, _tls, _exceptions, _records, _backup, _silent, _lab,
    )  # fmt: skip
    faults = [fault for part in parts for fault in part(found)]
    return sorted(faults, key=lambda fault: fault.severity, reverse=True)


def _chest_pain(found: Findings) -> Iterator[Fault]:
    if found.untaken is not None:
        where = "、".join(found.untaken.centres)
        yield Fault(code="chest_pain_untaken", where=where, severity="red", since=found.untaken.since)


def _critical(found: Findings) -> Iterator[Fault]:
    if found.unanswered is not None:
        where = "、".join(found.unanswered.institutions)
        yield Fault(code="critical_unanswered", where=where, severity="red", since=found.unanswered.since)


def _away(found: Findings) -> Iterator[Fault]:
    parts = (("database", found.database), ("store", found.store), ("broker", found.sweep.broker))
    for name, part in parts:
        if part is not None and not part.up:
            yield Fault(code=f"{name}_away", where=part.detail, severity="red", since=part.since)


def _listeners(found: Findings) -> Iterator[Fault]:
    for one in found.status.listeners:
        if not one.up:
            where = f"{one.name} :{one.port}" if one.port else f"{one.name} {one.address}"
            yield Fault(code="listener_down", where=where, severity="red", since=one.seen_at)
            continue
        for code, where in sorted(one.troubles.items()):
            yield Fault(code=code, where=where, severity="red" if code == "drop_waits" else "amber")


def _journal(found: Findings) -> Iterator[Fault]:
    unfiled, limit = found.journal.unfiled_bytes, found.journal.limit_bytes
    if limit and unfiled >= limit:
        yield Fault(code="journal_full", where="journal", severity="red")
    elif limit and unfiled >= NEARLY_FULL * limit:
        yield Fault(code="journal_filling", where="journal", severity="amber")


def _node(found: Findings) -> Iterator[Fault]:
    if found.other_nodes:
        yield Fault(code="node_changed", where="、".join(sorted(found.other_nodes)), severity="amber")


def _disk(found: Findings) -> Iterator[Fault]:
    free = found.journal.free_bytes
    if free < max(FREE_BYTES, found.disk_low_bytes):
        severity = "red" if free < FREE_BYTES else "amber"
        yield Fault(code="disk_short", where=f"{free / (1 << 30):.1f} GiB", severity=severity)


def _drain(found: Findings) -> Iterator[Fault]:
    drain, oldest = found.drain, found.journal.oldest_unindexed_at
    listening = any(one.up for one in found.status.listeners)  # then a drain belongs beside them
    left = (
        oldest is not None and found.now - oldest > SILENT_DRAIN
    )  # by a web or a worker without a drain here
    if drain.alive is False or (drain.alive is None and (listening or left)):
        yield Fault(code="drain_silent", where="drain", severity="red", since=drain.seen_at or oldest)
    elif oldest is not None and found.now - oldest > SILENT_DRAIN:
        severity = "red" if found.now - oldest > SLOW_DRAIN else "amber"
        yield Fault(code="drain_behind", where="drain", severity=severity, since=oldest)
    elif drain.alive is None and drain.indexed_at and found.now - drain.indexed_at > SILENT_DRAIN:
        yield Fault(
            code="drain_silent", where="drain", severity="red", since=drain.indexed_at
        )  # another node's


def _filing(found: Findings) -> Iterator[Fault]:
    oldest = found.journal.oldest_unfiled_at
    if found.store.up and oldest is not None and found.now - oldest > SLOW_FILING:
        where = str(found.journal.not_filed_records)
        yield Fault(code="filing_behind", where=where, severity="amber", since=oldest)


def _work(found: Findings) -> Iterator[Fault]:
    sweep = found.sweep
    if sweep.oldest_due_at is not None and found.now - sweep.oldest_due_at > LATE_SWEEP:
        yield Fault(code="sweep_late", where=sweep.kind, severity="red", since=sweep.oldest_due_at)
    if sweep.failing:
        yield Fault(code="work_failing", where=str(sweep.failing), severity="amber")


def _signing(found: Findings) -> Iterator[Fault]:
    """A moment without a stamp is what retries are for; a person must act where they do not help."""
    if found.signing is not None:
        yield Fault(
            code="signing_waits", where=found.signing.cause, severity="red", since=found.signing.since
        )


def _returns(found: Findings) -> Iterator[Fault]:
    oldest = found.oldest_undelivered_at
    if oldest is not None and found.now - oldest > LATE_RETURN:
        yield Fault(code="report_undelivered", where="returns", severity="red", since=oldest)


def _deliveries(found: Findings) -> Iterator[Fault]:
    if found.deliveries is None:
        return
    for one in found.deliveries.failing:
        lasting = found.now - one.since
        if lasting > FAILING_ENDPOINT:
            severity = "red" if lasting > FAILING_ENDPOINT_LONG else "amber"
            yield Fault(
                code="endpoint_failing", where=one.where, severity=severity, since=one.since,
                peer_cause=one.cause,
            )  # fmt: skip
    if found.deliveries.stuck:
        where, since = str(found.deliveries.stuck), found.deliveries.oldest_stuck_at
        yield Fault(code="deliveries_refused", where=where, severity="amber", since=since)


def _certificates(found: Findings) -> Iterator[Fault]:
    for one in found.certificates:
        left = one.ends_at - found.now
        if left < CERTIFICATE_WARNING:
            severity = "red" if left < CERTIFICATE_URGENT else "amber"
            where = f"{one.name}, {one.ends_at:%Y-%m-%d}"
            yield Fault(code="certificate_ending", where=where, severity=severity)


def _backup(found: Findings) -> Iterator[Fault]:
    """An installation that never had one is told once what it filed first lies there as long as a backup may be old."""
    backup, since = found.backup, found.backup.ended_at if found.backup else found.first_filed_at
    if since is not None and found.now - since > found.backup_max_age:
        code = "backup_old" if backup else "backup_never"
        yield Fault(code=code, where=backup.stamp if backup else "", severity="amber", since=since)
    if backup is not None and backup.problems:
        yield Fault(code="backup_unsound", where=backup.stamp, severity="red", since=backup.ended_at)


def _records(found: Findings) -> Iterator[Fault]:
    if found.journal.quarantined:
        yield Fault(code="quarantine", where=str(found.journal.quarantined), severity="amber")
    if found.status.dropped_notes:
        yield Fault(code="notes_dropped", where=str(found.status.dropped_notes), severity="amber")


def _tls(found: Findings) -> Iterator[Fault]:
    for one in found.status.listeners:
        if not one.up or one.tls is None:
            continue
        if one.tls.error:
            yield Fault(code="tls_files_unusable", where=one.tls.error, severity="red")
        for issuer, due_at in one.tls.lists.items():
            yield from _ending(
                "revocation_list", f"{issuer} · {local_day(due_at)}", due_at, LIST_ENDING, found
            )


def _exceptions(found: Findings) -> Iterator[Fault]:
    """An ended one may stand there for a device that has moved on since: somebody takes it away."""
    for one in found.exceptions:
        where = f"{one.ae_title} · {local_day(one.ends_at - timedelta(days=1))}"
        yield from _ending("exception", where, one.ends_at, EXCEPTION_ENDING, found, over="amber")


def _ending(
    what: str, where: str, ends_at: datetime, warned_before: timedelta, found: Findings, *, over: str = "red"
) -> Iterator[Fault]:
    if ends_at <= found.now:
        yield Fault(code=f"{what}_over", where=where, severity=over, since=ends_at)
    elif ends_at - found.now <= warned_before:
        yield Fault(code=f"{what}_ending", where=where, severity="amber")


def local_day(moment: datetime) -> str:
    return local_date(moment).isoformat()


def _silent(found: Findings) -> Iterator[Fault]:
    if found.silent:
        yield _silence("townships_silent", found.silent)


def _lab(found: Findings) -> Iterator[Fault]:
    if found.lab is None:
        return
    oldest = found.lab.oldest_held_at
    if oldest is not None and found.now - oldest > HELD_LONG:
        yield Fault(code="lab_held", where=str(found.lab.held), severity="amber", since=oldest)
    if found.lab.silent:
        yield _silence("analysers_silent", found.lab.silent)


def _silence(code: str, silent: Sequence[SilentSite]) -> Fault:
    names = "、".join(one.name for one in silent[:NAMED_SITES])
    more = " …" if len(silent) > NAMED_SITES else ""
    return Fault(
        code=code, where=names + more, severity="amber", since=min(one.last_heard_at for one in silent)
    )
