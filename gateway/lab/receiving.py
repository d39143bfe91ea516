"""What the county's laboratory does with specimens that come in: receive by scanning, reject. Audited with the deed."""

import uuid
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from gateway import live
from gateway.lab.collecting import get_specimen, note, require_version
from gateway.reading import Who, get_person, in_one
from gateway.runtime import Runtime
from worklists.access import tested_at_centres
from worklists.directory import Centre, Kind, Role
from worklists.errors import Conflict, NotAllowed, NotFound
from worklists.laboratory.examining import open_examination, return_to_township
from worklists.laboratory.numbers import is_mistyped
from worklists.laboratory.specimens import LabSpecimen, SpecimenState, SpecimenStateForbids
from worklists.reading import tasks_of
from worklists.revision import clock_text

IN_THE_LABORATORY = (Role.READER, Role.REVIEWER)


class BarcodeUnknown(NotFound):
    """No specimen bears it."""

    def __init__(self, barcode: str):
        super().__init__("specimen")
        self.barcode = barcode


class BarcodeMistyped(BarcodeUnknown):
    """No specimen can bear it: its check digit is wrong."""


class BarcodeAmbiguous(Conflict):
    """Specimens of several townships bear it; somebody says which one it is."""

    def __init__(self, barcode: str, specimen_ids: list[uuid.UUID]):
        super().__init__(barcode)
        self.barcode, self.specimen_ids = barcode, specimen_ids


class SentElsewhere(Conflict):
    """It belongs to another hospital's laboratory."""

    def __init__(self, specimen: LabSpecimen):
        lead = specimen.institution.lead
        super().__init__(specimen.barcode)
        self.site = specimen.institution.name
        self.lead = lead.name if lead else specimen.institution.name


class AlreadyReceived(Conflict):
    def __init__(self, specimen: LabSpecimen):
        super().__init__(specimen.barcode)
        self.by = specimen.received_by.name if specimen.received_by else "—"
        self.at = clock_text(specimen.received_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a scan did. `unrouted` says why nobody can read it, if so: there is no agreement, for one."""

    specimen_id: uuid.UUID
    transport_id: uuid.UUID | None
    unrouted: str


def require_laboratory(session: Session, who: Who) -> None:
    """The caller reads at a laboratory centre. Raises NotAllowed."""
    own = select(func.count()).where(
        Centre.id.in_(who.subject.centre_ids), Centre.kind == Kind.LABORATORY, Centre.enabled
    )
    if not who.subject.roles & set(IN_THE_LABORATORY) or not session.scalar(own):
        raise NotAllowed("a laboratory centre")


def receive(runtime: Runtime, who: Who, barcode: str, *, specimen_id: uuid.UUID | None = None) -> Receipt:
    """The specimen is here: it stands on the worklist from now on."""

    def deed(session: Session) -> Receipt:
        require_laboratory(session, who)
        now = runtime.now()
        specimen = _find_scanned(session, who, barcode.strip(), specimen_id)
        _require_not_received(specimen)
        specimen.receive(get_person(session, who), now)
        examination = open_examination(session, specimen, now=now)
        session.flush()
        note(session, who, "specimen_received", specimen, now)
        live.bump(session, "lab", "worklist")
        task = session.scalars(tasks_of(examination.id)).first()
        return Receipt(
            specimen_id=specimen.id,
            transport_id=specimen.transport_id,
            unrouted=task.waiting_reason if task is not None and task.centre_id is None else "",
        )

    return in_one(runtime, deed)


def reject(runtime: Runtime, who: Who, specimen_id: uuid.UUID, reason: str, version: int | None) -> None:
    """It cannot be tested: the township sees why, and is asked for another one."""

    def deed(session: Session) -> None:
        require_laboratory(session, who)
        now, person = runtime.now(), get_person(session, who)
        specimen = get_specimen(session, who, specimen_id)
        require_version(specimen, version)
        specimen.reject(person, reason, now)
        return_to_township(session, specimen, person, now)
        note(session, who, "specimen_rejected", specimen, now, reason=specimen.reason)
        live.bump(session, "lab", "worklist")

    in_one(runtime, deed)


def _find_scanned(session: Session, who: Who, barcode: str, specimen_id: uuid.UUID | None) -> LabSpecimen:
    """The one that can still be received comes before those that are done with."""
    borne = session.scalars(
        select(LabSpecimen)
        .where(LabSpecimen.barcode == barcode)
        .options(joinedload(LabSpecimen.institution), joinedload(LabSpecimen.received_by))
        .order_by(LabSpecimen.id)
    ).all()
    if not borne:
        raise BarcodeMistyped(barcode) if is_mistyped(barcode) else BarcodeUnknown(barcode)
    homes = set(session.scalars(tested_at_centres(who.subject)))
    ours = [one for one in borne if one.institution_id in homes]
    if not ours:
        raise SentElsewhere(borne[0])
    if specimen_id is not None:
        ours = [one for one in ours if one.id == specimen_id]
    open_still = [one for one in ours if one.state in {SpecimenState.REGISTERED, SpecimenState.IN_TRANSIT}]
    if len(open_still) > 1:
        raise BarcodeAmbiguous(barcode, [one.id for one in open_still])
    if not ours:
        raise BarcodeUnknown(barcode)
    return (open_still or ours)[0]


def _require_not_received(specimen: LabSpecimen) -> None:
    if specimen.state is SpecimenState.RECEIVED:
        raise AlreadyReceived(specimen)
    if specimen.state not in {SpecimenState.REGISTERED, SpecimenState.IN_TRANSIT}:
        raise SpecimenStateForbids(specimen)
