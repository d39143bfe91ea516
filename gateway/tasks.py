"""The tasks that due rows name. Each bears being run twice."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from gateway import (
    assigning,
    audit,
    critical_calls,
    duty_calls,
    indexing,
    live,
    matching,
    name_index,
    rereading,
    text_doubts,
    work,
)
from gateway.deliveries.queueing import DELIVER
from gateway.ecg.rows import DESCRIBE
from gateway.index import DrainMark, Instance, Record, Series, Study
from gateway.lab import judging
from gateway.runtime import Runtime
from gateway.share_queue import SHARE
from gateway.sweep import Leased, NotYet, Task, Together
from worklists import routing
from worklists.directory import Kind
from worklists.examinations import Examination, is_whole
from worklists.reading import ReadingTask, TaskState

log = structlog.get_logger()

SEAL_INTERVAL = timedelta(seconds=1)
EXPIRY_INTERVAL = timedelta(seconds=15)
ROUTING_INTERVAL = timedelta(seconds=10)
MATCHING_INTERVAL = timedelta(seconds=1)
NAMES_INTERVAL = timedelta(seconds=2)
NAMES_IN_ONE_RUN = 10
BEHIND = timedelta(seconds=3)
BEHIND_INTERVAL, LONGEST_BEHIND_INTERVAL = timedelta(seconds=1), timedelta(seconds=15)
WRONG_CLOCK = timedelta(seconds=30)  # so much the drain must have indexed beyond, in the time that it is now
RENDER = "render_report"


def settle_examinations(runtime: Runtime, leased: Sequence[Leased]) -> dict[uuid.UUID, datetime]:
    """Judge which examinations are whole, in receive time, and never while the drain is behind."""
    rows = {uuid.UUID(one.subject): one.id for one in leased}
    early: dict[uuid.UUID, datetime] = {}
    with runtime.reading() as session:
        if _is_behind(session, runtime.now()):
            # Most likely too early: the drain should not wait for us to say so.
            early = _too_early(runtime, session, session.scalars(_incomplete(rows)).all())
    if early.keys() != rows.keys():
        with runtime.sessions.begin() as session:
            # Locked, so that what arrives in this moment is not taken for what was there.
            query = _incomplete(rows.keys() - early.keys()).with_for_update(of=Examination)
            found = session.scalars(query).all()
            early |= _too_early(runtime, session, found)
            whole = [examination for examination in found if examination.id not in early]
            if whole:
                routing.note_complete(session, whole, runtime.now())
                live.bump(session, "worklist")
    return {rows[examination_id]: until for examination_id, until in early.items()}


def _incomplete(ids: Iterable[uuid.UUID]) -> Select[Examination]:
    """In one order, so that no two wait for each other."""
    return (
        select(Examination)
        .where(Examination.id.in_(list(ids)), Examination.complete.is_(False))
        .order_by(Examination.id)
    )


def _too_early(runtime: Runtime, session: Session, found: Sequence[Examination]) -> dict[uuid.UUID, datetime]:
    """Which of them cannot be judged yet, and when to look again."""
    now = runtime.now()
    early: dict[uuid.UUID, datetime] = {}
    due: dict[uuid.UUID, datetime] = {}
    waiting = [examination for examination in found if not is_whole(examination)]
    for examination_id, due_at in indexing.settle_times(session, waiting, runtime.settings).items():
        if now < due_at <= now + work.FURTHEST:
            early[examination_id] = due_at
        else:  # later still: received by a clock that was ahead; nobody waits until it is that late
            due[examination_id] = due_at if due_at <= now else now - WRONG_CLOCK
    # What an analyser says of a specimen is filed whole; more may come at any time, and nobody can know when.
    from_analysers = {one.id for one in waiting if one.kind is Kind.LABORATORY}
    indexed = _indexed_until(session, due)
    for examination_id, due_at in due.items():
        if examination_id in from_analysers:
            continue
        until = indexed.get(examination_id)
        if until is None or until < due_at:
            # Thousands may wait for a drain that has much to do: the longer they did, the less often each looks again.
            early[examination_id] = now + min(
                max(BEHIND_INTERVAL, (now - due_at) / 2), LONGEST_BEHIND_INTERVAL
            )
    return early


def _is_behind(session: Session, now: datetime) -> bool:
    """Some drain has not caught up for a while; each says so once a second."""
    marked = session.scalar(select(func.min(DrainMark.indexed_until)))
    return marked is None or marked < now - BEHIND


def _indexed_until(session: Session, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, datetime]:
    """How far the drains of the nodes are that received each; one that was taken away keeps nothing else waiting."""
    if not ids:
        return {}
    rows = session.execute(
        select(Study.examination_id, func.min(DrainMark.indexed_until).label("until"))
        .join(Series, Series.study_id == Study.id)
        .join(Instance, Instance.series_id == Series.id)
        .join(Record, Record.id == Instance.record_id)
        .join(DrainMark, DrainMark.node == Record.node)
        .where(Study.examination_id.in_(list(ids)))
        .group_by(Study.examination_id)
    )
    return {row.examination_id: row.until for row in rows}


def render_report(runtime: Runtime, leased: Leased) -> None:
    """Make the signed document of a report and put it into the journal, like any original."""
    from gateway.rendering import render  # noqa: PLC0415 (only this needs typesetting and signing: a second to load)

    render(runtime, uuid.UUID(leased.subject))


def seal_audit(runtime: Runtime, _leased: Leased) -> None:
    """Chain what was audited since the last time; one runs at a time because the row is leased."""
    with runtime.sessions.begin() as session:
        audit.seal(session)
    raise NotYet(runtime.now() + SEAL_INTERVAL)


def find_expired(session: Session, now: datetime) -> Sequence[ReadingTask]:
    """Tasks whose holder has let the time run out."""
    held = (ReadingTask.state == TaskState.CLAIMED, ReadingTask.claimed_until <= now)
    return session.scalars(select(ReadingTask).where(*held)).all()


def release_expired_claims(runtime: Runtime, _leased: Leased) -> None:
    """Give back to the pool what somebody left: the reading room was closed without a word."""
    with runtime.sessions.begin() as session:
        now = runtime.now()
        expired = find_expired(session, now)
        for task in expired:
            holder = task.claimed_by.name if task.claimed_by else ""
            if task.release_expired(now):
                audit.record(
                    session,
                    "claim_expired",
                    actor=audit.Actor(name="gateway"),
                    now=now,
                    examination_id=task.examination_id,
                    detail={"task_id": str(task.id), "holder": holder},
                )
        if expired:
            live.bump(session, "worklist")
    raise NotYet(runtime.now() + EXPIRY_INTERVAL)


def route_waiting(runtime: Runtime, _leased: Leased) -> None:
    """Route what no centre could take until now: an agreement or a centre was entered meanwhile."""
    with runtime.sessions.begin() as session:
        if routing.assign_waiting(session, runtime.now()):
            live.bump(session, "worklist")
    raise NotYet(runtime.now() + ROUTING_INTERVAL)


def index_names(runtime: Runtime, _leased: Leased) -> None:
    """Write down by what patients are found: those who came or changed, and after a migration all of them."""
    more = True
    for _ in range(NAMES_IN_ONE_RUN):
        more = more and name_index.index_new(runtime)
    raise NotYet(runtime.now() + (timedelta(0) if more else NAMES_INTERVAL))


def match_patients(runtime: Runtime, _leased: Leased) -> None:
    """Look which patients are one person: those who came or changed, and after a migration all of them."""
    matching.match_new(runtime)
    raise NotYet(runtime.now() + MATCHING_INTERVAL)


def describe_ecg(runtime: Runtime, leased: Leased) -> None:
    """Look into a recording that was indexed."""
    from gateway.ecg.describing import describe_recording  # noqa: PLC0415 (only this needs signal processing)

    describe_recording(runtime, leased)


def deliver_reports(runtime: Runtime, leased: Leased) -> None:
    """Send what is due at an endpoint."""
    from gateway.deliveries import sending  # noqa: PLC0415 (only this needs all the wires)

    sending.deliver_reports(runtime, leased)


def share_delivered(runtime: Runtime, leased: Leased) -> None:
    """Make the code of a report that came back."""
    from gateway import sharing  # noqa: PLC0415 (use cases, which name our tasks)

    sharing.share_delivered(runtime, leased)


TASKS: dict[str, Task] = {
    indexing.SETTLE: Together(settle_examinations),
    DESCRIBE: describe_ecg,
    RENDER: render_report,
    DELIVER: deliver_reports,
    SHARE: share_delivered,
    judging.JUDGE: Together(judging.judge_results),
    "seal_audit": seal_audit,
    "release_expired_claims": release_expired_claims,
    "route_waiting": route_waiting,
    "match_patients": match_patients,
    "watch_chest_pain": duty_calls.watch_chest_pain,
    duty_calls.CALL: duty_calls.call_duty,
    assigning.ASSIGN: assigning.assign_tasks,
    critical_calls.WATCH: critical_calls.watch_critical,
    critical_calls.ESCALATE: critical_calls.escalate_critical,
    "index_names": index_names,
    text_doubts.READ_AGAIN: rereading.read_text_again,
    text_doubts.FOLLOW_DEVICE: rereading.follow_device,
    text_doubts.READ_AS_DEVICE: rereading.read_as_device,
}
# Each may wait for a peer for as long as a lease lasts: what else is due does not wait behind them.
OUTWARD = (DELIVER,)
STANDING = (
    "seal_audit", "release_expired_claims", "route_waiting", "match_patients", "index_names", "watch_chest_pain",
    assigning.ASSIGN, critical_calls.WATCH,
)  # fmt: skip


def schedule_standing(session: Session, runtime: Runtime) -> None:
    """The rows that are always due again; made when the gateway starts."""
    for task in STANDING:
        work.schedule(session, task, "always", due_at=runtime.now())
