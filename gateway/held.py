"""What waits for a person (待核查): accepted originals that could not simply join the index, and what may be decided.

The township decides about what its devices sent. What an unregistered device sent is nobody's until the device is
registered; then it is its institution's.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, case, cast, func, or_, select
from sqlalchemy.orm import Session

from gateway import audit
from gateway.index import Held, HeldReason, Instance, Record, Series, Study
from gateway.reading import Who
from gateway.runtime import Runtime
from worklists import patients
from worklists.access import visible_to
from worklists.directory import Device, Role
from worklists.errors import Conflict, NotAllowed, NotFound
from worklists.examinations import Examination
from worklists.patients import PatientIdentity


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
# Originals of one study that wait for the same reason under the same claimed patient wait for one decision.
_ALIKE_FIELDS = ("study_instance_uid", *_PATIENT_FIELDS)


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


def first_of_alike(session: Session, who: Who) -> ColumnElement[bool]:
    """A predicate over Held: true for the newest of each group of those that wait for one decision."""
    study = Held.header["study_instance_uid"].as_string()
    kind = [
        Held.institution_id,
        Held.reason,
        # Where no study is named, nothing says that two belong together.
        case((func.coalesce(study, "") == "", cast(Held.id, String)), else_=study),
        *(Held.header[name].as_string() for name in _PATIENT_FIELDS),
    ]
    place = func.row_number().over(partition_by=kind, order_by=(Held.held_at.desc(), Held.id.desc()))
    placed = (
        select(Held.id, place.label("place"))
        .join(Record, Record.id == Held.record_id)
        .where(Held.resolved_at.is_(None), waiting_for(session, who))
        .subquery()
    )
    return Held.id.in_(select(placed.c.id).where(placed.c.place == 1))


def find_alike(session: Session, who: Who, held: Held) -> list[uuid.UUID]:
    """The others that wait for the same decision, the first first."""
    if not held.header.get("study_instance_uid"):
        return []
    return list(session.scalars(_alike(session, who, held).order_by(Held.held_at, Held.id)))


def count_alike(session: Session, who: Who, held: Held) -> int:
    if not held.header.get("study_instance_uid"):
        return 0
    counted = _alike(session, who, held).with_only_columns(func.count(), maintain_column_froms=True)
    return session.scalar(counted) or 0


def _alike(session: Session, who: Who, held: Held) -> Select[uuid.UUID]:
    """The ids of the other unresolved ones of the same institution, reason, received study and claimed patient."""
    same = (
        Held.header[name].as_string().is_not_distinct_from(held.header.get(name)) for name in _ALIKE_FIELDS
    )
    return (
        select(Held.id)
        .join(Record, Record.id == Held.record_id)
        .where(Held.resolved_at.is_(None), Held.id != held.id, Held.reason == held.reason)
        .where(Held.institution_id.is_not_distinct_from(held.institution_id), *same)
        .where(waiting_for(session, who))
    )


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


def note_download(runtime: Runtime, who: Who, held: Held) -> None:
    with runtime.sessions.begin() as session:
        audit.record(
            session, "original_downloaded", actor=who.actor, now=runtime.now(),
            examination_id=held.examination_id, detail={"held_id": str(held.id)},
        )  # fmt: skip


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
