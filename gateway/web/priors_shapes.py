"""The JSON of docs/http.md about what the person had before."""

import uuid
from datetime import datetime

from pydantic import BaseModel

from gateway.web.shapes import PatientShape, PersonShape, SiteShape
from worklists.directory import Kind
from worklists.laboratory.results import Abnormal
from worklists.reading import TaskState


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
