"""How the installation is, as far as the database says: how far the drain is, what waits, what nobody has taken."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.backups.rows import BackupRun
from gateway.figures import (
    BackupFigures,
    DrainFigures,
    NodeFigures,
    SigningFigures,
    SweepFigures,
    UnansweredFigures,
    UntakenFigures,
)
from gateway.index import DrainMark, Pack, Record
from gateway.signing_causes import FAILED, cause_of_failure
from gateway.tasks import RENDER
from gateway.work import Work
from worklists.critical import exhausted_events
from worklists.duty import untaken_since
from worklists.reading import ReadingTask
from worklists.reports import Report, ReportReturn

FAILING_AFTER = 3  # attempts; one or two failures are what retries are for
FIGURES_VALID = timedelta(seconds=15)  # three times as long as a drain leaves them


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is counted over tables that only grow."""

    packs: int
    packed_bytes: int
    tasks: dict[str, int]
    returns: dict[str, int]


def read_marks(session: Session, now: datetime) -> DrainFigures:
    """A record becomes a row when it is indexed, so those received in the last minute were indexed in it."""
    marks = session.scalars(select(DrainMark)).all()
    told = [mark.figures for mark in marks if _is_fresh(mark.figures, now)]
    minute = now - timedelta(minutes=1)
    indexed = select(func.count()).where(Record.received_at >= minute)
    filed = select(func.count()).join(Pack, Pack.id == Record.pack_id).where(Pack.filed_at >= minute)
    counted = {
        "indexed_per_minute": session.scalar(indexed) or 0,
        "filed_per_minute": session.scalar(filed.select_from(Record)) or 0,
    }
    return DrainFigures(
        indexed_at=min((mark.indexed_until for mark in marks), default=None),
        filed_at=max((mark.filed_at for mark in marks if mark.filed_at), default=None),
        **(sum_figures(told) if told and len(told) == len(marks) else counted),
    )


def _is_fresh(figures: dict[str, Any], now: datetime) -> bool:
    at = figures.get("at")
    return at is not None and now - datetime.fromisoformat(at) <= FIGURES_VALID


def sum_figures(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What drains say of themselves, together; of their errors the last."""
    last = max(told, key=lambda figures: figures["last_error_at"] or "")
    at = last["last_error_at"]
    return {
        "indexed_per_minute": sum(figures["indexed_per_minute"] for figures in told),
        "filed_per_minute": sum(figures["filed_per_minute"] for figures in told),
        "last_error": last["last_error"],
        "last_error_at": datetime.fromisoformat(at) if at else None,
    }


def read_nodes(session: Session) -> tuple[NodeFigures, ...]:
    marks = session.scalars(select(DrainMark).order_by(DrainMark.node)).all()
    return tuple(
        NodeFigures(
            node=mark.node,
            indexed_until=mark.indexed_until,
            filed_at=mark.filed_at,
            told_at=datetime.fromisoformat(mark.figures["at"]) if "at" in mark.figures else None,
        )
        for mark in marks
    )


def read_untaken(session: Session) -> UntakenFigures | None:
    untaken = untaken_since(session)
    if not untaken:
        return None
    names = dict.fromkeys(task.centre.name for task, _ in untaken if task.centre)
    return UntakenFigures(centres=tuple(names), since=min(since for _, since in untaken))


def read_unanswered(session: Session) -> UnansweredFigures | None:
    events = exhausted_events(session)
    if not events:
        return None
    names = dict.fromkeys(event.examination.institution.name for event in events)
    return UnansweredFigures(institutions=tuple(names), since=events[0].found_at)


def read_backup(session: Session) -> BackupFigures | None:
    run = session.scalars(select(BackupRun).order_by(BackupRun.ended_at.desc()).limit(1)).first()
    if run is None:
        return None
    return BackupFigures(
        stamp=run.stamp,
        ended_at=run.ended_at,
        size_bytes=run.size_bytes,
        originals=run.originals,
        verified=run.verified,
        problems=len(run.problems),
    )


def read_work(session: Session, now: datetime) -> SweepFigures:
    open_and_due = (Work.done_at.is_(None), Work.due_at <= now)
    count, oldest = session.execute(select(func.count(), func.min(Work.due_at)).where(*open_and_due)).one()
    failing = select(func.count()).where(
        Work.done_at.is_(None), Work.attempts >= FAILING_AFTER, Work.last_error != ""
    )
    return SweepFigures(kind="", due=count, oldest_due_at=oldest, failing=session.scalar(failing) or 0)


def read_signing(session: Session) -> SigningFigures | None:
    waiting = (Work.task == RENDER, Work.done_at.is_(None), Work.last_error.startswith(FAILED))
    count = session.scalar(select(func.count()).select_from(Work).where(*waiting)) or 0
    first = session.scalars(select(Work).where(*waiting).order_by(Work.id).limit(1)).first()
    if first is None:
        return None
    report = session.get(Report, uuid.UUID(first.subject))
    return SigningFigures(
        waiting=count,
        cause=cause_of_failure(first.last_error),
        since=report.signed_at if report is not None else None,
    )


def read_totals(session: Session) -> Totals:
    packs, packed = session.execute(
        select(func.count(), func.coalesce(func.sum(Pack.size_bytes), 0)).where(Pack.filed_at.is_not(None))
    ).one()
    return Totals(
        packs=packs,
        packed_bytes=int(packed),
        tasks=_count(session, ReadingTask.state),
        returns=_count(session, ReportReturn.state),
    )


def _count(session: Session, state: Any) -> dict[str, int]:
    return {row[0].value: row[1] for row in session.execute(select(state, func.count()).group_by(state))}


def received_at(origin: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(origin.get("received_at") or origin.get("at")))
    except ValueError:
        return None
