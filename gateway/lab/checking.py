"""What `gateway check` says of the laboratory: messages, results, specimens and attachments against one another.

That an original's bytes are those that were accepted is said of every record elsewhere; here is whether what the rows
say of them still holds.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from adapters.errors import Malformed, Unavailable
from gateway.index import Record
from gateway.lab.bodies import LAB_KINDS
from gateway.lab.looking import content_at
from gateway.lab.rows import LabHeld, LabMessage, MessageState
from gateway.originals import read_original
from gateway.runtime import Runtime
from worklists.examinations import Examination
from worklists.laboratory.control import ControlResult
from worklists.laboratory.results import LabAttachment, LabResult
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import Patient

Said = tuple[str, str]  # where, what
_AT_ONCE = 500


def find_faults(runtime: Runtime) -> Iterator[Said]:
    with runtime.reading() as session:
        for query, where, what in _QUERIES:
            for found in session.scalars(query.execution_options(yield_per=_AT_ONCE)):
                yield f"{where} {found}", what
        yield from _unreadable_attachments(runtime, session)


def _without_message(row: Any) -> Select[uuid.UUID]:
    """Rows of results have no foreign key: worklists know no messages."""
    known = exists().where(LabMessage.id == row.message_id)
    return select(row.id).where(row.message_id.is_not(None), ~known)


def _waiting() -> ColumnElement[bool]:
    return exists().where(LabHeld.message_id == LabMessage.id, LabHeld.resolved_at.is_(None))


def _recorded() -> Any:
    own = select(func.count()).select_from(LabResult).where(LabResult.message_id == LabMessage.id)
    return own.scalar_subquery()


_TWICE = (
    select(LabResult.examination_id)
    .where(LabResult.current)
    .group_by(LabResult.examination_id, LabResult.item_code)
    .having(func.count() > 1)
)
_QUERIES: tuple[tuple[Select[uuid.UUID], str, str], ...] = (
    (
        select(Record.id)
        .outerjoin(LabMessage, LabMessage.record_id == Record.id)
        .where(Record.kind.in_(LAB_KINDS), LabMessage.id.is_(None)),
        "record",
        "is a laboratory message without a row",
    ),
    (_without_message(LabResult), "result", "its message is not there"),
    (_without_message(ControlResult), "control result", "its message is not there"),
    (_without_message(LabAttachment), "attachment", "its message is not there"),
    (
        select(LabMessage.id).where(LabMessage.state == MessageState.HELD, ~_waiting()),
        "message",
        "is held, and nothing of it waits for anybody",
    ),
    (
        select(LabMessage.id).where(LabMessage.state == MessageState.FILED, _waiting()),
        "message",
        "is filed, and something of it waits for a person",
    ),
    (
        select(LabMessage.id).where(_recorded() > LabMessage.filed),
        "message",
        "has more results than it is said to have filed",
    ),
    (_TWICE, "examination", "has two results of one item that count"),
    (
        select(LabResult.id)
        .join(Examination, Examination.id == LabResult.examination_id)
        .where(LabResult.patient_id != Examination.patient_id),
        "result",
        "is another patient's than its examination",
    ),
    (
        select(LabSpecimen.id)
        .outerjoin(Patient, Patient.id == LabSpecimen.patient_id)
        .outerjoin(Examination, Examination.id == LabSpecimen.examination_id)
        .where(
            or_(
                Patient.id.is_(None),
                and_(LabSpecimen.examination_id.is_not(None), Examination.id.is_(None)),
                Examination.patient_id != LabSpecimen.patient_id,
            )
        ),
        "specimen",
        "its patient is not there, or is not its examination's",
    ),
    (
        select(LabResult.id).where(
            LabResult.message_id.is_not(None),
            ~exists().where(LabSpecimen.examination_id == LabResult.examination_id),
        ),
        "result",
        "no specimen has its examination",
    ),
)


def _unreadable_attachments(runtime: Runtime, session: Session) -> Iterator[Said]:
    """A picture whose message is whole and no longer has it is as lost as one whose bytes are rotten."""
    rows = session.execute(
        select(LabAttachment, Record)
        .join(LabMessage, LabMessage.id == LabAttachment.message_id)
        .join(Record, Record.id == LabMessage.record_id)
        .execution_options(yield_per=_AT_ONCE)
    )
    for attachment, record in rows:
        try:
            content_at(record, read_original(runtime, record), attachment.position)
        except (Malformed, Unavailable) as error:
            yield f"attachment {attachment.id}", f"cannot be read out of its message: {error}"
