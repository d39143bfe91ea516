"""Writing a draft: keeping what was typed, and checking what a page says besides its words."""

from collections.abc import Mapping
from datetime import datetime
from types import EllipsisType
from typing import Any

from sqlalchemy.orm import Session

from worklists.directory import Kind, Person
from worklists.drafts import Draft
from worklists.ecg_content import ContentRefused
from worklists.ecg_statements import check_content, critical_statements
from worklists.reading import ReadingTask, TaskState
from worklists.reporting.content import read_content


def save_draft(
    session: Session,
    task: ReadingTask,
    *,
    writer: Person,
    findings: str,
    impression: str,
    critical: bool,
    preliminary: bool,
    positive: bool | None = None,
    content: Mapping[str, Any] | EllipsisType | None = ...,
    revision: int | None,
    now: datetime,
) -> Draft:
    """Keep what was typed. `revision` is the one the writer saw; None does not ask. Raises DraftChanged.

    Of what was submitted its reviewer corrects the words, and does not become their writer by it.
    `content` not stated stays as it is. While something critical stands in it, so does the critical flag.
    """
    reviews = task.state is TaskState.SUBMITTED
    if reviews:
        task.require_review_of(writer)
    else:
        task.renew(writer, now)
    task.require_report_of_its_own()
    task.require_shown(revision)
    draft = task.draft or task.begin_draft(writer, now)
    draft.findings, draft.impression = findings, impression
    if not isinstance(content, EllipsisType):
        draft.content = _checked(session, task, content)
    draft.critical = critical or bool(critical_statements(session, draft.content))
    draft.preliminary, draft.positive = preliminary and not reviews, positive
    if not reviews:
        draft.note_writer(writer)
    draft.corrected_by, draft.saved_at = writer if reviews else None, now
    session.flush()
    return draft


def _checked(session: Session, task: ReadingTask, content: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if content is None:
        return None
    if task.examination.kind is Kind.ECG:
        return check_content(session, content)
    if task.examination.kind is Kind.LABORATORY:
        raise ContentRefused({"content": "not_ecg"})  # what a specimen's report says are its results
    return read_content(content)
