"""Somebody with a report in their hand, without an account, in a real Chromium: is it genuine, is it the last one?"""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.browsers import OFFICE, PHONE, chromium
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import new_uid, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-verifying"), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def browser() -> Any:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def report(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A report of one image, signed by a second person, with its document."""
    study_uid = new_uid()
    files = write_study(
        tmp_path_factory.mktemp("study"), 1, modality="DX", size=64, study_uid=study_uid,
        patient_id="LX20260888", name="Lu^Yan=陆^燕", body_part="CHEST", StudyDescription="胸部正位",
    )  # fmt: skip
    sent = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert sent.returncode == 0, sent.stdout
    reader, reviewer = gateway.sign_in("reader"), gateway.sign_in("reviewer")

    def waiting() -> Any:
        items = get_json(reader, "/api/v1/worklist", state="waiting", limit=100)["items"]
        return next((one for one in items if one["study_instance_uid"] == study_uid), None)

    task = f"/api/v1/tasks/{wait_for(waiting, 30, 'it waits', gateway.log)['task_id']}"
    done(reader.post(f"{task}/claim"))
    body = {"findings": "双肺野清晰，心影大小形态正常。", "impression": "心肺未见明显异常。"}
    done(reader.put(f"{task}/report", json={**body, "critical": False, "preliminary": False}))
    done(reader.post(f"{task}/submit"))
    signed = f"/api/v1/reports/{done(reviewer.post(f'{task}/sign'))['report_id']}"

    def document() -> bytes | None:
        answer = reader.get(f"{signed}/pdf")
        return answer.content if answer.status_code == 200 else None

    pdf = wait_for(document, 60, "its document is made", gateway.log)
    return {"url": signed, "pdf": pdf, **get_json(reader, signed)}


def done(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.status_code, answer.text[:500])
    return answer.json()


def anybody(browser: Browser, gateway: Gateway, report: dict[str, Any], size: tuple[int, int]) -> Page:
    """A window of nobody's, where the QR code of the report was scanned."""
    context = browser.new_context(
        base_url=gateway.base_url, locale="zh-CN", viewport={"width": size[0], "height": size[1]}
    )
    page = context.new_page()
    page.goto("/v/" + report["verification_url"].rsplit("/", 1)[1])
    return page


@pytest.mark.parametrize("size", [OFFICE, PHONE])
def test_the_code_on_the_paper_says_whether_it_is_genuine_and_no_more(
    gateway: Gateway, browser: Browser, report: dict[str, Any], size: tuple[int, int]
) -> None:
    page = anybody(browser, gateway, report, size)

    expect(page.get_by_text("这是一份有效的报告")).to_be_visible()
    expect(page.get_by_text("签名有效，签名后未被改动")).to_be_visible()
    expect(page.get_by_text("陆*")).to_be_visible()
    assert "陆燕" not in page.content()
    assert "心肺未见明显异常" not in page.content()
    page.get_by_role("button", name="逐一比对原始数据").click()
    expect(page.get_by_text("1 份原始数据全部在库，与签名时一字节不差。")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_file_in_hand_is_told_from_one_that_was_changed(
    gateway: Gateway, browser: Browser, report: dict[str, Any], tmp_path: Path
) -> None:
    issued, forged = tmp_path / "报告.pdf", tmp_path / "改过.pdf"
    issued.write_bytes(report["pdf"])
    middle = len(report["pdf"]) // 3
    forged.write_bytes(
        report["pdf"][:middle] + bytes([report["pdf"][middle] ^ 1]) + report["pdf"][middle + 1 :]
    )
    page = anybody(browser, gateway, report, OFFICE)

    page.set_input_files("input[type=file]", issued)
    expect(page.get_by_text("与签发的文件一字节不差")).to_be_visible()
    page.set_input_files("input[type=file]", forged)
    expect(page.get_by_text(re.compile("改过.pdf：不是本机构签发的文件"))).to_be_visible()


def test_a_report_that_was_voided_says_so_first(
    gateway: Gateway, browser: Browser, report: dict[str, Any]
) -> None:
    reason = {"reason": "患者身份有误", "after": "nothing"}
    done(gateway.sign_in("reviewer").post(f"{report['url']}/void", json=reason))

    page = anybody(browser, gateway, report, PHONE)

    expect(page.get_by_text("这份报告已作废，不能使用")).to_be_visible()
