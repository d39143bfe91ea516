"""The JSON of docs/http.md: reading, township and village, held, verification."""

import uuid
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, Field

from gateway.index import HeldReason
from worklists import grading
from worklists.checking.rows import LONGEST_REASON
from worklists.checking.values import Check, Section
from worklists.directory import Kind
from worklists.examinations import Priority
from worklists.laboratory.results import Abnormal
from worklists.reading import DraftState, TaskState
from worklists.reports import ReportState, ReturnNotice, ReturnState
from worklists.reviewing import LONGEST_NOTE, Category, Grade
from worklists.sharing import Revoked, SharedWith, ShareKey, ShareState

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


class MarkShape(BaseModel):
    item_code: str
    item_name: str
    text: str | None
    scope: str | None
    remark: str
    reason: str | None


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


class PriorReportShape(BaseModel):
    report_id: uuid.UUID
    version: int
    impression: str
    preliminary: bool
    signed_at: datetime
    signed_by: PersonShape


class AbnormalItemShape(BaseModel):
    item_code: str
    name: str
    name_en: str
    abbreviation: str
    value: str
    unit: str
    abnormal: Abnormal
    critical: bool


class PriorShape(BaseModel):
    """One line of the timeline; its findings, results and documents are opened one by one."""

    examination_id: uuid.UUID
    kind: Kind
    modality: str
    body_part: str
    description: str
    studied_at: datetime | None
    received_at: datetime
    site: SiteShape
    patient: PatientShape  # as that institution knows them
    linked: bool  # the patient index says that it is the same person
    elsewhere: bool  # another institution made it
    state: TaskState
    study_instance_uid: str | None
    positive: bool | None
    critical: bool
    abnormal: list[AbnormalItemShape]  # of a specimen the first ones, of so many
    abnormal_count: int
    documents: int
    report: PriorReportShape | None


class PriorsShape(BaseModel):
    items: list[PriorShape]
    total: int
    next_cursor: str | None


class DocumentShape(BaseModel):
    id: uuid.UUID
    name: str
    media_type: str
    url: str


class OpenedPriorShape(BaseModel):
    prior: PriorShape
    findings: str
    measurements: dict[str, float]  # of an ECG, as they were signed
    documents: list[DocumentShape]


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
    priors: list[PriorShape]  # the newest
    priors_total: int
    priors_cursor: str | None  # for those behind them


class ReasonBody(BaseModel):
    reason: str = Field(max_length=2000)


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


class DeliveryShape(BaseModel):
    recipient: SiteShape
    notice: ReturnNotice
    state: ReturnState
    delivered_at: datetime | None
    opened_at: datetime | None
    opened_by: PersonShape | None
    acknowledged_at: datetime | None
    acknowledged_by: PersonShape | None


class ShownImageShape(BaseModel):
    """A picture that a signed report shows."""

    id: uuid.UUID
    caption: str
    sop_instance_uid: str
    frame: int
    snapshot: bool
    width: int
    height: int
    sha256: str


class ShareShape(BaseModel):
    """A code for a report, without the code. `made_by` null: by itself."""

    id: uuid.UUID
    institution: SiteShape
    asks: ShareKey
    state: ShareState
    revoked_because: Revoked | None
    made_at: datetime
    made_by: PersonShape | None
    expires_at: datetime
    opened_at: datetime | None
    opened_count: int
    opened_version: int | None
    acknowledged_at: datetime | None
    acknowledged_as: SharedWith | None
    acknowledged_name: str
    acknowledged_version: int | None


class ReportShape(BaseModel):
    report_id: uuid.UUID
    number: str
    version: int
    state: ReportState
    identity_changed_after_signing: bool
    examination: ExaminationItem
    patient: PatientShape
    findings: str
    impression: str
    clinical_information: str
    content: dict[str, Any] | None
    writer: PersonShape
    reviewer: PersonShape | None
    signed_by: PersonShape
    signed_at: datetime
    preliminary: bool
    critical: bool
    positive: bool | None  # whether something was found; None: it was signed before that was kept
    marks: list[MarkShape]
    centre: NamedShape
    site: SiteShape
    verification_url: str
    deliveries: list[DeliveryShape]
    shares: list[ShareShape]
    manifest_sha256: str
    pdf_sha256: str | None
    amendment: dict[str, Any] | None
    key_images: list[ShownImageShape]


class ExaminationChanges(BaseModel):
    """What is not sent stays as it is; `village_id` null takes the village away."""

    priority: Priority | None = None
    clinical_information: str | None = Field(default=None, max_length=TEXT_LIMIT)
    village_id: uuid.UUID | None = None


class IdentityBody(BaseModel):
    name: str = Field(max_length=200)
    sex: str | None = Field(default=None, pattern="^[MFO]$")
    birth_date: date | None = None
    patient_id: str = Field(default="", max_length=64)
    reason: str = Field(max_length=2000)


class AcceptedShape(BaseModel):
    name: str
    examination_id: uuid.UUID


class RefusedShape(BaseModel):
    name: str
    reason: str


class UploadShape(BaseModel):
    accepted: list[AcceptedShape]
    refused: list[RefusedShape]


class RefusalShape(BaseModel):
    at: datetime
    device: DeviceShape | None
    what: str
    reason: str
    advice: str
    sop_instance_uid: str
    count: int


class ReturnShareShape(BaseModel):
    """What became of the newest code of a report."""

    state: ShareState
    revoked_because: Revoked | None
    opened_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_as: SharedWith | None


class ReturnItem(BaseModel):
    id: uuid.UUID
    report_id: uuid.UUID
    version: int
    examination_id: uuid.UUID
    kind: Kind
    modality: str
    body_part: str
    description: str
    patient: PatientShape
    site: SiteShape
    centre: NamedShape
    signed_at: datetime
    signed_by: PersonShape
    marks: list[MarkShape]
    critical: bool
    preliminary: bool
    notice: ReturnNotice
    amendment: dict[str, Any] | None
    state: ReturnState
    delivered_at: datetime | None
    share: ReturnShareShape | None = None


class SentTodayShape(BaseModel):
    count: int
    arriving: int
    incomplete: int
    held: int
    refused: int


class BeingReadShape(BaseModel):
    count: int
    urgent: int
    next_due_at: datetime | None


class ReturnedCountShape(BaseModel):
    unread: int
    today: int


class RejectedSpecimenShape(BaseModel):
    id: uuid.UUID
    barcode: str
    reason: str


class LabOverviewShape(BaseModel):
    """Of a township's specimens. `wanted_anew`: rejected, or asked for again by the laboratory; `rejected` says why."""

    registered_today: int
    to_send: int
    on_the_way: int
    late: int
    wanted_anew: int
    rejected: list[RejectedSpecimenShape]
    returned_today: int
    unread: int
    critical: int


class OverviewShape(BaseModel):
    sent_today: SentTodayShape
    reading: BeingReadShape
    returned: ReturnedCountShape
    laboratory: LabOverviewShape | None


class HeldItem(BaseModel):
    id: uuid.UUID
    reason: HeldReason
    reason_text: str
    received_at: datetime
    site: SiteShape | None
    device: DeviceShape | None
    patient: PatientShape
    sop_instance_uid: str
    study_instance_uid: str
    filename: str | None
    alike: int
    actions: list[str]


class DifferenceShape(BaseModel):
    field: str
    incoming: Any
    existing: Any


class HeldDetail(HeldItem):
    incoming: dict[str, Any]
    existing: dict[str, Any] | None
    differences: list[DifferenceShape]


class ResolveBody(BaseModel):
    action: str = Field(max_length=20)
    reason: str = Field(max_length=2000)
    all_alike: bool = False


class ResolvedAlikeShape(BaseModel):
    resolved: int
    left: int
    examination_id: uuid.UUID | None
