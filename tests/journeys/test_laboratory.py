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
from gateway.demo_analysers import PATIENTS, blood_counts, chemistries
from tests.journeys.browsers import SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, wait_for

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-laboratory"), pytest.mark.timeout(300)]

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
    page.locator("form.box").get_by_role("button", name="放行").click()
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
    page.get_by_role("button", name="可签发").click()
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
