"""Searching: the reports that may be seen, the last first, and what is written of them, page by page.

A page looks at so many reports at most, and says where to go on even when it found little in them; nothing is shown
twice, whatever is signed meanwhile.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from adapters.reports.fhir.parts import Resource
from gateway.fhir.errors import BadSearch
from gateway.fhir.parameters import PARAMETERS, Parameter
from gateway.fhir.versions import (
    Version,
    is_last,
    last_version,
    updated_at,
    visible_reports,
    write_provenances,
    write_resources,
)
from worklists.access import Subject
from worklists.directory import Kind
from worklists.examinations import Examination
from worklists.reports import Report

USUAL_COUNT, MOST_COUNT = 50, 100
LOOKED_AT = 100  # reports for one page
_SAME = {
    ":identifier": ".identifier"
}  # of a reference's identifier (R4 3.1.1.4.8) we say the same as of its target's


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a walk is: the report it stopped in, and how much of that was shown."""

    updated_at: datetime
    report_id: uuid.UUID
    shown: int

    def __str__(self) -> str:
        return f"{self.updated_at.isoformat()}|{self.report_id}|{self.shown}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Raises ValueError."""
        at, report_id, shown = text.split("|")
        return cls(updated_at=datetime.fromisoformat(at), report_id=uuid.UUID(report_id), shown=int(shown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What was asked: kind, and each parameter with its value as often as it was given."""

    kind: str
    stated: Sequence[tuple[str, str]]
    count: int = USUAL_COUNT
    place: Place | None = None

    def parameters(self) -> Iterator[tuple[Parameter, str]]:
        """Raises BadSearch for what is not known here."""
        for name, value in self.stated:
            yield find_parameter(self.kind, name), value


@dataclass(slots=True, kw_only=True)
class Page:
    """What was found, of which reports, and where to go on."""

    resources: list[Resource] = field(default_factory=list)
    reports: dict[uuid.UUID, None] = field(default_factory=dict)
    place: Place | None = None


def find_parameter(kind: str, name: str) -> Parameter:
    for modifier, chained in _SAME.items():
        if name.endswith(modifier):
            name = name.removesuffix(modifier) + chained
    found = PARAMETERS[kind].get(name)
    if found is None:
        raise BadSearch(name, f"not one of {', '.join(sorted(PARAMETERS[kind]))}")
    return found


def search(session: Session, subject: Subject, asked: Search, *, base_url: str) -> Page:
    """Raises BadSearch."""
    query = _reports(session, subject, asked)
    tests = [(one.test, value) for one, value in asked.parameters() if one.test]
    page, looked_at = Page(), 0
    for report, updated in session.execute(query.limit(LOOKED_AT + 1)):
        looked_at += 1
        version = last_version(report, updated)
        skip = asked.place.shown if asked.place and asked.place.report_id == report.id else 0
        if looked_at > LOOKED_AT:
            page.place = Place(updated_at=updated, report_id=report.id, shown=0)
            break
        for shown, one in enumerate(_of(session, asked.kind, version, base_url)):
            if shown < skip or not all(test(one, value) for test, value in tests):
                continue
            if len(page.resources) == asked.count:
                page.place = Place(updated_at=updated, report_id=report.id, shown=shown)
                return page
            page.resources.append(one)
            page.reports[report.id] = None
    return page


def _reports(session: Session, subject: Subject, asked: Search) -> Select[Any]:
    at = updated_at()
    query = visible_reports(subject).add_columns(at).where(is_last())
    for one, value in asked.parameters():
        if one.where is not None:
            query = query.where(one.where(session, value))
    if asked.kind == "ImagingStudy":
        query = query.where(Examination.kind == Kind.IMAGING)
    if asked.kind == "Patient":
        query = query.where(_last_of_patient())
    if asked.place is not None:
        place = asked.place
        query = query.where(
            (at < place.updated_at) | ((at == place.updated_at) & (Report.id <= place.report_id))
        )
    return query.order_by(at.desc(), Report.id.desc())


def _last_of_patient() -> Any:
    """A patient is shown as their last report names them."""
    mine, other = aliased(Report), aliased(Examination)
    last = (
        select(mine.id)
        .join(other, other.id == mine.examination_id)
        .where(other.patient_id == Examination.patient_id, mine.pdf_sha256.is_not(None))
        .order_by(mine.id.desc())
        .limit(1)
        .correlate(Examination)
        .scalar_subquery()
    )
    return Report.id == last


def _of(session: Session, kind: str, version: Version, base_url: str) -> list[Resource]:
    if kind == "Provenance":
        return write_provenances(session, version, base_url=base_url)
    made = write_resources(session, version, base_url=base_url)
    return [one for one in made if one["resourceType"] == kind]
