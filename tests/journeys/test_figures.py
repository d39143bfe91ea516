"""A film of poor quality in Chromium: graded by keys, seen by its township, on the month's sheet, in the head's figures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from adapters.xlsx import read_workbook
from tests.journeys.browsers import PHONE, chromium, sign_in
from tests.journeys.gateways import Gateway, run_dcmtk
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-figures"), pytest.mark.timeout(1800)]

TOWNSHIP, NAME = "柳溪镇卫生院", "苗静怡"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def _send(gateway: Gateway, folder: Path) -> None:
    files = write_study(
        folder, 1, modality="DX", size=64, patient_id="LX20261001", name="Miao^Jingyi=苗^静怡",
        StudyDescription="胸部正位",
    )  # fmt: skip
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert done.returncode == 0, done.stdout
    gateway.wait_until_drained()


def _grade_poor(page: Page) -> str:
    """丙 by its key, with the first reason that is offered; answers that reason."""
    page.goto("/app/worklist")
    page.locator("tbody tr", has_text=NAME).get_by_role("button").last.click()
    page.wait_for_url("**/app/read/*")
    grades = page.get_by_role("group", name="图像质量")
    expect(grades.get_by_role("button", name="丙", exact=True)).to_be_enabled()
    page.keyboard.press("Alt+9")
    chip = page.locator(".reasons .chip").first
    expect(chip).to_be_focused()
    said = chip.inner_text()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="评为丙").click()
    expect(grades.get_by_role("button", name="丙", exact=True)).to_have_attribute("aria-pressed", "true")
    return said


def test_a_poor_film_is_seen_by_its_township_on_the_sheet_and_in_the_figures(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    _send(gateway, tmp_path)
    reason = _grade_poor(sign_in(browser, gateway, "reader"))

    township = sign_in(browser, gateway, "radiographer", size=PHONE)
    township.goto("/app/sent")
    sent = township.locator("li.row", has_text=NAME)
    expect(sent).to_contain_text("图像质量丙")
    expect(sent).to_contain_text(reason)

    township.goto("/app/quality")
    expect(township.locator("main")).to_contain_text(TOWNSHIP)
    expect(township.locator("tr", has_text=NAME)).to_contain_text(reason)
    with township.expect_download() as download:
        township.get_by_role("link", name="导出 Excel").click()
    book = read_workbook(download.value.path().read_bytes())
    assert book["图像质量"][2:5] == [["甲", "0", "0.0%"], ["乙", "0", "0.0%"], ["丙", "1", "100.0%"]]

    township.goto("/app/figures")
    township.locator("main").get_by_role("link", name="互认统计").click()
    township.wait_for_url("**/app/figures/recognition")

    head = sign_in(browser, gateway, "reviewer")
    head.goto("/app/figures")
    head.get_by_role("button", name="图像质量", exact=True).click()
    line = head.locator("tbody tr", has_text=TOWNSHIP)
    expect(line).to_contain_text("100.0%")
    expect(head.get_by_role("img", name="图像质量按机构").locator("canvas")).to_be_visible()
    line.get_by_role("button").last.click()
    expect(head.locator("section", has_text=f"{TOWNSHIP} · 丙：1 项检查")).to_contain_text(NAME)
    for page in (township, head):
        page.context.close()


def test_a_township_is_not_offered_what_stays_among_readers(gateway: Gateway, browser: Browser) -> None:
    for who, offered in (("reviewer", 1), ("radiographer", 0)):
        page = sign_in(browser, gateway, who)
        page.goto("/app/figures")
        expect(page.get_by_role("button", name="工作量", exact=True)).to_be_visible()
        expect(page.get_by_role("button", name="审核差异", exact=True)).to_have_count(offered)
        page.context.close()
