"""Looking at messages of analysers: who may, what one says, and what became of each of its results."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, false, or_, select, true
from sqlalchemy.orm import Session

from adapters.errors import Malformed
from adapters.hl7.reading import read_attachment
from adapters.lab.said import Message
from adapters.lab.text import read_text
from gateway import audit
from gateway.index import Record
from gateway.lab.bodies import FILE, HL7
from gateway.lab.rereading import read_as_filed
from gateway.lab.rows import LabHeld, LabMessage
from gateway.originals import read_original
from gateway.runtime import Runtime
from worklists.access import Subject, benches_visible_to, visible_to
from worklists.directory import Device, Role
from worklists.errors import NotAllowed, NotFound
from worklists.examinations import Examination
from worklists.laboratory.control import ControlResult
from worklists.laboratory.results import LabAttachment, LabResult

LINE_CHARACTERS = 2000  # of one line that is shown: a picture in a message is one line of megabytes
LINES = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """What became of a message's results, by their position in it; what is held whole, by the specimen's."""

    results: Mapping[int, LabResult]
    controls: Mapping[int, ControlResult]
    attachments: Mapping[int, LabAttachment]
    held: Sequence[LabHeld]


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One message. `said` is None where it cannot be read, and `why` says so; `lines` are its text as decoded."""

    row: LabMessage
    said: Message | None
    why: str
    lines: Sequence[str]
    outcomes: Outcomes


def messages_visible_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over `LabMessage`: with the bench it came from; those of unknown devices are IT's and the admin's."""
    if subject.wires is not None:
        return false()
    if subject.roles & {Role.IT, Role.ADMIN}:
        return true()
    return LabMessage.device_id.in_(select(Device.id).where(benches_visible_to(subject)))


def sees_names(subject: Subject) -> bool:
    """IT and administrators see what was sent and what became of it, but not whose it is."""
    return bool(subject.roles & {Role.RADIOGRAPHER, Role.READER, Role.REVIEWER})


def about(q: str) -> ColumnElement[bool]:
    """Messages with this control ID, or about the specimen of this barcode."""
    return or_(
        LabMessage.control_id == q,
        exists(select(LabHeld.id).where(LabHeld.message_id == LabMessage.id, LabHeld.barcode == q)),
        exists(
            select(LabResult.id)
            .join(Examination, Examination.id == LabResult.examination_id)
            .where(LabResult.message_id == LabMessage.id, Examination.accession_number == q)
        ),
    )


def get_message(session: Session, subject: Subject, message_id: uuid.UUID) -> LabMessage:
    """Raises NotFound, also for one that the subject may not see."""
    row = session.scalars(
        select(LabMessage).where(LabMessage.id == message_id, messages_visible_to(subject))
    ).one_or_none()
    if row is None:
        raise NotFound("message")
    return row


def look(runtime: Runtime, subject: Subject, actor: audit.Actor, message_id: uuid.UUID) -> Looked:
    """Read it from its original, and note who looked. Raises NotFound, Unavailable."""
    with runtime.reading() as session:
        row = get_message(session, subject, message_id)
        outcomes = _outcomes(session, row)
        body = read_original(runtime, row.record)
        said, why = _read(session, row, body)
    _note(runtime, actor, "lab_message_opened", message_id)
    lines = _lines(row.record, body, said) if sees_names(subject) else []
    return Looked(row=row, said=said, why=why, lines=lines, outcomes=outcomes)


def read_body(
    runtime: Runtime, subject: Subject, actor: audit.Actor, message_id: uuid.UUID
) -> tuple[LabMessage, bytes]:
    """The original as it came. It says whose it is: not for IT. Raises NotFound, NotAllowed."""
    with runtime.reading() as session:
        row = get_message(session, subject, message_id)
        if not sees_names(subject):
            raise NotAllowed("names")
        body = read_original(runtime, row.record)
    _note(runtime, actor, "original_downloaded", message_id)
    return row, body


def read_picture(
    runtime: Runtime, subject: Subject, actor: audit.Actor, attachment_id: uuid.UUID
) -> tuple[LabAttachment, bytes]:
    """The bytes of a picture or document that came with results. Raises NotFound, Malformed."""
    with runtime.reading() as session:
        found = session.scalars(
            select(LabAttachment)
            .join(Examination, Examination.id == LabAttachment.examination_id)
            .where(LabAttachment.id == attachment_id, visible_to(subject))
        ).one_or_none()
        if found is None:
            raise NotFound("attachment")
        row = session.get_one(LabMessage, found.message_id)
        body = read_original(runtime, row.record)
    content = content_at(row.record, body, found.position)
    with runtime.sessions.begin() as session:
        audit.record(
            session, "images_opened", actor=actor, now=runtime.now(), examination_id=found.examination_id,
            detail={"attachment_id": str(found.id)},
        )  # fmt: skip
    return found, content


def content_at(record: Record, body: bytes, position: int) -> bytes:
    if record.kind == FILE:
        return body
    if record.kind != HL7:
        raise Malformed("messages of this wire carry no documents")
    return read_attachment(body, position, character_set=_character_set(record))


def _read(session: Session, row: LabMessage, body: bytes) -> tuple[Message | None, str]:
    try:
        return read_as_filed(session, row, body), ""
    except Malformed as error:
        return None, str(error)


def _lines(record: Record, body: bytes, said: Message | None) -> list[str]:
    """What a person reads: text as the reader read it, one line for each segment or record."""
    if said is not None and said.character_set:
        text = body.decode(said.character_set, "replace")
    else:
        try:
            text = read_text(body, _character_set(record)).text
        except (Malformed, LookupError):
            text = body.decode("latin-1")
    lines = text.replace("\r\n", "\r").replace("\n", "\r").split("\r")
    return [_clipped(line) for line in lines[:LINES] if line]


def _clipped(line: str) -> str:
    if len(line) <= LINE_CHARACTERS:
        return line
    return f"{line[:LINE_CHARACTERS]}… (+{len(line) - LINE_CHARACTERS})"


def _character_set(record: Record) -> str | None:
    return str(record.origin.get("character_set") or "") or None


def _outcomes(session: Session, row: LabMessage) -> Outcomes:
    def by_position(kind: Any) -> dict[int, Any]:
        found = session.scalars(select(kind).where(kind.message_id == row.id, kind.position.is_not(None)))
        return {one.position: one for one in found.unique()}

    held = session.scalars(
        select(LabHeld)
        .where(LabHeld.message_id == row.id, LabHeld.resolved_at.is_(None))
        .order_by(LabHeld.id)
    ).all()
    for one in (results := by_position(LabResult)).values():
        _ = one.item
    for control in (controls := by_position(ControlResult)).values():
        _ = control.item
    _ = row.device, row.institution
    return Outcomes(results=results, controls=controls, attachments=by_position(LabAttachment), held=held)


def _note(runtime: Runtime, actor: audit.Actor, action: audit.Action, message_id: uuid.UUID) -> None:
    with runtime.sessions.begin() as session:
        audit.record(session, action, actor=actor, now=runtime.now(), detail={"message_id": str(message_id)})
