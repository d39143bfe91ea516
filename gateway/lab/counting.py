"""How far specimens are: counts for a whole page of a worklist in a few statements, and which to ask for."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sqlalchemy import ColumnElement, Exists, and_, case, exists, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gateway.lab.rows import LabHeld
from worklists.examinations import Examination
from worklists.laboratory.results import Abnormal, LabResult, Verification
from worklists.laboratory.specimens import LabSpecimen


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCounts:
    """Of one specimen: items that were ordered, and results that count."""

    ordered: int = 0
    resulted: int = 0
    waiting: int = 0
    abnormal: int = 0
    critical: int = 0
    held: int = 0
    rerun: int = 0


class Sign(StrEnum):
    """By what specimens of a worklist are asked for."""

    CRITICAL = "critical"
    ABNORMAL = "abnormal"
    WAITING = "waiting"
    HELD = "held"
    CLEAN = "clean"  # all there and released, nothing critical, nothing held


def shows(sign: Sign) -> ColumnElement[bool]:
    """Examinations of the query of which this is so."""
    unreleased = LabResult.verification.in_((Verification.WAITING, Verification.RERUN))
    if sign is Sign.CLEAN:
        return and_(
            _has(LabResult.current),
            Examination.instances >= func.coalesce(Examination.expected_instances, 0),
            ~_has(unreleased),
            ~_has(LabResult.critical),
            ~_is_held(),
        )
    if sign is Sign.HELD:
        return _is_held()
    if sign is Sign.WAITING:
        return _has(LabResult.verification == Verification.WAITING)
    return _has(LabResult.critical if sign is Sign.CRITICAL else LabResult.abnormal != Abnormal.NONE)


def _has(condition: ColumnElement[bool] | InstrumentedAttribute[bool]) -> Exists:
    return exists().where(LabResult.examination_id == Examination.id, LabResult.current, condition)


def _is_held() -> Exists:
    return exists().where(LabHeld.examination_id == Examination.id, LabHeld.resolved_at.is_(None))


def count_results(session: Session, examination_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, LabCounts]:
    """Of those among the examinations that are specimens."""
    if not examination_ids:
        return {}
    specimens = session.execute(
        select(LabSpecimen.examination_id, LabSpecimen.items).where(
            LabSpecimen.examination_id.in_(examination_ids)
        )
    )
    found = {about: LabCounts(ordered=len(items)) for about, items in specimens if about is not None}
    if not found:
        return found
    results = session.execute(
        select(
            LabResult.examination_id,
            func.count().label("resulted"),
            _number_of(LabResult.verification == Verification.WAITING).label("waiting"),
            _number_of(LabResult.abnormal != Abnormal.NONE).label("abnormal"),
            _number_of(LabResult.critical).label("critical"),
            _number_of(LabResult.verification == Verification.RERUN).label("rerun"),
        )
        .where(LabResult.examination_id.in_(found), LabResult.current)
        .group_by(LabResult.examination_id)
    )
    for about, *counts in results:
        names = ("resulted", "waiting", "abnormal", "critical", "rerun")
        found[about] = replace(found[about], **dict(zip(names, map(int, counts), strict=True)))
    held = session.execute(
        select(LabHeld.examination_id, func.count())
        .where(LabHeld.examination_id.in_(found), LabHeld.resolved_at.is_(None))
        .group_by(LabHeld.examination_id)
    )
    for examination_id, count in held:
        if examination_id is not None:
            found[examination_id] = replace(found[examination_id], held=count)
    return found


def _number_of(condition: ColumnElement[bool] | InstrumentedAttribute[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))
