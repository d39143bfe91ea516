"""What is handed on: submitted to a reviewer, signed as preliminary, signed."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateway import critical_events, live, work
from gateway.checking import require_settled
from gateway.deliveries.queueing import queue_report
from gateway.index import Instance, Record, Series, Study
from gateway.lab.saying import Said, say_results
from gateway.reading import Who, get_person, get_task, in_one, record_deed
from gateway.runtime import Runtime
from gateway.tasks import RENDER
from worklists.amending import AmendmentKind, require_addendum_keeps
from worklists.base import local_date
from worklists.checking.book import rules_of
from worklists.directory import Kind, Person
from worklists.examinations import Examination
from worklists.key_images import KeyImage, list_key_images, require_current
from worklists.offering import offers_of
from worklists.reading import PreliminaryNotAllowed, ReadingTask, TaskState
from worklists.recognising.following import address_adopters
from worklists.recognition import marks_for
from worklists.reports import Original, Report, sign_report
from worklists.reviewing import (
    Submission,
    Verdict,
    find_baseline,
    keep_discrepancy,
    keep_submission,
    require_grade,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person says besides: why what was doubted stands (key → reason), and how far it was from the writer's."""

    overrides: Mapping[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None


NO_WORD = Word()


def submit(
    runtime: Runtime, who: Who, task_id: uuid.UUID, *, revision: int | None, word: Word = NO_WORD
) -> None:
    """Hand on the text that was shown at `revision`; None does not ask. Raises DraftChanged, ReportDoubted."""

    def deed(session: Session) -> None:
        task, person = get_task(session, who.subject, task_id), get_person(session, who)
        task.require_shown(revision)
        submit_in(runtime, session, who, task, person, word)

    in_one(runtime, deed)


def submit_in(
    runtime: Runtime, session: Session, who: Who, task: ReadingTask, person: Person, word: Word = NO_WORD
) -> None:
    """The same in a transaction of the caller's."""
    now = runtime.now()
    task.submit(person, now)
    _settle(session, who, task, person, word, now)
    keep_submission(session, task, preliminary=False, now=now)
    said = say(runtime, session, task.examination)  # what could not be signed is not handed on
    _shown_images(session, task, said)
    record_deed(session, who, "report_submitted", task, now)
    live.bump(session, "worklist")


def sign(
    runtime: Runtime, who: Who, task_id: uuid.UUID, *, revision: int | None, word: Word = NO_WORD
) -> Report:
    """Sign: the marks and the manifest are fixed, and the document is due. Needs neither object store nor journal.

    What is signed is the text that was shown at `revision`; None does not ask. A draft that its reader marked as
    preliminary becomes a preliminary report. Raises DraftChanged, ReportDoubted, GradeRequired, PreliminaryNotAllowed.
    """

    def deed(session: Session) -> Report:
        task, person = get_task(session, who.subject, task_id), get_person(session, who)
        task.require_shown(revision)
        return sign_in(runtime, session, who, task, person, word)

    return in_one(runtime, deed)


def sign_in(
    runtime: Runtime, session: Session, who: Who, task: ReadingTask, person: Person, word: Word = NO_WORD
) -> Report:
    """The same in a transaction of the caller's."""
    now = runtime.now()
    until = _preliminary_until(session, task, now)
    baseline = find_baseline(session, task.id) if task.state is TaskState.SUBMITTED else None
    _require_addendum_keeps(session, task)
    said = say(runtime, session, task.examination)
    report = sign_report(
        session,
        task,
        signer=person,
        marks=said.marks if until is None else (),  # what is preliminary is recognised by nobody
        originals=said.originals,
        results=said.results,
        critical=said.critical,
        key_images=[one.as_signed() for one in _shown_images(session, task, said)],
        now=now,
        preliminary_until=until,
    )
    _settle(session, who, task, person, word, now)
    _keep_difference(session, task, report, baseline, word, now)
    if report.critical and task.examination.kind is not Kind.LABORATORY:
        critical_events.note_signed(session, task, report.impression, person, now)
    work.schedule(session, RENDER, report.id, due_at=now)
    address_adopters(session, report)
    queue_report(session, report, now)
    detail = {"report_id": str(report.id), "version": report.version}
    record_deed(session, who, "report_signed", task, now, detail)
    live.bump(session, "worklist")
    return report


def _preliminary_until(session: Session, task: ReadingTask, now: datetime) -> datetime | None:
    """When the final report is due, of what a reader signs as preliminary. Raises PreliminaryNotAllowed."""
    if task.state is not TaskState.CLAIMED or task.draft is None or not task.draft.preliminary:
        return None
    rules = rules_of(session, task.centre_id).preliminary
    if not rules.allows(task.examination.priority, now):
        raise PreliminaryNotAllowed
    return now + rules.final


def may_sign_preliminary(session: Session, task: ReadingTask, person: Person, now: datetime) -> bool:
    """What the page offers."""
    if not offers_of(task, person, now).sign_preliminary:
        return False
    return rules_of(session, task.centre_id).preliminary.allows(task.examination.priority, now)


def _settle(session: Session, who: Who, task: ReadingTask, person: Person, word: Word, now: datetime) -> None:
    """After the transition, which says more plainly what is wrong with whoever may not, or lacks a section."""
    kept = require_settled(session, task, person, word.overrides, now)
    if kept:
        codes = [row.code.value for row in kept]
        record_deed(session, who, "doubts_overridden", task, now, {"checks": codes})


def _keep_difference(
    session: Session,
    task: ReadingTask,
    report: Report,
    baseline: Submission | None,
    word: Word,
    now: datetime,
) -> None:
    if report.preliminary:
        keep_submission(session, task, preliminary=True, now=now)
    elif baseline is not None and task.draft is not None and report.signed_by_id != baseline.writer_id:
        require_grade(baseline, task.draft, word.verdict)
        keep_discrepancy(session, report, baseline, task.draft, word.verdict, now)


def _shown_images(session: Session, task: ReadingTask, said: Said) -> Sequence[KeyImage]:
    """The pictures of the report. Raises KeyImageReplaced where one shows what is there no more."""
    chosen = list_key_images(session, task.id)
    require_current(chosen, {one.sop_instance_uid: one.sha256 for one in said.originals})
    return chosen


def _require_addendum_keeps(session: Session, task: ReadingTask) -> None:
    if (
        task.amendment_kind == AmendmentKind.ADDENDUM
        and task.amends_id is not None
        and task.draft is not None
    ):
        require_addendum_keeps(
            session.get_one(Report, task.amends_id), task.draft.findings, task.draft.impression
        )


def say(runtime: Runtime, session: Session, examination: Examination) -> Said:
    """What is signed besides the text. Raises ResultsWaiting."""
    marks_community = runtime.settings.print_community_mark
    if examination.kind is Kind.LABORATORY:
        return say_results(session, examination, print_community_mark=marks_community)
    return Said(
        marks=marks_for(
            session,
            examination,
            on=local_date(examination.studied_at or examination.received_at),
            print_community_mark=marks_community,
        ),
        originals=_originals(session, examination.id),
    )


def _originals(session: Session, examination_id: uuid.UUID) -> list[Original]:
    """What the reader had before them: the current version of every instance."""
    rows = session.execute(
        select(Instance.sop_instance_uid, Record.sha256, Record.size_bytes)
        .join(Record, Record.id == Instance.record_id)
        .join(Series, Series.id == Instance.series_id)
        .join(Study, Study.id == Series.study_id)
        .where(Study.examination_id == examination_id, Instance.current)
    )
    return [Original(sop_instance_uid=uid, sha256=sha256, size_bytes=size) for uid, sha256, size in rows]
