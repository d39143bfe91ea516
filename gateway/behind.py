"""The examinations behind a figure, page by page: each once, as far as somebody may see them."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.finding import SEPARATOR, Found, newest_read_task
from worklists.access import Subject, visible_to
from worklists.among import among
from worklists.errors import Invalid
from worklists.examinations import Examination
from worklists.figures.behind import Behind, Counted
from worklists.reading import ReadingTask

MOST_AT_ONCE = 1000  # of those that are met and perhaps not shown


def find_behind(session: Session, subject: Subject, behind: Behind, cursor: str | None, limit: int) -> Found:
    """The tasks of a page, where each examination was counted last first. Raises Invalid."""
    found: list[tuple[Counted, uuid.UUID]] = []
    for met in _batches(session, behind, _read(cursor), limit + 1):
        found += _shown(session, subject, _only_last(session, behind, met))
        if len(found) > limit:
            break
    page = found[:limit]
    return Found(
        ids=[task_id for _, task_id in page], next_key=_key_of(page[-1][0]) if len(found) > limit else None
    )


def _batches(session: Session, behind: Behind, before: Counted | None, size: int) -> Iterator[list[Counted]]:
    """What was counted, from the last on; more of it each time that it was not enough."""
    while met := behind.meet(session, before, size):
        yield met
        if len(met) < size:
            return
        before, size = met[-1], min(2 * size, MOST_AT_ONCE)


def _only_last(session: Session, behind: Behind, met: Sequence[Counted]) -> list[Counted]:
    """Without those that a later one stands for, on this page or on one before."""
    last = behind.last_of(session, {one.examination_id for one in met})
    return [one for one in dict.fromkeys(met) if last[one.examination_id] == one.at]


def _shown(session: Session, subject: Subject, counted: Sequence[Counted]) -> list[tuple[Counted, uuid.UUID]]:
    tasks = _tasks_of(session, subject, [one.examination_id for one in counted])
    return [(one, tasks[one.examination_id]) for one in counted if one.examination_id in tasks]


def _tasks_of(
    session: Session, subject: Subject, examination_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, uuid.UUID]:
    found = (
        select(Examination.id, ReadingTask.id)
        .join(ReadingTask, ReadingTask.examination_id == Examination.id)
        .where(among(session, Examination.id, examination_ids), visible_to(subject), newest_read_task())
    )
    return dict(session.execute(found).all())


def _key_of(one: Counted) -> str:
    return f"{one.at.isoformat()}{SEPARATOR}{one.examination_id}"


def _read(cursor: str | None) -> Counted | None:
    if cursor is None:
        return None
    try:
        at, examination_id = cursor.split(SEPARATOR)
        return Counted(at=datetime.fromisoformat(at), examination_id=uuid.UUID(examination_id))
    except ValueError as error:
        raise Invalid("cursor") from error
