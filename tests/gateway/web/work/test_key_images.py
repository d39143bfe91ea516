"""Key images over HTTP: chosen, arranged, signed with what they show, seen by who gets the report, printed."""

import hashlib
import io
import json
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydicom import Dataset
from sqlalchemy import select

from gateway.deliveries.contents import key_images_of
from gateway.index import Instance, Record, RecordState
from gateway.intake import Drain
from gateway.originals import read_original
from gateway.rendering import render
from gateway.runtime import Runtime
from gateway.township import find_document
from tests.builders import County
from tests.fonts import fonts_dir
from tests.gateway.web.stored import file_of, keep
from tests.gateway.web.work.conftest import Client
from tests.synthetic import make_images
from worklists.base import new_id
from worklists.examinations import Examination
from worklists.key_images import MOST
from worklists.reading import ReadingTask
from worklists.reports import Report

WORDS = {"findings": "右肺上叶结节。", "impression": "随诊。", "critical": False, "preliminary": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """王医师 at a CT of four slices; the rest of the county around."""

    runtime: Runtime
    wang: TestClient
    task_id: uuid.UUID
    images: Sequence[Dataset]

    @property
    def task(self) -> str:
        return f"/api/v1/tasks/{self.task_id}"

    def choose(self, number: int = 0, **view: Any) -> Any:
        body = {"sop_instance_uid": str(self.images[number].SOPInstanceUID), **view}
        return self.wang.post(f"{self.task}/key-images", json=body)

    def snapshot(self, picture: bytes, number: int = 0, **view: Any) -> Any:
        query = {"sop_instance_uid": str(self.images[number].SOPInstanceUID), **view}
        return self.wang.post(
            f"{self.task}/key-images/snapshot",
            params=query,
            content=picture,
            headers={"Content-Type": "image/png"},
        )

    def shown(self) -> list[dict[str, Any]]:
        return list(self.wang.get(f"{self.task}/key-images").json())

    def drain(self) -> None:
        drain = Drain(self.runtime)
        while drain.index_new():
            pass

    def sign(self, reviewer: TestClient) -> str:
        assert self.wang.put(f"{self.task}/report", json=WORDS).status_code == 200
        assert self.wang.post(f"{self.task}/submit").status_code == 200
        signed = reviewer.post(f"{self.task}/sign")
        assert signed.status_code == 200, signed.text
        return str(signed.json()["report_id"])


@pytest.fixture
def room(runtime: Runtime, county: County, client: Client) -> Room:
    images = list(make_images(4, size=64))
    keep(
        runtime, map(file_of, images), institution_id=county.east.id, device_id=str(county.device.id),
        calling_ae_title=county.device.ae_title,
    )  # fmt: skip
    with runtime.reading() as session:
        task_id = session.scalars(
            select(ReadingTask.id)
            .join(Examination, Examination.id == ReadingTask.examination_id)
            .where(Examination.study_instance_uid == str(images[0].StudyInstanceUID))
        ).one()
    wang = client("wang")
    assert wang.post(f"/api/v1/tasks/{task_id}/claim").status_code == 200
    return Room(runtime=runtime, wang=wang, task_id=task_id, images=images)


def picture(size: tuple[int, int] = (800, 600), *, mode: str = "RGBA", kind: str = "PNG") -> bytes:
    noise = np.random.default_rng(7).integers(0, 255, (size[1], size[0], len(mode)), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(noise, mode).save(written, kind)
    return written.getvalue()


def test_a_frame_is_made_into_the_picture_of_its_window_and_choosing_it_again_is_the_same(
    room: Room, audited: Callable[..., list[str]]
) -> None:
    dark = room.choose(window={"center": 5000, "width": 1}, caption="  结节\n层面 ")
    assert (dark.status_code, dark.json()["caption"], dark.json()["snapshot"]) == (201, "结节 层面", False)
    plain = room.choose(window={"center": 2048, "width": 4096})
    again = room.choose(window={"center": 2048, "width": 4096})
    assert again.json()["id"] == plain.json()["id"]
    assert [one["id"] for one in room.shown()] == [dark.json()["id"], plain.json()["id"]]

    room.drain()
    shown = []
    for one in room.shown():
        answer = room.wang.get(f"{room.task}/key-images/{one['id']}/picture")
        assert answer.headers["content-type"] == "image/jpeg"
        assert hashlib.sha256(answer.content).hexdigest() == one["sha256"]
        shown.append(np.asarray(Image.open(io.BytesIO(answer.content))))
    assert shown[0].max() == 0 and shown[1].std() > 20
    assert shown[0].shape == (64, 64)  # never enlarged
    assert audited().count("key_images_changed") == 2


def test_a_snapshot_is_kept_without_what_is_not_its_picture(room: Room) -> None:
    made = room.snapshot(picture((2000, 1000)), caption="测量")
    assert (made.status_code, made.json()["snapshot"], made.json()["width"], made.json()["height"]) == (
        201, True, 1600, 800,
    )  # fmt: skip
    room.drain()
    answer = room.wang.get(f"{room.task}/key-images/{made.json()['id']}/picture")
    kept = Image.open(io.BytesIO(answer.content))
    assert (kept.format, kept.mode, kept.size) == ("JPEG", "RGB", (1600, 800))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"no picture", 422),
        (picture()[:-200], 422),
        (picture((5000, 10), mode="RGB"), 422),
        (picture((60, 60), mode="RGB", kind="TIFF"), 422),
        (b"\0" * (13 << 20), 413),
    ],
    ids=["nothing", "torn", "too large a side", "another format", "too many bytes"],
)
def test_what_is_no_picture_of_a_viewport_is_refused(room: Room, sent: bytes, status: int) -> None:
    assert room.snapshot(sent).status_code == status
    assert room.shown() == []


def test_nothing_else_can_be_shown(room: Room, client: Client) -> None:
    strange = room.wang.post(f"{room.task}/key-images", json={"sop_instance_uid": "1.2.3"})
    assert (strange.status_code, strange.json()["errors"][0]["field"]) == (422, "sop_instance_uid")
    assert room.choose(frame=2).status_code == 404
    assert room.choose(window={"center": 1, "width": 0}).status_code == 422
    assert room.choose(caption="长" * 121).status_code == 422
    body = {"sop_instance_uid": str(room.images[0].SOPInstanceUID)}
    assert client("li").post(f"{room.task}/key-images", json=body).status_code == 409  # 王 holds it
    assert client("radiographer").post(f"{room.task}/key-images", json=body).status_code == 403
    assert client("other_reader").post(f"{room.task}/key-images", json=body).status_code == 404
    assert room.shown() == []


def test_they_are_arranged_and_taken_away_and_no_more_than_twelve(room: Room, client: Client) -> None:
    made = [room.choose(window={"center": 1000 + n, "width": 500}).json()["id"] for n in range(MOST)]
    full = room.choose(1)
    assert (full.status_code, full.json()["errors"][0]["field"]) == (422, "key_images")
    assert room.wang.delete(f"{room.task}/key-images/{made[0]}").status_code == 204
    assert room.wang.delete(f"{room.task}/key-images/{made[0]}").status_code == 404

    order = [{"id": one, "caption": f"第 {n}"} for n, one in enumerate(reversed(made[1:]))]
    arranged = room.wang.put(f"{room.task}/key-images", json={"items": order}).json()
    assert [(one["id"], one["caption"]) for one in arranged] == [(one["id"], one["caption"]) for one in order]
    stale = room.wang.put(f"{room.task}/key-images", json={"items": order[1:]})
    assert (stale.status_code, stale.json()["code"]) == (409, "key_images_moved_on")
    twice = room.wang.put(f"{room.task}/key-images", json={"items": [order[0], *order]})
    assert twice.status_code == 422
    assert client("li").put(f"{room.task}/key-images", json={"items": order}).status_code == 409


def test_what_is_signed_names_them_and_who_gets_the_report_sees_them(
    room: Room, county: County, client: Client, runtime: Runtime, audited: Callable[..., list[str]]
) -> None:
    chosen = room.choose(2, caption="结节").json()
    annotated = room.snapshot(picture(), 2, caption="8 mm × 6 mm").json()
    report_id = room.sign(client("reviewer"))
    room.drain()

    said = client("reviewer").get(f"/api/v1/reports/{report_id}").json()["key_images"]
    assert [(one["id"], one["caption"], one["snapshot"]) for one in said] == [
        (chosen["id"], "结节", False), (annotated["id"], "8 mm × 6 mm", True),
    ]  # fmt: skip
    with runtime.reading() as session:
        report = session.get_one(Report, uuid.UUID(report_id))
        manifest = json.loads(report.manifest)
        originals = {one["sop_instance_uid"]: one["sha256"] for one in manifest["originals"]}
        uid = str(room.images[2].SOPInstanceUID)
        assert [(one["sha256"], one["original_sha256"]) for one in manifest["key_images"]] == [
            (chosen["sha256"], originals[uid]), (annotated["sha256"], originals[uid]),
        ]  # fmt: skip
        # Two pictures of one frame are one image for the SR.
        assert [(one.sop_instance_uid, one.frame) for one in key_images_of(session, report)] == [(uid, None)]
    url = f"/api/v1/reports/{report_id}/key-images/{chosen['id']}"
    assert hashlib.sha256(client("radiographer").get(url).content).hexdigest() == chosen["sha256"]
    assert "report_opened" in audited()
    for other in ("west_radiographer", "village_doctor", "other_reader"):
        assert client(other).get(url).status_code == 404
    # It is signed: nothing is added and nothing taken away.
    assert room.choose(1).status_code == 409
    assert room.wang.delete(f"{room.task}/key-images/{chosen['id']}").status_code == 409


def test_the_printed_report_carries_each_picture_byte_for_byte(room: Room, client: Client) -> None:
    made = [
        room.choose(0, caption="第一层").json(),
        room.choose(1, window={"center": 3000, "width": 1500}).json(),
        room.snapshot(picture(), 2, caption="测量").json(),
    ]
    report_id = uuid.UUID(room.sign(client("reviewer")))
    room.drain()
    viewer = room.runtime.settings.viewer_dir
    viewer.mkdir(parents=True, exist_ok=True)
    (viewer / "fonts").symlink_to(fonts_dir())
    render(room.runtime, report_id)
    room.drain()

    with room.runtime.reading() as session, tempfile.TemporaryDirectory() as folder:
        record = find_document(session, session.get_one(Report, report_id))
        assert record is not None
        pdf = Path(folder) / "report.pdf"
        pdf.write_bytes(read_original(room.runtime, record))
        subprocess.run(["pdfimages", "-all", pdf, f"{folder}/p"], check=True, timeout=60)
        printed = {hashlib.sha256(file.read_bytes()).hexdigest() for file in Path(folder).glob("p-*.jpg")}
        text = subprocess.run(
            ["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True, timeout=60
        ).stdout
    assert printed == {one["sha256"] for one in made}
    assert [word for word in ("关键图像", "第一层", "测量", "图 3") if word not in text] == []


def test_an_original_that_was_replaced_is_chosen_anew_before_anything_is_signed(
    room: Room, runtime: Runtime, client: Client
) -> None:
    chosen = room.choose(0).json()
    room.drain()
    _replace(runtime, str(room.images[0].SOPInstanceUID))
    room.wang.put(f"{room.task}/report", json=WORDS)

    refused = room.wang.post(f"{room.task}/submit")
    assert (refused.status_code, refused.json()["code"]) == (409, "key_image_replaced")
    assert room.wang.delete(f"{room.task}/key-images/{chosen['id']}").status_code == 204
    assert room.wang.post(f"{room.task}/submit").status_code == 200


def test_an_amendment_begins_with_the_pictures_of_the_report_which_keeps_its_own(
    room: Room, client: Client
) -> None:
    chosen = room.choose(0, caption="旧").json()
    report_id = room.sign(client("reviewer"))
    room.drain()
    begun = room.wang.post(
        f"/api/v1/reports/{report_id}/amend", json={"kind": "correction", "reason": "换图"}
    ).json()
    task = f"/api/v1/tasks/{begun['task_id']}/key-images"

    [copied] = room.wang.get(task).json()
    assert (copied["sha256"], copied["caption"]) == (chosen["sha256"], "旧")
    assert copied["id"] != chosen["id"]
    assert room.wang.delete(f"{task}/{copied['id']}").status_code == 204
    url = f"/api/v1/reports/{report_id}/key-images/{chosen['id']}"
    assert room.wang.get(url).status_code == 200


def _replace(runtime: Runtime, sop_instance_uid: str) -> None:
    """A person let a corrected resend take the place of the first version."""
    with runtime.sessions.begin() as session:
        first = session.scalars(
            select(Instance).where(Instance.sop_instance_uid == sop_instance_uid, Instance.current)
        ).one()
        record = Record(
            id=new_id(), journal="j", sequence=1, node="local", segment=1, offset=0, size_bytes=1, local=False,
            kind="dicom.instance", state=RecordState.INDEXED, origin={}, received_at=runtime.now(), sha256="c" * 64,
        )  # fmt: skip
        session.add(record)
        session.flush()
        second = {
            name: getattr(first, name)
            for name in ("series_id", "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "rows")
        }
        first.current = False
        session.add(Instance(id=new_id(), record_id=record.id, version=2, current=True, **second))
