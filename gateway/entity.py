"""What every entity of the administration has: its declaration, its fields, and checks that several share.

A check answers field → reason (a key of `gateway.web.words.fields.REASONS`); it looks at the row as it would become.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    create_model,
)
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from worklists.base import Base
from worklists.directory import Device, Institution, Person

Reasons = dict[str, str]
CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
OptionalText = Annotated[Text | None, BeforeValidator(_none_if_blank)]


class Fields(BaseModel):
    """What of an entity can be written."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)


Check = Callable[[Session, Any], Reasons]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One kind of thing that is edited. `fixed` fields cannot change once it exists; `shown` are only read."""

    name: str
    path: str
    row: type[Base]
    fields: type[Fields]
    check: Check
    key: str = "id"
    fixed: frozenset[str] = frozenset()
    shown: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict)
    routes_work: bool = False  # whether open work that no centre has may now find one

    @property
    def title(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))

    def new_model(self) -> type[BaseModel]:
        """The body of a POST."""
        return create_model(f"New{self.title}", __base__=self.fields, **self._optional(self.secrets))

    def patch_model(self) -> type[BaseModel]:
        """The body of a PATCH: any of the fields; what is not named stays."""
        kept = {name: (_annotation(info), None) for name, info in self.fields.model_fields.items()}
        fields: dict[str, Any] = {**kept, **self._optional(self.secrets)}
        return create_model(f"{self.title}Changes", __base__=Fields, **fields)

    def shape_model(self) -> type[BaseModel]:
        """What is answered; `revision` says which content of the fields it is."""
        fields: dict[str, Any] = {name: (kind, ...) for name, kind in self.shown.items()}
        fields["revision"] = (str, ...)
        if self.key == "id":
            fields["id"] = (uuid.UUID, ...)
        return create_model(self.title, __base__=self.fields, **fields)

    def parse_key(self, text: str) -> Any:
        """A key as its column has it; None when it cannot be one."""
        if self.key != "id":
            return text
        try:
            return uuid.UUID(text)
        except ValueError:
            return None

    @staticmethod
    def _optional(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {name: (kind | None, None) for name, kind in fields.items()}


def _annotation(info: Any) -> Any:
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def check_dates(begin: date, end: date | None, name: str) -> Reasons:
    return {name: "dates"} if end is not None and end < begin else {}


def check_exists(session: Session, row: type[Base], key: Any, name: str) -> Reasons:
    return {} if session.get(row, key) is not None else {name: "unknown"}


def is_taken(session: Session, row: Institution | Device | Person, same: ColumnElement[bool]) -> bool:
    kind = type(row)
    return session.scalars(select(kind.id).where(same, kind.id != row.id)).first() is not None
