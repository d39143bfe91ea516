"""What every row shares: the declarative base, ids that sort by time, and times that are always aware UTC."""

import secrets
import threading
import time
import uuid
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, DateTime, Dialect, Enum, MetaData, TypeDecorator, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

COUNTY_TIME = ZoneInfo("Asia/Shanghai")
JsonValue = JSON().with_variant(JSONB(), "postgresql")

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


_IN_ONE_MS = 1 << 12
_SET_BACK_MS = 10_000


class _Ticks(threading.local):
    """Time that never stands still, for each thread: milliseconds, and a count within each.

    A clock that is set back a little is waited for; one that was far ahead is not followed.
    """

    last = 0

    def next(self) -> int:
        now = time.time_ns() // 1_000_000 * _IN_ONE_MS
        behind = self.last + 1 - now
        self.last = self.last + 1 if 0 < behind < _SET_BACK_MS * _IN_ONE_MS else now
        return self.last


_ticks = _Ticks()


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, a counter of 12 (§6.2, method 1), then random bits.

    Those of one thread sort as they were made.
    """
    milliseconds, count = divmod(_ticks.next(), _IN_ONE_MS)
    return uuid.UUID(
        int=(milliseconds & (1 << 48) - 1) << 80 | 7 << 76 | count << 64 | 2 << 62 | secrets.randbits(62)
    )


def local_date(moment: datetime) -> date:
    """The day it is for the people of the county."""
    return moment.astimezone(COUNTY_TIME).date()


def local_clock(moment: datetime) -> tuple[int, int]:
    """Hour and minute as the clocks of the county show them."""
    there = moment.astimezone(COUNTY_TIME)
    return there.hour, there.minute


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time. A naive one is a programming error; SQLite's naive answers become aware again."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Words as plain text: readable in any tool, and a new one needs no migration.
_WORD = Enum(
    StrEnum, native_enum=False, length=40, values_callable=lambda words: [word.value for word in words]
)


def only_where(condition: str) -> dict[str, Any]:
    """For an `Index` of few of many rows: those of which this is so."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Base(DeclarativeBase):
    """The one declarative base: worklists' rows and gateway's rows share its metadata."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy reads it from the class)
        uuid.UUID: Uuid(as_uuid=True),
        datetime: UtcDateTime(),
        StrEnum: _WORD,
        dict[str, Any]: JsonValue,
        list[Any]: JsonValue,
    }
