"""Electrocardiograms by HTTP: what is taken, what is refused and in which words, what the journal has of it."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from pydicom.data import get_testdata_file
from sqlalchemy import select

from gateway import journal
from gateway.index import Refusal
from gateway.journal import JournalRecord
from gateway.runtime import Runtime
from tests.gateway.carts.recordings import aecg, wfdb
from worklists.access import Wire

ROUTE = "/api/v1/examinations"
Client = Callable[[str], TestClient]


def upload(client: TestClient, *files: tuple[str, bytes], **form: str) -> httpx.Response:
    data = {"kind": "ecg", **form}
    return client.post(ROUTE, data=data, files=[("files", (name, content)) for name, content in files])


def journalled(runtime: Runtime) -> Sequence[JournalRecord]:
    states = journal.journals(runtime.journal_dir)
    return [record for state in states for record in journal.read_new(runtime.journal_dir, state, {}).records]


def test_an_ecg_is_described_at_the_door_and_kept_as_it_is(runtime: Runtime, client: Client) -> None:
    answer = upload(
        client("radiographer"), ("王五.xml", aecg("E7")), accession_number="A7", priority="chest_pain"
    )

    assert answer.status_code == 201, answer.text
    (accepted,) = answer.json()["accepted"]
    assert accepted["name"] == "王五.xml"
    (record,) = journalled(runtime)
    origin = record.origin
    assert record.kind == "ecg.file"
    assert journal.read_body(runtime.journal_dir, record.location) == aecg("E7")
    assert (origin["wire"], origin["filename"], origin["accession_number"]) == ("http", "王五.xml", "A7")
    assert (origin["priority"], origin["examination_id"]) == ("chest_pain", accepted["examination_id"])
    assert origin["ecg"]["patient"]["patient_id"] == "E7"
    assert origin["institution_id"] and origin["uploaded_by"] and origin["device_id"] is None


def test_a_dicom_waveform_goes_the_way_of_images(runtime: Runtime, client: Client) -> None:
    content = Path(str(get_testdata_file("waveform_ecg.dcm"))).read_bytes()
    answer = upload(client("radiographer"), ("ecg.dcm", content))

    assert answer.status_code == 201, answer.text
    assert [record.kind for record in journalled(runtime)] == ["dicom.instance"]


def test_what_is_no_ecg_is_refused_with_a_sentence_and_shown_among_the_refusals(
    runtime: Runtime, client: Client
) -> None:
    radiographer = client("radiographer")
    answer = upload(radiographer, ("a.xml", aecg()), ("b.txt", b"hello"), ("c.xml", b""))

    assert answer.status_code == 201
    assert [one["name"] for one in answer.json()["accepted"]] == ["a.xml"]
    reasons = {one["name"]: one["reason"] for one in answer.json()["refused"]}
    assert reasons["b.txt"].startswith("无法识别的心电文件格式") and reasons["c.xml"] == "文件是空的。"
    with runtime.sessions() as session:
        assert sorted(session.scalars(select(Refusal.reason))) == ["empty", "unknown_format"]
    english = radiographer.post(
        ROUTE, data={"kind": "ecg"}, files=[("files", ("b.txt", b"hello"))], headers={"Accept-Language": "en"}
    )
    assert (english.status_code, english.json()["code"]) == (422, "nothing_accepted")
    assert english.json()["refused"][0]["reason"].startswith("This is no ECG format that we know")


def test_a_header_without_its_signals_is_refused_and_names_them(client: Client) -> None:
    answer = upload(client("radiographer"), ("rec.hea", wfdb("rec")["rec.hea"]))

    assert answer.status_code == 422
    (refused,) = answer.json()["refused"]
    assert refused["name"] == "rec.hea" and "rec.dat" in refused["reason"]


def test_a_priority_that_we_do_not_know_is_refused(client: Client) -> None:
    assert upload(client("radiographer"), ("a.xml", aecg()), priority="immediately").status_code == 422


def test_a_machine_uploads_with_the_wire_upload_and_with_no_other(
    runtime: Runtime, machine: Callable[[Wire], TestClient]
) -> None:
    assert upload(machine(Wire.UPLOAD), ("a.xml", aecg())).status_code == 201
    assert upload(machine(Wire.DICOMWEB), ("a.xml", aecg())).status_code == 403
    assert len(journalled(runtime)) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "..\\..\\a.xml", "a/../b.xml", "\0.xml"])
def test_a_name_leads_nowhere(runtime: Runtime, client: Client, name: str) -> None:
    answer = upload(client("radiographer"), (name, aecg()))

    assert answer.status_code == 201
    assert not set("/\\\0") & set(journalled(runtime)[0].origin["filename"])
    assert list(runtime.settings.taking_dir.iterdir()) == []


def test_nothing_of_a_file_stays_behind_and_many_at_once_are_all_taken(
    runtime: Runtime, client: Client
) -> None:
    files = [(f"{number}.xml", aecg(f"E{number}")) for number in range(30)]
    began = time.monotonic()
    answer = upload(client("radiographer"), *files)

    assert len(answer.json()["accepted"]) == 30
    assert len({one["examination_id"] for one in answer.json()["accepted"]}) == 30
    assert time.monotonic() - began < 20
    assert list(runtime.settings.taking_dir.iterdir()) == []
