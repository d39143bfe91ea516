"""Orders that arrive by HL7: a specimen that is registered, changed, or no longer wanted."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from adapters.lab.said import Coded, Specimen, StatedOrder
from gateway.lab.identity import contradictions_of, identity_of
from worklists.base import new_id
from worklists.directory import Device
from worklists.examinations import Priority
from worklists.laboratory.dictionary import LabItem, LabPanel
from worklists.laboratory.specimens import LabSpecimen, SpecimenSource, SpecimenState
from worklists.patients import get_or_create

T = TypeVar("T", LabPanel, LabItem)

# HL7 table 0119, as far as it takes an order back.
_CANCELS = frozenset({"CA", "OC", "DC", "OD"})
_URGENT = frozenset({"S", "A", "T", "STAT", "ASAP"})  # HL7 table 0485; LIS2-A2 §8.4.6


def take_order(session: Session, device: Device, specimen: Specimen, *, now: datetime) -> str | None:
    """Carry an order out. Answers why not when what it says cannot be: a word for the page."""
    order = specimen.order or StatedOrder()
    barcode = (specimen.barcode or order.placer_number or order.filler_number).strip()
    if not barcode:
        return "no_barcode"
    known = session.scalars(
        select(LabSpecimen).where(
            LabSpecimen.institution_id == device.institution_id, LabSpecimen.barcode == barcode
        )
    ).one_or_none()
    if known is not None and contradictions_of(known.patient, specimen.patient, barcode):
        return "patient"
    if order.control in _CANCELS:
        return _cancel(session, known, order)
    if known is not None and known.state in {SpecimenState.CANCELLED, SpecimenState.REJECTED}:
        return known.state.value
    if known is None:
        if specimen.patient is None or not (specimen.patient.patient_id and specimen.patient.name):
            return "no_patient"
        patient = get_or_create(session, device.institution_id, identity_of(specimen.patient))
        known = LabSpecimen(
            id=new_id(),
            institution_id=device.institution_id,
            barcode=barcode,
            patient=patient,
            state=SpecimenState.REGISTERED,
            source=SpecimenSource.ORDER,
            registered_at=now,
            department=specimen.patient.department,
            bed=specimen.patient.bed,
        )
        session.add(known)
    _write(session, known, specimen, order)
    session.flush()
    return None


def _write(session: Session, known: LabSpecimen, specimen: Specimen, order: StatedOrder) -> None:
    panels, items, unknown = find_tests(session, _wanted(order))
    known.panels = list(dict.fromkeys([*(known.panels or []), *panels]))
    known.items = list(dict.fromkeys([*(known.items or []), *items]))
    known.unknown_tests = list(dict.fromkeys([*(known.unknown_tests or []), *unknown]))
    known.order_number = known.order_number or order.placer_number
    known.kind = known.kind or (specimen.kind.text or specimen.kind.code if specimen.kind else "")
    known.priority = (
        Priority.URGENT if order.priority.upper() in _URGENT else known.priority or Priority.ROUTINE
    )
    known.clinical_information = known.clinical_information or order.clinical_information or order.diagnosis
    known.requester = known.requester or order.requester
    known.department = known.department or order.department
    known.collected_at = known.collected_at or order.collected_at


def _wanted(order: StatedOrder) -> list[Coded]:
    return [*([order.panel] if order.panel else []), *order.tests]


def find_tests(session: Session, wanted: Iterable[Coded]) -> tuple[list[str], list[str], list[str]]:
    """Codes of panels, codes of all items that they and the rest mean, and what no dictionary knows."""
    panels, items, unknown = [], [], []
    for one in wanted:
        if not one.code and not one.text:
            continue
        panel = _by_code(session, LabPanel, one)
        item = None if panel else _by_code(session, LabItem, one)
        if panel is not None:
            panels.append(panel.code)
            items += panel.items
        elif item is not None:
            items.append(item.code)
        else:
            unknown.append(f"{one.code} {one.text}".strip())
    return panels, list(dict.fromkeys(items)), unknown


def _by_code(session: Session, row: type[T], wanted: Coded) -> T | None:
    """By the county's code, else by LOINC; never by its name."""
    if not wanted.code:
        return None
    found = session.get(row, wanted.code)
    if found is None:
        found = session.scalars(select(row).where(row.loinc == wanted.code).order_by(row.code)).first()
    return found


def _cancel(session: Session, known: LabSpecimen | None, order: StatedOrder) -> str | None:
    """Of the tests that it names; of the specimen, where it names none, or no other is left."""
    if known is None:
        return "unknown_order"
    if known.examination_id is not None:
        return "in_work"
    named = _wanted(order)
    if named and not _take_off(session, known, named):
        return "unknown_order"
    if not named or not (known.items or known.unknown_tests):
        known.state, known.reason = SpecimenState.CANCELLED, "order_cancelled"
    return None


def _take_off(session: Session, known: LabSpecimen, named: Iterable[Coded]) -> bool:
    """Whether any of them was ordered. What a panel that is left has in common with them stays."""
    panels, items, unknown = find_tests(session, named)
    left = [one for one in known.panels if one not in panels]
    kept = {item for one in left if (panel := session.get(LabPanel, one)) for item in panel.items}
    before = (known.panels, known.items, known.unknown_tests)
    known.panels = left
    known.items = [one for one in known.items if one not in items or one in kept]
    known.unknown_tests = [one for one in known.unknown_tests if one not in unknown]
    return before != (known.panels, known.items, known.unknown_tests)
