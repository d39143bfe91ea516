"""The JSON of docs/http.md about a township's own: what it sends, what was refused, how it stands."""

import uuid
from datetime import date, datetime

from pydantic import BaseModel, Field

from gateway.web.shapes import TEXT_LIMIT, DeviceShape
from worklists.examinations import Priority


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


class DeviceCountShape(BaseModel):
    """Devices of the township out of control, and late with a check."""

    out_of_control: int
    late: int


class OverviewShape(BaseModel):
    sent_today: SentTodayShape
    reading: BeingReadShape
    returned: ReturnedCountShape
    devices: DeviceCountShape
    laboratory: LabOverviewShape | None
