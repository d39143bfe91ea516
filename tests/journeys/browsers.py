"""A real Chromium for journeys, and people who are signed in with it."""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from tests.journeys.gateways import PASSWORD, Gateway

FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]  # fmt: skip
SLOW_MS = 180_000  # software rendering on a machine that is slow and busy
# Each answer comes this much later, as on a machine or a line that is slow: what a click waits for is still under way.
LATE_MS = float(os.environ.get("GATEWAY_TEST_SLOW_MS", "0"))
OFFICE, PHONE = (1366, 768), (390, 844)  # an old county PC; a telephone held upright


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser; skips the test, saying so, where there is none."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed; it is Debian's package chromium")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        expect.set_options(timeout=SLOW_MS)
        yield running
        running.close()


def sign_in(
    browser: Browser,
    gateway: Gateway,
    username: str,
    *,
    size: tuple[int, int] = OFFICE,
    locale: str = "zh-CN",
    device_scale_factor: float = 1,
) -> Page:
    """A window of their own in which somebody has signed in."""
    viewer = gateway.settings.viewer_dir
    if not (viewer / "app" / "index.html").is_file():
        pytest.skip("the viewer is not built; `make setup` builds it")
    context = browser.new_context(
        base_url=gateway.base_url, locale=locale, viewport={"width": size[0], "height": size[1]},
        device_scale_factor=device_scale_factor,
    )  # fmt: skip
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    if LATE_MS:
        conditions = {"offline": False, "latency": LATE_MS, "downloadThroughput": -1, "uploadThroughput": -1}
        context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)
    page.goto("/")
    page.fill("input[name=username]", username)
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="登录").click()
    page.wait_for_url(re.compile(r"/app/(?!sign-in)"))
    return page


def slowly(route: Route) -> None:
    """For `Page.route`: the answer takes its time, as on a county's line."""
    time.sleep(0.5)
    route.continue_()
