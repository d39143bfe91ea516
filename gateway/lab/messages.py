"""Messages of laboratory wires in the drain: each has its row, and is filed in the order of its arrival."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from adapters.lab.said import Message, MessageKind
from gateway import live
from gateway.index import Record, RecordState
from gateway.known import NewRecord
from gateway.lab.bodies import ASTM_INCOMPLETE, FILE, HL7, WIRES
from gateway.lab.filing import file_messages
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.records import ReadRecord, new_record
from gateway.runtime import Runtime
from worklists import bulk
from worklists.base import new_id

# A control ID says something for so long: many analysers count from 1 again whenever they are switched on.
CONTROL_ID_LASTS = timedelta(minutes=10)
# The least that passes between two messages of one number when the analyser began to count anew in between.
SWITCHED_ON_AGAIN = timedelta(minutes=1)

_Key = tuple[uuid.UUID, str, str]  # device, type, number or digest


def index_messages(runtime: Runtime, session: Session, read: Sequence[ReadRecord]) -> None:
    """Rows of a batch of messages, and what follows from what they say."""
    records = [new_record(runtime, one.record, one.sha256) for one in read]
    rows = [(one, _row(one, record)) for one, record in zip(read, records, strict=True)]
    lately = _Lately(session, rows)
    filed: list[tuple[LabMessage, Message]] = []
    for (one, row), record in zip(rows, records, strict=True):
        why = _why_not(lately, one, row)
        if why is MessageState.DUPLICATE:
            row.state, record.state = MessageState.DUPLICATE, RecordState.DUPLICATE
        elif isinstance(why, LabHeldReason):
            _hold(session, row, why, one.unread)
        elif one.said is not None:
            filed.append((row, one.said))
    bulk.insert_values(session, Record, records)
    to_file = {row.id for row, _ in filed}
    session.add_all([row for _, row in rows if row.id not in to_file])
    if filed:
        file_messages(runtime, session, filed)
    live.bump(session, "lab")


def _row(one: ReadRecord, record: NewRecord) -> LabMessage:
    origin = record.origin
    row = LabMessage(
        id=new_id(),
        record_id=record.id,
        institution_id=record.institution_id,
        device_id=record.device_id,
        wire=WIRES[record.kind],
        kind=MessageKind.OTHER.value,
        type=str(origin.get("message_type", ""))[:40],
        control_id=str(origin.get("control_id", ""))[:200],
        state=MessageState.HELD,
        results=0,
        filed=0,
        controls=0,
        text_in_doubt=False,
        warnings=[],
        received_at=record.received_at,
    )
    if one.said is not None:
        row.describe(one.said)
    return row


def _why_not(lately: "_Lately", one: ReadRecord, row: LabMessage) -> LabHeldReason | MessageState | None:
    """Why a message is not filed: it is known, broken off, or unreadable."""
    if one.record.kind == ASTM_INCOMPLETE:
        return LabHeldReason.INCOMPLETE
    if one.said is None:
        return LabHeldReason.FILE_UNMAPPED if one.record.kind == FILE else LabHeldReason.UNREADABLE
    return lately.known(row, one.sha256)


class _Lately:
    """What came a short while ago: the same bytes from the same device are the same message, the same number with
    others is a contradiction.

    Not over ASTM: few analysers number their messages there, and some say the same number each time. Over HL7 within
    a type: Mindray's blood counters give a question and the result that follows it one number.
    """

    def __init__(self, session: Session, rows: Sequence[tuple[ReadRecord, LabMessage]]) -> None:
        """Asked once for a batch, whose own messages join as they are looked at."""
        self._came: dict[_Key, list[tuple[str, datetime]]] = defaultdict(list)
        asked = {key: row for one, row in rows if (key := _key(row, one.sha256)) is not None}
        if not asked:
            return
        found = session.execute(
            select(LabMessage, Record.sha256)
            .join(Record, Record.id == LabMessage.record_id)
            .where(LabMessage.device_id.in_({row.device_id for row in asked.values()}))
            .where(
                or_(
                    LabMessage.control_id.in_({row.control_id for row in asked.values()} - {""}),
                    Record.sha256.in_({one.sha256 for one, _ in rows}),
                )
            )
            .where(LabMessage.kind != MessageKind.QUERY, LabMessage.state != MessageState.DUPLICATE)
            .where(LabMessage.received_at > min(row.received_at for row in asked.values()) - CONTROL_ID_LASTS)
        )
        for row, sha256 in found:
            key = _key(row, sha256)
            if key is not None:
                self._came[key].append((sha256, row.received_at))

    def known(self, row: LabMessage, sha256: str) -> LabHeldReason | MessageState | None:
        key = _key(row, sha256)
        if key is None:
            return None
        came = [(other, at) for other, at in self._came[key] if at > row.received_at - CONTROL_ID_LASTS]
        if any(other == sha256 for other, _ in came):
            return MessageState.DUPLICATE
        self._came[key].append((sha256, row.received_at))
        at_once = any(at > row.received_at - SWITCHED_ON_AGAIN for _, at in came)
        return LabHeldReason.CONTROL_ID_REUSED if at_once else None


def _key(row: LabMessage, sha256: str) -> _Key | None:
    """By what a message is known again; None for one that may come as often as it likes."""
    numbered = row.wire == WIRES[HL7]
    of_no_effect = row.kind in {MessageKind.QUERY, MessageKind.OTHER}
    if row.device_id is None or of_no_effect or (numbered and not row.control_id):
        return None
    return row.device_id, row.type, row.control_id if numbered else sha256


def _hold(session: Session, row: LabMessage, reason: LabHeldReason, detail: str) -> None:
    session.add(
        LabHeld(
            id=new_id(),
            message_id=row.id,
            institution_id=row.institution_id,
            device_id=row.device_id,
            reason=reason,
            detail={"why": detail} if detail else {},
            held_at=row.received_at,
        )
    )
