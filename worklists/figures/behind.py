"""What stands behind a figure: the examinations that it counted, the last first.

They are met in the order of the figure's own moment, so that fifty of a million are read from the end of an index and
nothing is put in order. The indexes by time begin with a centre: each is walked by itself, no further than a page.
"""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true, union_all
from sqlalchemy.orm import Session

from worklists.among import among
from worklists.directory import Kind
from worklists.errors import Invalid
from worklists.figures.asking import By, Measure, Question, Span, spans_of
from worklists.figures.clock import utc_hour
from worklists.figures.counting import COUNTY_HOURS, Source
from worklists.figures.measuring import MEASURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An examination at a moment at which it was counted."""

    at: datetime
    examination_id: uuid.UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The rows that one number counted; an examination may be behind several of them."""

    source: Source
    condition: ColumnElement[bool]
    centre_ids: frozenset[uuid.UUID] | None = None

    def meet(self, session: Session, before: Counted | None, limit: int) -> list[Counted]:
        """The next so many before one, the last first."""
        at, examination = self.source.at.label("at"), self.source.examination_id.label("examination_id")
        rows = select(at, examination).select_from(self.source.row).where(self.condition)
        if before is not None:
            rows = rows.where(self._is_before(before))
        rows = rows.order_by(at.desc(), examination.desc()).limit(limit)
        each = [rows.where(walk).subquery() for walk in self._walks()]
        merged = union_all(*(select(one) for one in each)).subquery("met")
        found = select(merged).order_by(merged.c.at.desc(), merged.c.examination_id.desc()).limit(limit)
        return [Counted(at=row[0], examination_id=row[1]) for row in session.execute(found)]

    def last_of(
        self, session: Session, examination_ids: Collection[uuid.UUID]
    ) -> Mapping[uuid.UUID, datetime]:
        """When each of these was counted last."""
        asked = among(session, self.source.examination_id, examination_ids)
        last = select(self.source.examination_id, func.max(self.source.at)).where(self.condition, asked)
        return dict(session.execute(last.group_by(self.source.examination_id)).all())

    def _walks(self) -> list[ColumnElement[bool]]:
        if self.centre_ids is None or not self.source.by_centre:
            return [true()]
        return [self.source.of_centres(frozenset({one})) for one in sorted(self.centre_ids)]

    def _is_before(self, one: Counted) -> ColumnElement[bool]:
        """Said twice: only the first condition begins to walk an index where the last page ended."""
        at, examination = self.source.at, self.source.examination_id
        return and_(at <= one.at, or_(at < one.at, examination < one.examination_id))


def get_behind(which: Measure, question: Question, *, column: str, key: str | None) -> Behind:
    """Of a column of one line, or of all lines without a key. Raises Invalid."""
    question.check()
    measured = MEASURES[which]
    if column not in measured.narrowed:
        raise Invalid("column", "unknown")
    source = measured.source_of(column, question.by)
    if not source.can_be_told_by(question.by):
        raise Invalid("by", "unknown")
    narrowed: Any = measured.narrowed[column]
    condition = and_(_when(source, question, key), source.narrowed(question), narrowed)
    if key is not None and not question.spans:
        condition = and_(condition, _of_line(source, question.by, key))
    return Behind(source=source, condition=condition, centre_ids=question.centre_ids)


def _when(source: Source, question: Question, key: str | None) -> ColumnElement[bool]:
    """Of a month or a day its own time alone: a walk begins where that ends."""
    when = _span(question, key) if question.spans and key is not None else question
    return and_(source.at >= when.begin, source.at < when.end)


def _of_line(source: Source, by: By, key: str) -> ColumnElement[bool]:
    if by is By.HOUR:
        return utc_hour(source.at) == (_number(key) - COUNTY_HOURS) % 24
    column: Any = source.keys[by]
    return and_(column == _value(by, key))


def _span(question: Question, key: str) -> Span:
    for span in spans_of(question):
        if span.key == key:
            return span
    raise Invalid("key", "unknown")


def _value(by: By, key: str) -> Any:
    if by in {By.TOWNSHIP, By.READER} or (by is By.KIND and key not in set(Kind)):
        try:
            return uuid.UUID(key)
        except ValueError as error:
            raise Invalid("key", "unknown") from error
    return _number(key) if by is By.PRIORITY else key


def _number(key: str) -> int:
    if not key.isascii() or not key.isdigit():
        raise Invalid("key", "unknown")
    return int(key)
