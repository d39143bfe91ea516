"""What the journal tells beside originals: of associations, of what was turned away, of devices that were heard."""

import uuid
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, indexing, live
from gateway.index import Refusal
from gateway.journal import JournalRecord
from gateway.known import Incoming
from gateway.records import ReadRecord, read_time, read_uuid
from gateway.runtime import Runtime
from gateway.senders import Devices
from worklists import bulk
from worklists.directory import Person
from worklists.examinations import Association, Examination, ExaminationAssociation

STOW = "stow"  # the wire of instances that came by STOW-RS


def index_associations(runtime: Runtime, session: Session, notes: Sequence[JournalRecord]) -> set[str]:
    """What the journal tells of associations; answers which have ended."""
    ids = {str(note.origin["association_id"]) for note in notes}
    found = select(Association).where(Association.id.in_(ids)).order_by(Association.id).with_for_update()
    known = {row.id: row for row in session.scalars(found)}
    ended = set()
    for note in notes:
        origin, id = note.origin, str(note.origin["association_id"])
        row = known.get(id)
        if row is None:
            row = known[id] = _new_association(runtime, note)
            session.add(row)
        if origin["event"] == "closed":
            is_news = row.closed_at is None
            row.closed_at, row.how = _noted_at(runtime, note), str(origin.get("how", ""))
            row.stored, row.refused = int(origin.get("stored", 0)), int(origin.get("refused", 0))
            ended.add(id)
            if is_news and origin.get("wire") == STOW:
                _note_submission(session, origin, _noted_at(runtime, note))
    return ended


def _new_association(runtime: Runtime, note: JournalRecord) -> Association:
    origin = note.origin
    return Association(
        id=str(origin["association_id"]),
        device_id=read_uuid(origin.get("device_id")),
        peer_address=str(origin.get("peer_address", "")),
        calling_ae_title=str(origin.get("calling_ae_title", "")),
        opened_at=_noted_at(runtime, note),
        how="",
        stored=0,
        refused=0,
    )


def _noted_at(runtime: Runtime, note: JournalRecord) -> datetime:
    return read_time(note.origin.get("at") or note.origin.get("received_at")) or runtime.now()


def _note_submission(session: Session, origin: Mapping[str, Any], at: datetime) -> None:
    """Who stored over HTTP: it went past the database, so the audit hears of it here."""
    person_id = read_uuid(origin.get("uploaded_by_id"))
    known = person_id is not None and session.get(Person, person_id) is not None  # not in an older copy
    actor = audit.Actor(
        name=str(origin.get("uploaded_by", "")),
        person_id=person_id if known else None,
        institution_id=read_uuid(origin.get("institution_id")),
        address=str(origin.get("peer_address", "")),
    )
    stored, refused = int(origin.get("stored", 0)), int(origin.get("refused", 0))
    audit.record(
        session, "instances_stored", actor=actor, now=at, outcome="success" if stored else "failure",
        detail={"wire": STOW, "stored": stored, "refused": refused, "how": str(origin.get("how", ""))},
    )  # fmt: skip


def settle_again(runtime: Runtime, session: Session, ended: Set[str]) -> None:
    """Associations ended: the examinations that they carried may be whole sooner."""
    if not ended:
        return
    links = ExaminationAssociation
    carried = session.scalars(
        select(Examination)
        .where(
            Examination.id.in_(select(links.examination_id).where(links.association_id.in_(ended))),
            Examination.complete.is_(False),
        )
        .order_by(Examination.id)
    ).all()
    indexing.schedule_settling(session, carried, settings=runtime.settings)


_REFUSED = {
    "dicom.connection": "connection",
    "dicom.rejection": "association",
    "dicom.refusal": "instance",
    "file.refusal": "file",
    "hl7.refusal": "message",
    "astm.refusal": "message",
    "lab.connection": "connection",
}


def index_refusals(runtime: Runtime, session: Session, records: Sequence[JournalRecord]) -> None:
    """What was turned away, so that people can see why; what is told again changes nothing."""
    rows = [_refusal_of(runtime, record) for record in records]
    bulk.insert_rows(session, Refusal, rows, on_conflict=bulk.NOTHING_ON_CONFLICT)
    if rows:
        live.bump(session, "system")


def _refusal_of(runtime: Runtime, record: JournalRecord) -> dict[str, Any]:
    origin = record.origin
    return {
        # A note has no row of its own by which a repeat would be known, so what it becomes is named after it.
        "id": uuid.uuid5(uuid.NAMESPACE_OID, f"{record.journal}/{record.sequence}"),
        "refused_at": read_time(origin.get("at") or origin.get("received_at")) or runtime.now(),
        "what": str(origin.get("what") or _REFUSED[record.kind]),
        "institution_id": read_uuid(origin.get("institution_id")),
        "device_id": read_uuid(origin.get("device_id")),
        "peer_address": str(origin.get("peer_address", "")),
        "calling_ae_title": _caller(origin),
        "reason": _reason(origin),
        "cause": str(origin.get("cause", "")),
        "detail": _detail(origin),
        "sop_instance_uid": str(origin.get("sop_instance_uid") or ""),
    }


def _caller(origin: Mapping[str, Any]) -> str:
    """The AE title, or how an analyser calls itself."""
    facility = str(origin.get("facility") or "")
    said = origin.get("calling_ae_title") or origin.get("sender") or origin.get("application") or ""
    return f"{said}^{facility}" if facility else str(said)


_EXPLAINED = ("malformed", "too_long")  # causes of ASTM that say less than their explanation


def _detail(origin: Mapping[str, Any]) -> str:
    """What the comment said, whose certificate it was; an explanation only where no cause says it better."""
    cause = origin.get("cause")
    words = "certificate" if cause and cause not in _EXPLAINED else "explanation"
    return str(origin.get("comment") or origin.get(words) or "")


def _reason(origin: Mapping[str, Any]) -> str:
    """The status of C-STORE, or result/source/reason of A-ASSOCIATE-RJ: a reason means nothing without its source.

    Of an HL7 message, the condition (table 0357).
    Of a connection that never came to that, our own word.
    """
    if "status" in origin:
        return str(origin["status"])
    if "condition" in origin:
        return str(origin["condition"])
    if "result" not in origin:
        return str(origin.get("cause", ""))
    return "/".join(str(origin[name]) for name in ("result", "source", "reason") if name in origin)


def note_heard(
    runtime: Runtime,
    devices: Devices,
    instances: Sequence[Incoming],
    associations: Sequence[JournalRecord],
    messages: Sequence[ReadRecord] = (),
) -> None:
    """When each of a batch's devices was heard of last, and with which instance."""
    heard: dict[uuid.UUID, datetime] = {}
    for device_id, at in (
        *((item.record.device_id, item.record.received_at) for item in instances),
        *((read_uuid(note.origin.get("device_id")), _noted_at(runtime, note)) for note in associations),
        *(
            (read_uuid(one.record.origin.get("device_id")), _noted_at(runtime, one.record))
            for one in messages
        ),
    ):
        if device_id is not None:
            heard[device_id] = max(heard.get(device_id, at), at)
    last = {item.record.device_id: item.header.sop_instance_uid for item in instances}
    for device_id, at in heard.items():
        device = devices[device_id]
        device.last_heard_at = max(device.last_heard_at or at, at)
        device.last_sop_instance_uid = last.get(device.id, device.last_sop_instance_uid)
