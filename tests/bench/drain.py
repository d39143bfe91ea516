"""From the acknowledgement to the search, and to the pack: what the drain does with a sustained load.

2,000 CT over four associations, ten studies, into a whole gateway: with SQLite and files, and with PostgreSQL and
SeaweedFS. "Found" is what QIDO-RS counts; "filed" that every record lies in a pack whose size was checked. Orthanc
takes the same in the same run; its index is part of its acknowledgement. All share the machine: only ratios count.

Both are asked the same way, once all is sent and then every 0.1 s: ours by QIDO-RS and the rows of the packs, Orthanc
by its statistics. Asked more often, the questions are a part of what is measured.
"""

import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import func, select

from gateway.index import Record
from gateway.pulse import FILE_NAME
from tests.bench.blast import Instance, blast, send_paced
from tests.bench.corpus import Corpus
from tests.bench.receivers import Receiver, orthanc
from tests.bench.table import Against, Row
from tests.journeys.gateways import Gateway, wait_for
from tests.servers import Postgres, SeaweedFs, running

STUDIES, IMAGES = 10, 200
ASSOCIATIONS = 4
HEAVY_REPETITIONS = 3  # at most: a gibibyte each
PER_SECOND, PACED = 50, 500
TIMEOUT_S = 300
ASK_S = 0.1
LOOK_S = 0.05  # while single ones are waited for; each is taken to have come when it was seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What a gateway runs on, and what is promised of it, as parts of Orthanc's time."""

    name: str
    open: Callable[[Path], Any]
    found: float
    filed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Seconds from the first byte sent."""

    found_s: float
    filed_s: float
    cpu_ms: float  # of the drain, for each


def measure(repetitions: int) -> Iterator[Row]:
    """The sustained load on both stacks, then the latency of each."""
    corpus = Corpus(IMAGES, modality="CT", size=512)
    folder = Path(tempfile.mkdtemp(prefix="bench-drain-"))
    turns = min(repetitions, HEAVY_REPETITIONS)
    try:
        for stack in STACKS:
            yield from _measure_stack(stack, corpus, folder / stack.name.replace(" ", "-"), turns)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure_stack(stack: Stack, corpus: Corpus, folder: Path, turns: int) -> Iterator[Row]:
    folder.mkdir()
    with ExitStack() as opened:
        peer = opened.enter_context(orthanc(folder / "orthanc"))
        gateway: Gateway = opened.enter_context(stack.open(folder))
        reader = opened.enter_context(closing(gateway.sign_in("reader")))
        _sustained(gateway, reader, corpus.fresh(8))
        readings, peers = [], []
        for turn in range(turns):
            deeds: list[Callable[[], None]] = [
                lambda: peers.append(_taken_by(peer, _studies(corpus))),
                lambda: readings.append(_sustained(gateway, reader, _studies(corpus))),
            ]
            for deed in deeds if turn % 2 == 0 else reversed(deeds):
                deed()
                peer.tidy()
        orthanc_s = statistics.median(peers)
        work = f"{STUDIES * IMAGES} CT × {ASSOCIATIONS}, {stack.name}"
        yield _row(f"{work}: all found by QIDO", [one.found_s for one in readings], orthanc_s, stack.found)
        yield _row(f"{work}: all filed in packs", [one.filed_s for one in readings], orthanc_s, stack.filed)
        cpu_ms = statistics.median(one.cpu_ms for one in readings)
        yield Row(work=f"{work}: processor time of the drain, each", ours=cpu_ms, unit="ms")
        found_ms, listed_ms = _latency(gateway, reader, corpus)
        yield Row(
            work=f"acknowledged → found by QIDO, {stack.name}, p95", ours=found_ms, unit="ms", at_most=250
        )
        yield Row(
            work=f"acknowledged → counted in the worklist, {stack.name}, p95", ours=listed_ms, unit="ms",
            at_most=1000,
        )  # fmt: skip


def _row(work: str, seconds: Sequence[float], orthanc_s: float, at_most: float) -> Row:
    against = [Against(peer="Orthanc", figure=orthanc_s, at_most=at_most)]
    return Row(work=work, ours=statistics.median(seconds), unit="s", against=against)


def _studies(corpus: Corpus) -> list[Instance]:
    return [instance for _ in range(STUDIES) for instance in corpus.fresh()]


def _sustained(gateway: Gateway, reader: httpx.Client, instances: Sequence[Instance]) -> Reading:
    before, filed_before, cpu_s = _found(reader), _filed(gateway), _drain_cpu_s(gateway)
    took = blast(gateway.dicom_port, instances, associations=ASSOCIATIONS)
    began = time.perf_counter() - took
    _ask_until(lambda: _found(reader) >= before + len(instances))
    found_s = time.perf_counter() - began
    _ask_until(lambda: _filed(gateway) >= filed_before + len(instances))
    filed_s = time.perf_counter() - began
    cpu_ms = (_drain_cpu_s(gateway) - cpu_s) * 1000 / len(instances)
    return Reading(found_s=found_s, filed_s=filed_s, cpu_ms=cpu_ms)


def _taken_by(peer: Receiver, instances: Sequence[Instance]) -> float:
    """Seconds from the first byte until Orthanc counts them all."""
    with httpx.Client(base_url=f"http://127.0.0.1:{peer.http_port}") as client:

        def counted() -> int:
            return int(client.get("/statistics").raise_for_status().json()["CountInstances"])

        before = counted()
        began = time.perf_counter() - blast(peer.port, instances, associations=ASSOCIATIONS)
        _ask_until(lambda: counted() >= before + len(instances))
        return time.perf_counter() - began


def _ask_until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError("not all that was sent has come")
        time.sleep(ASK_S)


def _latency(gateway: Gateway, reader: httpx.Client, corpus: Corpus) -> tuple[float, float]:
    """At 50 CT a second: the 95th percentiles of how long each is neither found nor counted, in milliseconds."""
    acknowledged: list[float] = []
    instances = [
        instance for _ in range(-(-PACED // corpus.count)) for instance in corpus.fresh()
    ]  # a study after another
    instances = instances[:PACED]
    before, listed_before = _found(reader), _listed(reader)
    found = _Watch(lambda: _found(reader) - before, LOOK_S)
    with closing(gateway.sign_in("reader")) as other:
        listed = _Watch(lambda: _listed(other) - listed_before, 2 * LOOK_S)
        acknowledged.extend(send_paced(gateway.dicom_port, instances, per_second=PER_SECOND))
        return found.p95_ms(acknowledged), listed.p95_ms(acknowledged)


class _Watch:
    """Looks at a count again and again, in a thread of its own, and remembers when it was what."""

    def __init__(self, count: Callable[[], int], interval_s: float) -> None:
        self._seen: list[tuple[float, int]] = []
        self._stop = threading.Event()
        self._count, self._interval_s = count, interval_s
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def p95_ms(self, acknowledged: Sequence[float]) -> float:
        """Ends the watch when all are counted; one association's come in the order of their acknowledgements."""
        try:
            _wait_for(lambda: bool(self._seen) and self._seen[-1][1] >= len(acknowledged))
        finally:
            self._stop.set()
            self._thread.join()
        waits, seen = [], iter(self._seen)
        at, count = next(seen)
        for number, since in enumerate(acknowledged, start=1):
            while count < number:
                at, count = next(seen)
            waits.append(max(0.0, at - since))
        return statistics.quantiles(waits, n=20)[-1] * 1000

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            count = self._count()
            self._seen.append((time.perf_counter(), count))


def _found(reader: httpx.Client) -> int:
    answer = reader.get("/dicomweb/studies", params={"PatientID": "BENCH", "limit": 1000})
    if answer.status_code == 204:
        return 0
    answer.raise_for_status()
    return sum(study["00201208"]["Value"][0] for study in answer.json())


def _listed(reader: httpx.Client) -> int:
    answer = reader.get("/api/v1/worklist", params={"limit": 200})
    answer.raise_for_status()
    return sum(item["instances"] for item in answer.json()["items"])


def _filed(gateway: Gateway) -> int:
    with gateway.session() as session:
        return session.scalar(select(func.count(Record.id)).where(Record.pack_id.is_not(None))) or 0


def _drain_cpu_s(gateway: Gateway) -> float:
    """Of the drain process, which writes its number into its pulse."""
    pulse = json.loads((gateway.data_dir / "run" / FILE_NAME).read_text())
    return sum(psutil.Process(pulse["pid"]).cpu_times()[:2])


def _wait_for(reached: Callable[[], bool]) -> None:
    wait_for(reached, TIMEOUT_S, "the drain has caught up")


@contextmanager
def _files_and_sqlite(folder: Path) -> Iterator[Gateway]:
    with Gateway(folder / "gateway", file_after_s=20) as gateway:
        yield gateway.start()


@contextmanager
def _servers(folder: Path) -> Iterator[Gateway]:
    with running(Postgres) as database, running(SeaweedFs) as store:
        settings = {"database_url": database.url(), "object_store": store.url("bench"), "file_after_s": 20}
        with Gateway(folder / "gateway", **settings) as gateway:
            yield gateway.start()


FILES = "files and SQLite"
STACKS = (
    Stack(name=FILES, open=_files_and_sqlite, found=0.6, filed=1.2),
    Stack(name="SeaweedFS and PostgreSQL", open=_servers, found=0.8, filed=2.0),
)
