"""Attributes to search by and to answer with, each with its column (PS3.18 Tables 10.6.1-5, 10.6.3-3 to -5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import cached_property
from json.encoder import encode_basestring as quote  # text outside ASCII as it is
from typing import Any

from pydicom.datadict import tag_for_keyword
from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.orm import aliased

from gateway.dicomweb.errors import BadQuery
from gateway.dicomweb.matching import (
    Matcher,
    match_codes,
    match_date,
    match_name,
    match_number,
    match_text,
    match_time,
    match_uids,
    read_ends,
)
from gateway.index import Instance, Series, Study
from worklists.patients import Patient


class Level(IntEnum):
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute: where it lives, how it is matched, how it is written."""

    keyword: str
    level: Level
    vr: str
    column: Any
    match: Matcher

    @cached_property
    def tag(self) -> str:
        return f"{tag_for_keyword(self.keyword):08X}"

    @cached_property
    def write(self) -> Callable[[Any], str]:
        """What turns a value of the column into the attribute as it stands in a JSON object, its tag before it."""
        empty = f'"{self.tag}":{{"vr":"{self.vr}"}}'
        begin, write_value = f'{empty[:-1]},"Value":[', _WRITERS.get(self.vr, _write_text)

        def write(value: Any) -> str:
            written = write_value(value)
            return f"{begin}{written}]}}" if written else empty

        return write


def match_birth_date(column: Any, value: str, name: str) -> ColumnElement[bool]:
    """Birth dates are dates in the database, and looked up by their index."""
    first, last = (_read_date(end, name) if end else None for end in read_ends(value, name))
    if first == last:
        return and_(column == first)
    return and_(
        column.is_not(None), *([column >= first] if first else []), *([column <= last] if last else [])
    )


def _read_date(text: str, name: str) -> date:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError as error:
        raise BadQuery(name, "there is no such day") from error


def match_modalities(column: Any, value: str, name: str) -> ColumnElement[bool]:
    """Any series of the study is of one of these modalities."""
    other = aliased(Series)
    return exists(
        select(other.id).where(other.study_id == Study.id, match_codes(other.modality, value, name))
    )


def _write_text(value: Any) -> str:
    if isinstance(value, str):
        return quote(value) if value else ""
    return "" if value is None else str(value)


def _write_name(value: str | None) -> str:
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), (value or "").split("="), strict=False)
    named = [f'"{group}":{quote(text)}' for group, text in groups if text.strip("^ ")]
    return f"{{{','.join(named)}}}" if named else ""


def _write_date(value: date | str | None) -> str:
    if isinstance(value, date):
        return f'"{value:%Y%m%d}"'
    return quote(value) if value else ""


_WRITERS: Mapping[str, Callable[[Any], str]] = {"PN": _write_name, "DA": _write_date}


def _at(level: Level, *rows: tuple[str, str, Any, Matcher]) -> list[Attribute]:
    return [Attribute(keyword=k, level=level, vr=vr, column=c, match=m) for k, vr, c, m in rows]


ATTRIBUTES: tuple[Attribute, ...] = (
    *_at(
        Level.STUDY,
        ("StudyDate", "DA", Study.study_date, match_date),
        ("StudyTime", "TM", Study.study_time, match_time),
        ("AccessionNumber", "SH", Study.accession_number, match_text),
        ("ReferringPhysicianName", "PN", Study.referring_physician_name, match_name),
        ("StudyDescription", "LO", Study.study_description, match_text),
        ("PatientName", "PN", Patient.name, match_name),
        ("PatientID", "LO", Patient.patient_id, match_text),
        ("PatientBirthDate", "DA", Patient.birth_date, match_birth_date),
        ("PatientSex", "CS", Patient.sex, match_text),
        ("StudyInstanceUID", "UI", Study.study_instance_uid, match_uids),
        ("StudyID", "SH", Study.study_id, match_text),
    ),
    *_at(
        Level.SERIES,
        ("Modality", "CS", Series.modality, match_codes),
        ("SeriesInstanceUID", "UI", Series.series_instance_uid, match_uids),
        ("SeriesNumber", "IS", Series.series_number, match_number),
        ("SeriesDescription", "LO", Series.series_description, match_text),
        ("BodyPartExamined", "CS", Series.body_part_examined, match_text),
        ("ProtocolName", "LO", Series.protocol_name, match_text),
        ("StationName", "SH", Series.station_name, match_text),
        ("Manufacturer", "LO", Series.manufacturer, match_text),
    ),
    *_at(
        Level.INSTANCE,
        ("SOPClassUID", "UI", Instance.sop_class_uid, match_uids),
        ("SOPInstanceUID", "UI", Instance.sop_instance_uid, match_uids),
        ("InstanceNumber", "IS", Instance.instance_number, match_number),
        ("Rows", "US", Instance.rows, match_number),
        ("Columns", "US", Instance.columns, match_number),
        ("NumberOfFrames", "IS", Instance.number_of_frames, match_number),
        ("AvailableTransferSyntaxUID", "UI", Instance.transfer_syntax_uid, match_uids),
    ),
)
MODALITIES_IN_STUDY = Attribute(
    keyword="ModalitiesInStudy", level=Level.STUDY, vr="CS", column=None, match=match_modalities
)
BY_KEYWORD = {one.keyword: one for one in (*ATTRIBUTES, MODALITIES_IN_STUDY)}
BY_TAG = {one.tag: one for one in BY_KEYWORD.values()}
