"""One object per instance against packs, in a folder and on SeaweedFS: what the object layout rests on.

Run: python -m tests.bench.objects [repetitions]
Rates are instances per second, medians; CPU is this process's and the server's, per instance.
"""

import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psutil

from gateway.objects import ObjectStore, open_object_store
from gateway.packs import Member, PackStream
from tests.servers import SeaweedFs, running

THREADS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """So many instances of a size, and how many of them go into one pack."""

    name: str
    bodies: list[bytes]
    per_pack: int


def corpora() -> list[Corpus]:
    return [
        Corpus(name="CT 526 KB", bodies=[os.urandom(526 * 1024) for _ in range(240)], per_pack=120),
        Corpus(name="small 6 KB", bodies=[os.urandom(6 * 1024) for _ in range(1000)], per_pack=1000),
    ]


def one_by_one(store: ObjectStore, corpus: Corpus, prefix: str) -> None:
    def put(n: int) -> None:
        body = corpus.bodies[n]
        store.put(f"{prefix}/{n}.dcm", io.BytesIO(body), len(body))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(put, range(len(corpus.bodies))))


def in_packs(store: ObjectStore, corpus: Corpus, prefix: str) -> None:
    for first in range(0, len(corpus.bodies), corpus.per_pack):
        store.put(f"{prefix}/{first}.tar", *_pack(corpus, first))


def read_one_by_one(store: ObjectStore, corpus: Corpus, prefix: str) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda n: store.read(f"{prefix}/{n}.dcm"), range(len(corpus.bodies))))


def read_from_packs(store: ObjectStore, corpus: Corpus, prefix: str) -> None:
    def read(n: int) -> None:
        step = (len(corpus.bodies[0]) // 512 + 2) * 512  # near enough: any range of the right length
        place = n % corpus.per_pack * (step - 512)
        store.read(f"{prefix}/{n - n % corpus.per_pack}.tar", offset=place, length=len(corpus.bodies[0]))

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(len(corpus.bodies))))


CASES: list[tuple[str, Callable[[ObjectStore, Corpus, str], None]]] = [
    ("put one by one, 4 threads", one_by_one),
    ("put in packs, 1 thread", in_packs),
    ("read one by one, 4 threads", read_one_by_one),
    ("read out of packs, 4 threads", read_from_packs),
]


def measure(place: str, store: ObjectStore, server: psutil.Process | None, repetitions: int) -> None:
    own = psutil.Process()
    store.prepare()
    for corpus in corpora():
        prefixes = [f"{uuid4().hex}" for _ in range(repetitions)]
        for name, run in CASES:
            rounds = []
            for prefix in prefixes:
                before = (time.perf_counter(), _cpu(own), _cpu(server))
                run(store, corpus, prefix)
                after = (time.perf_counter(), _cpu(own), _cpu(server))
                rounds.append([end - start for start, end in zip(before, after, strict=True)])
            seconds, cpu, server_cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
            count = len(corpus.bodies)
            print(
                f"| {place} | {corpus.name} | {name} | {count / seconds:.0f} | "
                f"{sum(map(len, corpus.bodies)) / seconds / 1e6:.0f} | {cpu / count * 1000:.2f} | "
                f"{server_cpu / count * 1000:.2f} |",
                flush=True,
            )


def _pack(corpus: Corpus, first: int) -> tuple[PackStream, int]:
    members = [
        Member(name=f"{n}.dcm", length=len(body), open=lambda body=body: io.BytesIO(body))  # type: ignore[misc]
        for n, body in enumerate(corpus.bodies[first : first + corpus.per_pack], first)
    ]
    pack = PackStream(members)
    return pack, pack.size


def _cpu(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    print("| store | corpus | case | instances/s | MB/s | CPU ms | server CPU ms |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        measure("folder", open_object_store(Path(folder)), None, repetitions)
    with running(SeaweedFs) as server:
        measure("SeaweedFS", open_object_store(server.url("bench")), psutil.Process(server.pid), repetitions)


if __name__ == "__main__":
    main()
