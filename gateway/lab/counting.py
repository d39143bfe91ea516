"""How far specimens are: counts for a whole page of a worklist, in a few statements whatever its length."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gateway.lab.rows import LabHeld
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


def count_results(session: Session, examination_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, LabCounts]:
    """Of those among the examinations that are specimens."""
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
