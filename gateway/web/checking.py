"""Checks before a signature, and what reviewers made of reports: `/api/v1/tasks/{id}/check`, `/api/v1/feedback`."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gateway import checking, reading, township
from gateway import feedback as use_cases
from gateway.web.amending import ChangeShape, show_changes
from gateway.web.deps import RuntimeDep
from gateway.web.paging import CursorDep, LimitDep, read_id_cursor, write_cursor
from gateway.web.reading_shapes import DoubtShape, OverrideShape
from gateway.web.reading_showing import show_doubt, show_override
from gateway.web.shapes import PatientShape, PersonShape, SiteShape
from gateway.web.showing import made_on, show_known_person, show_site, show_snapshot
from gateway.web.tasks import IfMatch, read_revision, showing_the_newer, who_is
from gateway.web.worklist import ReaderDep
from worklists.checking.book import rules_of
from worklists.checking.rows import find_overrides, overrides_of
from worklists.directory import Kind
from worklists.errors import NotFound
from worklists.reviewing import LONGEST_NOTE, Category, Grade, ReportDiscrepancy

router = APIRouter(prefix="/api/v1", tags=["reading"])


class CheckedShape(BaseModel):
    """What may be wrong with the draft at `revision`. `reasoned`: checks that are overridden only with a reason."""

    revision: int
    doubts: list[DoubtShape]
    overrides: list[OverrideShape]
    reasoned: list[str]
    quick_reasons: list[str]


class DiscrepancyShape(BaseModel):
    id: uuid.UUID
    report_id: uuid.UUID
    version: int
    kind: Kind
    modality: str
    body_part: str
    description: str
    patient: PatientShape
    site: SiteShape
    writer: PersonShape
    reviewer: PersonShape
    grade: Grade
    category: Category | None
    note: str
    changed: bool
    of_preliminary: bool
    findings: list[ChangeShape]
    impression: list[ChangeShape]
    critical_before: bool
    critical_after: bool
    graded_at: datetime
    acknowledged_at: datetime | None
    reply: str


class ReviewShape(BaseModel):
    """What the centre sees of how a report was checked and reviewed."""

    overrides: list[OverrideShape]
    discrepancy: DiscrepancyShape | None


class FeedbackPage(BaseModel):
    items: list[DiscrepancyShape]
    next_cursor: str | None
    counts: dict[str, int]


class Whose(StrEnum):
    MINE = "mine"  # of what the caller wrote
    GIVEN = "given"  # that the caller graded


class ReplyBody(BaseModel):
    reply: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


@router.post("/tasks/{task_id}/check")
def check(
    task_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep, if_match: IfMatch = None
) -> CheckedShape:
    """What may be wrong with the draft that was shown. It changes nothing."""
    with showing_the_newer(runtime, caller, task_id), runtime.reading() as session:
        task = reading.get_task(session, caller.subject, task_id)
        task.require_shown(read_revision(if_match))
        rules = rules_of(session, task.centre_id)
        return CheckedShape(
            revision=task.draft.revision if task.draft else 0,
            doubts=[show_doubt(one) for one in checking.doubts_of(session, task, rules, runtime.now())],
            overrides=[show_override(row) for row in find_overrides(session, task.id)],
            reasoned=sorted(rules.reasoned),
            quick_reasons=list(rules.quick_reasons),
        )


@router.get("/reports/{report_id}/review")
def read_review(report_id: uuid.UUID, caller: ReaderDep, runtime: RuntimeDep) -> ReviewShape:
    """For the centre that signed it; 404 for everybody else."""
    with runtime.reading() as session:
        report = township.get_report(session, who_is(caller), report_id)
        if report.centre_id not in caller.subject.centre_ids:
            raise NotFound("report")
        discrepancy = use_cases.find_of_report(session, report)
        return ReviewShape(
            overrides=[show_override(row) for row in overrides_of(session, report)],
            discrepancy=_show(discrepancy) if discrepancy else None,
        )


@router.get("/feedback")
def list_feedback(
    caller: ReaderDep,
    runtime: RuntimeDep,
    whose: Whose = Whose.MINE,
    grade: Annotated[list[Grade] | None, Query()] = None,
    unread: bool = False,
    limit: LimitDep = 50,
    cursor: CursorDep = None,
) -> FeedbackPage:
    """What was changed or graded, the newest first. What nobody changed and nobody graded is no news."""
    with runtime.reading() as session:
        query = use_cases.feedback_for(
            caller.subject, given=whose is Whose.GIVEN, grades=grade, unread=unread
        )
        rows = use_cases.read_page(session, query, before=read_id_cursor(cursor), limit=limit)
        shown = rows[:limit]
        return FeedbackPage(
            items=[_show(row) for row in shown],
            next_cursor=write_cursor(str(shown[-1].id)) if len(rows) > limit else None,
            counts=use_cases.count(session, caller.subject),
        )


@router.post("/feedback/{discrepancy_id}/acknowledge")
def acknowledge(
    discrepancy_id: uuid.UUID, body: ReplyBody, caller: ReaderDep, runtime: RuntimeDep
) -> DiscrepancyShape:
    """The writer has read it, and perhaps answers."""
    use_cases.acknowledge(runtime, who_is(caller), discrepancy_id, body.reply)
    with runtime.reading() as session:
        return _show(use_cases.get(session, who_is(caller), discrepancy_id))


def _show(row: ReportDiscrepancy) -> DiscrepancyShape:
    report, submission = row.report, row.submission
    examination = report.examination
    return DiscrepancyShape(
        id=row.id,
        report_id=report.id,
        version=report.version,
        kind=examination.kind,
        modality=examination.modality,
        body_part=examination.body_part,
        description=examination.description,
        patient=show_snapshot(report.patient, made_on(examination)),
        site=show_site(examination.institution),
        writer=show_known_person(row.writer),
        reviewer=show_known_person(row.reviewer),
        grade=row.grade,
        category=row.category,
        note=row.note,
        changed=row.changed,
        of_preliminary=submission.preliminary,
        findings=show_changes(submission.findings, report.findings),
        impression=show_changes(submission.impression, report.impression),
        critical_before=submission.critical,
        critical_after=report.critical,
        graded_at=row.graded_at,
        acknowledged_at=row.acknowledged_at,
        reply=row.reply,
    )
