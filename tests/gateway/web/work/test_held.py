"""What waits for a person, end to end: uploaded, held by the drain, looked at, decided."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from pydicom import Dataset
from sqlalchemy import select

from gateway.held_deciding import CHUNK
from gateway.index import Held, HeldReason, Instance, Record, RecordState
from gateway.runtime import Runtime
from tests.builders import NOW, County
from tests.gateway.web.work.conftest import Client
from tests.synthetic import make_images, new_uid
from worklists.base import new_id
from worklists.directory import Device
from worklists.examinations import Examination
from worklists.patients import Patient

Drain = Callable[[], int]


def _file(image: Dataset) -> bytes:
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _send(client: Client, drain: Drain, image: Dataset, who: str = "radiographer") -> bytes:
    content = _file(image)
    answer = client(who).post(
        "/api/v1/examinations", data={"kind": "imaging"}, files=[("files", ("a.dcm", content))]
    )
    assert answer.status_code == 201, answer.text
    drain()
    return content


def _items(client: Client, who: str = "radiographer") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client(who).get("/api/v1/held").json()["items"]
    return items


def _resolve(client: Client, item: dict[str, Any], action: str, reason: str = "已核对") -> Any:
    return client("radiographer").post(
        f"/api/v1/held/{item['id']}/resolve", json={"action": action, "reason": reason}
    )


@pytest.fixture
def resend(client: Client, drain: Drain) -> bytes:
    """A corrected resend: the same UIDs, another description."""
    image = next(make_images(1, patient_id="H1", SeriesDescription="first"))
    _send(client, drain, image)
    image.SeriesDescription = "corrected"
    return _send(client, drain, image)


def test_a_corrected_resend_is_shown_beside_what_is_known(client: Client, resend: bytes) -> None:
    (item,) = _items(client)
    detail = client("radiographer").get(f"/api/v1/held/{item['id']}").json()

    assert (item["reason"], item["actions"]) == ("same_uid_other_bytes", ["keep", "replace", "discard"])
    assert (item["patient"]["patient_id"], item["filename"], item["site"]["code"]) == ("H1", "a.dcm", "EAST")
    assert {"field": "series_description", "incoming": "corrected", "existing": "first"} in detail[
        "differences"
    ]
    assert "sop_instance_uid" not in {one["field"] for one in detail["differences"]}


def test_the_original_can_be_downloaded_as_it_came(
    client: Client, resend: bytes, audited: Callable[..., list[str]]
) -> None:
    (item,) = _items(client)
    answer = client("radiographer").get(f"/api/v1/held/{item['id']}/file")

    assert (answer.status_code, answer.content) == (200, resend)
    assert "attachment" in answer.headers["content-disposition"]
    assert "original_downloaded" in audited()


@pytest.mark.parametrize(("action", "current"), [("keep", 1), ("discard", 1), ("replace", 2)])
def test_keeping_and_replacing(
    runtime: Runtime,
    client: Client,
    resend: bytes,
    audited: Callable[..., list[str]],
    action: str,
    current: int,
) -> None:
    answer = _resolve(client, _items(client)[0], action)

    assert answer.status_code == 200, answer.text
    assert answer.json()["actions"] == []
    assert _items(client) == []
    with runtime.sessions() as session:
        versions = {row.version: row.current for row in session.scalars(select(Instance))}
        held = session.scalars(select(Held)).one()
        state = held.record.state
        examination = session.scalars(select(Examination)).one()
    assert [version for version, is_current in versions.items() if is_current] == [current]
    assert (held.resolution, held.resolution_reason) == (action, "已核对")
    assert state is (RecordState.INDEXED if action == "replace" else RecordState.DISCARDED)
    assert "held_resolved" in audited(examination.id)


def test_deciding_twice_and_without_a_reason_and_in_a_way_that_does_not_fit(
    client: Client, resend: bytes
) -> None:
    (item,) = _items(client)

    assert _resolve(client, item, "replace", " ").json()["errors"][0]["field"] == "reason"
    assert _resolve(client, item, "separate").json()["errors"][0]["field"] == "action"
    assert _resolve(client, item, "explode").status_code == 422
    assert _resolve(client, item, "keep").status_code == 200
    again = _resolve(client, item, "keep")
    assert (again.status_code, again.json()["code"]) == (409, "already_resolved")


def _study_of_another(client: Client, drain: Drain) -> str:
    study = new_uid()
    _send(client, drain, next(make_images(1, patient_id="H1", name="仇^明", study_uid=study)))
    _send(client, drain, next(make_images(1, patient_id="H2", name="李^四", study_uid=study)))
    return study


def test_a_study_of_another_patient_can_be_separated_under_a_uid_of_its_own(
    runtime: Runtime, client: Client, drain: Drain
) -> None:
    study = _study_of_another(client, drain)
    (item,) = _items(client)
    detail = client("radiographer").get(f"/api/v1/held/{item['id']}").json()

    assert item["reason"] == "study_of_another_patient"
    assert {"field": "patient_id", "incoming": "H2", "existing": "H1"} in detail["differences"]
    assert _resolve(client, item, "separate").status_code == 200
    with runtime.sessions() as session:
        uids = set(session.scalars(select(Examination.study_instance_uid)))
        assert {patient.patient_id for patient in session.scalars(select(Patient))} == {"H1", "H2"}
    assert study in uids
    assert len(uids) == 2
    assert all(str(uid).startswith("2.25.") for uid in uids)


def test_a_study_that_is_the_same_patients_after_all_is_joined(
    runtime: Runtime, client: Client, drain: Drain
) -> None:
    _study_of_another(client, drain)

    assert _resolve(client, _items(client)[0], "join").status_code == 200
    with runtime.sessions() as session:
        assert session.scalars(select(Examination)).one().instances == 2


def test_a_contradicting_identity_becomes_a_patient_of_its_own_when_a_person_says_so(
    runtime: Runtime, client: Client, drain: Drain
) -> None:
    _send(client, drain, next(make_images(1, patient_id="H1", name="仇^明")))
    _send(client, drain, next(make_images(1, patient_id="H1", name="李^四")))
    (item,) = _items(client)
    detail = client("radiographer").get(f"/api/v1/held/{item['id']}").json()

    assert item["reason"] == "patient_contradicts"
    assert {"field": "patient_name", "incoming": "李^四", "existing": "仇^明"} in detail["differences"]
    assert _resolve(client, item, "separate").status_code == 200
    with runtime.sessions() as session:
        assert sorted(p.name for p in session.scalars(select(Patient))) == ["仇^明", "李^四"]


def test_what_is_anothers_shows_nothing_of_theirs(client: Client, drain: Drain) -> None:
    image = next(make_images(1, patient_id="H1", name="仇^明"))
    _send(client, drain, image, who="west_radiographer")
    image.SeriesDescription = "someone else's bytes"
    _send(client, drain, image)
    (item,) = _items(client)
    detail = client("radiographer").get(f"/api/v1/held/{item['id']}").json()

    assert item["reason"] == "study_of_another_institution"
    assert (detail["existing"], detail["differences"]) == (None, [])
    assert _items(client, "west_radiographer") == []
    assert client("west_radiographer").get(f"/api/v1/held/{item['id']}").status_code == 404


def _from_unknown_device(runtime: Runtime, drain: Drain) -> None:
    _send_unknown(runtime, drain, next(make_images(1, patient_id="H1", name="仇^明")))


def _send_unknown(runtime: Runtime, drain: Drain, image: Dataset) -> None:
    content = _file(image)
    body = content[132:]
    offset = 132 + 12 + int.from_bytes(body[8:12], "little")  # behind the group length (0002,0000)
    origin = {
        "calling_ae_title": "STRAY", "association_id": "a", "received_at": NOW.isoformat(),
        "transfer_syntax_uid": str(image.file_meta.TransferSyntaxUID), "data_set_offset": offset,
        "sop_class_uid": str(image.SOPClassUID), "sop_instance_uid": str(image.SOPInstanceUID),
    }  # fmt: skip
    runtime.journal.append("dicom.instance", origin, [content])
    drain()


def test_what_an_unknown_device_sent_is_its_institutions_once_it_is_registered(
    runtime: Runtime, client: Client, county: County, drain: Drain
) -> None:
    _from_unknown_device(runtime, drain)
    assert _items(client) == []
    (nameless,) = _items(client, "it")
    assert (nameless["reason"], nameless["patient"]["name"]) == (HeldReason.UNKNOWN_DEVICE, None)
    assert "仇" not in client("it").get(f"/api/v1/held/{nameless['id']}").text
    assert client("it").get(f"/api/v1/held/{nameless['id']}/file").status_code == 403

    with runtime.sessions.begin() as session:
        session.add(
            Device(id=new_id(), institution_id=county.east.id, ae_title="STRAY", name="", modality="")
        )
    (item,) = _items(client)
    assert item["patient"]["name"] == "仇明"
    assert _resolve(client, item, "join").status_code == 200
    made = client("radiographer").get("/api/v1/examinations").json()["items"]
    assert [one["patient"]["patient_id"] for one in made] == ["H1"]
    with runtime.sessions() as session:
        assert session.scalars(select(Record)).one().institution_id == county.east.id


def test_it_can_only_put_aside_what_it_cannot_look_at(runtime: Runtime, client: Client, drain: Drain) -> None:
    _from_unknown_device(runtime, drain)
    (item,) = _items(client, "it")
    resolve = f"/api/v1/held/{item['id']}/resolve"

    assert item["actions"] == ["discard"]
    assert client("it").post(resolve, json={"action": "join", "reason": "x"}).status_code == 422
    assert client("it").post(resolve, json={"action": "discard", "reason": "测试设备"}).status_code == 200
    assert _items(client, "it") == []


def test_held_instances_are_counted_where_the_township_looks(client: Client, resend: bytes) -> None:
    assert client("radiographer").get("/api/v1/examinations").json()["items"][0]["held"] == 1
    assert client("radiographer").get("/api/v1/overview").json()["sent_today"]["held"] == 1
    assert client("radiographer").get("/api/v1/held").json()["counts"]["same_uid_other_bytes"] == 1


def _send_all(client: Client, drain: Drain, images: list[Dataset]) -> None:
    files = [("files", (f"{number}.dcm", _file(image))) for number, image in enumerate(images)]
    answer = client("radiographer").post("/api/v1/examinations", data={"kind": "imaging"}, files=files)
    assert answer.status_code == 201, answer.text
    drain()


def _resent_study(client: Client, drain: Drain, count: int) -> None:
    """A whole study that a device sent again with corrected headers."""
    images = list(make_images(count, patient_id="H1", study_uid=new_uid(), SeriesDescription="first"))
    _send_all(client, drain, images)
    for image in images:
        image.SeriesDescription = "corrected"
    _send_all(client, drain, images)


def _resolve_all(client: Client, item: dict[str, Any], action: str, who: str = "radiographer") -> Any:
    body = {"action": action, "reason": "设备端已更正", "all_alike": True}
    return client(who).post(f"/api/v1/held/{item['id']}/resolve", json=body)


def test_a_resent_study_is_one_line_with_its_count(client: Client, drain: Drain) -> None:
    _resent_study(client, drain, 3)
    _resent_study(client, drain, 2)
    _send(client, drain, next(make_images(1, patient_id="H1", name="李^四")))  # another reason
    answer = client("radiographer").get("/api/v1/held").json()
    each = client("radiographer").get("/api/v1/held", params={"grouped": False}).json()["items"]

    assert [(item["reason"], item["alike"]) for item in answer["items"]] == [
        ("patient_contradicts", 0), ("same_uid_other_bytes", 1), ("same_uid_other_bytes", 2),
    ]  # fmt: skip
    assert answer["counts"]["same_uid_other_bytes"] == 5
    assert sorted(item["alike"] for item in each) == [0, 1, 1, 2, 2, 2]
    line = answer["items"][2]
    assert client("radiographer").get(f"/api/v1/held/{line['id']}").json()["alike"] == 2


def test_pages_of_lines_show_every_line_once(client: Client, drain: Drain) -> None:
    for count in (2, 3, 2):
        _resent_study(client, drain, count)
    found: list[int] = []
    where: dict[str, str] = {}
    while len(found) < 9:
        page = client("radiographer").get("/api/v1/held", params={"limit": "1", **where}).json()
        found += [item["alike"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        where = {"cursor": page["next_cursor"]}

    assert found == [1, 2, 1]


@pytest.mark.parametrize(("action", "version"), [("replace", 2), ("keep", 1)])
def test_one_decision_is_carried_out_for_all_that_are_alike(
    runtime: Runtime,
    client: Client,
    drain: Drain,
    audited: Callable[..., list[str]],
    action: str,
    version: int,
) -> None:
    count = CHUNK + 3
    _resent_study(client, drain, count)
    (item,) = _items(client)
    answer = _resolve_all(client, item, action)

    assert answer.status_code == 200, answer.text
    made = client("radiographer").get("/api/v1/examinations").json()["items"][0]["examination_id"]
    assert answer.json() == {"resolved": count, "left": 0, "examination_id": made}
    assert _items(client) == []
    with runtime.sessions() as session:
        current = session.scalars(select(Instance.version).where(Instance.current)).all()
    assert list(current) == [version] * count
    assert audited(made).count("held_resolved") == count
    assert _resolve_all(client, item, action).json()["code"] == "already_resolved"


def test_a_decision_about_one_leaves_those_that_are_alike(client: Client, drain: Drain) -> None:
    _resent_study(client, drain, 3)
    (item,) = _items(client)

    assert _resolve(client, item, "keep").json()["alike"] == 0
    assert [one["alike"] for one in _items(client)] == [1]


def test_what_is_separated_together_becomes_one_study(runtime: Runtime, client: Client, drain: Drain) -> None:
    study = new_uid()
    _send(client, drain, next(make_images(1, patient_id="H1", name="仇^明", study_uid=study)))
    _send_all(client, drain, list(make_images(4, patient_id="H2", name="李^四", study_uid=study)))
    (item,) = _items(client)

    assert (item["reason"], item["alike"]) == ("study_of_another_patient", 3)
    answer = _resolve_all(client, item, "separate").json()
    assert (answer["resolved"], answer["left"]) == (4, 0)
    with runtime.sessions() as session:
        assert session.get_one(Examination, UUID(answer["examination_id"])).instances == 4
        assert len(session.scalars(select(Examination)).all()) == 2


def test_what_meets_another_reason_is_left_and_said(
    runtime: Runtime, client: Client, county: County, drain: Drain
) -> None:
    study = new_uid()
    for name in ("仇^明", "李^四"):  # the second contradicts what the first makes known
        image = next(make_images(1, patient_id="H1", name=name, study_uid=study))
        _send_unknown(runtime, drain, image)
    images = list(make_images(2, patient_id="H1", name="李^四", study_uid=study))
    for image in images:
        _send_unknown(runtime, drain, image)
    with runtime.sessions.begin() as session:
        session.add(
            Device(id=new_id(), institution_id=county.east.id, ae_title="STRAY", name="", modality="")
        )
    first, second = sorted(_items(client), key=lambda item: int(item["alike"]))
    assert (first["alike"], second["alike"]) == (0, 2)
    assert _resolve_all(client, first, "join").json()["resolved"] == 1
    answer = _resolve_all(client, second, "join").json()

    assert (answer["resolved"], answer["left"]) == (0, 3)
    (line,) = _items(client)
    assert line["alike"] == 2
    assert line["reason"] in {"study_of_another_patient", "patient_contradicts"}


def test_what_cannot_be_decided_so_is_refused_for_all(client: Client, drain: Drain) -> None:
    _resent_study(client, drain, 2)
    (item,) = _items(client)

    assert _resolve_all(client, item, "separate").status_code == 422
    assert _resolve_all(client, item, "keep", "west_radiographer").status_code == 404
    assert [one["alike"] for one in _items(client)] == [1]
