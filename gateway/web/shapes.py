"""The JSON of docs/http.md that many pages share: people, places, a task in a list, an examination."""

import uuid
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from worklists import grading
from worklists.directory import Kind
from worklists.examinations import Priority
from worklists.reading import TaskState
from worklists.reports import ReturnState

T = TypeVar("T")
TEXT_LIMIT = 20_000  # characters of one field of a report: a long one has two thousand


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None = None
    counts: dict[str, int] | None = None


class PersonShape(BaseModel):
    id: uuid.UUID
    name: str


class SiteShape(BaseModel):
    id: uuid.UUID
    code: str
    name: str


class NamedShape(BaseModel):
    id: uuid.UUID
    name: str


class PatientShape(BaseModel):
    name: str | None = None
    sex: str | None = None
    birth_date: date | None = None
    age: str | None = None
    patient_id: str | None = None


class TextDoubtShape(BaseModel):
    """The name as it is declared may be wrong; this is how it reads in the character set that was probably meant."""

    id: uuid.UUID
    declared: str
    proposed: str
    name_as_declared: str
    name_as_proposed: str


class LabCountsShape(BaseModel):
    """How far a specimen is: items ordered, results that count, and what of them there is to look at."""

    ordered: int
    resulted: int
    waiting: int
    abnormal: int
    critical: int
    held: int
    rerun: int


class GradeReasonShape(BaseModel):
    code: str
    name: str
    name_en: str


class GradeShape(BaseModel):
    """How well it was made, as whoever read it said last."""

    grade: grading.Grade
    reasons: list[GradeReasonShape]
    note: str
    graded_at: datetime


class WorklistItem(BaseModel):
    task_id: uuid.UUID
    examination_id: uuid.UUID
    centre: NamedShape | None
    kind: Kind
    modality: str
    body_part: str
    description: str
    state: TaskState
    waiting_reason: str
    priority: Priority
    due_at: datetime | None
    patient: PatientShape
    site: SiteShape
    accession_number: str
    study_instance_uid: str | None
    instances: int
    expected_instances: int | None
    complete: bool
    received_at: datetime
    studied_at: datetime | None
    claimed_by: PersonShape | None
    claimed_until: datetime | None
    subspecialty: str
    assigned_to: PersonShape | None
    assigned_because: dict[str, Any] | None
    reserved: bool
    handed_over_by: PersonShape | None
    hand_over_note: str
    amends: uuid.UUID | None
    amendment_kind: str
    amendment_reason: str
    paused_at: datetime | None
    pause_reason: str
    preliminary_at: datetime | None
    has_clinical_information: bool
    late_instances: int
    rejected: bool
    draft_revision: int | None
    identity_changed_after_signing: bool
    text_doubt: TextDoubtShape | None
    report_id: uuid.UUID | None
    lab: LabCountsShape | None  # of a specimen
    quality: GradeShape | None


class DeviceShape(BaseModel):
    id: uuid.UUID
    ae_title: str
    name: str


class ReturnedShape(BaseModel):
    return_id: uuid.UUID
    report_id: uuid.UUID
    state: ReturnState
    signed_at: datetime


class ExaminationItem(WorklistItem):
    device: DeviceShape | None
    returned: ReturnedShape | None
    sent_back_reason: str | None
    held: int
    village: NamedShape | None


class IdentityChangeShape(BaseModel):
    at: datetime
    by: PersonShape
    reason: str
    before: PatientShape
    after: PatientShape


class SeriesShape(BaseModel):
    series_instance_uid: str
    modality: str
    description: str
    instances: int


class HistoryShape(BaseModel):
    at: datetime
    what: str
    by: PersonShape | None


class ExaminationDetail(ExaminationItem):
    clinical_information: str
    patient_as_received: PatientShape
    identity_changes: list[IdentityChangeShape]
    series: list[SeriesShape]
    history: list[HistoryShape]


class ReasonBody(BaseModel):
    reason: str = Field(max_length=2000)
