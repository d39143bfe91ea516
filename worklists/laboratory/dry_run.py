"""A dry run: what a set of rules would have done with the last results, beside what was done with them.

It looks at facts as they were kept (range, delta, state of control, flags); nothing is changed by it.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from worklists.examinations import Examination
from worklists.laboratory.releasing import BY_PERSON, case_of, released_before, repeated_at_once
from worklists.laboratory.results import LabResult, ResultStatus
from worklists.laboratory.rules import Rules
from worklists.patients import Patient

LAST_RESULTS = 1000
STEP = 50  # results, after which somebody hears how far it is
MOST_CHANGES = 100  # named one by one; the rest is counted


def dry_run(
    session: Session,
    rules: Rules,
    *,
    now: datetime,
    told: Callable[[int, int], None] = lambda _done, _of: None,
) -> dict[str, Any]:
    """Counts by rule, and the results that would have fared otherwise. No patient is named.

    `told` hears how many of how many were judged.
    """
    judged = _last_results(session)
    beside: dict[uuid.UUID, list[LabResult]] = {}
    patients: dict[uuid.UUID, Patient] = {}
    stopped, alone, changes = Counter[str](), Counter[str](), []
    counts = Counter[str]()
    for place, one in enumerate(judged):
        if place % STEP == 0:
            told(place, len(judged))
            wanted = {each.examination_id for each in judged[place : place + STEP]} - beside.keys()
            beside |= _of_examinations(session, wanted)
            patients |= {each.id: each.patient for each in _examinations(session, wanted)}
        results = beside[one.examination_id]
        current = {other.item_code: other for other in results if other.current}
        patient = patients[one.examination_id]
        case = case_of(one, current, released_before(results), repeated_at_once(results), patient)
        stops = rules.stops(case)
        codes = list(dict.fromkeys(stop["rule"] for stop in stops))
        stopped.update(codes)
        alone.update(codes if len(codes) == 1 else [])
        before = [stop["rule"] for stop in one.stops if stop["rule"] != BY_PERSON]
        counts[_what(before=bool(before), after=bool(codes))] += 1
        if bool(before) is not bool(codes):
            changes.append(_change(one, before, stops))
    told(len(judged), len(judged))
    return {
        "at": now.isoformat(),
        "results": len(judged),
        "first_at": judged[-1].received_at.isoformat() if judged else None,
        "last_at": judged[0].received_at.isoformat() if judged else None,
        "released": counts["released"] + counts["newly_released"],
        "stopped": counts["stopped"] + counts["newly_stopped"],
        "was_released": counts["released"] + counts["newly_stopped"],
        "was_stopped": counts["stopped"] + counts["newly_released"],
        "newly_released": counts["newly_released"],
        "newly_stopped": counts["newly_stopped"],
        "by_rule": {code: {"stopped": stopped[code], "alone": alone[code]} for code in sorted(stopped)},
        "changes": changes[:MOST_CHANGES],
    }


def _what(*, before: bool, after: bool) -> str:
    if before is after:
        return "stopped" if after else "released"
    return "newly_stopped" if after else "newly_released"


def _change(one: LabResult, before: Sequence[str], stops: Sequence[dict[str, str]]) -> dict[str, Any]:
    return {
        "result_id": str(one.id),
        "item_code": one.item_code,
        "item_name": one.item.name,
        "value": one.value,
        "unit": one.unit,
        "abnormal": one.abnormal.value,
        "observed_at": one.observed_at.isoformat(),
        "before": list(dict.fromkeys(before)),
        "after": list(stops),
    }


def _last_results(session: Session) -> Sequence[LabResult]:
    """The newest first: ids sort by time. What was withdrawn has no value that a rule could judge."""
    return session.scalars(
        select(LabResult)
        .where(LabResult.current, LabResult.status.not_in([ResultStatus.DELETED, ResultStatus.CANCELLED]))
        .order_by(LabResult.id.desc())
        .limit(LAST_RESULTS)
    ).all()


def _of_examinations(session: Session, ids: set[uuid.UUID]) -> dict[uuid.UUID, list[LabResult]]:
    found: dict[uuid.UUID, list[LabResult]] = {}
    for row in session.scalars(select(LabResult).where(LabResult.examination_id.in_(ids))):
        found.setdefault(row.examination_id, []).append(row)
    return found


def _examinations(session: Session, ids: set[uuid.UUID]) -> Sequence[Examination]:
    return session.scalars(
        select(Examination).where(Examination.id.in_(ids)).options(joinedload(Examination.patient))
    ).all()
