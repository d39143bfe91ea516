"""The wire of image quality: grades of examinations, and a member's month."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from gateway.web.shapes import GradeReasonShape, GradeShape, PatientShape, SiteShape
from worklists.directory import Kind
from worklists.grading import Grade


class GradeBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    grade: Grade
    reasons: Annotated[list[Annotated[str, StringConstraints(max_length=64)]], Field(max_length=20)] = Field(
        default_factory=list
    )
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""


class TaskGradeShape(BaseModel):
    grade: GradeShape | None
    choices: list[GradeReasonShape]


class PoorShape(BaseModel):
    """One 丙: `patient` and where to open it only for who may see examinations."""

    examination_id: uuid.UUID
    task_id: uuid.UUID | None
    kind: Kind
    modality: str
    description: str
    accession_number: str
    patient: PatientShape | None
    graded_at: datetime
    reasons: list[GradeReasonShape]
    note: str


class CountedReason(GradeReasonShape):
    count: int


class SheetShape(BaseModel):
    institution: SiteShape
    month: str
    graded: int
    grades: dict[Grade, int]
    shares: dict[Grade, float | None]
    reasons: list[CountedReason]
    poor: list[PoorShape]
