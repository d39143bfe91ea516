"""Reading text again: what the originals of an examination say in another character set, written where it is known.

The index, the worklists and the patient's name follow; the originals stay, and so does what a person typed.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from adapters.dicom.header import InstanceHeader
from gateway import live, text_doubts, work
from gateway.index import Instance, Record, Series, Study, character_set_of
from gateway.originals import read_original
from gateway.records import header_of
from gateway.runtime import Runtime
from gateway.sweep import Leased
from gateway.text_doubts import DoubtState, TextDoubt
from worklists import examinations
from worklists.base import new_id
from worklists.directory import Device, Person
from worklists.errors import Conflict, NotFound
from worklists.examinations import Examination

HEAD_BYTES = 1 << 16
CLOCK_SKEW = timedelta(minutes=10)  # between who receives and who decides
FOLLOW_AT_ONCE = 500

_arrived_as = func.coalesce(Record.origin["character_set"].as_string(), "")  # what it was read with


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What originals say, read with one character set: the study by its first, each series by one of its own."""

    term: str  # "" as they declare themselves
    study: InstanceHeader
    series: Mapping[uuid.UUID, InstanceHeader]
    before: InstanceHeader  # the first one, as it was read until now
    of_study_before: str | None
    as_on_arrival: bool  # the same for all of them

    @property
    def in_doubt(self) -> InstanceHeader | None:
        """What makes no sense, read so."""
        headers = (self.study, *self.series.values())
        return next((header for header in headers if header.proposed_character_set), None)


def read_again(runtime: Runtime, examination_id: uuid.UUID, term: str) -> Reread:
    """Read one original of each series. Raises NotFound, Unavailable."""
    with runtime.reading() as session:
        study = session.scalars(select(Study).where(Study.examination_id == examination_id)).one_or_none()
        firsts = _first_of_each_series(session, examination_id)
        as_on_arrival = not session.scalar(select(_arrived_otherwise(examination_id, term)))
    if study is None or not firsts:
        raise NotFound("instances")
    heads = {series_id: _read_head(runtime, record) for series_id, record in firsts.items()}
    series = {series_id: _read(firsts[series_id], head, term) for series_id, head in heads.items()}
    first_id, first = next(iter(firsts.items()))
    return Reread(
        term=term,
        study=series[first_id],
        series=series,
        before=_read(first, heads[first_id], character_set_of(study.character_set, first.origin)),
        of_study_before=study.character_set,
        as_on_arrival=as_on_arrival,
    )


def _first_of_each_series(session: Session, examination_id: uuid.UUID) -> dict[uuid.UUID, Record]:
    """What came first of each, the series that came first before the others; a study has thousands of instances."""
    in_order = (Record.received_at, Record.id)
    place = func.row_number().over(partition_by=Instance.series_id, order_by=in_order).label("place")
    placed = _current_of(select(Instance.series_id, Record.id, place), examination_id).subquery()
    rows = session.execute(
        select(placed.c.series_id, Record)
        .join(Record, Record.id == placed.c.id)
        .where(placed.c.place == 1)
        .order_by(*in_order)
    )
    return {row.series_id: row.Record for row in rows}


def _arrived_otherwise(examination_id: uuid.UUID, term: str) -> ColumnElement[bool]:
    """Whether any of its instances was read with another character set when it came."""
    return _current_of(select(Record.id), examination_id).where(_arrived_as != term).exists()


def _current_of(query: Select[Any], examination_id: uuid.UUID) -> Select[Any]:
    return (
        query.select_from(Instance)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .join(Record, Record.id == Instance.record_id)
        .where(Study.examination_id == examination_id, Instance.current)
    )


def _read_head(runtime: Runtime, record: Record) -> bytes:
    return read_original(runtime, record, offset=record.data_set_offset, length=HEAD_BYTES)


def _read(record: Record, head: bytes, term: str | None) -> InstanceHeader:
    return header_of(record.kind, record.origin, record.sha256, head, term or None)


_STUDY_TEXTS = ("study_id", "study_description", "accession_number", "referring_physician_name")
_SERIES_TEXTS = ("series_description", "protocol_name", "station_name", "manufacturer")


def apply(session: Session, examination_id: uuid.UUID, reread: Reread, person: Person, now: datetime) -> None:
    """Write what the originals say, read so; what a person typed stays. Conflict when they were read otherwise since."""
    query = select(Study).where(Study.examination_id == examination_id).with_for_update(of=Study)
    study = session.scalars(query).one()
    if study.character_set != reread.of_study_before:
        raise Conflict("character set")
    study.character_set = None if reread.as_on_arrival else reread.term
    for name in _STUDY_TEXTS:
        setattr(study, name, getattr(reread.study, name))
    for series_id, header in reread.series.items():
        series = session.get_one(Series, series_id)
        for name in _SERIES_TEXTS:
            setattr(series, name, getattr(header, name))
    examination, header = study.examination, reread.study
    examination.description = (
        header.study_description or header.requested_procedure_description or header.series_description
    )
    examination.accession_number = header.accession_number or examination.accession_number
    _rename(session, examination, reread, person, now)


def _rename(
    session: Session, examination: Examination, reread: Reread, person: Person, now: datetime
) -> None:
    """The patient's name as the originals say it now, unless a person has corrected it meanwhile."""
    was, becomes = reread.before.patient_name, reread.study.patient_name
    if examination.patient.name != was or was == becomes:
        return
    proposed = reread.study.proposed_patient_name
    said = replace(examination.patient.identity, name=becomes, proposed_name=proposed)
    declared = reread.study.specific_character_set
    examinations.correct_identity(
        session, examination, identity=said, reason=f"{declared or '-'} → {reread.term or declared or '-'}",
        person=person, now=now,
    )  # fmt: skip
    received = dict(examination.patient_as_received)
    if received.get("name") == was:
        examination.patient_as_received = {**received, "name": becomes}
    if proposed:
        examination.patient.proposed_name = proposed


def read_text_again(runtime: Runtime, leased: Leased) -> None:
    """The task: an examination follows what was said of it, or what arrived late follows its study."""
    examination_id = uuid.UUID(leased.subject)
    with runtime.reading() as session:
        doubt = _find_doubt(session, examination_id)
    if doubt is None:
        return  # it follows its device, and makes sense so
    reread = read_again(runtime, examination_id, doubt.term)
    with runtime.sessions.begin() as session:
        now_said = _find_doubt(session, examination_id, lock=True)
        if now_said is None or now_said.term != reread.term:
            raise Conflict("character set")
        person = session.get_one(Person, uuid.UUID(str(leased.arguments["person_id"])))
        apply(session, examination_id, reread, person, runtime.now())
        live.bump(session, "worklist", "held")


def follow_device(runtime: Runtime, leased: Leased) -> None:
    """The task: ask for a reading of what a device sent since then and is read with what it was set to; so many at once."""
    person = {"person_id": leased.arguments["person_id"]}
    found: Sequence[uuid.UUID] = []
    while True:
        with runtime.sessions.begin() as session:
            query = _sent_by(session, leased).order_by(Examination.id).limit(FOLLOW_AT_ONCE)
            found = session.scalars(query.where(Examination.id > found[-1]) if found else query).all()
            due = {str(id): runtime.now() for id in found}
            work.schedule_all(session, text_doubts.READ_AS_DEVICE, due, arguments=person)
        if len(found) < FOLLOW_AT_ONCE:
            return


def _sent_by(session: Session, leased: Leased) -> Select[uuid.UUID]:
    device = session.get_one(Device, uuid.UUID(leased.subject))
    since = datetime.fromisoformat(str(leased.arguments["since"])) - CLOCK_SKEW
    was_set_to = list(leased.arguments["was_set_to"])
    arrived_so = (
        select(Instance.id)
        .join(Series, Series.id == Instance.series_id)
        .join(Record, Record.id == Instance.record_id)
        .where(Series.study_id == Study.id, Instance.current)
        .where(_arrived_as.in_(was_set_to))
        .exists()
    )
    return (
        select(Examination.id)
        .join(Study, Study.examination_id == Examination.id)
        .where(Examination.institution_id == device.institution_id, Examination.device_id == device.id)
        .where(Examination.received_at >= since)
        .where(or_(Study.character_set.in_(was_set_to), and_(Study.character_set.is_(None), arrived_so)))
    )


def read_as_device(runtime: Runtime, leased: Leased) -> None:
    """The task: an examination is read as its device is set now, unless something was said of it alone."""
    examination_id = uuid.UUID(leased.subject)
    with runtime.reading() as session:
        term = _term_of_device(session, examination_id)
    if term is None:
        return
    reread = read_again(runtime, examination_id, term)
    with runtime.sessions.begin() as session:
        if _term_of_device(session, examination_id, lock=True) != term:
            raise Conflict("character set")
        doubt = _find_doubt(session, examination_id, lock=True)
        person = session.get_one(Person, uuid.UUID(str(leased.arguments["person_id"])))
        apply(session, examination_id, reread, person, runtime.now())
        _ask_again(session, examination_id, doubt, reread, runtime.now())
        live.bump(session, "worklist", "held", "patients")


def _term_of_device(session: Session, examination_id: uuid.UUID, *, lock: bool = False) -> str | None:
    """What the device is set to; None for an examination that does not follow it, or was decided to read so."""
    of = select(Device).join(Examination, Examination.device_id == Device.id)
    query = of.where(Examination.id == examination_id)
    device = session.scalars(
        query.with_for_update(of=Device, key_share=True) if lock else query
    ).one_or_none()
    if device is None:
        return None
    term = device.character_set or ""
    doubt = _find_doubt(session, examination_id)
    if doubt is not None and (doubt.is_own or (doubt.state is DoubtState.CONFIRMED and doubt.term == term)):
        return None
    return term


def _ask_again(
    session: Session, examination_id: uuid.UUID, doubt: TextDoubt | None, reread: Reread, now: datetime
) -> None:
    """What makes no sense, read so, is a question; what makes sense is none any more."""
    header = reread.in_doubt
    if header is None:
        if doubt is not None:
            session.delete(doubt)
        return
    if doubt is None:
        examination = session.get_one(Examination, examination_id)
        doubt = TextDoubt(
            id=new_id(),
            examination_id=examination_id,
            institution_id=examination.institution_id,
            device_id=examination.device_id,
        )
        session.add(doubt)
    doubt.ask(header, reread.term or None, now=now)


def _find_doubt(session: Session, examination_id: uuid.UUID, *, lock: bool = False) -> TextDoubt | None:
    query = select(TextDoubt).where(TextDoubt.examination_id == examination_id)
    return session.scalars(query.with_for_update(of=TextDoubt) if lock else query).one_or_none()
