"""Registering: what is wanted of somebody becomes tubes, each with its barcode and what is tested of it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from worklists.base import local_date, new_id
from worklists.directory import Person
from worklists.errors import FieldsRefused, NotFound
from worklists.examinations import Priority
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.examining import close_returned
from worklists.laboratory.identifying import identify
from worklists.laboratory.numbers import is_barcode, issue_barcode
from worklists.laboratory.specimens import (
    LabSpecimen,
    SpecimenSource,
    SpecimenState,
    SpecimenStateForbids,
)
from worklists.patients import Patient, PatientIdentity

CLOCK_AHEAD = timedelta(minutes=10)  # of the page, whose clock says when the specimen was taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the desk stated. `barcodes` are of the tubes in their order; an empty one is issued."""

    patient: PatientIdentity
    panels: Sequence[str]
    items: Sequence[str]
    priority: Priority = Priority.ROUTINE
    kind: str = ""  # where the dictionary does not say
    clinical_information: str = ""
    requester: str = ""
    department: str = ""
    bed: str = ""
    collected_at: datetime | None = None
    barcodes: Sequence[str] = ()
    replaces_id: uuid.UUID | None = None


@dataclass(slots=True, kw_only=True)
class Tube:
    """What is tested of one specimen."""

    kind: str
    tube: str
    panels: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)


def register(
    session: Session, institution_id: uuid.UUID, stated: Registration, *, person: Person, now: datetime
) -> list[LabSpecimen]:
    """One specimen for each tube, all of one order. Raises FieldsRefused, NotFound, SpecimenStateForbids."""
    tubes = plan_tubes(*_find_wanted(session, stated))
    if stated.collected_at is not None and stated.collected_at > now + CLOCK_AHEAD:
        raise FieldsRefused({"collected_at": "future"})
    replaced = _find_replaced(session, institution_id, stated.replaces_id)
    given = _check_barcodes(session, institution_id, stated.barcodes, len(tubes))
    patient = identify(session, institution_id, stated.patient, local_date(now))
    barcodes = [barcode or issue_barcode(session, now) for barcode in given]
    specimens = [
        _make(institution_id, stated, tube, barcode, barcodes[0], patient, person, now)
        for tube, barcode in zip(tubes, barcodes, strict=True)
    ]
    for specimen in specimens:
        specimen.note_step("registered", person, now, replaced.barcode if replaced else "")
        specimen.replaces_id = replaced.id if replaced else None
    if replaced is not None:
        replaced.note_step("replaced", person, now, barcodes[0])
        close_returned(session, replaced)
    session.add_all(specimens)
    session.flush()
    return specimens


def plan_tubes(panels: Sequence[LabPanel], items: Sequence[LabItem]) -> list[Tube]:
    """Panels of one kind of specimen share a tube of one colour; an item by itself joins a tube of its kind."""
    tubes: list[Tube] = []
    for panel in panels:
        same = (one for one in tubes if (one.kind, one.tube) == (panel.specimen, panel.tube))
        tube = next(same, None) or _add(tubes, Tube(kind=panel.specimen, tube=panel.tube))
        tube.panels.append(panel.code)
        tube.items += [code for code in panel.items if code not in tube.items]
    for item in items:
        if any(item.code in one.items for one in tubes):
            continue
        fitting = (one for one in tubes if not item.specimen or one.kind == item.specimen)
        tube = next(fitting, None) or _add(tubes, Tube(kind=item.specimen, tube=""))
        tube.items.append(item.code)
    return tubes


def find_borne(session: Session, barcode: str) -> LabSpecimen | None:
    """A specimen of the county that bears it already."""
    return session.scalars(
        select(LabSpecimen)
        .where(LabSpecimen.barcode == barcode)
        .options(joinedload(LabSpecimen.institution))
        .limit(1)
    ).first()


def _add(tubes: list[Tube], tube: Tube) -> Tube:
    tubes.append(tube)
    return tube


def _find_wanted(session: Session, stated: Registration) -> tuple[list[LabPanel], list[LabItem]]:
    codes, loose = list(dict.fromkeys(stated.panels)), list(dict.fromkeys(stated.items))
    panels = session.scalars(select(LabPanel).where(LabPanel.code.in_(codes), LabPanel.enabled)).all()
    items = session.scalars(select(LabItem).where(LabItem.code.in_(loose), LabItem.enabled)).all()
    reasons = {}
    if len(panels) < len(codes):
        reasons["panels"] = "unknown"
    if len(items) < len(loose):
        reasons["items"] = "unknown"
    if not codes and not loose:
        reasons["panels"] = "required"
    if reasons:
        raise FieldsRefused(reasons)
    return (
        sorted(panels, key=lambda one: codes.index(one.code)),
        sorted(items, key=lambda one: loose.index(one.code)),
    )


def _find_replaced(
    session: Session, institution_id: uuid.UUID, specimen_id: uuid.UUID | None
) -> LabSpecimen | None:
    if specimen_id is None:
        return None
    replaced = session.get(LabSpecimen, specimen_id)
    if replaced is None or replaced.institution_id != institution_id:
        raise NotFound("specimen")
    if replaced.state is not SpecimenState.REJECTED:
        raise SpecimenStateForbids(replaced)
    return replaced


def _check_barcodes(
    session: Session, institution_id: uuid.UUID, stated: Sequence[str], tubes: int
) -> list[str]:
    given = [barcode.strip() for barcode in stated]
    if len(given) > tubes:
        raise FieldsRefused({"barcodes": "barcode_count"}, tubes=tubes)
    given += [""] * (tubes - len(given))
    for place, barcode in enumerate(given):
        if not barcode:
            continue
        name = f"barcodes.{place}"
        if not is_barcode(barcode):
            raise FieldsRefused({name: "barcode_form"})
        if barcode in given[:place]:
            raise FieldsRefused({name: "barcode_twice"})
        if (borne := find_borne(session, barcode)) is not None:
            raise _taken(name, borne, institution_id)
    return given


def _taken(name: str, borne: LabSpecimen, institution_id: uuid.UUID) -> FieldsRefused:
    """Whose it is, as far as the caller may know: another institution is named, its patient is not."""
    if borne.institution_id != institution_id:
        return FieldsRefused({name: "barcode_taken_elsewhere"}, site=borne.institution.name)
    day = local_date(borne.registered_at)
    return FieldsRefused({name: "barcode_taken"}, bearer=borne.patient.display_name, day=day)


def _make(
    institution_id: uuid.UUID,
    stated: Registration,
    tube: Tube,
    barcode: str,
    order_number: str,
    patient: Patient,
    person: Person,
    now: datetime,
) -> LabSpecimen:
    return LabSpecimen(
        id=new_id(),
        institution_id=institution_id,
        barcode=barcode,
        patient=patient,
        state=SpecimenState.REGISTERED,
        source=SpecimenSource.PAGE,
        kind=tube.kind or stated.kind,
        panels=tube.panels,
        items=tube.items,
        unknown_tests=[],
        order_number=order_number,
        priority=stated.priority,
        clinical_information=stated.clinical_information.strip(),
        requester=stated.requester.strip(),
        department=stated.department.strip(),
        bed=stated.bed.strip(),
        collected_at=stated.collected_at or now,
        registered_at=now,
        registered_by=person,
    )
