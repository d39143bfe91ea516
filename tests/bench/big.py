"""What is big, on both stacks, with the most memory that each process took: does it grow with what is sent?

    python -m tests.bench big                              all of it
    python -m tests.bench.big instance --stack files       one load on one stack

`instance`: one encapsulated multi-frame image over C-STORE, made while it is sent, until filed and byte-identical; one
of its frames out of the store alone. `study`: one study of 20,000 small instances in one series, and in twenty, then
what a viewer and a reader ask of it. `studies`: 5,000 studies of one instance each from six devices at once. Each load
is sent in two sizes to the same processes; the table says the larger one's figures and, beside them, the smaller's.
"""

import argparse
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from sqlalchemy import func, select

from gateway.accounts import hash_password
from gateway.demo_county import make_county
from gateway.filing import waiting_to_be_filed
from gateway.index import Instance, Record
from gateway.originals import open_original, original_of
from gateway.preparation import prepare
from gateway.runtime import open_runtime, utc_now
from tests.bench import giant
from tests.bench.giant import Giant
from tests.bench.processes import Taken, Watch
from tests.bench.small import DEVICES, make_studies, make_study, send_at_once
from tests.bench.table import Row, as_table
from tests.journeys.gateways import PASSWORD, Gateway, get_json, wait_for
from tests.servers import Postgres, Redis, SeaweedFs, running
from worklists.reading import ReadingTask, TaskState

TIMEOUT_S = 900.0
COUNTY_PROCESSES = ("ingest", "web", "worker --concurrency 2 --no-beat", "beat")
# Megabytes that one process of a role may have, as docs/operations.md promises.
BOUNDS_MB = {"listener": 150.0, "drain": 300.0, "web": 300.0, "worker": 300.0, "beat": 200.0}
# `serve` forks its listeners from a process that has loaded what web needs, and shares that with them.
SERVE_BOUNDS_MB = {**BOUNDS_MB, "listener": 200.0}
INSTANCE_BYTES = (1 << 30, (4 << 30) + 1)
STUDY_INSTANCES, SERIES = (5_000, 20_000), (1, 20)
STUDIES = (1_250, 5_000)
JSON = "application/dicom+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One load: the seconds that each thing took, and what the processes took."""

    size: str
    seconds: dict[str, float]
    taken: dict[str, Taken]


class Clock:
    """What was reached after how many seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def reach(self, what: str, reached: Callable[[], bool], gateway: Gateway) -> None:
        """Wait for it, and note how long it took since the beginning."""
        wait_for(reached, TIMEOUT_S, what, gateway.log)
        self.note(what)

    def note(self, what: str) -> None:
        self.seconds[what] = time.perf_counter() - self._began

    @contextmanager
    def alone(self, what: str) -> Iterator[None]:
        """How long this takes by itself."""
        began = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - began


def take_instance(gateway: Gateway, size_bytes: int) -> Outcome:
    """One instance of more than so many bytes, until it is filed and the same."""
    sent = Giant.of(size_bytes)
    expected, watch, clock = sent.sha256(), Watch(gateway), Clock()
    giant.send(gateway.dicom_port, sent)
    clock.note("acknowledged")
    with closing(gateway.sign_in("reader")) as reader:
        clock.reach("found by QIDO", lambda: _count_of(reader, sent.study_uid) == 1, gateway)
        clock.reach("filed", lambda: _unfiled(gateway) == 0, gateway)
        with clock.alone("a frame out of its middle"):
            _check_frame(reader, sent, sent.frames // 2)
        with clock.alone("the last frame"):
            _check_frame(reader, sent, sent.frames)
    taken = watch.taken()
    assert _digest_in_store(gateway, sent.sop_instance_uid) == expected
    return Outcome(size=_size(sent.size_bytes()), seconds=clock.seconds, taken=taken)


def take_study(gateway: Gateway, instances: int, series: int) -> Outcome:
    """One study of so many small instances, until filed; then what a viewer and a reader ask of it."""
    study = make_study(instances, series=series)
    watch, clock = Watch(gateway), Clock()
    send_at_once(gateway.dicom_port, [study.instances], associations=2, callings=["DEMO_CT"])
    clock.note("acknowledged")
    with closing(gateway.sign_in("reader")) as reader:
        clock.reach("found by QIDO", lambda: _count_of(reader, study.uid) == instances, gateway)
        clock.reach(
            "counted in the worklist", lambda: _listed(reader, study.uid)["instances"] == instances, gateway
        )
        clock.reach("filed", lambda: _unfiled(gateway) == 0, gateway)
        item = _listed(reader, study.uid)
        with clock.alone("its page"):
            get_json(reader, f"/api/v1/examinations/{item['examination_id']}")
        with clock.alone("the worklist"):
            get_json(reader, "/api/v1/worklist", limit=50)
        with clock.alone("QIDO of its series"):
            assert len(_json(reader, f"/dicomweb/studies/{study.uid}/series")) == series
        with clock.alone("QIDO of all its instances"):
            assert len(_json(reader, f"/dicomweb/studies/{study.uid}/instances")) == instances
        path = f"/dicomweb/studies/{study.uid}/series/{study.series[0]}/metadata"
        for again in ("first", "again"):
            with clock.alone(f"metadata of a series, {again}"):
                assert _count_streamed(reader, path) == instances // series
        with clock.alone("metadata of the study"):
            assert _count_streamed(reader, f"/dicomweb/studies/{study.uid}/metadata") == instances
    return Outcome(size=f"{instances:,}", seconds=clock.seconds, taken=watch.taken())


def take_studies(gateway: Gateway, count: int) -> Outcome:
    """So many studies of one instance each, of as many people, from several devices at once."""
    shares = make_studies(count, len(DEVICES))
    with closing(gateway.sign_in("reader")) as reader:
        before, waiting = _instances(gateway), _open_tasks(gateway, *UNCLAIMED)
        watch, clock = Watch(gateway), Clock()
        send_at_once(gateway.dicom_port, shares, associations=1, callings=DEVICES)
        clock.note("acknowledged")
        clock.reach("found", lambda: _instances(gateway) == before + count, gateway)
        clock.reach("on the worklist", lambda: _open_tasks(gateway, *UNCLAIMED) == waiting + count, gateway)
        clock.reach("complete", lambda: _open_tasks(gateway, TaskState.WAITING) == waiting + count, gateway)
        clock.reach("filed", lambda: _unfiled(gateway) == 0, gateway)
        with clock.alone("the worklist's first page"):
            get_json(reader, "/api/v1/worklist", limit=50)
        with clock.alone("all of them by QIDO"):
            found = {study["0020000D"]["Value"][0] for study in _all_studies(reader)}
        assert found >= {one.study_uid for share in shares for one in share}
    return Outcome(size=f"{count:,}", seconds=clock.seconds, taken=watch.taken())


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Something big, in a smaller and a larger size."""

    name: str
    take: Sequence[Callable[[Gateway], Outcome]]
    settings: dict[str, object]


def _load(
    name: str, take: Callable[..., Outcome], sizes: Sequence[int], *more: int, **settings: object
) -> Load:
    return Load(name=name, take=[lambda g, n=n: take(g, n, *more) for n in sizes], settings=settings)  # type: ignore[misc]


LOADS = {
    # Nothing stays in the journal once it is filed: the frame comes out of the store.
    "instance": [_load("one instance", take_instance, INSTANCE_BYTES, cache_bytes=0)],
    "study": [
        _load(f"one study in {series} series" if series > 1 else "one study in one series", take_study,
              STUDY_INSTANCES, series)
        for series in SERIES
    ],
    "studies": [_load("studies at once", take_studies, STUDIES)],
}  # fmt: skip


def measure(_repetitions: int) -> Iterator[Row]:
    """Every load on both stacks, once: each takes minutes, and memory is what is looked at."""
    for stack in STACKS:
        for name in LOADS:
            yield from measure_load(name, stack)


def measure_load(name: str, stack: str) -> Iterator[Row]:
    for load in LOADS[name]:
        folder = Path(tempfile.mkdtemp(prefix="bench-big-"))
        try:
            with STACKS[stack](folder, **load.settings) as gateway:
                smaller, larger = [take(gateway) for take in load.take]
                bounds = SERVE_BOUNDS_MB if stack == FILES else BOUNDS_MB
                yield from as_rows(f"{load.name}, {stack}", smaller, larger, bounds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def as_rows(work: str, smaller: Outcome, larger: Outcome, bounds_mb: Mapping[str, float]) -> Iterator[Row]:
    """The larger size's figures; the smaller's beside them."""
    for what, seconds in larger.seconds.items():
        yield Row(
            work=f"{work}: {what}", ours=seconds, unit="s",
            remark=f"{larger.size}; {smaller.size}: {smaller.seconds[what]:.2f} s",
        )  # fmt: skip
    for role, taken in larger.taken.items():
        before = smaller.taken.get(role, taken)
        yield Row(
            work=f"{work}: memory of {role}", ours=taken.peak_mb, unit="MB", at_most=bounds_mb.get(role),
            remark=f"{larger.size}, {taken.cpu_s:.1f} s CPU; {smaller.size}: {before.peak_mb:.0f} MB, "
            f"{before.cpu_s:.1f} s",
        )  # fmt: skip


@contextmanager
def _files_and_sqlite(folder: Path, **settings: object) -> Iterator[Gateway]:
    """As `gateway serve` starts it: one tree, the sweep inside web."""
    with Gateway(folder / "gateway", quiet_period_s=5, file_after_s=20, **settings) as gateway:
        yield with_county(gateway, ["serve"])


@contextmanager
def _county(folder: Path, **settings: object) -> Iterator[Gateway]:
    """The processes of docker/compose.yaml: two listeners and the drain, two web processes, two workers, beat."""
    with ExitStack() as servers:
        database, store, broker = (
            servers.enter_context(running(kind)) for kind in (Postgres, SeaweedFs, Redis)
        )
        own: dict[str, Any] = {
            "database_url": database.url(), "object_store": store.url("big"), "broker_url": broker.url,
            "ingest_workers": 2, "web_workers": 2, "quiet_period_s": 5, "file_after_s": 20,
        }  # fmt: skip
        with Gateway(folder / "gateway", **{**own, **settings}) as gateway:
            yield with_county(gateway, COUNTY_PROCESSES)


def with_county(gateway: Gateway, commands: Sequence[str]) -> Gateway:
    """Started on the demonstration county, without the command that makes it: that one loads more than others."""
    hashed = hash_password(PASSWORD)
    prepare(gateway.settings, lambda session: make_county(session, password=hashed, now=utc_now()))
    return gateway.start(commands)


FILES = "files and SQLite"
STACKS: dict[str, Callable[..., Any]] = {
    FILES: _files_and_sqlite,
    "SeaweedFS and PostgreSQL": _county,
}


def _check_frame(reader: httpx.Client, sent: Giant, number: int) -> None:
    """As it is stored, and decompressed."""
    place = f"/dicomweb/studies/{sent.study_uid}/series/{sent.series_uid}/instances/{sent.sop_instance_uid}"
    stored = reader.get(
        f"{place}/frames/{number}", headers={"Accept": 'multipart/related; type="image/dicom-rle"'}
    )
    assert stored.status_code == 200, stored.text[:500]
    assert sent.frame(number) in stored.content
    plain = reader.get(
        f"{place}/frames/{number}",
        headers={"Accept": 'multipart/related; type="application/octet-stream"'},
    )
    assert plain.status_code == 200, plain.text[:500]
    assert sent.pixels(number) in plain.content


def _digest_in_store(gateway: Gateway, uid: str) -> str:
    """SHA-256 of an instance's data set as its pack has it."""
    runtime = open_runtime(gateway.settings)
    try:
        with gateway.session() as session:
            record = session.scalars(select(Instance).where(Instance.sop_instance_uid == uid)).one().record
            offset, kept = record.data_set_offset, record.sha256
            packed = replace(original_of(record), local=False)
        digest = hashlib.sha256()
        for chunk in open_original(runtime, packed, offset=offset, ahead=False):
            digest.update(chunk)
        assert digest.hexdigest() == kept
        return kept
    finally:
        runtime.engine.dispose()


def _unfiled(gateway: Gateway) -> int:
    with gateway.session() as session:
        return session.scalar(select(func.count(Record.id)).where(waiting_to_be_filed())) or 0


def _instances(gateway: Gateway) -> int:
    with gateway.session() as session:
        return session.scalar(select(func.count(Instance.id))) or 0


def _count_of(reader: httpx.Client, study_uid: str) -> int:
    found = _json(reader, "/dicomweb/studies", StudyInstanceUID=study_uid)
    return found[0]["00201208"]["Value"][0] if found else 0


def _listed(reader: httpx.Client, study_uid: str) -> dict[str, Any]:
    items = get_json(reader, "/api/v1/worklist", limit=200)["items"]
    return next((one for one in items if one["study_instance_uid"] == study_uid), {"instances": 0})


UNCLAIMED = (TaskState.ARRIVING, TaskState.WAITING)


def _open_tasks(gateway: Gateway, *states: TaskState) -> int:
    """Of what nobody has claimed yet; the worklist itself counts no further than a thousand."""
    with gateway.session() as session:
        return session.scalar(select(func.count(ReadingTask.id)).where(ReadingTask.state.in_(states))) or 0


def _all_studies(reader: httpx.Client) -> Iterator[dict[str, Any]]:
    offset = 0
    while page := _json(reader, "/dicomweb/studies", limit=1000, offset=offset):
        yield from page
        offset += len(page)


def _json(reader: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = reader.get(path, params=query, headers={"Accept": JSON}, timeout=TIMEOUT_S)
    if answer.status_code == 204:
        return []
    assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
    found: list[dict[str, Any]] = answer.json()
    return found


def _count_streamed(reader: httpx.Client, path: str) -> int:
    """The instances of a metadata answer: each says its SOP Instance UID once, at its top."""
    count, rest = 0, b""
    with reader.stream("GET", path, headers={"Accept": JSON}, timeout=TIMEOUT_S) as answer:
        assert answer.status_code == 200, (path, answer.status_code)
        for chunk in answer.iter_bytes():
            joined = rest + chunk
            count += joined.count(_UID_KEY)
            rest = joined[-(len(_UID_KEY) - 1) :]
    return count


_UID_KEY = b'"00080018":'


def _size(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 1 << 30 else f"{count / (1 << 20):.0f} MiB"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("loads", nargs="*", choices=[*LOADS, []], default=[])
    parser.add_argument("--stack", choices=("files", "servers", "both"), default="both")
    arguments = parser.parse_args()
    names = {"files": list(STACKS)[:1], "servers": list(STACKS)[1:], "both": list(STACKS)}[arguments.stack]
    rows = [row for name in arguments.loads or LOADS for stack in names for row in measure_load(name, stack)]
    Console(width=180).print(as_table(rows))


if __name__ == "__main__":
    main()
