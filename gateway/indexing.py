"""Indexing DICOM instances: each becomes a row of its study, a duplicate, or something a person must look at.

An instance joins a study only from the same institution and the same patient. What the database alone can find
wrong was accepted already, so it is held here, never refused. An electrocardiogram does not wait for want of UIDs.
"""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from adapters.dicom.header import InstanceHeader
from gateway import text_doubts, work
from gateway.ecg.headers import CHEST_PAIN, TRANSFER_SYNTAX, cannot_wait, is_ecg
from gateway.ecg.rows import DESCRIBE
from gateway.holding import UID_PROBLEM, Hold, find_hold, find_study_hold
from gateway.index import Instance, Record, RecordState, Series, Study
from gateway.known import Incoming, Known, KnownInstance, NewInstance, NewRecord
from gateway.settings import Settings
from worklists import examinations, routing
from worklists.base import COUNTY_TIME, new_id
from worklists.directory import Kind
from worklists.examinations import Arrival, Examination, Priority

__all__ = ["Incoming", "Known", "index_instances", "is_known", "place"]

SETTLE = "settle_examination"

# Modality (PS3.3 C.7.3.1.1.1) → the kind of centre that reads it; everything else but ECG is imaging.
_KINDS = {"SM": Kind.PATHOLOGY, "GM": Kind.PATHOLOGY}


def index_instances(
    session: Session, incoming: Sequence[Incoming], *, settings: Settings, now: datetime
) -> None:
    """Give every instance of a batch its place, by a number of queries that does not grow with it.

    Records are new; they are written here.
    """
    session.flush()
    incoming = [_under_own_uids(item) if is_ecg(item.header) else item for item in incoming]
    with session.no_autoflush:
        known = Known(session, incoming)
        placed: dict[str, list[Incoming]] = defaultdict(list)
        held: list[tuple[Incoming, Hold]] = []
        for item in incoming:
            assert isinstance(item.record, NewRecord)
            known.unwritten.records.append(item.record)
            hold = find_hold(known, item)
            if hold is not None:
                held.append((item, hold))
            elif is_known(known, item):
                keep_known(known, item)
            else:
                add_instance(known, item, _study_of(known, item))
                placed[item.header.study_instance_uid].append(item)
        keep_held(known, held, now=now)
        note_arrivals(known, placed, settings=settings, now=now)
        known.write()
        note_text(known, placed, now=now)


def is_known(known: Known, item: Incoming) -> bool:
    """There is a current instance of this UID."""
    return item.header.sop_instance_uid in known.instances


def keep_known(known: Known, item: Incoming) -> None:
    """The same bytes again: a duplicate, or what takes the place of a record that rotted in the journal."""
    uid = item.header.sop_instance_uid
    same = known.instances[uid]
    _add_alias(known.session, item, same.study)
    if item.record.origin.get("priority") == CHEST_PAIN:  # sent again because nobody had marked it
        routing.set_priority(known.session, same.study.examination, Priority.CHEST_PAIN)
    if same.rotten is None:
        item.record.state = RecordState.DUPLICATE
        return
    known.unwritten.instead.append((same.rotten, item.record.id))
    known.instances[uid] = replace(same, rotten=None)


def keep_held(known: Known, held: Sequence[tuple[Incoming, Hold]], *, now: datetime) -> None:
    """Keep instances off every list until a person decides. A further copy of what was held is a duplicate."""
    already = known.held_already(item for item, _ in held) if held else set()
    for item, hold in held:
        record = item.record
        copy_of = (record.sha256, record.kind, record.institution_id)
        if copy_of in already:
            record.state = RecordState.DUPLICATE
            continue
        already.add(copy_of)
        record.state, record.reason = RecordState.HELD, hold.reason.value
        known.unwritten.held.append(
            {
                "id": new_id(),
                "record_id": record.id,
                "institution_id": record.institution_id,
                "examination_id": hold.examination_id,
                "reason": hold.reason,
                "detail": hold.detail,
                "header": _as_it_was_named(item),
                "held_at": now,
                "resolution": "",
                "resolution_reason": "",
            }
        )


def _as_it_was_named(item: Incoming) -> dict[str, object]:
    """The header, with the name that the sender used where its SOP Instance UID is no UID."""
    named = item.header.sop_instance_uid or str(item.record.origin.get("sop_instance_uid", ""))
    return {**header_as_json(item.header), "sop_instance_uid": named}


def add_instance(known: Known, item: Incoming, study: Study, *, version: int = 1) -> Series:
    """Make the row of an instance in its series, and the series when it is the first; `Known.write` writes it."""
    series = _series_of(known, item.header, study)
    header = item.header
    known.unwritten.instances.append(
        NewInstance(
            id=new_id(),
            series_id=series.id,
            record_id=item.record.id,
            sop_instance_uid=header.sop_instance_uid,
            sop_class_uid=header.sop_class_uid,
            transfer_syntax_uid=str(item.record.origin.get("transfer_syntax_uid") or TRANSFER_SYNTAX),
            version=version,
            current=True,
            instance_number=header.instance_number,
            rows=header.rows,
            columns=header.columns,
            number_of_frames=header.number_of_frames,
            specific_character_set=header.specific_character_set,
        )
    )
    known.instances[header.sop_instance_uid] = KnownInstance(
        institution_id=item.record.institution_id, sha256=item.record.sha256, study=study
    )
    series.instances += 1
    item.record.state = RecordState.INDEXED
    return series


def note_arrivals(
    known: Known, placed: Mapping[str, Sequence[Incoming]], *, settings: Settings, now: datetime
) -> list[Examination]:
    """Tell the worklists what arrived for each study, and when to judge whether it is whole."""
    session = known.session
    studies = [(known.studies[study_uid], items) for study_uid, items in placed.items()]
    examinations.note_arrivals(
        session, [(_arrival_of(study, items), study.examination) for study, items in studies]
    )
    for study, items in studies:
        if any(cannot_wait(item.record.origin) for item in items):
            routing.set_priority(session, study.examination, Priority.CHEST_PAIN)
    routing.route_arrivals(session, [(study.examination, len(items)) for study, items in studies], now=now)
    for study, items in studies:
        for item in items:
            _add_alias(session, item, study)
    found = [study.examination for study, _ in studies]
    schedule_settling(session, found, settings=settings)
    _schedule_describing(session, [item for items in placed.values() for item in items], now=now)
    return found


def _add_alias(session: Session, item: Incoming, study: Study) -> None:
    """The id that was minted for a file leads to the examination that it joined."""
    minted = item.record.origin.get("examination_id")
    if minted and str(minted) != str(study.examination_id):
        examinations.add_alias(session, uuid.UUID(str(minted)), study.examination)


def _schedule_describing(session: Session, items: Sequence[Incoming], *, now: datetime) -> None:
    """Electrocardiograms are looked into once they are indexed: what was recorded, and what can be measured."""
    recordings = {str(item.record.id): now for item in items if is_ecg(item.header)}
    if recordings:
        work.schedule_all(session, DESCRIBE, recordings)


def note_text(known: Known, placed: Mapping[str, Sequence[Incoming]], *, now: datetime) -> None:
    """Tell who looks after character sets what arrived with text that makes no sense as declared."""
    by_examination = {known.studies[uid].examination_id: items for uid, items in placed.items()}
    text_doubts.note_doubts(known.session, by_examination, now=now)


def schedule_settling(session: Session, found: Sequence[Examination], *, settings: Settings) -> None:
    """Judge completeness when an examination's quiet period is over, in receive time."""
    if found:
        session.flush()
        times = settle_times(session, found, settings)
        work.schedule_all(session, SETTLE, {str(one): at for one, at in times.items()})


def settle_times(
    session: Session, found: Sequence[Examination], settings: Settings
) -> dict[uuid.UUID, datetime]:
    return examinations.settle_times(
        session,
        found,
        quiet_period=timedelta(seconds=settings.quiet_period_s),
        unreleased_quiet_period=timedelta(seconds=settings.unreleased_quiet_period_s),
    )


def header_as_json(header: InstanceHeader) -> dict[str, object]:
    """What a person compares when an instance is held."""
    return {
        "sop_class_uid": header.sop_class_uid,
        "sop_instance_uid": header.sop_instance_uid,
        "study_instance_uid": header.study_instance_uid,
        "series_instance_uid": header.series_instance_uid,
        "patient_id": header.patient_id,
        "patient_name": header.patient_name,
        "patient_sex": header.patient_sex,
        "patient_birth_date": header.patient_birth_date.isoformat() if header.patient_birth_date else None,
        "accession_number": header.accession_number,
        "modality": header.modality,
        "study_date": header.study_date,
        "study_time": header.study_time,
        "study_description": header.study_description,
        "series_description": header.series_description,
        "instance_number": header.instance_number,
        "problems": list(header.problems),
    }


def kind_of(header: InstanceHeader) -> Kind:
    return Kind.ECG if is_ecg(header) else _KINDS.get(header.modality, Kind.IMAGING)


def place(
    session: Session,
    record: Record,
    header: InstanceHeader,
    *,
    as_replacement: bool,
    separate: bool,
    settings: Settings,
    now: datetime,
) -> Examination:
    """What a person decided about a held instance: the newer version of a known one, or a study of its own.

    What is separated is served under new UIDs where its own are taken (2.25, PS3.5 B.2); the original keeps its own.
    """
    item = Incoming(record=record, header=header)
    known = Known(session, [item])
    if as_replacement:
        return _replace(known, item, settings=settings, now=now)
    if separate:
        item = _under_free_uids(known, item)
        known = Known(session, [item])
    study = _study_of(known, item)
    version = _next_version(session, item.header.sop_instance_uid)
    add_instance(known, item, study, version=version)
    placed = {item.header.study_instance_uid: [item]}
    [examination] = note_arrivals(known, placed, settings=settings, now=now)
    known.write()
    note_text(known, placed, now=now)
    return examination


def _replace(known: Known, item: Incoming, *, settings: Settings, now: datetime) -> Examination:
    session, uid = known.session, item.header.sop_instance_uid
    old = session.scalars(select(Instance).where(Instance.sop_instance_uid == uid, Instance.current)).one()
    old.current = False
    old.series.instances -= 1
    session.flush()
    add_instance(known, item, old.series.study, version=_next_version(session, uid))
    known.write()
    examination = old.series.study.examination
    examination.last_received_at = max(examination.last_received_at, item.record.received_at)
    routing.route_arrival(session, examination, instances=1, now=now)
    schedule_settling(session, [examination], settings=settings)
    return examination


def _under_free_uids(known: Known, item: Incoming) -> Incoming:
    """The instance under UIDs that nobody else has.

    Instances of one study that a person separates for the same reason stay together: under the study's own UID
    when the first of them could keep it, else under one new UID.
    """
    header, record = item.header, item.record
    study_uid, series_uid, sop_uid = (
        header.study_instance_uid,
        header.series_instance_uid,
        header.sop_instance_uid,
    )
    study = known.studies.get(study_uid)
    if not study_uid or (study is not None and find_study_hold(known, study, item) is not None):
        of = study_uid or header.study_date  # those of one day, where nothing else says what belongs together
        study_uid = _uid_for(record.institution_id, of, header.patient_id, header.patient_name)
    series_uid = series_uid or _uid_for(study_uid, "series")
    if not sop_uid or sop_uid in known.instances:
        sop_uid = _uid_for(study_uid, sop_uid, record.sha256)
    free = replace(
        header, study_instance_uid=study_uid, series_instance_uid=series_uid, sop_instance_uid=sop_uid
    )
    return replace(item, header=free)


def _under_own_uids(item: Incoming) -> Incoming:
    """An ECG with UIDs in the place of those that are missing or malformed, each file in a study of its own then.

    Carts write such UIDs, and chest pain does not wait until somebody has decided about a number that nobody reads.
    """
    header, record = item.header, item.record
    if record.institution_id is None or not any(UID_PROBLEM in problem for problem in header.problems):
        return item
    study_uid = header.study_instance_uid or _uid_for(record.institution_id, record.sha256)
    own = replace(
        header,
        study_instance_uid=study_uid,
        series_instance_uid=header.series_instance_uid or _uid_for(study_uid, record.sha256),
        sop_instance_uid=header.sop_instance_uid or _uid_for(study_uid, "file", record.sha256),
        problems=tuple(problem for problem in header.problems if UID_PROBLEM not in problem),
    )
    return replace(item, header=own)


def _uid_for(*parts: object) -> str:
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, '/'.join(map(str, parts))).int}"


def _next_version(session: Session, sop_instance_uid: str) -> int:
    highest = session.scalar(
        select(func.max(Instance.version)).where(Instance.sop_instance_uid == sop_instance_uid)
    )
    return (highest or 0) + 1


def _study_of(known: Known, item: Incoming) -> Study:
    header = item.header
    study = known.studies.get(header.study_instance_uid)
    if study is not None:
        return study
    study = Study(
        id=new_id(),
        study_instance_uid=header.study_instance_uid,
        study_id=header.study_id,
        study_date=header.study_date,
        study_time=header.study_time,
        study_description=header.study_description,
        accession_number=header.accession_number,
        referring_physician_name=header.referring_physician_name,
    )
    arrival = _arrival_of(study, [item])
    if known.is_taken(item):
        arrival = replace(arrival, examination_id=new_id())  # minted for files that turned out to be of two
    issued = known.patients[arrival.institution_id, header.patient_id]
    study.examination = examinations.begin(known.session, arrival, issued)
    study.examination_id = study.examination.id
    known.session.add(study)
    known.studies[header.study_instance_uid] = study
    return study


def _series_of(known: Known, header: InstanceHeader, study: Study) -> Series:
    key = (study.id, header.series_instance_uid)
    if key not in known.series:
        known.series[key] = Series(
            id=new_id(),
            study=study,
            study_id=study.id,
            series_instance_uid=header.series_instance_uid,
            modality=header.modality,
            series_number=header.series_number,
            series_description=header.series_description,
            body_part_examined=header.body_part_examined,
            laterality=header.laterality,
            protocol_name=header.protocol_name,
            station_name=header.station_name,
            manufacturer=header.manufacturer,
            instances=0,
        )
        known.session.add(known.series[key])
    return _noting_laterality(known.series[key], header.laterality)


def _noting_laterality(series: Series, laterality: str) -> Series:
    """A mammography of both breasts in one series is of neither side alone (Image Laterality, PS3.3 C.8.11.7)."""
    if laterality and series.laterality != laterality:
        series.laterality = "B" if series.laterality else laterality
    return series


def _arrival_of(study: Study, items: Sequence[Incoming]) -> Arrival:
    first, record = items[0].header, items[0].record
    if record.institution_id is None:
        raise ValueError("an instance without an institution is held, not placed")
    expected = [item.header.images_in_study or 0 for item in items]
    return Arrival(
        examination_id=uuid.UUID(str(record.origin.get("examination_id") or new_id())),
        institution_id=record.institution_id,
        device_id=record.device_id,
        kind=kind_of(first),
        study_instance_uid=study.study_instance_uid,
        patient=items[0].patient,
        accession_number=first.accession_number or str(record.origin.get("accession_number") or ""),
        modality="\\".join(sorted({item.header.modality for item in items if item.header.modality})),
        body_part=first.body_part_examined.upper(),
        description=first.study_description
        or first.requested_procedure_description
        or first.series_description,
        procedure_code=first.procedure_code,
        studied_at=_studied_at(first),
        instances=len(items),
        expected_instances=max(expected) if max(expected) > 0 else None,
        first_received_at=min(item.record.received_at for item in items),
        last_received_at=max(item.record.received_at for item in items),
        association_ids=frozenset(
            str(item.record.origin["association_id"])
            for item in items
            if item.record.origin.get("association_id")
        ),
    )


def _studied_at(header: InstanceHeader) -> datetime | None:
    local = header.studied_at_local
    return local.replace(tzinfo=COUNTY_TIME).astimezone(UTC) if local else None
