"""What a page hears of an electrocardiogram: its recordings, a window of its samples, and who may hear it."""

import uuid
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file
from sqlalchemy import select

from adapters.ecg.description import describe
from adapters.ecg.reading import read_recording
from adapters.ecg.wfdb_writing import write_wfdb
from gateway.audit import AuditEvent
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS
from tests.builders import County
from tests.ecg_synthetic import write_ishne
from tests.gateway.web.stored import file_of, keep
from tests.gateway.web.work.conftest import Client
from worklists.base import COUNTY_TIME, new_id
from worklists.examinations import Examination, Priority


def an_ecg(**fields: Any) -> Dataset:
    path = get_testdata_file("waveform_ecg.dcm", download=False)
    data_set = dcmread(str(path))
    for name, value in fields.items():
        setattr(data_set, name, value)
    return data_set


def arrived(runtime: Runtime, county: County, data_set: Dataset) -> str:
    """An ECG that a cart stored, indexed; its examination."""
    keep(runtime, [file_of(data_set)], institution_id=county.east.id)
    return only_examination(runtime)


def only_examination(runtime: Runtime) -> str:
    with runtime.sessions() as session:
        return str(session.scalars(select(Examination.id)).one())


def keep_file(runtime: Runtime, county: County, path: Path) -> str:
    origin = {
        "institution_id": str(county.east.id),
        "wire": "folder",
        "filename": path.name,
        "examination_id": str(new_id()),
        "received_at": runtime.now().isoformat(),
        "ecg": describe(read_recording(path)),
    }
    runtime.journal.append("ecg.file", origin, [path.read_bytes()])
    Drain(runtime).index_new()
    return only_examination(runtime)


@pytest.fixture
def radiographer(client: Client) -> TestClient:
    return client("radiographer")


def test_every_sample_is_given_in_microvolts(runtime: Runtime, county: County, radiographer) -> None:
    data_set = an_ecg()
    examination = arrived(runtime, county, data_set)

    answer = radiographer.get(f"/api/v1/examinations/{examination}/ecg").json()

    assert (answer["sampling_rate_hz"], answer["from"], answer["to"]) == (1000, 0, 10)
    assert [lead["name"] for lead in answer["leads"]] == [
        "I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6",
    ]  # fmt: skip
    expected = data_set.waveform_array(0)
    for number, lead in enumerate(answer["leads"]):
        assert lead["samples_uv"] == pytest.approx(expected[:, number].tolist(), abs=0.001)


def test_a_window_is_thinned_and_keeps_its_peak(runtime: Runtime, county: County, radiographer) -> None:
    data_set = an_ecg()
    examination = arrived(runtime, county, data_set)
    window = data_set.waveform_array(0)[2000:4000, 1]

    query = {"from": 2, "to": 4, "points": 100}
    answer = radiographer.get(f"/api/v1/examinations/{examination}/ecg", params=query).json()

    [second] = [lead["samples_uv"] for lead in answer["leads"] if lead["name"] == "II"]
    assert len(second) == 100
    assert (min(second), max(second)) == pytest.approx((window.min(), window.max()))


@pytest.mark.parametrize(
    "query", [{"points": 1}, {"from": 5, "to": 2}, {"from": "nan"}, {"points": 10**9}, {"from": "x"}]
)
def test_a_window_that_makes_no_sense_is_refused(
    runtime: Runtime, county: County, radiographer, query: dict[str, Any]
) -> None:
    examination = arrived(runtime, county, an_ecg())

    answer = radiographer.get(f"/api/v1/examinations/{examination}/ecg", params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_a_window_outside_the_recording_is_empty(runtime: Runtime, county: County, radiographer) -> None:
    examination = arrived(runtime, county, an_ecg())

    answer = radiographer.get(f"/api/v1/examinations/{examination}/ecg", params={"from": 60, "to": 70})

    assert [lead["samples_uv"] for lead in answer.json()["leads"]] == [[]] * 12


def test_its_recordings_are_described_once_they_were_looked_into(
    runtime: Runtime, county: County, radiographer
) -> None:
    examination = arrived(runtime, county, an_ecg())

    sweep_once(runtime, TASKS)
    [recording] = radiographer.get(f"/api/v1/examinations/{examination}/ecg/recordings").json()

    assert recording["description"]["sampling_rate_hz"] == 1000
    assert recording["description"]["statements"] == ["RITMO SINUSALE", "ECG NORMALE"]
    assert recording["description"]["measurements"]["pr_ms"] == 161
    assert (recording["wire"], recording["problem"]) == ("dicom", "")


def test_a_waveform_that_cannot_be_read_says_why(runtime: Runtime, county: County, radiographer) -> None:
    data_set = an_ecg()
    del data_set.WaveformSequence
    examination = arrived(runtime, county, data_set)

    sweep_once(runtime, TASKS)
    [recording] = radiographer.get(f"/api/v1/examinations/{examination}/ecg/recordings").json()
    answer = radiographer.get(f"/api/v1/examinations/{examination}/ecg")

    assert recording["description"] is None
    assert recording["problem"]
    assert (answer.status_code, answer.json()["code"]) == (422, "malformed")


def test_a_cart_that_says_infarction_is_put_first(runtime: Runtime, county: County) -> None:
    data_set = an_ecg()
    data_set.WaveformAnnotationSequence[0].UnformattedTextValue = "ACUTE INFERIOR MYOCARDIAL INFARCTION"
    arrived(runtime, county, data_set)

    sweep_once(runtime, TASKS)

    with runtime.sessions() as session:
        assert session.scalars(select(Examination.priority)).one() is Priority.CHEST_PAIN


def test_a_day_is_drawn_from_its_overview(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    path = tmp_path / "day.ecg"
    write_ishne(path, duration_s=3600)
    examination = keep_file(runtime, county, path)
    url = f"/api/v1/examinations/{examination}/ecg"

    whole = radiographer.get(url, params={"points": 1000}).json()
    part = radiographer.get(url, params={"from": 1800, "to": 1810}).json()
    all_at_once = radiographer.get(url, params={"from": 0, "to": 3600})

    assert whole["duration_s"] == pytest.approx(3600)
    assert all(0 < len(lead["samples_uv"]) <= 1000 for lead in whole["leads"])
    peak = max(max(lead["samples_uv"]) for lead in part["leads"])
    assert max(max(lead["samples_uv"]) for lead in whole["leads"]) >= peak
    assert (all_at_once.status_code, all_at_once.json()["code"]) in {(200, None), (422, "invalid")}


@pytest.mark.parametrize("who", ["village_doctor", "it", "admin", "auditor", "wang", "west_radiographer"])
def test_who_may_not_see_it_hears_of_nothing(
    runtime: Runtime, county: County, client: Client, who: str
) -> None:
    examination = arrived(runtime, county, an_ecg())

    for path in ("", "/recordings"):
        answer = client(who).get(f"/api/v1/examinations/{examination}/ecg{path}")
        assert answer.status_code == 404


def test_an_opening_is_in_the_audit_once(runtime: Runtime, county: County, radiographer) -> None:
    examination = arrived(runtime, county, an_ecg())

    for _ in range(3):
        radiographer.get(f"/api/v1/examinations/{examination}/ecg", params={"points": 10})

    with runtime.sessions() as session:
        events = session.scalars(select(AuditEvent).where(AuditEvent.action == "images_opened")).all()
        assert [str(event.examination_id) for event in events] == [examination]


def test_an_examination_that_is_none_of_ours_is_not_found(radiographer) -> None:
    assert radiographer.get(f"/api/v1/examinations/{uuid.uuid4()}/ecg").status_code == 404


def test_what_is_no_electrocardiogram_has_no_recordings(
    runtime: Runtime, county: County, radiographer
) -> None:
    data_set = dcmread(str(get_testdata_file("CT_small.dcm", download=False)))
    written = BytesIO()
    data_set.save_as(written)
    keep(runtime, [written.getvalue()], institution_id=county.east.id)
    examination = only_examination(runtime)

    assert radiographer.get(f"/api/v1/examinations/{examination}/ecg/recordings").json() == []
    assert radiographer.get(f"/api/v1/examinations/{examination}/ecg").status_code == 404


def test_an_ecg_file_is_a_waveform_object_over_dicomweb(
    runtime: Runtime, county: County, radiographer, tmp_path: Path
) -> None:
    path = tmp_path / "1.dcm"
    an_ecg().save_as(path)
    recording = read_recording(path)
    zipped = tmp_path / "1.zip"
    zipped.write_bytes(write_wfdb(recording, name="ecg1", time_zone=COUNTY_TIME))
    keep_file(runtime, county, zipped)

    [study] = radiographer.get("/dicomweb/studies", params={"ModalitiesInStudy": "ECG"}).json()
    url = f"/dicomweb/studies/{study['0020000D']['Value'][0]}"
    [metadata] = radiographer.get(f"{url}/metadata").json()
    answer = radiographer.get(url, headers={"Accept": 'multipart/related; type="application/dicom"'})
    parts = answer.content.split(b"\r\n\r\n", 1)[1]
    data_set = dcmread(BytesIO(parts))

    assert metadata["00080016"]["Value"] == ["1.2.840.10008.5.1.4.1.1.9.1.1"]
    assert metadata["00080018"]["Value"] == [data_set.SOPInstanceUID]
    assert data_set.waveform_array(0) == pytest.approx(recording.window_uv().T, abs=1.3)


@pytest.mark.parametrize("kind", ["pdf", "png"])
def test_an_ecg_that_came_as_a_page_can_be_looked_at(
    runtime: Runtime, county: County, radiographer, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"page.{kind}"
    Image.new("RGB", (300, 200), "white").save(path)
    examination = keep_file(runtime, county, path)

    [recording] = radiographer.get(f"/api/v1/examinations/{examination}/ecg/recordings").json()
    shown = radiographer.get(recording["document_url"])

    assert shown.status_code == 200, shown.text
    assert shown.headers["content-type"] == ("application/pdf" if kind == "pdf" else "image/jpeg")
    assert kind != "pdf" or shown.content == path.read_bytes()
