"""Text that was probably declared in a wrong character set: what is proposed, what a person says, and back again.

Nothing is repaired by itself. A study shows its text as declared, beside the proposal; a person of the institution
confirms it for the study, or for the device from now on (then its other studies with the same proposal follow), or
rejects it. The originals stay as they are; what the index and the worklists know is read from them again, and every
decision can be undone. IT sees devices and counts without names, and may decide for a device.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from adapters.dicom.header import InstanceHeader, read_header
from gateway import audit, directory, live
from gateway.index import Instance, Record, Series, Study
from gateway.originals import read_original
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from gateway.sweep import Leased
from gateway.text_doubts import DoubtState, TextDoubt, schedule_reading
from worklists import examinations
from worklists.directory import Device, Person, Role
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound
from worklists.examinations import Examination

HEAD_BYTES = 1 << 16


class AlreadyDecided(Conflict):
    """Somebody has decided about this text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """What originals say, read with one character set: the study by its first, each series by one of its own."""

    study: InstanceHeader
    series: Mapping[uuid.UUID, InstanceHeader]


def shown_to(who: Who) -> ColumnElement[bool]:
    """A predicate over TextDoubt: the township's own; to IT all of them, without names."""
    if Role.RADIOGRAPHER in who.subject.roles:
        return TextDoubt.institution_id == who.subject.institution_id
    if Role.IT in who.subject.roles:
        return TextDoubt.device_id.is_not(None)
    raise NotAllowed("character sets")


def sees_names(who: Who) -> bool:
    return Role.RADIOGRAPHER in who.subject.roles


def first_of_device() -> ColumnElement[bool]:
    """A predicate over TextDoubt: the newest of each device and proposal, for whoever decides about devices."""
    place = func.row_number().over(
        partition_by=[TextDoubt.device_id, TextDoubt.proposed, TextDoubt.state],
        order_by=(TextDoubt.found_at.desc(), TextDoubt.id.desc()),
    )
    placed = select(TextDoubt.id, place.label("place")).subquery()
    return TextDoubt.id.in_(select(placed.c.id).where(placed.c.place == 1))


def count_alike(session: Session, doubts: Sequence[TextDoubt]) -> dict[uuid.UUID, int]:
    """How many other examinations of its device wait with the same proposal, by the doubt."""
    rows = session.execute(
        select(TextDoubt.device_id, TextDoubt.proposed, func.count())
        .where(TextDoubt.device_id.in_({doubt.device_id for doubt in doubts}))
        .where(TextDoubt.state == DoubtState.OPEN)
        .group_by(TextDoubt.device_id, TextDoubt.proposed)
    )
    counts = {(device_id, proposed): count for device_id, proposed, count in rows}
    own = {doubt.id: int(doubt.state is DoubtState.OPEN) for doubt in doubts}
    return {
        doubt.id: max(0, counts.get((doubt.device_id, doubt.proposed), 0) - own[doubt.id]) for doubt in doubts
    }


def get_doubt(session: Session, who: Who, doubt_id: uuid.UUID, *, lock: bool = False) -> TextDoubt:
    """Raises NotFound."""
    query = select(TextDoubt).where(TextDoubt.id == doubt_id, shown_to(who))
    doubt = session.scalars(query.with_for_update(of=TextDoubt) if lock else query).one_or_none()
    if doubt is None:
        raise NotFound("character set")
    return doubt


def confirm(runtime: Runtime, who: Who, doubt_id: uuid.UUID, *, for_device: bool) -> None:
    """The proposal is right: for this study, or for its device from now on and all that waits for the same.

    Raises NotFound, AlreadyDecided, NotAllowed, Unavailable when the originals cannot be read.
    """
    if not for_device and not sees_names(who):
        raise NotAllowed("without names, about devices only")
    with runtime.reading() as session:
        doubt = get_doubt(session, who, doubt_id)
        _require(doubt, DoubtState.OPEN)
        if for_device and doubt.device_id is None:
            raise Invalid("scope", "unknown")
        examination_id, proposed, device_id = doubt.examination_id, doubt.proposed, doubt.device_id
    reread = read_again(runtime, examination_id, proposed)
    before = _set_device(runtime, who, device_id, proposed) if for_device and device_id else None

    def deed(session: Session) -> None:
        now, person = runtime.now(), get_person(session, who)
        doubt = get_doubt(session, who, doubt_id, lock=True)
        _require(doubt, DoubtState.OPEN)
        doubt.device_before = before
        _decide(session, doubt, DoubtState.CONFIRMED, person, now, with_id=doubt.id if for_device else None)
        _apply(session, doubt, reread, proposed, person, now)
        _note(session, who, "character_set_confirmed", doubt, now, for_device=for_device)
        for other in _alike(session, doubt) if for_device else ():
            _decide(session, other, DoubtState.CONFIRMED, person, now, with_id=doubt.id)
            schedule_reading(session, other, person.id, confirm=True, now=now)
            _note(session, who, "character_set_confirmed", other, now, for_device=True)

    in_one(runtime, deed)


def reject(runtime: Runtime, who: Who, doubt_id: uuid.UUID) -> None:
    """The text is right as it is declared. Raises NotFound, AlreadyDecided, NotAllowed."""
    if not sees_names(who):
        raise NotAllowed("names")

    def deed(session: Session) -> None:
        now = runtime.now()
        doubt = get_doubt(session, who, doubt_id, lock=True)
        _require(doubt, DoubtState.OPEN)
        _decide(session, doubt, DoubtState.REJECTED, get_person(session, who), now)
        _note(session, who, "character_set_rejected", doubt, now)

    in_one(runtime, deed)


def undo(runtime: Runtime, who: Who, doubt_id: uuid.UUID) -> None:
    """Take a decision back; one about a device with all that it carried along. The question is open again.

    Raises NotFound, AlreadyDecided, Unavailable when the originals cannot be read.
    """
    with runtime.reading() as session:
        doubt = get_doubt(session, who, doubt_id)
        if doubt.state is DoubtState.OPEN:
            raise AlreadyDecided(doubt_id)
        was_confirmed, examination_id = doubt.state is DoubtState.CONFIRMED, doubt.examination_id
        leading = doubt.decided_with_id == doubt.id
        device_id, before = doubt.device_id, doubt.device_before
    reread = read_again(runtime, examination_id, None) if was_confirmed else None
    if leading and device_id is not None:
        _set_device(runtime, who, device_id, before)

    def deed(session: Session) -> None:
        now, person = runtime.now(), get_person(session, who)
        doubt = get_doubt(session, who, doubt_id, lock=True)
        if doubt.state is DoubtState.OPEN:
            raise AlreadyDecided(doubt_id)
        followers = _decided_with(session, doubt) if leading else []
        for other in followers:
            _reopen(other)
            schedule_reading(session, other, person.id, confirm=False, now=now)
            _note(session, who, "character_set_undone", other, now)
        _reopen(doubt)
        if reread is not None:
            _apply(session, doubt, reread, None, person, now)
        _note(session, who, "character_set_undone", doubt, now)

    in_one(runtime, deed)


def read_text_again(runtime: Runtime, leased: Leased) -> None:
    """The task: an examination follows what was decided about its device, or what arrived late follows its study."""
    examination_id = uuid.UUID(leased.subject)
    term = leased.arguments["character_set"]
    reread = read_again(runtime, examination_id, term)
    with runtime.sessions.begin() as session:
        doubt = session.scalars(
            select(TextDoubt).where(TextDoubt.examination_id == examination_id).with_for_update()
        ).one()
        if (doubt.state is DoubtState.CONFIRMED) == (
            term is not None
        ):  # else it was decided otherwise meanwhile
            person = session.get_one(Person, uuid.UUID(str(leased.arguments["person_id"])))
            _apply(session, doubt, reread, term, person, runtime.now())
            live.bump(session, "worklist", "held")


def read_again(runtime: Runtime, examination_id: uuid.UUID, term: str | None) -> Reread:
    """Read one original of each series, with a character set or (None) as it was read on arrival."""
    with runtime.reading() as session:
        rows = session.execute(
            select(Series.id, Instance, Record)
            .join(Instance, Instance.series_id == Series.id)
            .join(Record, Record.id == Instance.record_id)
            .join(Study, Study.id == Series.study_id)
            .where(Study.examination_id == examination_id, Instance.current)
            .order_by(Record.received_at, Record.id)
        ).all()
    firsts: dict[uuid.UUID, Record] = {}
    for series_id, _, record in rows:
        firsts.setdefault(series_id, record)
    if not firsts:
        raise NotFound("instances")
    headers = {series_id: _read_header(runtime, record, term) for series_id, record in firsts.items()}
    return Reread(study=next(iter(headers.values())), series=headers)


def _read_header(runtime: Runtime, record: Record, term: str | None) -> InstanceHeader:
    return read_header(
        read_original(runtime, record, offset=record.data_set_offset, length=HEAD_BYTES),
        transfer_syntax_uid=str(record.origin["transfer_syntax_uid"]),
        character_set=record.origin.get("character_set") if term is None else term,
    )


_STUDY_TEXTS = ("study_id", "study_description", "accession_number", "referring_physician_name")
_SERIES_TEXTS = ("series_description", "protocol_name", "station_name", "manufacturer")


def _apply(
    session: Session, doubt: TextDoubt, reread: Reread, term: str | None, person: Person, now: datetime
) -> None:
    """Write what the originals say, read so; what a person typed stays."""
    study = session.scalars(select(Study).where(Study.examination_id == doubt.examination_id)).one()
    study.character_set = term
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
    _rename(session, examination, doubt, term, person, now)


def _rename(
    session: Session,
    examination: Examination,
    doubt: TextDoubt,
    term: str | None,
    person: Person,
    now: datetime,
) -> None:
    """The patient's name as the originals say it now, unless a person has corrected it meanwhile."""
    was, becomes = doubt.name_as_declared, doubt.name_as_proposed
    if term is None:
        was, becomes = becomes, was
    patient = examination.patient
    if patient.name != was or was == becomes:
        return
    proposed = becomes if term is not None else was
    said = replace(patient.identity, name=becomes, proposed_name="" if term is not None else proposed)
    examinations.correct_identity(
        session, examination, identity=said, reason=f"{doubt.declared or '-'} → {term or doubt.declared or '-'}",
        person=person, now=now,
    )  # fmt: skip
    received = dict(examination.patient_as_received)
    if received.get("name") == was:
        examination.patient_as_received = {**received, "name": becomes}
    if term is None:
        examination.patient.proposed_name = proposed


def _set_device(runtime: Runtime, who: Who, device_id: uuid.UUID, term: str | None) -> str | None:
    """Change the device as an administrator would, undo included. Answers what was set before."""
    entity = directory.BY_NAME["device"]
    with runtime.reading() as session:
        before = session.get_one(Device, device_id).character_set
    body = entity.patch_model().model_validate({"character_set": term})
    directory.change_thing(runtime, entity, str(device_id), body, who.actor)
    return before


def _decide(
    session: Session,
    doubt: TextDoubt,
    state: DoubtState,
    person: Person,
    now: datetime,
    *,
    with_id: uuid.UUID | None = None,
) -> None:
    doubt.state, doubt.decided_at, doubt.decided_by_id, doubt.decided_with_id = state, now, person.id, with_id


def _reopen(doubt: TextDoubt) -> None:
    doubt.state, doubt.decided_at, doubt.decided_by_id = DoubtState.OPEN, None, None
    doubt.decided_with_id = doubt.device_before = None


def _alike(session: Session, doubt: TextDoubt) -> Sequence[TextDoubt]:
    return session.scalars(
        select(TextDoubt)
        .where(TextDoubt.device_id == doubt.device_id, TextDoubt.proposed == doubt.proposed)
        .where(TextDoubt.state == DoubtState.OPEN, TextDoubt.id != doubt.id)
        .order_by(TextDoubt.id)
        .with_for_update(of=TextDoubt)
    ).all()


def _decided_with(session: Session, doubt: TextDoubt) -> Sequence[TextDoubt]:
    return session.scalars(
        select(TextDoubt)
        .where(TextDoubt.decided_with_id == doubt.id, TextDoubt.id != doubt.id)
        .order_by(TextDoubt.id)
        .with_for_update(of=TextDoubt)
    ).all()


def _require(doubt: TextDoubt, state: DoubtState) -> None:
    if doubt.state is not state:
        raise AlreadyDecided(doubt.id)


def _note(
    session: Session,
    who: Who,
    action: audit.Action,
    doubt: TextDoubt,
    now: datetime,
    *,
    for_device: bool = False,
) -> None:
    detail = {
        "declared": doubt.declared, "proposed": doubt.proposed, "device_id": str(doubt.device_id),
        "for_device": for_device,
    }  # fmt: skip
    audit.record(
        session, action, actor=who.actor, now=now, examination_id=doubt.examination_id, detail=detail
    )
    live.bump(session, "held", "worklist", "patients")
