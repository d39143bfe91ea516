"""Reports as FHIR counts them: one for each examination, in versions; there once its signed document is kept."""

import hashlib
import json
import uuid
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, ScalarSelect, Select, func, select
from sqlalchemy.orm import Session, aliased

from adapters.reports.fhir.bundle import resources_of
from adapters.reports.fhir.parts import Resource, moment
from adapters.reports.fhir.source import FhirReport, Links
from gateway.fhir_reports import fhir_report
from worklists.access import Sight, Subject, visible_to
from worklists.errors import NotFound
from worklists.examinations import Examination
from worklists.reports import Report, ReportReturn, ReportState, ReturnNotice

VOID = "-void"  # behind the version that was made void


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of one report, as it was; `withdrawn`: as it is since it was made void."""

    report: Report
    withdrawn: bool
    updated_at: datetime

    @property
    def id(self) -> str:
        return f"{self.report.version}{VOID if self.withdrawn else ''}"


def visible_reports(subject: Subject) -> Select[Report]:
    """Every version whose document is kept, of what the subject may see."""
    return (
        select(Report)
        .join(Examination, Examination.id == Report.examination_id)
        .where(visible_to(subject, Sight.REPORT), Report.pdf_sha256.is_not(None))
    )


def is_last() -> ColumnElement[bool]:
    """The version that counts, or that was made void."""
    later = aliased(Report)
    return ~(
        select(later.id)
        .where(later.examination_id == Report.examination_id, later.version > Report.version)
        .where(later.pdf_sha256.is_not(None))
        .correlate(Report)
        .exists()
    )


def updated_at() -> ColumnElement[datetime]:
    """Since when it is there, or void: when it came back to the institution that made the examination."""
    return func.coalesce(_returned_at(None), Report.signed_at)


def _returned_at(notice: ReturnNotice | None) -> ScalarSelect[datetime | None]:
    query = (
        select(func.max(ReportReturn.delivered_at))
        .where(ReportReturn.report_id == Report.id)
        .where(ReportReturn.recipient_id == Examination.institution_id)
        .correlate(Report, Examination)
    )
    return (query if notice is None else query.where(ReportReturn.notice == notice)).scalar_subquery()


def last_version(report: Report, updated: datetime) -> Version:
    return Version(report=report, withdrawn=report.state is ReportState.VOID, updated_at=updated)


def find_version(session: Session, subject: Subject, examination_id: uuid.UUID, version: str) -> Version:
    """One by its number, with `-void` behind it since it is that. Raises NotFound."""
    number, withdrawn = version.removesuffix(VOID), version.endswith(VOID)
    if not number.isdecimal() or len(number) > 4:
        raise NotFound("version")
    notice = ReturnNotice.VOID if withdrawn else ReturnNotice.REPORT
    at = func.coalesce(_returned_at(notice), Report.signed_at)
    row = session.execute(
        visible_reports(subject)
        .add_columns(at)
        .where(Report.examination_id == examination_id, Report.version == int(number))
    ).one_or_none()
    if row is None or (withdrawn and row[0].state is not ReportState.VOID):
        raise NotFound("version")
    return Version(report=row[0], withdrawn=withdrawn, updated_at=row[1])


def write_resources(session: Session, version: Version, *, base_url: str) -> list[Resource]:
    """All that belongs to it, each with its version and since when it is so."""
    return _stamped(_written(session, version, base_url), version)


def write_provenances(session: Session, version: Version, *, base_url: str) -> list[Resource]:
    """Of every version up to this one, and of what was made void."""
    before = session.scalars(
        select(Report)
        .where(Report.examination_id == version.report.examination_id, Report.pdf_sha256.is_not(None))
        .where(Report.version <= version.report.version)
        .order_by(Report.version)
    )
    found: list[Resource] = []
    for report in before:
        for withdrawn in (False, True) if report.state is ReportState.VOID else (False,):
            one = Version(report=report, withdrawn=withdrawn, updated_at=version.updated_at)
            made = write_resources(session, one, base_url=base_url)
            found += [resource for resource in made if resource["resourceType"] == "Provenance"]
    return found


def _written(session: Session, version: Version, base_url: str) -> FhirReport:
    made = fhir_report(session, version.report, base_url=base_url, withdrawn=version.withdrawn)
    return replace(made, document_as="linked")


def _stamped(made: FhirReport, version: Version) -> list[Resource]:
    return [
        {"resourceType": one["resourceType"], "id": one["id"], "meta": _meta(one, version), **one}
        for one in resources_of(made, Links())
    ]


def _meta(resource: Resource, version: Version) -> Resource:
    """A report has our versions; what else is told with it may have been told otherwise by another report."""
    id_ = version.id
    if resource["resourceType"] != "DiagnosticReport":
        id_ = hashlib.sha256(json.dumps(resource, sort_keys=True).encode()).hexdigest()[:16]
    return {"versionId": id_, "lastUpdated": moment(version.updated_at)}
