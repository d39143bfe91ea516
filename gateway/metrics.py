"""The figures of the system in Prometheus' terms, looked up when they are asked for."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.figures import DeliveryFigures
from gateway.listeners import Status, read_status
from gateway.runtime import Runtime
from gateway.system import Overseer, System

_Figure = tuple[str, str, float | None]  # a gauge's name, what it says, and its value where that is known


def registry_of(runtime: Runtime, overseer: Overseer) -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(SystemCollector(runtime, overseer))
    return registry


class SystemCollector(Collector):
    """Listeners from their files; the rest from the database, absent while that is away."""

    def __init__(self, runtime: Runtime, overseer: Overseer):
        self._runtime, self._overseer = runtime, overseer

    def describe(self) -> Iterator[Metric]:
        """Nothing is known before it is asked for."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        status = read_status(self._runtime.settings.data_dir / "run", now=self._runtime.now())
        yield from _listeners(status)
        up = GaugeMetricFamily("gateway_up", "Whether a part of the system answers", labels=["part"])
        system = self._overseer.look()
        up.add_metric(["database"], float(system.database.up))
        up.add_metric(["store"], float(system.store.up))
        if system.sweep.broker is not None:
            up.add_metric(["broker"], float(system.sweep.broker.up))
        if system.drain.alive is not None:
            up.add_metric(["drain"], float(system.drain.alive))
        yield up
        yield from _figures(system, self._runtime.now().timestamp())
        yield from _standing(system)
        yield from _sites(system)


def _listeners(status: Status) -> Iterator[Metric]:
    labels = ["wire", "port"]
    up = GaugeMetricFamily("gateway_listener_up", "Whether a process listens", labels=labels)
    open_now = GaugeMetricFamily("gateway_associations_open", "Associations open now", labels=labels)
    accepted = CounterMetricFamily("gateway_associations_accepted", "Associations accepted", labels=labels)
    refused = CounterMetricFamily(
        "gateway_associations_refused", "Associations refused", labels=[*labels, "reason"]
    )
    instances = CounterMetricFamily("gateway_instances_received", "Instances received", labels=labels)
    size = CounterMetricFamily("gateway_received_bytes", "Bytes of instances received", labels=labels)
    turned_away = CounterMetricFamily(
        "gateway_instances_refused", "Instances refused", labels=[*labels, "status"]
    )
    for one in status.listeners:
        place = [one.name, str(one.port)]
        up.add_metric(place, float(one.up))
        open_now.add_metric(place, one.associations)
        accepted.add_metric(place, one.accepted)
        instances.add_metric(place, one.instances)
        size.add_metric(place, one.bytes)
        for reason, count in one.refused_by_reason.items():
            refused.add_metric([*place, reason], count)
        for code, count in one.refused_instances_by_status.items():
            turned_away.add_metric([*place, code], count)
    yield from (up, open_now, accepted, refused, instances, size, turned_away)
    yield CounterMetricFamily("gateway_journal_notes_dropped", "Notes not kept", value=status.dropped_notes)


def _figures(system: System, now: float) -> Iterator[Metric]:
    for name, text, value in (
        *_of_journal(system, now),
        *_of_work(system, now),
        *_of_laboratory(system, now),
        *_of_deliveries(system, now),
    ):
        if value is not None:  # only the database knows
            yield GaugeMetricFamily(name, text, value=float(value))
    yield _by_state("gateway_reading_tasks", "Reading tasks", system.tasks)
    yield _by_state("gateway_report_returns", "Signed reports on their way back", system.returns)
    if system.deliveries is not None:
        yield _by_state("gateway_deliveries", "Reports for other systems", system.deliveries.counts)
        yield _failing(system.deliveries, now)


def _of_journal(system: System, now: float) -> Iterator[_Figure]:
    """What was accepted, how far it came, and the room that is left."""
    figures, drain, store, up = system.journal, system.drain, system.store, system.database.up
    of = "gateway_journal_"
    yield f"{of}unindexed_records", "Records accepted and not yet indexed", figures.unindexed_records
    oldest = _age(figures.oldest_unindexed_at, now) if up else None
    yield f"{of}oldest_unindexed_seconds", "Age of the oldest record not yet indexed", oldest
    yield f"{of}bytes", "Bytes in journal segments", figures.bytes
    yield f"{of}unfiled_bytes", "Bytes that fill the limit of the journal", figures.unfiled_bytes
    not_filed = "accepted and not yet in the object store"
    yield f"{of}not_filed_records", f"Records {not_filed}", figures.not_filed_records
    yield f"{of}not_filed_bytes", f"Bytes {not_filed}", figures.not_filed_bytes
    oldest = _age(figures.oldest_unfiled_at, now) if up else None
    yield f"{of}oldest_unfiled_seconds", "Age of the oldest record not yet in the object store", oldest
    yield f"{of}limit_bytes", "Unfiled bytes before A700", figures.limit_bytes
    yield f"{of}segments", "Segments of journals", figures.segments
    yield "gateway_quarantined_records", "Records that broke the drain", figures.quarantined
    minute = "in the last minute"
    yield "gateway_drain_indexed_per_minute", f"Records indexed {minute}", drain.indexed_per_minute
    yield "gateway_drain_filed_per_minute", f"Records filed {minute}", drain.filed_per_minute
    yield "gateway_store_packs", "Packs in the object store", store.packs
    yield "gateway_store_bytes", "Bytes of packs in the object store", store.bytes
    yield "gateway_disk_free_bytes", "Bytes free on the disk of the data folder", figures.free_bytes
    yield "gateway_disk_low_bytes", "Free bytes below which somebody should act", system.disk_low_bytes


def _of_work(system: System, now: float) -> Iterator[_Figure]:
    """What is due, and reports that are under way."""
    sweep, up = system.sweep, system.database.up
    yield "gateway_work_due", "Due work", sweep.due
    oldest = _age(sweep.oldest_due_at, now) if up else None
    yield "gateway_work_oldest_due_seconds", "For how long the oldest due work has waited", oldest
    yield "gateway_work_failing", "Due work that keeps failing", sweep.failing
    undelivered = "For how long a signed report has not reached its inbox"
    oldest = _age(system.oldest_undelivered_at, now) if up else None
    yield "gateway_reports_oldest_undelivered_seconds", undelivered, oldest


def _of_laboratory(system: System, now: float) -> Iterator[_Figure]:
    lab = system.lab
    if lab is None:
        return
    yield "gateway_lab_held", "Laboratory messages and results that wait for a person", lab.held
    oldest = _age(lab.oldest_held_at, now)
    yield "gateway_lab_oldest_held_seconds", "For how long the oldest of them has waited", oldest
    yield "gateway_lab_silent_analysers", "Analysers that fell silent", len(lab.silent)


def _of_deliveries(system: System, now: float) -> Iterator[_Figure]:
    figures = system.deliveries
    if figures is not None:
        oldest = _age(figures.oldest_pending_at, now)
        yield (
            "gateway_delivery_oldest_pending_seconds",
            "For how long a report has waited for a system",
            oldest,
        )
        yield (
            "gateway_endpoints_failing",
            "Systems that do not take what waits for them",
            len(figures.failing),
        )


def _failing(figures: DeliveryFigures, now: float) -> Metric:
    family = GaugeMetricFamily(
        "gateway_endpoint_failing_seconds", "For how long a system takes nothing", labels=["site", "endpoint"]
    )
    for one in figures.failing:
        family.add_metric([one.site, one.name], _age(one.since, now))
    return family


def _age(since: datetime | None, now: float) -> float:
    return max(0.0, now - since.timestamp()) if since else 0.0


def _standing(system: System) -> Iterator[Metric]:
    """What a person should hear of before it hurts: processes, certificates, backups, all that the IT page says."""
    processes = GaugeMetricFamily(
        "gateway_processes", "Processes of this node that are alive", labels=["role"]
    )
    alive = Counter(one.role for one in system.processes if one.alive)
    for role in sorted({one.role for one in system.processes}):
        processes.add_metric([role], alive[role])
    yield processes
    ends = GaugeMetricFamily(
        "gateway_certificate_end_timestamp_seconds", "When a certificate ends", labels=["certificate"]
    )
    for certificate in system.certificates:
        ends.add_metric([certificate.name], certificate.ends_at.timestamp())
    yield ends
    if system.backup is not None:
        last, sound = system.backup, system.backup.verified and not system.backup.problems
        yield GaugeMetricFamily(
            "gateway_backup_last_timestamp_seconds",
            "When the last backup ended",
            value=last.ended_at.timestamp(),
        )
        yield GaugeMetricFamily("gateway_backup_last_size_bytes", "Its size", value=last.size_bytes)
        yield GaugeMetricFamily(
            "gateway_backup_last_sound", "Whether it was read back and found whole", value=float(sound)
        )
    faults = GaugeMetricFamily(
        "gateway_faults", "What the system page says is wrong now", labels=["code", "severity"]
    )
    for (code, severity), count in sorted(Counter((f.code, f.severity) for f in system.faults).items()):
        faults.add_metric([code, severity], count)
    yield faults


def _sites(system: System) -> Iterator[Metric]:
    """Institutions by their codes; the drains of all nodes."""
    heard = GaugeMetricFamily(
        "gateway_site_last_heard_timestamp_seconds", "When a site was last heard", labels=["site"]
    )
    silent = GaugeMetricFamily(
        "gateway_site_silent",
        "Whether nothing was heard of a site for too much working time",
        labels=["site"],
    )
    for site in system.heard:
        heard.add_metric([site.code], site.last_heard_at.timestamp())
        silent.add_metric([site.code], float(site.silent))
    indexed = GaugeMetricFamily(
        "gateway_node_indexed_until_timestamp_seconds",
        "Up to when a node's arrivals are indexed",
        labels=["node"],
    )
    for node in system.nodes:
        indexed.add_metric([node.node], node.indexed_until.timestamp())
    yield from (heard, silent, indexed)


def _by_state(name: str, text: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, f"{text} by state", labels=["state"])
    for state, count in sorted(counts.items()):
        family.add_metric([state], count)
    return family
