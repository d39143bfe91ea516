"""A name in the wrong character set: shown as declared beside a proposal, confirmed, carried out, undone."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from gateway.index import Series, Study
from gateway.intake import Drain
from gateway.runtime import Runtime
from gateway.sweep import sweep_once
from gateway.tasks import TASKS
from tests.builders import County
from tests.gateway.sending import Wire
from tests.gateway.web.work.conftest import Client
from tests.synthetic import make_images, new_uid
from worklists.directory import Device
from worklists.examinations import Examination

NAME, DESCRIPTION = "Wang^XiaoDong=王^小东", "头颅平扫"


def _as_latin(text: str) -> str:
    """The text whose Latin-1 bytes are this one's in GB18030."""
    return text.encode("gb18030").decode("latin_1")


GARBLED = _as_latin("王小东")


@pytest.fixture
def wire(runtime: Runtime, county: County) -> Wire:
    runtime.journal_dir.mkdir(parents=True, exist_ok=True)
    return Wire(runtime=runtime, county=county, drain=Drain(runtime))


def _send(
    wire: Wire,
    count: int = 1,
    *,
    device: Device | None = None,
    character_set: str | None = None,
    **fields: Any,
) -> None:
    """Send images whose name is declared wrongly; `character_set` is what the listener took the device's for."""
    for number in range(count):
        texts = {
            "name": _as_latin(NAME), "SpecificCharacterSet": "ISO_IR 100",
            "StudyDescription": _as_latin(DESCRIPTION), "SeriesDescription": _as_latin("轴位"),
        }  # fmt: skip
        image = wire.image(**{**texts, "patient_id": f"P{number}", **fields})
        wire.send(image, device=device, character_set=character_set)
    wire.index()


def _doubts(client: Client, who: str = "radiographer", **params: str) -> list[dict[str, Any]]:
    answer = client(who).get("/api/v1/character-sets", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def _decide(client: Client, item: dict[str, Any], deed: str, who: str = "radiographer", **body: str) -> Any:
    return client(who).post(f"/api/v1/character-sets/{item['id']}/{deed}", json=body or None)


def _sent(client: Client) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client("radiographer").get("/api/v1/examinations").json()["items"]
    return sorted(items, key=lambda item: str(item["patient"]["patient_id"]))


def _metadata(client: Client, study_uid: str) -> list[dict[str, Any]]:
    answer = client("radiographer").get(
        f"/dicomweb/studies/{study_uid}/metadata", headers={"accept": "application/dicom+json"}
    )
    found: list[dict[str, Any]] = answer.json()
    return found


def _set_device(client: Client, wire: Wire, term: str | None) -> None:
    path = f"/api/v1/devices/{wire.county.device.id}"
    answer = client("admin").patch(path, json={"character_set": term})
    assert answer.status_code == 200, answer.text


def _run_due(runtime: Runtime) -> None:
    while sweep_once(runtime, TASKS):
        pass


def test_the_name_stays_as_declared_beside_the_proposal(client: Client, wire: Wire) -> None:
    _send(wire)
    (item,) = _sent(client)
    doubt = item["text_doubt"]

    assert item["patient"]["name"] == GARBLED
    assert (doubt["declared"], doubt["proposed"]) == ("ISO_IR 100", "GB18030")
    assert (doubt["name_as_declared"], doubt["name_as_proposed"]) == (GARBLED, "王小东")
    (listed,) = _doubts(client)
    assert (listed["id"], listed["alike"], listed["device"]["ae_title"]) == (doubt["id"], 0, "EAST_DR")


def test_confirming_for_the_study_reads_it_again_and_no_other(
    client: Client, wire: Wire, audited: Callable[..., list[str]]
) -> None:
    _send(wire, 2)
    first, second = _sent(client)
    item = next(one for one in _doubts(client) if one["examination_id"] == first["examination_id"])
    assert item["alike"] == 1
    answer = _decide(client, item, "confirm", scope="study")

    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["for_device"]) == ("confirmed", False)
    done, other = _sent(client)
    assert (done["patient"]["name"], done["description"], done["text_doubt"]) == ("王小东", DESCRIPTION, None)
    assert (other["patient"]["name"], other["description"]) == (GARBLED, _as_latin(DESCRIPTION))
    with wire.session() as session:
        descriptions = set(session.scalars(select(Series.series_description)))
        assert descriptions == {"轴位", _as_latin("轴位")}
        assert session.get_one(Device, wire.county.device.id).character_set is None
    assert "character_set_confirmed" in audited(first["examination_id"])
    assert "character_set_confirmed" not in audited(second["examination_id"])
    assert _decide(client, item, "confirm", scope="study").json()["code"] == "already_resolved"
    found = (
        client("radiographer").get("/api/v1/examinations", params={"q": "wangxiaodong 小东"}).json()["items"]
    )
    assert [one["examination_id"] for one in found] == [first["examination_id"]]


def test_every_series_of_a_study_is_read_again_from_its_first_image(client: Client, wire: Wire) -> None:
    study_uid = new_uid()
    for name in ("轴位", "冠位"):
        images = make_images(3, size=8, study_uid=study_uid, name=_as_latin(NAME), patient_id="P0")
        for number, image in enumerate(images):
            image.SpecificCharacterSet = "ISO_IR 100"
            image.SeriesDescription = _as_latin(name if number == 0 else "后来的")
            wire.send(image)
    wire.index()
    (item,) = _doubts(client)

    assert _decide(client, item, "confirm", scope="study").status_code == 200

    with wire.session() as session:
        assert set(session.scalars(select(Series.series_description))) == {"轴位", "冠位"}
    (done,) = _sent(client)
    assert (done["patient"]["name"], done["instances"]) == ("王小东", 6)


def test_dicomweb_serves_the_text_as_it_was_confirmed(client: Client, wire: Wire) -> None:
    _send(wire)
    uid = _sent(client)[0]["study_instance_uid"]
    _decide(client, _doubts(client)[0], "confirm", scope="study")
    (instance,) = _metadata(client, uid)

    assert instance["00081030"]["Value"] == [DESCRIPTION]
    assert "王^小东" in str(instance["00100010"]["Value"])


def test_confirming_for_the_device_carries_along_what_waits_and_what_comes(
    client: Client, wire: Wire, runtime: Runtime
) -> None:
    _send(wire, 3)
    answer = _decide(client, _doubts(client)[0], "confirm", scope="device")
    assert answer.status_code == 200, answer.text
    _run_due(runtime)

    assert [item["patient"]["name"] for item in _sent(client)] == ["王小东"] * 3
    assert _doubts(client) == []
    with wire.session() as session:
        device = session.get_one(Device, wire.county.device.id)
        assert device.character_set == "GB18030"
    (change,) = client("admin").get("/api/v1/changes", params={"entity": "device"}).json()["items"]
    assert (change["before"], change["after"]) == ({"character_set": None}, {"character_set": "GB18030"})


def test_undoing_a_decision_about_a_device_undoes_all_of_it(
    client: Client, wire: Wire, runtime: Runtime, audited: Callable[..., list[str]]
) -> None:
    _send(wire, 2)
    item = _doubts(client)[0]
    _decide(client, item, "confirm", scope="device")
    _run_due(runtime)
    answer = _decide(client, item, "undo")
    assert answer.status_code == 200, answer.text
    _run_due(runtime)

    assert {one["patient"]["name"] for one in _sent(client)} == {GARBLED}
    assert {one["description"] for one in _sent(client)} == {_as_latin(DESCRIPTION)}
    assert {one["state"] for one in _doubts(client)} == {"open"}
    assert len(_doubts(client)) == 2
    with wire.session() as session:
        assert session.get_one(Device, wire.county.device.id).character_set is None
        assert set(session.scalars(select(Study.character_set))) == {None}
    assert audited().count("character_set_undone") == 2
    assert _decide(client, _doubts(client)[0], "confirm", scope="device").status_code == 200


def test_what_came_while_a_decision_was_in_force_follows_its_undoing(
    client: Client, wire: Wire, runtime: Runtime
) -> None:
    _send(wire)
    item = _doubts(client)[0]
    _decide(client, item, "confirm", scope="device")
    _send(wire, patient_id="P8", character_set="GB18030")
    _send(wire, patient_id="P9", character_set="GB18030", study_uid="2.25.99")
    assert {one["patient"]["name"] for one in _sent(client)} == {"王小东"}
    assert _doubts(client) == []
    _decide(client, item, "undo")
    _run_due(runtime)

    assert [one["patient"]["name"] for one in _sent(client)] == [GARBLED] * 3
    assert {one["description"] for one in _sent(client)} == {_as_latin(DESCRIPTION)}
    assert {one["name_as_proposed"] for one in _doubts(client)} == {"王小东"}
    assert len(_doubts(client)) == 3
    (instance,) = _metadata(client, "2.25.99")
    assert instance["00081030"]["Value"] == [_as_latin(DESCRIPTION)]

    # Decided once more, and undone for one that came meanwhile.
    _decide(client, _doubts(client)[0], "confirm", scope="device")
    _run_due(runtime)
    assert [one["patient"]["name"] for one in _sent(client)] == ["王小东"] * 3
    decided = {one["examination_id"]: one for one in _doubts(client, state="confirmed")}
    assert len(decided) == 3
    assert _decide(client, decided[_sent(client)[1]["examination_id"]], "undo").status_code == 200
    assert [one["patient"]["name"] for one in _sent(client)].count(GARBLED) in {1, 3}


def test_a_study_of_which_something_was_said_keeps_it_when_its_device_changes(
    client: Client, wire: Wire, runtime: Runtime
) -> None:
    _send(wire, 2)
    first, second = _sent(client)
    by_examination = {one["examination_id"]: one for one in _doubts(client)}
    _decide(client, by_examination[second["examination_id"]], "confirm", scope="device")
    _send(wire, patient_id="P8", SpecificCharacterSet="ISO_IR 192", name="王^小东", character_set="GB18030")
    _run_due(runtime)
    _set_device(client, wire, None)
    _run_due(runtime)
    own = next(one for one in _doubts(client) if one["examination_id"] == first["examination_id"])
    _decide(client, own, "confirm", scope="study")
    _set_device(client, wire, "GB18030")
    _run_due(runtime)
    assert _sent(client)[1]["patient"]["name"] == "王小东"
    _set_device(client, wire, None)
    _run_due(runtime)

    assert [one["patient"]["name"] for one in _sent(client)] == ["王小东", GARBLED, "王小东"]


def test_what_arrives_by_an_association_of_before_is_read_as_its_device_is_set_now(
    client: Client, wire: Wire
) -> None:
    _send(wire, character_set="GB18030", study_uid="2.25.98")

    assert [one["patient"]["name"] for one in _sent(client)] == [GARBLED]
    (doubt,) = _doubts(client)
    assert (doubt["declared"], doubt["proposed"]) == ("ISO_IR 100", "GB18030")
    (instance,) = _metadata(client, "2.25.98")
    assert instance["00081030"]["Value"] == [_as_latin(DESCRIPTION)]

    _set_device(client, wire, "GB18030")
    _send(wire, patient_id="P8", study_uid="2.25.99")
    assert _sent(client)[1]["patient"]["name"] == "王小东"
    (instance,) = _metadata(client, "2.25.99")
    assert instance["00081030"]["Value"] == [DESCRIPTION]


def test_a_device_set_by_an_administrator_is_followed_back_and_not_into_the_past(
    client: Client, wire: Wire, runtime: Runtime
) -> None:
    _send(wire)
    _set_device(client, wire, "GB18030")
    _send(wire, patient_id="P8")
    _run_due(runtime)
    assert [one["patient"]["name"] for one in _sent(client)] == [GARBLED, "王小东"]
    _set_device(client, wire, "ISO_IR 192")
    _run_due(runtime)
    assert [one["patient"]["name"] for one in _sent(client)] == [GARBLED, GARBLED]
    assert len(_doubts(client)) == 2
    change = client("admin").get("/api/v1/changes", params={"entity": "device"}).json()["items"][0]
    assert client("admin").post(f"/api/v1/changes/{change['id']}/undo").status_code == 200
    _run_due(runtime)

    assert [one["patient"]["name"] for one in _sent(client)] == [GARBLED, "王小东"]
    assert len(_doubts(client)) == 1


def test_what_was_held_is_read_as_its_device_is_set_when_a_person_lets_it_in(
    client: Client, wire: Wire
) -> None:
    _send(wire, study_uid="2.25.97")
    _send(wire, study_uid="2.25.97", patient_id="P7")
    _set_device(client, wire, "GB18030")
    (held,) = client("radiographer").get("/api/v1/held").json()["items"]
    body = {"action": "separate", "reason": "另一患者"}
    assert client("radiographer").post(f"/api/v1/held/{held['id']}/resolve", json=body).status_code == 200

    assert [one["patient"]["name"] for one in _sent(client)] == [GARBLED, "王小东"]


def test_rejecting_leaves_the_text_and_can_be_undone(client: Client, wire: Wire) -> None:
    _send(wire)
    item = _doubts(client)[0]

    assert _decide(client, item, "reject").json()["state"] == "rejected"
    (sent,) = _sent(client)
    assert (sent["patient"]["name"], sent["text_doubt"]) == (GARBLED, None)
    assert _doubts(client) == []
    assert _decide(client, item, "undo").json()["state"] == "open"
    assert _decide(client, item, "undo").status_code == 409


def test_late_images_of_a_confirmed_study_follow_it(client: Client, wire: Wire, runtime: Runtime) -> None:
    study = "2.25.4711"
    _send(wire, study_uid=study)
    _decide(client, _doubts(client)[0], "confirm", scope="study")
    _send(wire, study_uid=study)
    _run_due(runtime)

    (sent,) = _sent(client)
    assert (sent["instances"], sent["patient"]["name"]) == (2, "王小东")
    with wire.session() as session:
        assert set(session.scalars(select(Series.series_description))) == {"轴位"}


def test_a_name_that_a_person_corrected_is_left_alone(client: Client, wire: Wire) -> None:
    _send(wire)
    (sent,) = _sent(client)
    identity = {
        "name": "王晓东",
        "sex": "F",
        "birth_date": "1970-01-01",
        "patient_id": "P0",
        "reason": "看了身份证",
    }
    answer = client("radiographer").post(
        f"/api/v1/examinations/{sent['examination_id']}/identity", json=identity
    )
    assert answer.status_code == 200, answer.text
    _decide(client, _doubts(client)[0], "confirm", scope="study")

    (sent,) = _sent(client)
    assert (sent["patient"]["name"], sent["description"]) == ("王晓东", DESCRIPTION)


def test_a_rightly_declared_name_of_the_same_number_joins_and_is_not_held(client: Client, wire: Wire) -> None:
    _send(wire)
    wire.send(wire.image(name=NAME, patient_id="P0"))
    wire.index()

    assert client("radiographer").get("/api/v1/held").json()["items"] == []
    with wire.session() as session:
        patients = {examination.patient_id for examination in session.scalars(select(Examination))}
    assert len(patients) == 1
    assert {one["patient"]["name"] for one in _sent(client)} == {"王小东"}


def test_another_name_under_the_number_is_held_all_the_same(client: Client, wire: Wire) -> None:
    _send(wire)
    wire.send(wire.image(name="李^四", patient_id="P0"))
    wire.index()

    assert [one["reason"] for one in client("radiographer").get("/api/v1/held").json()["items"]] == [
        "patient_contradicts"
    ]


def test_it_sees_the_device_and_no_name_and_may_decide_for_the_device(
    client: Client, wire: Wire, runtime: Runtime
) -> None:
    _send(wire, 3)
    (line,) = _doubts(client, "it")

    assert (line["device"]["ae_title"], line["alike"], line["proposed"]) == ("EAST_DR", 2, "GB18030")
    assert (line["name_as_declared"], line["name_as_proposed"], line["examination_id"]) == (None, None, None)
    assert _decide(client, line, "confirm", "it", scope="study").status_code == 403
    assert _decide(client, line, "reject", "it").status_code == 403
    assert _decide(client, line, "confirm", "it", scope="device").status_code == 200
    _run_due(runtime)
    assert {one["patient"]["name"] for one in _sent(client)} == {"王小东"}


@pytest.mark.parametrize("who", ["wang", "reviewer", "village_doctor", "admin", "auditor"])
def test_nobody_else_decides(client: Client, wire: Wire, who: str) -> None:
    _send(wire)
    (item,) = _doubts(client)

    assert client(who).get("/api/v1/character-sets").status_code == 403
    assert _decide(client, item, "confirm", who, scope="study").status_code == 403


def test_another_township_knows_nothing_of_it(client: Client, wire: Wire) -> None:
    _send(wire)
    (item,) = _doubts(client)

    assert _doubts(client, "west_radiographer") == []
    assert _decide(client, item, "confirm", "west_radiographer", scope="study").status_code == 404
