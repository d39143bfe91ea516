"""Messages of laboratory wires in the drain: each has its row, and is filed in the order of its arrival."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.lab.said import Message, MessageKind
from gateway import live
from gateway.index import Record, RecordState
from gateway.lab.bodies import ASTM_INCOMPLETE, HL7, WIRES
from gateway.lab.filing import file_messages
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.records import ReadRecord, new_record
from gateway.runtime import Runtime
from worklists.base import new_id

# A control ID says something for so long: many analysers count from 1 again whenever they are switched on.
CONTROL_ID_LASTS = timedelta(minutes=10)
# The least that passes between two messages of one number when the analyser began to count anew in between.
SWITCHED_ON_AGAIN = timedelta(minutes=1)


def index_messages(runtime: Runtime, session: Session, read: Sequence[ReadRecord]) -> None:
    """Rows of a batch of messages, and what follows from what they say."""
    filed: list[tuple[LabMessage, Message]] = []
    for one in read:
        record = Record(**asdict(new_record(runtime, one.record, one.sha256)))
        session.add(record)
        row = _row(one, record)
        session.add(row)
        session.flush()
        why = _why_not(session, one, row)
        if why is MessageState.DUPLICATE:
            row.state, record.state = MessageState.DUPLICATE, RecordState.DUPLICATE
        elif isinstance(why, LabHeldReason):
            _hold(session, row, why, one.unread)
        elif one.said is not None:
            filed.append((row, one.said))
    if filed:
        file_messages(runtime, session, filed)
    live.bump(session, "lab")


def _row(one: ReadRecord, record: Record) -> LabMessage:
    said, origin = one.said, record.origin
    return LabMessage(
        id=new_id(),
        record=record,
        record_id=record.id,
        institution_id=record.institution_id,
        device_id=record.device_id,
        wire=WIRES[record.kind],
        kind=said.kind.value if said else MessageKind.OTHER.value,
        type=(said.type if said else str(origin.get("message_type", "")))[:40],
        control_id=(said.control_id if said else str(origin.get("control_id", "")))[:200],
        state=MessageState.HELD,
        results=said.results if said else 0,
        filed=0,
        controls=0,
        text_in_doubt=said.text_in_doubt if said else False,
        warnings=list(said.warnings) if said else [],
        received_at=record.received_at,
    )


def _why_not(session: Session, one: ReadRecord, row: LabMessage) -> LabHeldReason | MessageState | None:
    """Why a message is not filed: it is known, broken off, or unreadable."""
    if one.record.kind == ASTM_INCOMPLETE:
        return LabHeldReason.INCOMPLETE
    if one.said is None:
        return LabHeldReason.UNREADABLE
    return _known(session, one.sha256, row)


def _known(session: Session, sha256: str, row: LabMessage) -> LabHeldReason | MessageState | None:
    """The same bytes from the same device are the same message; the same number with others is a contradiction.

    Not over ASTM: few analysers number their messages there, and some say the same number each time. Over HL7 within
    a type: Mindray's blood counters give a question and the result that follows it one number.
    """
    numbered = row.wire == WIRES[HL7]
    if row.kind == MessageKind.QUERY:
        return None  # it may be asked again as often as one likes
    if row.device_id is None or (numbered and not row.control_id):
        return None
    same = LabMessage.control_id == row.control_id if numbered else Record.sha256 == sha256
    lately = session.execute(
        select(Record.sha256, LabMessage.received_at)
        .join(LabMessage, LabMessage.record_id == Record.id)
        .where(LabMessage.device_id == row.device_id, LabMessage.type == row.type, same)
        .where(LabMessage.kind != MessageKind.QUERY)
        .where(LabMessage.id != row.id, LabMessage.state != MessageState.DUPLICATE)
        .where(LabMessage.received_at > row.received_at - CONTROL_ID_LASTS)
    ).all()
    if any(one.sha256 == sha256 for one in lately):
        return MessageState.DUPLICATE
    at_once = any(one.received_at > row.received_at - SWITCHED_ON_AGAIN for one in lately)
    return LabHeldReason.CONTROL_ID_REUSED if at_once else None


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
