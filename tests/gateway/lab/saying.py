"""Messages of analysers as values, for tests of what becomes of them."""

import uuid
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from adapters.lab.said import Coded, Message, MessageKind, Specimen, StatedPatient, StatedResult, Wire
from gateway.index import Record, RecordState
from gateway.lab.filing import file_messages
from gateway.lab.rows import LabMessage, MessageState
from gateway.runtime import Runtime
from tests.laboratory import NOW
from worklists.base import new_id
from worklists.directory import Device


def result(test: str, value: str, unit: str = "", **fields: Any) -> StatedResult:
    return StatedResult(
        **{
            "position": 0,
            "test": Coded(code=test),
            "value": value,
            "unit": unit,
            "observed_at": NOW,
            **fields,
        }
    )


def message(*specimens: Specimen, **fields: Any) -> Message:
    """Results are numbered as they would be in the message."""
    numbered, position = [], 0
    for specimen in specimens:
        own = []
        for one in specimen.results:
            own.append(_at(one, position))
            position += 1
        numbered.append(_with(specimen, tuple(own)))
    return Message(
        **{
            "wire": Wire.HL7,
            "kind": MessageKind.RESULTS,
            "specimens": tuple(numbered),
            "sent_at": NOW,
            **fields,
        }
    )


def specimen(barcode: str, *results: StatedResult, **fields: Any) -> Specimen:
    return Specimen(barcode=barcode, results=results, **fields)


def patient(**fields: Any) -> StatedPatient:
    return StatedPatient(**{"patient_id": "P001", "name": "=仇^明", "sex": "M", **fields})


def file(runtime: Runtime, device: Device, said: Message, *, minutes: float = 0) -> uuid.UUID:
    """As the drain would: its row, and what follows."""
    [message_id] = file_together(runtime, (device, said), minutes=minutes)
    return message_id


def file_together(runtime: Runtime, *messages: tuple[Device, Message], minutes: float = 0) -> list[uuid.UUID]:
    """In one batch."""
    with runtime.sessions.begin() as session:
        rows = [(row(session, device, said, minutes), said) for device, said in messages]
        file_messages(runtime, session, rows)
        return [one.id for one, _ in rows]


def file_again(runtime: Runtime, message_id: uuid.UUID, said: Message) -> None:
    with runtime.sessions.begin() as session:
        file_messages(runtime, session, [(session.get_one(LabMessage, message_id), said)])


def row(session: Session, device: Device, said: Message, minutes: float = 0) -> LabMessage:
    record = Record(
        id=new_id(), journal="j", sequence=new_id().int % 10**12, node="n", segment=1, offset=0, size_bytes=1,
        kind="hl7.message", state=RecordState.INDEXED, origin={}, institution_id=device.institution_id,
        device_id=device.id, received_at=NOW + timedelta(minutes=minutes), sha256=new_id().hex,
    )  # fmt: skip
    made = LabMessage(
        id=new_id(), record=record, institution_id=device.institution_id, device_id=device.id, wire="hl7",
        kind=said.kind.value, state=MessageState.HELD, results=said.results, received_at=record.received_at,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def _at(one: StatedResult, position: int) -> StatedResult:
    return StatedResult(**{name: getattr(one, name) for name in one.__slots__} | {"position": position})


def _with(specimen: Specimen, results: tuple[StatedResult, ...]) -> Specimen:
    return Specimen(**{name: getattr(specimen, name) for name in specimen.__slots__} | {"results": results})
