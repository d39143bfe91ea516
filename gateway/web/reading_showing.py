"""A task in the reading room as the JSON of docs/http.md: its draft, what may be done, what stands beside it."""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy.orm import Session

from gateway.handing_on import may_sign_preliminary
from gateway.web.reading_shapes import (
    DoubtShape,
    DraftShape,
    OverrideShape,
    PermissionsShape,
    RejectionShape,
    SubmissionShape,
)
from gateway.web.showing import show_known_person
from worklists.checking.rows import ReportOverride
from worklists.checking.values import Doubt
from worklists.directory import Person
from worklists.drafts import Draft
from worklists.ecg_statements import critical_statements
from worklists.offering import offers_of
from worklists.positive import is_positive
from worklists.reading import ReadingTask
from worklists.reviewing import Submission


def show_draft(session: Session, draft: Draft) -> DraftShape:
    return DraftShape(
        findings=draft.findings,
        impression=draft.impression,
        clinical_information=draft.task.examination.clinical_information,
        critical=draft.critical,
        critical_because=[row.code for row in critical_statements(session, draft.content)],
        preliminary=draft.preliminary,
        positive=draft.positive,
        positive_by_words=is_positive(
            session,
            draft.task.examination.kind,
            said=None,
            impression=draft.impression,
            content=draft.content,
        ),
        content=draft.content,
        revision=draft.revision,
        saved_at=draft.saved_at,
        saved_by=show_known_person(draft.saved_by),
        writer=show_known_person(draft.writer),
        state=draft.state,
    )


def show_permissions(session: Session, task: ReadingTask, person: Person, now: datetime) -> PermissionsShape:
    offered = asdict(offers_of(task, person, now))
    return PermissionsShape(
        **offered | {"sign_preliminary": may_sign_preliminary(session, task, person, now)}
    )


def show_override(row: ReportOverride) -> OverrideShape:
    return OverrideShape(
        key=row.key, code=row.code, section=row.section, quoted=row.quoted, reason=row.reason,
        by=show_known_person(row.person), at=row.overridden_at,
    )  # fmt: skip


def show_doubt(doubt: Doubt) -> DoubtShape:
    return DoubtShape(
        key=doubt.key, code=doubt.check, section=doubt.section, begin=doubt.begin, end=doubt.end,
        quoted=doubt.quoted, detail=dict(doubt.detail),
    )  # fmt: skip


def show_submission(row: Submission | None) -> SubmissionShape | None:
    if row is None:
        return None
    return SubmissionShape(
        findings=row.findings, impression=row.impression, critical=row.critical, content=row.content,
        preliminary=row.preliminary, writer=show_known_person(row.writer), submitted_at=row.submitted_at,
    )  # fmt: skip


def show_rejection(draft: Draft | None) -> RejectionShape | None:
    if draft is None or not draft.rejection_reason or draft.rejected_by is None or draft.rejected_at is None:
        return None
    return RejectionShape(
        reason=draft.rejection_reason, by=show_known_person(draft.rejected_by), at=draft.rejected_at
    )
