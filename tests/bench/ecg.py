"""Electrocardiograms: how fast files are read and measured, and on a gateway opened, panned and taken in.

One gateway with its defaults (SQLite, one web process), everything audited as ever. What is opened was not opened
before; a day is panned as the page does it, four tiles at a time at every resolution. Clients share the two cores.
"""

import itertools
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from statistics import median, quantiles

import httpx
from sqlalchemy import func, select

from adapters.ecg.recording import STANDARD_LEADS
from gateway.ecg.rows import DESCRIBE, EcgDescription
from gateway.work import Work
from tests.bench.ecg_files import proposing, reading
from tests.bench.ecg_pages import pages
from tests.bench.processes import Watch
from tests.bench.table import Row
from tests.ecg_synthetic import Heart, write_ishne
from tests.journeys.gateways import Gateway, get_json, wait_for

OPENED, TAKEN_IN, SEEN = 40, 200, 11
TILE_VALUES, STEP_UP, CLIENTS = 4096, 4, 4  # as the page asks: viewer/src/lib/ecg/tiles.ts
PAN_FOR_S = 8.0
TRACING_WITHIN_MS, SERVER_AT_MOST_MB = 100, 200
HOLTER_HZ, DAY_S = 200, 86_400
DAY, LEVELS = "DAY", range(8)  # at level 7 a tile is the whole day


def measure(repetitions: int) -> Iterator[Row]:
    """All of it; the gateway is one, whatever the repetitions."""
    yield from reading(repetitions)
    yield proposing(repetitions)
    with tempfile.TemporaryDirectory() as scratch, Gateway(Path(scratch) / "gateway") as gateway:
        gateway.start()
        yield from _taking_in(gateway, Path(scratch))
        yield from _opening(gateway)
        yield from _panning(gateway, Path(scratch))
        with closing(gateway.sign_in("ecg")) as reader:
            items = _worklist(reader)
        resting = [item["task_id"] for item in items if item["patient"]["patient_id"] != DAY]
        [day] = [item["task_id"] for item in items if item["patient"]["patient_id"] == DAY]
        yield from pages(gateway, resting[-SEEN:], day)


def _taking_in(gateway: Gateway, scratch: Path) -> Iterator[Row]:
    """From the door to the worklist, described and measured: what all processes of the gateway work for one."""
    files = [_resting(scratch, number) for number in range(TAKEN_IN)]
    with closing(gateway.sign_in("radiographer")) as township:
        _upload(township, files[:2])
        _wait_for_measured(gateway, 2)
        watch, began = Watch(gateway), time.perf_counter()
        for start in range(2, TAKEN_IN, 20):
            _upload(township, files[start : start + 20])
        _wait_for_measured(gateway, TAKEN_IN)
        spent_s = time.perf_counter() - began
        taken = watch.taken()
    cpu_ms = 1000 * sum(role.cpu_s for role in taken.values()) / (TAKEN_IN - 2)
    parts = ", ".join(f"{name} {1000 * role.cpu_s / (TAKEN_IN - 2):.0f}" for name, role in taken.items())
    yield Row(
        work="ECG files uploaded, in the worklist and measured", ours=(TAKEN_IN - 2) / spent_s, unit="/s"
    )
    yield Row(work="processor time of one ECG, door to worklist", ours=cpu_ms, unit="ms CPU", remark=parts)


def _opening(gateway: Gateway) -> Iterator[Row]:
    with closing(gateway.sign_in("ecg")) as reader:
        items = _worklist(reader)[:OPENED]
        first, again = [], []
        for item in items:
            path = f"/api/v1/examinations/{item['examination_id']}/ecg"
            first.append(_timed(reader, path))
            again.append(_timed(reader, path))
    remark = f"p50, p95 {_p95(first):.0f}"
    yield Row(
        work="12 × 5000 opened, HTTP", ours=median(first), unit="ms", at_most=TRACING_WITHIN_MS, remark=remark
    )
    yield Row(work="the same again", ours=median(again), unit="ms", remark=f"p50, p95 {_p95(again):.0f}")


def _panning(gateway: Gateway, scratch: Path) -> Iterator[Row]:
    day = write_ishne(scratch / "day.ecg", duration_s=DAY_S, sampling_rate_hz=HOLTER_HZ, patient_id=DAY)
    readers = [gateway.sign_in("ecg") for _ in range(CLIENTS)]  # what a password takes is not the panning's
    with closing(gateway.sign_in("radiographer")) as township:
        _wait_for_quiet(gateway)
        watch, began = Watch(gateway), time.perf_counter()
        before = watch.resident_mb()["web"]
        _upload(township, [day])
        yield Row(
            work="a day of 3 leads uploaded", ours=time.perf_counter() - began, unit="s", remark="104 MB"
        )
    _wait_for_quiet(gateway)
    yield Row(
        work="the same, looked into", ours=time.perf_counter() - began, unit="s", remark="overview made"
    )
    path = _find_day(readers[0])
    whole = _timed(readers[0], path, points=2000)
    yield Row(work="a day opened the first time, whole", ours=whole, unit="ms")
    rate, times = _pan(readers, path)
    web = watch.taken()["web"].peak_mb
    yield Row(
        work=f"tiles of a day, {CLIENTS} at a time", ours=rate, unit="/s", remark=f"p95 {_p95(times):.0f} ms"
    )
    yield Row(
        work="web's memory meanwhile, peak", ours=web, unit="MB", at_most=SERVER_AT_MOST_MB,
        remark=f"resident, shared pages too; {before:.0f} before",
    )  # fmt: skip
    for reader in readers:
        reader.close()


# What they consist of


def _resting(scratch: Path, number: int) -> Path:
    """Of a person of their own: two hundred of one name and one birth date would be proposed to be one, pair by pair."""
    heart = Heart(heart_rate_bpm=60 + number % 40, noise_uv=8, seed=number)
    return write_ishne(
        scratch / f"{number}.ecg", heart, duration_s=10, sampling_rate_hz=500, leads=STANDARD_LEADS,
        patient_id=f"R{number:05d}", born=date(1940, 1, 1) + timedelta(days=97 * number),
    )  # fmt: skip


def _upload(township: httpx.Client, paths: Sequence[Path]) -> None:
    files = [("files", (path.name, path.open("rb"))) for path in paths]
    answer = township.post("/api/v1/examinations", data={"kind": "ecg"}, files=files, timeout=300)
    if answer.status_code != 201 or answer.json()["refused"]:
        raise RuntimeError(f"uploading was answered {answer.status_code}: {answer.text[:500]}")


def _worklist(reader: httpx.Client) -> list[dict[str, str]]:
    items: list[dict[str, str]] = []
    cursor = ""
    while cursor is not None:
        page = get_json(
            reader, "/api/v1/worklist", kind="ecg", limit=100, **({"cursor": cursor} if cursor else {})
        )
        items += page["items"]
        cursor = page["next_cursor"]
    return items


def _wait_for_measured(gateway: Gateway, count: int) -> None:
    def measured() -> bool:
        with gateway.session() as session:
            found = session.scalar(select(func.count()).where(EcgDescription.proposal.is_not(None))) or 0
            return found >= count

    wait_for(measured, 300, f"{count} are in the worklist and measured", gateway.log)


def _wait_for_quiet(gateway: Gateway) -> None:
    """Until every recording that arrived was looked into."""

    def quiet() -> bool:
        with gateway.session() as session:
            return not session.scalar(
                select(func.count()).where(Work.task == DESCRIBE, Work.done_at.is_(None))
            )

    gateway.wait_until_drained()
    wait_for(quiet, 300, "every recording was looked into", gateway.log)


def _find_day(reader: httpx.Client) -> str:
    [day] = [item for item in _worklist(reader) if item["patient"]["patient_id"] == DAY]
    return f"/api/v1/examinations/{day['examination_id']}/ecg"


def _timed(reader: httpx.Client, path: str, **query: float) -> float:
    began = time.perf_counter()
    get_json(reader, path, **query)
    return 1000 * (time.perf_counter() - began)


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1]


def _pan(readers: Sequence[httpx.Client], path: str) -> tuple[float, list[float]]:
    """Tiles a second, and how long each took: runs of neighbours, at every resolution, from anywhere in the day."""
    until = time.perf_counter() + PAN_FOR_S
    times: list[float] = []

    def pan(seed: int) -> None:
        chance = random.Random(seed)
        for level in itertools.cycle(LEVELS):
            span_s = TILE_VALUES * STEP_UP**level / HOLTER_HZ
            start = chance.uniform(0, max(0.0, DAY_S - 6 * span_s))
            for step in range(6):
                if time.perf_counter() > until:
                    return
                first = start + step * span_s
                window = {"from": first, "to": first + span_s, "points": TILE_VALUES}
                times.append(_timed(readers[seed], path, **window))

    with ThreadPoolExecutor(len(readers)) as clients:
        list(clients.map(pan, range(len(readers))))
    return len(times) / PAN_FOR_S, times
