"""Who is one person, and what a name really is, decided by people in a real Chromium: two stories, each one test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.browsers import PHONE, SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import new_uid, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-persons"), pytest.mark.timeout(1800)]

NAME, DESCRIPTION = "Wang^XiaoDong=王^小东", "头颅平扫"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def send(gateway: Gateway, folder: Path, calling: str, **fields: Any) -> str:
    """One image of a study of its own; the study."""
    study_uid = new_uid()
    files = write_study(
        folder / study_uid, 1, **{"modality": "DX", "size": 64, "study_uid": study_uid, **fields}
    )
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling=calling)
    assert done.returncode == 0, done.stdout
    return study_uid


def test_two_entries_become_one_person_are_separated_and_merged_again(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    alike = {"PatientBirthDate": "19580312", "PatientSex": "M", "PatientTelephoneNumbers": "13800001234"}
    send(gateway, tmp_path, "DEMO_DR", name="Qiu^Dehai=仇^德海", patient_id="LX20260888", **alike)
    send(gateway, tmp_path, "DEMO2_DR", name="QIU^DEHAI", patient_id="SH-0091", **alike)
    reviewer = gateway.sign_in("reviewer")
    wait_for(
        lambda: get_json(reviewer, "/api/v1/patients/proposals")["items"], 60, "it is proposed", gateway.log
    )
    reviewer.close()
    page = sign_in(browser, gateway, "reviewer")
    page.goto("/app/patients")

    # Searched by pinyin they are two; the pair says why it may be one, and both sides of it.
    search(page, "qiudehai")
    expect(page.get_by_text("找到 2 人")).to_be_visible(timeout=SLOW_MS)
    pair = page.locator(".pair", has_text="LX20260888")
    expect(pair).to_contain_text("姓名读音、性别、出生日期一致")
    expect(pair).to_contain_text("QIU DEHAI")
    page.locator("h1").click()
    page.keyboard.press("y")
    expect(pair.get_by_role("button", name="保存")).to_be_disabled()  # not without a reason
    pair.get_by_role("button", name="电话核实").click()
    pair.get_by_role("button", name="保存").click()
    expect(pair).to_have_count(0, timeout=SLOW_MS)

    # They are one now, and the history says who said so.
    search(page, "qiudehai")
    expect(page.get_by_text("找到 1 人")).to_be_visible(timeout=SLOW_MS)
    page.locator(".person li", has_text="SH-0091").get_by_role("link").click()
    expect(page.locator(".story li").first).to_contain_text("电话核实", timeout=SLOW_MS)
    expect(page.locator(".story li").first).to_contain_text("王秀兰")

    # Separated, with a reason.
    known = page.locator("section", has_text="各机构的登记")
    known.get_by_role("checkbox", name="石桥镇卫生院").check()
    expect(known.get_by_role("button", name="拆分")).to_be_disabled()
    known.get_by_label("理由").fill("同名同日出生的另一人")
    known.get_by_role("button", name="拆分").click()
    expect(page.locator(".story li", has_text="同名同日出生的另一人")).to_be_visible(timeout=SLOW_MS)
    expect(known.locator(".person li")).to_have_count(1)

    # Merged again, by search, with a reason; nothing of the history is gone.
    merge = page.locator("section", has_text="与另一人合并")
    merge.get_by_role("searchbox").fill("仇德海")
    merge.get_by_role("searchbox").press("Enter")
    other = merge.locator(".other", has_text="LX20260888")
    expect(other.get_by_role("button", name="与此人合并")).to_be_disabled(timeout=SLOW_MS)
    merge.get_by_label("理由").fill("核对身份证")
    other.get_by_role("button", name="与此人合并").click()
    expect(known.locator(".person li")).to_have_count(2, timeout=SLOW_MS)
    expect(page.locator(".story li", has_text="核对身份证")).to_be_visible()
    expect(page.locator(".story li")).to_have_count(3)
    page.context.close()


def test_a_garbled_name_is_put_right_for_a_study_and_a_device_and_taken_back(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    first, second = (
        send(
            gateway, tmp_path, "DEMO_CT", modality="CT", name=garbled(NAME), SpecificCharacterSet="ISO_IR 100",
            StudyDescription=garbled(DESCRIPTION), patient_id=f"CT-{number}77",
        )
        for number in range(2)
    )  # fmt: skip
    gateway.wait_until_drained()
    page = sign_in(browser, gateway, "radiographer")
    page.goto("/app/held")
    proposals = page.locator("li", has_text="建议：王小东（GB18030）")
    expect(proposals).to_have_count(2, timeout=SLOW_MS)
    viewer = open_images(browser, gateway, first)
    expect(viewer.get_by_text(garbled(DESCRIPTION)).first).to_be_visible(timeout=SLOW_MS)

    # For one study: its name is right then, also beside its images; the other's stays.
    proposals.first.get_by_role("button", name="仅此检查采用").click()
    expect(proposals).to_have_count(1, timeout=SLOW_MS)
    radiographer = gateway.sign_in("radiographer")
    right = wait_for(
        lambda: [uid for uid in (first, second) if name_of(radiographer, uid) == "王小东"], 30, "it is read"
    )
    assert len(right) == 1
    viewer.page.context.close()
    viewer = open_images(browser, gateway, right[0])
    expect(viewer.get_by_text(DESCRIPTION).first).to_be_visible(timeout=SLOW_MS)
    viewer.page.context.close()

    # For the device: what comes later too.
    proposals.first.get_by_role("button", name="该设备今后都采用").click()
    expect(proposals).to_have_count(0, timeout=SLOW_MS)
    later = send(
        gateway, tmp_path, "DEMO_CT", modality="CT", name=garbled(NAME), SpecificCharacterSet="ISO_IR 100",
        patient_id="CT-977",
    )  # fmt: skip
    for uid in (first, second, later):
        wait_for(lambda: name_of(radiographer, uid) == "王小东", 30, "it is read", gateway.log)  # noqa: B023

    # And taken back: the study is as declared again, and so is what comes from now on.
    [other] = {first, second} - set(right)
    page.get_by_role("button", name="已处理").click()
    page.locator("li", has_text="整台设备").get_by_role("button", name="撤销").click()
    wait_for(lambda: name_of(radiographer, other) == garbled("王小东"), 30, "it is undone", gateway.log)
    assert name_of(radiographer, right[0]) == "王小东"  # its own decision stands
    newest = send(
        gateway, tmp_path, "DEMO_CT", modality="CT", name=garbled(NAME), SpecificCharacterSet="ISO_IR 100",
        patient_id="CT-978",
    )  # fmt: skip
    wait_for(lambda: name_of(radiographer, newest) == garbled("王小东"), 30, "it is as declared", gateway.log)
    radiographer.close()
    page.context.close()


def test_the_worklist_fits_on_a_telephone(browser: Browser, gateway: Gateway, tmp_path: Path) -> None:
    name = "Katharina Anneliese^von Hohenstaufen"
    send(gateway, tmp_path, "DEMO_CT", modality="CT", name=name, patient_id="LX20260001")
    gateway.wait_until_drained()
    page = sign_in(browser, gateway, "reader", size=PHONE)
    claim = page.locator("tr", has_text="LX20260001").get_by_role("button")
    expect(claim).to_be_visible(timeout=SLOW_MS)
    claim.scroll_into_view_if_needed()  # down: others may be more urgent
    expect(claim).to_be_in_viewport(timeout=SLOW_MS)

    assert page.locator(".scroll").evaluate("it => it.scrollWidth <= it.clientWidth")
    page.context.close()


def search(page: Page, words: str) -> None:
    page.get_by_role("searchbox").first.fill(words)
    page.get_by_role("searchbox").first.press("Enter")


def garbled(text: str) -> str:
    """The text whose Latin-1 bytes are this one's in GB18030."""
    return text.encode("gb18030").decode("latin_1")


def name_of(client: Any, study_uid: str) -> str | None:
    items = get_json(client, "/api/v1/examinations", study=study_uid)["items"]
    return str(items[0]["patient"]["name"]) if items else None


def open_images(browser: Browser, gateway: Gateway, study_uid: str) -> Any:
    """OHIF with a study, as the reader has it beside the report; its frame."""
    reader = sign_in(browser, gateway, "reader")
    client = gateway.sign_in("reader")
    [task] = [
        one["task_id"]
        for one in get_json(client, "/api/v1/worklist", limit=100)["items"]
        if one["study_instance_uid"] == study_uid
    ]
    client.close()
    reader.goto(f"/app/read/{task}")
    return wait_for(
        lambda: next((one for one in _frames(reader) if "/ohif/" in one.url), None), 60, "OHIF is there"
    )


def _frames(page: Page) -> list[Any]:
    page.wait_for_timeout(300)
    return list(page.frames)
