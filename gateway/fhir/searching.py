"""Searching: the reports that may be seen, in order, and what is written of them, page by page.

A page looks at so many reports at most, and says where to go on even when it found little in them; nothing is shown
twice, whatever is signed meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session, aliased

from adapters.reports.fhir.parts import Resource
from gateway.fhir.asking import Place, Search
from gateway.fhir.errors import BadSearch
from gateway.fhir.including import included_with
from gateway.fhir.parameters import SORTED_BY
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
from worklists.examinations import Examination
from worklists.reports import Report

LOOKED_AT = 100  # reports for one page
MOST_IN_ALL = 500  # resources of a page, with what comes along
_ONE_FOR_EACH = {
    "DiagnosticReport",
    "Patient",
}  # of these there are as many as reports, or patients, were found


@dataclass(slots=True, kw_only=True)
class Page:
    """What was found and what comes along with it, of which reports, how many there are, and where to go on."""

    resources: list[Resource] = field(default_factory=list)
    along: dict[str, Resource] = field(default_factory=dict)
    reports: dict[UUID, None] = field(default_factory=dict)
    total: int | None = None
    place: Place | None = None

    def is_full(self, count: int) -> bool:
        return len(self.resources) >= count or len(self) >= MOST_IN_ALL

    def take(self, match: Resource, report: Report, along: Sequence[Resource]) -> None:
        self.resources.append(match)
        self.reports[report.id] = None
        for one in along:
            self.along.setdefault(f"{one['resourceType']}/{one['id']}", one)

    def __len__(self) -> int:
        return len(self.resources) + len(self.along)


def search(session: Session, subject: Subject, asked: Search, *, base_url: str) -> Page:
    """Raises BadSearch."""
    page = Page(total=_total(session, subject, asked))
    if not asked.count:
        return page
    tests = [(one.test, value) for one, value in asked.parameters() if one.test]
    query = _in_order(_reports(session, subject, asked), asked)
    for looked_at, (report, updated, at) in enumerate(session.execute(query.limit(LOOKED_AT + 1))):
        skip = asked.place.shown if asked.place and asked.place.report_id == report.id else 0
        if looked_at == LOOKED_AT:
            page.place = Place(at=at, report_id=report.id, shown=0)
            break
        made = _Made(session, asked, last_version(report, updated), base_url)
        for shown, one in enumerate(made.matches):
            if shown < skip or not all(test(one, value) for test, value in tests):
                continue
            if page.is_full(asked.count):
                page.place = Place(at=at, report_id=report.id, shown=shown)
                return page
            page.take(one, report, made.along(one))
    return page


class _Made:
    """What is written of one report: what is looked for, and what comes along with it."""

    def __init__(self, session: Session, asked: Search, version: Version, base_url: str):
        self._asked = asked
        self._provenances: Sequence[Resource] = ()
        if asked.kind == "Provenance" or asked.reverse:
            self._provenances = write_provenances(session, version, base_url=base_url)
        self._all: Sequence[Resource] = (
            () if asked.kind == "Provenance" else write_resources(session, version, base_url=base_url)
        )

    @property
    def matches(self) -> Sequence[Resource]:
        if self._asked.kind == "Provenance":
            return self._provenances
        return [one for one in self._all if one["resourceType"] == self._asked.kind]

    def along(self, match: Resource) -> list[Resource]:
        found = list(included_with(match, self._asked.include, self._all))
        return [*found, *self._provenances] if self._asked.reverse else found


def _total(session: Session, subject: Subject, asked: Search) -> int | None:
    """How many there are, where that can be counted from rows. Raises BadSearch where nothing else was asked for."""
    if asked.count and not asked.total:
        return None
    if asked.kind not in _ONE_FOR_EACH or any(one.test for one, _ in asked.parameters()):
        if not asked.count:
            raise BadSearch("_summary", f"this is not counted of {asked.kind}: ask for pages")
        return None
    found = _reports(session, subject, asked).with_only_columns(Report.id).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def _reports(session: Session, subject: Subject, asked: Search) -> Select[Any]:
    query: Select[Any] = visible_reports(subject).where(is_last())
    for one, value in asked.parameters():
        if one.where is not None:
            query = query.where(one.where(session, value))
    if asked.kind == "ImagingStudy":
        query = query.where(Examination.study_instance_uid.is_not(None))
    if asked.kind == "Patient":
        query = query.where(_last_of_patient())
    return query


def _in_order(query: Select[Any], asked: Search) -> Select[Any]:
    """From the place on, with since when each is so and by what it is sorted."""
    at, place = SORTED_BY[asked.kind][asked.sorted_by](), asked.place
    query = query.add_columns(updated_at(), at)
    if asked.descending:
        if place is not None:
            query = query.where((at < place.at) | ((at == place.at) & (Report.id <= place.report_id)))
        return query.order_by(at.desc(), Report.id.desc())
    if place is not None:
        query = query.where((at > place.at) | ((at == place.at) & (Report.id >= place.report_id)))
    return query.order_by(at, Report.id)


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
