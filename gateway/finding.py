"""Finding: the parts that list queries share. Days of the county, pages that stay in place, counts of tabs."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased
from sqlalchemy.sql.base import ExecutableOption

from gateway.database import plan_as_usual
from worklists.among import among
from worklists.base import COUNTY_TIME
from worklists.errors import Invalid
from worklists.reading import Purpose, ReadingTask, TaskState

SEPARATOR = "|"
_ON_PAGE, _MOST = "on_page", "most_rows"
COUNTED_LIMIT = (
    500  # rows are counted no further: what is behind grows for years, and nobody reads the number
)


def day_begin(day: date) -> datetime:
    """When a day of the county begins."""
    return datetime.combine(day, time(), COUNTY_TIME).astimezone(UTC)


def on_days(
    moment: InstrumentedAttribute[datetime], first: date | None, last: date | None
) -> list[ColumnElement[bool]]:
    """Between two days, both inclusive; either may be open."""
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(moment >= day_begin(first))
    if last is not None:
        conditions.append(moment < day_begin(last + timedelta(days=1)))
    return conditions


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Which rows a page has, and the key of the last of them where another page follows."""

    ids: Sequence[uuid.UUID]
    next_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order that is total, so that a page goes on where the last one ended, whatever came in between."""

    keys: Sequence[tuple[InstrumentedAttribute[Any], bool]]  # column, whether it descends
    readers: Sequence[Callable[[str], Any]]  # how a value of each is read from a cursor

    def apply(self, query: Select[Any], cursor: str | None, limit: int) -> Select[Any]:
        """The page behind the cursor, and one row more: the sign that there is another page."""
        if cursor is not None:
            query = query.where(self._behind(self._read(cursor)))
        return query.order_by(*(c.desc() if down else c.asc() for c, down in self.keys)).limit(limit + 1)

    def find(
        self,
        session: Session,
        query: Select[Any],
        id_column: InstrumentedAttribute[uuid.UUID],
        cursor: str | None,
        limit: int,
    ) -> "Found":
        """The ids of a page, of which everything shown is asked once it is known which they are."""
        keys = [column for column, _ in self.keys]
        found = query.with_only_columns(id_column, *keys, maintain_column_froms=True)
        rows = session.execute(self.apply(found, cursor, limit)).all()
        plan_as_usual(session)
        more = len(rows) > limit
        return Found(
            ids=[row[0] for row in rows[:limit]], next_key=self.key_of(rows[limit - 1][1:]) if more else None
        )

    def counted(
        self,
        query: Select[Any],
        id_column: InstrumentedAttribute[uuid.UUID],
        *,
        listed: ColumnElement[bool],
        tabs: Mapping[str, ColumnElement[bool]],
        cursor: str | None = None,
    ) -> Select[Any]:
        """A statement: the page of those that are listed, and how many rows of the query each tab has, met once for
        both. For rows that are few enough to meet every one; see `find_counted`.
        """
        behind = [] if cursor is None else [self._behind(self._read(cursor))]
        on_page = and_(listed, *behind).is_(true()).label(_ON_PAGE)
        counts = [func.count().filter(tab).over().label(name) for name, tab in tabs.items()]
        keys = [column for column, _ in self.keys]
        met = query.with_only_columns(id_column, *keys, on_page, *counts, maintain_column_froms=True)
        ordered = met.order_by(on_page.desc(), *(c.desc() if down else c.asc() for c, down in self.keys))
        return ordered.limit(bindparam(_MOST, type_=Integer()))

    def find_counted(
        self, session: Session, counted: Select[Any], limit: int, **parameters: object
    ) -> tuple["Found", dict[str, int]]:
        """What a statement of `counted` finds."""
        rows = session.execute(counted, {_MOST: limit + 1} | parameters).all()
        shown = [row for row in rows if row._mapping[_ON_PAGE]]
        more = len(shown) > limit
        key = self.key_of(shown[limit - 1][1 : 1 + len(self.keys)]) if more else None
        names = [column.name for column in counted.selected_columns][2 + len(self.keys) :]
        counts = rows[0][2 + len(self.keys) :] if rows else [0] * len(names)
        return Found(ids=[row[0] for row in shown[:limit]], next_key=key), _no_further(
            dict(zip(names, counts, strict=True))
        )

    def page(
        self,
        session: Session,
        query: Select[Any],
        id_column: InstrumentedAttribute[uuid.UUID],
        cursor: str | None,
        limit: int,
        *options: ExecutableOption,
    ) -> list[Any]:
        """The rows of `apply` by their ids: what is shown of them is fetched only once it is known which they are."""
        found = query.with_only_columns(id_column, maintain_column_froms=True)
        ids = session.scalars(self.apply(found, cursor, limit)).all()
        plan_as_usual(session)
        shown = select(id_column.class_).where(among(session, id_column, ids))
        rows = session.scalars(shown.options(*options)).unique()
        by_id = {row.id: row for row in rows}
        return [by_id[one] for one in ids]

    def key_of(self, values: Sequence[object]) -> str:
        return SEPARATOR.join(v.isoformat() if isinstance(v, datetime) else str(v) for v in values)

    def _behind(self, values: Sequence[Any]) -> ColumnElement[bool]:
        ways: list[ColumnElement[bool]] = []
        for place, (column, down) in enumerate(self.keys):
            same = [c == v for (c, _), v in zip(self.keys[:place], values, strict=False)]
            further = column < values[place] if down else column > values[place]
            ways.append(and_(*same, further))
        return or_(*ways)

    def _read(self, cursor: str) -> list[Any]:
        try:
            return [read(part) for read, part in zip(self.readers, cursor.split(SEPARATOR), strict=True)]
        except ValueError as error:
            raise Invalid("cursor") from error


def read_counts(row: Row[Any]) -> dict[str, int]:
    """What a row of counts says, no further than the limit."""
    return _no_further(row._mapping)


def _no_further(counts: Mapping[Any, int]) -> dict[str, int]:
    return {name: min(count, COUNTED_LIMIT) for name, count in counts.items()}


def count_up_to_limit(session: Session, query: Select[Any]) -> int:
    """How many rows a query finds; COUNTED_LIMIT says that there are so many or more."""
    return count_each_up_to_limit(session, {"": query})[""]


def count_each_up_to_limit(session: Session, queries: Mapping[str, Select[Any]]) -> dict[str, int]:
    """The same of many queries, asked at once."""
    return dict(zip(queries, session.execute(counting_each(queries)).one(), strict=True))


def counting_each(queries: Mapping[str, Select[Any]]) -> Select[Any]:
    """A statement: one row, how many each query finds, up to the limit."""
    counts: list[Any] = [_count_of(query).label(name or "found") for name, query in queries.items()]
    return select(*counts)


def _count_of(query: Select[Any]) -> ScalarSelect[int]:
    found = query.with_only_columns(literal(1), maintain_column_froms=True).order_by(None)
    return select(func.count()).select_from(found.limit(COUNTED_LIMIT).subquery()).scalar_subquery()


def newest_read_task() -> ColumnElement[bool]:
    """The task that reads an examination; where one was begun anew, the newest. An amendment given up is none."""
    newer = aliased(ReadingTask)
    return and_(
        ReadingTask.purpose == Purpose.READ,
        or_(ReadingTask.amends_id.is_(None), ReadingTask.state != TaskState.CANCELLED),
        ~select(newer.id)
        .where(newer.examination_id == ReadingTask.examination_id)
        .where(newer.purpose == Purpose.READ, newer.id > ReadingTask.id)
        .where(or_(newer.amends_id.is_(None), newer.state != TaskState.CANCELLED))
        .correlate(ReadingTask)
        .exists(),
    )
