"""Steps 1 to 4 of the main path in a real Chromium: township, worklist, reading room with pixels, returns, IT page."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Frame, Page, Response, expect

from tests.journeys import browsers
from tests.journeys.browsers import SLOW_MS, chromium
from tests.journeys.gateways import Gateway, run_dcmtk, wait_for
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-browser"), pytest.mark.timeout(1800)]

PATIENT = "仇德海"
# How many different greys an image shows; -1 where no canvas has been painted yet.
GREYS = """() => Math.max(-1, ...Array.from(document.querySelectorAll('canvas')).map((canvas) => {
  const context = canvas.getContext('2d');
  if (!context || !canvas.width || !canvas.height) return -1;
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let at = 0; at < data.length; at += 4) seen.add(data[at]);
  return seen.size;
}))"""

SignIn = Callable[[str], Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def sign_in(browser: Browser, gateway: Gateway) -> Iterator[SignIn]:
    """Each person has a browser of their own, at the size of an old county PC."""
    pages: dict[str, Page] = {}

    def page_of(username: str) -> Page:
        if username not in pages:
            pages[username] = browsers.sign_in(browser, gateway, username)
        return pages[username]

    yield page_of
    for page in pages.values():
        page.context.close()


@pytest.fixture(scope="module", autouse=True)
def _sent(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> None:
    _send(gateway, tmp_path_factory.mktemp("study"), "LX20260888", "Qiu^Dehai=仇^德海")


def _send(gateway: Gateway, folder: Path, patient_id: str, name: str) -> None:
    files = write_study(
        folder, 2, modality="DX", size=256, patient_id=patient_id, name=name, StudyDescription="胸部正位"
    )
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert done.returncode == 0, done.stdout
    gateway.wait_until_drained()


def test_the_radiographer_sees_what_was_sent(sign_in: SignIn) -> None:
    page = sign_in("radiographer")
    page.goto("/app/sent")

    row = page.locator(".row", has_text=PATIENT)
    expect(row).to_contain_text("DX", timeout=SLOW_MS)
    expect(row).to_contain_text("双板 DR")
    expect(row).to_contain_text("待领取", timeout=SLOW_MS)


def test_the_reader_claims_it_and_sees_its_pixels_beside_the_report(sign_in: SignIn) -> None:
    page = sign_in("reader")
    page.goto("/app/worklist")
    row = page.locator("tr", has_text=PATIENT)
    row.get_by_role("button", name="领取").click()
    page.wait_for_url("**/app/read/*")

    greys = wait_for(lambda: seen if (seen := painted(page)) > 32 else None, 180, "an image is painted")
    assert greys > 32


def test_the_reader_writes_and_submits(sign_in: SignIn) -> None:
    page = sign_in("reader")
    page.fill("#findings", "胸廓对称，双肺野清晰。")
    page.fill("#impression", "心肺膈未见明显异常。")
    expect(page.get_by_text("已保存")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("button", name="提交审核").click()
    page.wait_for_url("**/app/worklist")


def test_a_second_person_signs(sign_in: SignIn) -> None:
    page = sign_in("reviewer")
    page.goto("/app/worklist")
    page.locator("tr", has_text=PATIENT).get_by_role("button").click()
    page.wait_for_url("**/app/read/*")
    expect(page.locator("#impression")).to_have_value("心肺膈未见明显异常。", timeout=SLOW_MS)
    page.get_by_role("button", name="签发").click()
    expect(page.get_by_role("status").filter(has_text=PATIENT)).to_be_visible(timeout=SLOW_MS)


def test_the_township_opens_the_report_and_acknowledges_it(sign_in: SignIn) -> None:
    page = sign_in("radiographer")
    page.goto("/app/returns")
    row = page.locator("li.row", has_text=PATIENT)
    expect(row).to_contain_text("明河县HR", timeout=SLOW_MS)
    with (
        page.context.expect_event("response", is_document) as answered,
        page.expect_popup(),
    ):
        row.get_by_role("button", name="打开并确认").click()
    assert answered.value.headers["content-type"] == "application/pdf"
    expect(row).to_contain_text("已确认", timeout=SLOW_MS)


def test_the_it_person_sees_listeners_and_devices_and_no_names(sign_in: SignIn) -> None:
    page = sign_in("it")
    page.goto("/app/system")
    expect(page.get_by_text("柳溪镇卫生院").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("DICOM").first).to_be_visible(timeout=SLOW_MS)
    assert PATIENT not in page.content()


def test_a_reviewer_puts_a_reader_on_the_roster_and_lets_rules_push(sign_in: SignIn) -> None:
    page = sign_in("reviewer")
    page.goto("/app/roster")
    expect(page.get_by_text("现在没有人在岗")).to_be_visible()
    shifts = page.locator("section.card", has=page.get_by_role("heading", name="班次"))
    shifts.get_by_role("button", name="添加一行").click()
    shifts.get_by_label("医师").select_option(label="陈立")
    page.get_by_role("button", name="保存排班").click()
    expect(page.get_by_role("status").filter(has_text="排班已保存")).to_be_visible()
    expect(page.locator("p.card", has_text="现在在岗")).to_contain_text("陈立")
    expect(page.locator("table.week")).to_contain_text("全天")

    page.get_by_role("link", name="分配规则").click()
    page.get_by_role("button", name="新建草稿").click()
    page.get_by_label("派单").check()
    page.get_by_label("说明（为什么改）").fill("按排班派单")
    expect(page.locator("section.differs")).to_contain_text("派单")
    page.get_by_role("button", name="保存草稿").click()
    page.get_by_role("button", name="试运行").click()
    expect(page.locator("section.run")).to_contain_text("近 30 天的 1 份检查")
    page.get_by_role("button", name="启用", exact=True).click()
    page.get_by_role("button", name="确认启用").click()
    expect(page.get_by_role("status").filter(has_text="第 1 版已启用")).to_be_visible()


def test_what_comes_now_is_the_readers_and_a_colleague_takes_it_over_with_a_reason(
    gateway: Gateway, sign_in: SignIn, tmp_path: Path
) -> None:
    reader, reviewer = sign_in("reader"), sign_in("reviewer")
    _send(gateway, tmp_path, "LX20260889", "Ou^Wenbin=欧^文斌")
    reader.goto("/app/worklist")
    row = reader.locator("tbody tr", has_text="欧文斌")
    expect(row).to_contain_text("分给我")
    expect(row.locator(".for")).to_have_attribute("title", re.compile("在岗.*在手最少"))
    row.get_by_role("button", name="领取").click()
    reader.wait_for_url("**/app/read/*")
    reader.get_by_role("button", name="暂停计时").click()
    reader.get_by_role("button", name="等待既往影像").click()
    reader.locator("form.box").get_by_role("button", name="暂停计时").click()
    expect(reader.locator(".alerts")).to_contain_text("等待既往影像")
    reader.get_by_role("button", name="恢复计时").click()
    expect(reader.locator(".alerts")).not_to_contain_text("等待既往影像")
    reader.fill("#findings", "右下肺斑片影。")
    expect(reader.get_by_text("已保存")).to_be_visible()

    reviewer.goto("/app/worklist")
    reviewer.locator("tbody tr", has_text="欧文斌").get_by_role("button").click()
    reviewer.wait_for_url("**/app/read/*")
    reviewer.get_by_role("button", name="接手").click()
    reviewer.locator("form.box textarea").fill("对方已下班")
    reviewer.locator("form.box").get_by_role("button", name="接手").click()
    expect(reviewer.locator("#findings")).to_have_value("右下肺斑片影。")
    expect(reader.get_by_role("alert").filter(has_text="王秀兰 已接手")).to_be_visible()
    expect(reader.locator("#findings")).to_have_value("右下肺斑片影。")  # no word is lost


def test_it_is_handed_back_with_a_note_submitted_and_signed_by_the_colleague(sign_in: SignIn) -> None:
    reader, reviewer = sign_in("reader"), sign_in("reviewer")
    reviewer.get_by_role("button", name="转交").click()
    reviewer.locator("select[name=colleague]").select_option(label="陈立 · 在岗")
    reviewer.locator("textarea[name=note]").fill("请您继续")
    reviewer.locator("form.box").get_by_role("button", name="转交").click()
    reviewer.wait_for_url("**/app/worklist")
    other = reviewer.locator("tbody tr", has_text="欧文斌")
    expect(other).to_contain_text("分给陈立")
    expect(other.get_by_role("button")).to_have_text("接手")

    reader.goto("/app/worklist")
    row = reader.locator("tbody tr", has_text="欧文斌")
    expect(row).to_contain_text("王秀兰 转来")
    row.get_by_role("button", name="领取").click()
    reader.wait_for_url("**/app/read/*")
    expect(reader.locator(".alerts")).to_contain_text("请您继续")
    reader.fill("#impression", "右下肺炎。")
    expect(reader.get_by_text("已保存")).to_be_visible()
    reader.get_by_role("button", name="提交审核").click()
    expect(reader.get_by_role("status").filter(has_text="已提交 欧文斌")).to_be_visible()
    other.get_by_role("button", name="审核").click()
    reviewer.wait_for_url("**/app/read/*")
    expect(reviewer.locator("#impression")).to_have_value("右下肺炎。")
    reviewer.get_by_role("button", name="签发").click()
    expect(reviewer.get_by_role("status").filter(has_text="已签发 欧文斌")).to_be_visible()


def is_document(answer: Response) -> bool:
    return answer.url.endswith("/pdf") and answer.status == 200


def find_images(page: Page) -> Frame | None:
    return next((frame for frame in page.frames if "/ohif/" in frame.url), None)


def painted(page: Page) -> int:
    """How many greys the images show by now; -1 while there are none, or while their frame goes to the next study."""
    page.wait_for_timeout(500)  # the client hears of new frames only while it waits
    frame = find_images(page)
    try:
        return int(frame.evaluate(GREYS)) if frame is not None else -1
    except Error:
        return -1
