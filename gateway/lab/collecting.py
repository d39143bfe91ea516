"""What a township does with its specimens: register, print labels, send, take back, cancel. Each audited with the deed."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import audit, live
from gateway.reading import Who, get_person, in_one, note_opening
from gateway.runtime import Runtime
from worklists.access import specimens_visible_to
from worklists.base import new_id
from worklists.directory import Role
from worklists.errors import Conflict, FieldsRefused, NotAllowed, NotFound
from worklists.laboratory import identifying, registering
from worklists.laboratory.examining import close_returned
from worklists.laboratory.numbers import issue_transport_number
from worklists.laboratory.registering import Registration
from worklists.laboratory.specimens import LabSpecimen, LabTransport
from worklists.patients import Patient

MOST_IN_A_TRANSPORT = 500
MOST_LABELS = 200


class SpecimenMovedOn(Conflict):
    """It is not as the caller saw it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What the township says of a transport."""

    specimen_ids: Sequence[uuid.UUID]
    courier: str
    expected_at: datetime
    note: str = ""


def require_township(who: Who) -> uuid.UUID:
    """The institution whose specimens the caller takes. Raises NotAllowed."""
    if Role.RADIOGRAPHER not in who.subject.roles:
        raise NotAllowed("the institution that takes it")
    return who.subject.institution_id


def find_patients(runtime: Runtime, who: Who, text: str) -> list[Patient]:
    """Whom the institution knows by a card, a number or a name. Asking by a person's data is audited, without it."""
    institution_id = require_township(who)

    def deed(session: Session) -> list[Patient]:
        found = identifying.find_known(session, institution_id, text)
        now = runtime.now()
        audit.record(
            session, "specimen_patient_searched", actor=who.actor, now=now, detail={"found": len(found)}
        )
        return found

    return in_one(runtime, deed) if text else []


def register(runtime: Runtime, who: Who, stated: Registration) -> list[uuid.UUID]:
    institution_id = require_township(who)

    def deed(session: Session) -> list[uuid.UUID]:
        now, person = runtime.now(), get_person(session, who)
        specimens = registering.register(session, institution_id, stated, person=person, now=now)
        for specimen in specimens:
            note(session, who, "specimen_registered", specimen, now)
        live.bump(session, "lab", "patients")
        return [one.id for one in specimens]

    return in_one(runtime, deed)


def cancel(runtime: Runtime, who: Who, specimen_id: uuid.UUID, reason: str, version: int | None) -> None:
    def deed(session: Session) -> None:
        now = runtime.now()
        specimen = _get_own(session, who, specimen_id, version)
        specimen.cancel(get_person(session, who), reason, now)
        close_returned(session, specimen)
        note(session, who, "specimen_cancelled", specimen, now, reason=specimen.reason)
        live.bump(session, "lab", "worklist")

    in_one(runtime, deed)


def take_back(runtime: Runtime, who: Who, specimen_id: uuid.UUID, version: int | None) -> None:
    def deed(session: Session) -> None:
        now = runtime.now()
        specimen = _get_own(session, who, specimen_id, version)
        specimen.take_back(get_person(session, who), now)
        note(session, who, "specimen_taken_back", specimen, now)
        live.bump(session, "lab")

    in_one(runtime, deed)


def send(runtime: Runtime, who: Who, dispatch: Dispatch) -> uuid.UUID:
    """All of them together, or none: who is told that one cannot go takes it out of the box."""
    institution_id = require_township(who)
    ids = list(dict.fromkeys(dispatch.specimen_ids))
    _require_sendable(dispatch, len(ids), runtime.now())

    def deed(session: Session) -> uuid.UUID:
        now, person = runtime.now(), get_person(session, who)
        specimens = session.scalars(
            select(LabSpecimen).where(LabSpecimen.id.in_(ids), LabSpecimen.institution_id == institution_id)
        ).all()
        if len(specimens) < len(ids):
            raise NotFound("specimen")
        transport = LabTransport(
            id=new_id(),
            institution_id=institution_id,
            number=issue_transport_number(session, now),
            courier=dispatch.courier.strip(),
            sent_at=now,
            sent_by=person,
            expected_at=dispatch.expected_at,
            note=dispatch.note.strip(),
        )
        session.add(transport)
        for specimen in specimens:
            specimen.send(transport, person, now)
        detail = {"transport": transport.number, "specimens": [str(one) for one in ids]}
        audit.record(session, "specimens_sent", actor=who.actor, now=now, detail=detail)
        live.bump(session, "lab")
        return transport.id

    return in_one(runtime, deed)


def open_specimen(runtime: Runtime, who: Who, specimen_id: uuid.UUID) -> None:
    """Somebody looks at one: audited once for each opening. Raises NotFound."""
    with runtime.reading() as session:
        get_specimen(session, who, specimen_id)
    note_opening(runtime, who, "specimen_opened", specimen_id)


def note_labels(runtime: Runtime, who: Who, specimen_ids: Sequence[uuid.UUID]) -> None:
    def deed(session: Session) -> None:
        detail = {"specimens": [str(one) for one in specimen_ids]}
        audit.record(session, "specimen_labels_printed", actor=who.actor, now=runtime.now(), detail=detail)

    in_one(runtime, deed)


def get_specimen(session: Session, who: Who, specimen_id: uuid.UUID) -> LabSpecimen:
    """As far as the caller may know of it. Raises NotFound."""
    found = session.scalars(
        select(LabSpecimen).where(LabSpecimen.id == specimen_id, specimens_visible_to(who.subject))
    ).one_or_none()
    if found is None:
        raise NotFound("specimen")
    return found


def require_version(specimen: LabSpecimen, version: int | None) -> None:
    """`version` is what the page showed; None does not ask."""
    if version is not None and version != specimen.version:
        raise SpecimenMovedOn


def note(
    session: Session, who: Who, action: audit.Action, specimen: LabSpecimen, now: datetime, **detail: str
) -> None:
    audit.record(
        session,
        action,
        actor=who.actor,
        now=now,
        examination_id=specimen.examination_id,
        detail={"specimen_id": str(specimen.id), "barcode": specimen.barcode, **detail},
    )


def _get_own(session: Session, who: Who, specimen_id: uuid.UUID, version: int | None) -> LabSpecimen:
    specimen = get_specimen(session, who, specimen_id)
    if specimen.institution_id != require_township(who):
        raise NotAllowed("the institution that takes it")
    require_version(specimen, version)
    return specimen


def _require_sendable(dispatch: Dispatch, count: int, now: datetime) -> None:
    reasons = {}
    if not count:
        reasons["specimen_ids"] = "required"
    if count > MOST_IN_A_TRANSPORT:
        reasons["specimen_ids"] = "too_long"
    if not dispatch.courier.strip():
        reasons["courier"] = "required"
    if dispatch.expected_at <= now:
        reasons["expected_at"] = "past"
    if reasons:
        raise FieldsRefused(reasons)
