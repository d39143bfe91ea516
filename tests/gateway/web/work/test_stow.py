"""STOW-RS: what is stored, what is answered, and what becomes of it (PS3.18 10.5, Annex I)."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient
from httpx import Response
from pydicom import Dataset, dcmread
from sqlalchemy import select

from gateway.audit import AuditEvent
from gateway.index import Record, RecordState, Refusal
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.threads import JournalThread
from gateway.web.app import create_app
from tests.builders import County
from tests.gateway.web.work.conftest import Client
from tests.synthetic import make_images
from worklists.access import Wire
from worklists.directory import Device
from worklists.examinations import Examination

STUDIES = "/dicomweb/studies"
NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"


def file_of(image: Dataset) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def body_of(files: Sequence[bytes], boundary: str = "b", part_head: bytes = b"") -> bytes:
    parts = b"".join(b"--%s\r\n%s\r\n%s\r\n" % (boundary.encode(), part_head, file) for file in files)
    return parts + b"--%s--\r\n" % boundary.encode()


def store(who: TestClient, files: Sequence[bytes], path: str = STUDIES, **headers: str) -> Response:
    content_type = 'multipart/related; type="application/dicom"; boundary=b'
    return who.post(path, content=body_of(files), headers={"Content-Type": content_type, **headers})


def failures(answer: Response) -> list[tuple[str, int]]:
    """SOP Instance UID and reason of each named failure."""
    return [
        (item["00081155"]["Value"][0], item["00081197"]["Value"][0])
        for item in answer.json().get("00081198", {}).get("Value", [])
    ]


def stored(answer: Response) -> list[str]:
    items = answer.json().get("00081199", {}).get("Value", [])
    return [item["00081155"]["Value"][0] for item in items]


def records(runtime: Runtime) -> Sequence[Record]:
    with runtime.sessions() as session:
        return session.scalars(select(Record).where(Record.kind == "dicom.instance")).all()


@pytest.fixture
def drain(runtime: Runtime) -> Callable[[], int]:
    """Index what the journal holds, notes that nobody waited for among it."""

    def index() -> int:
        runtime.journal.close()
        return Drain(runtime).index_new()

    return index


def test_instances_of_a_study_are_stored_answered_and_found(
    runtime: Runtime, county: County, client: Client, drain: Callable[[], int]
) -> None:
    images = list(make_images(3, patient_id="S1"))
    study = images[0].StudyInstanceUID
    answer = store(client("radiographer"), [file_of(image) for image in images])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/dicom+json")
    assert answer.json()["00081190"] == {"vr": "UR", "Value": [f"http://testserver/dicomweb/studies/{study}"]}
    item = answer.json()["00081199"]["Value"][0]
    assert item["00081150"] == {"vr": "UI", "Value": [images[0].SOPClassUID]}
    assert item["00081155"] == {"vr": "UI", "Value": [images[0].SOPInstanceUID]}
    instance = f"/series/{images[0].SeriesInstanceUID}/instances/{images[0].SOPInstanceUID}"
    assert item["00081190"]["Value"] == [f"http://testserver/dicomweb/studies/{study}{instance}"]
    assert "00081198" not in answer.json()
    drain()
    found = client("radiographer").get(f"{STUDIES}/{study}/instances")
    assert len(found.json()) == 3
    assert {record.origin["wire"] for record in records(runtime)} == {"stow"}
    assert {record.institution_id for record in records(runtime)} == {county.east.id}


def test_what_a_machine_stores_for_its_device_is_the_devices(
    runtime: Runtime, county: County, machine: Callable[..., TestClient], drain: Callable[[], int]
) -> None:
    with runtime.sessions.begin() as session:
        session.get_one(Device, county.device.id).character_set = "GB18030"
    (image,) = make_images(1, patient_id="S1")

    answer = store(machine(Wire.UPLOAD, county.device.id), [file_of(image)])
    drain()

    assert answer.status_code == 200, answer.text
    (record,) = records(runtime)
    said = [record.origin[name] for name in ("wire", "calling_ae_title", "character_set")]
    assert said == ["stow", "EAST_DR", "GB18030"]
    with runtime.reading() as session:
        examination = session.scalars(select(Examination)).one()
        assert {record.device_id, examination.device_id} == {county.device.id}
        assert session.get_one(Device, county.device.id).last_heard_at is not None


def test_what_is_stored_is_kept_byte_for_byte(client: Client, drain: Callable[[], int]) -> None:
    image = next(make_images(1, size=64))
    sent = file_of(image)
    assert store(client("radiographer"), [sent]).status_code == 200
    drain()

    got = client("radiographer").get(
        f"{STUDIES}/{image.StudyInstanceUID}/series/{image.SeriesInstanceUID}/instances/{image.SOPInstanceUID}",
        headers={"Accept": "application/dicom; transfer-syntax=*"},
    )
    assert dcmread(io.BytesIO(got.content)).PixelData == image.PixelData


def test_one_instance_may_come_without_multipart(client: Client, drain: Callable[[], int]) -> None:
    image = next(make_images(1))
    answer = client("radiographer").post(
        STUDIES, content=file_of(image), headers={"Content-Type": "application/dicom"}
    )

    assert (answer.status_code, stored(answer)) == (200, [image.SOPInstanceUID])
    assert drain() > 0


def test_a_mixed_request_stores_what_is_good_and_names_the_rest(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    good, cut, other = make_images(3)
    named = other.SOPInstanceUID.encode()
    misnamed = file_of(other).replace(named, named[:-1] + b"x", 1)  # in its header alone
    syntax = next(make_images(1))
    whole = file_of(syntax).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    answer = store(client("radiographer"), [file_of(good), file_of(cut)[:-7], misnamed, b"hello", whole])

    assert answer.status_code == 202
    assert stored(answer) == [good.SOPInstanceUID]
    assert failures(answer) == [
        (cut.SOPInstanceUID, 0xC000),
        (other.SOPInstanceUID, 0xA900),
        (syntax.SOPInstanceUID, 0xC122),
    ]
    assert answer.json()["0008119A"]["Value"] == [{"00081197": {"vr": "US", "Value": [0xC000]}}]
    drain()
    assert [record.state for record in records(runtime)] == [RecordState.INDEXED]
    with runtime.sessions() as session:
        noted = session.scalars(select(Refusal)).all()
        assert sorted((row.what, row.reason) for row in noted) == [
            ("file", "A900"), ("file", "C000"), ("file", "C000"), ("file", "C122"),
        ]  # fmt: skip
    shown = client("radiographer").get("/api/v1/refusals").json()
    assert all(row["what"] == "file" and row["advice"] for row in shown)


def test_when_none_could_be_stored_it_is_a_conflict(client: Client) -> None:
    answer = store(client("radiographer"), [file_of(next(make_images(1)))[:-3], b"hello"])

    assert answer.status_code == 409
    assert answer.json()["00081190"] == {"vr": "UR"}
    assert "00081199" not in answer.json()


def test_an_instance_of_another_study_is_not_stored_into_this_one(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    own, foreign = next(make_images(1)), next(make_images(1))
    path = f"{STUDIES}/{own.StudyInstanceUID}"
    answer = store(client("radiographer"), [file_of(own), file_of(foreign)], path)

    assert (answer.status_code, stored(answer)) == (202, [own.SOPInstanceUID])
    assert failures(answer) == [(foreign.SOPInstanceUID, 0xA901)]
    assert store(client("radiographer"), [file_of(foreign)], path).status_code == 409
    drain()
    assert len(records(runtime)) == 1


def test_instances_of_several_studies_have_no_common_address(client: Client) -> None:
    images = [next(make_images(1)), next(make_images(1))]
    answer = store(client("radiographer"), [file_of(image) for image in images])

    assert answer.status_code == 200
    assert answer.json()["00081190"] == {"vr": "UR"}


def test_a_dicomdir_is_no_instance_to_store(client: Client) -> None:
    image = next(make_images(1))
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = "1.2.840.10008.1.3.10"

    assert failures(store(client("radiographer"), [file_of(image)])) == [(image.SOPInstanceUID, 0x0122)]


def test_the_same_instance_twice_is_stored_and_brings_nothing_new(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    file = file_of(next(make_images(1)))
    assert store(client("radiographer"), [file, file]).status_code == 200
    drain()

    assert sorted(record.state for record in records(runtime)) == [RecordState.DUPLICATE, RecordState.INDEXED]


def test_what_only_the_database_knows_is_stored_and_held(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    image = next(make_images(1))
    changed = dcmread(io.BytesIO(file_of(image)))
    changed.PatientName = "Else^Somebody"
    answer = store(client("radiographer"), [file_of(image), file_of(changed)])
    drain()

    assert answer.status_code == 200
    assert sorted(record.state for record in records(runtime)) == [RecordState.HELD, RecordState.INDEXED]


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        ("", 415, "unsupported_media_type"),
        ("application/octet-stream", 415, "unsupported_media_type"),
        ("application/dicom+json", 415, "unsupported_media_type"),
        ('multipart/related; type="application/dicom+xml"; boundary=b', 415, "unsupported_media_type"),
        ('multipart/form-data; type="application/dicom"; boundary=b', 415, "unsupported_media_type"),
        ('multipart/related; type="application/dicom"', 400, "malformed"),
        ('multipart/related; type="application/dicom"; boundary=' + "x" * 257, 400, "malformed"),
        ('multipart/related; type="application/dicom"; boundary=other', 400, "malformed"),
    ],
)
def test_another_media_type_or_a_bad_boundary_is_said_so(
    client: Client, content_type: str, status: int, code: str
) -> None:
    body = body_of([file_of(next(make_images(1)))])
    answer = client("radiographer").post(STUDIES, content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_compressed_body_is_not_taken(client: Client) -> None:
    answer = store(client("radiographer"), [b""], **{"Content-Encoding": "gzip"})

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("body", [b"", b"--b--\r\n"])
@pytest.mark.parametrize("content_type", ['multipart/related; type="application/dicom"; boundary=b'])
def test_an_empty_request_is_bad(client: Client, body: bytes, content_type: str) -> None:
    answer = client("radiographer").post(STUDIES, content=body, headers={"Content-Type": content_type})

    assert (answer.status_code, answer.json()["code"]) == (400, "nothing_sent")
    alone = client("radiographer").post(STUDIES, headers={"Content-Type": "application/dicom"})
    assert (alone.status_code, alone.json()["code"]) == (400, "nothing_sent")


def test_a_request_that_breaks_off_keeps_what_was_whole(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    one, two = make_images(2)
    body = body_of([file_of(one), file_of(two)])[:-20]
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}
    answer = client("radiographer").post(STUDIES, content=body, headers=headers)

    assert (answer.status_code, stored(answer)) == (202, [one.SOPInstanceUID])
    assert failures(answer) == [(two.SOPInstanceUID, 0xC000)]
    drain()
    assert len(records(runtime)) == 1


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("*/*", 200, "application/dicom+json"),
        ("application/json", 200, "application/dicom+json"),
        ("application/dicom+xml", 200, "application/dicom+xml"),
        ("application/dicom+json;q=0.2, application/dicom+xml;q=0.9", 200, "application/dicom+xml"),
        ("image/png", 406, "application/problem+json"),
    ],
)
def test_the_answer_takes_the_form_that_is_asked_for(
    runtime: Runtime, client: Client, accept: str, status: int, content_type: str
) -> None:
    answer = store(client("radiographer"), [file_of(next(make_images(1)))], Accept=accept)

    assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)


def test_the_answer_in_xml_says_the_same(client: Client) -> None:
    good, bad = make_images(2)
    answer = store(client("radiographer"), [file_of(good), file_of(bad)[:-3]], Accept="application/dicom+xml")
    root = ElementTree.fromstring(answer.content)

    def sequence(keyword: str) -> ElementTree.Element:
        found = root.find(f"{NATIVE}DicomAttribute[@keyword='{keyword}']/{NATIVE}Item")
        assert found is not None
        return found

    def value(of: ElementTree.Element, keyword: str) -> str | None:
        return of.findtext(f"{NATIVE}DicomAttribute[@keyword='{keyword}']/{NATIVE}Value")

    assert value(sequence("ReferencedSOPSequence"), "ReferencedSOPInstanceUID") == good.SOPInstanceUID
    assert value(sequence("FailedSOPSequence"), "ReferencedSOPInstanceUID") == bad.SOPInstanceUID
    assert value(sequence("FailedSOPSequence"), "FailureReason") == "49152"
    url = value(root, "RetrieveURL")
    assert url is not None
    assert url.endswith(f"/dicomweb/studies/{good.StudyInstanceUID}")


def test_who_may_store(
    runtime: Runtime, anybody: TestClient, client: Client, machine: Callable[[Wire], TestClient],
    drain: Callable[[], int],
) -> None:  # fmt: skip
    file = file_of(next(make_images(1)))

    assert store(anybody, [file]).status_code == 401
    assert store(client("wang"), [file]).status_code == 403
    assert store(machine(Wire.DICOMWEB), [file]).status_code == 403
    assert store(machine(Wire.UPLOAD), [file]).status_code == 200
    drain()
    [record] = records(runtime)
    assert (record.origin["uploaded_by"], record.origin["wire"]) == ("his", "stow")
    with runtime.sessions() as session:
        [event] = session.scalars(select(AuditEvent).where(AuditEvent.action == "instances_stored"))
        assert (event.actor, event.person_id, event.detail["stored"]) == ("his", None, 1)
        assert event.institution_id == record.institution_id


def test_without_room_in_the_journal_it_is_to_be_tried_again(
    runtime: Runtime, client: Client, drain: Callable[[], int]
) -> None:
    full = replace(runtime, journal=JournalThread(runtime.journal_dir, node="local", limit_bytes=1000))
    who = TestClient(create_app(full), headers=client("radiographer").headers)
    first, *more = (file_of(image) for image in make_images(3))
    assert store(who, [first]).status_code == 200  # and with it the journal is full
    answer = store(who, more)
    full.journal.close()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    drain()
    assert len(records(runtime)) == 1


def test_more_than_the_limit_is_refused_before_it_is_read(runtime: Runtime, client: Client) -> None:
    settings = runtime.settings.model_copy(update={"stow_limit_bytes": 1000})
    who = TestClient(create_app(replace(runtime, settings=settings)), headers=client("radiographer").headers)
    answer = store(who, [file_of(next(make_images(1)))])

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
