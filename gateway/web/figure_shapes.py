"""The wire of the head's figures: what is asked, and what is answered."""

import uuid
from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway.overlooking import Overlook
from gateway.web.shapes import NamedShape, SiteShape
from worklists.directory import Centre, Kind
from worklists.errors import NotAllowed, NotFound
from worklists.figures.asking import By, Measure, Question


class FigureLine(BaseModel):
    key: str
    name: str
    values: dict[str, float | int | None]


class FiguresShape(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    measure: Measure
    by: By
    first: date
    last: date
    columns: list[str]
    listed: list[str]  # of which columns the examinations can be listed
    items: list[FigureLine]
    total: dict[str, float | int | None]


class ChoicesShape(BaseModel):
    """What can be asked, and of what: `names` says whether readers are named, `patients` whether examinations are opened."""

    centres: list[NamedShape]
    sites: list[SiteShape]
    measures: list[Measure]
    names: bool
    patients: bool


class NowShape(BaseModel):
    """What waits at this moment, and what is late. Times are of the present month's signatures."""

    open: int
    late: int
    paused: int
    critical_open: int
    unread: int
    preliminary: int
    turnaround: dict[str, float | int | None]
    quality: dict[str, float | int | None]


class Narrowed:
    """What of all that the caller sees is asked for."""

    def __init__(
        self,
        first: Annotated[date, Query(alias="from")],
        last: Annotated[date, Query(alias="to")],
        by: By = By.TOWNSHIP,
        centre: uuid.UUID | None = None,
        kind: Kind | None = None,
        site: uuid.UUID | None = None,
        modality: Annotated[str, Query(max_length=16)] = "",
    ):
        self.first, self.last, self.by = first, last, by
        self.centre, self.kind, self.site, self.modality = centre, kind, site, modality

    def question(self, session: Session, sight: Overlook) -> Question:
        """Raises NotFound for what is not theirs, NotAllowed for names that they do not see."""
        if self.by is By.READER and not sight.names:
            raise NotAllowed("names of readers")
        if self.site is not None and sight.institution_id not in {None, self.site}:
            raise NotFound("site")
        return Question(
            by=self.by,
            first=self.first,
            last=self.last,
            centre_ids=self._centres(session, sight),
            institution_id=sight.institution_id or self.site,
            asked_there=sight.institution_id is not None,
            modality=self.modality,
        )

    def _centres(self, session: Session, sight: Overlook) -> frozenset[uuid.UUID] | None:
        if self.centre is None and self.kind is None:
            return sight.centre_ids
        query = select(Centre.id)
        if self.centre is not None:
            query = query.where(Centre.id == self.centre)
        if self.kind is not None:
            query = query.where(Centre.kind == self.kind)
        wanted = frozenset(session.scalars(query))
        return wanted if sight.centre_ids is None else wanted & sight.centre_ids
