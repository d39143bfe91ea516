"""What every row shares: the declarative base, ids that sort by time, and times that are always aware UTC."""

import secrets
import time
import uuid
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import JSON, DateTime, Dialect, Enum, MetaData, TypeDecorator, Uuid
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


def new_id() -> uuid.UUID:
    """A UUIDv7 (RFC 9562 §5.7): 48 bits of milliseconds, then random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def local_date(moment: datetime) -> date:
    """The day it is for the people of the county."""
    return moment.astimezone(COUNTY_TIME).date()


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
