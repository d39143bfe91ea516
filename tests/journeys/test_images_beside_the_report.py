"""Images beside the report in a real Chromium: chosen into it from OHIF, and on a second monitor that follows it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Frame, Page, Route, expect

from tests.journeys.browsers import chromium, sign_in, slowly
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-beside"), pytest.mark.timeout(420)]

# The pixels that a viewport shows; nothing while none is painted.
# OHIF's active viewport, not one of its thumbnails: there is none until its layout is.
VIEWPORT = """
  const id = window.services?.viewportGridService?.getActiveViewportId();
  const viewport = id && services.cornerstoneViewportService.getCornerstoneViewport(id);
"""
PAINTED = f"""() => {{{VIEWPORT}
  if (!viewport?.getCurrentImageId?.()) return false;
  const canvas = viewport.getCanvas();
  const context = canvas.getContext('2d');
  if (!context || !canvas.width || !canvas.height) return false;
  const {{ data }} = context.getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, at) => at % 4 === 0 && value > 32);
}}"""
# A darker window than the image came with, set as OHIF's own tool sets it.
DARKER = f"""() => {{{VIEWPORT}
  viewport.setProperties({{ voiRange: {{ lower: 3000, upper: 3999 }} }});
  viewport.render();
}}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def send(gateway: Gateway, folder: Path, patient_id: str, name: str) -> dict[str, Any]:
    """One film; the item of the county's worklist."""
    files = write_study(
        folder / patient_id, 1, modality="DX", size=256, patient_id=patient_id, name=name,
        AccessionNumber=f"A{patient_id}", StudyDescription="胸部正位",
    )  # fmt: skip
    done = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert done.returncode == 0, done.stdout
    reader = gateway.sign_in("reader")
    query = {"q": patient_id, "state": "waiting"}
    found = wait_for(
        lambda: get_json(reader, "/api/v1/worklist", **query)["items"], 60, "it waits", gateway.log
    )
    reader.close()
    assert isinstance(found, list)
    return dict(found[0])


def viewer_in(page: Page, study: str) -> Frame:
    """OHIF with this study painted, in a page."""

    def find() -> Frame | None:
        page.wait_for_timeout(300)
        frame = next((one for one in page.frames if "/ohif/viewer" in one.url and study in one.url), None)
        try:
            return frame if frame is not None and frame.evaluate(PAINTED) else None
        except Error:
            return None

    return wait_for(find, 120, "an image is painted")


def test_what_is_black_says_that_images_are_on_their_way_until_one_is_painted(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    item = send(gateway, tmp_path, "LX-BLACK-1", "Fei^Ran=费^然")
    reader = sign_in(browser, gateway, "reader")
    held: list[Route] = []
    may_come = False
    reader.route("**/frames/1", lambda route: route.continue_() if may_come else held.append(route))
    reader.goto(f"/app/read/{item['task_id']}")
    said = reader.get_by_role("status").filter(has_text=re.compile("[正仍]在打开图像"))
    expect(said).to_be_visible()
    expect(reader.get_by_role("button", name="重新载入")).to_be_visible()
    expect(reader.get_by_text("仍在打开图像：这台电脑或线路较慢。")).to_be_visible()
    wait_for(lambda: held or reader.wait_for_timeout(100), 120, "the image is asked for")
    may_come = True
    for route in held:
        route.continue_()
    viewer_in(reader, item["study_instance_uid"])
    expect(reader.get_by_text("打开图像")).to_have_count(0)
    reader.context.close()


def test_a_frame_and_a_snapshot_go_from_ohif_into_the_report_that_the_township_prints(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    item = send(gateway, tmp_path, "LX-KEY-1", "Mo^Yan=莫^岩")
    reader = sign_in(browser, gateway, "reader")
    reader.goto(f"/app/read/{item['task_id']}")
    reader.get_by_role("button", name="领取").click()
    viewer = viewer_in(reader, item["study_instance_uid"])
    images = reader.locator(".key-images")

    # By a key while the images have the focus, at the window that they have; by a button.
    viewer.evaluate(DARKER)
    viewer.locator("canvas").first.click()
    reader.keyboard.press("k")
    expect(images.locator("li")).to_have_count(1)
    images.get_by_role("button", name="截图").click()
    expect(images.locator("li")).to_have_count(2)
    expect(images.locator("li img").last).to_have_js_property("complete", True)
    # A line that takes its time: the image is moved while its caption is still on the way.
    reader.route("**/key-images", slowly)
    images.locator("input[name=caption]").first.fill("右肺结节")
    images.locator("input[name=caption]").first.press("Enter")
    expect(images.get_by_text("2 / 12")).to_be_visible()
    images.get_by_role("button", name="图 2 前移").click()
    expect(images.locator("input[name=caption]").first).to_have_value("")
    expect(images.locator("input[name=caption]").last).to_have_value("右肺结节")
    reader.fill("#findings", "右肺上叶结节 k K。")  # typed letters are words
    reader.fill("#impression", "随诊。")
    reader.get_by_role("button", name="提交审核").click()
    reader.wait_for_url(lambda url: item["task_id"] not in url)
    client = gateway.sign_in("reader")
    chosen = get_json(client, f"/api/v1/tasks/{item['task_id']}/key-images")
    assert [(one["snapshot"], one["window"]) for one in chosen] == [
        (True, None), (False, {"center": 3500, "width": 1000}),
    ]  # fmt: skip

    head = sign_in(browser, gateway, "reviewer")
    head.goto(f"/app/read/{item['task_id']}")
    expect(head.locator(".key-images li")).to_have_count(2)
    expect(head.locator(".key-images input")).to_have_count(0)
    head.get_by_role("button", name="签发").click()
    expect(head.get_by_role("status").filter(has_text="已签发 莫岩")).to_be_visible()

    township = sign_in(browser, gateway, "radiographer", size=(390, 844))
    township.goto("/app/returns")
    township.locator("li.row", has_text="莫岩").locator(".what").click()
    figures = township.locator("article figure")
    expect(figures).to_have_count(2)
    expect(figures.last).to_contain_text("右肺结节")
    assert figures.first.locator("img").evaluate("it => it.decode().then(() => it.naturalWidth)") > 100
    assert township.evaluate("document.documentElement.scrollWidth <= innerWidth")
    report = township.url.rpartition("/")[2]
    pdf = wait_for(
        lambda: answer if (answer := client.get(f"/api/v1/reports/{report}/pdf")).status_code == 200 else None,
        60, "the document is made", gateway.log,
    )  # fmt: skip
    (tmp_path / "report.pdf").write_bytes(pdf.content)
    listed = subprocess.run(
        ["pdfimages", "-list", tmp_path / "report.pdf"], capture_output=True, text=True, check=True
    ).stdout
    assert listed.count(" jpeg ") == 2, listed
    client.close()
    for page in (reader, head, township):
        page.context.close()


def test_the_second_monitor_follows_the_report_and_is_blank_beside_none(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    first = send(gateway, tmp_path, "LX-TWO-1", "Jia^Yi=贾^一")
    second = send(gateway, tmp_path, "LX-TWO-2", "Yi^Er=伊^二")
    reader = sign_in(browser, gateway, "reader")
    reader.goto(f"/app/read/{first['task_id']}")
    reader.get_by_role("button", name="领取").click()
    with reader.expect_popup() as opened:
        reader.get_by_role("button", name="双屏").click()
    other = opened.value
    other.set_default_timeout(60_000)
    viewer = viewer_in(other, first["study_instance_uid"])
    expect(other.locator("header.who")).to_contain_text("贾一")
    expect(other).to_have_title("贾一 女 56岁 ALX-TWO-1")
    assert not [one for one in reader.frames if "/ohif/viewer" in one.url]  # once, not twice

    # The reader's keys work there, too, and what is chosen there goes into the report here.
    viewer.locator("canvas").first.click()
    other.keyboard.press("k")
    expect(reader.locator(".key-images li")).to_have_count(1)

    # Away from the report nothing of it is left there; with the next report its images come, under its name.
    reader.get_by_role("link", name="工作列表").first.click()
    expect(other.locator("iframe")).to_have_count(0)
    expect(other.get_by_text("贾一")).to_have_count(0)
    expect(other).to_have_title("图像")
    reader.locator("tbody tr", has_text="伊二").get_by_role("button").click()
    reader.wait_for_url("**/app/read/*")
    expect(other.locator("header.who")).to_contain_text("伊二")
    viewer_in(other, second["study_instance_uid"])
    assert not [one for one in other.frames if first["study_instance_uid"] in one.url]

    # Somebody takes it over: the images are put away there.
    colleague = gateway.sign_in("reviewer")
    taken = colleague.post(f"/api/v1/tasks/{second['task_id']}/take-over", json={"reason": "对方已下班"})
    assert taken.status_code == 200, taken.text
    colleague.close()
    expect(other.get_by_text("您对这份检查的领取已失效")).to_be_visible()
    expect(other.locator("iframe")).to_have_count(0)

    # The page is loaded anew: the window finds it again.
    reader.goto(f"/app/read/{first['task_id']}")
    expect(other.locator("header.who")).to_contain_text("贾一")
    # And what is signed out or closed leaves nothing behind.
    reader.close()
    expect(other.get_by_text("报告页面已关闭")).to_be_visible()
    expect(other.locator("iframe")).to_have_count(0)
    other.context.close()
