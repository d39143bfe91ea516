"""The main path over the wires that people and devices use: sent, read, reviewed, signed, returned, acknowledged."""

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from dicomweb_client.api import DICOMwebClient
from dicomweb_client.session_utils import create_session
from pydicom import dcmread

from tests.journeys.gateways import PASSWORD, Gateway, get_json, run_dcmtk, wait_for
from tests.synthetic import data_sets_of, new_uid, write_study

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("journey-main-path"), pytest.mark.timeout(1800)]

FINDINGS = "胸廓对称，双肺野清晰，未见实变影。心影大小形态正常，双膈面光滑，肋膈角锐利。"
IMPRESSION = "心肺膈未见明显异常。"


def find_item(client: httpx.Client, path: str, study_uid: str, **query: str) -> Any:
    """The row of a study on somebody's list, or None."""
    items = get_json(client, path, limit=100, **query)["items"]
    return next((item for item in items if item["study_instance_uid"] == study_uid), None)


def act(client: httpx.Client, method: str, path: str, **content: Any) -> Any:
    answer = client.request(method, path, **content)
    assert answer.is_success, (path, answer.status_code, answer.text[:500])
    return answer.json()


def test_a_study_becomes_a_signed_report_back_at_the_township(gateway: Gateway, tmp_path: Path) -> None:
    study_uid = new_uid()
    files = write_study(
        tmp_path / "study", 2, modality="DX", size=64, study_uid=study_uid, patient_id="LX20260999",
        name="Qiu^Dehai=仇^德海", body_part="CHEST", StudyDescription="胸部正位",
    )  # fmt: skip
    radiographer = gateway.sign_in("radiographer")
    reader, reviewer = gateway.sign_in("reader"), gateway.sign_in("reviewer")

    # The modality sends; its radiographer sees the study come in, then whole.
    sent = run_dcmtk("storescu", gateway.dicom_port, *files, calling="DEMO_DR")
    assert sent.returncode == 0, sent.stdout
    seen = wait_for(
        lambda: find_item(radiographer, "/api/v1/examinations", study_uid), 15, "it is seen", gateway.log
    )
    assert (seen["instances"], seen["device"]["ae_title"]) == (2, "DEMO_DR")
    examination = f"/api/v1/examinations/{seen['examination_id']}"
    act(radiographer, "PATCH", examination, json={"clinical_information": "咳嗽三天", "priority": "urgent"})
    item = wait_for(
        lambda: find_item(reader, "/api/v1/worklist", study_uid, state="waiting"), 30, "it waits", gateway.log
    )
    assert (item["site"]["code"], item["priority"], item["complete"]) == ("MH-T01", "urgent", True)
    assert item["patient"]["name"] == "仇德海"
    task = f"/api/v1/tasks/{item['task_id']}"

    # The reader claims it, and nobody else can; writes; submits; may not sign what they wrote.
    assert act(reader, "POST", f"{task}/claim")["state"] == "claimed"
    assert reviewer.post(f"{task}/claim").status_code == 409
    assert get_json(reader, task)["examination"]["clinical_information"] == "咳嗽三天"
    body = {"findings": FINDINGS, "impression": IMPRESSION, "critical": False, "preliminary": False}
    act(reader, "PUT", f"{task}/report", json=body)
    assert act(reader, "POST", f"{task}/submit")["state"] == "submitted"
    own = reader.post(f"{task}/sign")
    assert own.status_code in (403, 409), own.text

    # A second person signs.
    signed = act(reviewer, "POST", f"{task}/sign")
    report = f"/api/v1/reports/{signed['report_id']}"
    returned = wait_for(
        lambda: next(
            (one for one in get_json(radiographer, "/api/v1/returns")["items"]
             if one["report_id"] == signed["report_id"]), None
        ), 30, "the report is in the inbox", gateway.log,
    )  # fmt: skip
    assert (returned["state"], [mark["text"] for mark in returned["marks"]]) == ("delivered", ["明河县HR"])

    # The radiographer opens the document, which holds, and acknowledges it; the county sees that.
    pdf = radiographer.get(f"{report}/pdf")
    assert pdf.headers["Content-Type"] == "application/pdf"
    check_document(pdf.content, tmp_path, data_sets_of(files))
    assert radiographer.post(f"/api/v1/returns/{returned['id']}/acknowledge").status_code == 200
    shown = get_json(reader, report)
    assert shown["pdf_sha256"] == hashlib.sha256(pdf.content).hexdigest()
    [delivery] = [one for one in shown["deliveries"] if one["recipient"]["code"] == "MH-T01"]
    assert delivery["state"] == "acknowledged"
    assert delivery["delivered_at"] <= delivery["opened_at"] <= delivery["acknowledged_at"]
    assert (delivery["opened_by"]["name"], delivery["acknowledged_by"]["name"]) == ("周敏", "周敏")

    # Who is nobody here can verify it, and learns no more than that.
    code = shown["verification_url"].rsplit("/", 1)[1]
    verified = get_json(httpx.Client(base_url=gateway.base_url), f"/api/v1/verifications/{code}")
    assert (verified["valid"], verified["pdf_sha256"]) == (True, shown["pdf_sha256"])
    assert "德海" not in json.dumps(verified, ensure_ascii=False)

    # And who reads elsewhere sees nothing of it.
    ecg = gateway.sign_in("ecg")
    assert ecg.get(task).status_code in (403, 404)
    assert ecg.get(f"{report}/pdf").status_code in (403, 404)


def check_document(pdf: bytes, folder: Path, originals: dict[str, bytes]) -> None:
    """The signature holds for the whole document, and it covers a manifest of what the modality sent."""
    path = folder / "report.pdf"
    path.write_bytes(pdf)
    said = poppler("pdfsig", "-nocert", str(path))
    assert "Signature is Valid" in said, said
    assert "Total document signed" in said, said
    text = poppler("pdftotext", "-layout", str(path), "-")
    assert "明河县HR" in text.replace(" ", "")
    assert "心肺膈未见明显异常" in text.replace(" ", "")
    poppler("pdfdetach", "-saveall", "-o", str(folder), str(path))
    [attached] = folder.glob("*originals.json")
    manifest = json.loads(attached.read_text())
    expected = {uid: hashlib.sha256(data).hexdigest() for uid, data in originals.items()}
    assert {one["sop_instance_uid"]: one["sha256"] for one in manifest["originals"]} == expected


def poppler(program: str, *words: str) -> str:
    return subprocess.run([program, *words], capture_output=True, text=True, check=True, timeout=60).stdout


def test_dicomweb_client_finds_and_retrieves_what_was_sent(gateway: Gateway, tmp_path: Path) -> None:
    files = write_study(tmp_path, 3, size=32, study_uid=(study_uid := new_uid()), patient_id="LX-DICOMWEB")
    assert run_dcmtk("storescu", gateway.dicom_port, *files).returncode == 0
    gateway.wait_until_drained()
    credentials = {"username": "radiographer", "password": PASSWORD}
    token = httpx.post(f"{gateway.base_url}/api/v1/session", json=credentials).json()["token"]
    session = create_session()
    session.headers["Authorization"] = f"Bearer {token}"
    client = DICOMwebClient(f"{gateway.base_url}/dicomweb", session=session)

    [study] = client.search_for_studies(search_filters={"StudyInstanceUID": study_uid})
    assert study["00201208"]["Value"] == [3]
    found = client.search_for_instances(study_uid)
    assert {one["00080018"]["Value"][0] for one in found} == set(data_sets_of(files))
    images = client.retrieve_study(study_uid, media_types=(("application/dicom", "*"),))
    sent = {image.SOPInstanceUID: image for image in map(dcmread, files)}
    assert {image.SOPInstanceUID: image.PixelData for image in images} == {
        uid: image.PixelData for uid, image in sent.items()
    }
    assert len(client.retrieve_study_metadata(study_uid)) == 3


def test_an_upload_under_a_name_of_300_characters_is_refused_in_words_and_the_next_is_taken(
    gateway: Gateway, tmp_path: Path
) -> None:
    radiographer = gateway.sign_in("radiographer")
    [file] = write_study(tmp_path, 1, size=16, patient_id="LX-UPLOAD")

    def upload(name: str) -> httpx.Response:
        files = {"files": (name, file.read_bytes())}
        return radiographer.post("/api/v1/examinations", data={"kind": "imaging"}, files=files)

    refused = upload("长" * 300 + ".dcm")
    assert refused.status_code == 422, refused.text[:500]
    assert "255" in refused.json()["refused"][0]["reason"]

    accepted = upload("胸部.dcm")
    assert accepted.status_code == 201, accepted.text[:500]
    [one] = accepted.json()["accepted"]
    path = f"/api/v1/examinations/{one['examination_id']}"
    wait_for(lambda: radiographer.get(path).status_code == 200, 20, "it is indexed", gateway.log)


def test_the_installation_is_sound_afterwards(gateway: Gateway) -> None:
    gateway.wait_until_drained()
    done = gateway.check()
    assert done.returncode == 0, done.stdout
