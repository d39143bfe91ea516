"""A report by QR code in a real Chromium: shown at the township, read on a telephone without an account, seen by all."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from gateway.database import open_engine, open_sessions
from tests.journeys.browsers import PHONE, SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.journeys.test_main_path import act, find_item
from tests.synthetic import new_uid, write_study
from worklists.sharing import TRIES_BEFORE_LOCK, ReportShare

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-village-page"), pytest.mark.timeout(1800)]

CARD, TAIL = "33010619580312000X", "000x"
FINDINGS, IMPRESSION = "右侧第 5 肋骨皮质不连续。", "右侧第 5 肋骨骨折，建议到县医院就诊。"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_the_village_page_by_qr(browser: Browser, gateway: Gateway, tmp_path: Path) -> None:
    report = signed_report(gateway, tmp_path)
    page = sign_in(browser, gateway, "radiographer")
    expect(page.locator("nav .n").first).not_to_have_text("0", timeout=SLOW_MS)
    expect(page).to_have_title(re.compile(r"^\("))

    # The radiographer shows the QR code; it reads as an address of this gateway.
    page.goto("/app/returns")
    row = page.locator("li", has_text="仇德海").first
    row.get_by_role("button", name="二维码").click()
    picture = row.locator(".share img")
    expect(picture).to_be_visible(timeout=SLOW_MS)
    address = picture.get_attribute("alt") or ""
    shot = tmp_path / "row.png"
    picture.screenshot(path=shot)
    assert read_qr(shot) == [address]
    code = row.locator(".code.tabular").inner_text()

    # A telephone without an account; a wrong tail first.
    phone = telephone(browser)
    phone.goto(gateway.base_url + address[address.index("/p/") :])
    assert "仇" not in phone.content()
    answer(phone, "1234")
    expect(phone.get_by_role("alert")).to_contain_text("打不开")
    answer(phone, TAIL)
    expect(phone.get_by_text(IMPRESSION)).to_be_visible()
    assert phone.url.endswith("/p/report")
    no_wider_than_the_screen(phone)
    impression, findings = (phone.get_by_text(words).bounding_box() for words in (IMPRESSION, FINDINGS))
    assert impression and findings and impression["y"] < findings["y"]

    # It is read and said so; the county sees it.
    phone.get_by_label("家属").check()
    phone.get_by_label("姓名").fill("仇小明")
    phone.get_by_role("button", name="我已阅读").click()
    expect(phone.get_by_text("已阅读：家属 仇小明")).to_be_visible()
    reader = gateway.sign_in("reader")
    [share] = get_json(reader, f"/api/v1/reports/{report}")["shares"]
    assert (share["acknowledged_as"], share["opened_count"]) == ("family", 1)
    county = sign_in(browser, gateway, "reader")
    county.goto(f"/app/reports/{report}")
    expect(county.get_by_text("已阅读：家属 仇小明")).to_be_visible(timeout=SLOW_MS)

    # The signed PDF is there too, and nothing is left after the visit.
    pdf = phone.request.get(f"{gateway.base_url}/p/report.pdf")
    assert pdf.body()[:5] == b"%PDF-"
    phone.get_by_role("button", name="退出").click()
    phone.goto(f"{gateway.base_url}/p/report")
    expect(phone.get_by_role("alert")).to_contain_text("请重新填写")

    # Typed instead of scanned, by somebody who guesses: locked for a while, also for the right tail.
    for _ in range(TRIES_BEFORE_LOCK - 1):  # one was wrong already
        phone.goto(f"{gateway.base_url}/p")
        phone.locator("#code").fill(code.lower())
        answer(phone, "4321")
        expect(phone.get_by_role("alert")).to_be_visible()  # it was heard before the next one is made
    expect(phone.get_by_role("alert")).to_contain_text("分钟后再试")
    answer(phone, TAIL)
    expect(phone.get_by_role("alert")).to_contain_text("分钟后再试")

    # A code that is over says no more than a wrong one.
    act(gateway.sign_in("radiographer"), "POST", f"/api/v1/reports/{report}/share", json={"anew": True})
    fresh = act(gateway.sign_in("radiographer"), "POST", f"/api/v1/reports/{report}/share", json={})
    expire(gateway, fresh["share"]["id"])
    phone.goto(gateway.base_url + "/p/" + fresh["code"].replace("-", ""))
    answer(phone, TAIL)
    expect(phone.get_by_role("alert")).to_contain_text("已过期")
    county.reload()
    expect(county.locator(".deliveries")).to_contain_text("已过期", timeout=SLOW_MS)
    for one in (page, phone, county):
        one.context.close()


def signed_report(gateway: Gateway, folder: Path) -> str:
    """Sent, read, signed, and back at the township."""
    study_uid = new_uid()
    files = write_study(
        folder / "study", 1, modality="DX", size=64, study_uid=study_uid, patient_id=CARD, name="Qiu^Dehai=仇^德海",
        body_part="CHEST", StudyDescription="胸部正位", PatientBirthDate="19580312", PatientSex="M",
    )  # fmt: skip
    assert run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR").returncode == 0
    reader, reviewer = gateway.sign_in("reader"), gateway.sign_in("reviewer")
    item: Any = wait_for(
        lambda: find_item(reader, "/api/v1/worklist", study_uid, state="waiting"), 60, "it waits", gateway.log
    )
    task = f"/api/v1/tasks/{item['task_id']}"
    act(reader, "POST", f"{task}/claim")
    words = {"findings": FINDINGS, "impression": IMPRESSION, "critical": False, "preliminary": False}
    act(reader, "PUT", f"{task}/report", json=words)
    act(reader, "POST", f"{task}/submit")
    report = str(act(reviewer, "POST", f"{task}/sign")["report_id"])
    radiographer = gateway.sign_in("radiographer")
    wait_for(
        lambda: report in [one["report_id"] for one in get_json(radiographer, "/api/v1/returns")["items"]],
        60, "it is back", gateway.log,
    )  # fmt: skip
    return report


def telephone(browser: Browser) -> Page:
    context = browser.new_context(
        locale="zh-CN", viewport={"width": PHONE[0], "height": PHONE[1]}, is_mobile=True, has_touch=True
    )
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    return page


def answer(phone: Page, tail: str) -> None:
    phone.locator("#answer").fill(tail)
    phone.get_by_role("button", name="查看报告").click()


def no_wider_than_the_screen(phone: Page) -> None:
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


def expire(gateway: Gateway, share_id: str) -> None:
    engine = open_engine(gateway.settings.database)
    with open_sessions(engine).begin() as session:
        session.get_one(ReportShare, uuid.UUID(share_id)).expires_at = datetime.now(UTC)
    engine.dispose()


def read_qr(picture: Path) -> list[str]:
    with Image.open(picture) as image:
        return [found.text for found in zxingcpp.read_barcodes(image)]
