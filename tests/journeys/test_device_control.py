"""Quality control of a device in a real Chromium: a check fails, its report carries no mark, a reviewer releases it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys import browsers
from tests.journeys.browsers import PHONE, chromium, slowly
from tests.journeys.gateways import Gateway, run_dcmtk, wait_for
from tests.synthetic import write_study
from worklists.base import local_date

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-devices"), pytest.mark.timeout(900)]

PATIENT = "覃志远"
DEVICE = "16 排 CT"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_a_failed_check_takes_the_mark_until_it_is_released(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    enter_a_failed_check(browser, gateway)
    _send(gateway, tmp_path)
    report = write_and_sign(browser, gateway)

    page = browsers.sign_in(browser, gateway, "radiographer", size=PHONE)
    expect(page.get_by_text("1 台设备质控失控")).to_be_visible()
    page.goto(f"/app/reports/{report}")
    expect(page.get_by_text("设备质控失控，未放行")).to_be_visible()
    page.context.close()

    release(browser, gateway)


def enter_a_failed_check(browser: Browser, gateway: Gateway) -> None:
    """The township's radiographer, on a telephone, with the protocol as a file."""
    page = browsers.sign_in(browser, gateway, "radiographer", size=PHONE)
    page.goto("/app/device-control")
    page.get_by_role("button", name=re.compile(DEVICE)).click()
    page.get_by_role("button", name="录入检测").click()
    form = page.locator("form.form")
    save = form.get_by_role("button", name="保存")
    form.get_by_label("不合格").check()
    form.get_by_label("测量值").fill("水模 CT 值 12 HU")
    expect(save).to_be_disabled()  # what failed is not said yet
    form.get_by_label("说明").fill("CT 值超出 ±4 HU，已报修")
    form.get_by_label(re.compile("^附件")).set_input_files(
        {"name": "日检.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 protocol"}
    )
    page.route("**/device-control/**", slowly)
    save.click()
    expect(page.get_by_role("link", name="日检.pdf")).to_be_visible()
    expect(page.locator(".stand")).to_contain_text("CT 值超出 ±4 HU，已报修")
    expect(page.locator(".stand .tag").first).to_have_text("失控")
    expect(page.get_by_role("button", name="放行", exact=True)).to_have_count(0)
    page.context.close()


def write_and_sign(browser: Browser, gateway: Gateway) -> str:
    """The reader is told before handing it on; the reviewer signs."""
    page = browsers.sign_in(browser, gateway, "reader")
    task = _find_task(page)
    page.goto(f"/app/read/{task}")
    page.get_by_role("button", name="领取", exact=True).click()
    expect(page.get_by_text("设备质控失控，未放行")).to_be_visible()
    expect(page.locator("#findings")).to_be_editable()
    page.locator("#findings").fill("双肺纹理清晰，未见实质性病变。")
    page.locator("#impression").fill("胸部 CT 平扫未见异常。")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: task not in url)
    page.context.close()

    reviewer = gateway.sign_in("reviewer")
    signed = reviewer.post(f"/api/v1/tasks/{task}/sign")
    assert signed.status_code == 200, signed.text
    report = str(signed.json()["report_id"])
    wait_for(lambda: _is_delivered(gateway, report), 60, "the report is in the township's inbox")
    return report


def release(browser: Browser, gateway: Gateway) -> None:
    """By keyboard; what was made meanwhile is asked for before a reason is taken."""
    page = browsers.sign_in(browser, gateway, "reviewer")
    page.goto("/app/device-control")
    expect(page.locator(".stand")).to_contain_text("失控")  # the worst is open by itself
    page.keyboard.press("r")
    reason = page.get_by_label(re.compile("^放行理由"))
    reason.fill("空气校准后复检合格")
    give = page.locator(".release").get_by_role("button", name="放行", exact=True)
    expect(give).to_be_disabled()
    page.get_by_label(re.compile("仍不带互认标识")).check()
    page.route("**/device-control/**", slowly)
    give.click()
    expect(page.locator(".stand .tag").first).to_have_text("在控")
    expect(page.get_by_text("空气校准后复检合格")).to_be_visible()
    page.context.close()


def _send(gateway: Gateway, folder: Path) -> None:
    now = datetime.now(UTC)
    files = write_study(
        folder, 1, modality="CT", size=64, patient_id="LX20260777", name="Qin^Zhiyuan=覃^志远",
        BodyPartExamined="CHEST", StudyDescription="胸部平扫", StudyDate=f"{local_date(now):%Y%m%d}",
    )  # fmt: skip
    done = run_dcmtk("storescu", gateway.dicom_port, *files)
    assert done.returncode == 0, done.stdout
    gateway.wait_until_drained()


def _find_task(page: Page) -> str:
    def look() -> str | None:
        items = page.request.get("/api/v1/worklist", params={"q": PATIENT, "state": "waiting"}).json()[
            "items"
        ]
        return next((one["task_id"] for one in items), None)

    return wait_for(look, 60, "the examination is on the worklist")


def _is_delivered(gateway: Gateway, report: str) -> bool:
    items = gateway.sign_in("radiographer").get("/api/v1/returns").json()["items"]
    return any(one["report_id"] == report for one in items)
