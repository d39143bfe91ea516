"""A morning at a township's bench: two analysers over two wires, tubes on their way, the county's work in Chromium.

One gateway for the whole file. Tests run in their order; none needs what another left behind.
"""

import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from adapters.hl7.sending import send as send_hl7
from adapters.lab.sending import send as send_astm
from gateway.demo_analysers import BLOOD_COUNTER, PATIENTS, blood_counts, chemistries
from tests.journeys.browsers import PHONE, SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, wait_for
from worklists.base import COUNTY_TIME

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-laboratory"), pytest.mark.timeout(1800)]

SEX = {"男": "M", "女": "F"}
CRITICAL = "260000000046"  # the blood count with 18 platelets
NORMAL = "260000000015"
UNREGISTERED = "260000009998S"
CARD = "110101196802147827"  # a made-up one, with its check digit


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def morning(gateway: Gateway) -> list[dict[str, Any]]:
    """Specimens registered as the township does, the analysers' messages sent; the county's worklist."""
    township = gateway.sign_in("radiographer")
    for patient, _, serum in PATIENTS:
        if patient.name:
            _register(township, patient.barcode, patient, panels=["CBC5"])
            _register(township, f"{patient.barcode}S", patient, items=list(serum))
    now = datetime.now(UTC)
    port = gateway.settings.mllp_port
    answers = list(send_hl7(blood_counts(now), "127.0.0.1", port))
    assert all(b"MSA|AA|" in answer for answer in answers)
    assert len(list(send_astm(chemistries(now), "127.0.0.1", gateway.settings.astm_port))) == len(answers)
    reader = gateway.sign_in("lab")
    items = wait_for(lambda: _waiting(reader, 14), 60, "fourteen specimens wait", gateway.log)
    assert isinstance(items, list)
    return items


def _register(township: httpx.Client, barcode: str, patient: Any, **tests: list[str]) -> None:
    born = patient.birth_date
    answer = township.post(
        "/api/v1/lab/specimens",
        json={
            "patient": {
                "name": patient.name, "sex": SEX[patient.sex], "patient_id": patient.patient_id,
                "birth_date": f"{born[:4]}-{born[4:6]}-{born[6:]}",
            },
            "barcode": barcode, **tests,
        },
    )  # fmt: skip
    assert answer.status_code == 201, answer.text


def _waiting(reader: httpx.Client, count: int) -> list[dict[str, Any]] | None:
    items: list[dict[str, Any]] = get_json(reader, "/api/v1/worklist", state="waiting", limit=100)["items"]
    return items if len(items) == count else None


def _of(items: list[dict[str, Any]], barcode: str) -> dict[str, Any]:
    return next(item for item in items if item["accession_number"] == barcode)


def _sheet(client: httpx.Client, item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shown = get_json(client, f"/api/v1/examinations/{item['examination_id']}/results")["items"]
    return {one["item_code"]: one["result"] for one in shown}


def test_results_are_released_by_rule_or_wait_with_the_rule_named(
    gateway: Gateway, morning: list[dict[str, Any]]
) -> None:
    reader = gateway.sign_in("lab")

    assert {item["accession_number"] for item in morning[:2]} == {CRITICAL, f"{CRITICAL}S"}
    normal = _sheet(reader, _of(morning, NORMAL))
    assert normal["HGB"]["verification"] == "automatic" and normal["HGB"]["stops"] == []
    platelets = _sheet(reader, _of(morning, CRITICAL))["PLT"]
    assert (platelets["abnormal"], platelets["critical"]) == ("LL", True)
    assert "critical" in {stop["rule"] for stop in platelets["stops"]}
    glucose = _sheet(reader, _of(morning, f"{NORMAL}S"))["GLU"]
    assert (glucose["control_state"], glucose["verification"]) == ("out_of_control", "waiting")
    left_shift = _sheet(reader, _of(morning, "260000000039"))
    assert left_shift["NEUT_PCT"]["instrument_flags"] == ["Left Shift?"]
    assert left_shift["HGB"]["instrument_flags"] == []


def test_what_nobody_registered_waits_for_a_person_and_is_lost_to_nobody(
    gateway: Gateway, morning: list[dict[str, Any]]
) -> None:
    held = get_json(gateway.sign_in("lab"), "/api/v1/lab/held")["items"]

    assert {one["reason"] for one in held} == {"unknown_barcode"}
    assert {one["barcode"] for one in held} == {"260000009998", "260000009998S"}


def test_a_critical_blood_count_is_verified_and_signed_by_keyboard_and_is_back_in_the_township(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    township = gateway.sign_in("radiographer")
    page = sign_in(browser, gateway, "lab")
    page.goto("/app/worklist")
    row = page.locator("tbody tr").first
    expect(row).to_contain_text("钱秀芳", timeout=SLOW_MS)
    page.goto(f"/app/read/{_of(morning, CRITICAL)['task_id']}")
    page.get_by_role("button", name="领取").click()
    expect(page.get_by_text("危急值").first).to_be_visible(timeout=SLOW_MS)
    _verify(page, "血小板计数", "复查涂片，结果相符，已电话通知")
    page.keyboard.press("Shift+V")  # what else waits and may be verified at once
    expect(page.get_by_role("button", name="待审 0")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_role("button", name="全部审核")).to_be_enabled(timeout=SLOW_MS)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").filter(has_text="已签发").first).to_be_visible(timeout=SLOW_MS)
    page.context.close()

    [back] = wait_for(
        lambda: get_json(township, "/api/v1/returns")["items"], 60, "the report is back", gateway.log
    )
    assert back["critical"] is True
    report = get_json(township, f"/api/v1/reports/{back['report_id']}")
    values = {one["item_code"]: one["value"] for one in report["content"]["results"]}
    assert (values["PLT"], values["HGB"]) == ("18", "118")
    text = _text_of(township.get(f"/api/v1/reports/{back['report_id']}/pdf").content)
    assert "血小板计数" in text and "125" in text and "柳溪镇卫生院" in text and "县域检验中心" in text


def test_a_township_registers_by_identity_card_packs_and_the_county_scans_it_in(
    gateway: Gateway, browser: Browser
) -> None:
    page = sign_in(browser, gateway, "radiographer")
    page.goto("/app/lab/specimens/register")
    who = page.locator("input[name=who]")
    who.fill("110101199003078034")
    who.press("Enter")
    expect(page.get_by_text("身份证号校验位不对，请核对。")).to_be_visible()
    who.fill(CARD)
    who.press("Enter")
    expect(page.locator("input[name=birth_date]")).to_have_value("1968-02-14")
    expect(page.locator("select[name=sex]")).to_have_value("F")
    page.locator("input[name=name]").fill("何桂兰")
    page.keyboard.press("Enter")
    page.keyboard.type("CBC5")
    page.keyboard.press("Enter")
    with page.expect_popup() as labels:
        page.keyboard.press("Enter")  # nothing typed: this is all
    made = page.locator("tbody tr", has_text="何桂兰")
    barcode = made.locator("td").first.inner_text()
    label = page.context.request.get(_address(labels.value))
    assert label.headers["content-type"] == "application/pdf"
    assert barcode in re.sub(r"\s", "", _text_of(label.body()))

    page.goto("/app/lab/specimens")
    page.get_by_role("button", name="装箱送检").click()
    page.get_by_label("扫描标本条码").fill(barcode)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("何桂兰 已放入")
    page.get_by_label("运送人").fill("周师傅")
    page.get_by_role("button", name="送出 1 份").click()
    line = page.locator("li", has_text=barcode)
    expect(page.get_by_role("region", name="装箱送检")).to_have_count(0)
    expect(line).to_contain_text("运送中")

    county = sign_in(browser, gateway, "lab")
    county.goto("/app/lab/receive")
    expect(county.locator("aside")).to_contain_text("柳溪镇卫生院")
    county.keyboard.type("260000077777")  # as a scanner types: the field has the focus
    county.keyboard.press("Enter")
    expect(county.get_by_role("alert").filter(has_text="260000077777")).to_be_visible()
    county.keyboard.type(barcode)
    county.keyboard.press("Enter")
    expect(county.get_by_role("status")).to_contain_text("已接收")
    expect(county.locator("aside")).to_contain_text("这箱 1 份已全部接收")
    expect(line).to_contain_text("已接收")  # by itself, at the township
    county.context.close()
    page.context.close()


def test_a_held_message_is_registered_its_unmapped_test_mapped_and_its_result_is_on_the_worklist(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    page = sign_in(browser, gateway, "lab")
    page.goto("/app/lab/held")
    page.locator("button.line", has_text=UNREGISTERED).click()
    page.get_by_role("button", name="按报文登记标本").click()
    form = page.locator("form.form")
    form.get_by_label("姓名").fill("冯少华")
    form.get_by_label("患者编号").fill("LX20099")
    form.get_by_label("已核对患者身份").check()
    form.get_by_role("button", name="按报文登记标本").click()
    expect(page.get_by_role("status")).to_contain_text("归档 2 个结果")

    page.locator("button.line", has_text="HCY2").click()
    page.get_by_role("link", name="对照项目").click()
    page.wait_for_url("**/lab/mapping/**")
    unmapped = page.locator("tbody tr", has_text="HCY2")
    expect(unmapped).to_contain_text("未对照")
    page.get_by_label("拼音首字母 / 代码 / 名称").fill("HCY")
    page.keyboard.press("Enter")
    expect(unmapped).to_contain_text("11.2")
    expect(unmapped).to_contain_text("同型半胱氨酸")
    page.get_by_role("button", name="保存为新版本").click()
    page.get_by_role("button", name="1 份报文可重新处理").click()
    expect(page.get_by_role("status")).to_contain_text("已重新处理 1 份报文")

    page.goto("/app/worklist")
    expect(page.locator("tbody tr", has_text="冯少华")).to_contain_text("3/3")
    sheet = _sheet(gateway.sign_in("lab"), _of(_worklist(gateway), UNREGISTERED))
    assert (sheet["HCY"]["value"], sheet["HCY"]["unit"]) == ("11.2", "umol/L")
    page.context.close()


def test_a_named_person_releases_what_was_out_of_control_and_results_go_on(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    page = sign_in(browser, gateway, "lab")
    page.goto("/app/lab/control")
    expect(page.locator(".charts h2").first).to_contain_text("葡萄糖")  # the worst is shown by itself
    expect(page.locator("[id^=run-]").first).to_contain_text("1_3s")
    held_back = page.get_by_role("status").filter(has_text="因失控暂停")
    expect(held_back).to_be_visible()
    page.keyboard.press("r")
    page.get_by_label("放行理由").fill("更换试剂后重测在控")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="已放行")).to_be_visible()
    expect(page.locator("[id^=run-]").first).to_contain_text("林晓燕")
    expect(held_back).to_have_count(0)

    reader = gateway.sign_in("lab")
    assert _sheet(reader, _of(morning, f"{NORMAL}S"))["GLU"]["verification"] == "automatic"
    high = _of(morning, "260000000022S")
    assert {stop["rule"] for stop in _sheet(reader, high)["GLU"]["stops"]} == {"range"}
    page.goto(f"/app/read/{high['task_id']}")
    page.get_by_role("button", name="领取").click()
    page.locator("tr[data-item=GLU]").click()
    page.keyboard.press("v")  # no reason is asked for any more
    expect(page.locator("tr[data-item=GLU]")).to_contain_text("已审")
    page.context.close()


def test_specimens_whose_results_are_all_released_are_signed_at_once(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    township = gateway.sign_in("radiographer")
    before = len(get_json(township, "/api/v1/returns")["items"])
    page = sign_in(browser, gateway, "lab")
    page.goto("/app/worklist")
    signable = page.get_by_role("button", name="可签发")
    signable.click()
    expect(signable).to_have_attribute("aria-pressed", "true")
    expect(page.locator("table.busy")).to_have_count(0)  # the list of before has gone
    everything = page.get_by_label(re.compile("选中全部可签发的"))
    expect(everything).to_be_visible(timeout=SLOW_MS)
    rows = page.locator("tbody tr")
    expect(rows.filter(has_text="钱秀芳")).to_have_count(0)
    count = rows.count()
    everything.check()
    page.get_by_role("button", name=f"批量签发 {count}").click()
    expect(page.get_by_role("status").filter(has_text=f"已签发 {count} 份")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("没有符合条件的检查")).to_be_visible(timeout=SLOW_MS)
    page.context.close()

    wait_for(
        lambda: len(get_json(township, "/api/v1/returns")["items"]) == before + count,
        60,
        "all reports are back",
        gateway.log,
    )


def _address(labels: Page) -> str:
    """Where the window was sent to, whether Chromium shows the PDF or saves it."""
    labels.wait_for_url("**/labels?*", wait_until="commit")
    return labels.url


def _text_of(pdf: bytes) -> str:
    said = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    return said.stdout.decode()


def _worklist(gateway: Gateway) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = get_json(gateway.sign_in("lab"), "/api/v1/worklist", limit=100)["items"]
    return items


def _verify(page: Page, item: str, reason: str) -> None:
    """Select the row, verify it, say why."""
    page.locator("tr", has_text=item).first.click()
    page.keyboard.press("v")
    expect(page.locator("tr.pane input:focus, tr.pane textarea:focus")).to_be_visible(timeout=SLOW_MS)
    page.keyboard.type(reason)
    page.keyboard.press("Enter")
    expect(page.locator("tr", has_text=item).first).to_contain_text("已审")
    expect(page.locator("tr.pane")).to_have_count(0)  # keys are the page's again


def test_control_material_is_set_aside_and_spoken_of_from_the_keyboard(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    page = sign_in(browser, gateway, "lab")
    page.goto("/app/lab/control")
    run = page.locator("[id^=run-]").first
    run.get_by_role("button", name="备注").click()
    page.keyboard.type("复溶时间不足")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("已告知")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="备注已保存")).to_be_visible()
    expect(run).to_contain_text("复溶时间不足")
    for deed, outcome in (("剔除", "已剔除"), ("恢复", "剔除")):
        run.get_by_role("button", name=deed, exact=True).click()
        page.keyboard.press("Enter")  # without a reason nothing happens
        expect(page.locator("form.box")).to_be_visible()
        page.keyboard.type("质控品复溶错误")
        page.keyboard.press("Enter")
        expect(page.locator("form.box")).to_have_count(0)
        expect(run).to_contain_text(outcome)
    page.context.close()


def test_keys_before_the_claim_are_not_lost_the_next_opens_and_the_village_reads_it_on_a_phone(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    task = _of(_worklist(gateway), "260000000053")  # 周浩然, one count beyond its range
    township = gateway.sign_in("radiographer")
    [village, *_] = township.get("/api/v1/villages").json()
    answer = township.patch(
        f"/api/v1/examinations/{task['examination_id']}", json={"village_id": village["id"]}
    )
    assert answer.status_code == 200, answer.text
    page = sign_in(browser, gateway, "lab")
    page.route("**/claim", lambda route: (page.wait_for_timeout(1500), route.continue_()))
    page.goto(f"/app/read/{task['task_id']}")
    waiting = page.get_by_role("button", name=re.compile("^待审"))
    expect(waiting).to_have_attribute("aria-pressed", "false")
    page.get_by_role("button", name="领取").click()
    page.keyboard.press("w")  # on its way still
    expect(page.get_by_role("button", name="全部审核")).to_be_visible()
    expect(waiting).to_have_attribute("aria-pressed", "true")
    page.unroute("**/claim")
    page.keyboard.press("Shift+V")
    expect(page.get_by_role("button", name="待审 0")).to_be_visible()
    expect(page.get_by_role("button", name="全部审核")).to_be_enabled()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").filter(has_text="已签发").first).to_be_visible()
    page.wait_for_url(lambda url: "/read/" in url and task["task_id"] not in url)
    expect(page.get_by_role("button", name=re.compile("^待审"))).to_be_visible()
    page.context.close()

    phone = sign_in(browser, gateway, "village", size=PHONE)
    phone.goto("/app/village")
    phone.get_by_role("button", name=re.compile("周浩然")).click()
    paper = phone.locator(".results")
    expect(phone.locator(".first li").first).to_be_visible()  # what is not as usual stands first
    first, table = phone.locator(".first").bounding_box(), paper.locator("table").bounding_box()
    assert first is not None and table is not None and first["y"] < table["y"]
    expect(paper.locator("td.mark .tag").first).to_contain_text("HR")
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    phone.get_by_role("button", name="确认收到").click()
    expect(phone.get_by_text("✓")).to_be_visible()
    phone.context.close()


def test_a_range_edited_on_the_page_counts_for_the_next_result_and_for_no_earlier_one(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]]
) -> None:
    page = sign_in(browser, gateway, "lab")
    page.goto("/app/lab/dictionary")
    page.get_by_role("searchbox").fill("PLT")
    page.locator(".list button").filter(has_text="血小板计数").first.click()
    adults = page.locator("form.form tbody tr").last
    expect(adults.locator("input").nth(3)).to_have_value("350")
    adults.locator("input").nth(3).fill("200")
    page.get_by_role("button", name="保存").click()
    expect(page.get_by_role("status").filter(has_text="已保存")).to_be_visible()
    page.context.close()

    patient = next(one for one, _, _ in PATIENTS if one.barcode == NORMAL)
    _register(gateway.sign_in("radiographer"), "260000000500", patient, panels=["CBC5"])
    [answer] = send_hl7([_platelets("260000000500", patient, 212)], "127.0.0.1", gateway.settings.mllp_port)
    assert b"MSA|AA|" in answer
    reader = gateway.sign_in("lab")
    found = wait_for(lambda: _arrived(reader, gateway, "260000000500"), 60, "it is there", gateway.log)
    assert isinstance(found, dict)
    later, earlier = found["PLT"], _sheet(reader, _signed(gateway, NORMAL))["PLT"]
    assert (later["value"], later["abnormal"], later["range"]["high"]) == ("212", "H", 200)
    assert (earlier["value"], earlier["abnormal"], earlier["range"]["high"]) == ("212", "", 350)


def _platelets(barcode: str, patient: Any, count: int) -> bytes:
    """One value of the demonstration's blood counter."""
    moment = datetime.now(UTC).astimezone(COUNTY_TIME).strftime("%Y%m%d%H%M%S")
    return "\r".join(
        (
            f"MSH|^~\\&|{BLOOD_COUNTER}|Mindray|||{moment}||ORU^R01|{moment}7|P|2.3.1||||0||UNICODE",
            f"PID|1||{patient.patient_id}^^^^MR||{patient.name}",
            f"OBR|1||{barcode}|00001^Automated Count^99MRC|||{moment}",
            f"OBX|1|NM|777-3^PLT^LN||{count}|10*9/L||N|||F",
            "",
        )
    ).encode()


def _arrived(reader: httpx.Client, gateway: Gateway, barcode: str) -> dict[str, Any] | None:
    item = next((one for one in _worklist(gateway) if one["accession_number"] == barcode), None)
    return _sheet(reader, item) if item is not None else None


def _signed(gateway: Gateway, barcode: str) -> dict[str, Any]:
    items = get_json(gateway.sign_in("lab"), "/api/v1/worklist", state="signed", limit=100)["items"]
    return _of(items, barcode)
