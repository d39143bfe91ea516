"""Loops that end only when somebody answered, in a real Chromium: a critical value, recognition, an amended report.

One gateway for the whole file. Tests run in their order; none needs what another left behind.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import update

from adapters.xlsx import read_workbook, write_workbook
from gateway.critical_calls import ESCALATE
from gateway.database import open_engine
from gateway.work import Work
from tests.journeys.browsers import PHONE, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import write_study
from worklists.critical import CriticalEvent

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-loops"), pytest.mark.timeout(1800)]

CARD = "11010519491231002X"  # a made-up one, with its check digit
FILM = {"modality": "DX", "size": 64, "StudyDescription": "胸部正位", "body_part": "CHEST"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def send(gateway: Gateway, folder: Path, calling: str, **fields: Any) -> dict[str, Any]:
    """One film; the item of the county's worklist."""
    files = write_study(folder, 1, **{**FILM, **fields})
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling=calling)
    assert done.returncode == 0, done.stdout
    with closing(gateway.sign_in("reader")) as reader:
        query = {"q": fields["patient_id"], "state": "waiting"}
        found = wait_for(
            lambda: get_json(reader, "/api/v1/worklist", **query)["items"], 60, "it waits", gateway.log
        )
    assert isinstance(found, list)
    return dict(found[0])


def report(gateway: Gateway, item: dict[str, Any], findings: str, impression: str) -> str:
    """Written by one and signed by another, over HTTP; the report."""
    task = f"/api/v1/tasks/{item['task_id']}"
    words = {"findings": findings, "impression": impression, "critical": False, "preliminary": False}
    with closing(gateway.sign_in("reader")) as reader, closing(gateway.sign_in("reviewer")) as reviewer:
        assert reader.post(f"{task}/claim").status_code == 200
        assert reader.put(f"{task}/report", json=words).status_code == 200
        assert reader.post(f"{task}/submit").status_code == 200
        signed = reviewer.post(f"{task}/sign")
    assert signed.status_code == 200, signed.text
    return str(signed.json()["report_id"])


def let_pass(gateway: Gateway) -> None:
    """The minutes pass in which somebody had to answer: what was to come then is due now."""
    engine, now = open_engine(gateway.settings.database), datetime.now(UTC)
    asked = update(Work).where(Work.task == ESCALATE, Work.done_at.is_(None)).values(due_at=now)
    with engine.begin() as connection:
        connection.execute(update(CriticalEvent).where(CriticalEvent.due_at > now).values(due_at=now))
        connection.execute(asked)
    engine.dispose()


def has_called(client: httpx.Client, path: str, whom: str) -> bool:
    return bool(get_json(client, path)["steps"][-1]["recipient"] == whom)


def test_a_critical_value_passes_two_silent_people_and_ends_with_the_duty_desk(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    value = "左侧张力性气胸"
    item = send(gateway, tmp_path, "DEMO_DR", patient_id="LX-CRIT-1", name="Lu^Jianping=陆^建平")

    # The centre sets how long anybody may be silent.
    head = sign_in(browser, gateway, "reviewer")
    head.goto("/app/critical/timers")
    head.get_by_role("button", name="新建草稿").click()
    note = head.get_by_label("说明")
    expect(note).to_be_visible()
    for name in ("review", "receive", "handle"):
        head.fill(f"input[name={name}]", "1")
    note.fill("缩短时限")
    head.get_by_role("button", name="保存草稿").click()
    head.get_by_role("button", name="试运行").click()
    expect(head.get_by_text("近 90 天")).to_be_visible()
    head.get_by_role("button", name="启用", exact=True).click()
    head.get_by_role("button", name="确认启用").click()
    expect(head.get_by_role("status").filter(has_text="第 1 版已启用")).to_be_visible()

    # The reader says it before any signature.
    reader = sign_in(browser, gateway, "reader")
    reader.goto(f"/app/read/{item['task_id']}")
    reader.get_by_role("button", name="领取").click()
    reader.get_by_role("button", name="报危急值").click()
    reader.fill("input[name=critical_value]", value)
    reader.get_by_role("button", name="立即通知").click()
    expect(reader.locator(".reporter")).to_contain_text("已通知，待接收")

    # It stands across every page of the township, on a telephone too, and nothing puts it away.
    township = sign_in(browser, gateway, "radiographer", size=PHONE)
    for path in ("/app/township", "/app/returns", "/app/sent"):
        township.goto(path)
        bar = township.get_by_role("alert").filter(has_text=value)
        expect(bar).to_contain_text("陆建平")
        expect(bar.get_by_role("button")).to_have_count(1)  # the deed; there is no way to close it
        township.keyboard.press("Escape")
        expect(bar).to_be_visible()
    assert township.evaluate("document.documentElement.scrollWidth <= innerWidth")

    # Silence: the telephone at the desk, then the leader, then the lead hospital's duty desk.
    with closing(gateway.sign_in("reader")) as client:
        [event] = get_json(client, "/api/v1/critical", examination=item["examination_id"])["items"]
        path = f"/api/v1/critical/{event['id']}"
        for called in ("门诊值班电话", "卫生院值班领导 赵国强", "县医院总值班 吴海燕"):
            wait_for(lambda: get_json(client, path)["due_at"], 30, "its clock runs", gateway.log)
            let_pass(gateway)
            wait_for(partial(has_called, client, path, called), 30, called, gateway.log)

    desk = sign_in(browser, gateway, "duty")
    bar = desk.get_by_role("alert").filter(has_text=value)
    expect(bar).to_contain_text("已逐级呼叫到您")
    desk.reload()
    expect(bar).to_be_visible()
    desk.fill("input[name=read_back]", "右侧张力性气胸")
    desk.get_by_role("button", name="接收并复述").click()
    expect(desk.locator(".refused")).to_be_visible()
    desk.fill("input[name=read_back]", value)
    desk.get_by_role("button", name="接收并复述").click()
    desk.fill("input[name=treatment]", "胸腔穿刺减压，120 转运")
    desk.get_by_role("button", name="已处置").click()
    expect(bar).to_have_count(0)
    expect(township.get_by_role("alert").filter(has_text=value)).to_have_count(0)
    head.goto("/app/worklist")
    last = head.locator("section.bar", has_text=value)
    last.get_by_role("button", name="关闭").click()
    expect(last).to_have_count(0)

    # The trace on paper.
    desk.goto(f"/app/critical/{event['id']}")
    desk.get_by_role("button", name="打印处置轨迹").click()
    text = re.sub(r"\s", "", _text_of(desk.pdf(prefer_css_page_size=True)))
    told = [
        "危急值处置轨迹",
        "陆建平",
        "门诊值班电话",
        "内线8120",
        "赵国强",
        "吴海燕",
        "复述不符",
        "胸腔穿刺减压",
        "已关闭",
    ]
    assert [one for one in told if one not in text] == []
    assert text.index("赵国强") < text.index("复述不符") < text.index("胸腔穿刺减压")

    # And the auditor finds it by the patient, and takes it out.
    auditor = sign_in(browser, gateway, "auditor")
    auditor.goto("/app/audit")
    auditor.get_by_label("患者或检查号").fill("陆建平")
    auditor.get_by_role("button", name="查询").click()
    rows = auditor.locator("tbody tr")
    expect(rows.filter(has_text="陈立").first).to_be_visible()
    with auditor.expect_download() as download:
        auditor.get_by_role("button", name="导出 XLSX").click()
    [sheet] = read_workbook(download.value.path().read_bytes()).values()
    actions = {cell for row in sheet for cell in row}
    wanted = {
        "critical_reported",
        "critical_escalated",
        "critical_misread",
        "critical_received",
        "critical_closed",
    }
    assert wanted <= actions
    for page in (head, reader, township, desk, auditor):
        page.context.close()


def test_a_doctor_is_reminded_refuses_with_a_reason_and_adopts_the_next(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    """From another township's film to the county's figures, in a workbook."""
    item = send(
        gateway, tmp_path, "DEMO2_DR", patient_id=CARD, name="Fan^Yulan=范^玉兰", PatientSex="F",
        PatientBirthDate="19491231",
    )  # fmt: skip
    report(gateway, item, "双肺野清晰。", "心肺膈未见明显异常。")

    page = sign_in(browser, gateway, "radiographer")
    for visit, adopts in (("M0001", False), ("M0002", True)):
        page.goto("/app/recognition")
        page.fill("input[name=number]", CARD)
        expect(page.locator("input[name=birth_date]")).to_have_value("1949-12-31")
        expect(page.locator("select[name=sex]")).to_have_value("F")
        page.fill("input[name=name]", "范玉兰")
        page.fill("input[name=visit]", visit)
        page.get_by_role("checkbox", name="胸部 X 线摄影").check()
        page.get_by_role("checkbox", name="颅脑 CT 平扫").check()
        page.get_by_role("button", name="查询", exact=True).click()
        card = page.locator("article", has_text="胸部 X 线摄影")
        expect(card).to_contain_text("互认提醒")
        expect(card).to_contain_text("明河县HR")
        expect(card).to_contain_text("石桥镇卫生院")
        expect(card).to_contain_text("心肺膈未见明显异常。")
        expect(page.locator("article", has_text="颅脑 CT 平扫")).to_contain_text("没有可互认的结果")
        submit = page.get_by_role("button", name="提交决定")
        expect(submit).to_be_disabled()
        if adopts:
            card.get_by_role("button", name="采纳", exact=True).click()
        else:
            card.get_by_role("button", name="不采纳").click()
            expect(submit).to_be_disabled()  # not without a reason
            card.get_by_label("不采纳原因").select_option(index=1)
            card.get_by_label("说明").fill("病情有变化")
            card.get_by_role("checkbox").check()
        submit.click()
        expect(page.get_by_role("status").filter(has_text="已决定")).to_be_visible()
        if adopts:
            expect(card).to_contain_text("节约 80")
            card.get_by_role("button", name="已写入病历").click()
            expect(card.get_by_role("button")).to_have_count(0)

    page.goto("/app/figures/recognition")
    line = page.locator("tbody tr").first
    expect(line).to_contain_text("柳溪镇卫生院")
    expect(line).to_contain_text("50.0%")
    with page.expect_download() as download:
        page.get_by_role("link", name="导出 XLSX").click()
    [sheet] = read_workbook(download.value.path().read_bytes()).values()
    assert any("柳溪镇卫生院" in row for row in sheet)
    page.context.close()


def test_prices_leave_as_a_workbook_and_come_back_changed(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    page = sign_in(browser, gateway, "admin")
    page.goto("/app/admin/recognition_price")
    with page.expect_download() as download:
        page.get_by_role("button", name="导出 XLSX").click()
    [(name, rows)] = read_workbook(download.value.path().read_bytes()).items()
    place = next(at for at, row in enumerate(rows) if "MH-DX-CHEST" in " ".join(row))
    rows[place] = ["95.50" if cell in {"80", "80.00"} else cell for cell in rows[place]]
    book = tmp_path / "价格.xlsx"
    book.write_bytes(write_workbook({name: rows}))

    page.get_by_role("button", name="导入", exact=True).click()
    page.set_input_files("input[type=file]", book)
    expect(page.get_by_text("修改 1")).to_be_visible()
    page.get_by_role("button", name="导入 1 行").click()
    expect(page.get_by_role("status").filter(has_text="成功 1 行，失败 0 行")).to_be_visible()
    expect(page.locator("tbody")).to_contain_text("95.50")

    broken = tmp_path / "旧.xlsx"
    broken.write_bytes(b"no workbook")
    page.set_input_files("input[type=file]", broken)
    expect(page.locator("p.wrong")).to_be_visible()
    page.context.close()


def test_an_amended_report_rings_again_shows_what_is_other_and_is_acknowledged_anew(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    item = send(gateway, tmp_path, "DEMO_DR", patient_id="LX-AMEND-1", name="Zhong^Shan=钟^山")
    first = report(gateway, item, "左侧第 5 肋骨折。", "左侧第 5 肋骨折。")
    township = sign_in(browser, gateway, "radiographer")
    township.goto("/app/returns")
    rows = township.locator("li.row", has_text="钟山")
    with township.expect_popup():
        rows.get_by_role("button", name="打开并确认").click()
    expect(rows).to_contain_text("已确认")

    # The county corrects the side; until that is signed, the first report stands.
    reader = sign_in(browser, gateway, "reader")
    reader.goto(f"/app/reports/{first}")
    reader.get_by_role("button", name="修订报告").click()
    reader.get_by_label("理由").fill("侧别写反")
    reader.get_by_role("button", name="开始修订").click()
    reader.wait_for_url("**/app/read/*")
    expect(reader.locator("#findings")).to_have_value("左侧第 5 肋骨折。")
    reader.fill("#findings", "右侧第 5 肋骨折。")
    reader.fill("#impression", "右侧第 5 肋骨折。")
    expect(reader.get_by_text("已保存")).to_be_visible()
    expect(rows).to_have_count(1)
    reader.get_by_role("button", name="提交审核").click()
    expect(reader.get_by_role("status").filter(has_text="已提交 钟山")).to_be_visible()
    head = sign_in(browser, gateway, "reviewer")
    head.locator("tbody tr", has_text="钟山").get_by_role("button").click()
    expect(head.locator("#impression")).to_have_value("右侧第 5 肋骨折。")
    head.get_by_role("button", name="签发").click()
    expect(head.get_by_role("status").filter(has_text="已签发 钟山")).to_be_visible()

    # It comes by itself, above the one it replaces, unread and named.
    newest = rows.filter(has_text="更正报告")
    expect(newest).to_contain_text("未读")
    expect(newest.get_by_role("button", name="打开并确认")).to_be_visible()
    newest.locator(".what").click()
    township.wait_for_url("**/app/reports/*")
    after = township.locator("section.after")
    expect(after).to_contain_text("侧别写反")
    expect(after.locator("del").first).to_have_text("左")
    expect(after.locator("ins").first).to_have_text("右")
    township.goto("/app/returns")
    newest.get_by_role("button", name="确认收到").click()
    expect(newest).to_contain_text("已确认")
    for page in (township, reader, head):
        page.context.close()


def _text_of(pdf: bytes) -> str:
    said = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return said.stdout.decode()
