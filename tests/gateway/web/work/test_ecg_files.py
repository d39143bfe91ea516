"""An electrocardiogram on its way out, in four forms; each is one answer, audited before its first byte."""

import io
import uuid
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import wfdb
from fastapi.testclient import TestClient
from pydicom import dcmread
from pydicom.uid import EncapsulatedPDFStorage
from sqlalchemy import select

from adapters.ecg.description import describe
from adapters.ecg.reading import read_recording
from gateway.audit import AuditEvent
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.web.ecg_files import disposition
from tests.adapters.ecg.test_dicom_reading import PDF
from tests.adapters.ecg.test_dicom_writing import complaints
from tests.adapters.reports.pdftools import pages_of, squeezed
from tests.builders import County
from tests.ecg_synthetic import write_ishne
from tests.fonts import fonts_dir
from tests.gateway.web.stored import file_of
from tests.gateway.web.work.conftest import Client
from tests.gateway.web.work.test_ecg import an_ecg, arrived, only_examination
from worklists.base import new_id

FORMS = ("original", "dicom", "wfdb", "pdf")


@pytest.fixture
def radiographer(client: Client) -> TestClient:
    return client("radiographer")


@pytest.fixture
def fonts(runtime: Runtime) -> None:
    """The fonts where the viewer's build would have left them."""
    folder = runtime.settings.viewer_dir / "fonts"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.symlink_to(fonts_dir())


def keep_file(runtime: Runtime, county: County, path: Path, *, filename: str = "") -> str:
    origin = {
        "institution_id": str(county.east.id),
        "wire": "folder",
        "filename": filename or path.name,
        "examination_id": str(new_id()),
        "received_at": runtime.now().isoformat(),
        "ecg": describe(read_recording(path)),
    }
    runtime.journal.append("ecg.file", origin, [path.read_bytes()])
    Drain(runtime).index_new()
    return only_examination(runtime)


def holter(
    runtime: Runtime, county: County, folder: Path, *, filename: str = "心电 1.ecg"
) -> tuple[str, Path]:
    path = write_ishne(folder / "day.ecg", duration_s=60)
    return keep_file(runtime, county, path, filename=filename), path


def get(caller: TestClient, examination: str, form: str, **query: Any) -> httpx.Response:
    return caller.get(f"/api/v1/examinations/{examination}/ecg/{form}", params=query)


def test_the_original_is_the_file_as_it_came_under_its_own_name(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    examination, path = holter(runtime, county, tmp_path)

    answer = get(radiographer, examination, "original")

    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"__ 1.ecg\"; filename*=UTF-8''%E5%BF%83%E7%94%B5%201.ecg"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_set_of_files_goes_out_as_the_zip_that_it_is(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    wfdb.wrsamp(
        "rec", fs=250, units=["mV"] * 2, sig_name=["I", "II"], p_signal=np.zeros((500, 2)) + 0.1, fmt=["16"] * 2,
        write_dir=str(tmp_path), adc_gain=[200.0] * 2, baseline=[0] * 2,
    )  # fmt: skip
    path = tmp_path / "rec.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("rec.dat", "rec.hea"):
            archive.write(tmp_path / name, name)
    examination = keep_file(runtime, county, path, filename="rec.hea")

    answer = get(radiographer, examination, "original")

    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == "application/zip"
    assert 'filename="rec.hea.zip"' in answer.headers["content-disposition"]


def test_the_dicom_object_has_the_samples_and_the_identity_of_the_index(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    examination, path = holter(runtime, county, tmp_path)

    answer = get(radiographer, examination, "dicom")

    assert answer.headers["content-type"] == "application/dicom"
    data_set = dcmread(io.BytesIO(answer.content))
    expected = read_recording(path).window_uv()
    assert np.abs(data_set.waveform_array(0).T - expected).max() < 0.01
    shown = radiographer.get(f"/api/v1/examinations/{examination}").json()
    assert data_set.StudyInstanceUID == shown["study_instance_uid"]
    assert data_set.PatientID == shown["patient"]["patient_id"]
    assert data_set.InstitutionName == county.east.name


def test_what_came_as_dicom_goes_out_as_it_came(runtime: Runtime, county: County, radiographer) -> None:
    data_set = an_ecg()
    examination = arrived(runtime, county, data_set)

    answer = get(radiographer, examination, "original")

    assert answer.content == file_of(data_set)
    assert answer.headers["content-disposition"].endswith(f"{data_set.SOPInstanceUID}.dcm")


def test_of_what_came_as_dicom_a_valid_object_is_made_under_its_own_uid(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    data_set = an_ecg(PatientName="Wang^Qiang")  # dciodvfy finds errors in it
    examination = arrived(runtime, county, data_set)

    answer = get(radiographer, examination, "dicom")

    made = dcmread(io.BytesIO(answer.content))
    assert made.StudyInstanceUID == data_set.StudyInstanceUID
    assert made.SOPInstanceUID not in {data_set.SOPInstanceUID, ""}
    assert made.SOPInstanceUID == made.file_meta.MediaStorageSOPInstanceUID
    assert made.SeriesInstanceUID != data_set.SeriesInstanceUID
    assert made.PatientID == data_set.PatientID
    assert np.abs(made.waveform_array(0) - data_set.waveform_array(0)).max() < 0.01
    assert get(radiographer, examination, "dicom").content == answer.content
    assert complaints(answer.content, tmp_path) == []


def test_an_encapsulated_pdf_goes_out_as_that_pdf(runtime: Runtime, county: County, radiographer) -> None:
    data_set = an_ecg(SOPClassUID=EncapsulatedPDFStorage, EncapsulatedDocument=PDF + b"\0" * (len(PDF) % 2))
    data_set.MIMETypeOfEncapsulatedDocument = "application/pdf"
    data_set.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    del data_set.WaveformSequence
    examination = arrived(runtime, county, data_set)

    answer = get(radiographer, examination, "pdf")

    assert (answer.content, answer.headers["content-type"]) == (PDF, "application/pdf")
    assert get(radiographer, examination, "dicom").content == file_of(data_set)


def test_the_wfdb_record_has_the_same_samples(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    data_set = an_ecg()
    examination = arrived(runtime, county, data_set)

    answer = get(radiographer, examination, "wfdb")

    assert 'filename="642341-20130125-105919-wfdb.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    record = wfdb.rdrecord(str(tmp_path / "ecg"))
    assert record.sig_name[3] == "aVR"
    assert np.allclose(record.p_signal, data_set.waveform_array(0), atol=0.01)


@pytest.mark.usefixtures("fonts")
def test_the_pdf_is_paper_in_the_callers_language(runtime: Runtime, county: County, radiographer) -> None:
    examination = arrived(runtime, county, an_ecg())

    chinese = get(radiographer, examination, "pdf", layout="6x2", speed="50", gain="20")
    english = radiographer.get(
        f"/api/v1/examinations/{examination}/ecg/pdf", headers={"Accept-Language": "en"}
    )

    assert chinese.headers["content-type"] == "application/pdf"
    assert chinese.headers["content-disposition"].startswith("inline; ")
    assert "50mm/s20mm/mV" in squeezed(chinese.content)
    assert "设备测量值（未经医师确认）" in squeezed(chinese.content)
    assert pages_of(chinese.content) == 2
    assert "Measuredbythedevice" in squeezed(english.content)


@pytest.mark.usefixtures("fonts")
def test_the_pdf_of_a_long_recording_begins_where_it_was_asked_to(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    examination, _ = holter(runtime, county, tmp_path)

    answer = get(radiographer, examination, "pdf", **{"from": 40})

    assert "40–60s/60s" in squeezed(answer.content)
    assert pages_of(answer.content) == 1


@pytest.mark.parametrize(
    "query", [{"speed": "30"}, {"gain": "0"}, {"layout": "13x1"}, {"from": "-1"}, {"from": "nan"}]
)
def test_paper_that_does_not_exist_is_refused(
    runtime: Runtime, county: County, radiographer, query: dict[str, str]
) -> None:
    examination = arrived(runtime, county, an_ecg())

    answer = get(radiographer, examination, "pdf", **query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.usefixtures("fonts")
def test_nothing_after_its_end_is_a_conflict_and_no_empty_page(
    runtime: Runtime, county: County, radiographer
) -> None:
    examination = arrived(runtime, county, an_ecg())

    answer = get(radiographer, examination, "pdf", **{"from": 60})

    assert (answer.status_code, answer.json()["code"]) == (409, "not_expressible")


@pytest.mark.usefixtures("fonts")
def test_an_ecg_that_came_as_a_page_is_that_page_and_no_waveform(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    drawn = get(radiographer, arrived(runtime, county, an_ecg()), "pdf").content
    path = tmp_path / "page.pdf"
    path.write_bytes(drawn)
    origin = {
        "institution_id": str(county.east.id),
        "wire": "http",
        "filename": "page.pdf",
        "examination_id": (minted := str(new_id())),
        "received_at": runtime.now().isoformat(),
        "ecg": describe(read_recording(path)),
    }
    runtime.journal.append("ecg.file", origin, [drawn])
    Drain(runtime).index_new()

    for form in ("original", "pdf"):
        answer = get(radiographer, minted, form)
        assert (answer.content, answer.headers["content-type"]) == (drawn, "application/pdf")
    for form in ("dicom", "wfdb"):
        answer = get(radiographer, minted, form)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_expressible")


@pytest.mark.parametrize("who", ["village_doctor", "it", "admin", "auditor", "wang", "west_radiographer"])
def test_who_may_not_see_it_gets_none_of_it(
    runtime: Runtime, county: County, client: Client, who: str
) -> None:
    examination = arrived(runtime, county, an_ecg())

    for form in FORMS:
        assert get(client(who), examination, form).status_code == 404


def test_another_examinations_recording_is_not_found(runtime: Runtime, county: County, radiographer) -> None:
    examination = arrived(runtime, county, an_ecg())

    for form in FORMS:
        assert get(radiographer, examination, form, recording=str(uuid.uuid4())).status_code == 404


def test_every_way_out_is_in_the_audit(runtime: Runtime, county: County, radiographer) -> None:
    examination = arrived(runtime, county, an_ecg())

    for form in ("original", "dicom", "wfdb"):
        get(radiographer, examination, form)

    with runtime.sessions() as session:
        events = session.scalars(
            select(AuditEvent)
            .where(AuditEvent.action.in_(["original_downloaded", "ecg_exported"]))
            .order_by(AuditEvent.id)
        ).all()
        assert [event.detail["as"] for event in events] == ["original", "dicom", "wfdb"]
        assert {str(event.examination_id) for event in events} == {examination}


def test_a_name_of_any_script_is_a_header_of_one_line() -> None:
    assert disposition('a"b\\c\r\nX: 1.xml') == (
        "attachment; filename=\"a_b_cX: 1.xml\"; filename*=UTF-8''a%22b%5CcX%3A%201.xml"
    )
