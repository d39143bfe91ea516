"""What of laboratory messages waits for a person (检验待处理): seen, decided about, and filed again from the original.

The township decides about its own benches, the county's laboratory about its members'. IT sees that something waits
and why, never whose it is.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, false, func, or_, select, true
from sqlalchemy.orm import Session

from adapters.errors import Malformed
from adapters.lab.said import Message, Specimen
from gateway import audit, live
from gateway.held import AlreadyResolved
from gateway.lab.bodies import ASTM_INCOMPLETE, FILE, WIRES
from gateway.lab.filing import file_messages
from gateway.lab.identity import contradictions_of, identity_of
from gateway.lab.rereading import find_registered_since, is_cut_otherwise, read_again
from gateway.lab.rows import LabHeld, LabHeldReason, LabMessage, MessageState
from gateway.reading import Who, in_one
from gateway.runtime import Runtime
from worklists.access import Subject, led_institutions
from worklists.directory import Device, Institution, Role
from worklists.errors import Invalid, NotAllowed, NotFound
from worklists.laboratory.specimens import LabSpecimen, SpecimenState, make_from_analyser
from worklists.patients import Patient, PatientIdentity, get_or_create

CHUNK = 20  # messages in one transaction: nobody waits long for its locks
MOST = 2000  # messages of one request
SET_ASIDE = "set_aside"
# What a better profile, dictionary or directory may mend without anybody looking at it again.
MENDABLE = (
    LabHeldReason.NO_PROFILE,
    LabHeldReason.FILE_UNMAPPED,
    LabHeldReason.UNKNOWN_TEST,
    LabHeldReason.UNKNOWN_UNIT,
    LabHeldReason.UNIT_MISSING,
    LabHeldReason.UNREADABLE_VALUE,
)
# In a result file the barcode and the patient too are what the mapping of its columns says they are.
MENDABLE_IN_FILES = (
    *MENDABLE,
    LabHeldReason.NO_BARCODE,
    LabHeldReason.UNKNOWN_BARCODE,
    LabHeldReason.PATIENT_MISMATCH,
)
USABLE = (SpecimenState.REGISTERED, SpecimenState.IN_TRANSIT, SpecimenState.RECEIVED)


class Action(StrEnum):
    """What a person may decide."""

    ATTACH = "attach"  # it belongs to this specimen
    REGISTER = "register"  # nobody ordered it; its patient was confirmed
    RETRY = "retry"  # file it again, now that something was mended
    SET_ASIDE = "set_aside"  # kept as original, off every list


_OF_A_SPECIMEN = (Action.ATTACH, Action.REGISTER, Action.RETRY)
_ACTIONS: Mapping[LabHeldReason, tuple[Action, ...]] = {
    LabHeldReason.NO_BARCODE: _OF_A_SPECIMEN,
    LabHeldReason.UNKNOWN_BARCODE: _OF_A_SPECIMEN,
    LabHeldReason.AMBIGUOUS_BARCODE: _OF_A_SPECIMEN,
    LabHeldReason.PATIENT_MISMATCH: _OF_A_SPECIMEN,
    LabHeldReason.SPECIMEN_REJECTED: _OF_A_SPECIMEN,
    LabHeldReason.INCOMPLETE: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided: `specimen_id` of attaching; `patient` and `barcode` of registering, where the message has none."""

    action: str
    reason: str = ""
    specimen_id: uuid.UUID | None = None
    patient: PatientIdentity | None = None
    barcode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reprocessed:
    """How far it came: messages filed again, those that cannot be read, and what still waits of the first."""

    messages: int = 0
    unreadable: int = 0
    filed: int = 0
    held: int = 0

    def __add__(self, other: "Reprocessed") -> "Reprocessed":
        return Reprocessed(
            messages=self.messages + other.messages,
            unreadable=self.unreadable + other.unreadable,
            filed=self.filed + other.filed,
            held=self.held + other.held,
        )


def actions_for(held: LabHeld) -> list[Action]:
    return [*_ACTIONS.get(held.reason, (Action.RETRY,)), Action.SET_ASIDE]


def named_to(subject: Subject) -> ColumnElement[bool]:
    """A predicate over LabHeld: true where the subject may see whose it is, and decide."""
    ways: list[ColumnElement[bool]] = []
    if subject.wires is not None:
        return false()
    if Role.RADIOGRAPHER in subject.roles:
        ways.append(LabHeld.institution_id == subject.institution_id)
    ways += [LabHeld.institution_id.in_(led) for led in led_institutions(subject)]
    return or_(*ways) if ways else false()


def seen_by(subject: Subject) -> ColumnElement[bool]:
    """Those, and without names all for IT and for who sets the profiles."""
    return true() if subject.roles & {Role.IT, Role.ADMIN} else named_to(subject)


def find_named(session: Session, subject: Subject, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Of these, those whose names the subject may see."""
    return set(session.scalars(select(LabHeld.id).where(LabHeld.id.in_(ids), named_to(subject))))


def get_held(session: Session, who: Who, held_id: uuid.UUID, *, lock: bool = False) -> tuple[LabHeld, bool]:
    """The row, and whether names may be shown. Raises NotFound."""
    query = select(LabHeld, named_to(who.subject)).where(LabHeld.id == held_id, seen_by(who.subject))
    found = session.execute(query.with_for_update(of=LabHeld) if lock else query).one_or_none()
    if found is None:
        raise NotFound("held")
    return found[0], bool(found[1])


def find_candidates(session: Session, held: LabHeld, stated: Specimen | None) -> Sequence[LabSpecimen]:
    """Specimens that it may belong to: of the same patient first, then the latest that were tested here or there."""
    patient = stated.patient if stated else None
    query = (
        select(LabSpecimen)
        .join(Patient, Patient.id == LabSpecimen.patient_id)
        .join(Institution, Institution.id == LabSpecimen.institution_id)
        .where(or_(Institution.id == held.institution_id, Institution.lead_id == held.institution_id))
        .where(LabSpecimen.state.in_(USABLE))
        .order_by(LabSpecimen.registered_at.desc())
        .limit(50)
    )
    found = list(session.scalars(query))
    if patient is not None:
        fits = {one.id for one in found if not contradictions_of(one.patient, patient, one.barcode)}
        found.sort(key=lambda one: one.id not in fits)
    return found[:12]


def decide(runtime: Runtime, who: Who, held_id: uuid.UUID, decision: Decision) -> Reprocessed:
    """Raises NotFound, NotAllowed, AlreadyResolved, Invalid, Malformed; Unavailable without the original."""
    with runtime.reading() as session:
        held, named = get_held(session, who, held_id)
        message_id = held.message_id
    action = _check(held, decision)
    if not named and not (_is_nobodys(who, held) and action in {Action.RETRY, Action.SET_ASIDE}):
        raise NotAllowed("names")
    said = None if action is Action.SET_ASIDE else read_again(runtime, message_id)

    def deed(session: Session) -> Reprocessed:
        held, _ = get_held(session, who, held_id, lock=True)
        if held.resolved_at is not None:
            raise AlreadyResolved(held_id)
        row = session.get_one(LabMessage, message_id, with_for_update={"of": LabMessage})
        if said is None:
            done = _set_aside(session, row, held)
        else:
            if action in {Action.ATTACH, Action.REGISTER}:
                if is_cut_otherwise(session, row):
                    raise Invalid("action", "mapped_otherwise")
                _choose(runtime, session, who, row, held, said, decision)
            done = _file(runtime, session, row, said)
        _note(runtime, session, who, held, action, decision.reason)
        return done

    return in_one(runtime, deed)


def reprocess(
    runtime: Runtime,
    who: Who,
    *,
    ids: Sequence[uuid.UUID] | None = None,
    reason: LabHeldReason | None = None,
    device_id: uuid.UUID | None = None,
    profile_code: str | None = None,
) -> Reprocessed:
    """File again what waits, the first received first, a chunk in each transaction; to repeat it does no harm.

    Without `ids` all that the filter finds, or all that a profile, a dictionary or a directory may have mended.
    """
    with runtime.reading() as session:
        waiting = select(LabHeld.message_id).where(LabHeld.resolved_at.is_(None), named_or_sets(who.subject))
        if ids is not None:
            waiting = waiting.where(LabHeld.id.in_(ids))
        else:
            waiting = waiting.where(LabHeld.reason == reason if reason else _mendable())
        if device_id is not None:
            waiting = waiting.where(LabHeld.device_id == device_id)
        if profile_code is not None:
            benches = select(Device.id).where(Device.profile_code == profile_code)
            waiting = waiting.where(LabHeld.device_id.in_(benches))
        found = session.scalars(
            select(LabMessage.id)
            .where(LabMessage.id.in_(waiting))
            .order_by(LabMessage.received_at, LabMessage.id)
            .limit(MOST)
        ).all()
    done = Reprocessed()
    for start in range(0, len(found), CHUNK):
        done += _again(runtime, who, found[start : start + CHUNK])
    return done


def count_mendable(session: Session, profile_code: str) -> int:
    """Messages of the analysers under this profile that wait for what a profile may mend."""
    return (
        session.scalar(
            select(func.count(func.distinct(LabHeld.message_id)))
            .join(Device, Device.id == LabHeld.device_id)
            .where(Device.profile_code == profile_code)
            .where(LabHeld.resolved_at.is_(None), _mendable())
        )
        or 0
    )


def _mendable() -> ColumnElement[bool]:
    """Over LabHeld: what another profile, dictionary or directory may have mended."""
    files = select(LabMessage.id).where(LabMessage.wire == WIRES[FILE])
    in_a_file = and_(LabHeld.reason.in_(MENDABLE_IN_FILES), LabHeld.message_id.in_(files))
    return or_(LabHeld.reason.in_(MENDABLE), in_a_file)


def named_or_sets(subject: Subject) -> ColumnElement[bool]:
    """Filing again shows nobody anything: who sets profiles may ask for it, and IT for what is nobody's yet."""
    if Role.ADMIN in subject.roles:
        return true()
    if Role.IT in subject.roles:
        return or_(named_to(subject), LabHeld.institution_id.is_(None))
    return named_to(subject)


def _is_nobodys(who: Who, held: LabHeld) -> bool:
    """Of a sender that is not registered: IT registers it, and files what it sent."""
    return Role.IT in who.subject.roles and held.institution_id is None


def _again(runtime: Runtime, who: Who, ids: Sequence[uuid.UUID]) -> Reprocessed:
    with runtime.reading() as session:
        rows = session.scalars(select(LabMessage).where(LabMessage.id.in_(ids))).all()
        kinds = {row.id: row.record.kind for row in rows}
    read: dict[uuid.UUID, Message] = {}
    unreadable = 0
    for message_id in ids:
        try:
            if kinds[message_id] != ASTM_INCOMPLETE:
                read[message_id] = read_again(runtime, message_id)
        except Malformed:
            unreadable += 1

    def deed(session: Session) -> Reprocessed:
        done = Reprocessed(unreadable=unreadable)
        for message_id, said in read.items():
            row = session.get_one(LabMessage, message_id, with_for_update={"of": LabMessage})
            done += _file(runtime, session, row, said)
        audit.record(
            session, "lab_reprocessed", actor=who.actor, now=runtime.now(),
            detail={"messages": done.messages, "held": done.held},
        )  # fmt: skip
        return done

    return in_one(runtime, deed)


def _file(runtime: Runtime, session: Session, row: LabMessage, said: Message) -> Reprocessed:
    if row.device_id is None:
        _claim(session, row, said)
    if is_cut_otherwise(session, row):
        row.attached = None
    row.describe(said)
    file_messages(runtime, session, [(row, said)])
    waits = session.scalar(
        select(func.count())
        .select_from(LabHeld)
        .where(LabHeld.message_id == row.id, LabHeld.resolved_at.is_(None))
    )
    live.bump(session, "lab", "worklist")
    return Reprocessed(messages=1, filed=row.filed, held=waits or 0)


def _claim(session: Session, row: LabMessage, said: Message) -> None:
    device = find_registered_since(session, row, said.sender)
    if device is not None:
        row.device_id = row.record.device_id = device.id
        row.institution_id = row.record.institution_id = device.institution_id


def _choose(
    runtime: Runtime,
    session: Session,
    who: Who,
    row: LabMessage,
    held: LabHeld,
    said: Message,
    decision: Decision,
) -> None:
    """Write down which specimen it is; filing still asks whether the patient is the same."""
    if held.specimen_number is None or held.specimen_number >= len(said.specimens):
        raise Invalid("action")
    stated = said.specimens[held.specimen_number]
    if decision.action == Action.ATTACH:
        specimen = _specimen_to_attach(session, held, decision.specimen_id)
        wrong = contradictions_of(specimen.patient, stated.patient, stated.barcode)
        if wrong:
            raise Invalid("specimen_id", "another_patient")
    else:
        specimen = _register(runtime, session, held, stated, decision)
    row.attached = {**(row.attached or {}), str(held.specimen_number): str(specimen.id)}


def _specimen_to_attach(session: Session, held: LabHeld, specimen_id: uuid.UUID | None) -> LabSpecimen:
    if specimen_id is None:
        raise Invalid("specimen_id", "required")
    specimen = session.scalars(
        select(LabSpecimen)
        .join(Institution, Institution.id == LabSpecimen.institution_id)
        .where(LabSpecimen.id == specimen_id, LabSpecimen.state.in_(USABLE))
        .where(or_(Institution.id == held.institution_id, Institution.lead_id == held.institution_id))
    ).one_or_none()
    if specimen is None:
        raise Invalid("specimen_id", "unknown")
    return specimen


def _register(
    runtime: Runtime, session: Session, held: LabHeld, stated: Specimen, decision: Decision
) -> LabSpecimen:
    """Of the patient whom a person confirmed: what they corrected, else what the message says."""
    identity = decision.patient or (identity_of(stated.patient) if stated.patient else None)
    if identity is None or not identity.name or not identity.patient_id:
        raise Invalid("patient", "required")
    if stated.patient is not None and decision.patient is not None:
        # The message goes to a specimen of the patient that it names, or to none.
        told = identity_of(stated.patient)
        if told.patient_id and told.patient_id not in {identity.patient_id, stated.barcode}:
            raise Invalid("patient", "another_patient")
    barcode = (decision.barcode or held.barcode).strip()
    if not barcode:
        raise Invalid("barcode", "required")
    if held.institution_id is None:
        raise Invalid("action")
    taken = select(LabSpecimen.id).where(
        LabSpecimen.institution_id == held.institution_id, LabSpecimen.barcode == barcode
    )
    if session.scalars(taken).first() is not None:
        raise Invalid("barcode", "taken")
    patient = get_or_create(session, held.institution_id, identity)
    made = make_from_analyser(session, barcode, patient, now=runtime.now())
    session.flush()
    return made


def _set_aside(session: Session, row: LabMessage, held: LabHeld) -> Reprocessed:
    held.resolution = SET_ASIDE
    others = session.scalar(
        select(func.count())
        .select_from(LabHeld)
        .where(LabHeld.message_id == row.id, LabHeld.resolved_at.is_(None), LabHeld.id != held.id)
    )
    if not others:
        row.state = MessageState.FILED if row.filed else MessageState.SET_ASIDE
    live.bump(session, "lab", "worklist")
    return Reprocessed(held=others or 0)


def _note(runtime: Runtime, session: Session, who: Who, held: LabHeld, action: Action, reason: str) -> None:
    held.resolved_at, held.resolved_by_id = runtime.now(), who.actor.person_id
    held.resolution, held.resolution_reason = action.value, reason
    audit.record(
        session, "lab_held_resolved", actor=who.actor, now=runtime.now(), examination_id=held.examination_id,
        detail={"held_id": str(held.id), "message_id": str(held.message_id), "held_for": held.reason.value,
                "action": action.value},
    )  # fmt: skip


def _check(held: LabHeld, decision: Decision) -> Action:
    if held.resolved_at is not None:
        raise AlreadyResolved(held.id)
    if decision.action not in {one.value for one in actions_for(held)}:
        raise Invalid("action")
    if decision.action == Action.SET_ASIDE and not decision.reason.strip():
        raise Invalid("reason", "required")
    return Action(decision.action)


def stated_of(said: Message | None, held: LabHeld) -> Specimen | None:
    """The specimen of the message that it is about."""
    if said is None or held.specimen_number is None or held.specimen_number >= len(said.specimens):
        return None
    return said.specimens[held.specimen_number]


def count_by_reason(session: Session, condition: ColumnElement[bool]) -> dict[str, int]:
    rows: Any = session.execute(
        select(LabHeld.reason, func.count())
        .where(LabHeld.resolved_at.is_(None), condition)
        .group_by(LabHeld.reason)
    ).all()
    return {reason.value: count for reason, count in rows}
