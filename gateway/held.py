"""What waits for a person (待核查): accepted originals that could not simply join the index, and what is decided.

The township decides about what its devices sent. What an unregistered device sent is nobody's until the device is
registered; then it is its institution's.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from adapters.dicom.header import InstanceHeader, read_header
from gateway import audit, indexing, live
from gateway.index import Held, HeldReason, Instance, Record, RecordState, Series, Study
from gateway.originals import read_original
from gateway.reading import Who, in_one
from gateway.runtime import Runtime
from worklists import patients
from worklists.access import visible_to
from worklists.directory import Device, Role
from worklists.errors import Conflict, Invalid, NotAllowed, NotFound
from worklists.examinations import Examination
from worklists.patients import PatientIdentity

HEAD_BYTES = 1 << 16


class Action(StrEnum):
    """What a person may decide."""

    KEEP = "keep"  # the existing version stays
    REPLACE = "replace"  # the incoming one becomes the current version
    JOIN = "join"  # it belongs where it says it does, after all
    SEPARATE = "separate"  # a study, or a patient, of its own
    DISCARD = "discard"  # kept as original, off every list


# Discarding is always possible; these besides.
_ACTIONS: Mapping[HeldReason, tuple[Action, ...]] = {
    HeldReason.UID_MALFORMED: (Action.SEPARATE,),
    HeldReason.SAME_UID_OTHER_BYTES: (Action.KEEP, Action.REPLACE),
    HeldReason.STUDY_OF_ANOTHER_PATIENT: (Action.JOIN, Action.SEPARATE),
    HeldReason.STUDY_OF_ANOTHER_INSTITUTION: (Action.SEPARATE,),
    HeldReason.PATIENT_CONTRADICTS: (Action.SEPARATE,),
    HeldReason.UNKNOWN_DEVICE: (Action.JOIN,),
}
_PATIENT_FIELDS = ("patient_id", "patient_name", "patient_sex", "patient_birth_date")


class AlreadyResolved(Conflict):
    """Somebody has decided about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both sides of a contradiction; `existing` is None when there is none that the caller may see."""

    incoming: dict[str, Any]
    existing: dict[str, Any] | None

    @property
    def differences(self) -> list[tuple[str, Any, Any]]:
        existing = self.existing or {}
        return [
            (name, self.incoming.get(name), value)
            for name, value in existing.items()
            if name in self.incoming and self.incoming[name] != value
        ]


def actions_for(reason: HeldReason) -> list[Action]:
    return [*_ACTIONS[reason], Action.DISCARD]


def waiting_for(session: Session, who: Who) -> ColumnElement[bool]:
    """A predicate over Held joined with Record: true for what this caller must look at."""
    if Role.RADIOGRAPHER in who.subject.roles:
        titles = select(Device.ae_title).where(Device.institution_id == who.subject.institution_id)
        registered = and_(
            Held.institution_id.is_(None), Record.origin["calling_ae_title"].as_string().in_(titles)
        )
        return or_(Held.institution_id == who.subject.institution_id, registered)
    if Role.IT in who.subject.roles:
        return Held.institution_id.is_(None)
    raise NotAllowed("held")


def sees_names(who: Who) -> bool:
    """The township sees whose it is, IT does not."""
    return Role.RADIOGRAPHER in who.subject.roles


def get_held(session: Session, who: Who, held_id: uuid.UUID, *, lock: bool = False) -> Held:
    """Raises NotFound."""
    query = (
        select(Held)
        .join(Record, Record.id == Held.record_id)
        .where(Held.id == held_id, waiting_for(session, who))
    )
    held = session.scalars(query.with_for_update(of=Held) if lock else query).one_or_none()
    if held is None:
        raise NotFound("held")
    return held


def compare(session: Session, who: Who, held: Held) -> Sides:
    """What arrived, and what it contradicts, as far as the caller may see that."""
    incoming = dict(held.header)
    if not sees_names(who):
        incoming = {name: value for name, value in incoming.items() if name not in _PATIENT_FIELDS}
        return Sides(incoming=incoming, existing=None)
    if held.reason is HeldReason.PATIENT_CONTRADICTS and held.institution_id is not None:
        known = patients.find(session, held.institution_id, str(held.header.get("patient_id") or ""))
        return Sides(incoming=incoming, existing=_show_patient(known[0].identity) if known else None)
    if held.examination_id is None:
        return Sides(incoming=incoming, existing=None)
    examination = session.scalars(
        select(Examination).where(Examination.id == held.examination_id, visible_to(who.subject))
    ).one_or_none()
    return Sides(
        incoming=incoming, existing=_show_existing(session, held, examination) if examination else None
    )


def resolve(runtime: Runtime, who: Who, held_id: uuid.UUID, *, action: str, reason: str) -> None:
    """A person decides. Raises NotFound, AlreadyResolved, Invalid; Unavailable when the original cannot be read."""
    if not reason.strip():
        raise Invalid("reason", "required")
    with runtime.reading() as session:
        held = get_held(session, who, held_id)
        record = held.record
    if action not in actions_for(held.reason) or (not sees_names(who) and action != Action.DISCARD):
        raise Invalid("action")
    header = None if action in {Action.KEEP, Action.DISCARD} else _read_header(runtime, record)

    def deed(session: Session) -> None:
        held = get_held(session, who, held_id, lock=True)
        if held.resolved_at is not None:
            raise AlreadyResolved(held_id)
        now = runtime.now()
        examination_id = _carry_out(runtime, session, who, held, header, Action(action), reason.strip(), now)
        audit.record(
            session, "held_resolved", actor=who.actor, now=now, examination_id=examination_id,
            detail={"held_id": str(held.id), "action": action, "reason": reason.strip(), "why": held.reason.value},
        )  # fmt: skip
        live.bump(session, "held", "worklist")

    in_one(runtime, deed)


def note_download(runtime: Runtime, who: Who, held: Held) -> None:
    with runtime.sessions.begin() as session:
        audit.record(
            session, "original_downloaded", actor=who.actor, now=runtime.now(),
            examination_id=held.examination_id, detail={"held_id": str(held.id)},
        )  # fmt: skip


def _carry_out(
    runtime: Runtime,
    session: Session,
    who: Who,
    held: Held,
    header: InstanceHeader | None,
    action: Action,
    reason: str,
    now: datetime,
) -> uuid.UUID | None:
    """Do what was decided, and say so in the row. Answers the examination it concerns."""
    examination_id = held.examination_id
    if header is None:
        held.record.state, held.record.reason = RecordState.DISCARDED, held.reason.value
    else:
        if held.reason is HeldReason.UNKNOWN_DEVICE:
            _claim_for_institution(session, who, held.record)
        if action is Action.JOIN and _meets_another_hold(session, held, header):
            return held.examination_id
        if action is Action.JOIN and _came_meanwhile(session, held, header):
            held.record.state = RecordState.DUPLICATE
        else:
            examination = indexing.place(
                session,
                held.record,
                header,
                as_replacement=action is Action.REPLACE,
                separate=action is Action.SEPARATE,
                settings=runtime.settings,
                now=now,
            )
            examination_id = held.examination_id = examination.id
        held.record.reason = ""
    held.resolved_at, held.resolved_by_id = now, who.actor.person_id
    held.resolution, held.resolution_reason = action.value, reason
    return examination_id


def _claim_for_institution(session: Session, who: Who, record: Record) -> None:
    """What an unregistered device sent belongs to the institution at which the device is registered now."""
    device = session.scalars(
        select(Device).where(Device.ae_title == str(record.origin.get("calling_ae_title", "")))
    ).one_or_none()
    if device is None or device.institution_id != who.subject.institution_id:
        raise Conflict("device")
    record.institution_id, record.device_id = device.institution_id, device.id


def _meets_another_hold(session: Session, held: Held, header: InstanceHeader) -> bool:
    """What is known by now may be a reason of another kind to hold it: then a person looks again."""
    item = indexing.Incoming(record=held.record, header=header)
    same_patient = held.reason is HeldReason.STUDY_OF_ANOTHER_PATIENT  # so the person says
    hold = indexing.find_hold(indexing.Known(session, [item]), item, same_patient=same_patient)
    held.institution_id = held.record.institution_id
    if hold is None:
        return False
    held.reason, held.detail, held.examination_id = hold.reason, hold.detail, hold.examination_id
    held.record.reason = hold.reason.value
    return True


def _came_meanwhile(session: Session, held: Held, header: InstanceHeader) -> bool:
    """The same instance was sent again and is indexed: this copy has nothing to add."""
    item = indexing.Incoming(record=held.record, header=header)
    return indexing.is_known(indexing.Known(session, [item]), item)


def _read_header(runtime: Runtime, record: Record) -> InstanceHeader:
    head = read_original(runtime, record, offset=record.data_set_offset, length=HEAD_BYTES)
    return read_header(
        head,
        transfer_syntax_uid=str(record.origin["transfer_syntax_uid"]),
        character_set=record.origin.get("character_set"),
    )


def _show_existing(session: Session, held: Held, examination: Examination) -> dict[str, Any]:
    """The same fields of what is known: the instance of the same UID, else the study."""
    shown = _show_patient(examination.patient.identity)
    study = session.scalars(select(Study).where(Study.examination_id == examination.id)).one_or_none()
    shown["accession_number"] = examination.accession_number
    if study is None:
        return shown
    shown |= {name: getattr(study, name) for name in _STUDY_FIELDS}
    instance = session.scalars(
        select(Instance)
        .join(Series, Series.id == Instance.series_id)
        .where(Series.study_id == study.id, Instance.current)
        .where(Instance.sop_instance_uid == str(held.header.get("sop_instance_uid")))
    ).first()
    if instance is None:
        return shown
    return shown | {
        "sop_class_uid": instance.sop_class_uid,
        "sop_instance_uid": instance.sop_instance_uid,
        "instance_number": instance.instance_number,
        "series_instance_uid": instance.series.series_instance_uid,
        "series_description": instance.series.series_description,
        "modality": instance.series.modality,
    }


_STUDY_FIELDS = ("study_instance_uid", "study_date", "study_time", "study_description")


def _show_patient(identity: PatientIdentity) -> dict[str, Any]:
    born = identity.birth_date
    return {
        "patient_id": identity.patient_id,
        "patient_name": identity.name,
        "patient_sex": identity.sex,
        "patient_birth_date": born.isoformat() if born else None,
    }
