"""A county's day, played fast: 26 townships send CT, DR and ultrasound with a morning peak, and what waits is printed.

    python -m tests.bench.county                                  the whole day: 30 minutes, 31 GB
    python -m tests.bench.county --minutes 5                      a gateway of its own, SQLite and files
    python -m tests.bench.county --from-h 8.5 --minutes 4.5       the morning peak alone
    python -m tests.bench.county --minutes 5 --running            the gateway that the environment's settings describe
    python -m tests.bench.county --database-url … --object-store …   a gateway of its own on these servers

The county is an assumption, printed with the result: docs/scaling.md says where its figures come from. A township's
modality sends one study after another; a study that is due while the last one is still being sent waits, and that is
part of its time. Quiet periods are not played fast: "complete" holds the five seconds (QUIET_S) that a released
association is waited for.
"""

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from gateway import journal
from gateway.probes import Probes
from gateway.runtime import Runtime, open_runtime
from gateway.settings import Settings
from gateway.system import Overseer, System
from tests.bench.blast import blast
from tests.bench.corpus import Corpus
from tests.bench.processes import Watch
from tests.journeys.gateways import Gateway
from worklists.directory import Agreement, Centre, Device, Institution, InstitutionKind, Kind
from worklists.examinations import Examination

TOWNSHIPS = 26
STUDIES_A_DAY = 900
OPENS_H, CLOSES_H = 7.5, 17.5
# Share of the day's studies in each hour: people come in the morning.
HOURS = {
    7: 0.04,
    8: 0.15,
    9: 0.19,
    10: 0.16,
    11: 0.10,
    12: 0.03,
    13: 0.05,
    14: 0.12,
    15: 0.09,
    16: 0.05,
    17: 0.02,
}
QUIET_S = 5.0
LOOK_S = 0.05
CACHE_BYTES = 1 << 30  # of filed segments: the played day need not lie on this disk twice
FOUND_P95_S = 0.25  # acknowledged → searchable, as the gateway promises of any instance
FLOOR_BYTES = 8 << 30  # no more is sent when the disk has less
AFTERWARDS_S = 90.0  # for what is still under way when the day ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """What a kind of study is: its share, its images, and the pixels of an image's side (16 bits each)."""

    modality: str
    share: float
    images: tuple[int, int]
    side: int


MIX = (
    Sort(modality="DX", share=0.55, images=(1, 2), side=2750),  # 15 MB
    Sort(modality="US", share=0.30, images=(6, 16), side=690),  # 0.95 MB
    Sort(modality="CT", share=0.15, images=(180, 400), side=512),  # 0.52 MB
)


@dataclass(slots=True, kw_only=True)
class Sent:
    """One study: when it was due by the played clock, and what became of it by the real one."""

    due_h: float
    kind: Sort
    images: int
    site: int
    study_uid: str = ""
    began: float = 0.0
    acknowledged: float = 0.0
    waited_s: float = 0.0
    searchable: float | None = None
    complete: float | None = None


@dataclass(slots=True)
class Depths:
    """The deepest that each queue was in one played hour; what its last look found (`left_`, and the disk and memory)."""

    unindexed: int = 0
    not_filed: int = 0
    journal_bytes: int = 0
    waiting: int = 0
    left_unindexed: int = 0
    left_not_filed: int = 0
    segments_bytes: int = 0
    memory_mb: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Day:
    """The day as it is played."""

    runtime: Runtime
    port: int
    speed: float
    studies: list[Sent]
    corpora: dict[str, Corpus]
    processes: Watch | None = None  # of a gateway of our own
    opens_h: float = OPENS_H  # when playing begins
    began: float = 0.0
    sent: float = 0.0
    emptied: float | None = None  # when, after the last study, nothing waited any more
    last: Depths | None = None  # as of the last look after the last study
    depths: dict[int, Depths] = field(default_factory=lambda: defaultdict(Depths))
    failures: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def clock_h(self) -> float:
        return self.opens_h + (time.monotonic() - self.began) * self.speed / 3600

    def play(self, seconds: float) -> None:
        self.began = time.monotonic()
        ends_h = min(CLOSES_H, self.opens_h + seconds * self.speed / 3600)
        self.studies = [one for one in self.studies if self.opens_h <= one.due_h < ends_h]
        sites = [[one for one in self.studies if one.site == site] for site in range(TOWNSHIPS)]
        senders = [threading.Thread(target=self._send, args=(site,)) for site in sites if site]
        watchers = [threading.Thread(target=self._watch), threading.Thread(target=self._measure)]
        for thread in (*senders, *watchers):
            thread.start()
        for thread in senders:
            thread.join()
        self.sent = time.monotonic()
        deadline = self.sent + AFTERWARDS_S
        while not self._is_done() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        self.over.set()
        for thread in watchers:
            thread.join()

    def _is_done(self) -> bool:
        """Every study complete, and nothing waits to be indexed or filed."""
        return self.emptied is not None and all(one.complete is not None for one in self.studies)

    def _send(self, studies: Sequence[Sent]) -> None:
        for one in studies:
            if self.stopped.wait(max(0.0, (one.due_h - self.clock_h()) * 3600 / self.speed)):
                return
            instances = self.corpora[one.kind.modality].fresh(one.images)
            one.study_uid = _study_uid(instances[0].data_set)
            due = self.began + (one.due_h - self.opens_h) * 3600 / self.speed
            one.began = time.monotonic()
            one.waited_s = max(0.0, one.began - due)
            try:
                blast(
                    self.port, instances, associations=1, calling=f"COUNTY{one.site:02d}_{one.kind.modality}"
                )
            except (OSError, RuntimeError) as error:
                self.failures.append(str(error))
            one.acknowledged = time.monotonic()

    def _watch(self) -> None:
        """See each study become searchable (all its instances counted) and complete, as the database has it."""
        while not self.over.wait(LOOK_S):
            open_ = {one.study_uid: one for one in self.studies if one.acknowledged and one.complete is None}
            with self.runtime.reading() as session:
                rows = session.execute(
                    select(Examination.study_instance_uid, Examination.instances, Examination.complete).where(
                        Examination.study_instance_uid.in_(list(open_))
                    )
                ).all()
            now = time.monotonic()
            for uid, instances, complete in rows:
                one = open_[uid]
                if one.searchable is None and instances >= one.images:
                    one.searchable = now
                if complete:
                    one.complete = now

    def _measure(self) -> None:
        overseer = Overseer(self.runtime, Probes(self.runtime))
        while not self.over.wait(1.0):
            depth = self.depths[min(int(self.clock_h()), int(CLOSES_H))]
            self._note(depth, overseer.look())
            if self.sent:
                self.last = depth
                if self.emptied is None and not (depth.left_unindexed or depth.left_not_filed):
                    self.emptied = time.monotonic()

    def _note(self, depth: Depths, found: System) -> None:
        depth.left_unindexed = found.journal.unindexed_records or 0
        depth.left_not_filed = found.journal.not_filed_records or 0
        depth.unindexed = max(depth.unindexed, depth.left_unindexed)
        depth.not_filed = max(depth.not_filed, depth.left_not_filed)
        depth.journal_bytes = max(depth.journal_bytes, found.journal.unfiled_bytes)
        depth.waiting = max(depth.waiting, found.tasks.get("waiting", 0))
        usage = journal.measure_usage(self.runtime.settings.journal_dir)
        depth.segments_bytes = max(depth.segments_bytes, usage.unfiled_bytes + usage.filed_bytes)
        if usage.free_bytes < FLOOR_BYTES:
            self.failures.append(f"the disk has {usage.free_bytes >> 20:,} MiB left")
            self.stopped.set()
        if self.processes:
            depth.memory_mb = self.processes.resident_mb()


def plan_day(seed: int) -> list[Sent]:
    """The studies of a day, in the order in which they are due."""
    chance = random.Random(seed)
    hours, weights = list(HOURS), list(HOURS.values())
    planned = []
    for _ in range(STUDIES_A_DAY):
        kind = chance.choices(MIX, [one.share for one in MIX])[0]
        hour = chance.choices(hours, weights)[0]
        due = max(OPENS_H, min(CLOSES_H, hour + chance.random()))
        planned.append(
            Sent(due_h=due, kind=kind, images=chance.randint(*kind.images), site=chance.randrange(TOWNSHIPS))
        )
    return sorted(planned, key=lambda one: one.due_h)


def make_townships(runtime: Runtime) -> None:
    """A county hospital with a centre, and its townships with a device of each kind; once."""
    with runtime.sessions.begin() as session:
        if session.scalars(select(Institution.id).where(Institution.code == "COUNTY")).first():
            return
        hospital = Institution(code="COUNTY", name="县人民医院（压测）", kind=InstitutionKind.LEAD_HOSPITAL)
        session.add(hospital)
        session.flush()
        session.add(Centre(institution_id=hospital.id, kind=Kind.IMAGING, name="影像诊断中心（压测）"))
        for site in range(TOWNSHIPS):
            township = Institution(
                code=f"COUNTY-T{site:02d}",
                name=f"压测乡{site:02d}卫生院",
                kind=InstitutionKind.TOWNSHIP,
                lead_id=hospital.id,
            )
            session.add(township)
            session.flush()
            session.add(Agreement(lead_id=hospital.id, member_id=township.id, valid_from=date(2020, 1, 1)))
            session.add_all(
                Device(
                    institution_id=township.id, ae_title=f"COUNTY{site:02d}_{kind.modality}", name=kind.modality,
                    modality=kind.modality,
                )
                for kind in MIX
            )  # fmt: skip


def as_table(day: Day) -> Table:
    table = Table(
        "hour", "studies", "images", "late to start s p50 p95", "ack a study s p50 p95", "searchable s p50 p95",
        "complete s p50 p95", "not indexed", "not filed", "journal MiB", "left at the hour's end", "segments MiB",
        "waiting for readers", "resident MB",
    )  # fmt: skip
    for hour in sorted({int(one.due_h) for one in day.studies}):
        studies = [one for one in day.studies if int(one.due_h) == hour]
        depth = day.depths[hour]
        table.add_row(
            f"{hour:02d}–{hour + 1:02d}", str(len(studies)), str(sum(one.images for one in studies)),
            _spread([one.waited_s for one in studies]),
            _spread([one.acknowledged - one.began for one in studies]),
            _spread([one.searchable - one.acknowledged for one in studies if one.searchable]),
            _spread([one.complete - one.acknowledged for one in studies if one.complete]),
            f"{depth.unindexed:,}", f"{depth.not_filed:,}", f"{depth.journal_bytes / (1 << 20):,.0f}",
            f"{depth.left_unindexed:,} · {depth.left_not_filed:,}", f"{depth.segments_bytes / (1 << 20):,.0f}",
            f"{depth.waiting:,}", " · ".join(f"{role} {mb:.0f}" for role, mb in depth.memory_mb.items()),
        )  # fmt: skip
    return table


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.2f}  {ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]:.2f}"


def _say_log(log: str, console: Console) -> None:
    """What a gateway of our own logged besides information, each event with how often; lines that are no event too."""
    said = Counter[str]()
    for line in log.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            said[line] += 1
            continue
        if event.get("level") != "info":
            said[f"{event.get('level')}: {event.get('event')}"] += 1
    console.print(f"log: {said.total()} lines that are not information")
    for line, times in said.most_common(10):
        console.print(f"{times} × {line}", style="red", markup=False)


def _study_uid(data_set: bytes) -> str:
    """(0020,000D) in Explicit VR Little Endian: tag, VR, length, value (PS3.5 7.1.2)."""
    at = data_set.index(b"\x20\x00\x0d\x00UI") + 6
    length = int.from_bytes(data_set[at : at + 2], "little")
    return data_set[at + 2 : at + 2 + length].rstrip(b"\0").decode()


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="of real time, at most")
    parser.add_argument("--from-h", type=float, default=OPENS_H, help="the hour at which playing begins")
    parser.add_argument("--speed", type=float, default=20.0, help="times real time")
    parser.add_argument("--scale", type=float, default=1.0, help="of the pixels of an image")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--running", action="store_true", help="play against the gateway of these settings")
    parser.add_argument("--database-url")
    parser.add_argument("--object-store")
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args(words)
    console = Console(width=260)
    with tempfile.TemporaryDirectory(prefix="gateway-county-") as folder:
        for runtime, port, gateway in _gateway(arguments, Path(folder)):
            day = _day(arguments, runtime, port)
            day.processes = Watch(gateway) if gateway else None
            day.play(arguments.minutes * 60)
            console.print(as_table(day))
            _say_sum(day, console)
            for role, taken in day.processes.taken().items() if day.processes else ():
                console.print(f"{role}: {taken.peak_mb:.0f} MB at most, {taken.cpu_s:.0f} s of processor")
            if gateway:
                _say_log(gateway.log(), console)


def _gateway(arguments: argparse.Namespace, folder: Path) -> Iterator[tuple[Runtime, int, Gateway | None]]:
    if arguments.running:
        runtime = open_runtime(Settings())
        make_townships(runtime)
        time.sleep(5)  # the listeners learn of new devices from the drain's snapshot, every two seconds
        yield runtime, runtime.settings.dicom_port, None
        return
    own = {"database_url": arguments.database_url, "object_store": arguments.object_store}
    given = {name: value for name, value in own.items() if value}
    data_dir = arguments.data_dir or folder / "data"
    settings = {"quiet_period_s": QUIET_S, "file_after_s": 20, "cache_bytes": CACHE_BYTES, **given}
    with Gateway(data_dir, ("serve",), **settings) as gateway:
        gateway.start()
        runtime = open_runtime(gateway.settings)
        make_townships(runtime)
        time.sleep(5)
        yield runtime, gateway.dicom_port, gateway


def _day(arguments: argparse.Namespace, runtime: Runtime, port: int) -> Day:
    corpora = {
        kind.modality: Corpus(
            kind.images[1], modality=kind.modality, size=max(8, int(kind.side * arguments.scale**0.5))
        )
        for kind in MIX
    }
    return Day(runtime, port, arguments.speed, plan_day(arguments.seed), corpora, opens_h=arguments.from_h)


def _say_sum(day: Day, console: Console) -> None:
    sent = sum(one.images * day.corpora[one.kind.modality].instance_bytes for one in day.studies)
    seconds = max((one.acknowledged for one in day.studies), default=day.began) - day.began
    lost = [one for one in day.studies if one.searchable is None]
    console.print(
        f"{len(day.studies)} studies, {sum(one.images for one in day.studies):,} images, {sent / (1 << 30):.2f} GiB in "
        f"{seconds:.0f} s at {day.speed:g} × ({sent / (1 << 20) / max(seconds, 1):.1f} MiB/s); "
        f"not searchable at the end: {len(lost)}; refused: {len(day.failures)}"
    )
    waits = sorted(one.searchable - one.acknowledged for one in day.studies if one.searchable is not None)
    if waits:
        p95 = waits[min(len(waits) - 1, int(len(waits) * 0.95))]
        kept = "kept" if p95 <= FOUND_P95_S else "not kept"
        console.print(
            f"acknowledged → searchable and counted, p95: {p95:.2f} s ({FOUND_P95_S} s promised: {kept})"
        )
    left = day.last or Depths()
    emptied = f"{day.emptied - day.sent:.0f} s after the last study" if day.emptied else "not yet"
    console.print(
        f"queues empty: {emptied} (not indexed {left.left_unindexed:,}, not filed {left.left_not_filed:,}); "
        f"never complete: {sum(one.complete is None for one in day.studies)}"
    )
    for failure in day.failures[:5]:
        console.print(failure, style="red")


if __name__ == "__main__":
    main()
