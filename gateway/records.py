"""Records of the journal on their way into rows: what can be said of each without the database."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from adapters.dicom.header import InstanceHeader, read_header
from adapters.errors import Malformed
from adapters.lab.said import Message
from gateway import journal
from gateway.digests import Digests
from gateway.ecg.headers import FILE_KIND, header_of_file
from gateway.index import Record, RecordState
from gateway.journal import BodyDamaged, Damaged, JournalRecord, Location
from gateway.known import NewRecord
from gateway.lab.bodies import ASTM_INCOMPLETE, LAB_KINDS, read_said
from gateway.runtime import Runtime
from worklists.base import new_id

INSTANCE_KINDS = ("dicom.instance", FILE_KIND)  # what has a place in the index
KEY_IMAGE = "key.image"  # a picture that a reader chose for a report
ORIGINAL_KINDS = (*INSTANCE_KINDS, "report.pdf", KEY_IMAGE, *LAB_KINDS)
LONG_HEAD_BYTES = 64 << 10  # looked at when the first kilobytes say of no image
LONGEST_HEAD_BYTES = 16 << 20  # and when these do not say whose an instance is


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecord:
    """A record of the journal with what can be said of it without the database; `more` as in `describe_record`."""

    record: JournalRecord
    sha256: str = ""
    header: InstanceHeader | None = None
    more: Callable[[int], bytes] = lambda _size: b""
    said: Message | None = None  # of a laboratory wire
    unread: str = ""  # why a message cannot be read


def read_record(runtime: Runtime, record: JournalRecord, digests: Digests) -> ReadRecord:
    """Digest and header of a record that is kept as an original; a note has neither."""
    if record.kind not in ORIGINAL_KINDS:
        return ReadRecord(record=record)
    return describe_record(
        record,
        digests.sha256(record.location, offset=int(record.origin.get("data_set_offset", 0))),
        more=lambda size: journal.read_body(runtime.journal_dir, record.location, length=size),
    )


def describe_record(record: JournalRecord, sha256: str, *, more: Callable[[int], bytes]) -> ReadRecord:
    """The same with a digest that is known. `more` reads so much of the body where the head is too short."""
    if record.kind not in ORIGINAL_KINDS:
        return ReadRecord(record=record)
    header = _header_of(record, sha256, more) if record.kind in INSTANCE_KINDS else None
    one = ReadRecord(record=record, sha256=sha256, header=header, more=more)
    return _with_message(one) if record.kind in LAB_KINDS else one


def _with_message(one: ReadRecord) -> ReadRecord:
    """What a message says; or why it cannot be read, so that a person looks at it."""
    record = one.record
    if record.kind == ASTM_INCOMPLETE:
        return one
    try:
        return replace(one, said=read_said(record.kind, record.origin, one.more(record.location.length)))
    except Malformed as error:
        return replace(one, unread=str(error))


def with_origin(one: ReadRecord, origin: dict[str, Any]) -> ReadRecord:
    """The same record, of which something else is known."""
    return replace(one, record=replace(one.record, origin=origin))


def read_as(one: ReadRecord, character_set: str | None) -> ReadRecord:
    """The same instance, its text read with another character set of its device."""
    other = with_origin(one, {**one.record.origin, "character_set": character_set})
    return replace(other, header=_header_of(other.record, one.sha256, other.more))


def new_record(runtime: Runtime, record: JournalRecord, sha256: str) -> NewRecord:
    """The row of a record: its origin, its digest, and where it lies."""
    origin = record.origin
    return NewRecord(
        id=new_id(),
        journal=record.journal,
        sequence=record.sequence,
        **_place(record.location),
        data_set_offset=int(origin.get("data_set_offset", 0)),
        kind=record.kind,
        state=RecordState.INDEXED,
        reason="",
        origin=origin,
        institution_id=read_uuid(origin.get("institution_id")),
        device_id=read_uuid(origin.get("device_id")),
        received_at=read_time(origin.get("received_at")) or runtime.now(),
        sha256=sha256,
        local=True,
    )


def quarantined_record(runtime: Runtime, record: JournalRecord, error: Exception) -> Record:
    """The row of a record that breaks the indexing. Nothing of its origin is believed, or this would break too."""
    kind, digest = record.kind, ""
    try:
        with Digests(runtime.journal_dir) as digests:
            digest = digests.sha256(record.location)
    except BodyDamaged as damage:
        kind, error = "damaged", damage
    return Record(
        id=new_id(),
        journal=record.journal,
        sequence=record.sequence,
        **_place(record.location),
        kind=kind,
        state=RecordState.QUARANTINED,
        reason=f"{type(error).__name__}: {error}"[:500],
        origin=record.origin,
        received_at=runtime.now(),
        sha256=digest,
        local=True,
    )


def damaged_record(item: Damaged, now: datetime) -> Record:
    """The row of a stretch of the journal that cannot be read as a record."""
    place = item.location
    return Record(
        id=new_id(),
        journal=place.journal,
        sequence=-(place.segment << 40 | place.offset),  # no record has it: those are positive
        **_place(place),
        kind="damaged",
        state=RecordState.QUARANTINED,
        reason=item.reason,
        origin={},
        received_at=now,
        sha256="",
        local=True,
    )


def _place(location: Location) -> dict[str, Any]:
    """The columns that say where a record lies in its journal."""
    return {
        "node": location.node,
        "segment": location.segment,
        "offset": location.offset,
        "size_bytes": location.length,
    }


def read_uuid(value: Any) -> uuid.UUID | None:
    return _uuid(str(value)) if value else None


@lru_cache(maxsize=256)  # devices and institutions: a few
def _uuid(text: str) -> uuid.UUID:
    return uuid.UUID(text)


def read_time(value: Any) -> datetime | None:
    return datetime.fromisoformat(str(value)) if value else None


def header_of(
    kind: str, origin: Mapping[str, Any], sha256: str, head: bytes, character_set: str | None
) -> InstanceHeader:
    """The header of an original of one of the INSTANCE_KINDS, from the first bytes of its data set or its origin."""
    if kind == FILE_KIND:
        return header_of_file(origin, sha256)
    syntax = str(origin["transfer_syntax_uid"])
    return read_header(head, transfer_syntax_uid=syntax, character_set=character_set)


def _header_of(record: JournalRecord, sha256: str, more: Callable[[int], bytes]) -> InstanceHeader:
    """From the head that came with the record; from more of the body where that does not reach what is looked for."""
    if record.kind == FILE_KIND:
        return header_of_file(record.origin, sha256)
    header, size = _read_head(record, record.head), len(record.head)
    if header.rows is None and size < min(
        LONG_HEAD_BYTES, record.location.length
    ):  # of an image behind the rest
        header, size = _read_head(record, more(LONG_HEAD_BYTES)), LONG_HEAD_BYTES
    if (header.study_instance_uid and header.series_instance_uid) or size >= record.location.length:
        return header
    return _read_head(record, more(LONGEST_HEAD_BYTES))


def _read_head(record: JournalRecord, head: bytes) -> InstanceHeader:
    origin = record.origin
    data_set = head[int(origin.get("data_set_offset", 0)) :]
    return header_of(record.kind, origin, "", data_set, origin.get("character_set"))
