"""Two people at one thing, each in a Chromium of their own, and a line or a session that ends while somebody writes."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.browsers import chromium, sign_in
from tests.journeys.gateways import PASSWORD, Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import write_study

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


def test_rules_that_are_being_written_when_the_session_ends_stand_there_afterwards(
    browser: Browser, gateway: Gateway
) -> None:
    page = sign_in(browser, gateway, "admin")
    page.goto("/app/checking")
    page.get_by_role("button", name="从现行规则新建草稿").click()
    page.wait_for_url(re.compile("version="))
    here, note = page.url, page.get_by_label("说明（为什么改）")
    note.fill("写到一半")
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.context.clear_cookies()
    page.get_by_role("button", name="保存草稿").click()

    page.wait_for_url(re.compile("/app/sign-in"))
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.get_by_role("button", name="登录").click()

    page.wait_for_url(here)
    expect(note).to_have_value("写到一半")
    expect(page.get_by_text("登录过期时没有保存的修改还在下面。")).to_be_visible()
    page.get_by_role("button", name="保存草稿").click()
    expect(page.get_by_text("草稿已保存。")).to_be_visible()
    assert asked == []
    page.context.close()


def test_a_report_that_is_being_written_when_the_line_and_the_session_go_is_whole_afterwards(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    files = write_study(
        tmp_path, 1, modality="DX", size=64, patient_id="LX-TWO-1", name="Fan^Wen=范^文", body_part="CHEST"
    )
    sent = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert sent.returncode == 0, sent.stdout
    with closing(gateway.sign_in("reader")) as reader:
        found: Any = wait_for(
            lambda: get_json(reader, "/api/v1/worklist", q="LX-TWO-1", state="waiting")["items"],
            60, "it waits", gateway.log,
        )  # fmt: skip
        address = f"/api/v1/tasks/{found[0]['task_id']}"
        page = sign_in(browser, gateway, "reader")
        page.goto(f"/app/read/{found[0]['task_id']}")
        page.get_by_role("button", name="领取").click()
        page.fill("#findings", "双肺纹理清晰。")
        expect(page.get_by_text(re.compile("^已保存 "))).to_be_visible()

        page.context.set_offline(True)
        page.fill("#findings", "双肺纹理清晰，线路中断时写的。")
        expect(page.get_by_text("未保存，已存在本机")).to_be_visible()
        page.context.set_offline(False)
        wait_for(
            lambda: "线路中断时写的" in ((get_json(reader, address)["draft"] or {}).get("findings") or ""),
            60, "it is sent by itself", gateway.log,
        )  # fmt: skip

        page.context.clear_cookies()
        page.fill("#findings", "双肺纹理清晰，线路中断时写的，登录过期后接着写的。")
        page.wait_for_url(re.compile("/app/sign-in"))
        page.fill("input[name=username]", "reader")
        page.fill("input[name=password]", PASSWORD)
        page.get_by_role("button", name="登录").click()
        page.wait_for_url(re.compile("/app/read/"))
        expect(page.locator("#findings")).to_have_value("双肺纹理清晰，线路中断时写的，登录过期后接着写的。")
        wait_for(
            lambda: "登录过期后接着写的" in ((get_json(reader, address)["draft"] or {}).get("findings") or ""),
            60, "it is sent by itself", gateway.log,
        )  # fmt: skip
    page.context.close()
