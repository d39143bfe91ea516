"""The ECG reader's page in headless Chromium: from opening to drawn, by the page's own marks.

The browser draws in software and shares the two cores with the gateway.
"""

from collections.abc import Iterator, Sequence
from statistics import median

from playwright.sync_api import Page

from tests.bench.table import Row
from tests.journeys.browsers import chromium, sign_in
from tests.journeys.gateways import Gateway, wait_for

DRAWN_WITHIN_MS = 300
FRAMES, SMOOTH_MS = 240, 50  # 20 pictures a second are seen as one movement
# Four seconds of panning, a step with each frame that the browser draws: how long each frame took.
PANNED = """async (frames) => {
  const paper = document.querySelector('canvas.tools'), box = paper.getBoundingClientRect()
  const at = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true, cancelable: true }
  const times = []
  let before = performance.now()
  for (let frame = 0; frame < frames; frame++) {
    paper.dispatchEvent(new WheelEvent('wheel', { ...at, deltaX: 30 }))
    await new Promise(requestAnimationFrame)
    times.push(performance.now() - before)
    before = performance.now()
  }
  return times
}"""
DRAWN = "performance.getEntriesByName('ecg-open-to-drawn').map((one) => one.duration)"


def pages(gateway: Gateway, resting: Sequence[str], day: str) -> Iterator[Row]:
    """Tasks that nobody opened before, and that of a day."""
    with chromium() as browser:
        page = sign_in(browser, gateway, "ecg")
        _open(page, resting[0])  # the program itself is in the browser's cache then
        times = [_open(page, task) for task in resting[1:]]
        yield Row(
            work="12 × 5000 opened, page drawn in Chromium", ours=median(times), unit="ms", at_most=DRAWN_WITHIN_MS,
            remark=f"p50 of {len(times)}, worst {max(times):.0f}",
        )  # fmt: skip
        yield Row(work="the day opened, page drawn", ours=_open(page, day), unit="ms")
        page.keyboard.press("o")
        frames: list[float] = sorted(page.evaluate(PANNED, FRAMES))
        yield Row(
            work="the day panned, a frame", ours=frames[len(frames) * 95 // 100], unit="ms", at_most=SMOOTH_MS,
            remark=f"p95 of {FRAMES}, median {median(frames):.0f}, longest {frames[-1]:.0f}",
        )  # fmt: skip


def _open(page: Page, task: str) -> float:
    """Milliseconds from opening to drawn."""
    page.goto(f"/app/read/{task}")
    durations: list[float] = wait_for(lambda: page.evaluate(DRAWN), 60, "the tracing is drawn")
    return durations[0]
