"""The JSON of docs/http.md about a task in the reading room: its draft, what may be done, what is said at handing on."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from gateway.web.device_control_shapes import StandShape
from gateway.web.priors_shapes import PriorShape
from gateway.web.shapes import TEXT_LIMIT, ExaminationDetail, PersonShape, WorklistItem
from worklists.checking.rows import LONGEST_REASON
from worklists.checking.values import Check, Section
from worklists.drafts import DraftState
from worklists.reviewing import LONGEST_NOTE, Category, Grade


class DraftShape(BaseModel):
    findings: str
    impression: str
    clinical_information: str
    critical: bool
    critical_because: list[str]  # statements by which it must be critical
    preliminary: bool
    positive: bool | None  # as the writer said; None: the words decide
    positive_by_words: bool
    content: dict[str, Any] | None
    revision: int
    saved_at: datetime
    saved_by: PersonShape  # whose words the newest are: in review not the writer's
    writer: PersonShape
    state: DraftState


class PermissionsShape(BaseModel):
    claim: bool
    release: bool
    edit: bool
    submit: bool
    reject: bool
    sign: bool
    send_back: bool
    hand_over: bool
    take_over: bool
    sign_preliminary: bool
    pause: bool
    resume: bool


class RejectionShape(BaseModel):
    reason: str
    by: PersonShape
    at: datetime


class OverrideShape(BaseModel):
    """A doubt that somebody waved through."""

    key: str
    code: Check
    section: Section
    quoted: str
    reason: str
    by: PersonShape
    at: datetime


class DoubtShape(BaseModel):
    """A place that may be wrong: characters `begin` to `end` of its section."""

    key: str
    code: Check
    section: Section
    begin: int
    end: int
    quoted: str
    detail: dict[str, str]


class SubmissionShape(BaseModel):
    """What the writer handed on, with which the reviewer's text is compared."""

    findings: str
    impression: str
    critical: bool
    content: dict[str, Any] | None
    preliminary: bool
    writer: PersonShape
    submitted_at: datetime


class TaskDetail(BaseModel):
    task: WorklistItem
    examination: ExaminationDetail
    draft: DraftShape | None
    review_required: bool
    permissions: PermissionsShape
    rejection: RejectionShape | None
    overrides: list[OverrideShape]
    submission: SubmissionShape | None
    doubted_device: StandShape | None  # out of control or late when it was made: what the mark is lost by
    priors: list[PriorShape]  # the newest
    priors_total: int
    priors_cursor: str | None  # for those behind them


class DraftBody(BaseModel):
    findings: str = Field(default="", max_length=TEXT_LIMIT)
    impression: str = Field(default="", max_length=TEXT_LIMIT)
    critical: bool = False
    preliminary: bool = False
    positive: bool | None = None  # whether something was found; not said: the words decide
    content: dict[str, Any] | None = None  # what is not sent stays as it is


class OverrideBody(BaseModel):
    key: str = Field(max_length=32)
    reason: str = Field(default="", max_length=LONGEST_REASON)


class VerdictBody(BaseModel):
    grade: Grade
    category: Category | None = None
    note: str = Field(default="", max_length=LONGEST_NOTE)


class HandOnBody(BaseModel):
    """What is said besides, when a report is submitted or signed; `discrepancy` by a reviewer alone."""

    overrides: list[OverrideBody] = Field(default_factory=list, max_length=100)
    discrepancy: VerdictBody | None = None


class SignedShape(BaseModel):
    report_id: uuid.UUID
    version: int
    preliminary: bool
