"""A report written by keyboard in a real Chromium: a template by pinyin, its slots by number, a score, handed on."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.journeys import browsers
from tests.journeys.browsers import chromium, slowly
from tests.journeys.gateways import Gateway, run_dcmtk, wait_for
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-templates"), pytest.mark.timeout(600)]

PATIENT = "单明义"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def _send(gateway: Gateway, folder: Path) -> None:
    files = write_study(
        folder, 1, modality="CT", size=64, patient_id="LX20260555", name="Shan^Mingyi=单^明义",
        BodyPartExamined="CHEST", StudyDescription="胸部平扫",
    )  # fmt: skip
    done = run_dcmtk("storescu", gateway.dicom_port, *files)
    assert done.returncode == 0, done.stdout
    gateway.wait_until_drained()


def test_a_report_is_written_by_keyboard(browser: Browser, gateway: Gateway, tmp_path: Path) -> None:
    _send(gateway, tmp_path)
    page = browsers.sign_in(browser, gateway, "reader")
    task = _find_task(page)
    page.goto(f"/app/read/{task}")
    # Keys are faster than a county's line: the templates come after what was typed for them.
    held: list[Route] = []
    page.route("**/api/v1/phrases**", lambda route: held.append(route))  # noqa: PLW0108 (it wants a function)
    page.get_by_role("button", name="领取", exact=True).click()
    findings, impression = page.locator("#findings"), page.locator("#impression")
    expect(findings).to_be_editable()
    findings.focus()
    page.keyboard.press("Alt+t")
    expect(page.get_by_role("combobox", name="输入编码、拼音首字母或汉字")).to_be_focused()
    page.keyboard.type("fjj")
    page.keyboard.press("Enter")
    assert held
    for route in held:
        route.continue_()
    page.unroute("**/api/v1/phrases**")
    expect(findings).to_have_value(re.compile("^{部位}见一实性结节"))

    page.keyboard.press("4")  # 左肺上叶, also in the impression
    page.keyboard.press("Tab")  # 实性 stays
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    expect(findings).to_have_value(re.compile("^左肺上叶见一实性结节，平均径约7mm，边界清楚"))
    expect(impression).to_have_value("左肺上叶实性结节。")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+Shift+z")

    page.keyboard.press("Alt+s")
    panel = page.get_by_role("region", name="评分")
    panel.locator("select").first.select_option("fleischner")
    for name, choice in (("密度", "solid"), ("数目", "single"), ("风险", "low")):
        panel.get_by_label(re.compile(f"^{name}")).select_option(choice)
    page.route("**/scores/**", slowly)
    panel.get_by_label(re.compile("^平均径")).fill("7")
    panel.get_by_label(re.compile("^平均径")).press("Enter")
    expect(impression).to_have_value(re.compile("建议6～12个月后CT复查"))
    draft = wait_for(lambda: _kept(page, task), 30, "the draft is saved")
    assert draft["templates"] == [{"code": "ct-chest-nodule", "version": 0}]
    assert [(one["scheme"], one["category"]) for one in draft["scores"]] == [("fleischner", "6_12_maybe")]

    page.keyboard.press("Escape")
    expect(impression).to_be_focused()
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: task not in url)
    assert page.request.get(f"/api/v1/tasks/{task}").json()["task"]["state"] == "submitted"
    page.context.close()


def _find_task(page: Page) -> str:
    def look() -> str | None:
        items = page.request.get("/api/v1/worklist", params={"q": PATIENT}).json()["items"]
        return next((one["task_id"] for one in items), None)

    return wait_for(look, 30, "the examination is on the worklist")


def _kept(page: Page, task: str) -> dict[str, list[dict[str, str]]] | None:
    draft = json.loads(page.request.get(f"/api/v1/tasks/{task}").text())["draft"]
    content: dict[str, list[dict[str, str]]] | None = draft and draft["content"]
    return content if content and content["scores"] else None
