"""Checks, correction in review and feedback in Chromium; and one draft in two browsers, of which nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.browsers import chromium, sign_in
from tests.journeys.gateways import Gateway, run_dcmtk
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-signing"), pytest.mark.timeout(1800)]

FINDINGS = "左肺下野见斑片影。右肺野清晰。"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def _send(gateway: Gateway, folder: Path, patient_id: str, name: str) -> None:
    files = write_study(
        folder, 1, modality="DX", size=64, patient_id=patient_id, name=name, StudyDescription="胸部正位"
    )
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert done.returncode == 0, done.stdout
    gateway.wait_until_drained()


def _open(page: Page, name: str) -> None:
    page.goto("/app/worklist")
    page.locator("tbody tr", has_text=name).get_by_role("button").last.click()
    page.wait_for_url("**/app/read/*")


def test_a_doubt_is_kept_with_a_reason_the_text_corrected_in_review_and_read_as_feedback(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    _send(gateway, tmp_path, "LX20260901", "Shen^Anran=沈^安然")
    reader, reviewer = sign_in(browser, gateway, "reader"), sign_in(browser, gateway, "reviewer")
    _open(reader, "沈安然")
    reader.fill("#findings", FINDINGS)
    reader.fill("#impression", "右肺下野炎症。")
    expect(reader.get_by_role("button", name="1 处待核对")).to_be_visible()

    reader.keyboard.press("Control+Enter")
    doubt = reader.locator(".doubt")
    expect(doubt).to_be_focused()
    expect(doubt).to_contain_text("异常在“左肺”")
    reader.keyboard.press("g")  # the place is selected in the text
    selected = (
        "() => { const f = document.activeElement; return f.value.slice(f.selectionStart, f.selectionEnd) }"
    )
    assert reader.evaluate(selected) == "右肺"
    doubt.focus()
    reader.keyboard.press("Enter")
    reader.get_by_role("button", name="与临床核实").click()
    reader.keyboard.press("Control+Enter")
    expect(reader.get_by_role("status").filter(has_text="已提交 沈安然")).to_be_visible()

    _open(reviewer, "沈安然")
    expect(reviewer.locator(".alerts")).to_contain_text("与临床核实")
    reviewer.fill("#impression", "左肺下野炎症。")
    expect(reviewer.locator(".alerts ins")).to_have_text("左")
    reviewer.keyboard.press("Control+Enter")
    expect(reviewer.get_by_text("差异等级")).to_be_visible()
    reviewer.keyboard.press("3")
    reviewer.keyboard.press("c")
    reviewer.keyboard.press("Control+Enter")
    expect(reviewer.get_by_role("status").filter(has_text="已签发 沈安然")).to_be_visible()

    reader.goto("/app/feedback")
    item = reader.locator("article", has_text="沈安然")
    expect(item).to_contain_text("重大差异")
    expect(item.locator("del")).to_have_text("右")
    item.get_by_role("button", name="知道了").click()
    expect(item).to_contain_text("已确认")


def test_of_one_draft_in_two_browsers_the_later_sees_the_other_and_nothing_is_lost(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    _send(gateway, tmp_path, "LX20260902", "Lu^Yiming=陆^一鸣")
    first, second = sign_in(browser, gateway, "reader"), sign_in(browser, gateway, "reader")
    _open(first, "陆一鸣")
    second.goto(first.url)
    expect(second.locator("#findings")).to_be_editable()
    second.context.set_offline(True)  # it hears of nothing while the other writes
    first.fill("#findings", "第一台写的。")
    expect(first.get_by_text("已保存")).to_be_visible()
    second.fill("#findings", "第二台写的。")
    second.wait_for_timeout(1_500)

    second.context.set_offline(False)

    conflict = second.locator(".conflict")
    expect(conflict).to_contain_text("第一台写的。")
    expect(conflict).to_contain_text("第二台写的。")
    conflict.get_by_role("button", name="保留我的").click()
    expect(second.get_by_text("已保存")).to_be_visible()
    expect(second.locator("#findings")).to_have_value("第二台写的。")
