"""The JSON of docs/http.md for results of the laboratory."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from gateway.web.shapes import LabCountsShape, NamedShape, PersonShape
from worklists.control import ControlState
from worklists.examinations import Priority
from worklists.laboratory.dictionary import Section
from worklists.laboratory.results import Abnormal, ResultStatus, Verification
from worklists.laboratory.specimens import SpecimenState


class CodedShape(BaseModel):
    code: str
    name: str


class RangeShape(BaseModel):
    low: float | None
    high: float | None
    text: str


class StopShape(BaseModel):
    rule: str
    detail: str


class LabMarkShape(BaseModel):
    text: str | None
    scope: str | None
    reason: str | None


class ResultShape(BaseModel):
    id: uuid.UUID
    run: int
    version: int
    status: ResultStatus
    value: str
    number: float | None
    comparator: str
    unit: str
    range: RangeShape
    abnormal: Abnormal
    critical: bool
    delta: dict[str, Any] | None
    instrument_flags: list[str]
    comments: list[str]
    dilution: str
    method: str
    operator: str
    device: NamedShape | None
    observed_at: datetime
    received_at: datetime
    reported: dict[str, Any]  # as the analyser said it
    control_state: ControlState
    verification: Verification
    stops: list[StopShape]
    verified_at: datetime | None
    verified_by: PersonShape | None
    remark: str
    message_id: uuid.UUID | None


class EarlierShape(BaseModel):
    value: str
    number: float | None
    observed_at: datetime
    abnormal: Abnormal


class RerunShape(BaseModel):
    reason: str
    new_specimen: bool
    asked_at: datetime
    asked_by: PersonShape


class ItemShape(BaseModel):
    item_code: str
    name: str
    name_en: str
    abbreviation: str
    section: Section
    panel: str | None  # code of the one it was ordered with
    unit: str
    position: int
    ordered: bool
    result: ResultShape | None
    needs_word: bool  # verified by itself and with a reason: critical, or out of control until released
    earlier: list[ResultShape]  # other versions and runs, the last one first
    history: list[EarlierShape]
    rerun: RerunShape | None
    mark: LabMarkShape | None


class SpecimenShape(BaseModel):
    id: uuid.UUID
    barcode: str
    kind: str
    state: SpecimenState
    collected_at: datetime | None
    received_at: datetime | None
    panels: list[CodedShape]
    priority: Priority
    requester: str
    clinical_information: str


class AttachmentShape(BaseModel):
    id: uuid.UUID
    name: str
    media_type: str
    size_bytes: int


class HeldPartShape(BaseModel):
    id: uuid.UUID
    reason: str
    detail: dict[str, Any]


class SheetShape(BaseModel):
    examination_id: uuid.UUID
    specimen: SpecimenShape | None
    counts: LabCountsShape
    items: list[ItemShape]
    attachments: list[AttachmentShape]
    held: list[HeldPartShape]
