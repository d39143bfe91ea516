"""Key images (关键图像): what a reader chose of an examination to stand in its report, as it was shown.

Each is a picture that was made when it was chosen: a frame at its window, or what stood in the viewport with its
annotations. The picture is kept like an original, so that a report shows in twenty years what its signer saw. Beside
it stands which version of which instance it shows; when that is replaced, the picture is chosen anew or taken away.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from worklists.base import Base, new_id
from worklists.directory import Person
from worklists.errors import Conflict, Invalid, NotFound
from worklists.reading import ReadingTask

MOST = 12  # two pages of a printed report
LONGEST_CAPTION = 120


class TooManyKeyImages(Invalid):
    """A report shows so many pictures and no more."""

    def __init__(self) -> None:
        super().__init__("key_images", "too_many_key_images")


class KeyImageReplaced(Conflict):
    """The original that a key image shows was replaced since: it is chosen anew, or taken away."""


class KeyImagesMovedOn(Conflict):
    """Somebody chose or took away meanwhile; carries nothing, the list is read again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What is shown, as it is kept: its record in the journal, and what it is."""

    journal: str
    sequence: int
    sha256: str
    size_bytes: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Of what it is a picture: a frame (from 1) of a version of an instance. `snapshot`: as it stood in the viewport."""

    sop_instance_uid: str
    original_sha256: str
    frame: int
    window: tuple[float, float] | None
    snapshot: bool


class KeyImage(Base):
    """One picture of a task's report, in the order of `position`."""

    __tablename__ = "key_image"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=new_id)
    task_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("reading_task.id"), index=True)
    position: Mapped[int]
    caption: Mapped[str] = mapped_column(default="")
    sop_instance_uid: Mapped[str]
    original_sha256: Mapped[str]
    frame: Mapped[int]
    window_center: Mapped[float | None]
    window_width: Mapped[float | None]
    snapshot: Mapped[bool]
    journal: Mapped[str]
    sequence: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    width: Mapped[int]
    height: Mapped[int]
    chosen_at: Mapped[datetime]
    chosen_by_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("person.id"))

    def as_signed(self) -> dict[str, Any]:
        """What a report keeps of it."""
        return {
            "id": str(self.id), "caption": self.caption, "sop_instance_uid": self.sop_instance_uid,
            "original_sha256": self.original_sha256, "frame": self.frame, "snapshot": self.snapshot,
            "window": None if self.window_center is None else [self.window_center, self.window_width],
            "sha256": self.sha256, "size_bytes": self.size_bytes, "width": self.width, "height": self.height,
        }  # fmt: skip


def list_key_images(session: Session, task_id: uuid.UUID) -> Sequence[KeyImage]:
    return session.scalars(
        select(KeyImage).where(KeyImage.task_id == task_id).order_by(KeyImage.position, KeyImage.id)
    ).all()


def find_chosen(session: Session, task: ReadingTask, shown: Shown) -> KeyImage | None:
    """The same view, chosen already; a snapshot is never the same."""
    if shown.snapshot:
        return None
    return next((one for one in list_key_images(session, task.id) if _is_of(one, shown)), None)


def require_room(session: Session, task: ReadingTask, reader: Person, now: datetime) -> None:
    """Whether this person may choose another now. Raises as `renew` does, and TooManyKeyImages."""
    _require_writing(task, reader, now)
    if len(list_key_images(session, task.id)) >= MOST:
        raise TooManyKeyImages


def choose(
    session: Session,
    task: ReadingTask,
    reader: Person,
    shown: Shown,
    picture: Picture,
    *,
    caption: str,
    now: datetime,
) -> KeyImage:
    """Another picture, behind the others."""
    require_room(session, task, reader, now)
    known = list_key_images(session, task.id)
    center, width = shown.window or (None, None)
    row = KeyImage(
        id=new_id(), task_id=task.id, position=max((one.position for one in known), default=0) + 1,
        caption=checked_caption(caption), sop_instance_uid=shown.sop_instance_uid,
        original_sha256=shown.original_sha256, frame=shown.frame, window_center=center, window_width=width,
        snapshot=shown.snapshot, journal=picture.journal, sequence=picture.sequence, sha256=picture.sha256,
        size_bytes=picture.size_bytes, width=picture.width, height=picture.height, chosen_at=now,
        chosen_by_id=reader.id,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def arrange(
    session: Session, task: ReadingTask, reader: Person, captions: Mapping[uuid.UUID, str], now: datetime
) -> None:
    """Captions, and the order in which they are stated. Raises KeyImagesMovedOn when these are not all there are."""
    _require_writing(task, reader, now)
    rows = {row.id: row for row in list_key_images(session, task.id)}
    if set(captions) != set(rows):
        raise KeyImagesMovedOn
    for position, (key_image_id, caption) in enumerate(captions.items(), 1):
        rows[key_image_id].position, rows[key_image_id].caption = position, checked_caption(caption)


def take_away(
    session: Session, task: ReadingTask, reader: Person, key_image_id: uuid.UUID, now: datetime
) -> KeyImage:
    """Raises NotFound."""
    _require_writing(task, reader, now)
    row = get_key_image(session, task.id, key_image_id)
    session.delete(row)
    session.flush()
    return row


def get_key_image(session: Session, task_id: uuid.UUID, key_image_id: uuid.UUID) -> KeyImage:
    row = session.get(KeyImage, key_image_id)
    if row is None or row.task_id != task_id:
        raise NotFound("key_image")
    return row


def require_current(key_images: Sequence[KeyImage], originals: Mapping[str, str]) -> None:
    """What is signed shows what is there: instances by UID with the SHA-256 of their current version."""
    if any(originals.get(one.sop_instance_uid) != one.original_sha256 for one in key_images):
        raise KeyImageReplaced("key_image")


def copy_key_images(
    session: Session, of_task_id: uuid.UUID, task: ReadingTask, person: Person, now: datetime
) -> None:
    """An amended report begins with the pictures of the one before."""
    for row in list_key_images(session, of_task_id):
        values = {column.name: getattr(row, column.name) for column in KeyImage.__table__.columns}
        session.add(
            KeyImage(
                **values | {"id": new_id(), "task_id": task.id, "chosen_at": now, "chosen_by_id": person.id}
            )
        )


def checked_caption(caption: str) -> str:
    said = " ".join(caption.split())
    if len(said) > LONGEST_CAPTION:
        raise Invalid("caption", "too_long")
    return said


def _is_of(row: KeyImage, shown: Shown) -> bool:
    window = None if row.window_center is None else (row.window_center, row.window_width)
    return (row.sop_instance_uid, row.original_sha256, row.frame, window, row.snapshot) == (
        shown.sop_instance_uid, shown.original_sha256, shown.frame, shown.window, False,
    )  # fmt: skip


def _require_writing(task: ReadingTask, reader: Person, now: datetime) -> None:
    """Who holds the task writes its report, pictures and words alike."""
    task.renew(reader, now)
    task.require_report_of_its_own()
