"""One resource by its id: which report it stands in, and what is written of that."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, or_
from sqlalchemy.orm import Session

from adapters.reports.fhir.parts import Resource
from gateway.fhir.versions import (
    Version,
    find_version,
    is_last,
    last_version,
    updated_at,
    visible_reports,
    write_provenances,
    write_resources,
)
from worklists.access import Subject
from worklists.directory import Centre
from worklists.errors import NotFound
from worklists.examinations import Examination
from worklists.reports import Report

# How the id of a resource finds a report in which it stands; of several the last.
_STANDS_IN: Mapping[str, Callable[[uuid.UUID], ColumnElement[bool]]] = {
    "DiagnosticReport": lambda id_: Examination.id == id_,
    "Observation": lambda id_: Examination.id == id_,
    "ImagingStudy": lambda id_: Examination.id == id_,
    "ServiceRequest": lambda id_: Examination.id == id_,
    "Specimen": lambda id_: Examination.id == id_,
    "Patient": lambda id_: Examination.patient_id == id_,
    "Organization": lambda id_: or_(
        Examination.institution_id == id_, Report.centre.has(Centre.institution_id == id_)
    ),
    "Practitioner": lambda id_: or_(Report.writer_id == id_, Report.signed_by_id == id_),
}
READABLE = (*_STANDS_IN, "Provenance", "Binary", "Endpoint")
NOBODYS = frozenset({"Organization", "Practitioner", "Endpoint"})  # they tell of no patient


def read_resource(
    session: Session, subject: Subject, kind: str, id_: str, *, base_url: str
) -> tuple[Resource, Report]:
    """With the report that it was read from. Raises NotFound."""
    number = _id_of(id_)
    version = (
        _of_version(session, subject, number)
        if kind == "Provenance"
        else _last(session, subject, kind, number)
    )
    write = write_provenances if kind == "Provenance" else write_resources
    return _pick(write(session, version, base_url=base_url), kind, id_), version.report


def read_version(
    session: Session, subject: Subject, id_: str, version: str, *, base_url: str
) -> tuple[Resource, Report]:
    """A DiagnosticReport as it was. Raises NotFound."""
    found = find_version(session, subject, _id_of(id_), version)
    return _pick(write_resources(session, found, base_url=base_url), "DiagnosticReport", id_), found.report


def find_report(session: Session, subject: Subject, id_: str) -> Report:
    """Any version, whose document is a Binary. Raises NotFound."""
    query = visible_reports(subject).where(Report.id == _id_of(id_))
    report = session.scalars(query).one_or_none()
    if report is None:
        raise NotFound("Binary")
    return report


def _last(session: Session, subject: Subject, kind: str, number: uuid.UUID) -> Version:
    query: Any = visible_reports(subject).add_columns(updated_at()).where(is_last())
    if kind != "Endpoint":
        query = query.where(_STANDS_IN[kind](number))
    row = session.execute(query.order_by(Report.id.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFound(kind)
    return last_version(*row)


def _of_version(session: Session, subject: Subject, report_id: uuid.UUID) -> Version:
    query = visible_reports(subject).add_columns(updated_at()).where(Report.id == report_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise NotFound("Provenance")
    return last_version(*row)


def _pick(made: list[Resource], kind: str, id_: str) -> Resource:
    for one in made:
        if (one["resourceType"], one["id"]) == (kind, id_):
            return one
    raise NotFound(kind)


def _id_of(id_: str) -> uuid.UUID:
    try:
        return uuid.UUID(id_.partition(".")[0])
    except ValueError as error:
        raise NotFound("resource") from error
