"""Key images of a report: chosen by who writes it, made at once as they were seen, and kept like originals.

A picture is durable in the journal before its row says that there is one; a row that is not written after all leaves
a picture that no report shows, which costs a few kilobytes.
"""

import hashlib
import io
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.dicom.rendering import Window
from adapters.errors import Unavailable
from adapters.pictures import Jpeg, read_picture, write_jpeg
from adapters.reports.document import KeyPicture
from gateway import audit
from gateway.dicomweb.media import PNG
from gateway.dicomweb.parsed import Parsed
from gateway.dicomweb.rendered import Look, render_frames_of
from gateway.dicomweb.served import Served
from gateway.index import Record
from gateway.originals import Original, original_of, read_original
from gateway.reading import Who, get_person, get_task, in_one
from gateway.records import KEY_IMAGE
from gateway.runtime import Runtime
from worklists import key_images
from worklists.directory import Kind
from worklists.errors import Invalid, NotFound
from worklists.key_images import KeyImage, Picture, Shown
from worklists.reading import ReadingTask
from worklists.reports import Report

LONGEST_SIDE = 1024  # pixels: 300 dots per inch in half the width of A4
SNAPSHOT_LONGEST_SIDE = 1600  # what stood in a viewport, figures and all

Find = Callable[[str, str], tuple[Served, Parsed]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The view that somebody chose: a frame, from 1, of an instance, with its window where it has one."""

    sop_instance_uid: str
    frame: int = 1
    window: tuple[float, float] | None = None
    caption: str = ""


def choose_frame(runtime: Runtime, who: Who, task_id: uuid.UUID, asked: Asked, find: Find) -> uuid.UUID:
    """A frame at its window. Choosing it again is the same. Raises NotFound, Malformed, Unavailable."""
    served, parsed = find(_study_of(runtime, who, task_id), asked.sop_instance_uid)
    shown = Shown(
        sop_instance_uid=served.sop_instance_uid, original_sha256=served.sha256, frame=asked.frame,
        window=asked.window, snapshot=False,
    )  # fmt: skip
    known = in_one(runtime, lambda session: _prepare(runtime, session, who, task_id, shown))
    if known is not None:
        return known
    return _keep(runtime, who, task_id, shown, _render(runtime, served, parsed, asked), asked.caption)


def choose_snapshot(
    runtime: Runtime, who: Who, task_id: uuid.UUID, asked: Asked, find: Find, data: bytes
) -> uuid.UUID:
    """What stood in the viewport over a frame, with its annotations. Raises NotFound, Malformed, Unavailable."""
    served, _ = find(_study_of(runtime, who, task_id), asked.sop_instance_uid)
    shown = Shown(
        sop_instance_uid=served.sop_instance_uid, original_sha256=served.sha256, frame=asked.frame,
        window=None, snapshot=True,
    )  # fmt: skip
    in_one(runtime, lambda session: _prepare(runtime, session, who, task_id, shown))
    picture = read_picture(data, longest_side=SNAPSHOT_LONGEST_SIDE)
    return _keep(runtime, who, task_id, shown, picture, asked.caption)


def arrange(runtime: Runtime, who: Who, task_id: uuid.UUID, captions: Mapping[uuid.UUID, str]) -> None:
    """Captions and order. Raises KeyImagesMovedOn."""

    def deed(session: Session, task: ReadingTask, now: datetime) -> dict[str, Any]:
        key_images.arrange(session, task, get_person(session, who), captions, now)
        return {"what": "arranged"}

    _change(runtime, who, task_id, deed)


def take_away(runtime: Runtime, who: Who, task_id: uuid.UUID, key_image_id: uuid.UUID) -> None:
    def deed(session: Session, task: ReadingTask, now: datetime) -> dict[str, Any]:
        row = key_images.take_away(session, task, get_person(session, who), key_image_id, now)
        return {"what": "taken_away", "sop_instance_uid": row.sop_instance_uid}

    _change(runtime, who, task_id, deed)


def list_of_task(session: Session, who: Who, task_id: uuid.UUID) -> Sequence[KeyImage]:
    """Raises NotFound."""
    get_task(session, who.subject, task_id)
    return key_images.list_key_images(session, task_id)


def picture_of_task(session: Session, who: Who, task_id: uuid.UUID, key_image_id: uuid.UUID) -> KeyImage:
    """Raises NotFound."""
    get_task(session, who.subject, task_id)
    return key_images.get_key_image(session, task_id, key_image_id)


def picture_of_report(session: Session, report: Report, key_image_id: uuid.UUID) -> KeyImage:
    """One that the report shows. Raises NotFound."""
    if str(key_image_id) not in {one["id"] for one in report.key_images}:
        raise NotFound("key_image")
    return key_images.get_key_image(session, report.task_id, key_image_id)


def find_original(session: Session, row: KeyImage) -> Original:
    """Where a picture lies. Raises Unavailable for the moment until the drain has met it."""
    record = session.scalars(
        select(Record).where(Record.journal == row.journal, Record.sequence == row.sequence)
    ).one_or_none()
    if record is None:
        raise Unavailable("the picture is on its way into the index")
    return original_of(record)


def read_pictures(runtime: Runtime, session: Session, report: Report) -> tuple[KeyPicture, ...]:
    """What a report shows, in its order, as it was signed. Raises Unavailable."""
    return tuple(_as_signed(runtime, session, report, stated) for stated in report.key_images)


def _as_signed(runtime: Runtime, session: Session, report: Report, stated: Mapping[str, Any]) -> KeyPicture:
    row = picture_of_report(session, report, uuid.UUID(stated["id"]))
    data = read_original(runtime, find_original(session, row))
    if hashlib.sha256(data).hexdigest() != stated["sha256"]:
        raise Unavailable("a key image is not the one that was signed")
    return KeyPicture(data=data, width=stated["width"], height=stated["height"], caption=stated["caption"])


def _study_of(runtime: Runtime, who: Who, task_id: uuid.UUID) -> str:
    with runtime.reading() as session:
        examination = get_task(session, who.subject, task_id).examination
        if examination.kind is not Kind.IMAGING or examination.study_instance_uid is None:
            raise Invalid("sop_instance_uid", "not_of_the_examination")
        return examination.study_instance_uid


def _prepare(
    runtime: Runtime, session: Session, who: Who, task_id: uuid.UUID, shown: Shown
) -> uuid.UUID | None:
    """Before anything is made: may they, is there room, and is it chosen already?"""
    task, person = get_task(session, who.subject, task_id), get_person(session, who)
    known = key_images.find_chosen(session, task, shown)
    if known is not None:
        task.renew(person, runtime.now())
        return known.id
    key_images.require_room(session, task, person, runtime.now())
    return None


def _render(runtime: Runtime, served: Served, parsed: Parsed, asked: Asked) -> Jpeg:
    window = Window(center=asked.window[0], width=asked.window[1]) if asked.window else None
    [whole] = render_frames_of(runtime, served, parsed, [asked.frame], Look(media_type=PNG, window=window))
    image = Image.open(io.BytesIO(whole))
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return write_jpeg(image)


def _keep(
    runtime: Runtime, who: Who, task_id: uuid.UUID, shown: Shown, picture: Jpeg, caption: str
) -> uuid.UUID:
    caption, digest = key_images.checked_caption(caption), hashlib.sha256(picture.data).hexdigest()
    origin = {
        "task_id": str(task_id),
        "sop_instance_uid": shown.sop_instance_uid,
        "institution_id": str(who.subject.institution_id),
        "received_at": runtime.now().isoformat(),
        "filename": f"{digest[:16]}.jpg",
    }
    journal, sequence = runtime.journal.append(KEY_IMAGE, origin, [picture.data])
    kept = Picture(
        journal=journal, sequence=sequence, sha256=digest, size_bytes=len(picture.data),
        width=picture.width, height=picture.height,
    )  # fmt: skip
    made: list[uuid.UUID] = []

    def deed(session: Session, task: ReadingTask, now: datetime) -> dict[str, Any]:
        row = key_images.choose(
            session, task, get_person(session, who), shown, kept, caption=caption, now=now
        )
        made[:] = [row.id]
        return {"what": "chosen", "sop_instance_uid": shown.sop_instance_uid, "sha256": digest}

    _change(runtime, who, task_id, deed)
    return made[0]


def _change(
    runtime: Runtime,
    who: Who,
    task_id: uuid.UUID,
    deed: Callable[[Session, ReadingTask, datetime], dict[str, Any]],
) -> None:
    def change(session: Session) -> None:
        now, task = runtime.now(), get_task(session, who.subject, task_id)
        detail = deed(session, task, now)
        audit.record(
            session, "key_images_changed", actor=who.actor, now=now, examination_id=task.examination_id,
            detail={"task_id": str(task_id), **detail},
        )  # fmt: skip

    in_one(runtime, change)
