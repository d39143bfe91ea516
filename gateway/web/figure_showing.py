"""Figures as they are answered: lines with their names in their order, and the rows of a workbook."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.xlsx import Cell
from gateway.figure_words import COLUMNS, cell, heading, line_name
from gateway.overlooking import Overlook
from gateway.web.figure_shapes import FigureLine, FiguresShape
from worklists.directory import Centre, Institution, Person
from worklists.examinations import Priority
from worklists.figures.asking import By, Measure, Question
from worklists.figures.counting import text_key
from worklists.figures.measuring import MEASURES, Answer
from worklists.figures.tallies import Number

_PRIORITIES = {one.rank: one.value for one in Priority}


def show_figures(
    session: Session, which: Measure, question: Question, answer: Answer, sight: Overlook
) -> FiguresShape:
    lines = sorted(_named(session, question.by, answer), key=lambda line: (line[0], line[1]))
    return FiguresShape(
        measure=which,
        by=question.by,
        first=question.first,
        last=question.last,
        columns=list(MEASURES[which].columns),
        listed=list(MEASURES[which].narrowed) if sight.patients else [],
        items=[FigureLine(key=key, name=name, values=dict(values)) for _, name, key, values in lines],
        total=dict(answer.total),
    )


def _named(session: Session, by: By, answer: Answer) -> Iterator[tuple[str, str, str, Mapping[str, Number]]]:
    """Order, name, key and values of each line; a line without a key is what nobody is known of."""
    keys = [line.key for line in answer.lines if line.key is not None]
    if by is By.TOWNSHIP:
        sites = {row.id: row for row in session.scalars(select(Institution).where(Institution.id.in_(keys)))}
        named = {key: (row.code, row.name) for key, row in sites.items()}
    elif by is By.READER:
        people = session.scalars(select(Person).where(Person.id.in_(keys)))
        named = {row.id: (row.name, row.name) for row in people}
    elif by is By.KIND:
        named = _named_centres(session, keys)
    elif by is By.PRIORITY:
        named = {key: (text_key(key), _PRIORITIES.get(key, text_key(key))) for key in keys}
    else:
        named = {key: (text_key(key), text_key(key)) for key in keys}
    for line in answer.lines:
        order, name = named.get(line.key, ("~", ""))
        yield order, name, text_key(line.key) if line.key is not None else "", line.values


def _named_centres(session: Session, keys: Sequence[Any]) -> dict[Any, tuple[str, str]]:
    """A line by kind is a centre's; of critical values it is the kind itself."""
    ids = [key for key in keys if isinstance(key, uuid.UUID)]
    rows = session.scalars(select(Centre).where(Centre.id.in_(ids)))
    return {row.id: (row.kind.value, row.name) for row in rows} | {
        key: (str(key), str(key)) for key in keys if not isinstance(key, uuid.UUID)
    }


def rows_of(shown: FiguresShape, language: str) -> list[list[Cell]]:
    """Heading, lines and total of a sheet."""
    english = language == "en"
    lines = [(line_name(shown.by, line.name, english), line.values) for line in shown.items]
    lines.append(("Total" if english else "合计", shown.total))
    head: list[Cell] = [heading(shown.by, english), *(COLUMNS[name][english] for name in shown.columns)]
    return [
        head,
        *([name, *(cell(column, values[column]) for column in shown.columns)] for name, values in lines),
    ]
