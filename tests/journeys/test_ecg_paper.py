"""The ECG reader's paper in a real Chromium: millimetres are measured in its pixels, a day is panned through in tiles."""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Response, expect
from pydicom.uid import generate_uid

from adapters.ecg.dicom_writing import DicomIdentity, dicom_pieces
from adapters.ecg.recording import STANDARD_LEADS, EcgPatient, EcgRecording, Lead
from tests.ecg_synthetic import HOLTER_LEADS, STARTED_AT, Heart, blocks_uv, make_recording
from tests.journeys.browsers import SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-ecg-paper"), pytest.mark.timeout(1800)]

SCREEN = (1920, 1080)
PX_PER_MM = 4
LEFT_MM = 10  # viewer/src/lib/ecg/layout.ts
PULSES, TODAY, HOLTER = "LX20260701", "LX20260702", "LX20260703"
HOLTER_S = 86_400 if os.environ.get("GATEWAY_LONG_TESTS") else 5_400
MOST_TILES = 64  # viewer/src/lib/ecg/tiles.ts
LARGEST_ANSWER_BYTES = 400_000
# What the tracing's ink covers in a band of the canvas: of each column how many pixels, and the topmost; device pixels.
INK = """([left, right, top, bottom]) => {
  const canvas = document.querySelector('canvas.tracing');
  const { data } = canvas.getContext('2d').getImageData(left, top, right - left, bottom - top);
  const width = right - left, columns = [];
  for (let x = 0; x < width; x++) {
    let count = 0, first = -1;
    for (let y = 0; y < bottom - top; y++) {
      const at = 4 * (y * width + x);
      if (data[at] < 170 && data[at + 1] < 150 && data[at + 2] < 150) { count++; if (first < 0) first = top + y; }
    }
    columns.push([left + x, count, first]);
  }
  return columns;
}"""
# Columns of the bold lines of the grid, along the lower edge where nothing else is drawn.
GRID = """([right, y]) => {
  const canvas = document.querySelector('canvas.tracing');
  const { data } = canvas.getContext('2d').getImageData(0, y, right, 1), found = [];
  for (let x = 0; x < right; x++) if (data[4 * x + 1] < 200) found.push(x);
  return found;
}"""
# The recording is dragged on frame after frame: how long scripts took of each.
PAN = """async () => {
  const canvas = document.querySelector('canvas.tools');
  const box = canvas.getBoundingClientRect(), times = [];
  const at = (type, x) => canvas.dispatchEvent(new PointerEvent(type,
    { pointerId: 1, isPrimary: true, button: 0, buttons: 1, clientX: box.left + x, clientY: box.top + 60, bubbles: true }));
  canvas.setPointerCapture = canvas.releasePointerCapture = () => {};
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  let x = 800;
  at('pointerdown', x);
  for (let i = 0; i < 80; i++) {
    const start = performance.now();
    x -= 23;
    at('pointermove', x);
    await Promise.resolve();
    const moved = performance.now() - start;
    await new Promise((resolve) => requestAnimationFrame((begin) => setTimeout(() => {
      times.push(moved + performance.getEntriesByName('ecg-draw').reduce((sum, one) => sum + one.duration, 0));
      performance.clearMeasures('ecg-draw');
      resolve();
    })));
  }
  at('pointerup', x);
  return times;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _sent(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("ecg")
    earlier = replace(make_recording(Heart(heart_rate_bpm=66)), started_at=STARTED_AT - timedelta(days=90))
    files = [
        write(folder / "pulses.dcm", pulses(), PULSES),
        write(folder / "earlier.dcm", earlier, TODAY),
        write(folder / "today.dcm", make_recording(Heart(heart_rate_bpm=75, noise_uv=5)), TODAY),
        write(folder / "holter.dcm", holter(HOLTER_S), HOLTER),
    ]
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_CT")
    assert done.returncode == 0, done.stdout
    gateway.wait_until_drained()


def pulses() -> EcgRecording:
    """Every lead rests but for one millivolt from second 1 to second 2, and again five seconds later."""
    samples = np.zeros(5000, dtype=np.int16)
    for start in (500, 3000):
        samples[start : start + 500] = 1000
    leads = tuple(Lead(name=name, digital=samples) for name in STANDARD_LEADS)
    return EcgRecording(format="synthetic", leads=leads, sampling_rate_hz=500.0, started_at=STARTED_AT)


def holter(duration_s: float) -> EcgRecording:
    heart = Heart(variability=0.06, premature_every=50, noise_uv=10)
    blocks = [block.astype(np.int16) for block in blocks_uv(heart, duration_s, 200, HOLTER_LEADS)]
    leads = tuple(
        Lead(name=name, digital=row)
        for name, row in zip(HOLTER_LEADS, np.concatenate(blocks, axis=1), strict=True)
    )
    return EcgRecording(format="synthetic", leads=leads, sampling_rate_hz=200.0, started_at=STARTED_AT)


def write(path: Path, recording: EcgRecording, patient_id: str) -> Path:
    identity = DicomIdentity(
        study_instance_uid=generate_uid(), series_instance_uid=generate_uid(), sop_instance_uid=generate_uid(),
        started_at=recording.started_at or STARTED_AT,
        patient=EcgPatient(patient_id=patient_id, name="Qiu^Dehai=仇^德海", sex="M"),
    )  # fmt: skip
    with path.open("wb") as file:
        file.writelines(dicom_pieces(recording, identity=identity))
    return path


@pytest.fixture(scope="module")
def tasks(gateway: Gateway) -> dict[str, str]:
    """The newest task of each patient."""

    client = gateway.sign_in("ecg")

    def found() -> dict[str, str] | None:
        items = get_json(client, "/api/v1/worklist", limit=50)["items"]
        items.sort(key=lambda item: item["studied_at"])
        return {item["patient"]["patient_id"]: item["task_id"] for item in items} if len(items) == 4 else None

    return wait_for(found, 60, "four ECGs wait", gateway.log)


@pytest.fixture(params=[1, 2], ids=["96 dpi", "high dpi"])
def ratio(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def page(browser: Browser, gateway: Gateway) -> Page:
    return reader(browser, gateway)


def reader(browser: Browser, gateway: Gateway, ratio: int = 1) -> Page:
    """The ECG reader, at a screen on which a millimetre was measured to be four pixels."""
    page = sign_in(browser, gateway, "ecg", size=SCREEN, device_scale_factor=ratio)
    page.evaluate(
        "k => { localStorage.setItem('gateway.ecg.screens', JSON.stringify("
        "{[`${screen.width * devicePixelRatio}x${screen.height * devicePixelRatio}`]: k * devicePixelRatio}));"
        "localStorage.setItem('gateway.ecg.size', '\"true\"') }",
        PX_PER_MM,
    )
    return page


def open_ecg(page: Page, task: str) -> None:
    page.goto(f"/app/read/{task}")
    expect(page.locator("canvas.tracing").first).to_be_visible(timeout=SLOW_MS)
    page.wait_for_function("performance.getEntriesByName('ecg-open-to-drawn').length > 0")


def settle(page: Page) -> None:
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def measured(
    page: Page, ratio: int, from_s: float, to_s: float, speed: float, rows: tuple[int, int]
) -> tuple[float, float]:
    """Width and height in CSS pixels of the pulse that begins after `from_s`, in a band of the paper."""
    left, right = (round((LEFT_MM + seconds * speed) * PX_PER_MM * ratio) + 1 for seconds in (from_s, to_s))
    columns = page.evaluate(INK, [left, right, rows[0] * ratio, rows[1] * ratio])
    middle = (left + right) / 2
    edges = [x for x, count, _ in columns if count > 15 * ratio]
    up, down = ([x for x in edges if (x < middle) is first] for first in (True, False))
    rest, plateau = columns[0][2], columns[len(columns) // 2][2]
    return (np.mean(down) - np.mean(up)) / ratio, (rest - plateau) / ratio


def test_one_millivolt_of_one_second_is_ten_by_twenty_five_millimetres(
    browser: Browser, gateway: Gateway, tasks: dict[str, str], ratio: int
) -> None:
    page = reader(browser, gateway, ratio)
    open_ecg(page, tasks[PULSES])
    expect(page.locator(".foot")).to_contain_text("25 mm/s")
    expect(page.locator(".foot")).to_contain_text("实际大小（已校准）")

    # The rhythm strip is the lowest row; a third of its height is below its baseline.
    height = page.evaluate("document.querySelector('canvas.tracing').clientHeight")
    rows = (height - 42 * PX_PER_MM, height - 6 * PX_PER_MM)
    width, tall = measured(page, ratio, 0.5, 2.5, 25, rows)
    assert abs(width - 25 * PX_PER_MM) <= 1
    assert abs(tall - 10 * PX_PER_MM) <= 1
    lines = page.evaluate(GRID, [100 * PX_PER_MM * ratio, round(height * ratio) - 2])
    assert {b - a for a, b in itertools.pairwise(lines)} == {5 * PX_PER_MM * ratio}

    # I in the first column and V1 in the third: the stretches of time that each column shows.
    for from_s in (0.5, 5.5):
        width, _ = measured(page, ratio, from_s, from_s + 1.9, 25, (4 * PX_PER_MM, 40 * PX_PER_MM))
        assert abs(width - 25 * PX_PER_MM) <= 1

    page.keyboard.press("g")  # 20 mm/mV
    expect(page.locator(".foot")).to_contain_text("20 mm/mV")
    settle(page)
    assert abs(measured(page, ratio, 0.5, 2.5, 25, rows)[1] - 20 * PX_PER_MM) <= 1

    page.keyboard.press("s")  # 50 mm/s, wider than the screen
    expect(page.locator(".foot")).to_contain_text("50 mm/s")
    settle(page)
    assert abs(measured(page, ratio, 0.5, 2.5, 50, rows)[0] - 50 * PX_PER_MM) <= 1
    page.context.close()


def test_calipers_measure_and_filters_are_named(page: Page, tasks: dict[str, str]) -> None:
    open_ecg(page, tasks[PULSES])
    box = page.locator("canvas.tools").bounding_box()
    assert box is not None
    y = box["y"] + box["height"] - 20 * PX_PER_MM
    for step, x_mm in ((page.mouse.move, 35), (None, 0), (page.mouse.move, 48), (page.mouse.move, 60)):
        if step is None:
            page.mouse.down()
        else:
            step(box["x"] + x_mm * PX_PER_MM, y)
    page.mouse.up()
    hand = page.locator(".hand")
    expect(hand).to_contain_text("1000 ms")
    expect(hand).to_contain_text("60 /min")
    page.keyboard.press("ArrowRight")
    expect(hand).to_contain_text("1002 ms")
    page.keyboard.press("Delete")
    expect(hand).not_to_contain_text("ms")

    page.keyboard.press("f")
    page.keyboard.press("b")
    expect(page.locator(".foot")).to_contain_text("显示滤波：高通 0.05 Hz，低通 150 Hz")


def test_an_earlier_ecg_lies_below_with_its_beats_aligned(page: Page, tasks: dict[str, str]) -> None:
    open_ecg(page, tasks[TODAY])
    page.keyboard.press("d")
    expect(page.locator("canvas.tracing")).to_have_count(2, timeout=SLOW_MS)
    expect(page.locator(".caption").last).to_contain_text("按心搏对齐", timeout=SLOW_MS)
    page.keyboard.press("Shift+D")
    expect(page.locator("canvas.tracing")).to_have_count(1)
    page.keyboard.press("d")
    expect(page.locator(".caption")).to_have_count(0)


def test_a_long_recording_is_panned_in_tiles(page: Page, tasks: dict[str, str]) -> None:
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if re.search(r"/ecg\?", answer.url) else None)
    open_ecg(page, tasks[HOLTER])
    times = page.evaluate(PAN)
    for key in ("-", "-", "-", "End", "Home", "+", "+", "+"):
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    for _ in range(15):
        page.keyboard.press("PageDown")
    page.wait_for_timeout(800)

    print(f"panning: median {np.median(times):.1f} ms, longest {max(times):.1f} ms of scripting a frame")
    # Of a machine on which nothing else runs no frame takes so long; of a busy one the odd frame waits.
    assert np.percentile(times, 90) < 100
    assert 1 <= int(page.locator("[data-tiles]").get_attribute("data-tiles") or 0) <= MOST_TILES
    sizes = [int(answer.headers.get("content-length", 0)) or len(answer.body()) for answer in answers]
    assert len(sizes) > 5
    assert max(sizes) < LARGEST_ANSWER_BYTES
