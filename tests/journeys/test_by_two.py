"""Two people at one thing, each in a Chromium of their own: nobody's change is lost unseen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.browsers import chromium, sign_in
from tests.journeys.gateways import Gateway

pytestmark = [
    pytest.mark.journey, pytest.mark.xdist_group("journey-by-two"), pytest.mark.timeout(300),
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def edit(page: Page, field: str, was: str, text: str) -> None:
    """Open the cell that says `was`, write, press Enter."""
    page.get_by_role("button", name=f"编辑：{field}: {was}", exact=True).click()
    box = page.locator(".editor input")
    box.fill(text)
    box.press("Enter")


def test_two_administrators_at_one_line_are_told_of_each_other(browser: Browser, gateway: Gateway) -> None:
    first, second = sign_in(browser, gateway, "admin"), sign_in(browser, gateway, "admin")
    for page in (first, second):
        page.goto("/app/admin/centre")
        expect(page.locator("tr", has_text="县域影像诊断中心")).to_be_visible()
    name = "县域影像诊断中心"
    edit(first, "名称", name, "影像一部")
    expect(first.locator("tr", has_text="影像一部")).to_be_visible()

    edit(second, "名称", name, "影像二部")

    expect(second.get_by_role("alert")).to_contain_text("改过这一份")
    expect(second.get_by_text("现在是：影像一部")).to_be_visible()
    box = second.locator(".editor input")
    expect(box).to_have_value("影像二部")
    box.press("Enter")
    expect(second.locator("tr", has_text="影像二部")).to_be_visible()
    for page in (first, second):
        page.context.close()
