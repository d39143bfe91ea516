"""Checks before a signature at work: the facts of a task out of its rows, and what the centre's book says of them."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from gateway.index import Instance, Record, Series, Study
from worklists.base import local_date
from worklists.checking.book import CheckingRules, rules_of
from worklists.checking.checks import find_doubts
from worklists.checking.rows import ReportOverride, settle
from worklists.checking.values import Doubt, Facts
from worklists.directory import Kind, Person
from worklists.examinations import Examination
from worklists.reading import ReadingTask


def doubts_of(session: Session, task: ReadingTask, rules: CheckingRules, now: datetime) -> list[Doubt]:
    """What may be wrong with the draft as it is. A specimen's results have rules of their own."""
    facts = facts_of(session, task, now)
    return find_doubts(facts, rules) if facts is not None else []


def require_settled(
    session: Session, task: ReadingTask, person: Person, reasons: Mapping[str, str], now: datetime
) -> Sequence[ReportOverride]:
    """Before it is handed on or signed. Raises ReportDoubted."""
    rules = rules_of(session, task.centre_id)
    doubts = doubts_of(session, task, rules, now)
    return settle(session, task, doubts, rules=rules, reasons=reasons, person=person, now=now)


def facts_of(session: Session, task: ReadingTask, now: datetime) -> Facts | None:
    draft, examination = task.draft, task.examination
    if draft is None or examination.kind is Kind.LABORATORY:
        return None
    return Facts(
        findings=draft.findings,
        impression=draft.impression,
        today=local_date(now),
        sex=examination.patient.sex,
        modalities=modalities_of(examination),
        description=examination.description,
        body_part=examination.body_part,
        laterality=_laterality(session, examination.id),
        critical=draft.critical,
        saved_at=draft.saved_at,
        newest_at=session.scalar(
            newest_received([examination.id]).with_only_columns(func.max(Record.received_at))
        ),
    )


def modalities_of(examination: Examination) -> frozenset[str]:
    return frozenset({"ECG"} if examination.kind is Kind.ECG else examination.modality.split("\\"))


def newest_received(examination_ids: Sequence[uuid.UUID]) -> Select[uuid.UUID, datetime]:
    """Examination → when the newest of its images that count came."""
    return (
        select(Study.examination_id, func.max(Record.received_at))
        .join(Series, Series.study_id == Study.id)
        .join(Instance, Instance.series_id == Series.id)
        .join(Record, Record.id == Instance.record_id)
        .where(Study.examination_id.in_(examination_ids), Instance.current)
        .group_by(Study.examination_id)
    )


def _laterality(session: Session, examination_id: uuid.UUID) -> str:
    """L or R where every series says the same."""
    said = set(
        session.scalars(
            select(Series.laterality)
            .join(Study, Study.id == Series.study_id)
            .where(Study.examination_id == examination_id, Series.instances > 0)
        )
    )
    return said.pop() if len(said) == 1 else ""
