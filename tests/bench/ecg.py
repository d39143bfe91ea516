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
from pathlib import Path
from statistics import median, quantiles

import httpx
from playwright.sync_api import Page
from sqlalchemy import func, select

from adapters.ecg.recording import STANDARD_LEADS
from gateway.ecg.rows import EcgDescription
from tests.bench.ecg_files import proposing, reading
from tests.bench.processes import Watch
from tests.bench.table import Row
from tests.ecg_synthetic import Heart, write_ishne
from tests.journeys.browsers import chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, wait_for

OPENED, TAKEN_IN = 40, 200
TILE_VALUES, STEP_UP, CLIENTS = 4096, 4, 4  # as the page asks: viewer/src/lib/ecg/tiles.ts
PAN_FOR_S = 8.0
DRAWN_WITHIN_MS, TRACING_WITHIN_MS, SERVER_AT_MOST_MB = 300, 100, 200
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
        yield from _drawing(gateway, repetitions)


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
    watch = Watch(gateway)
    with closing(gateway.sign_in("radiographer")) as township, closing(gateway.sign_in("ecg")) as reader:
        began = time.perf_counter()
        _upload(township, [day])
        yield Row(
            work="a day of 3 leads uploaded", ours=time.perf_counter() - began, unit="s", remark="104 MB"
        )
        path = wait_for(lambda: _find_day(reader), 120, "the day is in the worklist", gateway.log)
        whole = _timed(reader, path, points=2000)
        yield Row(
            work="a day opened the first time, whole", ours=whole, unit="ms", remark="its overview is made"
        )
        rate, times = _pan(gateway, path)
    web = watch.taken()["web"].peak_mb
    yield Row(
        work=f"tiles of a day, {CLIENTS} at a time", ours=rate, unit="/s", remark=f"p95 {_p95(times):.0f} ms"
    )
    yield Row(work="web's memory meanwhile, peak", ours=web, unit="MB", at_most=SERVER_AT_MOST_MB)


def _drawing(gateway: Gateway, repetitions: int) -> Iterator[Row]:
    """In headless Chromium, from the click in the worklist, and from the page's own beginning, until it is drawn."""
    with chromium() as browser:
        page = sign_in(browser, gateway, "ecg")
        times = [_open_and_draw(page, number) for number in range(max(5, repetitions))][
            1:
        ]  # the first loads the program
        page.context.close()
    from_click, from_page = zip(*times, strict=True)
    yield Row(
        work="12 × 5000 from click to drawn", ours=median(from_click), unit="ms", at_most=DRAWN_WITHIN_MS
    )
    yield Row(work="the same, the paper alone", ours=median(from_page), unit="ms", at_most=DRAWN_WITHIN_MS)


# What they consist of


def _resting(scratch: Path, number: int) -> Path:
    heart = Heart(heart_rate_bpm=60 + number % 40, noise_uv=8, seed=number)
    return write_ishne(
        scratch / f"{number}.ecg", heart, duration_s=10, sampling_rate_hz=500, leads=STANDARD_LEADS,
        patient_id=f"R{number:05d}",
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


def _find_day(reader: httpx.Client) -> str | None:
    for item in _worklist(reader):
        if item["patient"]["patient_id"] == DAY:
            return f"/api/v1/examinations/{item['examination_id']}/ecg"
    return None


def _timed(reader: httpx.Client, path: str, **query: float) -> float:
    began = time.perf_counter()
    get_json(reader, path, **query)
    return 1000 * (time.perf_counter() - began)


def _p95(times: Sequence[float]) -> float:
    return quantiles(times, n=20)[-1]


def _pan(gateway: Gateway, path: str) -> tuple[float, list[float]]:
    """Tiles a second, and how long each took: runs of neighbours, at every resolution, from anywhere in the day."""
    until = time.perf_counter() + PAN_FOR_S
    times: list[float] = []

    def pan(seed: int) -> None:
        chance = random.Random(seed)
        with closing(gateway.sign_in("ecg")) as reader:
            for level in itertools.cycle(LEVELS):
                span_s = TILE_VALUES * STEP_UP**level / HOLTER_HZ
                start = chance.uniform(0, max(0.0, DAY_S - 6 * span_s))
                for step in range(6):
                    if time.perf_counter() > until:
                        return
                    first = start + step * span_s
                    window = {"from": first, "to": first + span_s, "points": TILE_VALUES}
                    times.append(_timed(reader, path, **window))

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(pan, range(CLIENTS)))
    return len(times) / PAN_FOR_S, times


def _open_and_draw(page: Page, number: int) -> tuple[float, float]:
    """Milliseconds from the click on a row of the worklist, and from the paper's own beginning."""
    page.goto("/app/worklist")
    row = page.locator("tbody tr", has_text="十二导联心电图").nth(number)
    row.wait_for()
    page.evaluate(
        "addEventListener('click', () => performance.mark('clicked'), { capture: true, once: true })"
    )
    row.click()
    page.wait_for_function("performance.getEntriesByName('ecg-open-to-drawn').length > 0")
    from_click, from_page = page.evaluate(
        """() => { const drawn = performance.getEntriesByName('ecg-drawn')[0].startTime
        return ['clicked', 'ecg-open'].map((name) => drawn - performance.getEntriesByName(name)[0].startTime) }"""
    )
    return float(from_click), float(from_page)
