"""QIDO-RS (PS3.18 10.6): studies, series and instances that match, a fixed number of queries for any answer.

Fuzzy matching finds a patient's name also by its pinyin and initials. Not supported and said so: empty value matching
(a Warning header), XML answers (406). Attributes that the index does not keep cannot be matched (400, naming them);
asked for in `includefield` they are left out.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydicom.datadict import dictionary_has_tag, keyword_dict
from sqlalchemy import ColumnElement, Integer, Row, Select, Uuid, bindparam, cast, func, or_, select
from sqlalchemy.orm import Session

from gateway.dicomweb.attributes import ATTRIBUTES, BY_KEYWORD, BY_TAG, MODALITIES_IN_STUDY, Attribute, Level
from gateway.dicomweb.errors import BadQuery
from gateway.dicomweb.matching import match_words
from gateway.index import Instance, Record, Series, Study, is_indexed
from worklists.access import Sight, Subject, visible_to
from worklists.examinations import Examination
from worklists.patients import Patient

RESULTS_LIMIT = 5000  # studies, or series or instances across studies; those of one study are never cut
_KEYS = {"StudyInstanceUID", "SeriesInstanceUID"}  # always said, so that a result can be followed
_PARAMETERS = {"limit", "offset", "fuzzymatching", "includefield", "accept", "charset", "emptyvaluematching"}

_TOTALS = (
    select(Series.study_id, Series.modality, func.count(), func.sum(Series.instances))
    .where(Series.study_id.in_(bindparam("studies", expanding=True)), Series.instances > 0)
    .group_by(Series.study_id, Series.modality)
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search as it was asked for."""

    level: Level
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    matches: tuple[tuple[Attribute, str], ...] = ()
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False
    empty_values: bool = False

    @property
    def page(self) -> int | None:
        """How many results at most; None: all of them."""
        if self.study_instance_uid is not None:
            return self.limit
        return min(self.limit if self.limit is not None else RESULTS_LIMIT, RESULTS_LIMIT)

    @property
    def is_wide(self) -> bool:
        """Nothing below the studies narrows it."""
        return self.series_instance_uid is None and all(one.level is Level.STUDY for one, _ in self.matches)

    @property
    def lowest_shown(self) -> Level:
        """Attributes of the levels above are in the answer too when the path does not say them."""
        if self.series_instance_uid is not None:
            return Level.INSTANCE
        return Level.STUDY if self.study_instance_uid is None else Level.SERIES


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    results: list[Json]
    warnings: list[str] = field(default_factory=list)


def read_query(
    level: Level,
    parameters: Iterable[tuple[str, str]],
    *,
    study_instance_uid: str | None = None,
    series_instance_uid: str | None = None,
) -> Query:
    """Read the parameters of a request. BadQuery names the one that cannot be used."""
    matches: list[tuple[Attribute, str]] = []
    options: dict[str, str] = {}
    for name, value in parameters:
        if name == "includefield":
            _check_fields(value)
        elif name in _PARAMETERS:
            options[name] = value
        else:
            attribute = _attribute(name, level)
            if value.strip("*"):  # empty, or only asterisks: universal matching
                matches.append((attribute, value))
    return Query(
        level=level,
        study_instance_uid=study_instance_uid,
        series_instance_uid=series_instance_uid,
        matches=tuple(matches),
        limit=_whole_number("limit", options["limit"]) if options.get("limit") else None,
        offset=_whole_number("offset", options.get("offset") or "0"),
        fuzzy=options.get("fuzzymatching", "").lower() == "true",
        empty_values=options.get("emptyvaluematching", "").lower() == "true",
    )


def search(session: Session, subject: Subject, query: Query, base_url: str) -> Found:
    """What matches and the caller may see, as DICOM JSON."""
    shown = _shown(query.level, query.lowest_shown)
    statement = _columns(query.level, query.lowest_shown, study_first=query.is_wide)
    statement = statement.where(visible_to(subject, Sight.IMAGES), *_conditions(query))
    if query.page is not None:
        statement = statement.limit(query.page + 1)
    rows = session.execute(statement.offset(query.offset)).all()
    more = query.page is not None and len(rows) > query.page
    rows = rows[: query.page]
    results = [_write(row, shown, base_url, query.level) for row in rows]
    if query.level is Level.STUDY:
        _add_study_totals(session, results, rows)
    ordered = [dict(sorted(result.items())) for result in results]
    return Found(results=ordered, warnings=_warnings(query, more))


@cache
def _shown(level: Level, lowest: Level) -> tuple[Attribute, ...]:
    return tuple(
        one for one in ATTRIBUTES if one.level <= level and (one.level >= lowest or one.keyword in _KEYS)
    )


@cache
def _columns(level: Level, lowest: Level, *, study_first: bool) -> Select[Any]:
    """The columns of an answer in their order: the study's row, the attributes, the instances of the series.

    With `study_first` the studies are walked, the newest first, until the page is full: SQLite knows no statistics
    and would sort all instances instead, so it is kept from beginning at the series or at the current instances.
    """
    study_id = cast(Study.id, Uuid) if study_first else Study.id
    current = cast(Instance.current, Integer) == 1 if study_first else Instance.current
    columns = [one.column.label(one.keyword) for one in _shown(level, lowest)]
    statement = select(Study.id.label("study_row"), *columns).select_from(Study)
    statement = statement.join(Examination, Examination.id == Study.examination_id)
    statement = statement.join(Patient, Patient.id == Examination.patient_id)
    order: list[Any] = [Study.study_date.desc(), Study.study_time.desc(), Study.id.desc()]
    if level >= Level.SERIES:
        statement = statement.join(Series, Series.study_id == study_id).where(Series.instances > 0)
        statement = statement.add_columns(Series.instances.label("instances_in_series"))
        order += [Series.series_number.nulls_last(), Series.series_instance_uid]
    if level is Level.INSTANCE:
        statement = statement.join(Instance, Instance.series_id == Series.id)
        statement = statement.join(Record, Record.id == Instance.record_id)
        statement = statement.where(current, is_indexed())
        order += [Instance.instance_number.nulls_last(), Instance.sop_instance_uid]
    return statement.order_by(*order)


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    conditions = [_condition(one, value, fuzzy=query.fuzzy) for one, value in query.matches]
    if query.study_instance_uid is not None:
        conditions.append(Study.study_instance_uid == query.study_instance_uid)
    if query.series_instance_uid is not None:
        conditions.append(Series.series_instance_uid == query.series_instance_uid)
    return conditions


def _condition(one: Attribute, value: str, *, fuzzy: bool) -> ColumnElement[bool]:
    """A patient's attribute is looked up among the patients first: few of them match, and all studies would be walked."""
    condition = one.match(one.column, value, one.keyword)
    if fuzzy and one.vr == "PN":
        column = Patient.search_text if one.keyword == "PatientName" else one.column
        condition = or_(condition, match_words(column, value))
    if one.keyword.startswith("Patient"):
        return Examination.patient_id.in_(select(Patient.id).where(condition).correlate(None))
    return condition


def _write(row: Row[Any], shown: Sequence[Attribute], base_url: str, level: Level) -> Json:
    written: Json = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    }
    value: Any
    for one, value in zip(shown, row[1:], strict=False):
        written[one.tag] = one.write(value)
    path = f"{base_url}/studies/{row.StudyInstanceUID}"
    if level >= Level.SERIES:
        path += f"/series/{row.SeriesInstanceUID}"
        written["00201209"] = {"vr": "IS", "Value": [row.instances_in_series]}
    if level is Level.INSTANCE:
        path += f"/instances/{row.SOPInstanceUID}"
    written["00081190"] = {"vr": "UR", "Value": [path]}
    return written


def _add_study_totals(session: Session, results: list[Json], rows: Sequence[Row[Any]]) -> None:
    """Modalities and counts of the studies on this page."""
    totals: dict[Any, list[tuple[str, int, int]]] = defaultdict(list)
    for start in range(0, len(rows), 500):  # SQLite takes a bounded number of parameters
        ids = [row.study_row for row in rows[start : start + 500]]
        for study, modality, series, instances in session.execute(_TOTALS, {"studies": ids}):
            totals[study].append((modality, series, int(instances)))
    for result, row in zip(results, rows, strict=True):
        found = totals[row.study_row]
        modalities = sorted({modality for modality, _, _ in found if modality})
        result[MODALITIES_IN_STUDY.tag] = {"vr": "CS", **({"Value": modalities} if modalities else {})}
        result["00201206"] = {"vr": "IS", "Value": [sum(series for _, series, _ in found)]}
        result["00201208"] = {"vr": "IS", "Value": [sum(instances for _, _, instances in found)]}


def _warnings(query: Query, more: bool) -> list[str]:
    warnings = []
    if query.empty_values:
        warnings.append(
            "The emptyvaluematching parameter is not supported. Empty Value Matching has not been performed."
        )
    if more and (query.limit is None or query.limit > RESULTS_LIMIT):
        warnings.append("There are additional results that can be requested.")
    return warnings


def _attribute(name: str, level: Level) -> Attribute:
    found = BY_KEYWORD.get(name) or BY_TAG.get(name.upper())
    if found is None:
        raise BadQuery(name, "this attribute cannot be searched by")
    if found.level > level:
        raise BadQuery(name, f"this attribute cannot be matched at the level of a {level.name.lower()}")
    return found


def _check_fields(value: str) -> None:
    for name in value.split(","):
        is_tag = len(name) == 8 and all(character in "0123456789abcdefABCDEF" for character in name)
        known = name in {"", "all"} or name.split(".")[0] in keyword_dict
        if not known and not (is_tag and (int(name, 16) >> 16 & 1 or dictionary_has_tag(int(name, 16)))):
            raise BadQuery("includefield", f"{name[:64]} is no attribute")


def _whole_number(name: str, value: str) -> int:
    if not value.isdecimal() or len(value) > 9:
        raise BadQuery(name, "a whole number is expected")
    return int(value)
