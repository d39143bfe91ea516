"""Which resources can be searched by what: the table that requests are read by, and that is told as capabilities.

A parameter narrows reports (a condition on rows) or what is written of them (a test of a resource). What is not in the
table is refused: a filter that was passed over would show somebody else's results.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select
from sqlalchemy.orm import Session

from adapters.reports.fhir.parts import DICOM_UIDS, ORDERS, REPORTS, Resource
from adapters.reports.fhir.source import patient_system
from adapters.reports.hl7_report import SECTIONS
from gateway.fhir.errors import BadSearch
from gateway.fhir.versions import updated_at
from worklists.base import COUNTY_TIME
from worklists.directory import Institution, Kind
from worklists.examinations import Examination
from worklists.laboratory.specimens import LabSpecimen
from worklists.patients import Patient
from worklists.reports import Report

Where = Callable[[Session, str], ColumnElement[bool]]
Test = Callable[[Resource, str], bool]

_DATE = re.compile(r"(eq|ne|gt|ge|lt|le)?(\d{4}(?:-\d\d(?:-\d\d(?:T.*)?)?)?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One search parameter (R4 3.1.1): its type, and how it narrows. `told` False: another spelling of one."""

    type: str
    where: Where | None = None
    test: Test | None = None
    told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A date or time as it was written: from its first moment to before the one after its last."""

    prefix: str
    first: datetime
    after: datetime

    def holds(self, low: Any, high: Any) -> Any:
        """Of a moment (R4 3.1.1.4.7), as columns."""
        ways: Mapping[str, Callable[[], Any]] = {
            "eq": lambda: and_(low >= self.first, high < self.after),
            "ne": lambda: or_(low < self.first, high >= self.after),
            "gt": lambda: high >= self.after,
            "ge": lambda: high >= self.first,
            "lt": lambda: low < self.first,
            "le": lambda: low < self.after,
        }
        return ways[self.prefix]()


def read_span(name: str, value: str) -> Span:
    """Days without a time are those of the county. Raises BadSearch."""
    match = _DATE.fullmatch(value)
    if match is None:
        raise BadSearch(name, "a date, with eq, ne, gt, ge, lt or le before it")
    prefix, text = match.group(1) or "eq", match.group(2)
    try:
        first, after = _bounds(text)
    except ValueError as error:
        raise BadSearch(name, "a date that there is") from error
    return Span(prefix=prefix, first=first, after=after)


def _bounds(text: str) -> tuple[datetime, datetime]:
    if "T" in text:
        at = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that nobody encoded
        at = (at if at.tzinfo else at.replace(tzinfo=COUNTY_TIME)).astimezone(UTC)
        return at, at + timedelta(microseconds=1 if at.microsecond else 1_000_000)
    year, *rest = (int(part) for part in text.split("-"))
    month = rest[0] if rest else 1
    first = date(year, month, rest[1] if len(rest) > 1 else 1)
    if len(rest) == 2:
        after = first + timedelta(days=1)
    else:
        after = date(year + (month == 12 or not rest), month % 12 + 1 if rest else 1, 1)
    return _midnight(first), _midnight(after)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=COUNTY_TIME).astimezone(UTC)


def read_token(value: str) -> tuple[str | None, str]:
    """System and code; a system that is None was not said (R4 3.1.1.4.10)."""
    system, bar, code = value.partition("|")
    return (system, code) if bar else (None, value)


def read_id(name: str, value: str, kind: str = "") -> uuid.UUID | None:
    """Of ours, with or without its type before it; None for one that is none of ours."""
    prefix, _, text = value.rpartition("/")
    if kind and prefix.rpartition("/")[2] not in {"", kind}:
        raise BadSearch(name, f"a reference to {kind}")
    try:
        return uuid.UUID(text.partition(".")[0])
    except ValueError:
        return None


def _by_id(column: Any, kind: str = "") -> Where:
    def where(_session: Session, value: str) -> ColumnElement[bool]:
        return or_(
            *(column == found for one in value.split(",") if (found := read_id("_id", one, kind))), false()
        )

    return where


def _patient_number(session: Session, value: str) -> ColumnElement[bool]:
    system, number = read_token(value)
    theirs = Examination.patient_id.in_(select(Patient.id).where(Patient.patient_id == number))
    if system is None:
        return theirs
    codes = session.execute(select(Institution.id, Institution.code))
    meant = [id_ for id_, code in codes if patient_system(code) == system]
    return and_(theirs, Examination.institution_id.in_(meant)) if meant and number else false()


def _report_number(_session: Session, value: str) -> ColumnElement[bool]:
    system, number = read_token(value)
    of_it = select(Report.examination_id).where(Report.number == number)
    if system is None:
        return Report.examination_id.in_(of_it)
    kinds = [Kind(kind) for kind, known in REPORTS.items() if known == system]
    return and_(Report.examination_id.in_(of_it), Examination.kind.in_(kinds)) if kinds else false()


def _order(_session: Session, value: str) -> ColumnElement[bool]:
    """An accession number; of a specimen the number of its order."""
    system, number = read_token(value)
    if not number or system not in {None, ORDERS}:
        return false()
    tubes = select(LabSpecimen.examination_id).where(LabSpecimen.order_number == number)
    images = and_(Examination.kind != Kind.LABORATORY, Examination.accession_number == number)
    return or_(images, Examination.id.in_(tubes))


def _study(_session: Session, value: str) -> ColumnElement[bool]:
    system, uid = read_token(value)
    known = system in {None, DICOM_UIDS}
    return Examination.study_instance_uid == uid.removeprefix("urn:oid:") if known and uid else false()


def _category(_session: Session, value: str) -> ColumnElement[bool]:
    codes = {read_token(one)[1] for one in value.split(",")}
    return Examination.kind.in_([Kind(kind) for kind, code in SECTIONS.items() if code in codes])


def _on(name: str, column: Any) -> Where:
    def where(_session: Session, value: str) -> ColumnElement[bool]:
        found: ColumnElement[bool] = read_span(name, value).holds(column(), column())
        return found

    return where


def _at(name: str, member: str) -> Test:
    def test(resource: Resource, value: str) -> bool:
        if member not in resource:
            return False
        span, at = read_span(name, value), datetime.fromisoformat(resource[member])
        inside = span.first <= at < span.after
        return {"eq": inside, "ne": not inside, "gt": at >= span.after, "ge": at >= span.first,
                "lt": at < span.first, "le": at < span.after}[span.prefix]  # fmt: skip

    return test


def _coded(*path: str) -> Test:
    """Any coding of a concept, of a list of concepts, or a plain code."""

    def test(resource: Resource, value: str) -> bool:
        wanted = [read_token(one) for one in value.split(",")]
        found = _codings(resource.get(path[0]))
        return any(code == c and system in {None, s} for system, code in wanted for s, c in found)

    return test


def _codings(value: Any) -> list[tuple[str, str]]:
    if isinstance(value, str):
        return [("", value)]
    if isinstance(value, list):
        return [pair for one in value for pair in _codings(one)]
    if not isinstance(value, Mapping):
        return []
    if "coding" in value:
        return _codings(value["coding"])
    return [(value.get("system", ""), value.get("code", ""))]


def _effective() -> ColumnElement[datetime]:
    return func.coalesce(Examination.studied_at, Examination.received_at)


_OF_PATIENTS = {
    "patient": Parameter(type="reference", where=_by_id(Examination.patient_id, "Patient")),
    "subject": Parameter(type="reference", where=_by_id(Examination.patient_id, "Patient")),
    "patient.identifier": Parameter(type="token", where=_patient_number, told=False),
    "subject.identifier": Parameter(type="token", where=_patient_number, told=False),
}
_COMMON = {"_lastUpdated": Parameter(type="date", where=_on("_lastUpdated", updated_at))}
_OF_EXAMINATION = _by_id(Examination.id)

PARAMETERS: Mapping[str, Mapping[str, Parameter]] = {
    "DiagnosticReport": {
        "_id": Parameter(type="token", where=_OF_EXAMINATION),
        **_COMMON,
        **_OF_PATIENTS,
        "identifier": Parameter(type="token", where=_report_number),
        "based-on": Parameter(type="reference", where=_by_id(Examination.id, "ServiceRequest")),
        "based-on.identifier": Parameter(type="token", where=_order, told=False),
        "category": Parameter(type="token", where=_category),
        "code": Parameter(type="token", test=_coded("code")),
        "date": Parameter(type="date", where=_on("date", _effective)),
        "issued": Parameter(type="date", where=_on("issued", lambda: Report.signed_at)),
        "status": Parameter(type="token", test=_coded("status")),
    },
    "Observation": {
        "_id": Parameter(
            type="token", where=_OF_EXAMINATION, test=lambda one, value: one["id"] in value.split(",")
        ),
        **_COMMON,
        **_OF_PATIENTS,
        "category": Parameter(type="token", test=_coded("category")),
        "code": Parameter(type="token", test=_coded("code")),
        "date": Parameter(type="date", test=_at("date", "effectiveDateTime")),
        "status": Parameter(type="token", test=_coded("status")),
    },
    "ImagingStudy": {
        "_id": Parameter(type="token", where=_OF_EXAMINATION),
        **_COMMON,
        **_OF_PATIENTS,
        "identifier": Parameter(type="token", where=_study),
        "basedon": Parameter(type="reference", where=_by_id(Examination.id, "ServiceRequest")),
        "basedon.identifier": Parameter(type="token", where=_order, told=False),
        "modality": Parameter(type="token", test=_coded("modality")),
        "started": Parameter(type="date", where=_on("started", lambda: Examination.studied_at)),
    },
    "Provenance": {
        **_COMMON,
        "target": Parameter(type="reference", where=_by_id(Examination.id, "DiagnosticReport")),
        "recorded": Parameter(type="date", test=_at("recorded", "recorded")),
    },
    "Patient": {
        "_id": Parameter(type="token", where=_by_id(Examination.patient_id)),
        **_COMMON,
        "identifier": Parameter(type="token", where=_patient_number),
    },
}

# By what each kind is sorted: of what is the same for all that belongs to a report, or of the report itself.
_UPDATED: Mapping[str, Callable[[], ColumnElement[datetime]]] = {"_lastUpdated": updated_at}
SORTED_BY: Mapping[str, Mapping[str, Callable[[], Any]]] = {
    **dict.fromkeys(PARAMETERS, _UPDATED),
    "DiagnosticReport": {**_UPDATED, "date": _effective, "issued": lambda: Report.signed_at},
}
