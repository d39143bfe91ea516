"""An ECG from a cart in a township to a signed report: a file in a folder, a reader in Chromium, the township's inbox."""

import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian
from sqlalchemy import update

from gateway.database import open_engine
from gateway.demo_ecgs import ECGS, drop_ecgs
from gateway.duty_calls import CALL
from gateway.work import Work
from tests.journeys.browsers import SLOW_MS, chromium, sign_in
from tests.journeys.gateways import Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import new_uid

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-ecg"), pytest.mark.timeout(1800)]

CART = "demo-ecg"
REAL = "20261122083000_REAL.dcm"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def folder(gateway: Gateway) -> Path:
    place = gateway.settings.drop_folder / CART
    wait_for(place.is_dir, 20, "the cart has its folder", gateway.log)
    return place


def drop(file: Path, folder: Path, name: str) -> None:
    """As a cart does: under another name until it is whole."""
    shutil.copyfile(file, folder / f"{name}.tmp")
    (folder / f"{name}.tmp").rename(folder / name)


def items_of(client: httpx.Client, path: str, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = get_json(client, path, limit=100, **query)["items"]
    return items


def downloaded(page: Page, name: str) -> bytes:
    """What a link of the export menu gives."""
    menu = page.locator("details.ways")
    if menu.get_attribute("open") is None:
        menu.locator("summary").click()
    with page.expect_download() as saved:
        menu.get_by_role("link", name=name).click()
    return saved.value.path().read_bytes()


def open_task(page: Page, item: dict[str, Any]) -> None:
    page.goto(f"/app/read/{item['task_id']}")


def test_a_dropped_ecg_is_read_and_signed_and_its_report_is_back(
    gateway: Gateway, browser: Browser, folder: Path, tmp_path: Path
) -> None:
    radiographer, reader = gateway.sign_in("radiographer"), gateway.sign_in("ecg")
    drop(Path(str(get_testdata_file("waveform_ecg.dcm", download=False))), folder, REAL)

    [task] = wait_for(
        lambda: items_of(reader, "/api/v1/worklist", state="waiting"), 60, "the ECG waits", gateway.log
    )
    assert (task["kind"], task["modality"], task["site"]["code"]) == ("ecg", "ECG", "MH-T01")
    taken = wait_for(lambda: list((folder / "done").rglob("*.dcm")), 60, "the file is moved", gateway.log)
    assert [path.name for path in taken] == [REAL]
    page = sign_in(browser, gateway, "ecg")
    page.goto("/app/worklist")
    page.locator("tr", has_text="642341").get_by_role("button", name="领取").click()
    page.keyboard.press("n")  # while the room is still on its way
    page.wait_for_url("**/app/read/*")
    expect(page.locator("canvas").first).to_be_visible(timeout=SLOW_MS)
    expect(page.get_by_text("已保存")).to_be_visible(timeout=SLOW_MS)
    for name, head in (("原始文件", b""), ("DICOM", b""), ("WFDB", b"PK\x03\x04"), ("PDF", b"%PDF-")):
        content = downloaded(page, name)
        assert len(content) > 10_000 and content.startswith(head)
        assert name not in ("原始文件", "DICOM") or content[128:132] == b"DICM"
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").filter(has_text="已签发").first).to_be_visible(timeout=SLOW_MS)
    page.context.close()

    [back] = wait_for(
        lambda: items_of(radiographer, "/api/v1/returns"), 60, "the report is back", gateway.log
    )
    report = get_json(radiographer, f"/api/v1/reports/{back['report_id']}")
    assert "窦性心律" in report["impression"]
    assert report["content"]["measurements"]["pr_ms"]
    pdf = tmp_path / "report.pdf"
    pdf.write_bytes(radiographer.get(f"/api/v1/reports/{back['report_id']}/pdf").content)
    text = subprocess.run(["pdftotext", str(pdf), "-"], capture_output=True, text=True, check=True).stdout
    assert "aVR" in text
    assert "25 mm/s" in text
    assert "Signature is Valid" in subprocess.run(
        ["pdfsig", "-nocert", str(pdf)], capture_output=True, text=True, check=False
    ).stdout.replace("valid", "Valid")


def test_chest_pain_is_on_top_and_rings(
    gateway: Gateway, browser: Browser, folder: Path, tmp_path: Path
) -> None:
    reader = gateway.sign_in("ecg")
    for _ in drop_ecgs(tmp_path, folder, datetime.now(UTC)):
        pass

    wait_for(
        lambda: len(items_of(reader, "/api/v1/worklist", state="waiting")) == len(ECGS), 60, "all wait",
        gateway.log,
    )  # fmt: skip

    first = items_of(reader, "/api/v1/worklist")[0]
    assert (first["patient"]["name"], first["priority"]) == ("李国强", "chest_pain")
    page = sign_in(browser, gateway, "ecg")
    page.goto("/app/worklist")
    expect(page.locator("tbody tr").first).to_contain_text("胸痛", timeout=SLOW_MS)
    expect(page.locator("tbody tr").first).to_contain_text("李国强", timeout=SLOW_MS)
    page.context.close()


def test_who_is_on_duty_is_called_with_a_sound_to_chest_pain_that_nobody_takes(
    gateway: Gateway, browser: Browser
) -> None:
    admin = gateway.sign_in("admin")
    (centre,) = (one for one in items_of(admin, "/api/v1/centres") if one["kind"] == "ecg")
    (person,) = (one for one in items_of(admin, "/api/v1/people") if one["username"] == "ecg")
    page = sign_in(browser, gateway, "ecg")
    page.add_init_script(
        "const start = OscillatorNode.prototype.start; window.tones = 0;"
        "OscillatorNode.prototype.start = function (...at) { window.tones += 1; return start.apply(this, at); };"
    )
    page.goto("/app/account")  # whichever page it is
    expect(page.get_by_role("alert")).to_have_count(0)
    before = page.evaluate("window.tones")

    line = {"centre_id": centre["id"], "person_id": person["id"], "position": 1}
    assert admin.post("/api/v1/duty", json=line).status_code == 201
    # Nobody waits here for the minutes that a centre gives its readers: the call is due now.
    engine = open_engine(gateway.settings.database)
    with engine.begin() as connection:
        connection.execute(update(Work).where(Work.task == CALL).values(due_at=datetime.now(UTC)))
    engine.dispose()
    call = page.get_by_role("alert").filter(has_text="李国强")

    expect(call).to_contain_text("胸痛", timeout=SLOW_MS)
    page.wait_for_function("before => window.tones > before", arg=before)
    clock = call.get_by_role("timer")
    shown = clock.inner_text()
    expect(clock).not_to_have_text(shown)
    call.get_by_role("button").click()
    page.wait_for_url("**/app/read/*")
    expect(call).to_have_count(0)
    page.context.close()


def test_an_ecg_that_came_as_a_page_is_looked_at_and_saved(
    gateway: Gateway, browser: Browser, tmp_path: Path
) -> None:
    radiographer, reader = gateway.sign_in("radiographer"), gateway.sign_in("ecg")
    for name in ("page.pdf", "scan.png"):
        Image.new("RGB", (800, 500), "white").save(tmp_path / name)
    store_in_dicom(gateway, tmp_path / "page.pdf", patient_id="ENCAPSULATED")
    files = [("files", (name, (tmp_path / name).read_bytes())) for name in ("page.pdf", "scan.png")]
    answer = radiographer.post("/api/v1/examinations", data={"kind": "ecg"}, files=files)
    assert answer.status_code == 201, answer.text
    names = {one["examination_id"]: one["name"] for one in answer.json()["accepted"]}

    def pages() -> dict[str, dict[str, Any]] | None:
        items = items_of(reader, "/api/v1/worklist", state="waiting")
        found = {names.get(item["examination_id"], item["patient"]["patient_id"]): item for item in items}
        return found if found.keys() >= {*names.values(), "ENCAPSULATED"} else None

    waiting = wait_for(pages, 60, "the pages wait", gateway.log)
    page = sign_in(browser, gateway, "ecg")
    for name in ("page.pdf", "ENCAPSULATED"):
        with page.expect_response(lambda answer: answer.url.endswith("/rendered")) as shown:
            open_task(page, waiting[name])
        assert shown.value.headers["content-type"] == "application/pdf"
        expect(page.locator("iframe")).to_be_visible(timeout=SLOW_MS)
    open_task(page, waiting["scan.png"])
    picture = page.locator(".picture img")
    expect(picture).to_be_visible(timeout=SLOW_MS)
    wait_for(lambda: picture.evaluate("one => one.naturalWidth") == 800, 60, "the scan is drawn", gateway.log)
    assert downloaded(page, "原始文件") == (tmp_path / "scan.png").read_bytes()
    expect(page.get_by_role("link", name="WFDB")).to_have_count(0)
    page.context.close()


def store_in_dicom(gateway: Gateway, pdf: Path, *, patient_id: str) -> None:
    """As a cart does that prints into DICOM: an Encapsulated PDF of modality ECG."""
    data_set = Dataset()
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.SOPClassUID = data_set.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = new_uid()
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = new_uid(), new_uid()
    data_set.PatientID, data_set.PatientName = patient_id, "Page^Only"
    data_set.Modality, data_set.StudyDate, data_set.StudyTime = "ECG", "20261122", "080000"
    data_set.MIMETypeOfEncapsulatedDocument = "application/pdf"
    content = pdf.read_bytes()
    data_set.EncapsulatedDocument = content + b"\0" * (len(content) % 2)
    data_set.save_as(pdf.with_suffix(".dcm"), enforce_file_format=True)
    sent = run_dcmtk("storescu", gateway.dicom_port, pdf.with_suffix(".dcm"), calling="DEMO_ECG")
    assert sent.returncode == 0, sent.stdout


def test_a_file_that_is_no_ecg_is_refused_with_a_sentence_beside_it(gateway: Gateway, folder: Path) -> None:
    (folder / "notes.txt").write_text("Dr Wang, please call back")

    said = wait_for(
        lambda: next(iter((folder / "refused").glob("*.txt.txt")), None), 60, "it is refused", gateway.log
    )

    text = wait_for(lambda: said.read_text(encoding="utf-8-sig"), 60, "it is written", gateway.log)
    assert "无法识别的心电文件格式" in text
    assert "This is no ECG format that we know" in text
    radiographer = gateway.sign_in("radiographer")
    refusals = wait_for(lambda: radiographer.get("/api/v1/refusals").json(), 60, "it is shown", gateway.log)
    assert any("无法识别" in one["reason"] for one in refusals)


def test_a_waveform_that_is_stored_by_dicom_comes_to_the_same_desk(gateway: Gateway, tmp_path: Path) -> None:
    reader = gateway.sign_in("ecg")
    data_set = dcmread(str(get_testdata_file("waveform_ecg.dcm", download=False)))
    data_set.PatientID, data_set.StudyInstanceUID = "STORED", new_uid()
    data_set.SOPInstanceUID = data_set.file_meta.MediaStorageSOPInstanceUID = new_uid()
    data_set.save_as(tmp_path / "stored.dcm")

    sent = run_dcmtk(
        "storescu", gateway.dicom_port, tmp_path / "stored.dcm", options=["-R"], calling="DEMO_ECG"
    )

    assert sent.returncode == 0, sent.stdout
    [item] = wait_for(
        lambda: items_of(reader, "/api/v1/worklist", q="STORED"), 60, "it is on the list", gateway.log
    )
    samples = get_json(reader, f"/api/v1/examinations/{item['examination_id']}/ecg")
    expected = data_set.waveform_array(0)
    assert [lead["name"] for lead in samples["leads"]][:3] == ["I", "II", "III"]
    assert samples["leads"][1]["samples_uv"] == pytest.approx(expected[:, 1].tolist(), abs=0.01)
