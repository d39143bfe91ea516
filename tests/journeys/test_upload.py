"""Images uploaded in a real Chromium: a CD with several patients, a folder with what is no image, a dropped line."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.gateway.carts.recordings import aecg, put, wfdb
from tests.gateway.web.stored import pydicom_file
from tests.journeys.browsers import PHONE, SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-upload"), pytest.mark.timeout(1800)]

PATIENT = "仇德海"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, gateway: Gateway) -> Iterator[Page]:
    page = sign_in(browser, gateway, "radiographer")
    page.goto("/app/upload")
    yield page
    page.context.close()


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """pydicom's test CD: a DICOMDIR, three patients, and further directories that are no part of it."""
    return Path(shutil.copytree(pydicom_file("CT_small.dcm").parent / "dicomdirtests", tmp_path / "disc"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study of thirty images, one more that is cut short, and a text."""
    files = write_study(
        tmp_path / "胸部" / "CT", 30, size=128, patient_id="LX20260777", name="Qiu^Dehai=仇^德海",
        StudyDescription="胸部平扫",
    )  # fmt: skip
    (tmp_path / "胸部" / "说明.txt").write_text("这不是影像。" * 40)
    whole = files[0].read_bytes()
    (tmp_path / "胸部" / "CT" / "cut.dcm").write_bytes(whole.replace(b"2.25.", b"2.26.")[:-200])
    return tmp_path / "胸部"


def choose(page: Page, folder: Path) -> None:
    page.locator("input[webkitdirectory]").set_input_files(folder)
    expect(page.get_by_text("请核对：这是谁的影像？")).to_be_visible(timeout=SLOW_MS)


def test_a_folder_is_uploaded_and_each_file_has_its_result(
    page: Page, gateway: Gateway, folder: Path, tmp_path: Path
) -> None:
    choose(page, folder)
    expect(page.get_by_text(PATIENT)).to_be_visible()
    expect(page.get_by_text("编号 LX20260777")).to_be_visible()
    expect(page.locator("details li", has_text="说明.txt")).to_contain_text("不是 DICOM 文件")
    page.keyboard.press("Enter")  # the button that sends has the focus

    expect(page.get_by_text("已收下 30 幅")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".refused li", has_text="cut.dcm")).to_contain_text("文件不完整或已损坏")
    with page.expect_download() as saved:
        page.get_by_role("button", name="下载清单").click()
    saved.value.save_as(tmp_path / "list.csv")
    with (tmp_path / "list.csv").open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    assert len(lines) == 1 + 32
    [cut] = [line for line in lines if line[0].endswith("cut.dcm")]
    assert (cut[1], cut[2].startswith("文件不完整")) == ("没有收下", True)

    page.get_by_role("link", name="在“已发送”中查看").click()
    row = page.locator(".row", has_text=PATIENT)
    expect(row).to_contain_text("30", timeout=SLOW_MS)
    items = get_json(gateway.sign_in("radiographer"), "/api/v1/examinations", q="0777")["items"]
    assert [item["instances"] for item in items] == [30]


def test_a_disc_of_several_patients_is_sent_only_for_the_one_who_is_ticked(
    browser: Browser, gateway: Gateway, disc: Path
) -> None:
    page = sign_in(browser, gateway, "radiographer", size=PHONE)
    page.goto("/app/upload")
    choose(page, disc)
    expect(page.get_by_text("这里有 3 位患者的影像")).to_be_visible()
    expect(page.get_by_role("button", name="请先勾选患者")).to_be_disabled()
    page.get_by_text("个文件不上传").click()
    expect(page.locator("details li", has_text="disc/DICOMDIR").first).to_contain_text("光盘目录文件")

    page.get_by_label("Doe Archibald").check()
    page.get_by_role("button", name="上传 7 幅").click()
    expect(page.get_by_text("全部收下：7 幅")).to_be_visible(timeout=SLOW_MS)
    page.context.close()
    gateway.wait_until_drained()
    radiographer = gateway.sign_in("radiographer")
    items = get_json(radiographer, "/api/v1/examinations", q="77654033")["items"]
    assert sum(item["instances"] for item in items) == 7
    assert get_json(radiographer, "/api/v1/examinations", q="98890234")["items"] == []


def test_an_upload_goes_on_by_itself_when_the_line_is_back(page: Page, tmp_path: Path) -> None:
    write_study(tmp_path / "study", 200, size=8, patient_id="LX-DROPPED", name="Line^Dropped")
    choose(page, tmp_path / "study")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.context.set_offline(True)
    page.get_by_role("button", name="上传 200 幅").click()
    expect(page.get_by_text("连接中断")).to_be_visible(timeout=SLOW_MS)
    page.get_by_role("link", name="今日").click()  # it goes on while one looks elsewhere
    page.context.set_offline(False)
    page.get_by_role("link", name="上传").click()

    expect(page.get_by_text("全部收下：200 幅")).to_be_visible(timeout=SLOW_MS)
    sent = [url for url in asked if url.endswith("/dicomweb/studies")]
    assert len(sent) > 4  # four requests, and those that the dropped line swallowed


def test_what_is_no_image_goes_only_when_it_is_ticked_and_has_its_result(page: Page, folder: Path) -> None:
    for name in ("报告.pdf", "VIEWER.xml", "AUTORUN.INF"):
        (folder / name).write_bytes(b"%PDF-1.7 " * 40)
    choose(page, folder)
    expect(page.get_by_text("其他文件（2 个）")).to_be_visible()
    page.get_by_label("报告.pdf").check()
    expect(page.get_by_role("button", name="请选择其他文件的类别")).to_be_disabled()
    page.get_by_label("类别").select_option("imaging")
    page.get_by_label("检查号").fill("2026-0777")
    page.get_by_role("button", name="上传 31 幅 + 1 个文件").click()

    expect(page.get_by_text("已收下 30 个文件")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".study", has_text="其他文件")).to_contain_text("0/1")
    expect(page.locator(".refused li", has_text="报告.pdf")).to_contain_text("DICOM")
    expect(page.locator("details li", has_text="VIEWER.xml")).to_contain_text("没有勾选")
    expect(page.locator("details li", has_text="AUTORUN.INF")).to_contain_text("不是 DICOM 文件")


def test_ecg_files_are_known_and_go_with_the_mark_for_chest_pain(
    page: Page, gateway: Gateway, tmp_path: Path
) -> None:
    put(
        tmp_path / "ecg",
        {**wfdb("rec"), "心电.xml": aecg("LX-ECG-1"), "cut.xml": aecg()[:1500], "报告.pdf": b"%PDF-1.7 "},
    )
    page.locator("input[webkitdirectory]").set_input_files(tmp_path / "ecg")
    expect(page.get_by_text("心电图（4 个文件）")).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("其他文件（1 个）")).to_be_visible()
    page.get_by_label("胸痛").check()
    page.get_by_role("button", name="上传 4 个文件").click()

    expect(page.locator(".study", has_text="心电图")).to_contain_text("3/4", timeout=SLOW_MS)
    expect(page.locator(".refused li", has_text="cut.xml")).to_be_visible()
    gateway.wait_until_drained()
    (item,) = get_json(gateway.sign_in("radiographer"), "/api/v1/examinations", q="LX-ECG-1")["items"]
    assert (item["kind"], item["priority"]) == ("ecg", "chest_pain")
