"""A morning at a township's bench: two analysers over two wires, the county verifies in Chromium, the report is back."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
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
    left_shift = _sheet(reader, _of(morning, "260000000039"))["WBC"]
    assert left_shift["instrument_flags"] == ["Left Shift?"]


def test_what_nobody_registered_waits_for_a_person_and_is_lost_to_nobody(
    gateway: Gateway, morning: list[dict[str, Any]]
) -> None:
    held = get_json(gateway.sign_in("lab"), "/api/v1/lab/held")["items"]

    assert {one["reason"] for one in held} == {"unknown_barcode"}
    assert {one["barcode"] for one in held} == {"260000009998", "260000009998S"}


def test_a_critical_blood_count_is_verified_and_signed_by_keyboard_and_is_back_in_the_township(
    gateway: Gateway, browser: Browser, morning: list[dict[str, Any]], tmp_path: Path
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
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(township.get(f"/api/v1/reports/{back['report_id']}/pdf").content)
    text = subprocess.run(
        ["pdftotext", "-layout", str(pdf), "-"], capture_output=True, text=True, check=True
    ).stdout
    assert "血小板计数" in text and "125" in text and "柳溪镇卫生院" in text and "县域检验中心" in text


def _verify(page: Page, item: str, reason: str) -> None:
    """Select the row, verify it, say why."""
    page.locator("tr", has_text=item).first.click()
    page.keyboard.press("v")
    expect(page.locator("tr.pane input:focus, tr.pane textarea:focus")).to_be_visible(timeout=SLOW_MS)
    page.keyboard.type(reason)
    page.keyboard.press("Enter")
    expect(page.locator("tr", has_text=item).first).to_contain_text("已审", timeout=SLOW_MS)
    expect(page.locator("tr.pane")).to_have_count(0, timeout=SLOW_MS)  # keys are the page's again
