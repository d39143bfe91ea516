"""What is signed of an examination besides its text; of a specimen, its results and the messages that they came in."""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.index import Record
from gateway.lab.rows import LabMessage
from worklists.examinations import Examination
from worklists.laboratory.reporting import state_results
from worklists.recognition import Mark
from worklists.reports import Original


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Marks and originals of any report; results of a specimen's."""

    marks: Sequence[Mark]
    originals: Sequence[Original]
    results: Mapping[str, Any] | None = None
    critical: bool = False
    pending: Sequence[str] = ()  # names of tests without a result


def say_results(session: Session, examination: Examination, *, print_community_mark: bool) -> Said:
    """Raises ResultsWaiting, ReportIncomplete."""
    statement = state_results(session, examination, print_community_mark=print_community_mark)
    return Said(
        marks=statement.marks,
        originals=originals_of(session, statement.message_ids),
        results=statement.content,
        critical=statement.critical,
        pending=statement.pending,
    )


def originals_of(session: Session, message_ids: Collection[uuid.UUID]) -> list[Original]:
    """A message has no UID of its own: it has that of its id (PS3.5 B.2)."""
    rows = session.execute(
        select(LabMessage.id, Record.sha256, Record.size_bytes)
        .join(Record, Record.id == LabMessage.record_id)
        .where(LabMessage.id.in_(message_ids))
    )
    return [
        Original(sop_instance_uid=f"2.25.{about.int}", sha256=sha256, size_bytes=size)
        for about, sha256, size in rows
    ]
