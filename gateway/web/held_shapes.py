"""The JSON of docs/http.md about what is held."""

import uuid
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from gateway.index import HeldReason
from gateway.web.shapes import DeviceShape, PatientShape, SiteShape


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
