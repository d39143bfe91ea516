"""What a centre's book of checks does to its readers' day and night, in a real Chromium.

One gateway for the file; each test puts its own version of the book live.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.journeys.browsers import PHONE, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.rule_drafts import keep, let_live
from tests.synthetic import write_study

pytestmark = [
    pytest.mark.journey, pytest.mark.xdist_group("journey-checking-rules"), pytest.mark.timeout(300),
]  # fmt: skip

FILM: dict[str, Any] = {"modality": "DX", "size": 64, "StudyDescription": "胸部正位", "body_part": "CHEST"}
CENTRE = "县域影像诊断中心"
ABSCESS = {"findings": "右侧膈下见气液平面。", "impression": "右侧膈下脓肿。"}
ALWAYS = {"allowed": True, "begins": "00:00", "ends": "00:00", "priorities": ["routine"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def films(gateway: Gateway, tmp_path: Path) -> "Films":
    return Films(gateway, tmp_path)


class Films:
    """Sends films to the county."""

    def __init__(self, gateway: Gateway, folder: Path):
        self.gateway, self.folder = gateway, folder

    def send(self, patient_id: str, name: str) -> str:
        """One film that waits in the worklist; its task."""
        files = write_study(self.folder, 1, **FILM, patient_id=patient_id, name=name)
        done = run_dcmtk("storescu", self.gateway.dicom_port, *files, calling="DEMO_DR")
        assert done.returncode == 0, done.stdout
        query = {"q": patient_id, "state": "waiting"}
        with closing(self.gateway.sign_in("reader")) as reader:
            found = wait_for(
                lambda: get_json(reader, "/api/v1/worklist", **query)["items"],
                60,
                "it waits",
                self.gateway.log,
            )
        assert isinstance(found, list)
        return str(found[0]["task_id"])


def report(gateway: Gateway, task_id: str, words: dict[str, str]) -> None:
    """Written by one and signed by another, without a doubt on the way."""
    task = f"/api/v1/tasks/{task_id}"
    with closing(gateway.sign_in("reader")) as reader, closing(gateway.sign_in("reviewer")) as reviewer:
        done(reader.post(f"{task}/claim"))
        done(reader.put(f"{task}/report", json=words))
        done(reader.post(f"{task}/submit"))
        done(reviewer.post(f"{task}/sign"))


def done(answer: httpx.Response) -> Any:
    assert answer.is_success, answer.text
    return answer.json()


def write(page: Page, task_id: str, words: dict[str, str]) -> None:
    page.goto(f"/app/read/{task_id}")
    page.get_by_role("button", name="领取").click()
    for section, text in words.items():
        page.fill(f"#{section}", text)


def test_a_word_that_a_centre_adds_doubts_today_what_was_fine_yesterday(
    browser: Browser, gateway: Gateway, films: Films
) -> None:
    report(gateway, films.send("LX-RULE-1", "Jiang^Tao=江^涛"), ABSCESS)

    admin = sign_in(browser, gateway, "admin")
    admin.goto("/app/checking")
    admin.get_by_role("combobox", name="诊断中心").select_option(label=CENTRE)
    admin.wait_for_url(re.compile("of="))
    admin.get_by_role("button", name="从现行规则新建草稿").click()
    note = admin.get_by_label("说明（为什么改）")
    admin.get_by_label("危急词").fill("膈下脓肿 dx,ct\n")
    differing = admin.locator("section.differs")
    expect(differing).to_contain_text("膈下脓肿 DX,CT")

    # What is typed while the draft is being kept is not lost to the answer.
    held: list[Route] = []
    admin.route("**/api/v1/rules/checking/*", lambda route: held.append(route))  # noqa: PLW0108 (it wants a function)
    save = admin.get_by_role("button", name="保存草稿")
    go_live = admin.get_by_role("button", name="启用", exact=True)
    save.click()
    while not held:
        admin.wait_for_timeout(20)
    note.fill("脓肿须当场通知")
    held.pop().continue_()
    expect(admin.get_by_text("草稿已保存。")).to_be_visible()
    expect(note).to_have_value("脓肿须当场通知")
    expect(admin.get_by_text("有未保存的修改。")).to_be_visible()
    admin.unroute("**/api/v1/rules/checking/*")
    save.click()
    expect(admin.get_by_text("请先对当前内容试运行。")).to_be_visible()
    expect(go_live).to_be_disabled()

    admin.get_by_role("button", name="试运行").click()
    expect(admin.get_by_text("最近 1 份报告中，1 份会有提示。")).to_be_visible()
    expect(admin.locator("mark")).to_have_text("膈下脓肿")
    go_live.click()
    admin.get_by_role("button", name="确认启用").click()
    expect(admin.get_by_role("status").filter(has_text="第 1 版已启用。")).to_be_visible()
    expect(admin.get_by_label("危急词")).to_have_js_property("readOnly", True)

    reader = sign_in(browser, gateway, "reader")
    write(reader, films.send("LX-RULE-2", "Jiang^Bo=江^波"), ABSCESS)
    reader.get_by_role("button", name="提交审核").click()
    doubt = reader.locator("li.doubt")
    expect(doubt).to_contain_text("诊断意见有“膈下脓肿”，未标记危急值。")
    doubt.get_by_role("button", name="保留", exact=True).click()
    doubt.get_by_label("为什么无误").fill("已电话通知临床")
    doubt.get_by_label("为什么无误").press("Enter")
    expect(reader.get_by_text("已说明 1 处")).to_be_visible()
    reader.get_by_role("button", name="提交审核").click()
    expect(reader.get_by_role("status").filter(has_text="已提交 江波")).to_be_visible()
    for page in (admin, reader):
        page.context.close()


def let_preliminary(gateway: Gateway) -> None:
    """The imaging centre lets one reader sign, at any hour so that the test may run at any."""
    with closing(gateway.sign_in("admin")) as admin:
        [centre] = [one for one in get_json(admin, "/api/v1/centres")["items"] if one["name"] == CENTRE]
        of, base = {"centre": centre["id"]}, "/api/v1/rules/checking"
        content = get_json(admin, base, **of)["in_force"]
        content["preliminary"] |= ALWAYS
        made = done(admin.post(base, params=of, json={"content": content}))
        done(admin.post(f"{base}/{made['id']}/dry-run"))
        done(let_live(admin, f"{base}/{made['id']}"))


def test_what_one_reader_signed_at_night_is_made_final_in_the_morning(
    browser: Browser, gateway: Gateway, films: Films
) -> None:
    let_preliminary(gateway)
    task = films.send("LX-NIGHT-1", "Mei^Ying=梅^英")
    township = sign_in(browser, gateway, "radiographer", size=PHONE)
    township.goto("/app/returns")

    # Night: one reader signs alone, and the township has it at once, for what it is.
    reader = sign_in(browser, gateway, "reader")
    write(reader, task, {"findings": "双肺野清晰。", "impression": "心肺膈未见明显异常。"})
    reader.get_by_label("临时报告").check()
    reader.get_by_role("button", name="签发临时报告").click()
    expect(reader.get_by_role("status").filter(has_text="已签发 梅英 的临时报告")).to_be_visible()
    rows = township.locator("li.row", has_text="梅英")
    expect(rows).to_contain_text("临时报告")
    expect(rows).to_contain_text("未读")
    rows.locator(".what").click()
    township.wait_for_url("**/app/reports/*")
    expect(township.get_by_text("心肺膈未见明显异常。").first).to_be_visible()
    expect(township.locator(".tag", has_text="临时报告").first).to_be_visible()
    assert township.evaluate("document.documentElement.scrollWidth <= innerWidth")
    township.goto("/app/returns")
    rows.get_by_role("button", name="确认收到").click()
    expect(rows).to_contain_text("已确认")

    # Morning: it waits for a second person, who sees more.
    head = sign_in(browser, gateway, "reviewer")
    waiting = head.locator("tbody tr", has_text="梅英")
    expect(waiting).to_contain_text("待正式报告")
    waiting.get_by_role("button").click()
    expect(head.locator("#impression")).to_have_value("心肺膈未见明显异常。")
    head.fill("#findings", "左侧第 5 肋骨折，断端无移位。")
    head.fill("#impression", "左侧第 5 肋骨折。")
    head.get_by_role("button", name="签发", exact=True).click()
    grades = head.get_by_role("form", name="差异等级")
    grades.get_by_role("button", name="重大差异").click()
    grades.get_by_role("button", name="漏诊").click()
    grades.get_by_label("给报告医师的话").fill("肋骨请逐根看")
    grades.get_by_role("button", name="签发").click()
    expect(head.get_by_role("status").filter(has_text="已签发 梅英")).to_be_visible()

    # The township hears again, unread, above the preliminary one.
    final = rows.filter(has_text="正式报告")
    expect(final).to_contain_text("未读")
    final.locator(".what").click()
    township.wait_for_url("**/app/reports/*")
    expect(township.get_by_text("左侧第 5 肋骨折。").first).to_be_visible()

    # And who was on duty learns what was missed.
    reader.goto("/app/feedback")
    missed = reader.locator("article", has_text="梅英")
    for said in ("重大差异", "漏诊", "对临时报告", "肋骨请逐根看"):
        expect(missed).to_contain_text(said)
    missed.get_by_label("回复").fill("记住了")
    missed.get_by_role("button", name="知道了").click()
    expect(missed).to_contain_text("回复：记住了")
    for page in (township, reader, head):
        page.context.close()


def test_two_people_at_one_draft_lose_nothing_and_know_of_each_other(
    browser: Browser, gateway: Gateway
) -> None:
    with closing(gateway.sign_in("admin")) as admin:
        [centre] = [one for one in get_json(admin, "/api/v1/centres")["items"] if one["name"] == CENTRE]
        of, base = {"centre": centre["id"]}, "/api/v1/rules/checking"
        made = done(admin.post(base, params=of, json={"note": "两人同改"}))
    address = f"/app/checking?of={centre['id']}&version={made['version']}"
    first, second = sign_in(browser, gateway, "admin"), sign_in(browser, gateway, "reviewer")
    for page in (first, second):
        page.goto(address)
        expect(page.get_by_label("危急词")).to_be_editable()
    first.get_by_label("危急词").fill("张力性气胸 dx,ct\n")
    first.get_by_role("button", name="保存草稿").click()
    expect(first.get_by_text("草稿已保存。")).to_be_visible()
    second.get_by_label("危急词").fill("主动脉夹层 ct\n")
    second.get_by_label("说明（为什么改）").fill("夹层须当场通知")
    second.get_by_role("button", name="保存草稿").click()

    # The later one hears of it, sees in what the two differ, and what was typed still stands.
    told = second.get_by_role("alert").filter(has_text="改过这份草稿")
    expect(told).to_contain_text(re.compile(r"于 \d\d:\d\d 改过这份草稿"))
    expect(told.locator("del", has_text="张力性气胸")).to_be_visible()
    expect(told.locator("ins", has_text="主动脉夹层")).to_be_visible()
    expect(second.get_by_label("危急词")).to_have_value(re.compile("主动脉夹层"))
    expect(second.get_by_role("button", name="启用", exact=True)).to_be_disabled()
    told.get_by_role("button", name="把我的另存为一份草稿").click()
    own = made["version"] + 1
    second.wait_for_url(re.compile(f"version={own}"))
    expect(second.get_by_label("说明（为什么改）")).to_have_value("夹层须当场通知")
    expect(told).to_have_count(0)

    # The other draft goes live; this one says what it would take back of it before it does.
    first.get_by_role("button", name="试运行").click()
    go_live = first.get_by_role("button", name="启用", exact=True)
    expect(go_live).to_be_enabled()
    go_live.click()
    first.get_by_role("button", name="确认启用").click()
    expect(first.get_by_role("status").filter(has_text=f"第 {made['version']} 版已启用。")).to_be_visible()
    second.get_by_role("button", name="试运行").click()
    expect(second.get_by_role("button", name="启用", exact=True)).to_be_enabled()
    second.get_by_role("button", name="启用", exact=True).click()
    second.get_by_role("button", name="确认启用").click()
    undoes = second.get_by_role("status").filter(has_text="会撤销")
    expect(undoes).to_contain_text(f"现行的是第 {made['version']} 版")
    expect(undoes.locator("del", has_text="张力性气胸")).to_be_visible()
    second.get_by_role("button", name="启用", exact=True).click()
    expect(second.get_by_role("alertdialog")).to_contain_text(
        f"第 {made['version']} 版的改动将按上面所列撤销"
    )
    second.get_by_role("button", name="确认启用").click()
    expect(second.get_by_role("status").filter(has_text=f"第 {own} 版已启用。")).to_be_visible()
    for page in (first, second):
        page.context.close()


def test_theirs_is_taken_where_mine_is_not_wanted(browser: Browser, gateway: Gateway) -> None:
    with closing(gateway.sign_in("admin")) as admin:
        [centre] = [one for one in get_json(admin, "/api/v1/centres")["items"] if one["name"] == CENTRE]
        of, base = {"centre": centre["id"]}, "/api/v1/rules/checking"
        made = done(admin.post(base, params=of, json={}))
        page = sign_in(browser, gateway, "reviewer")
        page.goto(f"/app/checking?of={centre['id']}&version={made['version']}")
        note = page.get_by_label("说明（为什么改）")
        note.fill("我的说明")
        done(keep(admin, f"{base}/{made['id']}", made["content"], "别人的说明"))
        page.get_by_role("button", name="保存草稿").click()

        told = page.get_by_role("alert").filter(has_text="改过这份草稿")
        expect(told.locator("ins", has_text="我的说明")).to_be_visible()
        told.get_by_role("button", name=re.compile("^采用")).click()

        expect(note).to_have_value("别人的说明")
        expect(told).to_have_count(0)
    page.context.close()
