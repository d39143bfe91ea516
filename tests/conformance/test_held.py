"""Real senders and a gateway that runs: what contradicts is accepted and held; what is odd is served all the same."""

from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset, dcmread
from pydicom.charset import convert_encodings
from pydicom.valuerep import PersonName
from sqlalchemy import select

from gateway.index import Held, HeldReason, Instance, Record, RecordState
from gateway.journal.catalogue import used_bytes
from tests.adapters.dicom import wire
from tests.conformance.odd import ODD
from tests.conformance.peers import (
    associate,
    run_dcmtk,
    running_orthanc,
    send_by_orthanc,
    send_bytes,
    start_dcmtk,
)
from tests.gateway.sending import encode
from tests.journeys.gateways import Gateway, get_json, wait_for
from tests.synthetic import make_images, new_uid

pytestmark = [pytest.mark.journey, pytest.mark.xdist_group("conformance-held"), pytest.mark.timeout(1800)]

TAKEN, HELD = "taken", "held"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("conformance") / "gateway-data") as running:
        yield running.start()


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as client:
        yield client


@pytest.fixture(scope="module")
def senders(gateway: Gateway, orthanc: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """By name: each stores one image and hears success."""
    folder = tmp_path_factory.mktemp("sent")

    def by_dcmtk(image: Dataset) -> None:
        path = folder / f"{new_uid()}.dcm"
        image.save_as(path, enforce_file_format=True)
        assert "(Success)" in run_dcmtk("storescu", gateway.dicom_port, path)

    def by_pynetdicom(image: Dataset) -> None:
        association = associate(gateway.dicom_port)
        assert send_bytes(association, encode(image), instance=str(image.SOPInstanceUID)).Status == 0
        association.release()

    def by_orthanc(image: Dataset) -> None:
        file = BytesIO()
        image.save_as(file, enforce_file_format=True)
        answer = send_by_orthanc(orthanc, gateway.dicom_port, file.getvalue())
        assert answer.json()["FailedInstancesCount"] == 0

    return {"dcmtk": by_dcmtk, "pynetdicom": by_pynetdicom, "Orthanc": by_orthanc}


Send = Callable[[Dataset], None]


@pytest.fixture(params=["dcmtk", "pynetdicom", "Orthanc"])
def send(request: pytest.FixtureRequest, senders: dict[str, Send]) -> Send:
    return senders[request.param]


def an_image(**fields: Any) -> Dataset:
    [image] = make_images(1, **{"patient_id": f"CF-{new_uid()[-9:]}", **fields})
    return image


def fate(gateway: Gateway, sop_instance_uid: str) -> list[tuple[str, HeldReason | None]]:
    """What became of everything that was accepted under this UID, the first received first."""
    gateway.wait_until_drained()
    with gateway.session() as session:
        records = session.scalars(
            select(Record).where(Record.origin["sop_instance_uid"].as_string() == sop_instance_uid)
            .order_by(Record.received_at)
        )  # fmt: skip
        reasons = {held.record_id: held.reason for held in session.scalars(select(Held))}
        return [(record.state.value, reasons.get(record.id)) for record in records]


def instances(gateway: Gateway, sop_instance_uid: str) -> int:
    with gateway.session() as session:
        found = session.scalars(select(Instance).where(Instance.sop_instance_uid == sop_instance_uid))
        return len(list(found))


INDEXED = (RecordState.INDEXED.value, None)
DUPLICATE = (RecordState.DUPLICATE.value, None)


def held(reason: HeldReason) -> tuple[str, HeldReason]:
    return RecordState.HELD.value, reason


def test_the_same_image_twice_is_one_instance(gateway: Gateway, send: Send):
    image = an_image()

    send(image)
    send(image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED, DUPLICATE]
    assert instances(gateway, image.SOPInstanceUID) == 1


def test_what_stands_before_the_data_set_makes_no_other_instance(gateway: Gateway, senders: dict[str, Send]):
    """Each sender writes its own file meta information and group lengths are none of the instance's."""
    image = an_image()

    for send in senders.values():
        send(image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED, DUPLICATE, DUPLICATE]


def test_the_same_uid_with_other_bytes_is_held(gateway: Gateway, send: Send):
    image = an_image()
    send(image)
    image.StudyDescription = "corrected"
    image.PixelData = bytes(len(image.PixelData))

    send(image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED, held(HeldReason.SAME_UID_OTHER_BYTES)]


def test_the_same_uid_in_another_series_is_held(gateway: Gateway, send: Send):
    image = an_image()
    send(image)
    image.SeriesInstanceUID = new_uid()

    send(image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED, held(HeldReason.SAME_UID_OTHER_BYTES)]


def test_the_same_image_in_another_transfer_syntax_is_held(gateway: Gateway, senders: dict[str, Send]):
    image = an_image()
    senders["pynetdicom"](image)
    association = associate(gateway.dicom_port, syntax=wire.IMPLICIT)

    again = send_bytes(association, encode(image, implicit_vr=True), instance=str(image.SOPInstanceUID))
    association.release()

    assert again.Status == 0
    assert fate(gateway, image.SOPInstanceUID) == [INDEXED, held(HeldReason.SAME_UID_OTHER_BYTES)]


def test_a_study_of_another_patient_is_held(gateway: Gateway, send: Send):
    first = an_image(name="Wang^Qiang=王^强")
    other = an_image(name="Li^Na=李^娜", study_uid=first.StudyInstanceUID)

    send(first)
    send(other)

    assert fate(gateway, first.SOPInstanceUID) == [INDEXED]
    assert fate(gateway, other.SOPInstanceUID) == [held(HeldReason.STUDY_OF_ANOTHER_PATIENT)]


def test_a_number_that_is_somebody_elses_is_held(gateway: Gateway, send: Send):
    first = an_image(name="Wang^Qiang=王^强")
    other = an_image(name="Li^Na=李^娜", patient_id=first.PatientID)

    send(first)
    send(other)

    assert fate(gateway, other.SOPInstanceUID) == [held(HeldReason.PATIENT_CONTRADICTS)]


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, HELD),
        ("", HELD),
        ("1.2.x.4", HELD),
        ("1." + "2" * 64, HELD),
        ("..1.2", HELD),
        ("2.25.{}.003.4", TAKEN),
        ("2.25.{}.1 ", TAKEN),
        ("2.25.{}.1\0", TAKEN),
    ],
    ids=["missing", "empty", "a letter", "66 characters", "dots", "a leading zero", "a blank", "a zero byte"],
)
def test_uids_of_study_and_series(
    gateway: Gateway, senders: dict[str, Send], keyword: str, value: str | None, expected: str
):
    image = an_image()
    del image[keyword]
    if value is not None:
        text = value.format(new_uid()[-8:])
        image.add_new(keyword, "LO", text)  # not as UI: pydicom would correct it
        image[keyword].VR = "UI"

    senders["pynetdicom"](image)

    wanted = INDEXED if expected == TAKEN else held(HeldReason.UID_MALFORMED)
    assert fate(gateway, image.SOPInstanceUID) == [wanted]


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_dcmtk_sends_without_a_uid_and_the_township_sees_it(
    gateway: Gateway, senders: dict[str, Send], keyword: str
):
    image = an_image()
    del image[keyword]

    senders["dcmtk"](image)

    assert fate(gateway, image.SOPInstanceUID) == [held(HeldReason.UID_MALFORMED)]
    radiographer = gateway.sign_in("radiographer")
    listed = get_json(radiographer, "/api/v1/held", grouped="false", limit=200)["items"]
    assert str(image.SOPInstanceUID) in {item["sop_instance_uid"] for item in listed}
    radiographer.close()


@pytest.mark.parametrize("uid", ["1.2.840.003.{}", "1.2.x-{}"], ids=["a leading zero", "no UID at all"])
def test_an_instance_uid_that_breaks_the_rules_still_names_it(
    gateway: Gateway, senders: dict[str, Send], uid: str
):
    image = an_image()
    name = uid.format(new_uid()[-8:])
    image.add_new("SOPInstanceUID", "LO", name)
    image["SOPInstanceUID"].VR = "UI"

    senders["pynetdicom"](image)

    [(state, reason)] = fate(gateway, name)
    assert (state, reason) in (INDEXED, held(HeldReason.UID_MALFORMED))
    assert (reason is None) == ("x" not in name)


IR_58 = b"\x1b$)A"
NAMES = [
    ("GB18030", "Zhang^San=张^三丰".encode("gb18030"), "张三丰"),
    ("GB18030", "Yang^Rare=杨^㛃𬍛𠮷".encode("gb18030"), "杨㛃𬍛𠮷"),
    ("GB18030", "Fan^5C=乗^俓僜".encode("gb18030"), "乗俓僜"),  # their second byte is a backslash
    ("GBK", "Li^Si=李^四".encode("gbk"), "李四"),
    ("ISO_IR 192", "Zhao^Liu=赵^六㛃𠮷".encode(), "赵六㛃𠮷"),
    ("ISO 2022 IR 6\\ISO 2022 IR 58",
     b"Wang^XiaoDong=" + IR_58 + "王".encode("gb2312") + b"^" + IR_58 + "小东".encode("gb2312"), "王小东"),
    ("ISO_IR 100", "Buc^Jérôme".encode("latin_1"), "Buc Jérôme"),
]  # fmt: skip


@pytest.mark.parametrize(("declared", "raw", "name"), NAMES, ids=[f"{one[0]} {one[2]}" for one in NAMES])
def test_names_arrive_in_every_set_from_every_sender(
    gateway: Gateway, send: Send, declared: str, raw: bytes, name: str
):
    image = an_image()
    image.SpecificCharacterSet = declared.split("\\")
    image.PatientName = PersonName(raw, convert_encodings(declared.split("\\")))  # goes out as it is

    send(image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED]
    assert _shown(gateway, image)["patient"]["name"] == name


def test_what_does_not_fit_its_declaration_is_proposed_to_a_person(gateway: Gateway, send: Send):
    image = an_image()
    image.SpecificCharacterSet = ["ISO 2022 IR 6", "ISO 2022 IR 58"]
    image.PatientName = "Wang^XiaoDong=王^小东"  # pydicom leaves the escape sequences out

    send(image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED]
    shown = _shown(gateway, image)
    assert "王" not in shown["patient"]["name"]
    radiographer = gateway.sign_in("radiographer")
    doubts = get_json(radiographer, "/api/v1/character-sets")["items"]
    radiographer.close()
    assert "王小东" in str([one for one in doubts if one["examination_id"] == shown["examination_id"]])


def _shown(gateway: Gateway, image: Dataset) -> dict[str, Any]:
    radiographer = gateway.sign_in("radiographer")
    [item] = get_json(radiographer, "/api/v1/examinations", study=str(image.StudyInstanceUID))["items"]
    radiographer.close()
    return dict(item)


def test_what_a_killed_sender_left_is_nowhere_and_a_whole_one_reads_back(gateway: Gateway, tmp_path: Path):
    image = an_image(Rows=8000, Columns=8000, PixelData=bytes(128_000_000))
    image.save_as(tmp_path / "large.dcm", enforce_file_format=True)
    before = _journal_bytes(gateway)
    sender = start_dcmtk("storescu", gateway.dicom_port, tmp_path / "large.dcm")
    wait_for(lambda: _journal_bytes(gateway) > before + 4_000_000, 30, "it is being kept", gateway.log)
    sender.kill()
    sender.wait()

    wait_for(lambda: _journal_bytes(gateway) < before + 1_000_000, 30, "it is removed", gateway.log)
    assert fate(gateway, image.SOPInstanceUID) == []
    assert "(Success)" in run_dcmtk("storescu", gateway.dicom_port, tmp_path / "large.dcm")
    assert fate(gateway, image.SOPInstanceUID) == [INDEXED]
    assert _original(gateway, image) == encode(image)


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_data_set_is_found_shown_and_given_back(gateway: Gateway, senders: dict[str, Send], kind: str):
    image = ODD[kind]()

    senders["pynetdicom"](image)

    assert fate(gateway, image.SOPInstanceUID) == [INDEXED]
    assert _original(gateway, image) == encode(image)
    with closing(gateway.sign_in("radiographer")) as client:
        study = f"/dicomweb/studies/{image.StudyInstanceUID}"
        [found] = get_json(client, "/dicomweb/studies", StudyInstanceUID=str(image.StudyInstanceUID))
        [told] = get_json(client, f"{study}/metadata")
        assert found["00100010"]["Value"] == told["00100010"]["Value"]
        assert told["00080060"] == {"vr": "CS", "Value": ["CT"]}
        assert client.get(f"{study}/thumbnail").headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("path", ["devices", "institutions"])
def test_who_is_taken_out_of_use_is_refused_at_once_and_may_come_back(
    gateway: Gateway, tmp_path: Path, path: str
):
    an_image().save_as(tmp_path / "image.dcm", enforce_file_format=True)

    def answered(words: str) -> bool:
        said = run_dcmtk("storescu", gateway.dicom_port, tmp_path / "image.dcm", calling="DEMO5_CT")
        return words in said

    with closing(gateway.sign_in("admin")) as admin:
        rows = get_json(admin, f"/api/v1/{path}", limit=200)["items"]
        [row] = [one for one in rows if "DEMO5_CT" in one.values() or "MH-T05" in one.values()]
        for enabled, words in ((False, "Status: 0x124"), (True, "(Success)")):
            changed = admin.patch(f"/api/v1/{path}/{row['id']}", json={"enabled": enabled})
            assert changed.status_code == 200, changed.text
            wait_for(lambda: answered(words), 20, f"it is answered {words}", gateway.log)  # noqa: B023


def test_nothing_of_it_harmed_the_installation(gateway: Gateway):
    gateway.wait_until_drained()

    done = gateway.check()

    assert done.returncode == 0, done.stdout


def _journal_bytes(gateway: Gateway) -> int:
    """What is kept, without the space that is prepared behind it while nothing comes."""
    total = 0
    for path in gateway.settings.journal_dir.rglob("*"):
        try:
            total += used_bytes(path, path.stat().st_size) if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def _original(gateway: Gateway, image: Dataset) -> bytes:
    path = f"/dicomweb/studies/{image.StudyInstanceUID}/series/{image.SeriesInstanceUID}/instances/{image.SOPInstanceUID}"
    client = gateway.sign_in("radiographer")
    answer = client.get(
        path, headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    )
    client.close()
    assert answer.status_code == 200, answer.text[:300]
    start = answer.content.index(b"DICM") - 128
    end = answer.content.rindex(b"\r\n--")
    kept = answer.content[start:end]
    meta = dcmread(BytesIO(kept[:2000]), force=True, specific_tags=["SOPClassUID"]).file_meta
    assert (meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID) == (image.SOPInstanceUID, wire.EXPLICIT)
    return kept[144 + meta.FileMetaInformationGroupLength :]
