"""Results that wait are judged anew, as work for later: other rules went live, or the control material was decided about.

Each examination is a due row of its own, judged with the rules that are live then, and audited with their version.
What a person handed back stays with people.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway import audit, live, work
from gateway.runtime import Runtime
from gateway.sweep import Leased
from gateway.work import Work
from worklists.examinations import Examination
from worklists.laboratory.releasing import Releaser
from worklists.laboratory.results import LabResult, Verification

JUDGE = "judge_results"
TOGETHER = 20  # examinations in one transaction: nobody waits long for its locks


class Because(StrEnum):
    """What changed."""

    RULES = "rules"
    CONTROL = "control"


def schedule(
    session: Session, examinations: Collection[uuid.UUID], because: Because, *, now: datetime
) -> None:
    """To be judged as soon as the change stands."""
    if examinations:
        due = {str(one): now for one in examinations}
        work.schedule_all(session, JUDGE, due, arguments={"because": because.value})


def schedule_all_waiting(session: Session, because: Because, *, now: datetime) -> int:
    """Every examination with a result that waits; answers how many."""
    waiting = select(LabResult.examination_id).where(
        LabResult.current, LabResult.verification == Verification.WAITING
    )
    found = set(session.scalars(waiting))
    schedule(session, found, because, now=now)
    return len(found)


def count_to_judge(session: Session) -> int:
    """How many are still to come."""
    query = select(func.count()).select_from(Work).where(Work.task == JUDGE, Work.done_at.is_(None))
    return session.scalar(query) or 0


def judge_results(runtime: Runtime, leased: Sequence[Leased]) -> Mapping[uuid.UUID, datetime]:
    """Judge the examinations of these rows. To be told twice does no harm: what was released waits no more."""
    rows = sorted(leased, key=lambda one: one.subject)
    for start in range(0, len(rows), TOGETHER):
        some = rows[start : start + TOGETHER]
        because = {uuid.UUID(one.subject): str(one.arguments.get("because", "")) for one in some}
        with runtime.sessions.begin() as session:
            _judge(session, because, runtime.now())
            live.bump(session, "lab", "worklist")
    return {}


def _judge(session: Session, because: Mapping[uuid.UUID, str], now: datetime) -> None:
    releaser = Releaser(session=session, now=now)
    by_examination: dict[uuid.UUID, list[LabResult]] = {one: [] for one in because}
    rows = session.scalars(
        select(LabResult)
        .where(LabResult.examination_id.in_(because))
        .order_by(LabResult.id)
        .with_for_update(of=LabResult)  # a person may be verifying one of them
    )
    for row in rows:
        by_examination[row.examination_id].append(row)
    for examination_id, results in by_examination.items():
        examination = session.get(Examination, examination_id)
        judged = releaser.judge_again(examination, results) if examination is not None else []
        if judged:
            _note(session, examination_id, judged, because[examination_id], releaser)


def _note(
    session: Session,
    examination_id: uuid.UUID,
    judged: Sequence[LabResult],
    because: str,
    releaser: Releaser,
) -> None:
    released = [str(one.id) for one in judged if one.verification is Verification.AUTOMATIC]
    audit.record(
        session,
        "lab_results_judged",
        actor=audit.Actor(name="gateway"),
        now=releaser.now,
        examination_id=examination_id,
        detail={
            "because": because,
            "rules_version": releaser.rules.version if releaser.rules else None,
            "released": released,
            "waiting": len(judged) - len(released),
        },
    )
