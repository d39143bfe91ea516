"""What stands behind a figure: the examinations that it counted."""

import uuid
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select

from worklists.directory import Kind
from worklists.errors import Invalid
from worklists.figures.asking import By, Measure, Question, Span, spans_of
from worklists.figures.clock import utc_hour
from worklists.figures.counting import COUNTY_HOURS, Source
from worklists.figures.measuring import MEASURES


def examinations_behind(
    which: Measure, question: Question, *, column: str, key: str | None
) -> Select[uuid.UUID]:
    """A select of ids: of a column of one line, or of all lines without a key. Raises Invalid."""
    question.check()
    measured = MEASURES[which]
    if column not in measured.narrowed:
        raise Invalid("column", "unknown")
    source = measured.source_of(column, question.by)
    if not source.can_be_told_by(question.by):
        raise Invalid("by", "unknown")
    narrowed: Any = measured.narrowed[column]
    condition = and_(source.within(question), narrowed)
    if key is not None:
        condition = and_(condition, _of_line(source, question, key))
    return select(source.examination_id).select_from(source.row).where(condition)


def _of_line(source: Source, question: Question, key: str) -> ColumnElement[bool]:
    if question.by in {By.MONTH, By.DAY}:
        span = _span(question, key)
        return and_(source.at >= span.begin, source.at < span.end)
    if question.by is By.HOUR:
        return utc_hour(source.at) == (_number(key) - COUNTY_HOURS) % 24
    column: Any = source.keys[question.by]
    return and_(column == _value(question.by, key))


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
