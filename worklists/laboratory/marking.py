"""Marks of test results (检验结果互认标识): decision table 1 for each item on the day it was measured.

What is recognised is the measurement, so the qualification that counts is that of the institution whose analyser
made it; a result while the control material was out of control has none until that was released.
"""

import uuid
from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from worklists.base import local_date
from worklists.control import ControlState
from worklists.laboratory.controlling import control_state
from worklists.laboratory.results import LabResult, ResultStatus
from worklists.recognition import Mark, NoMark, Qualification, RecognitionItem, mark_item, not_in_catalogue

WITHDRAWN = (ResultStatus.CANCELLED, ResultStatus.DELETED)


def marks_of(
    session: Session, results: Sequence[LabResult], *, print_community_mark: bool = False
) -> dict[uuid.UUID, Mark]:
    """By the result's id; what was withdrawn has nothing to be marked."""
    marked = [one for one in results if one.status not in WITHDRAWN]
    codes = {one.item.recognition_item_code for one in marked} - {None}
    catalogue = {
        one.code: one
        for one in session.scalars(select(RecognitionItem).where(RecognitionItem.code.in_(codes)))
    }
    held = _qualifications(session, marked, set(catalogue))
    found = {}
    for one in marked:
        on = local_date(one.observed_at)
        item = catalogue.get(one.item.recognition_item_code or "")
        if item is None or not _in_force(item, on):
            found[one.id] = not_in_catalogue(one.item.name)
            continue
        maker = one.device.institution_id if one.device else None
        found[one.id] = mark_item(
            item,
            held.get((maker, item.code), []),
            on=on,
            print_community_mark=print_community_mark,
            doubted=None if is_in_control(session, one) else NoMark.OUT_OF_CONTROL,
        )
    return found


def is_in_control(session: Session, result: LabResult) -> bool:
    """A named person's release counts, whenever it came."""
    if result.control_state is not ControlState.OUT_OF_CONTROL or result.device_id is None:
        return True
    state = control_state(session, result.device_id, result.item_code, result.observed_at)
    return state is not ControlState.OUT_OF_CONTROL


def _qualifications(
    session: Session, results: Sequence[LabResult], codes: set[str]
) -> dict[tuple[uuid.UUID | None, str], list[Qualification]]:
    makers = {one.device.institution_id for one in results if one.device}
    found: dict[tuple[uuid.UUID | None, str], list[Qualification]] = {}
    for row in session.scalars(
        select(Qualification)
        .where(Qualification.institution_id.in_(makers), Qualification.item_code.in_(codes))
        .order_by(Qualification.id)
    ):
        found.setdefault((row.institution_id, row.item_code), []).append(row)
    return found


def _in_force(item: RecognitionItem, on: date) -> bool:
    return item.effective_from <= on and (item.effective_to is None or on <= item.effective_to)
